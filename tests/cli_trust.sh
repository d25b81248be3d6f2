#!/bin/sh
# What a user's machine may do to the program, and the program to it: full disks behind standard output, devices as
# outputs, little memory, thousands of threads, configurations that came inside a file, files cut short.
. tests/support/cli.sh

# ---- standard output ----
for command in "--help" "--version" "config --help" "info tf_efficientnet_b0" "config affectnet8"; do
    # shellcheck disable=SC2086
    "$RMFER" $command >/dev/full 2>"$folder/err"
    code=$?
    : >"$folder/out"
    holds "'$command' into a full disk fails" [ $code -eq 1 ]
    says "'$command' into a full disk" "standard output cannot be written"
done
check "into a device that takes all" sh -c "\"$RMFER\" --help >/dev/null"

# ---- threads ----
run "$RMFER" info tf_efficientnet_b0 --threads 4096
holds "4096 threads are no error" [ $code -eq 0 ]
says "4096 threads" "threads 4096: this process may use [0-9]* core"
if command -v taskset >/dev/null; then
    check "two threads on one core are no error" taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" "$RMFER" info tf_efficientnet_b0 --threads 2
    says "two threads on one core" "threads 2: this process may use 1 core (affinity mask"
else
    skip "the affinity mask, without taskset"
fi

# ---- a trained network to work with ----
check "draws a data set" "$RMFER" synth "$folder/faces" --faces 64 --size 32 --mashups 0
drawn_ini >"$folder/small.ini"
cat >>"$folder/small.ini" <<'INI'
[train]
epochs = 1
warmup_epochs = 0
batch = 8
[acl]
weight = 0
[output]
dir = run
INI
check "trains a little" "$RMFER" train --config "$folder/small.ini" --quiet
last=$folder/run/last.safetensors

# ---- standard descriptors that are closed: what is printed does not go into a file that got their number ----
picture=$(find "$folder/faces/affectnet" -name '*.jpg' | sort | head -n 1)
predict() { "$RMFER" predict --checkpoint "$last" --json --allow-untrained --threads 1 --features "$1" "$picture"; }
check "predicts" predict "$folder/open.npy"
predict "$folder/closed.npy" >&- 2>"$folder/err"
code=$?
holds "a closed standard output is a full one" [ $code -eq 1 ]
says "predict" "standard output cannot be written"
predict "$folder/no-error.npy" >"$folder/out" 2>&-
holds "a closed standard error is nothing" [ $? -eq 0 ]
holds "and nothing goes into the file" cmp -s "$folder/open.npy" "$folder/no-error.npy"
predict "$folder/none.npy" >"$folder/out" 2>&- <&-
holds "nothing is open but standard output" cmp -s "$folder/open.npy" "$folder/none.npy"

# ---- a signal leaves nothing of a file that is half written, where the file system holds files without a name ----
mkdir "$folder/stopped"
mkfifo "$folder/pictures"
for signal in ${heeds_signals:+HUP} TERM KILL; do
    $heeds_signals "$RMFER" predict --checkpoint "$last" --json --allow-untrained --threads 1 --batch 1 --features "$folder/stopped/f.npy" - \
        <"$folder/pictures" >"$folder/out" 2>"$folder/err" &
    predicting=$!
    exec 9>"$folder/pictures" # held open: there might be more
    cat "$picture" "$picture" "$picture" >&9
    for _ in $(seq 300); do
        [ -s "$folder/out" ] && break
        sleep 0.1
    done
    kill -$signal $predicting
    wait $predicting
    code=$?
    exec 9>&-
    holds "predict ends by the signal $signal: exit $code" [ $code -gt 128 ]
    case $(stat -f -c %T "$folder") in
    ext2/ext3 | tmpfs | xfs | btrfs) holds "and leaves nothing" [ -z "$(ls -A "$folder/stopped")" ] ;;
    *) skip "what $signal leaves, on this file system" ;;
    esac
done

