#!/bin/sh
# A bad machine: allocation, read, write, sync, rename or name of a listed folder number N fails, in training, evaluating, predicting (a picture, the
# faces in one, a video), importing, exporting, drawing and building an RMset; and power lost after every operation of a run. Whatever fails,
# the program ends by itself and not by a crash; says 0 only where its result is what it is without the fault, or where it
# warns that a video's damaged places were passed over, and else gives a message; leaves no half file, and a run that goes on
# to the very checkpoint of an undisturbed one.
#
# Every N would take hours, most of it for the same places in the program: FAULT_TRIES=places takes the first and the last N of
# every place, which is a distinct stack of calls. As a test each kind has FAULT_TRIES of these (2), at even distances from
# FAULT_SEED (moves on with every commit); FAULT_TRIES=all takes every N. Long ones can be done in parts: FAULT_COMMANDS="export
# film" and FAULT_KINDS="read sync" choose (power is a command too), FAULT_SHARE=I/M every Mth from the Ith on; each command and
# kind tells how many faults it had as it ends.
. tests/support/cli.sh
library=$(cd "$RMFER_TESTS" && pwd)/libfaults.so
tries=${FAULT_TRIES:-2}
seed=${FAULT_SEED:-$(git rev-parse HEAD 2>/dev/null | cut -c1-4)}
seed=$(printf '%d' "0x${seed:-1}" 2>/dev/null || echo 1)
wanted=${FAULT_COMMANDS:-train eval predict faces import named export synth film rmset power}
kinds=${FAULT_KINDS:-allocate own read write sync rename list}
share=${FAULT_SHARE:-1/1}
injected=0 gone_on=
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1
# What is counted begins in the program's second start (cmd/environment.c): the first is spared, with what it would set.
export RMFER_ENVIRONMENT_READY=1 OPENBLAS_NUM_THREADS=1

# ---- what is worked with ----
# is_among WORD WORDS
is_among() {
    case " $2 " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

mashups=0
if is_among film "$wanted" || is_among rmset "$wanted"; then mashups=1; fi
check "draws what is worked with" "$RMFER" synth "$folder/faces" --faces 64 --size 32 --mashups $mashups
drawn_ini >"$folder/small.ini"
cat >>"$folder/small.ini" <<'INI'
workers = 1
on_error = fail
[train]
optimizer = sgd
epochs = 1
warmup_epochs = 0
batch = 16
max_steps = 2
[acl]
weight = 0
[eval]
every = 1
[output]
dir = run
checkpoint_every = 1
INI
last=$folder/reference/last.safetensors
weights=$folder/reference/best_overall.safetensors # half of last's bytes: no momenta
tiny=$folder/tiny.safetensors                      # another's small network, imported
picture=$(find "$folder/faces/affectnet" -name '*.jpg' | sort | head -n 1)
# A detector that finds white squares, and a picture with two (tests/support/predict_case.h).
squares=$folder/squares
mkdir "$squares" "$folder/made"
check "makes a detector" "$RMFER_TESTS/test_cmd_predict_npy" --fixtures "$squares"

# The commands; each leaves its result in $folder/made or on standard output.
command_of() {
    case $1 in
    train) echo "train --config $folder/small.ini --quiet --threads 1 --out $folder/made/run" ;;
    eval) echo "eval --checkpoint $weights --quiet --threads 1 --json $folder/made/eval.json" ;;
    predict) echo "predict --checkpoint $tiny --json --threads 1 --features $folder/made/f.npy $picture" ;;
    faces) echo "predict --checkpoint $tiny --json --threads 1 --detector $squares/squares.onnx $squares/two.png" ;;
    film) echo "predict --checkpoint $tiny --json --threads 1 --detector none --every 48 $folder/faces/mashups/mashup0.mp4" ;;
    import) echo "import tests/golden/ckpt/timm_plain.pth -o $folder/made/imported.safetensors --arch tiny_tf_64_1" \
        "--image-size 32 --classes Anger,Disgust,Fear,Happiness,Neutral,Sadness,Surprise" ;;
    named) echo "import $tiny -o $folder/made/imported.safetensors" ;;
    export) echo "export $tiny -o $folder/made/exported.onnx" ;;
    synth) echo "synth $folder/made/drawn --faces 64 --size 32 --mashups 0" ;;
    rmset) echo "rmset build $folder/faces/mashups/mashup0.mp4 -o $folder/made/set --every 48 --threads 1 --quiet" ;;
    esac
}

# shellcheck disable=SC2046
check "trains" "$RMFER" $(command_of train)
mv "$folder/made/run" "$folder/reference"
# shellcheck disable=SC2046
check "imports" "$RMFER" $(command_of import)
mv "$folder/made/imported.safetensors" "$tiny"

# Everything a command leaves, as one line; what tells the time is left out (the binary index keeps its list's).
result_of() {
    (cd "$folder/made" && find . -type f ! -name log.txt ! -name metrics.jsonl ! -name .lock ! -name '*.index' | LC_ALL=C sort |
        while read -r file; do
            case $file in
            *.safetensors | *.onnx | *.npy) cksum "$file" ;;
            *) echo "$file $(grep -av seconds "$file" | cksum)" ;;
            esac
        done; sed "s/([0-9.]* s)//" "$folder/out" | cksum) | cksum
}

clean_up() { rm -rf "$folder/made" && mkdir "$folder/made"; }

