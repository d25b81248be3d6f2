#!/bin/sh
# Valence and arousal from the drawn data to eval: learned beside the expression to a stated concordance, resumed to the
# bit (with SAM, accumulation and the average of the weights), exported, imported, and refused where there is nothing.
. tests/support/cli.sh
here=$PWD
cd "$folder" || exit 1

cat >affect.ini <<'INI'
[data]
kind = affectnet
root = faces/affectnet
crop_margin = 0
sampler = shuffle
image_size = 48
normalize = imagenet
[model]
arch = tf_efficientnet_b0
[train]
optimizer = adamw
lr = 0.001
schedule = cosine
batch = 16
epochs = 2
warmup_epochs = 2
ema_decay = 0.9
[ial]
weight = 0
[acl]
weight = 0
[va]
weight = 1
[eval]
every = 1
select = test
[output]
dir = run
log_every = 4
INI
box=$here/models/ferplus-b0.safetensors
train() { "$RMFER" train --config affect.ini --threads 1 "$@"; }
# number MEMBER FILE: the first number of that name in JSON.
number() { sed "s/.*\"$1\": *\\([-0-9.e]*\\).*/\\1/" "$2"; }
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

check "draw faces" "$RMFER" synth faces --faces 320 --size 48 --seed 3 --mashups 0

# From the weights in the box, whose features know faces: quicker than from nothing.
check "train" train --set "model.init=$box"
says "what is learned" "FER, valence and arousal"
says "how many have it" "valence and arousal: of 320 of them"
says "a head that the weights lack" "head for valence and arousal: fresh"
says "an evaluation" "concordance (CCC) of valence 0\.[4-9]"
holds "metrics have the loss" grep -q '"loss_va": 0\.' run/metrics.jsonl
holds "metrics have the concordance" grep -q '"valence_arousal": {"n": 80, "valence": {"ccc": 0\.' run/metrics.jsonl

best=run/best_overall.safetensors
for layout in affectnet affectnet-later csv; do
    check "eval on $layout" "$RMFER" eval --checkpoint $best --dataset "${layout%-later}" --data faces/$layout --json eval.json \
        --set data.crop_margin=0
    says "eval's table on $layout" "valence: concordance (CCC) 0\.[4-9].*; arousal: concordance (CCC) 0\.[4-9].*RMSE"
    holds "$layout has the numbers" grep -q '"valence_arousal": {"n": ' eval.json
done
check "eval on the test split again" "$RMFER" eval --checkpoint $best --json eval.json
ccc=$(sed 's/.*"valence": {"ccc": \([-0-9.e]*\).*/\1/' eval.json)
holds "a concordance of valence above 0.5 (it is $ccc)" above "$ccc" 0.5
ccc=$(sed 's/.*"arousal": {"ccc": \([-0-9.e]*\).*/\1/' eval.json)
holds "a concordance of arousal above 0.5 (it is $ccc)" above "$ccc" 0.5
check "eval with the mirror image" "$RMFER" eval --checkpoint $best --flip
says "the mirrored mean" "valence: concordance (CCC) 0\."
check "eval where nobody knows them" "$RMFER" eval --checkpoint $best --dataset rafdb --data faces/rafdb
holds "says nothing of them" sh -c "! grep -q CCC '$folder/out'"

# What predict tells of the first picture, three times.
picture=faces/affectnet/1/validation000000.jpg
check "predict" "$RMFER" predict --checkpoint $best $picture
says "predict's table" 'valence [-+]0\.[0-9][0-9]  arousal [-+]0\.[0-9][0-9]$'
check "predict as JSON" "$RMFER" predict --checkpoint $best --json --flip $picture
cp out flipped.json
says "predict's JSON" '}, "valence": -\{0,1\}0\.[0-9]*, "arousal": -\{0,1\}0\.[0-9]*}]}$'
check "predict as CSV" "$RMFER" predict --checkpoint $best --csv $picture
says "predict's header" ',error,valence,arousal$'
says "predict's row" ',,-\{0,1\}0\.[0-9]*,-\{0,1\}0\.[0-9]*$'
check "predict with the model in the box" "$RMFER" predict --checkpoint "$box" --csv $picture
holds "has no such columns" sh -c "! grep -q valence '$folder/out'"

