#!/bin/sh
# The result of docs/results/ferplus.md and the model in the box: FERPlus's training split from random weights, on this
# machine's CPU.
# Usage: results_ferplus.sh FERPLUS_FOLDER [OUT]      (OUT: runs/ferplus-scratch; RMFER names the program, ./rmfer)
# Goes on with a run that was stopped. The test split is evaluated too where the folder has one.
set -eu
rmfer=${RMFER:-./rmfer}
out=${2:-runs/ferplus-scratch}
scripts=$(dirname "$0")
resume=
if [ -f "$out/last.safetensors" ]; then resume=--resume; fi
# shellcheck disable=SC2086 # nothing or one word
"$rmfer" train --config "$scripts/../configs/ferplus-scratch.ini" --set data.root="$1" --out "$out" $resume
for split in valid test; do
    if [ $split = test ] && [ ! -d "$1/FER2013Test" ]; then continue; fi
    for votes in majority argmax; do
        printf '\n%s split, labels by data.votes = %s\n' $split $votes
        "$rmfer" eval --checkpoint "$out/last.safetensors" --set data.root="$1" --set data.votes=$votes \
            --split $split --flip --json "$out/$split-$votes.json"
    done
done
"$rmfer" export "$out/last.safetensors" -o "$out/ferplus-b0.safetensors" --half
# Confidences as predict gives them: one view of each face, ambiguous ones too.
"$rmfer" eval --checkpoint "$out/ferplus-b0.safetensors" --dataset ferplus --data "$1" --split valid \
    --set data.votes=argmax --fit-temperature "$out/ferplus-b0.safetensors"
"$rmfer" plot curves "rmfer=$out" --key overall_accuracy --title "FERPlus, validation accuracy" -o "$out/curve.svg"
