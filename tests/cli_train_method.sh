#!/bin/sh
# rmfer train with another method than rmfer, and starts that fail: a run folder is left as it was.
. tests/support/cli.sh
cd "$folder" || exit 1

refuses() {
    what=$1 wanted=$2 pattern=$3
    shift 3
    run "$@"
    if [ $code -eq "$wanted" ] && grep -q -- "$pattern" err; then pass; else fail "$what: exit $code"; fi
}

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
check "train FixMatch" train
grep -q 'phase 1, epochs 1 to 2: FER, unlabelled; learning rates 0.01' err && pass || fail "the phase names the terms"
sure=$(grep -c '"loss_fer": .*"loss_unlabelled": .*"accuracy": .*"sure_share": ' run/metrics.jsonl)
[ "$sure" -ge 14 ] && pass || fail "lines of metrics have the terms and figures of the method, $sure"
grep -q '"loss_unlabelled": [0-9.]*[1-9]' run/metrics.jsonl && pass || fail "some guesses were sure"
check "a weight of 0 leaves the unlabelled loss without effect on the rest" train --out none --set fixmatch.weight=0
check "really" sh -c '! cmp -s none/last.safetensors run/last.safetensors'
mv run straight
"$RMFER" train --config fixmatch.ini --threads 1 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1500); do [ -f run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge 3 ] && break; sleep 0.02; done
kill -TERM $pid
wait $pid
check "going on after a signal" train --resume
check "the same bits as a run that never stopped" cmp run/last.safetensors straight/last.safetensors
sam="--set train.optimizer=sam --set train.accumulate=2 --set train.max_steps=4"
check "SAM over accumulated batches" train $sam --out sam

# A checkpoint of another method, and settings that a method cannot use.
refuses "another method" 2 'run/last.safetensors was trained with train.method = fixmatch, not rmfer' \
    train --resume --set train.method=rmfer
refuses "an unknown method" 2 'train.method = mixup' train --out x --set train.method=mixup
refuses "no picture without a label" 2 'fixmatch needs pictures without a label' train --out x --set data.labelled=0
refuses "a frozen backbone" 2 'fixmatch trains the whole network' train --out x --set train.freeze_backbone=true

# A failed start changes nothing.
sums run >before
refuses "data that is not there" 1 'nowhere' "$RMFER" train --resume --out run --set data.root=nowhere
sums run >after
check "the run folder is as it was" cmp before after
check "and goes on" "$RMFER" train --resume --out run --threads 1

finish
