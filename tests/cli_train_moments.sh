#!/bin/sh
# What learns from moments: the mutual loss from the command line, its controls, going on to the bit, and settings it cannot use.
. tests/support/cli.sh
box=$PWD/models/ferplus-b0.safetensors # knows drawn faces a little
cd "$folder" || exit 1

cat >mutual.ini <<'INI'
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
[train]
optimizer = adamw
lr = 1e-3
lr_ial = 1e-3
phase2_lr = same
ema_decay = 0.9
batch = 4
epochs = 2
warmup_epochs = 1
[ial]
weight = 0
[acl]
loss = mutual
weight = 0.5
temperature = 0.1
moments = 3
persons = 2
beta = 0.5
ramp = 0.25
[rmset]
root = faces/rmset
[eval]
every = 1
[output]
dir = run
log_every = 1
checkpoint_every = 0.25
INI
train() { "$RMFER" train --config mutual.ini --threads 1 "$@"; }
# Goes on after a signal in the run's later half; the bits are those of the run that was not stopped, in straight/.
resumes() {
    mv run straight
    stopped 11 "$RMFER" train "$@" --threads 1
    check "going on after a signal" "$RMFER" train "$@" --threads 1 --resume
    check "the same bits as a run that never stopped" cmp run/last.safetensors straight/last.safetensors
}

check "draw faces" "$RMFER" synth faces --faces 96 --size 32 --seed 3
check "train with the mutual loss" train
lines=$(grep -c '"loss_acl": [0-9.]*[1-9].*"moment_similarity": .*"other_similarity": ' run/metrics.jsonl)
[ "$lines" -ge 7 ] && pass || fail "lines of phase 2 have the loss and the similarities, $lines"
check "the head is in the checkpoint" grep -aq '"mutual.2.weight":{"dtype":"F32","shape":\[128,1280\]' run/last.safetensors
resumes --config mutual.ini
rm -r run
check "from a given checkpoint, with SAM over accumulated batches" train --set model.init=straight/best_overall.safetensors \
    --set train.optimizer=sam --set train.accumulate=2 --set train.warmup_epochs=0
first() { grep -m1 "\"loss_acl\": [0-9.]*[1-9]" "$1/metrics.jsonl" | sed 's/.*"loss_acl": \([^,]*\),.*/\1/'; }
for grouping in shuffled none; do
    check "the control: $grouping" train --out "$grouping" --set rmset.grouping=$grouping --set train.max_steps=10
    [ "$(first "$grouping")" != "$(first straight)" ] && pass || fail "$grouping: the loss is that of the moments"
done

# Its weight rises over a quarter of the run's own steps once it has joined, behind 8: of 12 steps, over 3. Where it is 0 there is
# no loss.
check "a run made shorter" train --out shorter --set train.max_steps=12
shares=$(sed -n 's/^{"step": \([0-9]*\),.*"loss": \([^,]*\), "loss_fer": \([^,]*\),.*"loss_acl": \([^,]*\),.*/\1 \2 \3 \4/p' shorter/metrics.jsonl |
    awk '$1 >= 9 { if ($4 == "null") printf "none "; else printf "%.2f ", ($2 - $3) / (0.5 * $4) }')
[ "$shares" = "none 0.33 0.67 1.00 " ] && pass || fail "its weight rises in the shorter run's steps: $shares"

check "where persons return" train --out returns --set acl.returns=true --set acl.moments=4 --set train.max_steps=10
[ "$(first returns)" != "$(first straight)" ] && pass || fail "returns: other faces are met"

sed -e 's/^warmup_epochs = 1/warmup_epochs = 1\nmethod = consensus/' -e 's/^epochs = 2/epochs = 3/' -e 's/^persons = 2/persons = 2\nnear = 5/' \
    mutual.ini >consensus.ini
rm -r run straight
consensus() { "$RMFER" train --config consensus.ini --threads 1 "$@"; }
check "train with moment consensus and the mutual loss" consensus
lines=$(grep -c '"loss_consensus": [0-9.]*[1-9].*"rho": [0-9.e-]*, "temperature": .*"changed_share": .*"label_certainty": ' run/metrics.jsonl)
[ "$lines" -ge 15 ] && pass || fail "lines of phase 2 have the loss and what was estimated, $lines"
resumes --config consensus.ini
shares() { grep -m1 '"rho"' "$1/metrics.jsonl" | sed 's/.*"rho": \([^,]*\), .*"changed_share": \([^,]*\),.*/\1 \2/'; }
check "without grouping nobody agrees" consensus --out alone --set rmset.grouping=none --set train.max_steps=9
[ "$(shares alone)" = "0 0" ] && pass || fail "alone: $(shares alone)"
for grouping in moments shuffled; do
    check "a teacher that knows something, $grouping" consensus --out "knows-$grouping" --set rmset.grouping=$grouping \
        --set acl.weight=0 --set "model.init=$box" --set train.lr=1e-5 --set consensus.temperature=1 \
        --set train.warmup_epochs=0 --set train.max_steps=9
done
rho() { sed -n 's/.*"rho": \([^,]*\),.*/\1/p' "$1/metrics.jsonl" | sed -n "$2p"; }
awk "BEGIN { exit !($(rho knows-moments '$') > 0.5 && $(rho knows-shuffled '$') < 0.2) }" && pass ||
    fail "moments agree, strangers do not: $(rho knows-moments '$'), $(rho knows-shuffled '$')"
[ "$(rho knows-moments 1)" != "$(rho knows-moments '$')" ] && pass || fail "each epoch estimates anew"
check "labels learned from plain views" consensus --out knows-plain --set acl.weight=0 --set "model.init=$box" --set train.lr=1e-5 \
    --set consensus.temperature=1 --set train.warmup_epochs=0 --set train.max_steps=9 --set consensus.student_view=plain
