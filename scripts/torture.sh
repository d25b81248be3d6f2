#!/bin/sh
# A run of both phases on FERPlus pictures that is stopped at random, by SIGTERM, kill -9 and a full disk, and goes on, for
# MINUTES; then left to end. Its checkpoint must be, bit for bit, that of the same run never stopped, and its lines of metrics
# the same but for speeds. Then a long run whose resident memory must not grow.
#
#   sh scripts/torture.sh [MINUTES [STEPS]]     60 minutes and 20000 steps; DATA = a FERPlus folder
#
# Needs what `make tests` builds (libfaults.so is the full disk). Not a part of continuous integration.
minutes=${1:-60} steps=${2:-20000}
root=$(cd "$(dirname "$0")/.." && pwd)
rmfer=${RMFER:-$root/rmfer} faults=${RMFER_TESTS:-$root/build/release/tests}/libfaults.so
data=$(cd "${DATA:-$root/../shared/data/ferplus-mini}" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
cd "$work" || exit 1

"$rmfer" synth drawn --faces 64 --size 32 --mashups 0 >/dev/null || exit 1
cat >run.ini <<INI
[data]
kind = ferplus
root = $data
image_size = 40
workers = 1
[model]
arch = tf_efficientnet_b0
[train]
optimizer = adamw
lr = 1e-3
ema_decay = 0.99
batch = 32
epochs = ${EPOCHS:-4}
warmup_epochs = 2
[ial]
weight = 1
[acl]
weight = 0.5
anchors = 2
[rmset]
root = $work/drawn/rmset
[output]
dir = run
checkpoint_every = 0.1
log_every = 5
INI
train() { "$rmfer" train --config run.ini --quiet --threads 1 "$@"; }

# A number below $1, from the system.
random() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

began=$(date +%s)
train --out run >out 2>err || { cat err; exit 1; }
alone=$(($(date +%s) - began))
mv run never_stopped
echo "never stopped: $alone s"

# The same output.dir, which a checkpoint remembers. A run that reaches its end is begun anew.
terminated=0 killed=0 full=0 runs=0 wrong=0
compare() {
    runs=$((runs + 1))
    for name in last best_overall best_average; do
        cmp -s run/$name.safetensors never_stopped/$name.safetensors || { echo "run $runs: $name differs"; wrong=$((wrong + 1)); }
    done
    for folder in run never_stopped; do
        sed 's/, "images_per_s": [^,}]*//; s/, "data_wait_share": [^,}]*//' $folder/metrics.jsonl >$folder.lines
    done
    cmp -s run.lines never_stopped.lines || { echo "run $runs: metrics differ"; wrong=$((wrong + 1)); }
    find run -name '*.tmp.*' | grep . && wrong=$((wrong + 1))
    rm -rf run
}
end=$(($(date +%s) + 60 * minutes))
while [ "$(date +%s)" -lt $end ]; do
    how=$(random 3)
    if [ "$how" = 2 ]; then
        FAULT=write:ENOSPC:$(($(random 4000) + 1)) LD_PRELOAD=$faults "$rmfer" train --config run.ini --quiet --threads 1 \
            --out run --resume >out 2>err
        code=$?
        [ $code -eq 1 ] && full=$((full + 1))
    else
        train --out run --resume >out 2>err &
        pid=$!
        sleep "$(random $((alone / 2 + 1))).$(random 10)"
        if [ "$how" = 0 ]; then kill -TERM $pid 2>/dev/null && terminated=$((terminated + 1))
        else kill -KILL $pid 2>/dev/null && killed=$((killed + 1)); fi
        wait $pid
        code=$?
    fi
    case $code in
    0) compare ;;
    1 | 137 | 143) ;;
    *) echo "exit $code"; cat err; wrong=$((wrong + 1)) ;;
    esac
done
train --out run --resume >out 2>err || { cat err; wrong=$((wrong + 1)); }
compare
echo "$terminated SIGTERM, $killed kill -9, $full full disks; $runs runs ended, $wrong wrong"

# ---- memory ----
train --out long --set train.epochs=1000000 --set train.max_steps="$steps" --set acl.weight=0 --set train.batch=8 \
    --set data.image_size=32 --set eval.every=1000 --set output.checkpoint_every=1000 >out 2>err &
pid=$!
resident() { sed -n 's/^VmRSS: *\([0-9]*\) kB/\1/p' /proc/$pid/status 2>/dev/null; }
step() { tail -n 1 long/metrics.jsonl 2>/dev/null | sed -n 's/^{"step": \([0-9]*\).*/\1/p'; }
first= last=
while kill -0 $pid 2>/dev/null; do
    now=$(step)
    if [ -z "$first" ] && [ "${now:-0}" -gt $((steps / 10)) ]; then first=$(resident); fi
    latest=$(resident)
    [ -n "$latest" ] && [ -n "$first" ] && last=$latest
    sleep 0.2
done
wait $pid || { cat err; wrong=$((wrong + 1)); }
echo "$steps steps: ${first:-?} KiB resident after a tenth of them, ${last:-?} at the end"
if [ -z "$first" ] || [ -z "$last" ] || [ $((last - first)) -gt 4096 ]; then wrong=$((wrong + 1)); fi
[ $wrong -eq 0 ]
