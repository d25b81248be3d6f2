#!/bin/sh
# Self-supervised methods from the command line: pairs of views and of moments, going on to the bit with a teacher and a queue,
# no labels and then a classifier on what was learned; losses about class centres; settings that they cannot use.
. tests/support/cli.sh
cd "$folder" || exit 1

cat >pairs.ini <<'INI'
[data]
kind = affectnet
root = faces/affectnet
crop = none
labelled = 16
sampler = shuffle
image_size = 32
normalize = imagenet
[model]
arch = tf_efficientnet_b0
[train]
method = moco
optimizer = adamw
lr = 1e-3
batch = 4
epochs = 2
warmup_epochs = 2
[moco]
queue = 10
[ial]
weight = 0
[acl]
weight = 0
[eval]
every = 2
[output]
dir = run
log_every = 1
checkpoint_every = 0.5
INI
train() { "$RMFER" train --config pairs.ini --threads 1 "$@"; }
check "draw faces" "$RMFER" synth faces --faces 64 --size 32 --seed 3

check "momentum contrast beside the labels" train
lines=$(grep -c '"loss_fer": [0-9.]*[1-9].*"loss_moco": [0-9.]*[1-9].*"pair_similarity": .*"stranger_similarity": ' run/metrics.jsonl)
[ "$lines" -eq 8 ] && pass || fail "every line has both losses and the similarities, $lines"
grep -aq '"method.queue":{"dtype":"F32","shape":\[10,128\]' run/last.safetensors && pass || fail "the queue is remembered"
mv run straight
stopped 3 "$RMFER" train --config pairs.ini --threads 1
check "going on after a signal" train --resume
check "the same bits as a run that never stopped" cmp run/last.safetensors straight/last.safetensors

check "with SAM over accumulated batches" train --out moco-sam --set train.optimizer=sam --set train.accumulate=2 \
    --set train.max_steps=2
check "accumulated" train --out moco-2 --set train.accumulate=2 --set train.max_steps=1
check "BYOL with SAM over accumulated batches" train --out byol --set train.method=byol --set train.optimizer=sam \
    --set train.accumulate=2 --set train.max_steps=2
check "SimCLR over moments, without labels" train --out simclr --set train.method=simclr --set self_supervised.views=moment \
    --set self_supervised.labelled_weight=0 --set rmset.root=faces/rmset --set train.max_steps=2
grep -q '"loss_fer": 0, "loss_simclr": [0-9.]*[1-9]' simclr/metrics.jsonl && pass || fail "no label counts"
check "SimSiam, without labels" train --out simsiam --set train.method=simsiam --set self_supervised.labelled_weight=0 \
    --set self_supervised.ratio=2 --set train.max_steps=2
check "its classifier alone" train --out linear --set train.method=rmfer --set train.freeze_backbone=true \
    --set model.init=simsiam/last.safetensors --set train.max_steps=2
[ "$(grep -c '"lr": 0.001, "lr_ial": 0,' linear/metrics.jsonl)" -eq 2 ] && pass || fail "heads that stand still have no rate"
check "all of it" train --out tuned --set train.method=rmfer --set model.init=simsiam/last.safetensors --set train.max_steps=2

# The losses about class centres.
for method in center island dacl; do
    check "$method" train --out "$method" --set train.method=$method --set train.max_steps=3
    [ "$(grep -c '"loss_center": [0-9.]*[1-9]' "$method/metrics.jsonl")" -eq 3 ] && pass || fail "$method: every step has its loss"
done
grep -q '"loss_island": [0-9.]*[1-9]' island/metrics.jsonl && pass || fail "centres meet"
grep -aq '"method.centers":{"dtype":"F64","shape":\[8,1280\]' dacl/last.safetensors && pass || fail "centres are remembered"
refuses "frozen features" 2 'center moves features' train --out x --set train.method=center --set train.freeze_backbone=true

refuses "attention over one picture" 2 "train.batch = 1: dacl's attention" train --out x --set train.method=dacl \
    --set train.batch=1 --set data.image_size=64

refuses "no unlabelled pictures" 2 'moco needs pictures without a label' train --out x --set data.labelled=0
refuses "a frozen backbone" 2 'moco trains the whole network' train --out x --set train.freeze_backbone=true
refuses "a short queue" 2 'moco.queue = 3: a step makes 4 keys' train --out x --set moco.queue=3
refuses "nothing to learn" 2 'simclr has nothing to learn' train --out x --set train.method=simclr \
    --set self_supervised.weight=0 --set self_supervised.labelled_weight=0
refuses "one pair" 2 'compares at least 2 pairs' train --out x --set train.batch=1
refuses "no RMset" 2 'this method needs an RMset' train --out x --set self_supervised.views=moment
refuses "no faces" 2 'needs the faces of an RMset' train --out x --set self_supervised.views=moment \
    --set rmset.root=faces/rmset --set rmset.fraction=0
# Keys that switch off plain views alone, where there are none of them.
moments="--set self_supervised.views=moment --set rmset.root=faces/rmset --set rmset.grouping=none"
refuses "pairs without augmentation" 2 'augment.enabled = false: moco looks at no plain view, ' \
    train --out x --set augment.enabled=false
refuses "guesses without augmentation" 2 'augment.enabled = false: fixmatch looks at no plain view, ' \
    train --out x --set train.method=fixmatch --set augment.enabled=false
# shellcheck disable=SC2086
refuses "persons without augmentation" 2 'rmset.augment = false: moco looks at no plain view of the RMset, ' \
    train --out x $moments --set rmset.augment=false
check "an RMset's key where no RMset is" train --out plain --set rmset.augment=false --set train.max_steps=1
check "plain views as they are" train --out as-they-are --set train.method=center --set augment.enabled=false --set train.max_steps=1
[ ! -e x/last.safetensors ] && pass || fail "a refused run leaves no checkpoint"

finish
