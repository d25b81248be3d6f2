#!/bin/sh
# Frames a second of `rmfer rmset build` beside what ffmpeg alone takes to decode, at 1080p with 16 faces a frame. A video of
# 4 x 4 panels is composed of clips of one person each (MATERIAL/video/person_*.mkv); the ways are run in turns, and medians
# printed, of wall seconds and of the processor's, which another program on the machine changes less.
# Usage: rmset_throughput.sh [MATERIAL [FRAMES [ROUNDS]]]   needs ffmpeg and MATERIAL/models/yunet_n_dynamic.onnx
set -eu
material=${1:-../shared} frames=${2:-250} rounds=${3:-5}
rmfer=$(pwd)/rmfer
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compose() {
    set --
    filter= rows= number=0
    while [ $number -lt 16 ]; do
        for clip in "$material"/video/person_*.mkv; do
            [ $number -lt 16 ] || break
            set -- "$@" -stream_loop -1 -ss $((number % 3)) -i "$clip"
            filter="$filter[$number:v]fps=25,scale=480:360,crop=480:270:0:0,setsar=1[p$number];"
            number=$((number + 1))
        done
    done
    for row in 0 1 2 3; do
        at=$((4 * row))
        filter="$filter[p$at][p$((at + 1))][p$((at + 2))][p$((at + 3))]hstack=4[r$row];"
        rows="$rows[r$row]"
    done
    ffmpeg -v error -y "$@" -filter_complex "$filter${rows}vstack=4[v]" -map '[v]' -frames:v "$frames" -c:v libx264 \
        -preset fast -crf 20 -pix_fmt yuv420p "$folder/mashup.mp4"
}

# timed NAME COMMAND...: appends wall and processor seconds to $folder/NAME.
timed() {
    name=$1
    shift
    before=$(date +%s.%N)
    sh -c '"$@" >"$0.out" 2>"$0.err"; times >"$0.times"' "$folder/$name" "$@"
    after=$(date +%s.%N)
    echo "$before $after $(tail -n 1 "$folder/$name.times")" | awk '{ split($3, u, /[ms]/); split($4, s, /[ms]/)
        printf "%.3f %.3f\n", $2 - $1, u[1] * 60 + u[2] + s[1] * 60 + s[2] }' >>"$folder/$name"
    sed -n 's/^seconds of all threads: //p' "$folder/$name.err" >"$folder/$name.share"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

build() { # build NAME OPTION...
    name=$1
    shift
    rm -rf "$folder/set"
    timed "$name" "$rmfer" rmset build -v "$folder/mashup.mp4" -o "$folder/set" \
        --detector "$material/models/yunet_n_dynamic.onnx" "$@"
    awk -F, 'NR == 2 { print $4 }' "$folder/set/videos.csv" >"$folder/$name.faces"
}

compose
round=0
while [ $round -lt "$rounds" ]; do
    timed decode ffmpeg -v error -i "$folder/mashup.mp4" -f null -
    build build
    build windows --windows
    round=$((round + 1))
done
echo "$frames frames of 1920 x 1080 with 16 faces, $rounds rounds"
for name in decode build windows; do
    wall=$(cut -d ' ' -f 1 "$folder/$name" | median)
    processor=$(cut -d ' ' -f 2 "$folder/$name" | median)
    echo "$name $wall $processor $(cat "$folder/$name.faces" 2>/dev/null)" | awk -v frames="$frames" \
        '{ printf "%-8s %7.1f frames/s, %6.1f ms of processor time a frame%s\n", $1, frames / $2, 1000 * $3 / frames,
           $4 == "" ? "" : ", " $4 " faces" }'
    if [ -s "$folder/$name.share" ]; then echo "         last: $(cat "$folder/$name.share")"; fi
done
