#!/bin/sh
# The rows of docs/results/claim.md: FERPlus with 4,000 labels, the other faces as a simulated RMset, from a trained start.
# Usage: results_claim.sh FERPLUS_FOLDER [OUT [RESULTS]]    (OUT: runs/claim; RESULTS: docs/results/claim; RMFER: ./rmfer)
# ROWS and SEEDS choose; a finished row is one JSON file in RESULTS and is not run again, a stopped one goes on where it was.
# EXTRA: settings for every run, "section.key=value ...", and AGREEMENT (0.8) of the moments. Another RESULTS belongs to them:
# a try of the whole in minutes, on the faces that come with the tests, is
#   EXTRA="data.labelled=400 data.labelled_per_class=146,107,49,50,9,3,34,2 data.image_size=32 train.epochs=2" \
#       scripts/results_claim.sh FERPLUS_MINI /tmp/claim /tmp/claim/results
set -eu
rmfer=${RMFER:-./rmfer} seeds=${SEEDS:-0} agreement=${AGREEMENT:-0.8}
rows=${ROWS:-baseline ial acl-published mutual mutual-shuffled consensus consensus-shuffled consensus-none both fixmatch uda mixmatch remixmatch adacm}
here=$(cd "$(dirname "$0")/.." && pwd)
out=${2:-runs/claim} results=${3:-$here/docs/results/claim}
mkdir -p "$out" "$results"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd) results=$(cd "$results" && pwd)
case $rmfer in /*) ;; *) rmfer=$PWD/$rmfer ;; esac

# The preset of a row, and what distinguishes it. The semi-supervised methods start from the same network, learn for as many
# steps at the same rate, and have the moments' faces as their unlabelled ones, without the moments.
settings_of() {
    semi="optimizer=adamw train.lr=5e-4 train.weight_decay=0.05 train.ema_decay=0.99 train.batch=64 train.epochs=8 model.dropout=0.3"
    case $1 in
    start) echo start ;;
    baseline) echo mutual acl.weight=0 ;;
    ial) echo mutual acl.weight=0 ial.weight=1.2 ;;
    acl-published) echo mutual acl.loss=published ial.weight=1.2 acl.forward=joint acl.anchors=4 ;;
    mutual) echo mutual ;;
    mutual-shuffled) echo mutual rmset.grouping=shuffled ;;
    consensus) echo consensus ;;
    consensus-shuffled) echo consensus rmset.grouping=shuffled ;;
    consensus-none) echo consensus rmset.grouping=none ;;
    both) echo consensus acl.weight=0.5 acl.temperature=0.1 acl.persons=8 acl.ramp=0.25 ;;
    fixmatch | uda) echo "$1" "train.$semi" "$1.ratio=2" ;;
    mixmatch | remixmatch | adacm) echo "$1" "train.$semi" ;;
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
    # shellcheck disable=SC2086 # words
    set -- "$@" ${EXTRA:-}
    for key; do set -- "$@" --set "$key"; shift; done
    set -- "$@" --set data.root="$data" --set train.seed="$seed"
    case $row in start | fixmatch | uda | mixmatch | remixmatch | adacm) ;; *) set -- "$@" --set rmset.root="$out/rmset" ;; esac
    [ "$row" = start ] || set -- "$@" --set model.init="$out/start-seed$seed/last.safetensors"
    if [ -f "$run/last.safetensors" ]; then set -- "$@" --resume; fi
    "$rmfer" train --config "$preset" "$@" --out "$run" >"$run.log" 2>&1 || { tail -n 3 "$run.log" >&2; exit 1; }
    (cd "$out" && "$rmfer" eval --checkpoint "$row-seed$seed/last.safetensors" --split valid --flip \
        --dataset ferplus --data "$data" --json "$run/valid.json" --quiet >/dev/null)
    mv "$run/valid.json" "$results/$row-seed$seed.json"
    echo "$row, seed $seed: $(sed 's/.*"overall_accuracy": \([0-9.]*\),.*/\1/' "$results/$row-seed$seed.json")"
}

if [ ! -f "$out/rmset/index.csv" ]; then
    set --
    for key in ${EXTRA:-}; do case $key in data.*) set -- "$@" --set "$key" ;; esac done
    "$rmfer" synth "$out/rmset" --from "$here/configs/ferplus-4000labels-mutual.ini" --set data.root="$data" "$@" \
        --persons 8 --agreement "$agreement"
fi
for seed in $seeds; do
    for row in start $rows; do run_row "$row" "$seed"; done
done
