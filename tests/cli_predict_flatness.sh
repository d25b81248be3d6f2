#!/bin/sh
# rmfer predict does not grow: the largest resident memory of 1,250 pictures is that of 250, whether they come from a folder,
# a list, a pipe or a video. scripts/predict_flatness.sh does so with 100,000 and times them.
. tests/support/cli.sh
helper=$(cd "$RMFER_TESTS" && pwd)/test_cmd_predict_npy
"$helper" --fixtures "$folder" || { fail "the fixtures"; finish; exit; }
cd "$folder" || exit 1
if grep -q __asan_init "$RMFER" || grep -q __tsan_init "$RMFER"; then
    skip "resident memory, which a sanitizer fills"
    finish
    exit
fi
FEW=250 MANY=1250 MOST_KB=3000 # 3 KB a picture

# peak OPTION...: KiB of a predict.
peak() {
    "$helper" --peak peak "$RMFER" predict --checkpoint tiny.safetensors --csv --quiet --threads 2 "$@" >rows 2>said ||
        { cat said >&2; echo 0 >peak; }
    cat peak
}
# flat WHAT FEW MANY: two commands that print peaks. How many pictures wait at the worst moment is chance; what grows does so
# each time, so one time of three will do.
flat() {
    for try in 1 2 3; do
        few_peak=$(eval "$2") many_peak=$(eval "$3")
        [ "$few_peak" -gt 0 ] && [ "$many_peak" -gt 0 ] && [ $((many_peak - few_peak)) -lt $MOST_KB ] && { pass; return; }
    done
    fail "$1: $few_peak KB, then $many_peak KB"
}
# links FOLDER COUNT: pictures in turn.
links() {
    mkdir "$1"
    (cd "$1" && i=0 && while [ $i -lt "$2" ]; do
        echo ../two.png $i.png ../noise.jpg $((i + 1)).jpg
        i=$((i + 2))
    done | xargs -n 2 ln)
}
links few $FEW
links many $MANY
flat "a folder" 'peak few' 'peak many'
holds "all of it was done" test "$(wc -l <rows)" -eq $((MANY + 1))
flat "a folder with a detector" 'peak --detector squares.onnx few' 'peak --detector squares.onnx many'
flat "--annotate" 'rm -rf drawn; peak --annotate drawn few' 'rm -rf drawn; peak --annotate drawn many'
find few -name '*.*' >few.list
find many -name '*.*' >many.list
flat "a list" 'peak - <few.list' 'peak - <many.list'
flat "pictures through a pipe" 'xargs cat <few.list | peak -' 'xargs cat <many.list | peak -'
holds "all of them were done" test "$(wc -l <rows)" -eq $((MANY + 1))
"$helper" --video few.avi $FEW && "$helper" --video many.avi $MANY
if predict_says=$("$RMFER" predict --checkpoint tiny.safetensors --every 1000 --quiet many.avi 2>&1); then
    flat "a video" 'peak few.avi' 'peak many.avi'
    holds "all of it was done too" test "$(wc -l <rows)" -eq $((MANY + 1))
    flat "a video with --annotate" 'rm -rf drawn; peak --annotate drawn few.avi' 'rm -rf drawn; peak --annotate drawn many.avi'
    flat "a video through a pipe" 'cat few.avi | peak -' 'cat many.avi | peak -'
else
    skip "videos: $predict_says"
fi
finish
