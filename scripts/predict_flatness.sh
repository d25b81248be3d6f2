#!/bin/sh
# Does `rmfer predict` grow? Resident memory and time for every 10,000 pictures of a long folder, a long list, a long video and
# a long stream of pictures through a pipe; without a detector and with one, and with --annotate.
#
# The pictures are hard links of five small ones, the model has 64 x 64 inputs and generated weights: what grows with the
# number of pictures does so with any. Usage: predict_flatness.sh [PICTURES [STEP [RUN...]]]
# (100000 10000, and all runs: folder detector list annotate pipe video track frames).
# Wants RMFER (./rmfer), RMFER_TESTS (build/release/tests, for the small model), ffmpeg for videos; works below TMPDIR.
set -eu
pictures=${1:-100000} step=${2:-10000}
[ $# -lt 2 ] && set -- "$pictures" "$step"
shift 2
runs=${*:-folder detector list annotate pipe video track frames}
RMFER=${RMFER:-$PWD/rmfer}
fixtures=${RMFER_TESTS:-$PWD/build/release/tests}/test_cmd_predict_npy
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
[ -x "$fixtures" ] || { echo "$fixtures: not there ('make build/release/tests/test_cmd_predict_npy')" >&2; exit 1; }
"$fixtures" --fixtures "$folder"
cd "$folder"

# Pictures of the fixtures in turn, numbered.
make_folder() {
    mkdir -p "$1"
    awk -v folder="$1" -v count="$2" 'BEGIN {
        split("two.png none.png mirrored.png noise.jpg turned.jpg", names, " ")
        for (i = 0; i < count; i++) {
            name = names[i % 5 + 1]
            ending = name
            sub(/.*\./, "", ending)
            printf "%s %s/%07d.%s\n", name, folder, i, ending
        }
    }' | if command -v perl >/dev/null; then perl -lane 'link $F[0], $F[1] or die "$F[1]: $!"'; else
        while read -r from to; do ln "$from" "$to"; done
    fi
}

# watch WHAT COMMAND...: runs a predict that prints CSV; after every STEP pictures its resident memory and the time for them.
watch() {
    what=$1
    shift
    rm -f rows
    mkfifo rows
    "$@" >rows 2>said &
    pid=$!
    awk -F, -v pid=$pid -v step="$step" -v what="$what" '
        function now(  text) { "date +%s.%N" | getline text; close("date +%s.%N"); return text + 0 }
        function resident(  line, fields) {
            while ((getline line < ("/proc/" pid "/status")) > 0)
                if (line ~ /^VmRSS:/) split(line, fields, " ")
            close("/proc/" pid "/status")
            return fields[2] / 1024
        }
        NR == 1 { begin = now(); next }
        { key = $1 "," $2 }
        key != last { last = key; seen++
            if (seen % step == 0) {
                time = now()
                printf "%-28s %8d pictures %8.1f MB %8.2f ms a picture\n", what, seen, resident(), 1000 * (time - begin) / step
                begin = time
                fflush()
            } }' rows
    wait $pid || { cat said; exit 1; }
}
predict() { exec "$RMFER" predict --checkpoint tiny.safetensors --csv --quiet "$@"; }

listed() { predict - <list; }
piped() { predict - <stream; }

echo "$pictures pictures; $("$RMFER" --version); threads: ${OMP_NUM_THREADS:-all}"
count=$((pictures + step / 5)) # a few more, so that it still runs when the last figures are taken
make_folder many "$count"
case "$runs" in *video* | *track* | *frames*)
    command -v ffmpeg >/dev/null || { echo "no ffmpeg to make a long video" >&2; exit 1; }
    ffmpeg -v error -f lavfi -i testsrc=size=160x120:rate=25 -frames:v "$count" -c:v mpeg4 -q:v 8 -g 250 long.mkv ;;
esac
for run in $runs; do
    case $run in
    folder) watch "folder" predict many ;;
    detector) watch "folder, detector" predict --detector squares.onnx --pose many ;;
    list)
        find many -type f >list
        watch "list" listed ;;
    annotate) watch "folder, --annotate" predict --annotate drawn many ;;
    pipe)
        mkfifo stream
        awk -v count="$count" 'BEGIN { for (i = 0; i < count; i++) print i % 2 ? "noise.jpg" : "two.png" }' |
            xargs cat >stream &
        watch "pictures through a pipe" piped ;;
    video) watch "video" predict long.mkv ;;
    track) watch "video, detector, --track" predict --detector squares.onnx --max-faces 2 --track --smooth 1 long.mkv ;;
    frames) watch "video, --annotate" predict --annotate drawn long.mkv ;;
    *) echo "$run: no such run" >&2; exit 1 ;;
    esac
    rm -rf drawn
done
