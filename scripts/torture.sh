#!/bin/sh
# A run of both phases on FERPlus pictures that is stopped at random, by SIGTERM, kill -9 and a full disk, and goes on, for
# MINUTES; then left to end. Its checkpoint must be, bit for bit, that of the same run never stopped, and its lines of metrics
# the same but for speeds.
#
#   sh scripts/torture.sh [MINUTES]     60 of them; DATA = a FERPlus folder, WORK = a folder to work in, which is kept:
#                                       started again there, it goes on where it was stopped
#
# The disk that gets full is a small one in memory where the user may mount one (root); elsewhere libfaults.so, which `make
# tests` builds, lets one write fail. Not a part of continuous integration.
minutes=${1:-60}
root=$(cd "$(dirname "$0")/.." && pwd)
rmfer=${RMFER:-$root/rmfer} faults=${RMFER_TESTS:-$root/build/release/tests}/libfaults.so
data=$(cd "${DATA:-$root/../shared/data/ferplus-mini}" && pwd) || exit 1
work=${WORK:-$(mktemp -d)}
mkdir -p "$work/disk" && cd "$work" || exit 1
disk=$work/disk
[ -n "$WORK" ] || trap 'umount "$disk" 2>/dev/null; rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive

# A disk on which two checkpoints of a run have room, a third while it is written, and the best two.
small_disk=
if mountpoint -q "$disk" || mount -t tmpfs -o size=600m tmpfs "$disk" 2>/dev/null; then small_disk=yes; fi

[ -d drawn ] || "$rmfer" synth drawn --faces 64 --size 32 --mashups 0 >/dev/null || exit 1
cat >run.ini <<INI
[data]
kind = ferplus
root = $data
image_size = 32
workers = 1
[model]
arch = tf_efficientnet_b0
[train]
optimizer = adamw
lr = 1e-3
ema_decay = 0.99
batch = 16
epochs = ${EPOCHS:-4}
warmup_epochs = $((${EPOCHS:-4} / 2))
[ial]
weight = 1
[acl]
weight = 0.5
anchors = 2
[rmset]
root = $work/drawn/rmset
[output]
dir = $disk/run
checkpoint_every = 0.1
log_every = 5
INI
train() { "$rmfer" train --config run.ini --quiet --threads 1 "$@"; }

# A number below $1, from the system.
random() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

# What happened so far, in phase 1 and 2, and how long it took; a file of its own, for the next start.
terminated1=0 terminated2=0 killed1=0 killed2=0 full1=0 full2=0 runs=0 wrong=0 spent=0 alone=0
# shellcheck source=/dev/null
[ ! -f tally ] || . ./tally
keep_tally() {
    for name in terminated1 terminated2 killed1 killed2 full1 full2 runs wrong spent alone; do
        eval "echo $name=\$$name"
    done >tally.new && mv tally.new tally
}

# ---- never stopped; a run's folder is remembered by its checkpoints, so it is made in the place of the others ----
if [ ! -d never_stopped ]; then
    rm -rf "$disk/run"
    began=$(date +%s)
    train --out "$disk/run" >out 2>err || { cat err; exit 1; }
    alone=$(($(date +%s) - began))
    cp -r "$disk/run" never_stopped.new && mv never_stopped.new never_stopped && rm -rf "$disk/run"
    keep_tally
    echo "never stopped: $alone s"
fi

# The run has reached its end: compares, and makes room for the next.
compare() {
    runs=$((runs + 1))
    for name in last best_overall best_average; do
        cmp -s "$disk/run/$name.safetensors" never_stopped/$name.safetensors || { echo "run $runs: $name differs"; wrong=$((wrong + 1)); }
    done
    for folder in "$disk/run" never_stopped; do
        sed 's/, "images_per_s": [^,}]*//; s/, "data_wait_share": [^,}]*//' "$folder/metrics.jsonl" >"$(basename "$folder").lines"
    done
    cmp -s run.lines never_stopped.lines || { echo "run $runs: metrics differ"; wrong=$((wrong + 1)); }
    find "$disk/run" -name '*.tmp.*' | grep . && wrong=$((wrong + 1))
    rm -rf "$disk/run"
}

# Counts $1 in the phase that the run was in.
count() {
    phase=$(sed -n 's/.*"phase": \([12]\).*/\1/p' "$disk/run/metrics.jsonl" 2>/dev/null | tail -n 1)
    eval "$1${phase:-1}=\$(($1${phase:-1} + 1))"
}

# All of the disk but some random bytes is taken by another.
fill_disk() {
    left=$(($(df -B1 --output=avail "$disk" | tail -n 1) - $(random 160000000)))
    [ "$left" -le 0 ] || fallocate -l "$left" "$disk/filler"
}

# stop HOW: the run is begun, or goes on, for a while, and is stopped; its exit status is left in `code`.
stop() {
    if [ "$1" = full ] && [ -z "$small_disk" ]; then
        FAULT=write:ENOSPC:$(($(random 4000) + 1)) LD_PRELOAD=$faults "$rmfer" train --config run.ini --quiet --threads 1 \
            --out "$disk/run" --resume >out 2>err
        code=$?
    else
        # Not by the function: $! would be the shell that runs it, and the signal would not reach the program.
        "$rmfer" train --config run.ini --quiet --threads 1 --out "$disk/run" --resume >out 2>err &
        pid=$!
        sleep "$(random $((alone / 10 + 2))).$(random 10)"
        case $1 in
        terminated) kill -TERM $pid 2>/dev/null && count terminated ;;
        killed) kill -KILL $pid 2>/dev/null && count killed ;;
        full) fill_disk ;;
        esac
        wait $pid
        code=$?
        rm -f "$disk/filler"
    fi
    if [ "$1" = full ] && [ $code -eq 1 ]; then
        grep -q 'No space' err || { echo "a full disk has another message:"; cat err; wrong=$((wrong + 1)); }
        count full
    fi
}

while [ $spent -lt $((60 * minutes)) ]; do
    began=$(date +%s)
    case $(random 3) in
    0) how=terminated expected=143 ;;
    1) how=killed expected=137 ;;
    2) how=full expected=1 ;;
    esac
    stop "$how"
    case $code in
    0) compare ;;
    "$expected") ;;
    *) echo "$how: exit $code"; cat err; wrong=$((wrong + 1)) ;;
    esac
    spent=$((spent + $(date +%s) - began))
    keep_tally
done
if [ -d "$disk/run" ]; then
    train --out "$disk/run" --resume >out 2>err || { cat err; wrong=$((wrong + 1)); }
    compare
fi
keep_tally
echo "phase 1: $terminated1 SIGTERM, $killed1 kill -9, $full1 full disks; phase 2: $terminated2, $killed2, $full2;" \
    "$runs runs ended, $wrong wrong"
[ $wrong -eq 0 ]
