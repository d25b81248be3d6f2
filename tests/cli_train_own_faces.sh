#!/bin/sh
# Faces of one's own, as docs/training.md has it: class folders or a list, the preset own-faces, then eval and predict.
. tests/support/cli.sh
box=$PWD/models/ferplus-b0.safetensors
cd "$folder" || exit 1
short="--set model.init=$box --set train.batch=8 --set train.max_steps=3 --threads 1"

check "draw faces" "$RMFER" synth drawn --faces 64 --size 48 --seed 3 --mashups 0
mv drawn/folder faces
mv faces/train/Happiness faces/train/joy
mv faces/valid/Happiness faces/valid/happy
check "the preset" sh -c '"$RMFER" config own-faces >own-faces.ini'
# shellcheck disable=SC2086 # words
check "train on class folders" "$RMFER" train --config own-faces.ini --set data.root=faces --out own $short
says "which folder is which class" 'joy = Happiness'
says "all of the model in the box that fits" '311 of 360 tensors loaded'
check "evaluate, the data set as it was trained on" "$RMFER" eval --checkpoint own/best_overall.safetensors --split test
says "all drawn test faces" 'folder test: 16 pictures'
check "judge a face" "$RMFER" predict --checkpoint own/best_overall.safetensors faces/test/Anger

# Three classes, of which one is new, and no validation split.
rm -r faces/valid
mv faces/train/joy faces/train/Boredom
# shellcheck disable=SC2086
check "classes of one's own" "$RMFER" train --config own-faces --set data.root=faces --set data.classes=Boredom,Anger,Fear --out three $short
says "what is not named is left out" 'left out.* class that data.classes does not name'
says "a tenth validates" 'kept for validation'

# shellcheck disable=SC2086
check "train on a list" "$RMFER" train --config own-faces --set data.kind=csv --set data.root=drawn/csv --out list $short

finish