# ---- a limit of a file's size: an error that names it, and no half file, of what asks for no signals ----
mkdir "$folder/limited"
for command in "plot curves $folder/run -o $folder/limited/c.svg" "report $folder/run --no-data -o $folder/limited/r.html" \
    "import $last -o $folder/limited/i.safetensors" "export $last -o $folder/limited/e.onnx"; do
    # shellcheck disable=SC2086
    (ulimit -f 2 && exec "$RMFER" $command >"$folder/out" 2>"$folder/err")
    code=$?
    holds "a limit of 1 KiB refuses '$command': exit $code" [ $code -eq 1 ]
    says "${command%% *}" "limited/.*: cannot be written: File too large"
done
holds "and leaves nothing" [ -z "$(ls -A "$folder/limited")" ]

# ---- names that are printed as a result steer no terminal either ----
escape=$(printf '%s/a\033[2J' "$folder")
check "plots under a hostile name" "$RMFER" plot curves "$folder/run" -o "$escape.svg"
says "plot" 'a?\[2J.svg'
check "reports under a hostile name" "$RMFER" report "$folder/run" --no-data -o "$escape.html"
says "report" 'a?\[2J.html'
check "draws under a hostile name" "$RMFER" synth "$escape" --faces 64 --size 32 --mashups 0
says "synth" 'a?\[2J: affectnet'

# ---- a damaged checkpoint ----
check "trains on" "$RMFER" train --config "$folder/small.ini" --quiet --resume --set train.epochs=2
holds "the checkpoint before the last stays" [ -s "$folder/run/previous.safetensors" ]
cp "$last" "$folder/whole.safetensors"
size=$(wc -c <"$last")
printf '\377\376' | dd of="$last" bs=1 seek=$((size / 2)) conv=notrunc 2>"$folder/err"
run "$RMFER" info "$last"
holds "a damaged checkpoint is not read" [ $code -eq 1 ]
says "info" "damaged: tensor '.*' is not as it was written"
run "$RMFER" train --config "$folder/small.ini" --quiet --resume --set train.epochs=3
holds "a run does not go on from it" [ $code -eq 1 ]
says "resuming" "previous.safetensors, of step [0-9]*, is whole: rename it"
mv "$folder/run/previous.safetensors" "$last"
check "goes on from the one before" "$RMFER" train --config "$folder/small.ini" --quiet --resume --set train.epochs=2
holds "to the same end, bit by bit" cmp -s "$last" "$folder/whole.safetensors"

# ---- no output goes over an input, under whatever name ----
ln -s "$last" "$folder/other.safetensors"
kept=$last
# written_over NAME COMMAND...: it refuses, and $kept is as it was.
written_over() {
    name=$1
    shift
    before=$(cksum <"$kept")
    run "$RMFER" "$@"
    holds "$name refuses to write over what it reads" [ $code -eq 2 ]
    says "$name" "is read here, and would be written over"
    holds "$name leaves it as it was" [ "$(cksum <"$kept")" = "$before" ]
}
written_over export export "$last" -o "$folder/other.safetensors"
written_over import import "$last" -o "$folder/other.safetensors"
written_over eval eval --checkpoint "$last" --json "$folder/other.safetensors"
# A figure's name ends as figures' do, whatever the file is that it leads to.
written_over_by_figure() {
    ln -sf "$kept" "$folder/figure.svg"
    written_over "$@" -o "$folder/figure.svg"
}
written_over_by_figure plot plot mds "$last"
kept=$(find "$folder/faces/affectnet" -name 'validation*.jpg' | sort | head -n 1)
written_over_by_figure "plot on a picture" plot mds "$last"
kept=$last
written_over predict predict --checkpoint "$last" --allow-untrained --features "$folder/other.safetensors" "$folder/faces/affectnet"
written_over_by_figure "plot of a named checkpoint" plot mds "a=$last"
# A run is named by its folder, or NAME=RUN,RUN; the files in it are meant.
for file in metrics.jsonl config.ini log.txt best_overall.safetensors last.safetensors; do
    kept=$folder/run/$file
    written_over "report on $file" report "$folder/run" -o "$kept" --no-data
    written_over_by_figure "plot on $file" plot curves "a=$folder/run"
