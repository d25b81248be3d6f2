#!/bin/sh
# The command line: help, version, mistakes and their exit codes, info and bench.
. tests/support/cli.sh
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

# note WHAT STATUS: counts what the last command came to.
note() {
    if [ "$2" -eq 0 ]; then pass; else fail "$1"; fi
}

# ends CODE ARGUMENT...: runs rmfer; true when it ends with that code.
ends() {
    wanted=$1
    shift
    run "$RMFER" "$@"
    [ $code -eq "$wanted" ] || { echo "rmfer $*: exit $code, not $wanted"; return 1; }
}

# shows NAME CODE PATTERN ARGUMENT...: the pattern is on standard output, and standard error is empty.
shows() {
    what=$1 wanted=$2 pattern=$3
    shift 3
    ends "$wanted" "$@" && grep -q -e "$pattern" "$folder/out" && [ ! -s "$folder/err" ]
    note "$what" $?
}

# refuses NAME CODE PATTERN ARGUMENT...: one line of error, nothing on standard output.
refuses() {
    what=$1 wanted=$2 pattern=$3
    shift 3
    ends "$wanted" "$@" && [ "$(wc -l <"$folder/err")" -eq 1 ] && [ ! -s "$folder/out" ] &&
        grep -q -e '^rmfer: error: ' "$folder/err" && grep -q -e "$pattern" "$folder/err"
    note "$what" $?
}

shows "--help" 0 '^usage: rmfer COMMAND' --help
shows "-h" 0 '^usage: rmfer COMMAND' -h
shows "help" 0 '^usage: rmfer COMMAND' help
shows "--version" 0 '^rmfer [0-9]*\.[0-9]*\.[0-9]*$' --version
ends 2 && grep -q '^usage:' "$folder/err" && [ ! -s "$folder/out" ]
note "no command" $?

"$RMFER" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$folder/commands"
[ "$(wc -l <"$folder/commands")" -ge 3 ]
note "--help lists the commands" $?
# A command with commands of its own is tried by these.
sed 's/^rmset$/rmset build\nrmset stats\nrmset check/' "$folder/commands" >"$folder/each" && mv "$folder/each" "$folder/commands"
while read -r command; do
    shows "$command --help" 0 "^usage: rmfer $command" $command --help
    shows "$command -h" 0 '^ *--threads N\|^  .*--threads N' $command -h
    shows "$command --version" 0 '^rmfer [0-9]*\.[0-9]*\.[0-9]*$' $command --version
    refuses "$command with an unknown option" 2 'unknown option --nonsense-of-mine' $command --nonsense-of-mine
    refuses "$command with a wrong number" 2 '--threads many: not a whole number' $command --threads many
done <"$folder/commands"

# A script's variable that was not set. One place sees to it; synth is not asked, as a mistake there would draw into the root.
for command in predict table info 'rmset stats'; do
    # shellcheck disable=SC2086
    refuses "$command with an empty word" 2 'an empty argument is no path and no name' $command ''
done
for option in --checkpoint --detector --annotate --features; do
    refuses "predict with an empty $option" 2 "^rmfer: error: $option: its value is empty" predict $option '' x.jpg
    refuses "predict with an empty $option=" 2 "^rmfer: error: $option: its value is empty" predict $option= x.jpg
done
refuses "import of no prefix" 1 'nothing-here.pth: No such file' import --prefix '' nothing-here.pth -o "$folder/none.safetensors"
shows "rmset --version" 0 '^rmfer [0-9]' rmset --version

# The manual page has every option of every command, each in the command's own part.
options_of() { "$RMFER" "$@" --help | sed -n '/^options:/,$s/^ *\(-[a-z0-9], \)\{0,1\}\(--[a-z-]*\).*/\2/p'; }
part_of_manual() { awk -v heading="$1" '/^\.S[HS] / { inside = $0 == heading; next } inside && /^\.B/' docs/rmfer.1; }
common=' --threads --seed --quiet --verbose --help --version '
for option in $common; do
    part_of_manual '.SH COMMON OPTIONS' | grep -q -e "$option\( \|\"\|\$\)"
    note "the manual page has $option" $?
done
sed '$armset preview' "$folder/commands" >"$folder/each"
while read -r command; do
    part_of_manual ".SS rmfer $command" >"$folder/part"
    for option in $(options_of $command); do
        case $common in *" $option "*) continue ;; esac
        grep -q -e "$option\( \|\"\|\[\|\$\)" "$folder/part"
        note "the manual page has $command $option" $?
    done
done <"$folder/each"

