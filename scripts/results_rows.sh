# shellcheck shell=sh disable=SC2034 # used by those who read it
# What scripts of results share, for `.`: where things are, and runs that can be stopped. Sets rmfer, threads, here, data, out
# and results from RMFER, THREADS and the arguments FERPLUS_FOLDER OUT [RESULTS].
# What a $(...) tells is assigned first, then used: within the words of another command nobody hears that it failed.
rmfer=${RMFER:-./rmfer} threads=${THREADS:-$(nproc)}
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$2" "${3:-$2/results}"
data=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)
results=$(cd "${3:-$2/results}" && pwd)
case $rmfer in /*) ;; *) rmfer=$PWD/$rmfer ;; esac

# FOLDER OPTION...: what rmfer synth --from makes, if it is not there. A run beside this one may make it too: it is made under
# another name first.
make_rmset() {
    folder=$1
    shift
    [ ! -f "$folder/index.csv" ] || return 0
    "$rmfer" synth "$folder.$$" "$@" --persons 8 --quiet >&2 || exit 1
    mv -T "$folder.$$" "$folder" 2>/dev/null || rm -r "$folder.$$"
    [ -f "$folder/index.csv" ] || { echo "$0: $folder cannot be made" >&2; exit 1; }
}

# NAME CONFIG KEY=VALUE...: trains OUT/NAME, from where it was stopped (--resume begins anew what has no checkpoint), and leaves
# OUT/NAME/done. Where a run beside this one trains it, a start that both need, it is waited for, if flock(1) is at hand; then
# there is nothing left to train.
train_row() {
    run=$out/$1 config=$2
    shift 2
    for key; do set -- "$@" --set "$key"; shift; done
    mkdir -p "$run"
    (
        exec 9<"$run"
        ! command -v flock >/dev/null || flock 9
        rm -f "$run/done"
        "$rmfer" train --config "$config" "$@" --out "$run" --threads "$threads" --resume >"$run.log" 2>&1 ||
            { tail -n 3 "$run.log" >&2; exit 1; }
        : >"$run/done"
    )
}

# NAME JSON: whether OUT/NAME was trained to its end and JSON tells of it. A JSON alone may tell of a run elsewhere, and a
# checkpoint alone be that of a run that was stopped. Before there were marks, a JSON that is newer than the checkpoint said so.
is_finished() {
    if [ ! -f "$out/$1/last.safetensors" ] || [ ! -f "$2" ]; then return 1; fi
    [ -f "$out/$1/done" ] || [ -n "$(find "$2" -newer "$out/$1/last.safetensors")" ]
}

# JSON OPTION...: what rmfer eval tells, in OUT, complete or not at all; nothing where the file is there.
evaluate() {
    json=$1
    shift
    [ ! -f "$json" ] || return 0
    (cd "$out" && "$rmfer" eval "$@" --flip --threads "$threads" --dataset ferplus --data "$data" --json "$json.part" --quiet >/dev/null)
    mv "$json.part" "$json"
}

# JSON: its accuracy.
accuracy_of() { sed 's/.*"overall_accuracy": \([0-9.]*\),.*/\1/' "$1"; }
