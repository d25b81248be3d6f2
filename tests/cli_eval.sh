#!/bin/sh
# rmfer eval: the temperature from training to prediction, and what an evaluation says beside the accuracy.
. tests/support/cli.sh
box=$PWD/models/ferplus-b0.safetensors # knows drawn faces a little, so that two steps are enough here
cd "$folder" || exit 1

cat >run.ini <<INI
[data]
kind = affectnet
root = faces/affectnet
crop = none
image_size = 80
valid_fraction = 0.5
normalize = imagenet
[model]
arch = tf_efficientnet_b0
init = $box
[train]
optimizer = adamw
lr = 1e-5
batch = 8
epochs = 1
warmup_epochs = 1
max_steps = 2
[ial]
weight = 0
[acl]
weight = 0
[eval]
every = 1
[output]
dir = run
INI
check "draw faces" "$RMFER" synth faces --faces 160 --size 64 --seed 3 --mashups 0
check "train" "$RMFER" train --config run.ini --threads 1
best=run/best_overall.safetensors

# ---- the temperature ----
temperature_of() { "$RMFER" info "$1" 2>/dev/null | sed -n 's/^temperature *\([0-9.]*\),.*/\1/p'; }
stored=$(temperature_of $best)
holds "training stores a temperature" [ -n "$stored" ]
holds "in the last checkpoint too" [ -n "$(temperature_of run/last.safetensors)" ]
check "its fit again" "$RMFER" eval --checkpoint $best --split valid --fit-temperature again.safetensors
holds "gives the same" [ "$(temperature_of again.safetensors)" = "$stored" ]
says "eval" '^calibration: negative log likelihood [0-9.]*, expected calibration error [0-9.]*% (15 equal-width bins)$'
says "eval" '^  at temperature [0-9.]*: negative log likelihood [0-9.]*, expected calibration error [0-9.]*%$'
grep '^calibration\|at temperature' out | sed 's/.*likelihood \([0-9.]*\),.*/\1/' >likelihoods
holds "the temperature makes its split likelier" awk 'NR == 1 { plain = $1 } END { exit !($1 < plain) }' likelihoods
cp again.safetensors onto.safetensors
check "a checkpoint is written onto itself" "$RMFER" eval --checkpoint onto.safetensors --split valid --fit-temperature onto.safetensors
check "and stays what it was" cmp onto.safetensors again.safetensors
check "export" "$RMFER" export $best -o half.safetensors --half
holds "a smaller file keeps it" [ "$(temperature_of half.safetensors)" = "$stored" ]
check "export as ONNX" "$RMFER" export $best -o net.onnx
holds "ONNX keeps it" grep -q -a rmfer.temperature net.onnx
check "import" "$RMFER" import half.safetensors -o back.safetensors
holds "an import keeps it" [ "$(temperature_of back.safetensors)" = "$stored" ]
picture=$(find faces -name '*.jpg' | head -n 1)
"$RMFER" predict --csv --checkpoint half.safetensors "$picture" >default.csv 2>err
"$RMFER" predict --csv --checkpoint half.safetensors --temperature 1 "$picture" >plain.csv 2>err
holds "predict uses it" sh -c '! cmp -s default.csv plain.csv'
"$RMFER" eval --checkpoint half.safetensors --config run.ini --json - >half.json 2>err
full=$(sed -n 's/.*"temperature": \([0-9.]*\),.*/\1/p' half.json)
"$RMFER" predict --csv --checkpoint half.safetensors --temperature "$full" "$picture" >given.csv 2>err
check "it is what --temperature would be" cmp default.csv given.csv
refuses "the test split is not for fitting" 2 'the test split is not for' \
    "$RMFER" eval --checkpoint $best --split test --fit-temperature no.safetensors
holds "nothing is written" [ ! -e no.safetensors ]
check "train, selected on test" "$RMFER" train --config run.ini --threads 1 --set eval.select=test --out tested
holds "no temperature is fitted to the test split" [ -z "$(temperature_of tested/best_overall.safetensors)" ]
check "eval without a temperature" "$RMFER" eval --checkpoint tested/best_overall.safetensors
says "it" 'no temperature was fitted (--fit-temperature fits one)'