refuses "a misspelt command" 2 "unknown command 'bnech' (did you mean 'bench'?)" bnech
refuses "a command like no other" 2 "unknown command 'zzzzzzzz' (see rmfer --help)" zzzzzzzz
refuses "an option instead of a command" 2 "unknown command '--frobnicate'" --frobnicate
refuses "a misspelt option" 2 'unknown option --image-sise (did you mean --image-size?)' info --image-sise 64 x
refuses "a misspelt option with a value" 2 'did you mean --image-size' info --image-sise=64 x
refuses "an unknown letter" 2 'unknown option --z' info -z
refuses "a missing value" 2 '--batch needs a value (N)' bench --batch
refuses "a number out of range" 2 '--threads 0: must be between 1 and' bench --threads 0
refuses "the number behind the last" 2 '--seed 9007199254740993: must be between 0 and 9007199254740992$' bench --seed 9007199254740993
refuses "a number with a tail" 2 '--batch 4x: not a whole number' bench --batch 4x
refuses "a value for a flag" 2 '--json takes no value' bench --json=yes
refuses "too many arguments" 2 'bench takes no arguments but pictures for --mode data' bench extra
refuses "a picture that is not there" 1 'nothing-here.jpg' bench --mode data --runs 1 nothing-here.jpg
refuses "two arguments" 2 'info takes one' info a b
refuses "an unknown mode" 2 '--mode fly: unknown (train, infer, kernels, data)' bench --mode fly
refuses "an unknown architecture" 2 "unknown architecture 'resnet50' (tf_efficientnet_b0 to b3" bench --arch resnet50
refuses "pictures too small" 2 '--image-size 31: must be between 32' info tf_efficientnet_b0 --image-size 31
for option in '--arch tiny_tf_16_1' '--batch 2' '--saved float32' --roofline; do
    for mode in kernels data; do
        refuses "bench: $option in another mode" 2 "--mode $mode has no ${option%% *}\$" bench --mode $mode --runs 1 $option
    done
done
refuses "bench: a side of kernels" 2 '--mode kernels has no --image-size' bench --mode kernels --runs 1 --image-size 32
echo 'no picture' >"$folder/bad.txt"
refuses "bench: a file that is no picture" 1 "$folder/bad.txt: not a picture" bench --mode data --runs 1 "$folder/bad.txt"
for option in '--batch 2' '--image-size 64' '--classes 7' '--saved float16'; do
    refuses "info: $option of a file" 2 'are for an ARCH' info models/ferplus-b0.safetensors $option
done
refuses "info of a file that is not there" 1 'missing.safetensors: no such file or folder' info missing.safetensors
ends 2 info "$(printf 'no\033[31msuch')" && ! grep -q "$(printf '\033')" "$folder/err"
note "a foreign name does not steer the terminal" $?

shows "info of an architecture" 0 '^backbone: 7700994 parameters, 0.99. G multiply-adds' info tf_efficientnet_b2 --batch 1
shows "what several processes sum" 0 '29.4 MiB of gradients a step are summed, in 30 pieces of at most 1.0 MiB' info tf_efficientnet_b2 --batch 1
shows "maps in half precision" 0 '31.9 MiB saved for backward (maps as float16)' info tf_efficientnet_b2 --batch 1 --saved float16
refuses "another storage" 2 'saved half: float32, bfloat16 or float16' info tf_efficientnet_b2 --saved half
shows "info counts the heads" 0 'for 7 classes: 11688464 parameters' info tf_efficientnet_b2 --batch 1 --classes 7
shows "info of the other flavour" 0 'symmetric padding, batch-norm eps 1e-05' info efficientnet_b0 --image-size 64 --batch 1
shows "info names the layers" 0 '^blocks\.6\.0\.conv_pwl ' info tf_efficientnet_b0 --image-size 64 --batch 1
shows "info tells the memory" 0 'training memory, batch 2: .* MiB saved' info tf_efficientnet_b0 --image-size 64 --batch 2
shows "-- ends the options" 0 '^backbone' info --image-size 64 --batch 1 -- tf_efficientnet_b0

small="--arch tiny_tf_16_1 --image-size 32 --runs 1"
shows "bench of training" 0 ' images/s; ' bench $small --batch 2
shows "bench of training, layer by layer" 0 '^conv_head ' bench $small --batch 2
# Two multiply-adds for each of the forward pass, as the picture's gradient is not needed: 4 operations. The others have 6.
"$RMFER" bench --arch tiny_tf_16_1 --image-size 256 --runs 1 --batch 2 >"$folder/out" 2>"$folder/err" &&
    awk '/^conv_stem / { a = $5 * ($3 + $4) / $2; found = a > 3.2 && a < 4.8 } END { exit !found }' "$folder/out"