done
check "evaluates" "$RMFER" eval --checkpoint "$last" --json "$folder/result.json"
kept=$folder/result.json
written_over "report of a result" report "Q=$folder/run,$kept" -o "$kept" --no-data
written_over_by_figure "plot of a result" plot confusion "Q=$kept"
# Pictures that a sheet is made of, also through a link with another name.
mkdir "$folder/frames"
cp "$picture" "$folder/frames/0001.jpg"
cp "$picture" "$folder/frames/0002.jpg"
kept=$folder/frames/0002.jpg
ln -s "$kept" "$folder/frame.png"
written_over "a sheet on a frame" rmset preview "$folder/frames" -o "$kept"
check "a sheet under a hostile name" "$RMFER" rmset preview "$folder/frames" -o "$escape.jpg"
says "rmset preview" 'a?\[2J.jpg'
run "$RMFER" rmset preview "$folder/nothing-here.mp4" -o "$folder/none-there/x.jpg"
says "a sheet where no folder is, before it looks" 'none-there/x.jpg: cannot be written'
written_over "a sheet on a frame's link" rmset preview "$folder/frames/" -o "$folder/frame.png"
set=$folder/faces/rmset
anchor=$(sed -n 2p "$set/index.csv" | awk -F, '{ print $1 ":" $2 ":" $3 }')
kept=$set/$(grep '\.jpg,' "$set/index.csv" | tail -n 1 | cut -d , -f 4) # of all faces, not of those drawn
ln -s "$kept" "$folder/face.png"
for out in "$kept" "$folder/face.png"; do
    written_over "a sheet on a face" rmset preview "$set" --anchor "$anchor" -o "$out" --set rmset.every=7
    written_over "a figure on a face" plot attention "$last" --rmset "$set" --anchor "$anchor" -o "$out"
done
kept=$(find "$set/shards" -name '*.tar' | head -n 1)
ln -s "$kept" "$folder/shard.png"
written_over "a sheet on a shard" rmset preview "$set" --anchor "$anchor" -o "$folder/shard.png"
check "a sheet beside the faces" "$RMFER" rmset preview "$set" --anchor "$anchor" -o "$set/sheet.jpg"
check "and again" "$RMFER" rmset preview "$set" --anchor "$anchor" -o "$set/sheet.jpg"
kept=$last

# ---- outputs that are no files ----
check "evaluates into a device" "$RMFER" eval --checkpoint "$last" --json /dev/null
holds "the device is still one" [ -c /dev/null ]
ln -s target.json "$folder/link.json"
check "evaluates into a link" "$RMFER" eval --checkpoint "$last" --json "$folder/link.json"
holds "the link is still one" [ -h "$folder/link.json" ]
holds "its file was written" [ -s "$folder/target.json" ]
: >"$folder/out.safetensors.tmp.0123456789abcdef"
check "exports" "$RMFER" export "$last" -o "$folder/out.safetensors"
holds "what a killed run left is removed" [ ! -e "$folder/out.safetensors.tmp.0123456789abcdef" ]

# ---- a configuration that came inside a file ----
cp "$last" "$folder/sly.safetensors"
# The same length: the header says where the weights are.
root=$folder/faces/affectnet
sly=$(printf '%s' '${HOME}/' | cut -c1-8)$(printf '%s' "$root" | cut -c9-)
unchecked='s/rmfer\.checksum/other.checksum/g' # a program that writes no checksums
LC_ALL=C sed -i "$unchecked;s|root = $root|root = $sly|" "$folder/sly.safetensors"
run env HOME="$folder" "$RMFER" eval --checkpoint "$folder/sly.safetensors"
holds "a variable of the checkpoint's own is refused" [ $code -ne 0 ]
says "a variable of the checkpoint's own" "never put in"

