#!/bin/sh
# The same recipe in rmfer and in PyTorch (scripts/train_pytorch.py): their learning curves as pictures.
# Usage: compare_curves.sh FERPLUS_FOLDER [OUT]      (OUT: runs/curves; RMFER names the program, ./rmfer)
# The recipe is ferplus-4000labels-start: 4,000 labels, random weights, 80 epochs, of which PyTorch trains the first EPOCHS
# (all). SEEDS ("0 1") are rmfer's, PYTORCH_SEEDS ("0 1") the other's; THREADS of each run; PYTHON needs torch and torchvision.
# Stopped runs go on where they were; finished ones have nothing left to do.
set -eu
rmfer=${RMFER:-./rmfer} python=${PYTHON:-/usr/bin/python3} threads=${THREADS:-$(nproc)}
here=$(cd "$(dirname "$0")/.." && pwd)
out=${2:-runs/curves}
mkdir -p "$out"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd)

# RUN SEED COMMAND...: the run that both sides get alike.
train() {
    run=$1 seed=$2
    shift 2
    "$@" --config "$here/configs/ferplus-4000labels-start.ini" --set data.root="$data" --set train.seed="$seed" \
        --threads "$threads" --out "$run"
}

curves=
for seed in ${SEEDS:-0 1}; do
    run=$out/start-seed$seed
    curves=$curves${curves:+,}$run
    train "$run" "$seed" "$rmfer" train --resume
done
others=
for seed in ${PYTORCH_SEEDS:-0 1}; do
    run=$out/pytorch-seed$seed
    others=$others${others:+,}$run
    train "$run" "$seed" "$python" "$here/scripts/train_pytorch.py" --workers "${WORKERS:-1}" --stop-after "${EPOCHS:-0}"
done
"$rmfer" plot curves "rmfer=$curves" "PyTorch=$others" --key overall_accuracy -o "$out/curves.svg" \
    --title 'FERPlus, 4,000 labels, random weights: overall accuracy on validation'
"$rmfer" plot curves "rmfer=$curves" "PyTorch=$others" --key loss_fer -o "$out/losses.svg" \
    --title 'The same runs: training loss'
