#!/bin/sh
# The rows of docs/results/claim.md: FERPlus with few labels, its other faces as a simulated RMset, from a trained start.
# Usage: results_claim.sh FERPLUS_FOLDER [OUT [RESULTS]]    (OUT: runs/claim; RESULTS: OUT/results; RMFER: ./rmfer)
#
# ROWS and SEEDS choose. A row is a method of settings_of, with what differs from 4,000 labels, agreement .8 and the whole
# RMset after an @: consensus, consensus@labels400, consensus@agreement0.6, consensus@rmset50. All rows of a seed and a number
# of labels go on from one start, for as many steps. A finished row is one JSON file in RESULTS and is not run again, a
# stopped one goes on where it was; rows of other numbers of labels have JSON files of their starts as well. With
# docs/results/claim as RESULTS, what is reported counts as finished and the rest is added to it; a start that OUT does not
# have is trained for that again, and its JSON stays. With labels alone of the same seed finished in OUT too, RESULTS/paired has
# how many more pictures a row has right (McNemar's test, paired bootstrap).
# EXTRA: settings for every run, "section.key=value ...". Another RESULTS belongs to them: a try of the whole in minutes, on
# the faces that come with the tests, is
#   ROWS="baseline@labels400 consensus@labels400" EXTRA="data.image_size=32 train.epochs=2 train.warmup_epochs=0" \
#       scripts/results_claim.sh FERPLUS_MINI /tmp/claim
# THREADS: of every run (the cores it may use). Several calls with other ROWS or SEEDS may run beside each other; with flock(1)
# they take turns on a start.
set -eu
seeds=${SEEDS:-0}
rows=${ROWS-baseline ial ial-unmasked acl-published acl-sharp mutual mutual-shuffled consensus consensus-shuffled consensus-none \
both fixmatch uda mixmatch remixmatch adacm}
set -- "$1" "${2:-runs/claim}" "${3:-}"
# shellcheck source=scripts/results_rows.sh
. "$(dirname "$0")/results_rows.sh"

# The preset of a method, and what distinguishes it.
settings_of() {
    case $1 in
    baseline) echo rmfer ial.weight=0 acl.weight=0 ;;
    ial) echo rmfer acl.weight=0 ;;
    ial-unmasked) echo rmfer acl.weight=0 ial.self_mask=none ;;
    acl-published) echo rmfer ;;
    acl-sharp) echo rmfer acl.temperature=0.25 acl.gamma=0.5 ;;
    mutual-shuffled) echo mutual rmset.grouping=shuffled ;;
    consensus-shuffled) echo consensus rmset.grouping=shuffled ;;
    consensus-none) echo consensus rmset.grouping=none ;;
    both) echo consensus acl.weight=0.5 acl.temperature=0.1 acl.persons=8 acl.ramp=0.25 ;;
    start | mutual | consensus | fixmatch | uda | mixmatch | remixmatch | adacm) echo "$1" ;;
    *) echo "$0: no row $1" >&2; exit 2 ;;
    esac
}

# Keys of a number of labels, in the proportions of the whole; the numbers of steps are those of 4,000 labels.
labels_of() {
    case $1 in
    400) echo 146,107,49,50,9,3,34,2 ;;
    1000) echo 361,268,123,126,23,7,86,6 ;;
    4000) echo 1446,1073,493,503,93,25,344,23 ;;
    12000) echo 4338,3219,1479,1509,279,75,1032,69 ;;
    *) echo "$0: no choice of $1 labels" >&2; exit 2 ;;
    esac
}

# METHOD LABELS: epochs of 64 rows.
epochs_of() {
    case $1 in start) epochs=80 ;; *) epochs=24 ;; esac
    echo $(((epochs * 4000 + $2 / 2) / $2))
}

# VARIANT NAME DEFAULT: the number that follows the name, of -labels400 say.
of_variant() {
    case -$1- in *-"$2"[0-9]*) echo "-$1-" | sed "s/.*-$2\([0-9.]*\)-.*/\1/" ;; *) echo "$3" ;; esac
}

