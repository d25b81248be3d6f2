#!/bin/sh
# rmfer train in a folder in which something is: a run that has lost its last.safetensors, the weights and the
# configuration that training begins from. Nothing that was there once is written over.
. tests/support/cli.sh
cd "$folder" || exit 1

check "draw faces" "$RMFER" synth faces --faces 80 --size 32 --seed 3 --mashups 0
{
    drawn_ini
    printf '[train]\nbatch = 4\nepochs = 2\nwarmup_epochs = 2\nmax_steps = 1\n[acl]\nweight = 0\n[output]\ndir = run\n'
} >run.ini
train() { "$RMFER" train --config run.ini --threads 1 "$@"; }
check "train" train
cp -r run kept

# Without the file to go on from.
rm run/last.safetensors
refuses "a run whose checkpoint is lost" 2 'there is a run already' train
refuses "going on with it" 2 'run/last.safetensors is missing, .*chosen its best' train --resume
refuses "its best weights as those to begin with" 2 'there is a run already' \
    train --set model.init=run/best_overall.safetensors
ln -s run/best_overall.safetensors link
refuses "under another name" 2 'there is a run already' train --set model.init=link
check "every file of it stays" sh -c 'rm kept/last.safetensors kept/log.txt run/log.txt && diff -r run kept'

# What a run leaves that ended before its first checkpoint: lines, and nothing chosen.
mkdir early && cp run/metrics.jsonl early/
refuses "lines of a run" 2 'early: there is a run already' train --out early
check "that has chosen nothing begins anew" train --out early --resume
says "and" 'nothing to go on with'

# Lines that are read while they come, or that nobody wants: there is nothing to shorten.
mkdir nobody && ln -s /dev/null nobody/metrics.jsonl
check "lines that go nowhere" train --out nobody
check "and go on" train --out nobody --resume --set train.max_steps=2
mkdir read && mkfifo read/metrics.jsonl
timeout 130 cat read/metrics.jsonl >lines &
reader=$!
check "lines that a pipe takes" timeout -s KILL 120 "$RMFER" train --config run.ini --threads 1 --out read
wait $reader
holds "come out of it" grep -q '^{"step": 1,.*"overall_accuracy"' lines

# The configuration in the folder.
mkdir own && printf '# mine\n' >own/config.ini && cat run.ini >>own/config.ini
refuses "a configuration where the run writes its own" 2 'own/config.ini: is read here, and would be written over' \
    "$RMFER" train --config own/config.ini --out own --threads 1 --set data.root=faces/affectnet
holds "it stays" grep -q '^# mine' own/config.ini

finish
