#!/bin/sh
# The ablation of docs/results/ablation.md: FERPlus with 4,000 labels, rows of the method, three seeds each.
# Usage: results_ablation.sh FERPLUS_FOLDER [OUT]      (OUT: runs/ablation; RMFER names the program, ./rmfer)
# SEEDS ("0 1 2") and ROWS choose among the runs, JOBS (2) run at once with one thread each. A run that is there
# already is not run again, one that was stopped goes on where it stopped. All rows of a seed start from the same
# weights, which plain classification of the same 4,000 labels made from random ones (start-seedN).
set -eu
rmfer=${RMFER:-./rmfer}
seeds=${SEEDS:-0 1 2}
rows=${ROWS:-baseline ial ial-no-self-mask acl-50 acl-100}
jobs=${JOBS:-2}
scripts=$(dirname "$0")
config=$scripts/../configs/ferplus-4000labels.ini

# What distinguishes a row.
keys_of() {
    case $1 in
    start)
        echo "model.init= ial.weight=0 acl.weight=0 train.lr=3e-3 train.epochs=24 train.warmup_epochs=24" \
            "train.lr_warmup_epochs=1 eval.every=3"
        ;;
    baseline) echo "ial.weight=0 acl.weight=0" ;;
    ial) echo "acl.weight=0" ;;
    ial-no-self-mask) echo "acl.weight=0 ial.self_mask=none" ;;
    acl-50) echo "rmset.fraction=0.5" ;;
    acl-100) echo "rmset.fraction=1" ;;
    # One change each to acl-100: what its result depends on.
    acl-weight-*) echo "acl.weight=${1#acl-weight-}" ;;
    acl-paper) echo "acl.weight=1 acl.temperature=1" ;;
    acl-temperature-*) echo "acl.temperature=${1#acl-temperature-}" ;;
    acl-gamma-*) echo "acl.gamma=${1#acl-gamma-}" ;;
    acl-anchors-*) echo "acl.anchors=${1#acl-anchors-}" ;;
    acl-from-epoch-*) echo "train.warmup_epochs=${1#acl-from-epoch-}" ;;
    acl-scoring-train) echo "acl.scoring_bn=train" ;;
    acl-separate) echo "acl.forward=separate" ;;
    *) echo "$0: no row $1" >&2; exit 2 ;;
    esac
}

# DATA OUT ROW SEED: one run and its evaluation.
train_and_evaluate() {
    run=$2/$3-seed$4
    [ ! -f "$run/valid.json" ] || return 0
    set -- "$@" --config "$config" --set "data.root=$1" --set "rmset.root=$2/rmset" --set "train.seed=$4" \
        --set "model.init=$2/start-seed$4/best_overall.safetensors"
    for key in $(keys_of "$3"); do set -- "$@" --set "$key"; done
    if [ -f "$run/last.safetensors" ]; then set -- "$@" --resume; fi
    row=$3 seed=$4
    shift 4
    "$rmfer" train "$@" --out "$run" --threads 1 >"$run.log" 2>&1
    "$rmfer" eval --checkpoint "$run/last.safetensors" --split valid --threads 1 --json "$run/valid.part" \
        >"$run/valid.txt" 2>>"$run.log"
    mv "$run/valid.part" "$run/valid.json"
    echo "$row, seed $seed: $(sed -n 2p "$run/valid.txt")"
}

if [ "$1" = --one ]; then
    shift
    train_and_evaluate "$@"
    exit
fi
out=${2:-runs/ablation}
mkdir -p "$out"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd)
[ -f "$out/rmset/index.csv" ] ||
    "$rmfer" synth "$out/rmset" --from "$config" --set data.root="$data" --persons 8 --agreement 0.8
for seed in $seeds; do echo "start $seed"; done | xargs -P "$jobs" -L 1 sh "$0" --one "$data" "$out"
for seed in $seeds; do
    for row in $rows; do echo "$row $seed"; done
done | xargs -P "$jobs" -L 1 sh "$0" --one "$data" "$out"
set --
for row in start $rows; do set -- "$@" "$out/$row-seed"*/valid.json; done
"$rmfer" table "$@" --gain --features
