#!/bin/sh
# The comparison of docs/results/methods.md: drawn faces, 200 with a label and the rest without, the semi-supervised
# methods beside plain training on the 200, three seeds each, all from the model in the box.
# Usage: results_methods.sh [OUT]          (OUT: runs/methods; RMFER names the program, ./rmfer)
# SEEDS ("0 1 2") and ROWS choose among the runs, EPOCHS (20) how long they are. A run that is there already is not run
# again, one that was stopped goes on where it stopped. Rows differ in the method and its own settings alone: network, steps,
# optimizer, labels and the weights they start from are the same for a seed. OUT/ROW-seedN.json is the result, on faces drawn
# for the test. `mixmatch-mixed` and `remixmatch-mixed` mix more; `mixmatch-100` and
# `remixmatch-published` are what published settings do in so few steps; `adacm-view` has the positives of its authors' code,
# and labels that weigh 1.
# A second table is of methods without labels: `simclr` (moco, byol, simsiam) goes on from the model in the box in as many
# steps; then `simclr-linear` trains the classifier alone on what it learned and `simclr-tuned` everything, beside `box-linear`
# and `plain`, which do the same on the model in the box; `simclr-moment-linear` ... from pairs of persons of drawn moments.
set -eu
rmfer=${RMFER:-./rmfer}
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-runs/methods}
seeds=${SEEDS:-0 1 2}
rows=${ROWS:-plain fixmatch uda mixmatch remixmatch adacm center island dacl box-linear simclr-linear
simclr-tuned moco-linear moco-tuned byol-linear byol-tuned simsiam-linear simsiam-tuned}
epochs=${EPOCHS:-20}
case $rmfer in */*) rmfer=$(cd "$(dirname "$rmfer")" && pwd)/${rmfer##*/} ;; esac

mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ ! -f "$out/faces/affectnet/validation.csv" ]; then
    "$rmfer" synth "$out/drawing" --faces 2000 --size 48 --mashups 0 --seed 11
    mv "$out/drawing" "$out/faces"
fi
case $rows in *moment*)
    if [ ! -f "$out/moments/rmset/index.csv" ]; then
        "$rmfer" synth "$out/drawing" --faces 96 --size 48 --seed 11
        mv "$out/drawing" "$out/moments"
    fi ;;
esac
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
lr = 2e-3
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
[self_supervised]
ratio = 2
labelled_weight = 0
[simclr]
temperature = 0.1
[moco]
momentum = 0.99
queue = 512
[byol]
momentum = 0.98
[augment.pair]
crop = 0.4
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

# ROW SEED: the weights that a classifier is put on.
start_of() {
    [ "$1" = box ] || echo "model.init=$1-seed$2/last.safetensors"
}

# What a row sets. Plain: flip and shift, as every method's labelled faces have them. Mixing methods: shares that hardly mix,
# and weights and running means made for so few steps.
settings_of() {
    case $1 in
    plain) echo train.method=rmfer ;;
    mixmatch) echo train.method=mixmatch mixmatch.alpha=0.02 mixmatch.weight=30 ;;
    mixmatch-mixed) echo train.method=mixmatch mixmatch.alpha=0.1 mixmatch.weight=30 ;;
    mixmatch-100) echo train.method=mixmatch mixmatch.alpha=0.1 ;;
    remixmatch) echo train.method=remixmatch remixmatch.alpha=0.02 remixmatch.ramp=0.4 remixmatch.momentum=0.9 ;;
    remixmatch-mixed) echo train.method=remixmatch remixmatch.alpha=0.1 remixmatch.ramp=0.4 remixmatch.momentum=0.9 ;;
    adacm-view) echo train.method=adacm adacm.labelled_weight=1 adacm.positives=view ;;
    remixmatch-published) echo train.method=remixmatch ;;
    *-linear) echo train.method=rmfer train.freeze_backbone=true train.lr=0.01 train.weight_decay=0 "$(start_of "${1%-linear}" "$2")" ;;
    *-tuned) echo train.method=rmfer "$(start_of "${1%-tuned}" "$2")" ;;
    *-moment) echo "train.method=${1%-moment} self_supervised.views=moment rmset.root=moments/rmset" ;;
    *) echo "train.method=$1" ;;
    esac
}

# ROW SEED: leaves ROW-seedN.
train_row() {
    run=$out/$1-seed$2 row=$1 seed=$2
    settings=$(settings_of "$row" "$seed")
    # shellcheck disable=SC2086 # words
    set -- $settings
    for key; do set -- "$@" --set "$key"; shift; done
    set -- "$@" --set "train.seed=$seed" --set "data.split_seed=$seed"
    (cd "$out" && "$rmfer" train --config methods.ini "$@" --out "$run" --resume) >"$run.log" 2>&1 ||
        { tail -n 3 "$run.log" >&2; exit 1; }
}

# ROW SEED
run_row() {
    [ ! -f "$out/$1-seed$2.json" ] || return 0
    case $1 in
    box-*) ;;
    *-linear | *-tuned)
        start=${1%-*}
        if [ ! -f "$out/$start-seed$2.done" ]; then
            train_row "$start" "$2"
            : >"$out/$start-seed$2.done"
        fi ;;
    esac
    train_row "$1" "$2"
    "$rmfer" eval --checkpoint "$run/last.safetensors" --split test --json "$run.part" >"$run.txt" 2>>"$run.log"
    mv "$run.part" "$run.json"
    echo "$row, seed $seed: $(grep '^overall' "$run.txt")"
}

for seed in $seeds; do
    for row in $rows; do run_row "$row" "$seed"; done
done
