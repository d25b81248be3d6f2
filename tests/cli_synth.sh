#!/bin/sh
# rmfer synth: what it writes, the same twice, RMsets of a labelled set, messages and exit codes.
. tests/support/cli.sh

# refuses NAME CODE MESSAGE COMMAND...: it ends with that code and prints that one line.
refuses() {
    what=$1 wanted=$2 message=$3
    shift 3
    run "$@"
    if [ $code -eq "$wanted" ] && [ "$(cat "$folder/err")" = "$message" ]; then pass; else fail "$what: exit $code"; fi
}

check help "$RMFER" synth --help
check draw "$RMFER" synth "$folder/a" --faces 64 --size 32 --seed 5 --mashups 0
check "draw again" "$RMFER" synth "$folder/b" --faces 64 --size 32 --seed 5 --threads 1 --mashups 0
check "the same seed gives the same files" diff -r "$folder/a" "$folder/b"
check "another seed" "$RMFER" synth "$folder/b" --faces 64 --size 32 --seed 6 --mashups 0
check "gives other files" sh -c "! cmp -s '$folder/a/affectnet/1/training000000.jpg' '$folder/b/affectnet/1/training000000.jpg'"
for name in affectnet/training.csv affectnet/validation.csv affectnet-later/train_set/annotations/0_exp.npy \
    rafdb/EmoLabel/list_patition_label.txt ferplus/FER2013Train/label.csv ferplus-csv/fer2013.csv \
    ferplus-csv/fer2013new.csv folder/train/Anger csv/list.csv rmset/index.csv rmset/shards; do
    check "$name is there" test -e "$folder/a/$name"
done

printf '[data]\nkind = folder\nroot = a/folder\nlabelled = 16\n' >"$folder/from.ini"
check "from a labelled set" "$RMFER" synth "$folder/mashup" --from "$folder/from.ini" --persons 4 --moments 3 --videos 2
check "has its rows" test "$(wc -l <"$folder/mashup/index.csv")" -eq 25
check "the truth lies beside it" awk -F , 'NR == FNR { if (FNR > 1) path[FNR] = $4; next }
    FNR > 1 && ($1 != path[FNR] || $2 == "" || $3 == "") { exit 1 } END { exit FNR != 25 }' "$folder/mashup/index.csv" "$folder/mashup/truth.csv"
check "overrides reach it" "$RMFER" synth "$folder/mashup2" --from "$folder/from.ini" --set data.labelled=0 --videos 1

cd "$folder" || exit 1

# ---- nothing is drawn over that was not drawn: the layouts have the names of the real sets' own files ----
undrawn='holds files that synth has not drawn (there is no drawn.txt that says so), and would be drawn over: '
undrawn="${undrawn}name another folder"
mkdir -p real/ferplus/FER2013Train
echo 'a real picture' >real/ferplus/FER2013Train/fer0000000.png
echo 'its label' >real/ferplus/FER2013Train/label.csv
refuses "a real data set" 2 "rmfer: error: real/ferplus: $undrawn" \
    "$RMFER" synth real --faces 64 --size 32 --mashups 0
holds "which stays as it is" grep -q 'a real picture' real/ferplus/FER2013Train/fer0000000.png
holds "and nothing is drawn beside it" test "$(ls real)" = ferplus
echo 'kept with care' >real/drawn.txt
refuses "a note of another kind" 2 "rmfer: error: real: $undrawn" \
    "$RMFER" synth real --from from.ini --persons 4
sed 's/faces 64/faces 65/' b/rafdb/drawn.txt >note && mv note b/rafdb/drawn.txt
refuses "fewer faces over more" 2 \
    'rmfer: error: b/rafdb: was drawn of 65 faces, of which fewer (64) would leave some: remove it, or name another folder' \
    "$RMFER" synth b --faces 64 --size 32 --mashups 0
check "an RMset is made again" "$RMFER" synth mashup --from from.ini --persons 4 --moments 3 --videos 1
check "without the faces that it does not name any more" sh -c "
    cut -d, -f4 mashup/index.csv | tail -n +2 | sort -u >named && (cd mashup && ls -d faces/*) | sort >there && cmp named there"
refuses "no folder" 2 'rmfer: error: rmfer synth needs the folder to write, and nothing else' "$RMFER" synth
refuses "too few faces" 2 'rmfer: error: --faces 3: must be between 64 and 1000000' "$RMFER" synth x --faces 3
refuses "--set alone" 2 'rmfer: error: --set belongs to --from, not to drawn faces' "$RMFER" synth x --set data.root=y
# What one of the two forms would pass over.
for option in "--persons 4" "--moments 9" "--videos 1" "--agreement 0.1"; do
    # shellcheck disable=SC2086 # words
    refuses "$option alone" 2 "rmfer: error: ${option% *} belongs to --from, not to drawn faces" "$RMFER" synth x $option
done
for option in "--faces 64" "--size 32" "--mashups 0"; do
    # shellcheck disable=SC2086 # words
    refuses "$option with --from" 2 "rmfer: error: ${option% *} belongs to drawn faces, not to --from" \
        "$RMFER" synth x --from from.ini $option
done
check "nothing was made" test ! -e x
refuses "a folder that cannot be" 1 'rmfer: error: from.ini: cannot make the folder: File exists' \
    "$RMFER" synth from.ini/x

# Only a build that cannot encode goes without videos: a disk that is full behind the pictures is an error.
(trap '' XFSZ; ulimit -f 1800; exec "$RMFER" synth lim --faces 64 --size 32) >out 2>err
code=$?
if grep -q 'no mashup videos: .*\(FFmpeg\|lib\)' err; then
    skip "a full disk under videos, as none can be encoded here"
else
    if [ $code -eq 1 ] && grep -q '^rmfer: error: lim/mashups/.*File too large$' err; then pass; else fail "a full disk: exit $code"; fi
    check "nothing half is left" test -z "$(find lim/mashups -name '*.mp4')"
fi

finish
