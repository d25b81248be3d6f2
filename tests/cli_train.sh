#!/bin/sh
# rmfer train and rmfer eval: both phases on drawn faces, files, signals, resuming to the same bits, messages.
. tests/support/cli.sh
cd "$folder" || exit 1

# Waits until a run has written so many lines of metrics.
wait_for_lines() {
    for _ in $(seq 1500); do
        [ -f run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge "$1" ] && return 0
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.02
    done
    return 1
}
# Without what depends on time.
timeless() { sed 's/, "images_per_s.*}/}/' "$1"; }

cat >both.ini <<'INI'
[data]
kind = affectnet
root = faces/affectnet
crop = none
sampler = balanced
image_size = 32
normalize = imagenet
[model]
arch = tf_efficientnet_b0
dropout = 0.2
drop_path = 0.2
[train]
optimizer = adamw
lr = 1e-3
lr_ial = 5e-4
lr_contrastive = 2e-4
schedule = cosine
lr_warmup_epochs = 0.5
weight_decay = 0.01
ema_decay = 0.9
batch = 8
epochs = 6
warmup_epochs = 3
[ial]
weight = 0.5
temperature = 0.1
[acl]
weight = 0.1
temperature = 0.1
n_pos = 3
n_neg = 3
[rmset]
root = faces/rmset
[eval]
every = 0.7
[output]
dir = run
log_every = 1
checkpoint_every = 0.4
INI

check "draw faces" "$RMFER" synth faces --faces 96 --size 32 --seed 3 --mashups 0

# A run that is never stopped.
train() { "$RMFER" train --config both.ini --threads 1 "$@"; }
check "train both phases" train
grep -q '^best overall accuracy [0-9.]*% \[[0-9.]*%, [0-9.]*%\] (.*best_overall.safetensors$' out && pass || fail "summary"
grep -q '^best average accuracy [0-9.]*% \[[0-9.]*%, [0-9.]*%\] (.*best_average.safetensors$' out && pass || fail "summary of the average"
for name in config.ini metrics.jsonl log.txt last.safetensors best_overall.safetensors best_average.safetensors; do
    check "$name is there" test -s run/$name
done
check "no temporary file is left" sh -c '! ls run | grep tmp'
steps=$(grep -c '"loss_fer"' run/metrics.jsonl)
[ "$steps" -eq 66 ] && pass || fail "66 lines of steps, not $steps"
first=$(grep -c '"phase": 1, .*"loss_acl": 0,' run/metrics.jsonl)
second=$(grep -c '"phase": 2.*"loss_acl": [0-9.e-]*[1-9],' run/metrics.jsonl)
[ "$first" -eq 33 ] && [ "$second" -eq 33 ] && pass || fail "33 steps of each phase, not $first and $second"
grep -q '"phase": 2.*"lr": 0.0000[0-9]*\|"phase": 2.*"lr": [0-9.]*e-0[567]' run/metrics.jsonl && pass || fail "phase 2 has its rate"
grep -q '"overall_accuracy": .*"average_accuracy": .*"recall": {"Neutral": .*"confusion": \[\[' run/metrics.jsonl &&
    pass || fail "evaluations are lines of metrics"
mv run straight

