#!/bin/sh
# rmfer plot: figures of run folders with nothing, one evaluation, NaN, hostile names, many steps; and what it refuses.
. tests/support/cli.sh
cd "$folder" || exit 1

# expect WHAT CODE PATTERN FILE COMMAND...: the exit code, and a file that holds the pattern
expect() {
    what=$1 wanted=$2 pattern=$3 file=$4
    shift 4
    run "$@"
    if [ $code -eq "$wanted" ] && grep -q -- "$pattern" "$file"; then pass; else fail "$what: exit $code"; fi
}
evaluation='{"step": 4, "epoch": 2, "phase": 2, "split": "valid", "n": 10, "loss": 0.5, "overall_accuracy": 0.7, "average_accuracy": 0.6875, "confusion": [[3, 1], [2, 4]]}'

mkdir a-seed0 a-seed1 none gaps long
for seed in 0 1; do
    printf '[data]\nclasses = A<b, C&"d\n' >a-seed$seed/config.ini
    {
        echo '{"step": 1, "epoch": 0.5, "phase": 1, "loss": 2.5, "loss_new": 1.5, "lr": 0.1}'
        echo '{"step": 2, "epoch": 1, "phase": 1, "loss": 2, "loss_new": 1, "lr": 0.1}'
        echo '{"step": 3, "epoch": 1.5, "phase": 2, "loss": 1.'$seed', "loss_new": 0.5, "lr": 0.05}'
        echo "$evaluation"
        printf '{"step": 5, "epo'
    } >a-seed$seed/metrics.jsonl
done
: >none/metrics.jsonl
echo '{"step": 1, "epoch": 1, "phase": 1, "loss": null, "lr": 0.1}' >gaps/metrics.jsonl
awk 'BEGIN { for (i = 1; i <= 200000; i++) printf "{\"step\": %d, \"epoch\": %g, \"phase\": 1, \"loss\": %g}\n", i, i / 1000, 1 / i }' \
    >long/metrics.jsonl

expect "a term no one knew" 0 'loss_new' a.svg "$RMFER" plot curves a-seed0 a-seed1 -o a.svg
expect "the seeds' band" 0 'fill-opacity="0.14"' a.svg "$RMFER" plot curves a-seed0 a-seed1 -o a.svg
expect "the phase switch" 0 'phase 2' a.svg "$RMFER" plot curves a-seed0 a-seed1 -o a.svg
expect "one key" 0 'loss_new' k.svg "$RMFER" plot curves 'x<y=a-seed0,a-seed1' --key loss_new -o k.svg
if grep -q 'x<y' k.svg; then fail "a hostile name stands raw"; else pass; fi
expect "confusion" 0 '75.0 %' f.svg "$RMFER" plot confusion a-seed0 -o f.svg
expect "an escaped class" 0 'A&lt;b' f.svg "$RMFER" plot confusion a-seed0 -o f.svg
echo "$evaluation" | sed 's/"epoch": 2, //' >result.json
expect "confusion of a result" 0 'result, valid split: overall accuracy 70.00 %' j.svg "$RMFER" plot confusion result.json -o j.svg
expect "NaN alone leaves the rest" 0 'learning rate' n.svg "$RMFER" plot curves gaps -o n.svg
if grep -qi 'nan[ ",]' n.svg; then fail "a coordinate is NaN"; else pass; fi
expect "200,000 steps" 0 'loss' l.svg "$RMFER" plot curves long -o l.svg
if [ "$(wc -c <l.svg)" -lt 100000 ]; then pass; else fail "a long run makes a large figure"; fi
# Lines and axis are those of all runs of a name, a mean's too where runs have their points at other epochs.
mkdir u-seed0 u-seed1 v-seed0 v-seed1 narrow
line() { echo "{\"step\": 1, \"epoch\": $1, \"phase\": 1, $2}"; }
for epoch in 1 2; do line $epoch '"loss": 2'; done >u-seed0/metrics.jsonl
for epoch in 1 2 3 4; do line $epoch "\"loss\": 1, \"loss_late\": $epoch"; done >u-seed1/metrics.jsonl
expect "a number that the first run lacks" 0 'loss_late' u.svg "$RMFER" plot curves u-seed0 u-seed1 -o u.svg
holds "an axis for the longest run" grep -q '>4<' u.svg
for epoch in 0 2 4; do line $epoch "\"loss\": $((epoch + 1))"; done >v-seed0/metrics.jsonl
for epoch in 1 3; do line $epoch "\"loss\": $((epoch + 3))"; done >v-seed1/metrics.jsonl
expect "the mean of points at other epochs" 0 'M219.5 [0-9.]*L363.0 [0-9.]*L506.5 [0-9.]*"' v.svg "$RMFER" plot curves v-seed0 v-seed1 -o v.svg
# Numbers beside the axis differ from each other, and leave its title alone.
for epoch in 1 2; do line $epoch "\"loss\": 1234567.$epoch"; done >narrow/metrics.jsonl
expect "ticks that differ" 0 '>1234567.12<' t.svg "$RMFER" plot curves narrow -o t.svg
holds "the title beside them" grep -q 'x="1[0-9.]*" [^>]*>loss (nats)<' t.svg
holds "the axis further in" grep -q 'x="9[0-9.]*" [^>]*>1234567.12<' t.svg
# What is in quotes in config.ini is read as the program wrote it.
mkdir quoted && cp a-seed0/metrics.jsonl quoted && printf '[data]\nclasses = "A;b, C \\"d" # two\n' >quoted/config.ini
expect "classes in quotes" 0 '>A;b<' f.svg "$RMFER" plot confusion quoted -o f.svg
holds "and with them" grep -q '>C &quot;d<' f.svg
sed 's/"split": "valid", //; s/"overall_accuracy": 0.7, //' result.json >bare.json
expect "a title of what is known" 0 '>bare<' f.svg "$RMFER" plot confusion bare.json -o f.svg
# Many names: every line is there, and no two have the same stroke.
many=
for name in 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22; do
    mkdir "m$name"
    for epoch in 1 2; do
        echo "{\"step\": $epoch, \"epoch\": $epoch, \"phase\": 1, \"loss\": 1.$name, \"loss_a\": 2.$name, \"loss_b\": 3.$name, \"loss_c\": 4.$name, \"loss_d\": 5.$name}"
    done >"m$name/metrics.jsonl"
    many="$many m$name"