check "a teacher that sees both sides of a face" consensus --out knows-sides --set acl.weight=0 --set "model.init=$box" \
    --set train.lr=1e-5 --set consensus.temperature=1 --set train.warmup_epochs=0 --set train.max_steps=9 --set consensus.view=mirrored
consensus_loss() { sed -n 's/.*"loss_consensus": \([^,]*\).*/\1/p;1q' "$1/metrics.jsonl"; }
[ "$(rho knows-plain 1)" = "$(rho knows-moments 1)" ] && pass || fail "the teacher's labels are the same"
[ "$(consensus_loss knows-plain)" != "$(consensus_loss knows-moments)" ] && pass || fail "but not what they are learned from"
[ "$(consensus_loss knows-sides)" != "$(consensus_loss knows-moments)" ] && pass || fail "both sides of faces give other labels"
set_weak="--set acl.weight=0 --set model.init=$box --set train.lr=1e-5 --set train.warmup_epochs=0 --set consensus.temperature=1
    --set consensus.view=weak --set consensus.refresh=2 --set train.epochs=4"
rm -r run straight
# shellcheck disable=SC2086 # words
{
    check "a teacher that sees shifted faces, every other epoch" consensus $set_weak
    certainty() { sed -n 's/.*"label_certainty": \([^,}]*\).*/\1/p;1q' "$1/metrics.jsonl"; }
    [ "$(certainty run)" != "$(certainty knows-moments)" ] && pass || fail "weak: it sees what a plain view shows"
    looks=$(sed -n 's/.*"rho": \([^,]*\),.*/\1/p' run/metrics.jsonl | uniq -c | awk '{ printf "%s ", $1 }')
    [ "$looks" = "16 16 " ] && pass || fail "it looks at the beginning of epochs 0 and 2: $looks"
    resumes --config consensus.ini $set_weak
}
check "with SAM over accumulated batches and a given temperature" consensus --out sam --set train.optimizer=sam \
    --set train.accumulate=2 --set train.warmup_epochs=0 --set consensus.temperature=2 --set train.max_steps=3
grep -q '"temperature": 2,' sam/metrics.jsonl && pass || fail "the temperature that was given"

refuses "no teacher" 2 'needs the average of the weights as its teacher' consensus --out x --set train.ema_decay=0
refuses "a temperature of the test split" 2 'fitted to the test split' consensus --out x --set eval.select=test
refuses "no label is sure enough" 2 'no label is as sure as that' consensus --out x --set consensus.threshold=1
refuses "no epoch for it" 2 'no epoch is left' consensus --out x --set train.warmup_epochs=3
refuses "no faces" 2 'rmset.fraction = 0: consensus learns' consensus --out x --set rmset.fraction=0
mkdir -p faces/many
awk 'BEGIN { print "video,frame,face,path,x,y,w,h,score"
             for (v = 0; v < 10; v++) for (f = 0; f < 250; f++) for (p = 0; p < 8; p++)
                 printf "v%d,%d,%d,v%d/%05d_%d.jpg,0,0,32,32,0.9\n", v, 30 * f, p, v, f, p }' >faces/many/index.csv
refuses "more faces than labels may take" 2 \
    "of the RMset's 20000 faces take 2 MiB (a higher limit, or a part of its videos: rmset.fraction = 0.81)" \
    consensus --out x --set acl.weight=0 --set rmset.root=faces/many --set consensus.cache_limit=1
for mends in consensus.cache_limit=2 rmset.fraction=0.81; do
    check "mended: $mends" consensus --out mended --set acl.weight=0 --set rmset.root=faces/many --set consensus.cache_limit=1 \
        --set $mends --set train.max_steps=1
    grep -q 'labels of the RMset 1\.[02],' "$folder/err" && pass || fail "the labels are in what is planned, $mends"
    rm -r mended
done
refuses "a frozen backbone" 2 'consensus trains the whole network' consensus --out x --set train.freeze_backbone=true
refuses "no RMset" 2 'this method needs an RMset' consensus --out x --set rmset.root=
refuses "no list" 2 'rmset.root' train --out x --set rmset.root=nowhere
refuses "too sharp" 2 'acl.loss = mutual needs at least 0.005' train --out x --set acl.temperature=0.001
refuses "the same picture" 2 "a face's positives are the same picture" \
    train --out x --set rmset.grouping=none --set rmset.augment=false
# Candidates scored by remembered features: to the bit after a signal; what it cannot be had with.
cached="--set acl.loss=published --set acl.scoring=cached --set acl.scoring_refresh=3 --set acl.n_pos=4 --set acl.n_neg=4"
plain="--set rmset.augment=false"
rm -rf run straight
# shellcheck disable=SC2086
check "train with remembered features" train $cached $plain
grep -aq '"method.scoring_age":{"dtype":"U64"' run/last.safetensors && pass || fail "the copy's age is in the checkpoint"
# shellcheck disable=SC2086
resumes --config mutual.ini $cached $plain
# shellcheck disable=SC2086
{
    refuses "remembered features of changing pictures" 2 'its picture must always be the same (rmset.augment = false)' train --out x $cached
    refuses "remembered features of a batch" 2 'acl.scoring_bn = eval' train --out x $cached $plain --set acl.scoring_bn=train
    refuses "remembered features without candidates" 2 'scores no candidates' train --out x $cached $plain --set acl.loss=mutual
}
refuses "more persons than a frame has" 1 'shows 40 persons' train --out x --set acl.persons=40
[ ! -e x/last.safetensors ] && pass || fail "a refused run leaves no checkpoint"

finish
