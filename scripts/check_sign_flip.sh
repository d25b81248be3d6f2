#!/bin/sh
# Proves that the tests can fail: in a copy of the sources turns one sign of one formula round at a time, builds the test
# program named beside it and expects it to fail.   check_sign_flip.sh [FILE...]   (only the places in these files)
# Programs of tests/many run over two processes; without mpirun and what `make check-mpi` builds their places are left out.
# SHARE=K/N takes every N-th place, beginning with the K-th (0 <= K < N): a share that moves on with K. Of the others it is seen
# that they still stand in their files.
# Ends with 1 when a flipped sign went unnoticed. `make sign-flip` builds first and calls this.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MAKELEVEL MFLAGS
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 1' INT TERM
# Objects come along with their times, so that only what a flip touches is built again.
cp -a Makefile src include tests configs scripts "$copy" && mkdir "$copy/build" && cp -a build/release "$copy/build" || exit 1
many=
if command -v mpirun >/dev/null 2>&1 && [ -e build/release-mpi/tests/double/many/test_method_shared ]; then
    many=yes
    cp -a build/release-mpi "$copy/build" || exit 1
fi

# file :: text before :: text after :: test program
places() {
    cat <<'END'
src/kern/kernels_portable.c :: return s * (1 + z * (1 - s)); :: return s * (1 - z * (1 - s)); :: test_kern_kernels
src/kern/simd.inc :: v_fma(silu, v_set(1.0f) - s, s) :: v_fma(silu, v_set(1.0f) - s, v_set(0.0f) - s) :: test_kern_kernels
src/kern/simd.inc :: row->ldx, lanes) - mean, way->products) :: row->ldx, lanes) + mean, way->products) :: test_kern_kernels
src/kern/kernels_portable.c :: da += gradient * row->w :: da -= gradient * row->w :: double/test_ops_depthwise
src/kern/kernels_portable.c :: row->ldw + c] += gradient * a; :: row->ldw + c] -= gradient * a; :: double/test_ops_depthwise
src/nn/backbone_backward.c :: gate[i] * through[i] + at_pixel[i] * slopes[i] :: gate[i] * through[i] - at_pixel[i] * slopes[i] :: test_golden_engine
src/method/rmfer_heads.c :: dfeatures[i] += room[i]; :: dfeatures[i] -= room[i]; :: test_golden_engine
src/method/guesses.c :: (exp(log_p) - (double)t[c]) :: (exp(log_p) + (double)t[c]) :: double/test_method_unlabelled
src/method/moment_consensus.c :: faces->shares[c] + 1 - rho; :: faces->shares[c] + 1 + rho; :: test_method_consensus
src/method/self_supervised.c :: dp[i * d + k] = (real)(scale :: dp[i * d + k] = (real)(-scale :: double/test_ops_pairs
src/method/mlp.c :: if (mlp->out[layer][i] <= 0) slopes[i] = 0; :: if (mlp->out[layer][i] >= 0) slopes[i] = 0; :: test_golden_methods
src/method/simsiam.c :: const double share = -0.5; :: const double share = 0.5; :: test_golden_methods
src/method/byol.c :: (1 + cos(PI * progress)) :: (1 - cos(PI * progress)) :: test_golden_methods
src/method/byol.c :: const double share = -2; :: const double share = 2; :: test_golden_methods
src/method/simclr.c :: step->gradient_scale * step->weights[PAIR_TERM], :: -step->gradient_scale * step->weights[PAIR_TERM], :: test_golden_methods
src/method/moco.c :: step->gradient_scale * step->weights[PAIR_TERM], :: -step->gradient_scale * step->weights[PAIR_TERM], :: test_golden_methods
src/method/consensus.c :: step->gradient_scale * step->weights[TERM_CONSENSUS], :: -step->gradient_scale * step->weights[TERM_CONSENSUS], :: test_golden_methods
src/method/consensus.c :: step->gradient_scale * weight, :: -step->gradient_scale * weight, :: test_golden_methods
src/ops/center_loss.c :: - own[i] / length * cosine :: + own[i] / length * cosine :: double/test_ops_center_loss
src/ops/center_loss.c :: (double)rows->features[at] - center[k] :: (double)rows->features[at] + center[k] :: double/test_ops_center_loss
src/method/centers.c :: (1 - centers->attention[i]) :: (1 + centers->attention[i]) :: test_golden_methods
src/method/centers.c :: *center -= rate :: *center += rate :: test_golden_methods
src/ops/batchnorm_rows.c :: - h * along / (double)n :: + h * along / (double)n :: double/test_ops_pairs
src/ops/queue_contrastive.c :: - lse) - 1); :: - lse) + 1); :: double/test_ops_pairs
src/ops/mutual_contrastive.c :: (positive / all - 1)); :: (positive / all + 1)); :: double/test_method_mutual
src/ops/mutual_contrastive.c :: (own - others)); :: (own + others)); :: double/test_method_mutual
src/ops/supervised_contrastive.c :: - lse) - share)); :: - lse) + share)); :: test_golden_methods
src/method/guesses.c :: (p - (double)t[c] - along) :: (p - (double)t[c] + along) :: test_golden_methods
src/nn/inference.c :: own[c] /= (real)pixels; :: own[c] /= -(real)pixels; :: test_golden_engine
src/ops/attention.c :: ((double)room[i * n + j] - inner) :: ((double)room[i * n + j] + inner) :: test_golden_engine
src/ops/batchnorm.c :: (double)bn->beta[c] - mean * :: (double)bn->beta[c] + mean * :: test_golden_engine
src/ops/batchnorm.c :: (double)bn->running_mean[at] + momentum * mean) :: (double)bn->running_mean[at] - momentum * mean) :: test_golden_engine
src/ops/batchnorm.c :: bn->slope[c] = -bn->scale[c] :: bn->slope[c] = bn->scale[c] :: test_golden_engine
src/ops/batchnorm.c :: bn->offset[c] = -bn->scale[c] :: bn->offset[c] = bn->scale[c] :: test_golden_engine
src/ops/contrastive.c :: exp(s - all) - (i <= setup->positives :: exp(s - all) + (i <= setup->positives :: test_golden_engine
src/ops/concordance.c :: (y - a.coefficient * x) :: (y + a.coefficient * x) :: double/test_ops_concordance
src/method/affect_head.c :: dfeatures[i] += head->room[i]; :: dfeatures[i] -= head->room[i]; :: test_golden_engine
src/ops/conv1x1.c :: scale[c] = bn.scale[c] * upstream->keep[image]; :: scale[c] = -bn.scale[c] * upstream->keep[image]; :: test_golden_engine
src/ops/cosine.c :: (du[j] - u[j] * (real)along) :: (du[j] + u[j] * (real)along) :: test_golden_engine
src/kern/kernels_portable.c :: (row->residual == NULL ? 0 : row->residual[i :: -(row->residual == NULL ? 0 : row->residual[i :: double/test_ops_depthwise
src/ops/depthwise.c :: (padded - ky) / stride < conv->output_height :: (padded + ky) / stride < conv->output_height :: double/test_ops_depthwise
src/ops/linear.c :: layer->dbias[j] += dy[ :: layer->dbias[j] -= dy[ :: test_golden_engine
src/ops/softmax_cross_entropy.c :: exp((double)logits[c] - lse) - q) :: exp((double)logits[c] - lse) + q) :: test_golden_engine
src/ops/squeeze_excite.c :: saved.gate[i] * (1 - saved.gate[i]) :: saved.gate[i] * (1 + saved.gate[i]) :: test_golden_engine
src/ops/stem.c :: inside ? pixel[c] : 0 :: inside ? -pixel[c] : 0 :: test_golden_engine
src/train/schedule.c :: (1 + cos(PI * share)) :: (1 - cos(PI * share)) :: test_train_schedule
src/train/optimizer_rules.c :: w[i] -= rate * (fresh * gradient :: w[i] += rate * (fresh * gradient :: test_train_optimizer
src/train/optimizer_rules.c :: shrink * w[i] - rate * (m[i] :: shrink * w[i] + rate * (m[i] :: test_train_optimizer
src/train/optimizer_rules.c :: w[i] += scale * g[i]; :: w[i] -= scale * g[i]; :: test_train_optimizer
src/train/metrics.c :: (squared_length(sum, similarity->dimensions) - n) / 2 :: (squared_length(sum, similarity->dimensions) + n) / 2 :: test_train_metrics
src/train/metrics.c :: point[k] - centre[k] :: point[k] + centre[k] :: test_train_metrics
src/nn/mirror.c :: (values[i] + mirrored[i]) / 2 :: (values[i] - mirrored[i]) / 2 :: test_golden_training
src/method/rmfer_step.c :: losses->fer + objective->ial_weight * losses->ial :: losses->fer - objective->ial_weight * losses->ial :: test_method_rmfer_step
src/method/weight_average.c :: kept * average[i] + (1 - kept) :: kept * average[i] - (1 - kept) :: test_method_weight_average
src/data/augment.c :: ((float)i / 255.0f - mean[c]) :: ((float)i / 255.0f + mean[c]) :: test_data_augment
src/data/augment_color.c :: (2 * green + 4 * blue - sign) :: (2 * green + 4 * blue + sign) :: test_data_augment
src/data/augment_geometry.c :: m[2] = centre_x - m[0] * centre_x :: m[2] = centre_x + m[0] * centre_x :: test_data_golden
src/data/crop.c :: real_part += fx * tx + fy * ty; :: real_part += fx * tx - fy * ty; :: test_data_crop
src/data/loader.c :: options->source.groups - slot->place.index * groups :: options->source.groups + slot->place.index * groups :: test_data_loader
src/data/sampler.c :: begin + random_below(stream, end - begin) :: begin - random_below(stream, end - begin) :: test_data_sampler
src/data/rmset_index.c :: view->faces, frame + near + 1) :: view->faces, frame - near + 1) :: test_data_rmset_index
src/ops/batchnorm.c :: squares[c] + total * mean[c] * mean[c]; :: squares[c] - total * mean[c] * mean[c]; :: double/many/test_method_shared
src/ops/batchnorm.c :: sums[channels + c] - sums[c] * mean; :: sums[channels + c] + sums[c] * mean; :: double/many/test_method_shared
src/ops/batchnorm.c :: double scale = -(double)bn->scale[c] / all[2 :: double scale = (double)bn->scale[c] / all[2 :: double/many/test_method_shared
src/nn/backbone_share.c :: dfeatures + share.first * d, share.count :: dfeatures + 0 * share.first * d, share.count :: double/many/test_method_shared
src/dist/gradients.c :: sum += (double)room[(size_t)r * n + i]; :: sum -= (double)room[(size_t)r * n + i]; :: double/many/test_method_shared
src/dist/dist.c :: sums[i] += room[(size_t)r * count + i]; :: sums[i] -= room[(size_t)r * count + i]; :: many/test_dist
END
}

# FILE BEFORE AFTER: prints the file with the one place changed; fails unless it stands there exactly once.
flipped() {
    BEFORE=$2 AFTER=$3 awk '
        { at = index($0, ENVIRON["BEFORE"])
          if (at > 0) { found++; $0 = substr($0, 1, at - 1) ENVIRON["AFTER"] substr($0, at + length(ENVIRON["BEFORE"])) }
          print }
        END { exit found != 1 }' "$1"
}

# PROGRAM: in the copy; the test of the training goldens runs ./rmfer itself.
build() {
    case $1 in
    *many/*) make -C "$copy" MPI=1 "build/release-mpi/tests/$1" ;;
    test_golden_training) make -C "$copy" "build/release/tests/$1" rmfer ;;
    *) make -C "$copy" "build/release/tests/$1" ;;
    esac
}
passes() {
    cd "$copy" || exit 1
    case $1 in
    *many/*) . tests/many/support/mpirun.sh && ranks 2 "build/release-mpi/tests/$1" ;;
    *) "build/release/tests/$1" ;;
    esac
}

# FILE BEFORE AFTER: leaves the changed file.
stands() {
    flipped "$1" "$2" "$3" >"$copy/flipped" || { echo "$1: '$2' does not stand there once"; return 1; }
}

# FILE BEFORE AFTER PROGRAM: true when the program notices.
notices() {
    cat "$copy/flipped" >"$copy/$1"
    if ! build "$4" >"$copy/log" 2>&1; then
        echo "$1: does not build with '$3'"; tail -n 5 "$copy/log"; result=1
    elif (passes "$4" >"$copy/log" 2>&1); then
        echo "$1: $4 did not notice '$3'"; result=1
    else
        echo "$1: $4 notices '$3'"; result=0
    fi
    cp "$1" "$copy/$1" # its time is now, so that the next build takes it
    return $result
}

share=${SHARE:-0/1}
places >"$copy/places"
number=0 caught=0 missed=0
while IFS= read -r place; do
    number=$((number + 1))
    file=${place%% :: *} rest=${place#* :: }
    before=${rest%% :: *} rest=${rest#* :: }
    after=${rest%% :: *} program=${rest#* :: }
    case " ${*:-$file} " in *" $file "*) ;; *) continue ;; esac
    stands "$file" "$before" "$after" || { missed=$((missed + 1)); continue; }
    [ $(((number - 1) % ${share#*/})) -eq $((${share%/*} % ${share#*/})) ] || continue
    case $many$program in many/* | double/many/*)
        echo "skipped: $file over two processes, for which mpirun or make check-mpi is missing"
        continue ;;
    esac
    if notices "$file" "$before" "$after" "$program" </dev/null; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
done <"$copy/places"
echo "$caught passed, $missed failed"
[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
