#!/bin/sh
# Class weights beside soft targets that happen to be certain. Training on real faces, where they are: two classes of FERPlus
# (happiness, surprise), three epochs from random weights, must beat chance clearly on the validation split; eval must find the
# same accuracy.
. tests/support/cli.sh
# Of labels the loss is a mean by weight, which equal weights leave as it is; of shares one over the pictures, which they scale.
check "draw faces" "$RMFER" synth "$folder" --faces 64 --size 48 --seed 3
for part in Train Valid Test; do
    list="$folder/ferplus/FER2013$part/label.csv"
    awk -F, -v OFS=, '{ for (i = 6; i <= NF; i++) $i = 0; $(6 + NR % 8) = 10; print }' "$list" >"$folder/agreed.csv"
    mv "$folder/agreed.csv" "$list"
done
# loss_of VOTES [OPTION...]: of the first step, into $loss.
loss_of() {
    votes=$1
    shift
    check "votes as $votes" "$RMFER" train --config configs/ferplus-mini.ini --threads 1 --out "$folder/agreed" \
        --set data.root="$folder/ferplus" --set data.votes="$votes" --set model.arch=tf_efficientnet_b0 --set train.batch=4 \
        --set data.image_size=32 --set train.max_steps=1 --set output.log_every=1 "$@"
    loss=$(sed -n 's/.*"loss_fer": \([^,]*\),.*/\1/p;1q' "$folder/agreed/metrics.jsonl")
    rm -rf "$folder/agreed"
}
twos="--set train.class_weights=list --set train.class_weight_values=2,2,2,2,2,2,2,2"
loss_of majority
unweighted=$loss
# shellcheck disable=SC2086
{
    loss_of majority $twos
    holds "weighted labels: $loss of $unweighted" [ "$loss" = "$unweighted" ]
    loss_of probability $twos
    holds "weighted shares: $loss of $unweighted" awk "BEGIN { exit !($loss == 2 * $unweighted && $loss > 0) }"
}
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
