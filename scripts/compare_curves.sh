#!/bin/sh
# The same recipe in rmfer and in PyTorch (scripts/train_pytorch.py): their learning curves as a picture and their speeds.
# Usage: compare_curves.sh FERPLUS_FOLDER [OUT]      (OUT: runs/curves; RMFER names the program, ./rmfer)
# The recipe is the first stage of the ablation (results_ablation.sh): 4,000 labels, random weights, 24 epochs, of which
# PyTorch trains the first EPOCHS (12). SEEDS ("0 1 2") are rmfer's, PYTORCH_SEEDS ("0") the other's; PYTHON needs torch
# and torchvision. Runs that are there already are not run again.
set -eu
rmfer=${RMFER:-./rmfer}
python=${PYTHON:-/usr/bin/python3}
scripts=$(dirname "$0")
out=${2:-runs/curves}
mkdir -p "$out"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd)
keys="model.init= ial.weight=0 acl.weight=0 train.lr=3e-3 train.epochs=24 train.warmup_epochs=24
    train.lr_warmup_epochs=1 eval.every=3"

# SEED: the arguments that both sides get.
arguments() {
    printf -- '--config\n%s\n--set\ndata.root=%s\n--set\ntrain.seed=%s\n' \
        "$scripts/../configs/ferplus-4000labels.ini" "$data" "$1"
    for key in $keys; do printf -- '--set\n%s\n' "$key"; done
}

curves=
for seed in ${SEEDS:-0 1 2}; do
    run=$out/start-seed$seed
    curves=$curves${curves:+,}$run
    [ -f "$run/best_overall.safetensors" ] || arguments "$seed" | xargs -d '\n' "$rmfer" train --out "$run"
done
others=
for seed in ${PYTORCH_SEEDS:-0}; do
    run=$out/pytorch-seed$seed
    others=$others${others:+,}$run
    [ -f "$run/done" ] || arguments "$seed" |
        xargs -d '\n' "$python" "$scripts/train_pytorch.py" --stop-after "${EPOCHS:-12}" --out "$run"
    touch "$run/done"
done
"$rmfer" plot curves "rmfer=$curves" "PyTorch=$others" --key overall_accuracy -o "$out/curves.svg" \
    --title 'FERPlus, 4,000 labels, random weights: overall accuracy on validation'
"$rmfer" plot curves "rmfer=$curves" "PyTorch=$others" --key loss_fer -o "$out/losses.svg" \
    --title 'The same runs: training loss'
