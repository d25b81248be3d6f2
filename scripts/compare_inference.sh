#!/bin/sh
# Inference of rmfer and of ONNX Runtime, measured in turns on this machine, as a table of medians; and start-up, from
# starting the process to its first result.
#   scripts/compare_inference.sh [ROUNDS]
# Settings by environment: ARCH (tf_efficientnet_b2), IMAGE_SIZE (260), BATCHES ("1 8 32"), THREADS (all), RMFER
# (./rmfer), PYTHON (python3 with torch, which writes the network as an ONNX file and as a checkpoint), ORT_HOME (a folder
# with onnxruntime-node; installed by npm into a temporary one otherwise), ORT_VERSION (1.30.0), PHOTO (a face to predict
# for the start-up row; without it that row is left out).
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
arch=${ARCH:-tf_efficientnet_b2} size=${IMAGE_SIZE:-260} batches=${BATCHES:-1 8 32} threads=${THREADS:-$(nproc)}
rmfer=${RMFER:-./rmfer} python=${PYTHON:-/usr/bin/python3}
[ -x "$rmfer" ] || { echo "$rmfer is not there: make it first" >&2; exit 1; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT INT TERM
. scripts/get_onnxruntime.sh
onnx=$room/model.onnx
"$python" -W ignore scripts/peer_onnx_export.py "$arch" "$onnx" --image-size "$size" --checkpoint "$room/model.safetensors"

record() {
    tr -d '\n' | sed 's/"layers".*//' | awk -v who="$1" -v batch="$2" '
        function number(key) { return match($0, "\"" key "\": *[0-9.eE+-]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
        { printf "%s|%s|%s|%s\n", who, batch, number("images_per_s"), number("peak_rss_mb") }' >>"$room/results"
}
# seconds COMMAND...: the wall time of a command whose output does not matter.
seconds() {
    begin=$(date +%s.%N)
    "$@" >/dev/null 2>&1 || return 1
    end=$(date +%s.%N)
    awk -v a="$begin" -v b="$end" 'BEGIN { print b - a }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

for round in $(seq "$rounds"); do
    for batch in $batches; do
        echo "round $round of $rounds, batch $batch" >&2
        "$rmfer" bench --mode infer --arch "$arch" --image-size "$size" --batch "$batch" --threads "$threads" --json |
            record rmfer "$batch"
        node scripts/peer_onnxruntime.mjs "$onnx" --batch "$batch" --image-size "$size" --threads "$threads" |
            record "ONNX Runtime" "$batch"
    done
    if [ -n "${PHOTO:-}" ]; then
        seconds "$rmfer" predict --checkpoint "$room/model.safetensors" --threads "$threads" "$PHOTO" >>"$room/start.rmfer"
        seconds node scripts/peer_onnxruntime.mjs "$onnx" --image-size "$size" --threads "$threads" --first >>"$room/start.peer"
    fi
done
version=$(sed -n 's/^ *"version": "\(.*\)".*/\1/p' "$ORT_HOME/node_modules/onnxruntime-node/package.json")
echo "$arch, ${size}x$size, float32, $threads threads, median of $rounds interleaved runs; ONNX Runtime $version"
sh scripts/compare_table.sh rmfer <"$room/results"
if [ -n "${PHOTO:-}" ]; then
    echo "start-up to the first result (ONNX Runtime without reading a picture):" \
        "rmfer $(median <"$room/start.rmfer") s, ONNX Runtime $(median <"$room/start.peer") s"
fi
