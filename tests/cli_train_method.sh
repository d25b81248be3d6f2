#!/bin/sh
# rmfer train with another method than rmfer, and starts that fail: a run folder is left as it was.
. tests/support/cli.sh
cd "$folder" || exit 1

cat >fixmatch.ini <<'INI'
[data]
kind = affectnet
root = faces/affectnet
crop = none
labelled = 32
sampler = shuffle
image_size = 32
normalize = imagenet
[model]
arch = tf_efficientnet_b0
dropout = 0.2
[train]
method = fixmatch
optimizer = sgd
lr = 0.01
nesterov = true
ema_decay = 0.9
batch = 4
epochs = 2
[fixmatch]
threshold = 0.2
ratio = 2
[eval]
every = 1
[output]
dir = run
log_every = 1
checkpoint_every = 0.25
INI
train() { "$RMFER" train --config fixmatch.ini --threads 1 "$@"; }
sums() { (cd "$1" && cksum -- *); }

check "draw faces" "$RMFER" synth faces --faces 96 --size 32 --seed 3
# going_on METHOD [OPTION...]: a run that never stops, and one that is stopped by a signal and goes on, to the same bits.
going_on() {
    method=$1
    shift
    check "train $method" train --set "train.method=$method" "$@"
    mv run "straight-$method"
    stopped 3 "$RMFER" train --config fixmatch.ini --threads 1 --set "train.method=$method" "$@"
    check "$method goes on after a signal" train --set "train.method=$method" --resume "$@"
    check "$method: the same bits as a run that never stopped" cmp run/last.safetensors "straight-$method/last.safetensors"
    mv run "run-$method"
}

# has METHOD PATTERN: so many lines of its metrics at least, `least`, are like this.
has() {
    lines=$(grep -c "$2" "straight-$1/metrics.jsonl")
    [ "$lines" -ge "$least" ] && pass || fail "$lines lines of metrics of $1 have $2"
}

going_on fixmatch
"$RMFER" train --config fixmatch.ini --threads 1 --out none --set fixmatch.weight=0 >/dev/null 2>err && pass || fail "a weight of 0"
grep -q 'phase 1, epochs 1 to 2: FER; learning rates 0.01' err && pass || fail "the phase names the terms that weigh something"
least=14
has fixmatch '"loss_fer": .*"loss_unlabelled": .*"accuracy": .*"sure_share": '
least=1
has fixmatch '"loss_unlabelled": [0-9.]*[1-9]'
check "a weight of 0 is without the unlabelled loss" sh -c '! cmp -s none/last.safetensors straight-fixmatch/last.safetensors'

! grep -q 'learning rates 0.01, heads' err && pass || fail "a method without heads has no rate of them"

# The others, with half the labels.
short="--set data.labelled=16"
least=6
going_on uda $short --set uda.threshold=0.2 --set uda.ratio=2
has uda '"loss_fer": .*"loss_unlabelled": [0-9.]*[1-9].*"accuracy": .*"sure_share": '

going_on mixmatch $short --set mixmatch.ramp=0.8
has mixmatch '"loss_fer": .*"loss_unlabelled": [0-9.]*[1-9].*"accuracy": .*"ramp": 0\.[0-9]*[1-9]'
going_on remixmatch $short
grep -q 'phase 1, .*; learning rates 0.01, heads 0.01$' straight-remixmatch/log.txt && pass || fail "the head learns, and is said to"
has remixmatch '"lr": 0.01, "lr_ial": 0.01'
has remixmatch '"loss_unlabelled": .*"loss_strong": .*"loss_rotation": .*"rotation_accuracy": '
going_on adacm $short --set adacm.floor=0.01
has adacm '"loss_unlabelled": .*"loss_contrastive": .*"sure_share": .*"margin": 0\.0'
least=1 # the second epoch's margins are earned: some class is judged right
has adacm '"margin": 0\.\(01[5-9]\|0[2-9]\|[1-9]\)'

sam="--set train.optimizer=sam --set train.accumulate=2 --set train.max_steps=4"
for method in fixmatch remixmatch; do
    check "SAM over accumulated batches, $method" train $sam --out "sam-$method" --set "train.method=$method"
done

# A checkpoint of another method, and settings that a method cannot use.
refuses "another method" 2 'run-fixmatch/last.safetensors was trained with train.method = fixmatch, not rmfer' \
    train --resume --out run-fixmatch --set train.method=rmfer
refuses "an unknown method" 2 'train.method = mixup' train --out x --set train.method=mixup
refuses "no picture without a label" 2 'fixmatch needs pictures without a label' train --out x --set data.labelled=0
refuses "a frozen backbone" 2 'fixmatch trains the whole network' train --out x --set train.freeze_backbone=true
refuses "a class's weight in a mixture" 2 'mixmatch mixes pictures of several classes.*(set none' \
    train --out x --set train.method=mixmatch --set train.class_weights=balanced
refuses "a pass of one row" 2 'train.batch = 1: mixmatch' train --out x --set train.method=mixmatch --set train.batch=1
refuses "margins without an average" 2 'train.ema_decay = 0: adacm' \
    train --out x --set train.method=adacm --set train.ema_decay=0
refuses "a temperature of 0" 2 'remixmatch.temperature = 0' train --out x --set remixmatch.temperature=0

# A failed start changes nothing.
sums run-fixmatch >before
refuses "data that is not there" 1 'nowhere' "$RMFER" train --resume --out run-fixmatch --set data.root=nowhere
sums run-fixmatch >after
check "the run folder is as it was" cmp before after
check "and goes on" "$RMFER" train --resume --out run-fixmatch --threads 1

finish
