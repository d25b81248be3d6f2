# What the tests of the command line share, to be read in at the top of the repository: `. tests/support/cli.sh`.
# Gives RMFER, the program; RMFER_TESTS, the folder of the test programs; $folder, an empty folder that is removed at
# the end; and functions that count. A test ends with `finish`.
RMFER=${RMFER:-$PWD/rmfer}
RMFER_TESTS=${RMFER_TESTS:-build/release/tests}
passed=0 failed=0 skipped=0
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
# What this machine happens to have is not what is tested; tests/cli_lookup.sh is about finding it.
RMFER_DETECTOR=none
export RMFER_DETECTOR
trap 'exit 1' INT TERM
# Before a program: it heeds a hang-up, which those that the tests start do not where nohup has started the tests, and an
# interrupt, which those in the background do not. Empty where that cannot be had.
heeds_signals="env --default-signal=HUP,INT"
$heeds_signals true 2>/dev/null || heeds_signals=

pass() { passed=$((passed + 1)); }

# fail WHAT: also shows what the last command printed.
fail() {
    failed=$((failed + 1))
    echo "failed: $1"
    [ -f "$folder/out" ] && tail -n 20 "$folder/out" "$folder/err"
    return 0
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1"
}

# run COMMAND...: what it prints goes to $folder/out and $folder/err, its exit status also to $code.
run() {
    "$@" >"$folder/out" 2>"$folder/err"
    code=$?
    return $code
}

# check WHAT COMMAND...: the command succeeds.
check() {
    what=$1
    shift
    if run "$@"; then pass; else fail "$what: exit $code"; fi
}

# holds WHAT COMMAND...: the same of a command that looks at what the last one printed.
holds() {
    what=$1
    shift
    if "$@"; then pass; else fail "$what"; fi
}

# says WHAT PATTERN: the last command printed a line like this.
says() {
    holds "$1 says '$2'" grep -q -e "$2" "$folder/out" "$folder/err"
}

# refuses WHAT STATUS PATTERN COMMAND...: the command ends with this status and says why on standard error.
refuses() {
    what=$1 wanted=$2 pattern=$3
    shift 3
    run "$@"
    if [ $code -eq "$wanted" ] && grep -q -- "$pattern" "$folder/err"; then pass; else fail "$what: exit $code"; fi
}

# drawn_ini: the beginning of a configuration for faces/, 32 pixels drawn by synth; keys of [data] may follow.
drawn_ini() {
    cat <<'INI'
[model]
arch = tf_efficientnet_b0
[data]
kind = affectnet
root = faces/affectnet
crop = none
image_size = 32
normalize = imagenet
INI
}

# stopped LINES COMMAND...: a training into run/, which SIGTERM ends once it has written so many lines of metrics; begun anew where it
# came to its end before the signal did.
stopped() {
    least_lines=$1
    shift
    for _ in 1 2 3 4 5 6; do
        rm -rf run
        "$@" >/dev/null 2>&1 &
        pid=$!
        for _ in $(seq 1500); do
            [ -f run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge "$least_lines" ] && break
            sleep 0.02
        done
        kill -TERM $pid
        wait $pid
        code=$?
        [ $code -eq 0 ] || break
    done
    holds "the signal ended it: exit $code" [ $code -eq 143 ]
}

# train_on_drawn_faces: draws faces/ and trains two steps on them into drawn/, by run.ini.
train_on_drawn_faces() {
    cat >run.ini <<INI
[data]
kind = affectnet
root = faces/affectnet
crop = none
image_size = 64
valid_fraction = 0.5
normalize = imagenet
[model]
arch = tf_efficientnet_b0
[train]
batch = 8
epochs = 1
warmup_epochs = 1
max_steps = 2
[ial]
weight = 0.3
[acl]
weight = 0
[eval]
every = 1
[output]
dir = drawn
INI
    check "draw faces" "$RMFER" synth faces --faces 160 --size 64 --seed 3 --mashups 0
    check "train" "$RMFER" train --config run.ini --threads 1
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
