#!/bin/sh
# Training on real faces, where they are: two classes of FERPlus (happiness, surprise), three epochs from random weights,
# must beat chance clearly on the validation split; eval must find the same accuracy.
. tests/support/cli.sh
faces=${RMFER_TEST_MATERIAL:-$PWD/../shared}/data/ferplus-mini
if [ ! -d "$faces/FER2013Train" ]; then
    skip "real FERPlus faces are not there ($faces)"
    finish
    exit
fi
# The number behind a name in the JSON of an evaluation.
number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$folder/result.json"; }

check "train" "$RMFER" train --config configs/ferplus-mini.ini --threads 1 --seed 1 --out "$folder/run" \
    --set data.root="$faces" --set data.classes='Happiness, Surprise' --set data.votes=argmax --set data.sampler=balanced \
    --set train.batch=16 --set train.epochs=3 --set train.lr_warmup_epochs=0.3 --set train.ema_decay=0 \
    --set model.drop_path=0 --set augment.enabled=false --set eval.every=1
check "eval" "$RMFER" eval --checkpoint "$folder/run/best_average.safetensors" --split valid \
    --json "$folder/result.json"
echo "overall accuracy $(number overall_accuracy), average accuracy $(number average_accuracy)"
# 223 faces; guessing gives 0.5 with a standard deviation of 0.035.
holds "above chance" awk "BEGIN { exit !($(number average_accuracy) > 0.65) }"
holds "eval agrees with training" grep -q "\"average_accuracy\": $(number average_accuracy)" "$folder/run/metrics.jsonl"
holds "the classes are those of the configuration" grep -q '"classes": \["Happiness", "Surprise"\]' "$folder/result.json"

finish