# The same run, stopped by SIGTERM, then by SIGINT, then by force, and resumed to the end.
stop_and_check() {
    signal=$1 lines=$2 wanted=$3
    shift 3
    $heeds_signals "$RMFER" train --config both.ini --threads 1 "$@" >out 2>err &
    pid=$!
    wait_for_lines "$lines" $pid || fail "the run ended before it was stopped"
    kill -s "$signal" $pid
    wait $pid
    code=$?
    [ $code -eq "$wanted" ] && pass || fail "SIG$signal: exit $code"
}
stop_and_check TERM 5 143
grep -q 'stopped by signal 15' err && grep -q -- '--resume' err && pass || fail "the message says how to go on"
check "a checkpoint was written" test -s run/last.safetensors
# An interrupt, where the program does not begin with it ignored, as it does in the background of a script.
if [ -n "$heeds_signals" ]; then stop_and_check INT 25 130 --resume; else skip "an interrupt that is heeded"; fi
stop_and_check KILL 40 137 --resume
check "resume to the end" train --resume
check "the last checkpoint has the same bits" cmp run/last.safetensors straight/last.safetensors
check "the best overall one too" cmp run/best_overall.safetensors straight/best_overall.safetensors
check "the best average one too" cmp run/best_average.safetensors straight/best_average.safetensors
timeless run/metrics.jsonl >a
timeless straight/metrics.jsonl >b
check "the lines of metrics too" cmp a b
check "a run that is done may be resumed" train --resume
check "and stays as it is" cmp run/last.safetensors straight/last.safetensors
check "a run knows its own configuration" "$RMFER" train --resume --out run --threads 1
check "the same arithmetic is no news" test ! -s err
cp -r run 'odd $x '
check "its folder's name is no configuration text" "$RMFER" train --resume --out 'odd $x ' --threads 1
arithmetic=$("$RMFER" info run/last.safetensors | sed -n 's/^by  *//p')
case $arithmetic in
portable*) skip "other kernels than the portable ones" ;;
*' kernels, OpenBLAS '*)
    check "other kernels may go on" env RMFER_ISA=portable "$RMFER" train --resume --out run --threads 1
    grep -q "was made by $arithmetic: by portable kernels, OpenBLAS .* the bits will not be" err && pass ||
        fail "other kernels are said to give other bits"
    case $(uname -m):$arithmetic in
    x86_64:*avx*)
        env RMFER_ISA=avx2 "$RMFER" train --resume --out run --threads 1 --verbose >out 2>err
        grep -q ', avx2 kernels, OpenBLAS .* for Haswell, command' err && pass || fail "OpenBLAS follows RMFER_ISA"
        ;;
    *) skip "OpenBLAS that follows RMFER_ISA: no AVX2 here" ;;
    esac
    ;;
*) fail "a checkpoint says what rounded it: '$arithmetic'" ;;
esac

# Under nohup a hang-up stops nothing; without, it stops the run as the others do.
rm -rf run
if [ -n "$heeds_signals" ]; then stop_and_check HUP 5 129; else skip "a hang-up that is heeded"; fi
# outlives WHAT SIGNAL COMMAND...: a run in the background that the signal does not stop.
outlives() {
    what=$1 number=$2
    shift 2
    rm -rf run
    "$@" >out 2>err &
    pid=$!
    wait_for_lines 5 $pid || fail "$what: the run ended before the signal"
    kill -s "$number" $pid
    wait $pid
    code=$?
    [ $code -eq 0 ] && pass || fail "$what: exit $code after $number"
}
outlives "under nohup" HUP nohup "$RMFER" train --config both.ini --threads 1
check "to the same bits" cmp run/last.safetensors straight/last.safetensors

# Nor does an interrupt of a script's job in the background.
outlives "in the background" INT "$RMFER" train --config both.ini --threads 1 --set train.max_steps=20

# SAM over accumulated batches, maps kept in half precision: the same bits after a stop as without one.
sam="--set train.optimizer=sam --set train.accumulate=3 --set acl.forward=joint --set train.clip_norm=2
     --set train.epochs=3 --set train.warmup_epochs=1 --set train.saved=float16"
rm -rf run
check "train with SAM and accumulation" train $sam
rm -rf straight && mv run straight
stop_and_check TERM 3 143 $sam
grep -q "memory: .*saved for backward [0-9]* (maps as float16), scratch" err && pass || fail "the plan says how maps are kept"
check "resume it" train $sam --resume
check "the same bits" cmp run/last.safetensors straight/last.safetensors
check "another seed gives others" train $sam --seed 9 --out other
check "a run with maps in bfloat16" train $sam --set train.saved=bfloat16 --set train.max_steps=4 --out brain
check "really" sh -c '! cmp -s other/best_overall.safetensors run/best_overall.safetensors'

