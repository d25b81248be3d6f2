#!/bin/sh
# The results of docs/results/ferplus.md and the model in the box: FERPlus's training split from random weights, on this
# machine's CPU, and what goes on from there.
# Usage: results_ferplus.sh FERPLUS_FOLDER [OUT [RESULTS]]  (OUT: runs/ferplus; RESULTS: OUT/results; RMFER: ./rmfer)
#
# ROWS (scratch) and SEEDS (0) choose. scratch is the preset ferplus-scratch; more, ial and consensus go on from it for three
# epochs: labels alone, with inter-sample attention, and with all training faces as moments too, as the best row of
# docs/results/claim.md has them. They start from scratch of their seed, or from START. A finished row leaves its JSON in RESULTS,
# by both rules for the labels, and is not run again (with docs/results/ferplus as RESULTS those that are reported count as
# finished, but scratch is trained again where a row goes on from it and OUT does not have it); a stopped one goes on. The model
# is made of scratch of seed 0 once that is finished. THREADS: of every run.
set -eu
set -- "$1" "${2:-runs/ferplus}" "${3:-}"
# shellcheck source=scripts/results_rows.sh
. "$(dirname "$0")/results_rows.sh"
config=$here/configs/ferplus-scratch.ini start=${START:-}
case $start in /* | '') ;; *) start=$PWD/$start ;; esac

# What a row changes of the preset.
settings_of() {
    further="train.epochs=3 train.warmup_epochs=0 train.lr=5e-4 train.lr_ial=5e-4 train.phase2_lr=same
        train.lr_warmup_epochs=0.25 train.ema_decay=0.998"
    case $1 in
    scratch) ;;
    more) echo "$further" ;;
    ial) echo "$further ial.weight=1.2" ;;
    consensus)
        echo "$further train.method=consensus consensus.weight=3 consensus.ratio=2 consensus.threshold=0
            consensus.weighting=certainty consensus.student_view=plain consensus.view=mirrored rmset.root=$out/rmset"
        ;;
    *) echo "$0: no row $1" >&2; exit 2 ;;
    esac
}

# SEED: whether OUT has scratch, trained to its end.
has_scratch() { is_finished "scratch-seed$1" "$results/scratch-seed$1-valid-argmax.json"; }

# ROW SEED. The start that it goes on from comes first, where OUT does not have it.
run_row() {
    [ "$1" = scratch ] || [ -n "$start" ] || has_scratch "$2" || run_row scratch "$2"
    kind=$1 name=$1-seed$2
    settings=$(settings_of "$kind")
    # All training faces as a simulated RMset.
    [ "$kind" != consensus ] || make_rmset "$out/rmset" --from "$config" --set data.root="$data" --set acl.far=30
    # shellcheck disable=SC2086 # words
    set -- data.root="$data" train.seed="$2" $settings
    [ "$kind" = scratch ] || set -- "$@" model.init="${start:-$out/scratch-seed$seed/last.safetensors}"
    train_row "$name" "$config" "$@"
    # The last checkpoint, which no evaluation chose. What run_row looks for is written last.
    for split in test valid; do
        if [ $split = test ] && [ ! -d "$data/FER2013Test" ]; then continue; fi
        for votes in majority argmax; do
            json=$results/$name-$split-$votes.json
            evaluate "$json" --checkpoint "$name/last.safetensors" --split $split --set data.votes=$votes
            echo "$name, $split, votes $votes: $(accuracy_of "$json")"
        done
    done
}

# The model in the box, with a temperature for confidences as predict gives them: one view of each face, ambiguous ones too.
make_model() {
    "$rmfer" export "$out/scratch-seed0/last.safetensors" -o "$out/unfinished.safetensors" --half
    "$rmfer" eval --checkpoint "$out/unfinished.safetensors" --dataset ferplus --data "$data" --split valid \
        --set data.votes=argmax --fit-temperature "$out/unfinished.safetensors"
    mv "$out/unfinished.safetensors" "$out/ferplus-b0.safetensors"
    "$rmfer" plot curves "rmfer=$out/scratch-seed0" --key overall_accuracy --title "FERPlus, validation accuracy" -o "$out/curve.svg"
}

for row in ${ROWS:-scratch}; do settings_of "$row" >/dev/null; done
for seed in ${SEEDS:-0}; do
    for row in ${ROWS:-scratch}; do
        [ -f "$results/$row-seed$seed-valid-argmax.json" ] || run_row "$row" "$seed"
    done
done
if [ ! -f "$out/ferplus-b0.safetensors" ] && has_scratch 0; then make_model; fi