# ---- intervals ----
says "eval" '^overall accuracy [0-9.]*% \[[0-9.]*%, [0-9.]*%\]   average accuracy [0-9.]*% \[[0-9.]*%, [0-9.]*%\]'
holds "lines of training have intervals" grep -q 'valid overall accuracy [0-9.]*% \[[0-9.]*%, [0-9.]*%\]' run/log.txt
"$RMFER" table run >out 2>err
says "the table" '^| run | 1 | [0-9.]* \[[0-9.]*, [0-9.]*\] |'

# ---- two checkpoints ----
other=tested/best_overall.safetensors
check "compare" "$RMFER" eval --compare $best $other --config run.ini --split test --json both.json
says "it" '^A: overall accuracy [0-9.]*% \[.*run/best_overall.safetensors$'
says "it" '^B: overall accuracy [0-9.]*% \[.*tested/best_overall.safetensors$'
says "it" '^B - A: overall [-+][0-9.]* points \[[-+0-9., ]*\], average .*(95 % of 10000 paired bootstrap draws, seed 0)$'
says "it" '^McNemar.*: p = [0-9.e-]* (.*)$'
holds "as JSON" grep -q '"a": {"checkpoint": "run/.*"b": {.*"overall_difference_interval": \[.*"mcnemar": {"method": "' both.json
holds "the seed of the run" [ "$(grep -c '"seed": [0-9]' half.json)" = 1 ]
check "compare run folders" "$RMFER" eval --compare "$(dirname $best)" $other --config run.ini --split test --json folders.json
check "as their best checkpoints" cmp both.json folders.json
check "compare with itself" "$RMFER" eval --compare $best $best --config run.ini --split test
says "it" '^B - A: overall +0.00 points \[+0.00, +0.00\]'
says "it" 'p = 1 (exact)'
alone=$("$RMFER" eval -q --checkpoint $other --config run.ini --split test --json - | sed 's/.*"overall_accuracy": \([0-9.]*\),.*/\1/')
pair=$(sed 's/.*"b": {"checkpoint": "[^"]*", "overall_accuracy": \([0-9.]*\),.*/\1/' both.json)
holds "accuracies are those of eval alone" [ "$alone" = "$pair" ]
refuses "one checkpoint" 2 'takes two checkpoints' "$RMFER" eval --compare $best
refuses "three" 2 'takes two checkpoints' "$RMFER" eval --compare $best $best $best
refuses "a third by its option" 2 'leave out --checkpoint' "$RMFER" eval --compare $best $best --checkpoint $best
refuses "a temperature of two" 2 'of one checkpoint: leave out --compare' \
    "$RMFER" eval --compare $best $best --fit-temperature no.safetensors
refuses "paths without --compare" 2 'takes options only' "$RMFER" eval $best

# ---- a folder's name is no configuration text ----
cp -r faces/affectnet 'odd $x '
check "a data set of an odd name" "$RMFER" eval -q --checkpoint $best --dataset affectnet --data 'odd $x ' --set data.crop=none
refuses "no kind of data set" 2 '^rmfer: error: --dataset: data.kind = nothing: unknown' \
    "$RMFER" eval -q --checkpoint $best --dataset nothing --data faces

# ---- every answer ----
check "write every answer" "$RMFER" eval -q --checkpoint $best --config run.ini --split test --csv rows.csv --json rows.json
says "the table is printed too" '^overall accuracy'
holds "a row a picture" [ "$(wc -l <rows.csv)" = $(($(sed 's/.*"n": \([0-9]*\), "overall.*/\1/' rows.json) + 1)) ]
holds "the columns have names" [ "$(head -n 1 rows.csv)" = \
    "file,row,label,predicted,confidence,Neutral,Happiness,Sadness,Surprise,Fear,Disgust,Anger,Contempt" ]