done
# shellcheck disable=SC2086 # words
{
    expect "22 names of 5 losses" 0 'm22: loss_d' m.svg "$RMFER" plot curves $many -o m.svg
    holds "every line is there" [ "$(grep -o 'm[0-9][0-9]: loss[_a-d]*<' m.svg | sort -u | wc -l)" -eq 110 ]
    expect "22 names of one number" 0 'm22' w.svg "$RMFER" plot curves $many --key loss -o w.svg
}
# Those of the legend, each beside its name.
holds "no two have the same stroke" [ "$(grep '<path d="M664.0 [0-9.]*L690.0' w.svg | sed 's/.*fill="none"//' | sort -u | wc -l)" -eq 22 ]
expect "no line" 1 'no line of metrics yet' err "$RMFER" plot curves none -o e.svg
expect "no evaluation" 1 'no evaluation yet' err "$RMFER" plot confusion none -o e.svg
expect "no such number" 1 "number 'zzz'" err "$RMFER" plot curves long --key zzz -o e.svg
expect "no folder" 1 'metrics.jsonl' err "$RMFER" plot curves nowhere -o e.svg
expect "no figure" 2 'curves or confusion' err "$RMFER" plot pie a-seed0 -o e.svg
expect "no target" 2 'needs -o' err "$RMFER" plot curves a-seed0
# Options that the figure would pass over.
expect "curves of the last" 2 'last belongs to confusion, not to curves' err "$RMFER" plot curves a-seed0 -o e.svg --last
expect "curves of a split" 2 'split belongs to mds, similarity, calibration, attention, not to curves' err \
    "$RMFER" plot curves a-seed0 -o e.svg --split train
for option in "--sample 7" "--config nope.ini" "--dataset csv" "--data x" "--set train.batch=2"; do
    # shellcheck disable=SC2086 # words
    expect "curves with $option" 2 "${option%% *} belongs to .*, not to curves" err "$RMFER" plot curves a-seed0 -o e.svg $option
done
expect "a number of a confusion" 2 'key belongs to curves, not to confusion' err "$RMFER" plot confusion a-seed0 -o e.svg --key loss
expect "a sample of a reliability diagram" 2 'sample belongs to mds, similarity, attention, not to calibration' err \
    "$RMFER" plot calibration a-seed0 -o e.svg --sample 7
expect "a sheet with a split" 2 'split belongs to .*, not to attention --rmset' err \
    "$RMFER" plot attention a-seed0 --rmset x --anchor y:0:0 -o e.jpg --split train
mkdir bad && echo '{broken' >bad/metrics.jsonl
expect "a damaged line" 1 'metrics.jsonl:1' err "$RMFER" plot curves bad -o e.svg
echo '{"epoch": 1, "split": "valid", "confusion": [[1, 2], [3]]}' >bad/metrics.jsonl
expect "a crooked confusion" 1 'not square' err "$RMFER" plot confusion bad -o e.svg
for name in - e.pdf e /dev/stdout; do
    expect "a figure called $name" 2 'ends in .svg or .png' err "$RMFER" plot curves a-seed0 -o $name
done
expect "no folder for a figure" 1 'none-there/e.svg' err "$RMFER" plot curves a-seed0 -o none-there/e.svg
if [ -e e.svg ]; then fail "a failure left a file"; else pass; fi

expect "a report" 0 'A&lt;b' r.html "$RMFER" report a-seed0 a-seed1 -o r.html
if grep -q 'A<b\|http[^ ]*//[^w]' r.html; then fail "the page holds raw names or reaches out"; else pass; fi
expect "a report of a run with nothing" 0 'No evaluation yet' r.html "$RMFER" report none -o r.html
expect "a long report" 0 '</html>' r.html "$RMFER" report long -o r.html
expect "Markdown" 0 '| a | 2 | 70.00 ± 0.00 | 68.75 ± 0.00 |' out "$RMFER" table a-seed0 a-seed1
expect "LaTeX" 0 'x.. & 1 & 70.00 & 68.75' out "$RMFER" table 'x_=a-seed0' --format latex
expect "CSV" 0 '"x""",1,70.00,,,,68.75,,,,"valid",""$' out "$RMFER" table 'x"=a-seed0' --format csv
mkdir known
sed 's/"overall_accuracy": 0.7,/& "overall_interval": [0.3968, 0.8922],/; s/"average_accuracy": 0.6875,/& "average_interval": [0.41, 0.85],/' \
    a-seed0/metrics.jsonl >known/metrics.jsonl
expect "intervals" 0 '| known | 1 | 70.00 \[39.68, 89.22\] | 68.75 \[41.00, 85.00\] |' out "$RMFER" table known
expect "intervals as CSV" 0 '"known",1,70.00,,39.68,89.22,68.75,,41.00,85.00,"valid",""$' out "$RMFER" table known --format csv
mkdir 'lr=0.1' 'a,b' && cp a-seed0/metrics.jsonl 'lr=0.1' && cp a-seed0/metrics.jsonl 'a,b'
expect "a folder with =" 0 '| lr=0.1 | 1 |' out "$RMFER" table 'lr=0.1' 'a,b'
holds "a folder with ," grep -q '| a,b | 1 |' out
expect "under a name" 0 '| x | 1 |' out "$RMFER" table 'x=a,b'
expect "a run twice" 2 'a-seed0 and ./a-seed0/ are one run' err "$RMFER" table a-seed0 ./a-seed0/
expect "no run" 2 "',' names no run" err "$RMFER" table ,
expect "a name of none" 2 "'x=' names no run" err "$RMFER" table x=
expect "an unknown format" 2 'markdown, csv, latex' err "$RMFER" table a-seed0 --format pdf

# ---- figures of checkpoints ----
train_on_drawn_faces
expect "eval's figures" 0 'the figures of this evaluation' err \
    "$RMFER" eval --checkpoint drawn/last.safetensors --split valid --plots plots --json eval.json
for kind in confusion calibration similarity mds attention; do
    holds "$kind is there" grep -q '</svg>' plots/$kind.svg
    if command -v xmllint >/dev/null; then
        check "$kind is well-formed" xmllint --noout plots/$kind.svg
    fi
    if [ $kind != confusion ]; then
        check "plot $kind" "$RMFER" plot $kind drawn --split valid -o again.svg
        # Their titles differ, and what stands above and beside them with it.
        grep '<circle\|[0-9] %<\|<path' again.svg | sed "s/ [xy]=[^ ]*//g" >a
        grep '<circle\|[0-9] %<\|<path' plots/$kind.svg | sed "s/ [xy]=[^ ]*//g" >b
        holds "$kind shows something" [ -s a ]
        check "plot and eval draw the same $kind" cmp a b
    fi
done
holds "no share is above 100 %" [ -z "$(grep -o '>1[0-9]*[1-9][0-9]* %<' plots/calibration.svg)" ]
# A character takes 7 pixels or less.
title=$(sed -n 's/.*aria-label="\([^"]*\)".*/\1/p' plots/calibration.svg | head -n 1)
holds "a heading has room" [ "$(sed -n 's/.*<svg[^>]* width="\([0-9]*\).*/\1/p' plots/calibration.svg | head -n 1)" -gt $((7 * ${#title})) ]
expect "an output that cannot be is found out at once" 1 'none-there/e.svg' err "$RMFER" plot mds drawn --split valid -o none-there/e.svg
holds "before anything is evaluated" [ "$(wc -l <err)" = 1 ]
error=$(grep -o '"expected_calibration_error": [0-9.e-]*' eval.json | head -n 1 | awk '{ printf "%.2f", 100 * $2 }')
holds "the calibration error is eval's" grep -q "calibration error $error %" plots/calibration.svg
distance=$(sed 's/.*"centre_distance": \([0-9.]*\).*/\1/' eval.json | awk '{ printf "%.3f", $1 }')
holds "the distance from the centre is eval's" grep -q "$distance" plots/mds.svg
check "two checkpoints side by side" "$RMFER" plot mds 'x<y=drawn' drawn/best_overall.safetensors --split valid --sample 9 -o two.svg
holds "nine pictures each" [ "$(grep -c '>9 pictures' two.svg)" = 2 ]
if grep -q 'x<y' two.svg; then fail "a hostile name stands raw"; else pass; fi
sed 's/^crop = none/&\nclasses = Happiness, Neutral, Sadness/; s/^dir = .*/dir = other/' run.ini >other.ini
check "train another" "$RMFER" train --config other.ini --threads 1
expect "other classes" 1 'not evaluated on the same pictures' err "$RMFER" plot mds drawn other --split valid -o e.svg
check "one picture" "$RMFER" plot mds drawn --split valid --sample 1 -o one.svg
expect "one picture looks at none" 1 'none to look at' err "$RMFER" plot attention drawn --split valid --sample 1 -o e.svg
expect "two for one" 2 'takes one checkpoint' err "$RMFER" plot similarity drawn drawn -o e.svg
expect "eval --compare draws nothing" 2 'draws one checkpoint' err "$RMFER" eval --compare drawn/last.safetensors drawn/last.safetensors --plots p
mkdir -p happy/valid/Happiness
find faces/affectnet -name '*.jpg' | sort | head -n 3 | while read -r picture; do cp "$picture" happy/valid/Happiness; done
expect "one class has no pair of two" 0 'different classes no pair' one.svg \
    "$RMFER" plot similarity drawn --dataset folder --data happy --split valid -o one.svg
anchor=$(sed -n 2p faces/rmset/index.csv | awk -F, '{ print $1 ":" $2 ":" $3 }')
check "the sheet of an anchor" "$RMFER" plot attention drawn "again=drawn/last.safetensors" --rmset faces/rmset --anchor "$anchor" -o sheet.jpg
check "rmset preview draws it too" "$RMFER" rmset preview faces/rmset --anchor "$anchor" --checkpoint drawn/best_overall.safetensors \
    --checkpoint drawn/last.safetensors -o preview.jpg
check "the same" cmp sheet.jpg preview.jpg
expect "a sheet is a picture" 2 'FILE.jpg or FILE.png' err "$RMFER" plot attention drawn --rmset faces/rmset --anchor "$anchor" -o e.svg
expect "a sheet where no folder is, before it scores" 1 'none-there/e.jpg: cannot be written' err \
    "$RMFER" plot attention drawn --rmset faces/rmset --anchor nowhere:0:0 -o none-there/e.jpg
expect "a sheet of what" 2 'belong together' err "$RMFER" plot attention drawn --rmset faces/rmset -o e.jpg
expect "a sheet is no plane" 2 'for rmfer plot attention' err "$RMFER" plot mds drawn --rmset faces/rmset --anchor "$anchor" -o e.jpg
check "one seed chooses" "$RMFER" plot mds drawn --split valid --sample 9 --seed 0 -o nine.svg
check "another" "$RMFER" plot mds drawn --split valid --sample 9 --seed 1 -o s.svg
if cmp -s s.svg nine.svg; then fail "the seed changes nothing"; else pass; fi
if "$RMFER" plot curves long -o p.png >out 2>err; then
    holds "a PNG is a PNG" [ "$(head -c 4 p.png | tail -c 3)" = PNG ]
    check "both" "$RMFER" plot confusion a-seed0 -o q.svg --png
    holds "both are there" [ -s q.svg -a -s q.png ]
    ln -s "$(find faces/affectnet -name 'validation*.jpg' | head -n 1)" beside.png
    expect "a figure beside which a picture would go" 2 'beside.png: is read here' err "$RMFER" plot mds drawn --png -o beside.svg
else
    holds "why there is no PNG is said" grep -q cairo err
    skip "no cairo in this build: PNG"
fi

finish