# A name that is no text is shown as well as can be, and opened as it is.
folder_name=$(printf 'runs/b\377d')
check "a folder whose name is no UTF-8" train --set train.max_steps=4 --out "$folder_name"
grep -q '^best overall accuracy .*% \[.*runs/b?d/best_overall.safetensors$' out && pass || fail "its best is found: $(cat out)"
check "the files are there" test -s "$folder_name/best_overall.safetensors"

# Data that changed between two parts of a run.
check "the first part" train --set train.max_steps=22 --out parts
for what in half more; do cp -r faces $what && cp -r parts on-$what; done
list=affectnet/training.csv
head -n $(($(wc -l <faces/$list) / 2)) faces/$list >half/$list
cp more/affectnet/1/training000000.jpg more/affectnet/1/another.jpg && sed -n '2s/training000000/another/p' faces/$list >>more/$list
refuses "half the pictures" 2 'on-half/last.safetensors stands at step 22, which was epoch 2.00 of .* is epoch [345]' \
    train --resume --out on-half --set data.root=half/affectnet --set train.max_steps=23
check "a picture more" train --resume --out on-more --set data.root=more/affectnet --set train.max_steps=23
grep -q 'was made with 88 training pictures, of which there are 89 now' err && pass || fail "is said: $(cat err)"
check "the same pictures" train --resume --out parts --set train.max_steps=23
! grep -q 'was made with' err && pass || fail "are no news"

# Ends that are not the planned one.
refuses "a loss that is not finite" 1 'not finite.*training.*\.jpg.*checkpoint' \
    train --out broken --set train.optimizer=sgd --set train.lr=1000 --set train.lr_warmup_epochs=0 \
    --set train.schedule=constant --set ial.weight=0 --set acl.weight=0
grep -q 'not finite: labelled picture' broken/log.txt && pass || fail "the log names the pictures"
# Whatever is not a number first, a statistic or a loss.
refuses "a run that diverges" 1 'not finite.*last good checkpoint: .*/diverged/last.safetensors, of step .* model.init = that file' \
    train --out diverged --set train.optimizer=sgd --set train.lr=1000 --set train.lr_warmup_epochs=0 --set eval.every=0.05 \
    --set train.schedule=constant --set ial.weight=0 --set acl.weight=0 --set train.ema_decay=0
check "the last good checkpoint is whole" "$RMFER" eval --checkpoint diverged/last.safetensors --split valid
! grep -q -- '-nan' err diverged/log.txt && pass || fail "a NaN has no sign"
check "early stopping" train --out early --set train.early_stopping=1 --set train.epochs=1000 --set eval.every=0.2 \
    --set acl.weight=0 --set train.lr=0 --set train.lr_ial=0
grep -q '^stopped early after' out && pass || fail "it says so"
# Its bests are of steps before its last: what is lost or taken from elsewhere is not made again.
rm early/best_overall.safetensors && cp other/best_average.safetensors early/
check "a run that is done, without its best files" "$RMFER" train --resume --out early --threads 1
grep -q '^best overall accuracy [0-9.]*% (valid split, step [0-9]*): .*/early/best_overall.safetensors is not there$' out && pass ||
    fail "a best file that is missing: $(cat out)"
grep -q '^best average accuracy [0-9.]*% (valid .*): .*/early/best_average.safetensors holds other weights, of step [0-9]*$' out &&
    pass || fail "another run's best file: $(cat out)"

refuses "more than float16 holds" 1 'not finite.*or train.saved = bfloat16' \
    train --out infinite --set train.optimizer=sgd --set train.lr=1000 --set train.lr_warmup_epochs=0 \
    --set train.schedule=constant --set ial.weight=0 --set acl.weight=0 --set train.saved=float16

