#!/bin/sh
# The comparison of docs/results/methods.md: drawn faces, 200 with a label and the rest without, the semi-supervised
# methods beside plain training on the 200, three seeds each, all from the model in the box.
# Usage: results_methods.sh [OUT]          (OUT: runs/methods; RMFER names the program, ./rmfer)
# SEEDS ("0 1 2") and ROWS choose among the runs, EPOCHS (20) how long they are. A run that is there already is not run
# again, one that was stopped goes on where it stopped. Rows differ in the method and its own settings alone: network, steps,
# optimizer, labels and the weights they start from are the same for a seed. OUT/ROW-seedN.json is the result, on faces drawn
# for the test. `mixmatch-100` and `remixmatch-published` are what published settings do in so few steps.
set -eu
rmfer=${RMFER:-./rmfer}
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-runs/methods}
seeds=${SEEDS:-0 1 2}
rows=${ROWS:-plain fixmatch uda mixmatch remixmatch adacm}
epochs=${EPOCHS:-20}

mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -f "$out/faces/affectnet/validation.csv" ] ||
    { "$rmfer" synth "$out/drawing" --faces 2000 --size 48 --mashups 0 --seed 11 && mv "$out/drawing" "$out/faces"; }
cat >"$out/methods.ini" <<INI
[data]
kind = affectnet
root = faces/affectnet
crop = none
labelled = 200
sampler = shuffle
image_size = 48
normalize = imagenet
[model]
arch = tf_efficientnet_b0
init = $here/models/ferplus-b0.safetensors
[train]
optimizer = adamw
lr = 5e-4
weight_decay = 0.02
schedule = cosine
lr_warmup_epochs = 1
ema_decay = 0.99
batch = 16
epochs = $epochs
warmup_epochs = $epochs
[ial]
weight = 0
[acl]
weight = 0
[fixmatch]
ratio = 2
[uda]
ratio = 2
[augment]
mode = all
grayscale_p = 0
brightness = 0
contrast = 0
saturation = 0
hue = 0
crop_padding = 4
[eval]
every = $epochs
[output]
checkpoint_every = 8
INI

# What a row sets. Plain: flip and shift, as every method's labelled faces have them. Mixing methods: shares that hardly mix,
# and weights and running means made for so few steps.
settings_of() {
    case $1 in
    plain) echo train.method=rmfer ;;
    mixmatch) echo train.method=mixmatch mixmatch.alpha=0.1 mixmatch.weight=30 ;;
    mixmatch-100) echo train.method=mixmatch mixmatch.alpha=0.1 ;;
    remixmatch) echo train.method=remixmatch remixmatch.alpha=0.1 remixmatch.ramp=0.4 remixmatch.momentum=0.9 ;;
    remixmatch-published) echo train.method=remixmatch ;;
    *) echo "train.method=$1" ;;
    esac
}

# ROW SEED
run_row() {
    run=$out/$1-seed$2 row=$1 seed=$2
    [ ! -f "$run.json" ] || return 0
    # shellcheck disable=SC2046 # words
    set -- $(settings_of "$row")
    for key; do set -- "$@" --set "$key"; shift; done
    set -- "$@" --set "train.seed=$seed" --set "data.split_seed=$seed"
    if [ -f "$run/last.safetensors" ]; then set -- "$@" --resume; fi
    "$rmfer" train --config "$out/methods.ini" "$@" --out "$run" >"$run.log" 2>&1
    "$rmfer" eval --checkpoint "$run/last.safetensors" --split test --json "$run.part" >"$run.txt" 2>>"$run.log"
    mv "$run.part" "$run.json"
    echo "$row, seed $seed: $(grep '^overall' "$run.txt")"
}

for seed in $seeds; do
    for row in $rows; do run_row "$row" "$seed"; done
done
