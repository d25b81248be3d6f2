#!/bin/sh
# A long run of both phases whose resident memory must not grow: what a step, an evaluation or a checkpoint forgets to give
# back shows after thousands of them. Prints the resident size at every tenth of the run.
#
#   sh scripts/steady_memory.sh [STEPS]     20000 steps of two small drawn pictures: half an hour on one core
#
# Not a part of continuous integration.
steps=${1:-20000}
root=$(cd "$(dirname "$0")/.." && pwd)
rmfer=${RMFER:-$root/rmfer}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
cd "$work" || exit 1

# 64 faces in batches of 2: 32 steps an epoch.
"$rmfer" synth drawn --faces 64 --size 32 --mashups 0 >/dev/null || exit 1
epochs=$(((steps + 31) / 32))
cat >long.ini <<INI
[data]
kind = affectnet
root = drawn/affectnet
crop = none
image_size = 32
workers = 1
[model]
arch = tf_efficientnet_b0
[train]
optimizer = sgd
batch = 2
epochs = $epochs
warmup_epochs = $((epochs / 2))
max_steps = $steps
[ial]
weight = 1
[acl]
weight = 0.5
anchors = 1
[rmset]
root = drawn/rmset
[eval]
every = 20
[output]
dir = long
log_every = 10
checkpoint_every = 20
INI
"$rmfer" train --config long.ini --quiet --threads 1 >out 2>err &
pid=$!
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$pid/status 2>/dev/null; }
last_line() { tail -n 2 long/metrics.jsonl 2>/dev/null | sed -n 's/^{"step": \([0-9]*\),.*"phase": \([12]\).*/\1 \2/p' | tail -n 1; }

# Ten times, in the middle of each tenth.
tenth=1
: >resident
while kill -0 $pid 2>/dev/null; do
    sleep 1
    # shellcheck disable=SC2046
    set -- $(last_line)
    [ "${1:-0}" -ge $((steps * tenth / 10 - steps / 20)) ] || continue
    now=$(resident)
    [ -n "$now" ] || continue
    echo "step $1, phase $2: $now KiB resident"
    echo "$2 $now" >>resident
    tenth=$((tenth + 1))
done
wait $pid || { cat err; exit 1; }

# The allocator keeps a few freed pages; half a kilobyte a step would be twice the allowed within a phase.
awk -v most=2048 '
    !($1 in first) { first[$1] = $2 }
    { growth = $2 - first[$1]; if (growth > grown[$1]) grown[$1] = growth }
    END {
        for (phase = 1; phase <= 2; phase++) {
            printf "phase %d: grown by at most %d KiB\n", phase, grown[phase]
            if (!(phase in first) || grown[phase] > most) bad = 1
        }
        exit bad
    }' resident