# ---- nothing from a file steers the terminal ----
escape=$(printf '\033]0;owned\007')
sed "s|^dir = run|dir = run$escape|" "$folder/small.ini" >"$folder/escape.ini"
check "shows a configuration with escapes" "$RMFER" config "$folder/escape.ini" --resolved
holds "none of them is printed" sh -c "! LC_ALL=C grep -q \"$(printf '\033')\" \"$folder/out\" \"$folder/err\""
says "the rest of the name" "run?\]0;owned?"
cp "$last" "$folder/classes.safetensors"
LC_ALL=C sed -i "$unchecked;s|\"rmfer.classes\":\"Neutral|\"rmfer.classes\":\"\\\\u001bl|" "$folder/classes.safetensors"
run "$RMFER" info "$folder/classes.safetensors"
says "a class's name without its first bytes" "?l"
holds "a class's name is printed without them" sh -c "! LC_ALL=C grep -q \"$(printf '\033')\" \"$folder/out\" \"$folder/err\""
for format in "" --csv --json; do
    # shellcheck disable=SC2086
    check "predicts classes with escapes" "$RMFER" predict --checkpoint "$folder/classes.safetensors" --allow-untrained $format "$picture"
    holds "predict $format prints none of them" sh -c "! LC_ALL=C grep -q \"$(printf '\033')\" \"$folder/out\" \"$folder/err\""
done
run "$RMFER" eval --config "$folder/small.ini" --checkpoint "$folder/classes.safetensors"
holds "eval prints none either" sh -c "! LC_ALL=C grep -q \"$(printf '\033')\" \"$folder/out\" \"$folder/err\""

# ---- more than there is, refused before any of it is touched ----
run "$RMFER" train --config "$folder/small.ini" --quiet --out "$folder/large" --set train.batch=56 --set data.image_size=2048
holds "a plan beyond the memory is refused" [ $code -eq 1 ]
says "the refusal" "[0-9]* MiB for .*, this machine or control group has [0-9]* MiB left"

# ---- a control group of our own, which the system would empty by ending us ----
group=
for limit in memory/rmfer-test-$$/memory.limit_in_bytes rmfer-test-$$/memory.max; do
    limit=/sys/fs/cgroup/$limit
    mkdir "$(dirname "$limit")" 2>/dev/null || continue
    group=$(dirname "$limit")
    [ -f "$limit" ] && break
    rmdir "$group"
    group=
done
# within MIB COMMAND...: in the group.
within() {
    echo $(($1 << 20)) >"$limit"
    shift
    sh -c "echo \$\$ >'$group/cgroup.procs' && exec \"\$@\"" - "$RMFER" "$@" >"$folder/out" 2>"$folder/err"
    code=$?
}
if [ -n "$group" ]; then
    for room in 60 120 180; do
        within $room train --config "$folder/small.ini" --quiet --threads 1 --out "$folder/group" --set train.max_steps=1
        holds "training within $room MiB is refused, not ended: exit $code" [ $code -eq 1 ]
        says "training within $room MiB" "not enough memory: [0-9]* MiB for .*, this machine or control group has [0-9]* MiB left"
    done
    for room in 40 60 80; do
        within $room predict --checkpoint "$last" --allow-untrained --threads 1 --batch 256 "$folder/faces/affectnet"
        holds "predict within $room MiB is refused, not ended: exit $code" [ $code -eq 1 ]
    done
    rmdir "$group"
else
    skip "a control group of our own, which may not be made here"
fi

# ---- little memory: a message and an end, not a wait ----
for limit in 102400 300000 409600; do
    for command in "train --config $folder/small.ini --out $folder/short" "info $last" \
        "eval --checkpoint $last"; do
        # shellcheck disable=SC2086
        (ulimit -v $limit; exec timeout -s KILL 40 "$RMFER" $command) >"$folder/out" 2>"$folder/err"
        code=$?
        holds "'${command%% *}' ends within $limit KiB" [ $code -ne 137 ]
        holds "'${command%% *}' does not crash within $limit KiB" [ $code -lt 128 ]
    done
done
finish