# What a run of training that failed has left goes on to the undisturbed end. The same, by all but the numbers of its metrics,
# once only.
go_on() {
    : >"$folder/out"
    left="$(result_of) $(tr -d '0-9.e+-' 2>/dev/null <"$folder/made/run/metrics.jsonl" | cksum)"
    case $gone_on in *" $left "*) return 0 ;; esac
    # shellcheck disable=SC2046
    "$RMFER" $(command_of train) --resume >"$folder/out" 2>"$folder/err" || problem="the run does not go on: exit $?"
    cmp -s "$folder/made/run/last.safetensors" "$last" || problem="${problem:-it goes on to another end}"
    [ -n "$problem" ] || gone_on="$gone_on $left "
}

# inject NAME KIND OUTCOME N: runs the command with that fault and looks at what it leaves.
inject() {
    clean_up
    injected=$((injected + 1))
    fault=$2:$3:$4
    # shellcheck disable=SC2046
    timeout -s KILL 120 env FAULT="$fault" LD_PRELOAD="$library" "$RMFER" $(command_of "$1") >"$folder/out" 2>"$folder/err"
    code=$?
    problem=
    if [ $code -gt 2 ]; then problem="exit $code"
    # A picture that cannot be read is an error in predict's JSON, at its place.
    elif [ $code -ne 0 ] && ! [ -s "$folder/err" ] && ! grep -q '"error": "' "$folder/out"; then problem="exit $code without a word"
    elif [ $code -ne 0 ] && [ "$3" = ENOMEM ] && ! grep -qi memory "$folder/err" "$folder/out"; then problem="no word of memory"
    elif [ $code -ne 0 ] && [ "$2" = read ] && grep -q 'not supported' "$folder/err" "$folder/out"; then
        problem="a failed read passes for a kind that is not read"
    elif [ $code -eq 0 ] && [ "$(result_of)" != "$expected" ] && ! grep -q 'damaged places were passed over' "$folder/err"; then
        problem="exit 0 with another result"
    elif [ -n "$(find "$folder/made" -name '*.tmp.*')" ]; then problem="a half file stays"
    fi
    if [ -z "$problem" ] && [ $code -ne 0 ] && [ "$1" = train ]; then go_on; fi
    if [ -z "$problem" ]; then pass; else fail "$1 with $fault: $problem"; fi
}

# numbers_of NAME KIND: the N that are tried, one a line.
numbers_of() {
    case $tries in
    all) seq 1 "$(sed -n "s/^$2 //p" "$folder/counts.$1")" ;;
    *) sed -n "s/^place $2 //p" "$folder/counts.$1" | tr ' ' '\n' | sort -nu ;;
    esac >"$folder/numbers"
    count=$(wc -l <"$folder/numbers")
    [ "$count" -gt 0 ] || return 0
    case $tries in
    all | places) step=${share#*/} at=${share%/*} ;;
    *) step=$(((count + tries - 1) / tries)) && at=$((seed % step + 1)) ;;
    esac
    awk -v step="$step" -v at="$at" 'NR >= at && (NR - at) % step == 0' "$folder/numbers"
}

# faults NAME KIND OUTCOME
faults() {
    is_among "$2" "$kinds" || return 0
    before=$injected wrong=$failed
    for number in $(numbers_of "$1" "$2"); do
        inject "$1" "$2" "$3" "$number"
    done
    total=$(sed -n "s/^$2 //p" "$folder/counts.$1")
    [ "$total" -eq 0 ] || echo "$1, $2:$3: $((injected - before)) of $total, $((failed - wrong)) wrong"
}

names="train eval predict faces import named export synth"
if [ -f "$folder/faces/mashups/mashup0.mp4" ]; then names="$names film rmset"; fi
if [ $mashups -eq 1 ] && ! [ -f "$folder/faces/mashups/mashup0.mp4" ]; then skip "rmset build, without FFmpeg"; fi
for name in $names; do
    is_among $name "$wanted" || continue
    # The second import is one on a file system where what is written has a temporary name.
    case $name in named) export FAULT_NAMED=1 ;; *) unset FAULT_NAMED ;; esac
    clean_up
    # shellcheck disable=SC2046
    FAULT_COUNTS=$folder/counts.$name LD_PRELOAD=$library "$RMFER" $(command_of $name) >"$folder/out" 2>"$folder/err"
    code=$?
    holds "$name works without a fault: exit $code" [ $code -eq 0 ]
    expected=$(result_of)
    # Libraries behind FFmpeg are of C++ and end the process by themselves where memory is short: there what the program asks for.
    case $name in rmset | film) faults $name own ENOMEM ;; *) faults $name allocate ENOMEM ;; esac
    faults $name read short
    faults $name read EIO
    faults $name read end
    faults $name write ENOSPC
    faults $name write EIO
    faults $name write short
    faults $name sync EIO
    faults $name rename EIO
    faults $name list EIO
done

# ---- power loss ----
# replay WHAT: of a run's files
replay() {
    clean_up
    # shellcheck disable=SC2046
    FAULT_TRACE=$folder/trace FAULT_FOLDER=$folder/made LD_PRELOAD=$library "$RMFER" $(command_of train) >"$folder/out" 2>"$folder/err"
    check "no moment of a run at which lost power loses a checkpoint, $1" "$RMFER_TESTS/power_loss" "$folder/trace" "$folder/made/run"
    cat "$folder/out"
}
unset FAULT_NAMED
if is_among power "$wanted"; then
    replay "written without a name"
    FAULT_NAMED=1
    export FAULT_NAMED
    replay "written under a temporary name"
fi
echo "$injected faults injected"
finish
