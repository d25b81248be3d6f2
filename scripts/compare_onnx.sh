#!/bin/sh
# Whole networks from PyTorch through rmfer to ONNX Runtime: weights as PyTorch saves them (golden_checkpoints.py) are
# imported, predicted with, and exported to ONNX; ONNX Runtime's logits are compared with PyTorch's (check_onnx.mjs) and
# with those of `rmfer predict` (check_predict.mjs). Prints the largest differences; ends with 1 when one is above 1e-4.
#   scripts/compare_onnx.sh [b0|b2]...
# Settings by environment: RMFER (./rmfer), PYTHON (python3 with torch and torchvision), ORT_HOME (a folder with
# onnxruntime-node; installed by npm into a temporary one otherwise), ORT_VERSION (1.30.0).
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
export RMFER="${RMFER:-./rmfer}" PYTHONDONTWRITEBYTECODE=1
[ $# -gt 0 ] || set -- b0 b2
[ -x "$RMFER" ] || { echo "$RMFER is not there: make it first" >&2; exit 1; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
trap 'exit 1' INT TERM
. scripts/get_onnxruntime.sh
failed=0
for size in "$@"; do
    "$python" -W ignore scripts/golden_checkpoints.py "$room/$size" --full "$size"
    for source in "$room/$size/${size}_state.pth" "$room/$size/${size}_torchvision.pt"; do
        echo "$(basename "$source"), PyTorch beside ONNX Runtime, then predict beside ONNX Runtime:"
        "$RMFER" import "$source" -o "$room/a.safetensors" >/dev/null 2>"$room/import.log" ||
            { cat "$room/import.log" >&2; exit 1; }
        "$RMFER" export "$room/a.safetensors" -o "$room/a.onnx" --quiet
        node scripts/check_onnx.mjs "$room/a.onnx" "$room/$size/pictures.safetensors" \
            "${source%.*}.expected.safetensors" || failed=1
        node scripts/check_predict.mjs "$room/a.safetensors" || failed=1
    done
    rm -rf "${room:?}/$size"
done
exit $failed