note "bench counts what the first layer computes" $?
shows "bench of training, maps as halves" 0 ', maps kept as float16$' bench $small --batch 2 --saved float16
refuses "bench: an unknown type of maps" 2 'saved half: float32, bfloat16 or float16' bench $small --saved half
refuses "bench: inference keeps no maps" 2 'inference keeps no maps' bench $small --mode infer --saved float16
shows "bench of inference" 0 '^inference of tiny_tf_16_1 at 32, batch 3' bench $small --batch 3 --mode infer
shows "bench of inference, layer by layer" 0 '^blocks\.0\.0\.conv_dw ' bench $small --batch 3 --mode infer
for mode in train infer; do
    shows "bench --roofline ($mode)" 0 '^| blocks\.1\.0 |.*| \(multiply-adds\|SiLU\|memory\|other\) |$' bench $small --batch 2 --mode $mode --roofline
    ends 0 bench $small --batch 2 --mode $mode --roofline --json && grep -q '"roofline": {"bytes_per_s"' "$folder/out" &&
        grep -q '"bound_by"' "$folder/out"
    note "bench --roofline --json ($mode)" $?
done
shows "bench of the kernels" 0 '^gemm_transposed .* x ' bench --mode kernels --runs 1
shows "bench of the kernels, halves" 0 '^narrow and widen float16 .* 0\.0e+00$' bench --mode kernels --runs 1
shows "bench of pictures" 0 '^normalise ' bench --mode data --image-size 48 --runs 1
ends 0 bench --mode data --image-size 48 --runs 1 --threads 2 --json
note "bench --json (data)" $?
for key in mode image_size pictures bytes threads pictures_per_s_per_core pictures_per_s decode resize augment normalise all; do
    grep -q "\"$key\":" "$folder/out"
    note "bench --json (data) has $key" $?
done
shows "bench with one thread" 0 ' 1 threads, ' bench $small --batch 2 --threads 1
OMP_THREAD_LIMIT=1 "$RMFER" bench $small --batch 2 --threads 2 >"$folder/out" 2>"$folder/err" &&
    grep -q ' 1 threads, ' "$folder/out"
note "OMP_THREAD_LIMIT counts" $?
RMFER_ISA=portable "$RMFER" bench $small --batch 2 >"$folder/out" 2>"$folder/err" &&
    grep -q 'portable kernels' "$folder/out"
note "RMFER_ISA chooses the kernels" $?
for isa in PORTABLE avx-2 sse9; do
    RMFER_ISA=$isa "$RMFER" bench $small --batch 2 >"$folder/out" 2>"$folder/err"
    [ $? -eq 2 ] && grep -q "RMFER_ISA=$isa: no kernels of that name run here (portable" "$folder/err"
    note "RMFER_ISA=$isa is refused" $?
done
RMFER_ISA=sse9 "$RMFER" --help >"$folder/out" 2>"$folder/err"
note "help comes whatever RMFER_ISA says" $?

# The JSON report: every key that the interface names, for both modes.
for mode in train infer; do
    ends 0 bench $small --batch 2 --mode $mode --json
    note "bench --json ($mode)" $?
    for key in mode arch image_size batch threads images_per_s ms_per_image median min max gflops peak_gflops efficiency \
        peak_rss_mb layers; do
        grep -q "\"$key\":" "$folder/out"
        note "bench --json ($mode) has $key" $?
    done
    if command -v python3 >/dev/null 2>&1; then
        python3 - "$folder/out" <<'END' >"$folder/err" 2>&1
import json, sys
report = json.load(open(sys.argv[1]))
assert report["image_size"] == 32 and report["batch"] == 2 and report["arch"] == "tiny_tf_16_1"
assert report["images_per_s"] > 0 and report["peak_gflops"] > 0 and 0 < report["efficiency"] < 1.5
times = report["ms_per_image"]
assert 0 < times["min"] <= times["median"] <= times["max"]
assert report["layers"][0]["name"] == "conv_stem" and report["layers"][-1]["name"] == "conv_head"
END
        note "bench --json ($mode) parses" $?
    else
        skip "no python3 to parse the JSON report"
    fi
done

# The program starts itself once more and keeps its name, for top and killall; it waits for standard input while it is asked.
mkfifo "$folder/pipe"
"$RMFER" predict --detector none - <"$folder/pipe" >"$folder/out" 2>&1 &
waiting=$!
exec 3>"$folder/pipe"
for _ in $(seq 100); do # a busy machine takes its time to begin it
    [ "$(cat "/proc/$waiting/comm")" != "$(basename "$RMFER")" ] || break
    sleep 0.3
done
[ "$(cat "/proc/$waiting/comm")" = "$(basename "$RMFER")" ]
note "its name in lists of processes" $?
exec 3>&-
wait "$waiting"

finish
