#!/bin/sh
# rmfer train and rmfer eval over two processes of this machine: against one process, twice to the same bits, resumed with
# another number of them, told to stop, and with one killed. RMFER_MPI is the program.
RMFER=$RMFER_MPI
. tests/support/cli.sh
. tests/many/support/mpirun.sh
cd "$folder" || exit 1

cat >both.ini <<'INI'
[data]
kind = affectnet
root = ../faces/affectnet
crop = none
image_size = 32
normalize = imagenet
[model]
arch = tf_efficientnet_b0
dropout = 0.2
[train]
optimizer = sgd
lr = 1e-3
lr_ial = 1e-3
lr_contrastive = 1e-3
ema_decay = 0.5
clip_norm = 1
class_weights = balanced
batch = 8
epochs = 2
warmup_epochs = 1
max_steps = 8
[ial]
temperature = 0.1
[acl]
weight = 0.1
n_pos = 3
n_neg = 3
forward = joint
# All are kept: which one of near ties is, rounding may decide.
gamma = 1
[rmset]
root = ../faces/rmset
[output]
dir = run
log_every = 1
checkpoint_every = 0.25
INI
# train DIR PROCESSES OPTION...: into DIR/run.
train() {
    where=$1 processes=$2
    shift 2
    mkdir -p "$where" && cp both.ini "$where"
    (cd "$where" && ranks "$processes" "$RMFER" train --config both.ini --threads 1 "$@")
}
# same_losses A B TOLERANCE: of every line of two metrics files.
same_losses() {
    for file in "$1" "$2"; do sed -n 's/^{"step": \([0-9]*\),.*"loss": \([0-9.e+-]*\),.*/\1 \2/p' "$file/run/metrics.jsonl" >"$file.losses"; done
    paste -d ' ' "$1.losses" "$2.losses" | awk -v most="$3" '{ away = $2 - $4; if ($1 != $3 || away > most || away < -most) bad = 1 }
        { if (bad) print } END { exit bad || NR < 8 }'
}
# A checkpoint knows its folder; what is exported of it does not.
same_weights() {
    for run in "$1" "$2"; do "$RMFER" export "$run/run/last.safetensors" -o "$run.export.safetensors" --quiet || return 1; done
    cmp -s "$1.export.safetensors" "$2.export.safetensors"
}

check "draw faces" "$RMFER" synth faces --faces 64 --size 32 --seed 3 --mashups 0
check "one process" train one 1
check "two processes" train two 2
says "two processes" '2 processes'
says "two processes" 'rank 0, 1; 1 thread a rank'
says "two processes" 'memory: .*, sums over processes [1-9][0-9]*, pictures '
holds "two processes learn what one does" same_losses one two 1e-3
holds "only rank 0 prints" test "$(grep -c 'phase 1, epochs' "$folder/err")" -eq 1
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
check "as many threads each as there are cores" train asked 2 --threads "$cores" --set train.max_steps=1
says "are what was asked for" "rank 0, 1; $cores threads* a rank"
check "one more" train more 2 --threads "$((cores + 1))" --set train.max_steps=1
holds "is told once" test "$(grep -c 'this process may use' "$folder/err")" -eq 1
check "one process, two batches a step" train one-sums 1 --set train.accumulate=2
check "two processes, two batches a step" train two-sums 2 --set train.accumulate=2
holds "learn the same" same_losses one-sums two-sums 1e-3
check "two processes again" train again 2
holds "the same bits" same_weights two again
check "two processes, the first half" train half 2 --set train.max_steps=4
check "resumed by two" train half 2 --resume
holds "resuming gives the bits of a run that never stopped" same_losses two half 0
holds "resumed weights" same_weights two half
check "the first half by two" train other 2 --set train.max_steps=4
check "resumed by one" train other 1 --resume
holds "resuming with another number of processes is the same within rounding" same_losses two other 1e-3
mkdir mixed && cp both.ini mixed && cd mixed || exit 1
refuses "processes whose kernels round differently" 1 'the arithmetic (RMFER_ISA' ranks 1 "$RMFER" train --config both.ini --threads 1 : \
    -n 1 env RMFER_ISA=portable "$RMFER" train --config both.ini --threads 1
