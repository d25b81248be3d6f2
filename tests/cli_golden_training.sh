#!/bin/sh
# Three steps of `rmfer train` from files against the same steps in PyTorch (scripts/golden_training.py): phase 1, then
# phase 2; several optimizers; the losses of metrics.jsonl within 1e-4.
. tests/support/cli.sh
recipes="baseline ial_adam rmfer_sgd rmfer_joint rmfer_sam rmfer_smooth"
for python in "${RMFER_PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$python" ] && "$python" -c 'import torch, numpy, PIL' 2>/dev/null && break
    python=""
done
if [ -z "$python" ]; then
    skip "three training steps against PyTorch: no python3 with torch and PIL (Debian/Ubuntu: python3-torch python3-pil)"
    finish
    exit
fi
export PYTHONDONTWRITEBYTECODE=1
"$python" scripts/golden_training.py make "$folder" || { fail "the pictures and weights"; finish; exit; }
for recipe in $recipes; do
    if run "$RMFER" train --quiet --config "$folder/$recipe.ini" --out "$folder/run" &&
        "$python" scripts/golden_training.py compare "$folder" "$recipe" "$folder/run"; then
        pass
    else
        fail "$recipe"
    fi
    rm -rf "$folder/run"
done
finish
