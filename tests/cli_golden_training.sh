#!/bin/sh
# Three steps of `rmfer train` from files against the same steps in PyTorch (scripts/golden_training.py): phase 1, then
# phase 2; several optimizers; the losses of metrics.jsonl within 1e-4.
set -u
rmfer=${RMFER:-./rmfer}
recipes="baseline ial_adam rmfer_sgd rmfer_joint rmfer_sam rmfer_smooth"
for python in "${RMFER_PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$python" ] && "$python" -c 'import torch, numpy, PIL' 2>/dev/null && break
    python=""
done
if [ -z "$python" ]; then
    echo "skipped: three training steps against PyTorch: no python3 with torch and PIL (Debian/Ubuntu: python3-torch python3-pil)"
    echo "0 passed, 0 failed, $(echo "$recipes" | wc -w) skipped"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
export PYTHONDONTWRITEBYTECODE=1
passed=0 failed=0
"$python" scripts/golden_training.py make "$folder" || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
for recipe in $recipes; do
    if "$rmfer" train --quiet --config "$folder/$recipe.ini" --out "$folder/run" >"$folder/output" 2>&1 &&
        "$python" scripts/golden_training.py compare "$folder" "$recipe" "$folder/run"; then
        passed=$((passed + 1))
    else
        cat "$folder/output"
        failed=$((failed + 1))
    fi
    rm -rf "$folder/run"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