holds "as many right as the accuracy says" awk -F , -v "accuracy=$(sed 's/.*"overall_accuracy": \([0-9.]*\),.*/\1/' rows.json)" \
    'NR > 1 { right += $3 == $4 } END { d = right / (NR - 1) - accuracy; exit !(d < 1e-9 && d > -1e-9) }' rows.csv
holds "probabilities add up to 1, and the answer has the largest" awk -F , '
    NR > 1 { sum = most = 0; for (i = 6; i <= NF; i++) { sum += $i; if ($i > most) most = $i }
             if (sum < 0.9999 || sum > 1.0001 || most != $5) wrong++ }
    END { exit !(NR > 1 && wrong == 0) }' rows.csv
"$RMFER" eval -q --checkpoint $best --config run.ini --split test --csv - >standard.csv 2>err
check "to standard output, instead of the table" cmp standard.csv rows.csv
cp faces/affectnet/validation.csv kept.csv
refuses "over the data set's own list" 2 'is read here' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --csv faces/affectnet/validation.csv
check "which stays" cmp faces/affectnet/validation.csv kept.csv
cp run.ini kept.ini
refuses "over the configuration" 2 'is read here' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split valid --fit-temperature run.ini
refuses "of two checkpoints over their configuration" 2 'is read here' \
    "$RMFER" eval -q --compare $best $other --config run.ini --split test --json run.ini
check "which stays" cmp run.ini kept.ini
cp $best kept.safetensors
refuses "of two checkpoints over one of them" 2 'is read here' "$RMFER" eval -q --compare $other $best --json $best
check "which stays" cmp $best kept.safetensors
face=$(find faces/affectnet -name 'validation*.jpg' | sort | head -n 1)
cp "$face" kept.jpg
refuses "over a picture" 2 'is read here' "$RMFER" eval -q --checkpoint $best --config run.ini --split test --json "$face"
check "which stays" cmp "$face" kept.jpg
tar -cf shard.tar "$face" && cp shard.tar kept.tar
echo 'shard.tar#512,Happiness' >shard.csv
refuses "over a picture's tar file" 2 'is read here' "$RMFER" eval -q --checkpoint $best --dataset csv --data "$PWD" \
    --set data.test=shard.csv --set data.crop=none --json shard.tar
check "which stays" cmp shard.tar kept.tar
refuses "two results into one new file" 2 'two results would go into this one file' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --json one --csv ./one
refuses "results and a checkpoint into one old file" 2 'two results would go into this one file' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split valid --json kept.jpg --fit-temperature kept.jpg
refuses "where nothing can be written, before it evaluates" 1 '^rmfer: error: none/x.json: cannot be written' \
    "$RMFER" eval --checkpoint $best --config run.ini --split test --json none/x.json
holds "which it has not" sh -c '! grep -q pictures err'
refuses "figures where no folder can be, before it evaluates" 1 '^rmfer: error: run.ini: cannot make the folder' \
    "$RMFER" eval --checkpoint $best --config run.ini --split test --plots run.ini/p
holds "which it has not" sh -c '! grep -q pictures err'
mkdir figures && cp kept.jpg figures/similarity.svg && ln -s "$PWD/$best" figures/mds.png && ln -s "$PWD/run.ini" figures/attention.svg
refuses "results and a figure into one new file" 2 'two results would go into this one file' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --plots figures --json figures/../figures/confusion.svg
refuses "results and a figure into one old file" 2 'two results would go into this one file' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --plots figures --csv figures/similarity.svg
refuses "a figure over the configuration" 2 'attention.svg: is read here' \
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --plots figures
rm figures/attention.svg
if "$RMFER" eval --checkpoint nowhere --plots png --png 2>&1 | grep -q 'no cairo'; then
    skip "no cairo in this build: PNG"
else
    refuses "a figure over the checkpoint" 2 'mds.png: is read here' \
        "$RMFER" eval -q --checkpoint $best --config run.ini --split test --plots figures --png
