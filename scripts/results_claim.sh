#!/bin/sh
# The rows of docs/results/claim.md: FERPlus with 4,000 labels, the other faces as a simulated RMset, from a trained start.
# Usage: results_claim.sh FERPLUS_FOLDER [OUT]     (OUT: runs/claim; RMFER names the program, ./rmfer)
# ROWS and SEEDS choose; a finished row is one JSON file in docs/results/claim and is not run again, a stopped one goes on.
set -eu
rmfer=${RMFER:-./rmfer} seeds=${SEEDS:-0} rows=${ROWS:-baseline mutual consensus consensus-shuffled consensus-none both}
here=$(cd "$(dirname "$0")/.." && pwd)
results=$here/docs/results/claim out=${2:-runs/claim}
mkdir -p "$out" "$results"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd)

# The preset of a row, and what distinguishes it.
settings_of() {
    case $1 in
    start) echo start ;;
    baseline) echo mutual acl.weight=0 ;;
    mutual) echo mutual ;;
    mutual-shuffled) echo mutual rmset.grouping=shuffled ;;
    consensus) echo consensus ;;
    consensus-shuffled) echo consensus rmset.grouping=shuffled ;;
    consensus-none) echo consensus rmset.grouping=none ;;
    both) echo consensus acl.weight=0.5 acl.temperature=0.1 acl.persons=8 acl.ramp=0.25 ;;
    *) echo "$0: no row $1" >&2; exit 2 ;;
    esac
}

# ROW SEED
run_row() {
    run=$out/$1-seed$2 row=$1 seed=$2
    [ ! -f "$results/$1-seed$2.json" ] || return 0
    # shellcheck disable=SC2046 # words
    set -- $(settings_of "$row")
    preset=$here/configs/ferplus-4000labels-$1.ini
    shift
    for key; do set -- "$@" --set "$key"; shift; done
    set -- "$@" --set data.root="$data" --set rmset.root="$out/rmset" --set train.seed="$seed"
    [ "$row" = start ] || set -- "$@" --set model.init="$out/start-seed$seed/last.safetensors"
    if [ -f "$run/last.safetensors" ]; then set -- "$@" --resume; fi
    "$rmfer" train --config "$preset" "$@" --out "$run" >"$run.log" 2>&1
    (cd "$out" && "$rmfer" eval --checkpoint "$row-seed$seed/last.safetensors" --split valid --flip \
        --dataset ferplus --data "$data" --json "$run/valid.json" --quiet >/dev/null)
    mv "$run/valid.json" "$results/$row-seed$seed.json"
}

case $rmfer in /*) ;; *) rmfer=$PWD/$rmfer ;; esac
[ -f "$out/rmset/index.csv" ] ||
    "$rmfer" synth "$out/rmset" --from "$here/configs/ferplus-4000labels-mutual.ini" --set data.root="$data" --persons 8 \
        --agreement 0.8
for seed in $seeds; do
    for row in start $rows; do run_row "$row" "$seed"; done
done
