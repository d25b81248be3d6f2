#!/bin/sh
# The comparison of docs/results/methods.md: drawn faces, 200 with a label and the rest without, the semi-supervised
# methods beside plain training on the 200, three seeds each.
# Usage: results_methods.sh [OUT]          (OUT: runs/methods; RMFER names the program, ./rmfer)
# SEEDS ("0 1 2") and ROWS choose among the runs, EPOCHS (40) how long they are. A run that is there already is not run
# again, one that was stopped goes on where it stopped. Rows differ in the method alone: network, steps, optimizer, labels
# and the weights they start from are the same for a seed. OUT/ROW-seedN.json is the result, on faces drawn for the test.
set -eu
rmfer=${RMFER:-./rmfer}
out=${1:-runs/methods}
seeds=${SEEDS:-0 1 2}
rows=${ROWS:-plain fixmatch uda mixmatch remixmatch adacm}
epochs=${EPOCHS:-40}

mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -f "$out/faces/affectnet/validation.csv" ] ||
    { "$rmfer" synth "$out/drawing" --faces 1000 --size 64 --mashups 0 --seed 11 && mv "$out/drawing" "$out/faces"; }
cat >"$out/methods.ini" <<INI
[data]
kind = affectnet
root = faces/affectnet
crop = none
labelled = 200
sampler = shuffle
image_size = 64
normalize = imagenet
[model]
arch = tf_efficientnet_b0
[train]
optimizer = adamw
lr = 4e-3
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
ratio = 4
[uda]
ratio = 4
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

# Plain: flip and shift, as every method's labelled faces have them.
method_of() {
    case $1 in
    plain) echo rmfer ;;
    *) echo "$1" ;;
    esac
}

for seed in $seeds; do
    for row in $rows; do
        run=$out/$row-seed$seed
        [ ! -f "$run.json" ] || continue
        set -- --config "$out/methods.ini" --set "train.method=$(method_of "$row")" --set "train.seed=$seed" \
            --set "data.split_seed=$seed"
        if [ -f "$run/last.safetensors" ]; then set -- "$@" --resume; fi
        "$rmfer" train "$@" --out "$run" >"$run.log" 2>&1
        "$rmfer" eval --checkpoint "$run/last.safetensors" --split test --json "$run.part" >"$run.txt" 2>>"$run.log"
        mv "$run.part" "$run.json"
        echo "$row, seed $seed: $(sed -n 2p "$run.txt")"
    done
done
