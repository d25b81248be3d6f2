#!/bin/sh
# A disk that may not be written: mounted read-only, where every command that writes names the file and the reason, and
# those that only read do their work; and a file system that turns read-only under a running training, as one does that
# has met an error, after which the run goes on to the bits and lines of one that was never stopped.
# What is mounted is seen by this test alone: it starts itself once more with mounts of its own.
if [ -z "$MOUNTS_OF_OUR_OWN" ]; then
    export MOUNTS_OF_OUR_OWN=1
    for rights in -m -rm; do # as root, and as root of a name space
        # shellcheck disable=SC2016
        unshare $rights sh -c 'mount -t tmpfs none "$0"' "$(dirname "$0")/support" 2>/dev/null && exec unshare $rights sh "$0"
    done
    echo "skipped: disks that may not be written, as nothing can be mounted here"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
. tests/support/cli.sh
disk=$folder/disk
mkdir "$disk" && mount -t tmpfs none "$disk" || exit 1
trap 'cd /; umount "$disk" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# ---- what is worked with ----
check "draws faces and a mashup video" "$RMFER" synth faces --faces 64 --size 32 --mashups 1
drawn_ini >small.ini
cat >>small.ini <<'INI'
[train]
epochs = 6
warmup_epochs = 3
batch = 8
max_steps = 1
[acl]
weight = 0
[eval]
every = 1
INI
check "trains a little" "$RMFER" train --config small.ini --quiet --threads 1 --out disk/run
picture=$(find faces/affectnet -name '*.jpg' | sort | head -n 1)
cp "$picture" disk/face.jpg
cp "$picture" face.jpg
cp "$picture" drawn.jpg
last=disk/run/last.safetensors
: >disk/old.npy
mount -o remount,ro "$disk" || exit 1

# ---- mounted read-only ----
listing=$(ls -lR disk)
# unwritable FILE COMMAND...
unwritable() {
    file=$1
    shift
    refuses "$1 into $file" 1 "$file: .*: Read-only file system" "$RMFER" "$@"
}
unwritable disk/new train --config small.ini --quiet --out disk/new
unwritable disk/run/.lock train --config small.ini --quiet --out disk/run
unwritable disk/run/.lock train --config small.ini --quiet --out disk/run --resume
predict="predict --checkpoint $last --allow-untrained --threads 1 --detector none"
# shellcheck disable=SC2086
{
    unwritable disk/old.npy $predict --features disk/old.npy "$picture"
    unwritable disk/new.npy $predict --features disk/new.npy "$picture"
    unwritable disk/new $predict --annotate disk/new "$picture"
    unwritable disk/drawn.jpg $predict --annotate disk drawn.jpg
    unwritable disk/face.jpg $predict --annotate disk --force face.jpg
}
unwritable disk/new.json eval --checkpoint $last --json disk/new.json
unwritable disk/plots eval --checkpoint $last --plots disk/plots
unwritable disk/new.onnx export $last -o disk/new.onnx
unwritable disk/new.safetensors import $last -o disk/new.safetensors
unwritable disk/new.svg plot curves disk/run -o disk/new.svg
unwritable disk/new.html report disk/run --no-data -o disk/new.html
unwritable disk/drawn synth disk/drawn --faces 64 --mashups 0
if [ -f faces/mashups/mashup0.mp4 ]; then
    unwritable disk/set rmset build faces/mashups/mashup0.mp4 -o disk/set --every 48 --quiet
else
    skip "rmset build, without FFmpeg"
fi
holds "nothing has changed" [ "$listing" = "$(ls -lR disk)" ]
# shellcheck disable=SC2086
check "predicts from a read-only disk" "$RMFER" $predict --json disk/face.jpg
check "evaluates from a read-only disk" "$RMFER" eval --checkpoint $last
check "describes what is on a read-only disk" "$RMFER" info disk/run
umount "$disk"

# ---- read-only under a running training ----
without_times() { sed 's/, "images_per_s": [^,}]*//; s/, "data_wait_share": [^,}]*//' "$1"; }
train() { "$RMFER" train --config small.ini --quiet --threads 1 --out disk/run --set train.max_steps=0 "$@"; }
# A file system of its own in a file: only one that gives up by itself turns read-only while files are open for writing.
if truncate -s 500M image && mkfs.ext4 -q image 2>err && mount -o loop image disk 2>err; then
    check "trains to the end" train
    mkdir undisturbed && cp disk/run/last.safetensors disk/run/metrics.jsonl undisturbed && rm -r disk/run
    train >out 2>err &
    run=$!
    for _ in $(seq 600); do
        [ -s disk/run/previous.safetensors ] && break
        sleep 0.1
    done
    mount -o remount,abort disk
    wait $run
    code=$?
    holds "training on a disk that turns read-only ends with an error: exit $code" [ $code -eq 1 ]
    says "it" "disk/run/.*: cannot be .*: \(Read-only file system\|Input/output error\)"
    umount disk && mount -o loop image disk
    check "goes on once the disk can be written again" train --resume
    holds "to the same end" cmp disk/run/last.safetensors undisturbed/last.safetensors
    without_times disk/run/metrics.jsonl >resumed.lines
    without_times undisturbed/metrics.jsonl >undisturbed.lines
    holds "with the same lines of metrics" cmp resumed.lines undisturbed.lines
    holds "and leaves no half file" [ -z "$(find disk -name '*.tmp.*')" ]
else
    skip "a disk that turns read-only under a training, as no file can be mounted here"
fi
finish
