#!/bin/sh
# Where PyTorch is: what tests/golden/training says of training and evaluation is what PyTorch computes today. That rmfer
# agrees with it is tests/test_golden_training.c, which needs no PyTorch.
. tests/support/cli.sh
for python in "${RMFER_PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$python" ] && "$python" -c 'import torch, numpy' 2>/dev/null && break
    python=""
done
if [ -z "$python" ]; then
    skip "the training goldens computed again: no python3 with torch (Debian/Ubuntu: python3-torch)"
    finish
    exit
fi
export PYTHONDONTWRITEBYTECODE=1
# Two recipes hold the whole reference: phase 1 with class weights, phase 2 at its own rate.
check "the training goldens computed again" "$python" scripts/golden_training.py check balanced phase2_rate
finish