cd .. || exit 1
refuses "more processes than kept faces" 2 'of which each of 4 processes needs one' train few 4 --set acl.forward=separate --set acl.gamma=0.1

# ---- evaluation
check "evaluated by one" ranks 1 "$RMFER" eval --checkpoint two/run/best_overall.safetensors --dataset affectnet --data faces/affectnet --split train --set data.crop=none --json one.json
check "evaluated by two" ranks 2 "$RMFER" eval --checkpoint two/run/best_overall.safetensors --dataset affectnet --data faces/affectnet --split train --set data.crop=none --json two.json
rounded() { sed 's/\(\.[0-9]\{6\}\)[0-9]*/\1/g' "$1" >"$1.rounded"; }
rounded one.json && rounded two.json
holds "the same evaluation" cmp -s one.json.rounded two.json.rounded

# ---- failures
# Waits until the run has written a line of this step.
wait_for_step() {
    for _ in $(seq 600); do
        grep -q "^{\"step\": $2," "$1/run/metrics.jsonl" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}
# The process of a rank of the run in a folder.
rank_of() {
    for id in $(pgrep -f "rmfer train --config both.ini"); do
        [ "$(readlink "/proc/$id/cwd")" = "$folder/$1" ] && tr '\0' '\n' <"/proc/$id/environ" | grep -q "^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=$2$" && echo "$id" && return
    done
}
# ends SECONDS PID: whether it has ended by then.
ends() {
    for _ in $(seq $(($1 * 10))); do
        kill -0 "$2" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

shared=$(ls /dev/shm)
train killed 2 --set train.max_steps=0 --set train.epochs=500 --set train.warmup_epochs=500 >"$folder/out" 2>"$folder/err" &
job=$!
holds "a run begins" wait_for_step killed 3
victim=$(rank_of killed 1)
holds "rank 1 is found" test -n "$victim"
holds "decoded pictures are kept together" grep -q memfd:rmfer "/proc/$victim/maps"
kill -9 "$victim"
holds "a killed rank ends all within ten seconds" ends 10 $job
holds "nobody is left" test -z "$(rank_of killed 0)"
wait $job && fail "a killed rank is a failure"
holds "nothing is left in shared memory" test "$(ls /dev/shm)" = "$shared"
holds "a checkpoint is there" test -s killed/run/last.safetensors

train stopped 2 --set train.max_steps=0 --set train.epochs=500 --set train.warmup_epochs=500 >"$folder/out" 2>"$folder/err" &
job=$!
holds "another run begins" wait_for_step stopped 2
kill -TERM "$(rank_of stopped 1)"
holds "a signal to one rank ends all" ends 20 $job
wait $job
says "a signal" 'stopped by signal 15 after step'
last=$(tail -n 1 stopped/run/metrics.jsonl | sed 's/^{"step": \([0-9]*\),.*/\1/')
says "a signal, with the checkpoint of the last step," "after step $last;"

# What all meet is no failure of one: the checkpoint that the error names is the one that is there.
wrong="--set train.lr=10 --set train.saved=float16 --set train.clip_norm=0 --set ial.weight=0 --set acl.weight=0 --set output.checkpoint_every=100 --set eval.every=100"
check "a step of far too high a rate" train wrong 2 $wrong --set train.max_steps=1
refuses "numbers that are none after it" 1 'last good checkpoint: .*run/last.safetensors, of step 1;' train wrong 2 $wrong --resume
"$RMFER" info wrong/run/last.safetensors >"$folder/out"
says "the checkpoint" '^trained .*, step 1$'

mkdir broken && cp -r faces broken/faces && mkdir broken/bad
find broken/faces/affectnet -name 'training*.jpg' | sed -n '3~4p' | while read -r picture; do echo no >"$picture"; done
mkdir -p broken/bad && cp both.ini broken/bad && cd broken/bad || exit 1
refuses "a picture that one rank cannot read" 1 'rank [01] of 2 on .*data.on_error' ranks 2 "$RMFER" train --config both.ini \
    --threads 1 --set data.on_error=fail
holds "said once" test "$(grep -c 'error: .*data.on_error' "$folder/err")" -eq 1
finish
