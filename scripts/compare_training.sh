#!/bin/sh
# One training step of rmfer and of PyTorch, measured in turns on this machine, as a table of medians.
#   scripts/compare_training.sh [ROUNDS]
# Settings by environment: ARCH (tf_efficientnet_b2), IMAGE_SIZE (260), BATCHES ("16"), THREADS (all), RMFER (./rmfer),
# PYTHON (python3 with torch; Debian: python3-torch). Both sides: forward in training mode, cross-entropy, backward.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
arch=${ARCH:-tf_efficientnet_b2} size=${IMAGE_SIZE:-260} batches=${BATCHES:-16} threads=${THREADS:-$(nproc)}
rmfer=${RMFER:-./rmfer} python=${PYTHON:-/usr/bin/python3}
[ -x "$rmfer" ] || { echo "$rmfer is not there: make it first" >&2; exit 1; }
"$python" -c 'import torch' 2>/dev/null || { echo "$python has no torch (Debian/Ubuntu: python3-torch)" >&2; exit 1; }
results=$(mktemp)
trap 'rm -f "$results"' EXIT INT TERM

# record WHO BATCH: reads a JSON line, appends "WHO|BATCH|images_per_s|peak_rss_mb".
record() {
    tr -d '\n' | sed 's/"layers".*//' | awk -v who="$1" -v batch="$2" '
        function number(key) { return match($0, "\"" key "\": *[0-9.eE+-]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
        { printf "%s|%s|%s|%s\n", who, batch, number("images_per_s"), number("peak_rss_mb") }' >>"$results"
}
for round in $(seq "$rounds"); do
    for batch in $batches; do
        echo "round $round of $rounds, batch $batch" >&2
        "$rmfer" bench --mode train --arch "$arch" --image-size "$size" --batch "$batch" --threads "$threads" --json |
            record rmfer "$batch"
        for layout in channels_last contiguous; do
            "$python" scripts/peer_pytorch_train.py --arch "$arch" --image-size "$size" --batch "$batch" \
                --threads "$threads" --layout "$layout" | record "PyTorch, $layout" "$batch"
        done
    done
done
echo "$arch, ${size}x$size, float32, $threads threads, median of $rounds interleaved runs;" \
    "PyTorch $("$python" -c 'import torch; print(torch.__version__)')"
sh scripts/compare_table.sh rmfer <"$results"