# In and out.
check "info" "$RMFER" info $best
says "info" "valence, arousal .* 2 tensors"
check "export safetensors" "$RMFER" export $best -o bare.safetensors
check "export ONNX" "$RMFER" export $best -o bare.onnx
holds "the graph's second output" grep -q valence_arousal bare.onnx
check "import ONNX" "$RMFER" import bare.onnx -o from_onnx.safetensors
check "import" "$RMFER" import $best -o again.safetensors
says "import counts it as understood" "network: tf_efficientnet_b0"
check "info of what came through ONNX" "$RMFER" info from_onnx.safetensors
says "what came through ONNX has both heads" "valence, arousal .* 2 tensors"
says "what came through ONNX has the classes" "classes .*Neutral, Happiness"
for file in bare.safetensors again.safetensors; do
    check "eval of $file" "$RMFER" eval --checkpoint $file --dataset affectnet --data faces/affectnet --set data.crop_margin=0 \
        --json other.json
    holds "$file has the same head" sh -c "
        sed 's/.*\"valence_arousal\": \\({[^}]*}[^}]*}}\\).*/\\1/' eval.json >a
        sed 's/.*\"valence_arousal\": \\({[^}]*}[^}]*}}\\).*/\\1/' other.json >b; cmp a b"
done
check "start without the head" train --set "model.init=$best" --set va.weight=0 --set train.max_steps=1 --out without
says "that it is left behind" "head for valence and arousal: left behind"
check "start from the head" train --set "model.init=$best" --set train.max_steps=1 --out with
holds "takes it over" sh -c "! grep -q 'arousal: fresh' '$folder/err'"

# To the bit, with everything that meets a batch twice.
sam="--set train.optimizer=sam --set train.schedule=constant --set train.accumulate=2 --set data.labelled=0 --set ial.weight=1 --set output.checkpoint_every=0.4 --set eval.every=0.4"
check "train with SAM at one go" train $sam --set train.max_steps=8 --set "model.init=$box" --out sam
mv sam whole
check "train with SAM, half" train $sam --set train.max_steps=4 --set "model.init=$box" --out sam
check "go on" train $sam --set train.max_steps=8 --set "model.init=$box" --out sam --resume
holds "the same bits" cmp whole/last.safetensors sam/last.safetensors
refuses "another weight when going on" 2 "va.weight" train $sam --set va.weight=2 --set train.max_steps=9 --out sam --resume

# What cannot be.
refuses "a data set without them" 1 "no training picture of this data set has valence and arousal" train \
    --set data.kind=rafdb --set data.root=faces/rafdb --set "data.classes=Neutral, Happiness" --set train.batch=4 --out none
# Nor does it help that the validation list has them.
awk -F , 'NR == 1 || $3 == "train" { print $1 "," $2 }' faces/csv/list.csv >faces/csv/train.csv
grep -v -e ',train,' -e ',test,' faces/csv/list.csv >faces/csv/valid.csv
refuses "a training list without them" 1 "no training picture of this data set has valence and arousal" train \
    --set data.kind=csv --set data.root=faces/csv --set eval.select=valid --out none
for method in mixmatch remixmatch; do
    refuses "$method" 2 "whose valence and arousal are nobody's" train --set train.method=$method --set data.labelled=64 --out none
done
refuses "a method without such a term" 2 "simclr does not learn valence and arousal (these do: rmfer, .*adacm)" train --set train.method=simclr --set data.labelled=64 --out none
for method in fixmatch uda adacm; do
    check "$method learns them too" train --set train.method=$method --set data.labelled=64 --set $method.ratio=1 \
        --set "model.init=$box" --set train.max_steps=2 --set output.log_every=1 --out with-$method
    holds "$method has the loss" grep -q '"loss_va": [01]\.[0-9]*[1-9]' with-$method/metrics.jsonl
done
finish
