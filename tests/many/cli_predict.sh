#!/bin/sh
# rmfer predict over several processes: what one process prints and writes, in the same order. RMFER_MPI is the program.
RMFER=$RMFER_MPI
. tests/support/cli.sh
. tests/many/support/mpirun.sh
top=$PWD
model=$PWD/models/ferplus-b0.safetensors
cd "$folder" || exit 1

check "draw faces" "$RMFER" synth faces --faces 180 --size 64 --seed 3 --mashups 0
# Enough for two rounds of two processes, one that cannot be read, one of a name that is there twice, a folder of its own.
mkdir -p in/a in/b
find faces/affectnet -name '*.jpg' | sort | head -n 140 | while read -r picture; do cp "$picture" in/a; done
first=$(ls in/a | head -n 1)
cp "in/a/$first" in/b
echo no >in/a/0broken.jpg

# predict PROCESSES OPTION...: prints to PROCESSES.NAME, whose name is in $to.
predict() {
    processes=$1
    shift
    if [ "$processes" -gt 1 ]; then set -- ranks "$processes" "$RMFER" predict "$@"; else set -- "$RMFER" predict "$@"; fi
    "$@" --checkpoint "$model" --threads 1 >"$processes.$to" 2>"$processes.$to.err"
    code=$?
    cat "$processes.$to.err" >"$folder/err"
}
# same NAME: of one process and of two.
same() { holds "$1 of two processes as of one" cmp "1.$1" "2.$1"; }
said() { grep -e '^rmfer: ' -e ' pictures, .* faces in ' -e ' %' "$1" | sed 's/ in [0-9.]* s .*//'; }

for processes in 1 2; do
    to=text
    predict $processes --annotate drawn$processes --features features$processes.npy in missing.jpg
    holds "exit status 1 of $processes" test $code -eq 1
    to=json
    predict $processes --json --embedding in/b "in/a/*2.jpg"
    to=csv
    predict $processes --csv --top 2 in/b "in/a/*1.jpg" in/a/0broken.jpg
done
same text && same json && same csv
holds "lines for all" test "$(wc -l <1.text)" -eq 141
said 1.text.err >1.said
said 2.text.err >2.said
holds "the same words and summary" cmp 1.said 2.said
holds "a summary" grep -q "141 pictures, 141 faces" 2.said
holds "an unreadable picture is told once" test "$(grep -c 0broken 2.text.err)" -eq 1
(cd drawn1 && find . -type f | sort) >1.names
(cd drawn2 && find . -type f | sort) >2.names
holds "the same pictures drawn" cmp 1.names 2.names
holds "pictures drawn" test "$(wc -l <1.names)" -eq 141
holds "the same features" cmp features1.npy features2.npy

# ---- more processes than files, and refusals
to=few
predict 3 in/b
holds "three processes, one file" test $code -eq 0
holds "its line" test "$(wc -l <3.few)" -eq 1
predict 2 --annotate drawn2 in
holds "pictures that are there are not replaced" test $code -eq 1
says "pictures that are there" 'rank 0 of 2 on .*is there already'
holds "which is told once" test "$(grep -c 'is there already' 2.few.err)" -eq 1
refuses "standard input" 2 'standard input cannot be shared out over 2 processes' \
    ranks 2 "$RMFER" predict --checkpoint "$model" -
refuses "a checkpoint that is not there" 1 'no.safetensors' ranks 2 "$RMFER" predict --checkpoint no.safetensors in

# ---- videos
if [ -e "$top/../shared/video/one_face.mp4" ] && [ -e "$top/../shared/models/yunet_n_320_320.onnx" ]; then
    mkdir films && cp in/b/* "$top/../shared/photos/two_people.jpg" "$top/../shared/video/one_face.mp4" "$top/../shared/video/person_eat.mkv" films
    to=films
    for processes in 1 2; do
        predict $processes --detector "$top/../shared/models/yunet_n_320_320.onnx" --track --smooth 1 --every 20 --detect-size 320 --csv films
    done
    same films
else
    skip "predict of videos over processes: no videos or no detector here"
fi
finish