fi
rm figures/mds.png && ln -s nowhere/x.svg figures/calibration.svg
refuses "a figure where none can be, before it evaluates" 1 '^rmfer: error: figures/nowhere/x.svg: cannot be written' \
    "$RMFER" eval --checkpoint $best --config run.ini --split test --plots figures
holds "which it has not" sh -c '! grep -q pictures err'
refuses "of two checkpoints the same" 1 '^rmfer: error: none/x.json: cannot be written' \
    "$RMFER" eval --compare $best $other --config run.ini --split test --json none/x.json
holds "which it has not" sh -c '! grep -q pictures err'

# ---- results through pipes ----
"$RMFER" eval -q --checkpoint $best --config run.ini --split test --json - >plain.json 2>err
if [ -e /dev/stdout ]; then
    "$RMFER" eval -q --checkpoint $best --config run.ini --split test --json /dev/stdout --csv - 2>err | cat >piped
    sed -n '/^{/p' piped >piped.json
    check "JSON through a pipe named /dev/stdout" cmp piped.json plain.json
else
    skip "a pipe named /dev/stdout, which is not there"
fi
refuses "--png without figures" 2 '--png needs --plots' "$RMFER" eval --checkpoint $best --png
refuses "two results on one standard output" 2 'would both fill' "$RMFER" eval --checkpoint $best --csv - --json -
refuses "the answers of two" 2 'one checkpoint' "$RMFER" eval --compare $best $other --csv rows.csv

# ---- rows left out ----
check "evaluate the training split" "$RMFER" eval --checkpoint $best --split train --json train.json
says "it" '^left out: [0-9]* the share of training that is kept for validation$'
holds "so does JSON" grep -q '"left_out": \[{"reason": "the share of training that is kept for validation", "count": [1-9]' train.json
sed 's/^kind.*/kind = affectnet\nclasses = Neutral, Happiness, Sadness/' run.ini >three.ini
check "evaluate three classes" "$RMFER" eval -q --checkpoint $best --config three.ini --json three.json
says "it" '^left out: [0-9]* of a class that data.classes does not name$'
holds "so does JSON" grep -q '"reason": "of a class that data.classes does not name", "count": [1-9]' three.json

# ---- numbers for classes ----
awk -F , 'BEGIN { place["Anger"] = 0; place["Sadness"] = 1; place["Neutral"] = 2 }
    NR > 1 && ($3 in place) { print $1 "," place[$3] }' rows.csv >numbers.csv
cat >numbers.ini <<INI
[data]
kind = csv
root = $PWD
test = numbers.csv
classes = Anger, Sadness, Neutral
crop = none
INI
check "numbers are places in the configuration's classes" \
    "$RMFER" eval --checkpoint $best --config numbers.ini --split test --csv numbers-rows.csv
says "it" '^  numbers: 0 = Anger, 1 = Sadness, 2 = Neutral$'
says "it" "numbers.csv:1: numbers for classes are taken as places in data.classes, from 0; data.numbers says"
awk -F , '$3 == "Anger" || $3 == "Sadness" || $3 == "Neutral" { print $1 "," $3 }' rows.csv >wanted
awk -F , 'NR > 1 { print $1 "," $3 }' numbers-rows.csv | cmp -s - wanted
holds "not in the checkpoint's order" [ $? = 0 ]
check "name classes beside --dataset" "$RMFER" eval --checkpoint $best --dataset affectnet --data faces/affectnet \
    --set data.crop=none --set data.classes=Anger,Hapiness
says "it" 'classes that the checkpoint does not know, left out: Hapiness$'
says "it" '^left out: [0-9]* of a class that data.classes does not name$'

cp -r faces/affectnet broken
for name in $(tail -n 3 broken/validation.csv | cut -d , -f 1); do
    find broken -path "*$name" | while read -r file; do echo "no picture" >"$file"; done
done
check "evaluate with broken pictures" "$RMFER" eval -q --checkpoint $best --set data.root=broken --set data.max_bad=0.5 --json broken.json
says "it" '^left out: 3 unreadable$'
holds "so does JSON" grep -q '"left_out": \[{"reason": "unreadable", "count": 3}\]' broken.json

finish