# A second signal does not wait for the step, which is made long here: an epoch of batches. On a busy machine the first may
# come before the step has begun, which the run then ends without; it is tried with more time.
signal_twice() {
    rm -rf twice
    "$RMFER" train --config both.ini --threads 1 --out twice --set data.image_size=256 --set train.batch=4 \
        --set train.accumulate=100 --set eval.batch=4 --set acl.weight=0 >out 2>err &
    pid=$!
    for _ in $(seq 1500); do grep -q '^memory' err && break; sleep 0.02; done
    sleep "$1"
    kill -TERM $pid
    sleep 0.2
    kill -TERM $pid
    wait $pid
    code=$?
    [ $code -eq 143 ] && [ ! -e twice/last.safetensors ]
}
signal_twice 0.3 || signal_twice 2 || signal_twice 6 && pass || fail "the second signal: exit $code"

refuses "a folder in use" 2 'there is a run already (--resume' train
"$RMFER" train --config both.ini --threads 1 --out busy --set data.image_size=128 --set train.epochs=1000 >/dev/null 2>busy.err &
pid=$!
for _ in $(seq 1500); do grep -q '^memory' busy.err && break; sleep 0.02; done
refuses "a folder in which another process trains" 1 'another process trains in this folder' train --out busy
kill -KILL $pid
wait $pid
refuses "other settings" 2 'train.lr = 0.5, but the run in .*run was begun with 0.001' \
    train $sam --resume --set train.lr=0.5
refuses "no configuration" 2 'needs --config FILE' "$RMFER" train
refuses "an unknown preset" 1 'nothing.ini' "$RMFER" train --config nothing.ini
refuses "no data" 1 'nowhere' train --out x --set data.root=nowhere
refuses "too few pictures" 1 'fewer than train.batch = 4000' train --out x --set train.batch=4000
refuses "nothing to choose the best by" 2 'eval.select = valid: .*the valid split has no samples: .*data.valid_fraction = 0' \
    train --out x --set data.valid_fraction=0
refuses "a lonely sample" 2 'at least 2 with ial.self_mask = exclude' train --out x --set train.batch=1
refuses "arguments" 2 "'more' is none" train more
cp run/config.ini run/last.safetensors other/ && printf 'x' >>other/last.safetensors
refuses "a damaged checkpoint" 1 'other/last.safetensors' "$RMFER" train --resume --out other

# eval
check "eval by the checkpoint's own configuration" "$RMFER" eval --checkpoint run/best_overall.safetensors --split valid
accuracy=$(sed -n 's/^overall accuracy \([0-9.]*%\).*/\1/p' out)
"$RMFER" train --resume --out run --threads 1 2>/dev/null | grep -q "best overall accuracy $accuracy " && pass ||
    fail "eval finds $accuracy as training did"
check "eval as JSON" "$RMFER" eval --checkpoint run/best_overall.safetensors --json result.json
for key in dataset split checkpoint classes n overall_accuracy average_accuracy loss per_class confusion; do
    grep -q "\"$key\": " result.json && pass || fail "JSON has $key"
done
check "another data set" "$RMFER" eval --checkpoint run/best_overall.safetensors --dataset rafdb --data faces/rafdb
grep -q '^no samples, left out of the average: Contempt$' out && pass || fail "a class without samples is named"
check "its classes only" "$RMFER" eval --checkpoint run/best_overall.safetensors --dataset rafdb --data faces/rafdb \
    --present-only --flip --json -
printf '[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nclasses = happy, Anger\n' >two.ini
check "a configuration with fewer classes in another order" "$RMFER" eval --checkpoint run/last.safetensors --config two.ini
grep -q 'does not name, neither predicted nor counted: Neutral, Sadness' err && pass || fail "says what is left out"
grep -q '^Happiness  *[1-9]' out && grep -q '^Neutral  *0 ' out && pass || fail "counts two classes"
refuses "a file that is none" 1 'both.ini' "$RMFER" eval --checkpoint both.ini
refuses "two data sets" 2 'give one of them' "$RMFER" eval --checkpoint run/last.safetensors --config two.ini --dataset rafdb
refuses "half a data set" 2 'belong together' "$RMFER" eval --checkpoint run/last.safetensors --dataset rafdb
refuses "an unknown split" 2 "split 'tset' is not known" "$RMFER" eval --checkpoint run/last.safetensors --split tset
check "help" "$RMFER" train --help
check "help" "$RMFER" eval --help

finish
