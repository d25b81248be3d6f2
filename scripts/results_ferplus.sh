#!/bin/sh
# The results of docs/results/ferplus.md and the model in the box: FERPlus's training split from random weights, on this
# machine's CPU, and what goes on from there.
# Usage: results_ferplus.sh FERPLUS_FOLDER [OUT [RESULTS]]  (OUT: runs/ferplus; RESULTS: docs/results/ferplus; RMFER: ./rmfer)
#
# ROWS (scratch) and SEEDS (0) choose. scratch is the preset ferplus-scratch; more, ial and consensus go on from it for three
# epochs: labels alone, with inter-sample attention, and with all training faces as moments too, as the best row of
# docs/results/claim.md has them. They start from scratch of their seed, or from START. A finished row leaves its JSON in RESULTS,
# by both rules for the labels, and is not run again; a stopped one goes on. THREADS: of every run.
set -eu
rmfer=${RMFER:-./rmfer} threads=${THREADS:-$(nproc)}
here=$(cd "$(dirname "$0")/.." && pwd)
out=${2:-runs/ferplus} results=${3:-$here/docs/results/ferplus}
mkdir -p "$out" "$results"
data=$(cd "$1" && pwd)
out=$(cd "$out" && pwd) results=$(cd "$results" && pwd)
case $rmfer in /*) ;; *) rmfer=$PWD/$rmfer ;; esac
config=$here/configs/ferplus-scratch.ini

# What a row changes of the preset.
settings_of() {
    further="train.epochs=3 train.warmup_epochs=0 train.lr=5e-4 train.lr_ial=5e-4 train.phase2_lr=same
        train.lr_warmup_epochs=0.25 train.ema_decay=0.998"
    case $1 in
    scratch) ;;
    more) echo "$further" ;;
    ial) echo "$further ial.weight=1.2" ;;
    consensus)
        echo "$further train.method=consensus consensus.weight=3 consensus.ratio=2 consensus.threshold=0
            consensus.weighting=certainty consensus.student_view=plain consensus.view=mirrored rmset.root=$out/rmset"
        ;;
    *) echo "$0: no row $1" >&2; exit 2 ;;
    esac
}

# All training faces as a simulated RMset, made if it is not there.
make_rmset() {
    [ ! -f "$out/rmset/index.csv" ] || return 0
    "$rmfer" synth "$out/rmset.$$" --from "$config" --set data.root="$data" --set acl.far=30 --persons 8 --quiet >&2
    mv -T "$out/rmset.$$" "$out/rmset" 2>/dev/null || rm -r "$out/rmset.$$"
}

# ROW-seedN SPLIT VOTES: the JSON of the last checkpoint, which no evaluation chose.
evaluate() {
    json=$results/$1-$2-$3.json
    [ ! -f "$json" ] || return 0
    (cd "$out" && "$rmfer" eval --checkpoint "$1/last.safetensors" --dataset ferplus --data "$data" --set data.votes="$3" \
        --split "$2" --flip --threads "$threads" --json "$json.part" --quiet >/dev/null)
    mv "$json.part" "$json"
    echo "$1, $2, votes $3: $(sed 's/.*"overall_accuracy": \([0-9.]*\),.*/\1/' "$json")"
}

# ROW SEED
run_row() {
    row=$1 seed=$2 name=$1-seed$2
    [ ! -f "$results/$name-valid-argmax.json" ] || return 0
    [ "$row" != consensus ] || make_rmset
    # shellcheck disable=SC2046 # words
    set -- data.root="$data" train.seed="$seed" $(settings_of "$row")
    [ "$row" = scratch ] || set -- "$@" model.init="${START:-$out/scratch-seed$seed/last.safetensors}"
    for key; do set -- "$@" --set "$key"; shift; done
    if [ -f "$out/$name/last.safetensors" ]; then set -- "$@" --resume; fi
    "$rmfer" train --config "$config" "$@" --out "$out/$name" --threads "$threads" >"$out/$name.log" 2>&1 ||
        { tail -n 3 "$out/$name.log" >&2; exit 1; }
    for split in valid test; do
        if [ $split = test ] && [ ! -d "$data/FER2013Test" ]; then continue; fi
        for votes in majority argmax; do evaluate "$name" $split $votes; done
    done
}

# The model in the box, with a temperature for confidences as predict gives them: one view of each face, ambiguous ones too.
make_model() {
    model=$out/ferplus-b0.safetensors
    "$rmfer" export "$out/scratch-seed0/last.safetensors" -o "$model" --half
    "$rmfer" eval --checkpoint "$model" --dataset ferplus --data "$data" --split valid --set data.votes=argmax \
        --fit-temperature "$model"
    "$rmfer" plot curves "rmfer=$out/scratch-seed0" --key overall_accuracy --title "FERPlus, validation accuracy" -o "$out/curve.svg"
}

for seed in ${SEEDS:-0}; do
    for row in ${ROWS:-scratch}; do
        if [ "$row" != scratch ] && [ -z "${START:-}" ]; then run_row scratch "$seed"; fi
        run_row "$row" "$seed"
    done
done
if [ -f "$out/scratch-seed0/last.safetensors" ] && [ ! -f "$out/ferplus-b0.safetensors" ]; then make_model; fi
