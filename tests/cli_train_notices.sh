#!/bin/sh
# rmfer train where a run is not what its settings suggest: parts that never learn, another end than it began with, pictures
# that cannot be read any more, an end before the first checkpoint. What is said, and what is kept.
. tests/support/cli.sh
cd "$folder" || exit 1

check "draw faces" "$RMFER" synth faces --faces 80 --size 32 --seed 3 --mashups 0
{
    drawn_ini
    printf 'workers = 1\n[train]\nbatch = 8\nepochs = 2\nwarmup_epochs = 1\nschedule = cosine\n'
    printf '[rmset]\nroot = faces/rmset\n[eval]\nselect = test\nevery = 2\n[output]\ndir = run\nlog_every = 1\ncheckpoint_every = 2\n'
} >run.ini
train() { "$RMFER" train --config run.ini --threads 1 "$@"; }
silent() { ! grep -q -e "$1" err; }

# What will not learn.
check "no epoch for ACL, and a random backbone that stays" train --set train.warmup_epochs=2 --set train.max_steps=1 \
    --set train.freeze_backbone=true --set train.accumulate=100 --out idle
says "ACL" 'acl.weight = 1, but train.warmup_epochs = 2 leaves ACL none'
says "the backbone" 'model.init names no weights: the backbone stays a random one'
says "an epoch's batches" ' steps of 10 x 8 pictures'

# One picture with valence and arousal teaches neither, and is no loss of 0.
cp -r faces/csv sparse
awk -F , -v OFS=, 'NR > 1 && n++ > 0 { $4 = $5 = "" } { print }' faces/csv/list.csv >sparse/list.csv
check "hardly any valence and arousal" train --set data.kind=csv --set data.root=sparse --set va.weight=1 --set acl.weight=0 \
    --set train.max_steps=1 --out sparse-run
says "that" 'va.weight = 1: 1 training picture has valence and arousal'
holds "a loss that nothing is known of is none" grep -q '"loss_va": null' sparse-run/metrics.jsonl

# An end before phase 2, and then another end.
check "a run that ends in phase 1" train --set acl.loss=mutual --set train.max_steps=3
holds "announces no other" silent '^phase 2'
says "its only" '^phase 1, epochs 1 to 1: '
holds "nor warns of ACL" silent 'leaves ACL none'
holds "a term that is off stays 0" [ "$(grep -c '"loss_acl": 0,' run/metrics.jsonl)" -eq 3 ]
cp -r run short
check "the same end" train --set acl.loss=mutual --set train.max_steps=3 --resume
holds "is no news" silent 'learning rate goes on'
says "a run that is done" 'the run is complete, after 3 steps'
check "another end" train --set acl.loss=mutual --set train.max_steps=4 --resume
says "both rates" 'ends at step 4 now, no longer at 3 .*: its learning rate goes on at [0-9.e-]*; as the run began it would be [0-9.e-]*$'
refuses "no epoch for a loss whose head is there" 2 'no epoch behind train.warmup_epochs = 1 for acl.loss = mutual, but .* begun with train.epochs = 2, with' \
    train --set acl.loss=mutual --set train.epochs=1 --resume

# What goes by shares of the run goes on elsewhere.
rising="--set train.method=mixmatch --set data.labelled=16 --set train.schedule=constant --out rising"
check "a weight that rises" train $rising --set train.max_steps=1
check "another end" train $rising --set train.max_steps=3 --resume
says "that" 'ends at step 3 now, no longer at 1 .*: mixmatch.ramp goes by shares of the run, and goes on as in one of 3 steps'
holds "the rate is the same" silent 'learning rate goes on'
check "the same end" train $rising --set train.max_steps=3 --resume
holds "is no news" silent 'goes by shares'
mutual="--set acl.loss=mutual --set acl.moments=2 --set acl.persons=2 --set train.warmup_epochs=0 --set train.schedule=constant"
check "a mutual loss that rises" train $mutual --set acl.ramp=0.5 --set train.max_steps=2 --out steep
holds "is none where it weighs nothing yet" grep -q '^{"step": 1,.*"loss_acl": null' steep/metrics.jsonl
holds "and one behind that" grep -q '^{"step": 2,.*"loss_acl": [0-9.e-]*[1-9]' steep/metrics.jsonl
check "another end" train $mutual --set acl.ramp=0.5 --set train.max_steps=3 --out steep --resume
says "that" 'acl.ramp goes by shares of the run'

# Features that are remembered, in a run that was begun without the loss they are for.
cached="--set acl.scoring=cached --set augment.enabled=false --out cached"
check "a run that ends before ACL" train $cached --set train.epochs=1 --set train.max_steps=1
refuses "an epoch for ACL" 2 'an epoch behind train.warmup_epochs = 1 for acl.scoring = cached, but .* begun with train.epochs = 1, without' \
    train $cached --set train.epochs=2 --resume

# Pictures that cannot be read any more: the steps before them are kept.
list=faces/affectnet/validation.csv
picture=faces/affectnet/$(sed -n '2s/,.*//p' $list)
cp "$picture" picture
plain="--set acl.weight=0 --set train.max_steps=3 --set data.on_error=fail --out lost"
check "a run" train $plain
mv lost whole
printf 'no picture' >"$picture"
refuses "a picture that is none when it is looked at" 1 "$(basename "$picture")" train $plain
says "what is kept" 'lost/last.safetensors is of step 3'
cp picture "$picture"
check "going on once it is back" train $plain --resume
holds "ends with the same bits" cmp lost/best_overall.safetensors whole/best_overall.safetensors

# Fewer pictures are never better than more, were all of them right.
still="--set acl.weight=0 --set train.lr=0 --set train.lr_ial=0 --set data.on_error=skip --set data.max_bad=1 --out fewer"
check "a run that learns nothing" train $still --set train.max_steps=1
check "what it gets wrong" "$RMFER" eval --checkpoint fewer/last.safetensors --config fewer/config.ini --split test --csv answers.csv
awk -F , 'NR > 1 && $3 != $4 { print $1 }' answers.csv >wrong
while read -r name; do printf 'no picture' >"$name"; done <wrong
check "going on with what it gets right" train $still --set train.max_steps=2 --resume
says "of how many" 'test (of [0-9]* of 20 pictures) overall accuracy'
holds "it is no better" [ "$(grep -c 'overall accuracy.*step 1)' out)" -eq 1 ]

# Before the first checkpoint.
refuses "a loss that is not finite" 1 'not finite.*; no checkpoint was written yet; a smaller train.lr' train --set train.optimizer=sgd \
    --set train.lr=1000 --set train.lr_warmup_epochs=0 --set train.schedule=constant --set ial.weight=0 --set acl.weight=0 --out broken

finish