# LABELS CHOICE AGREEMENT: the simulated RMset's folder.
rmset_of() {
    folder=$out/rmset-labels$1-agreement$3
    make_rmset "$folder" --from "$here/configs/ferplus-4000labels-mutual.ini" --set data.root="$data" --set data.labelled="$1" \
        --set data.labelled_per_class="$2" --agreement "$3"
    echo "$folder"
}

# NAME: ends with a message where it names a row, a number of labels or a variant that there is not.
check_row() {
    variant=
    case $1 in *@*) variant=${1#*@} ;; esac
    settings_of "${1%%@*}" >/dev/null
    if echo "$variant" | tr - '\n' | grep -Evq '^((labels|agreement|rmset)[0-9][0-9.]*)?$'; then
        echo "$0: no variant $variant (labelsN, agreementP, rmsetPERCENT)" >&2
        exit 2
    fi
    labels=$(of_variant "$variant" labels 4000)
    labels_of "$labels" >/dev/null
}

# NAME: the start that a row goes on from.
start_of() {
    case $1 in *@*labels*) echo "start@labels$(of_variant "${1#*@}" labels 4000)" ;; *) echo start ;; esac
}

# NAME SEED: name is METHOD[@VARIANT]. The start that it goes on from comes first, where OUT does not have it.
run_row() {
    start=$(start_of "$1")
    [ "$1" = "$start" ] || is_finished "$start-seed$2" "$results/$start-seed$2.json" || run_row "$start" "$2"
    name=$1 seed=$2 method=${1%%@*} variant=
    case $name in *@*) variant=${name#*@} ;; esac
    labels=$(of_variant "$variant" labels 4000) agreement=$(of_variant "$variant" agreement 0.8)
    fraction=$(of_variant "$variant" rmset 100) epochs=$(epochs_of "$method" "$labels")
    choice=$(labels_of "$labels")
    settings=$(settings_of "$method")
    # shellcheck disable=SC2086 # words
    set -- $settings
    preset=$here/configs/ferplus-4000labels-$1.ini
    shift
    set -- "$@" data.labelled="$labels" data.labelled_per_class="$choice" train.epochs="$epochs" \
        train.seed="$seed" data.root="$data" eval.every=$((epochs / 3 > 0 ? epochs / 3 : 1))
    case $method in
    start) set -- "$@" train.warmup_epochs="$epochs" ;;
    fixmatch | uda | mixmatch | remixmatch | adacm) ;;
    *)
        rmset=$(rmset_of "$labels" "$choice" "$agreement")
        set -- "$@" rmset.root="$rmset"
        ;;
    esac
    case $method in consensus* | both) set -- "$@" consensus.refresh=$(((4 * 4000 + labels / 2) / labels)) ;; esac
    [ "$fraction" = 100 ] || set -- "$@" rmset.fraction="$(echo "$fraction" | awk '{ print $1 / 100 }')"
    [ "$method" = start ] || set -- "$@" model.init="$out/$start-seed$seed/last.safetensors"
    # shellcheck disable=SC2086 # words
    set -- "$@" ${EXTRA:-}
    train_row "$name-seed$seed" "$preset" "$@"
    evaluate "$results/$name-seed$seed.json" --checkpoint "$name-seed$seed/last.safetensors" --split valid
    echo "$name, seed $seed: $(accuracy_of "$results/$name-seed$seed.json")"
}

# NAME SEED: how many more pictures a row has right than labels alone of its seed, with the interval, as PAIRED/NAME-seedN.json;
# nothing where OUT does not have both, finished.
pair_row() {
    baseline=baseline
    case $1 in *@*labels*) baseline=baseline@labels$(of_variant "${1#*@}" labels 4000) ;; esac
    case $1 in start* | "$baseline") return 0 ;; esac
    for name in "$baseline-seed$2" "$1-seed$2"; do is_finished "$name" "$results/$name.json" || return 0; done
    mkdir -p "$results/paired"
    evaluate "$results/paired/$1-seed$2.json" --compare "$baseline-seed$2/last.safetensors" "$1-seed$2/last.safetensors" --split valid
}

for row in $rows; do check_row "$row"; done
for seed in $seeds; do
    for row in $rows; do
        [ -f "$results/$row-seed$seed.json" ] || run_row "$row" "$seed"
        pair_row "$row" "$seed"
    done
done
