#!/bin/sh
# README's tables of speed from one command: training beside PyTorch, inference beside ONNX Runtime, pictures beside Pillow,
# each measured in turns. A peer that is not installed is said and passed over; nothing is downloaded.
#   scripts/compare_peers.sh [ROUNDS]
# Settings by environment: PYTHON (python3 with torch, PIL, numpy), ORT_HOME (a folder with node_modules/onnxruntime-node),
# RMFER (./rmfer), THREADS (all), TRAIN_BATCHES ("16"), INFER_BATCHES ("1 8 32"), SMALL=no leaves out B0 at 64x64, and what
# the three scripts take.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-3} python=${PYTHON:-/usr/bin/python3} rmfer=${RMFER:-./rmfer}
[ -x "$rmfer" ] || { echo "$rmfer is not there: make it first" >&2; exit 1; }
code=0
has() { "$python" -c "import $1" 2>/dev/null; }
# part TITLE COMMAND...: a heading and a table; a failure is remembered, the other tables come all the same.
part() {
    printf '\n## %s\n' "$1"
    shift
    "$@" || code=1
}

if has torch; then
    part "Training beside PyTorch" env BATCHES="${TRAIN_BATCHES:-16}" sh scripts/compare_training.sh "$rounds"
    [ "${SMALL:-yes}" = no ] || part "Training a small network beside PyTorch" \
        env ARCH=tf_efficientnet_b0 IMAGE_SIZE=64 BATCHES="${SMALL_BATCHES:-64}" sh scripts/compare_training.sh "$rounds"
else
    echo "skipped: training beside PyTorch, for $python has no torch (Debian/Ubuntu: python3-torch)"
fi
if ! has torch; then
    echo "skipped: inference beside ONNX Runtime, for $python has no torch, which writes the network (python3-torch)"
elif ! command -v node >/dev/null 2>&1 || [ ! -d "${ORT_HOME:-}/node_modules/onnxruntime-node" ]; then
    echo "skipped: inference beside ONNX Runtime, for there is no node or no ORT_HOME with onnxruntime-node (npm install --prefix FOLDER onnxruntime-node)"
else
    part "Inference beside ONNX Runtime" env BATCHES="${INFER_BATCHES:-1 8 32}" sh scripts/compare_inference.sh "$rounds"
fi
if has PIL && has numpy; then
    part "Pictures beside Pillow" sh scripts/compare_data.sh "$rounds"
else
    echo "skipped: pictures beside Pillow, for $python has no PIL and numpy (Debian/Ubuntu: python3-pil python3-numpy)"
fi
exit $code
