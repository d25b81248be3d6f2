#!/bin/sh
# rmfer rmset as people use it: mashup videos (drawn ones, and ones composed of real clips where they are) become an
# RMset; killed builds go on; shards hold what files hold; what is broken is found; phase 2 trains from the result.
. tests/support/cli.sh
material=$(cd "${RMFER_TEST_MATERIAL:-../shared}" 2>/dev/null && pwd)
tests=$(cd "$RMFER_TESTS" 2>/dev/null && pwd)
model=$PWD/models/ferplus-b0.safetensors
cd "$folder" || exit 1
export RMFER
rmset() { "$RMFER" rmset "$@"; }

check "help" rmset --help
says "help" 'rmfer rmset build VIDEO'
run rmset biuld
holds "an unknown part" test "$code $(cat err)" = \
    "2 rmfer: error: unknown command 'rmset biuld' (did you mean 'rmset build'?)"
run rmset build
holds "nothing to build" test $code -eq 2
run rmset stats nowhere
holds "no RMset" test $code -eq 1

"$RMFER" synth drawn --faces 64 --mashups 3 >out 2>err
if [ ! -f drawn/mashups/mashup0.mp4 ]; then
    skip "videos, as this rmfer was built without FFmpeg"
    finish
    exit
fi
mashups=drawn/mashups

# ---- drawn mashups, with their truth
check "a build" rmset build $mashups/*.mp4 -o set
says "it" '^set: 2502 faces of 15 persons in 576 frames; 3 of 3 videos built now'
says "it" 'mashup0\.mp4: 384 x 384 pixels; below 1080p'
# Persons of the truth in the first frame are numbered in reading order; each later row is of one person.
for film in mashup0 mashup1; do
    awk -F, -v film=$film 'NR == FNR { if (FNR > 1) { n = ++count[$1]; who[$1, n] = $2; x[$1, n] = $4; y[$1, n] = $5
                                              w[$1, n] = $6; h[$1, n] = $7 } next }
        $1 == film { best = 0
            for (i = 1; i <= count[$2]; i++) {
                l = $5 > x[$2, i] ? $5 : x[$2, i]; t = $6 > y[$2, i] ? $6 : y[$2, i]
                r = $5 + $7 < x[$2, i] + w[$2, i] ? $5 + $7 : x[$2, i] + w[$2, i]
                b = $6 + $8 < y[$2, i] + h[$2, i] ? $6 + $8 : y[$2, i] + h[$2, i]
                if (r <= l || b <= t) continue
                o = (r - l) * (b - t); o /= $7 * $8 + w[$2, i] * h[$2, i] - o
                if (o > best) { best = o; is = who[$2, i] } }
            if (best < 0.9) wrong++
            if (!($3 in person)) person[$3] = is
            if (person[$3] != is) wrong++
            rows++ }
        END { print rows + 0, wrong + 0 }' $mashups/$film.truth.csv set/index.csv >told
    holds "$film: every face is its person's, IoU 0.9 or more" test "$(cut -d ' ' -f 2 told)" = 0 -a \
        "$(cut -d ' ' -f 1 told)" -gt 500
done
holds "who comes late has no number" test "$(awk -F, '$1 == "mashup0" { print $3 }' set/index.csv | sort -u | wc -l)" -eq 7
holds "an absent face makes no row" test "$(grep -c '^mashup0,[0-9]*,2,' set/index.csv)" -eq 142
holds "a track says why it ended" grep -q '^mashup2,1,0,95,96,not found after frame 95$' set/tracks.csv
check "cuts" rmset build -q $mashups/mashup2.mp4 -o cuts --cuts
holds "a number is not wrongly kept over a cut: all tracks end" test "$(grep -c 'scene cut at frame 96$' cuts/tracks.csv)" -eq 5
holds "nor changed without one: five others begin, and last" test "$(grep -c '^mashup2,[5-9],96,191,96,end of the film$' cuts/tracks.csv)" -eq 5
check "no crop is empty or broken: check" rmset check set
check "stats" rmset stats set
says "stats" '^persons  *15$'
check "--every in seconds" rmset build -q $mashups/mashup1.mp4 -o seconds --every 2s
holds "takes a frame each two seconds" test "$(awk -F, 'NR > 1 { print $2 }' seconds/index.csv | sort -nu | tr '\n' ' ')" = "0 48 96 144 "
check "--every" rmset build -q $mashups/mashup1.mp4 -o every --every 48
holds "takes every Nth frame" test "$(awk -F, 'NR > 1 { print $2 }' every/index.csv | sort -nu | tr '\n' ' ')" = "0 48 96 144 "

# ---- previews: the suggested area beside the film's known place
overlap() { # overlap OF THE: two lists of x,y,w,h,from,to, row by row; the least IoU
    paste -d , "$1" "$2" | awk -F, '{ l = $1 > $7 ? $1 : $7; t = $2 > $8 ? $2 : $8
        r = $1 + $3 < $7 + $9 ? $1 + $3 : $7 + $9; b = $2 + $4 < $8 + $10 ? $2 + $4 : $8 + $10
        o = r > l && b > t ? (r - l) * (b - t) : 0; o /= $3 * $4 + $9 * $10 - o
        if (NR == 1 || o < least) least = o } END { printf "%.3f", least }'
}
for film in mashup0 mashup1 mashup2; do
    check "a preview" rmset preview $mashups/$film.mp4
    sed -n '/^[0-9][0-9.]*,/p' out >suggested
    sed 1d $mashups/$film.film.csv >known
    iou=$(overlap suggested known)
    echo "$film: suggested area, IoU $iou"
    holds "$film: the film's place is suggested" test "$(wc -l <suggested)" -eq "$(wc -l <known)" -a "${iou#0.9}" != "$iou" -o "$iou" = 1.000
    holds "$film: a picture" test "$(head -c 2 $film.preview.jpg | od -An -tx1 | tr -d ' ')" = ffd8
done
sed -n 's/^--remove //p' out >given
check "what it suggests can be given" rmset preview $mashups/mashup2.mp4 -o given.png \
    --remove "$(sed -n 1p given)" --remove "$(sed -n 2p given)" --frames 4
run rmset preview $mashups/mashup2.mp4 -o $mashups/mashup2.mp4
holds "no video is written over" test $code -eq 2
mkdir cut.v1
cp set/mashup0/0000000_0.jpg set/mashup0/0000001_0.jpg cut.v1
check "a folder of frames with a dot in its name" rmset preview cut.v1/
holds "its sheet is named after it" test -s cut.v1.preview.jpg
run rmset preview nowhere.mp4
holds "no video" test $code -eq 1
: >nothing.mp4
# What reads many files elsewhere is not taken for one film.
refuses "a pattern" 1 "mashup\*\.mp4: there is no such file; a pattern is left to the shell" \
    "$RMFER" rmset preview "$mashups/mashup*.mp4" -o pattern.png
refuses "standard input" 1 '-: a film is a file or a folder of frames' "$RMFER" rmset preview - -o piped.png
refuses "an RMset without an anchor" 1 'set: an RMset, not a film (rmset preview --anchor' "$RMFER" rmset preview set
refuses "an RMset of an RMset" 1 'set: an RMset, not a film' "$RMFER" rmset build set -o nested
# What is said of faces holds for a list's; what is said of the detector is not passed over in silence.
list=$mashups/mashup0.detections.csv
for asked in --windows "--detect-size 320"; do
    refuses "$asked with a list" 2 'about the detector: not with --detections' \
        "$RMFER" rmset build $mashups/mashup0.mp4 -o asked --detections $list $asked
done
refuses "the same of a preview" 2 'about the detector: not with --detections' \
    "$RMFER" rmset preview $mashups/mashup0.mp4 -o asked.png --detections $list --detect-size 320
run rmset build -q $mashups/mashup0.mp4 -o asked --every 96 --min-face 1000
says "--min-face" 'mashup0\.mp4: no faces in its 2 frames'
refuses "an empty video" 1 'nothing\.mp4: the file is empty' "$RMFER" rmset preview nothing.mp4

# ---- the same, whatever the way
check "shards" rmset build -q $mashups/mashup[01].mp4 -o shards --shards 1M
check "check of shards" rmset check shards
mkdir unpacked
for film in mashup0 mashup1; do
    mkdir unpacked/$film
    for tar in shards/$film/*.tar; do tar -xf "$tar" -C unpacked/$film; done
    holds "$film: shards hold what the files hold" diff -r -x '*.csv' -x film.ini set/$film unpacked/$film
done
holds "no shard is larger" test -z "$(find shards -name '*.tar' -size +1100k)"
check "one thread" rmset build -q $mashups/mashup0.mp4 -o one --threads 1
holds "gives the same files" diff -r one/mashup0 set/mashup0

# ---- killed at random moments (RMFER_KILLS of them): crops that take days must not begin again
kills=0 seed=${RMFER_SEED:-1}
while [ $kills -lt "${RMFER_KILLS:-6}" ]; do
    "$RMFER" rmset build -q $mashups/mashup[12].mp4 -o killed >out 2>err &
    process=$!
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    sleep "0.$(printf '%03d' $((seed / 65536 % 500)))"
    if kill -9 $process 2>/dev/null; then kills=$((kills + 1)); fi
    wait $process 2>/dev/null
    [ ! -f killed/statistics.ini ] || rm -rf killed
done 2>/dev/null
check "a build killed and started again" rmset build -q $mashups/mashup[12].mp4 -o killed
for film in mashup1 mashup2; do diff -r killed/$film set/$film; done >differs
holds "ends with the same files" test ! -s differs
holds "leaves nothing half" test -z "$(find killed -name '.*.part')"
if command -v flock >/dev/null; then
    run flock killed/.lock "$RMFER" rmset build -q $mashups/*.mp4 -o killed
    holds "two builds at once" test "$code $(cat err)" = "1 rmfer: error: killed: another build works in this folder"
fi

# ---- films that cannot be built
cp $mashups/mashup0.mp4 lonely.mp4
head -c 1000 $mashups/mashup0.mp4 >$mashups/broken.mp4
cp $mashups/mashup0.detections.csv $mashups/broken.detections.csv
cp $mashups/mashup1.mp4 empty.mp4
echo 'frame,x,y,w,h' >empty.detections.csv
run rmset build -q lonely.mp4 $mashups/broken.mp4 empty.mp4 missing.mp4 $mashups/mashup1.mp4 -o partly
holds "the exit status" test $code -eq 1
holds "each is a line" test "$(wc -l <err)" -eq 4
says "no detector" '^rmfer: error: lonely\.mp4: neither a detector'
says "a broken one" '^rmfer: error: drawn/mashups/broken\.mp4: '
says "no faces" '^rmfer: error: empty\.mp4: no faces in its 192 frames$'
holds "the other is done" diff -r partly/mashup1 set/mashup1
# No room for the lists of the one that has many faces: one line, nothing half of it stays, the other is done.
if (ulimit -f 16) 2>/dev/null; then
    printf 'frame,x,y,w,h\n0,10,10,40,40\n1,10,10,40,40\n' >few.csv
    cp $mashups/mashup1.mp4 few.mp4
    mv few.csv few.detections.csv
    (trap '' XFSZ; ulimit -f 16; exec "$RMFER" rmset build -q $mashups/mashup0.mp4 few.mp4 -o full --size 32) >out 2>err
    code=$?
    holds "a full disk is exit 1" test $code -eq 1
    holds "and one line" test "$(grep -c '^rmfer: error: .*mashup0.*cannot be written.*File too large$' err)" -eq 1 -a "$(wc -l <err)" -eq 1
    holds "nothing half stays" test -z "$(find full -name '*mashup0*')"
    holds "the other is there" test "$(wc -l <full/index.csv)" -eq 3
    check "room again" rmset build -q $mashups/mashup0.mp4 few.mp4 -o full --size 32
    holds "the rest follows" test "$(ls full | grep -c '^mashup0$')" -eq 1
else
    skip "a full disk, as this shell cannot limit files"
fi
run rmset build -q lonely.mp4 drawn/../lonely.mp4 -o twice
holds "two of one name" test $code -eq 2
says "the same film" 'drawn/\.\./lonely\.mp4: is given twice, the other time as lonely\.mp4$'
run rmset build -q lonely.mp4 -o twice --remove 1,2,3
holds "an area that is none" test $code -eq 2

# ---- a video that cannot be read to its end is not taken for a shorter one
faults=$tests/libfaults.so
if [ -f "$faults" ]; then
    FAULT_COUNTS=counts LD_PRELOAD=$faults "$RMFER" rmset build -q $mashups/mashup0.mp4 -o counted --every 48 --threads 1 >out 2>err
    at=$(awk '$1 == "read" { print $2 - 20 }' counts) # the last ones are those of the lists
    broken_build() {
        FAULT=read:EIO:$at LD_PRELOAD=$faults "$RMFER" rmset build $mashups/mashup0.mp4 $mashups/mashup1.mp4 --every 48 --threads 1 "$@"
    }
    run broken_build -q -o unread
    holds "a failed read is exit 1 and one line" test "$code $(grep -c 'mashup0\.mp4: cannot be read any further after [0-9]* frames: Input/output error$' err) $(wc -l <err)" = "1 1 1"
    holds "the other video is done, this one is not listed" test "$(cut -d , -f 1 unread/videos.csv | tr '\n' ' ')" = "video mashup1 "
    check "read again" rmset build -q $mashups/mashup0.mp4 $mashups/mashup1.mp4 -o unread --every 48
    holds "it is whole" diff counted/mashup0 unread/mashup0
    run broken_build --keep-partial -o partial
    holds "--keep-partial keeps what came before" test $code -eq 0 -a "$(awk -F, '$1 == "mashup0" { print ($3 < 4 && $3 > 0) }' partial/videos.csv)" = 1
    says "it" 'warning: .*mashup0\.mp4: cannot be read any further .*; the [0-9]* frames taken before are kept$'
    run rmset build -q $mashups/mashup0.mp4 -o partial --every 48
    holds "and is not taken for the whole" test $code -eq 1
    says "it" 'mashup0: was made .* (partial 1, not partial 0)'
    check "nor is the whole taken for a part" rmset build -q $mashups/mashup1.mp4 -o partial --every 48
    check "with --keep-partial both stay" rmset build $mashups/mashup0.mp4 $mashups/mashup1.mp4 -o partial --every 48 --keep-partial
    says "it" '0 of 2 videos built now'
    # Nor is half of a folder taken for all of it: whichever name is not given, the lists stay as they are.
    check "two films" rmset build -q $mashups/mashup0.mp4 $mashups/mashup1.mp4 -o listed --every 48
    cp -r listed kept
    names=0
    while [ $names -lt 9 ]; do
        names=$((names + 1))
        FAULT=list:EIO:$names LD_PRELOAD=$faults "$RMFER" rmset build -q $mashups/mashup0.mp4 -o listed --every 48 >out 2>err
        code=$?
        holds "a folder that cannot be listed to its end is an error" test "$code $(cat err)" = \
            "1 rmfer: error: listed: Input/output error"
    done
    holds "and no film is dropped from the lists" diff -r kept listed
else
    skip "failing reads, as tests/faults is not built"
fi
if command -v ffmpeg >/dev/null; then
    ffmpeg -v error -y -i $mashups/mashup0.mp4 -c copy -movflags faststart fast.mp4
    head -c $(($(wc -c <fast.mp4) / 2)) fast.mp4 >half.mp4
    cp $mashups/mashup0.detections.csv half.detections.csv
    check "a download that broke off" rmset build half.mp4 -o half
    says "it" 'warning: half\.mp4: breaks off: [0-9.]* of the [0-9.]* seconds that it states are not in it$'
else
    skip "a download that broke off, without ffmpeg"
fi

# ---- what is broken is found
rm killed/mashup1/0000005_1.jpg
run rmset check killed
holds "a missing face" test $code -eq 1
says "it" 'killed/mashup1/0000005_1\.jpg: No such file'

# ---- phase 2 trains from it, with the set's own mean and deviation
"$RMFER" config quickstart |
    sed "s|^root = synth/rmset.*|root = $folder/set|; s|^root = synth/affectnet.*|root = $folder/drawn/affectnet|" >own.ini
check "training" "$RMFER" train --config own.ini --out run --set rmset.normalize=own --set train.epochs=2 \
    --set train.warmup_epochs=1 --set train.batch=8
says "training" 'RMset: 2502 faces of 3 videos'
holds "takes its own mean" test "$(sed -n 's/^mean = \(0\.[0-9]\{5\}\).*/\1/p' set/statistics.ini)" = \
    "$(awk '/^\[rmset\]/ { on = 1 } on && /^mean/ { print substr($3, 1, 7); exit }' run/config.ini)"
run "$RMFER" train --config own.ini --out run2 --set rmset.normalize=own --set rmset.root="$folder/drawn/rmset"
says "no statistics" 'rmset\.normalize = own: .*statistics\.ini'

# ---- Figure 4: an anchor, its candidates, and what checkpoints make of them
anchor=$(awk -F, '$1 == "mashup0" && $2 == 40 { print $1 ":" $2 ":" $3; exit }' set/index.csv)
check "an anchor" rmset preview set --anchor "$anchor" --checkpoint run/previous.safetensors --checkpoint run/last.safetensors \
    -o anchor.png
holds "draws P and N as the run did" test "$(grep -c '^P ' out) $(grep -c '^N ' out)" = "8 8"
holds "keeps gamma of each under each" test "$(awk '/^[PN] /' out | tr -cd '*' | wc -c)" -eq $((2 * 2 * 4))
holds "attention is shared out" awk '/^[PN] / { a += $4; b += $6 } END { exit !(a > 0.9999 && a < 1.0001 && b > 0.9999 && b < 1.0001) }' out
holds "P are others, near; N the same person, far" awk -v anchor="$anchor" 'BEGIN { split(anchor, a, ":") }
    /^[PN] / { d = $2 > a[2] ? $2 - a[2] : a[2] - $2; if ($1 == "P" ? $3 == a[3] || d > 5 : $3 != a[3] || d <= 30) exit 1 }' out
holds "the sheet" test "$(head -c 4 anchor.png | tail -c 3)" = PNG
mv out first
check "the same again" rmset preview set --anchor "$anchor" --checkpoint run/previous.safetensors \
    --checkpoint run/last.safetensors -o anchor.png
holds "is the same" cmp first out
check "of shards, as JSON" rmset preview shards --anchor "$anchor" --checkpoint run/last.safetensors --json
holds "one line" test "$(wc -l <out) $(grep -c '"kind": "N"' out)" = "1 1"
holds "named after the anchor" test -s "$(echo "$anchor" | tr : -).preview.jpg"
check "another seed draws others" rmset preview set --anchor "$anchor" --seed 5 --set acl.n_pos=50 --set acl.n_neg=50
holds "n_pos, n_neg by --set, no scores without a checkpoint" test "$(grep -c '^P  *[0-9]*  *[0-9]$' out)" -eq 50
refuses "a video that is not there" 1 "did you mean 'mashup0'" "$RMFER" rmset preview set --anchor mashop0:40:0
refuses "a frame that is not there" 1 'nearest frame with one is 191' "$RMFER" rmset preview set --anchor mashup0:9999:0
refuses "a face that is not there" 1 'there are 0 1' "$RMFER" rmset preview set --anchor mashup0:40:99
refuses "half an anchor" 2 'VIDEO:FRAME:FACE' "$RMFER" rmset preview set --anchor mashup0:40
refuses "no index" 1 'drawn/mashups/index.csv: No such file' "$RMFER" rmset preview drawn/mashups --anchor "$anchor"
refuses "a checkpoint without heads" 1 'no projection head' "$RMFER" rmset preview set --anchor "$anchor" \
    --checkpoint "$model"
refuses "a checkpoint without an anchor" 2 'need --anchor' "$RMFER" rmset preview set --checkpoint run/last.safetensors

# ---- a mashup of real clips
yunet=$material/models/yunet_n_dynamic.onnx
if [ -n "$material" ] && [ -f "$yunet" ] && [ -f "$material/video/person_eat.mkv" ] && command -v ffmpeg >/dev/null; then
    v=$material/video
    ffmpeg -v error -y -i "$v/person_eat.mkv" -i "$v/person_help.mkv" -i "$v/person_milk.mkv" \
        -i "$v/film_clip_640x360.mp4" -filter_complex \
        "[0:v]scale=640:480,fps=25[a];[1:v]scale=640:480,fps=25[b];[2:v]scale=640:480,fps=25[c];[3:v]scale=640:480,fps=25[d];[a][b]hstack[t];[c][d]hstack[u];[t][u]vstack=shortest=1" \
        -frames:v 24 -c:v mpeg4 -q:v 2 real.mp4 2>err
    check "real clips" rmset build -q real.mp4 -o real --detector "$yunet" --remove 640,480,640,480 --every 2
    holds "three persons" test "$(awk -F, 'NR > 1 { print $3 }' real/index.csv | sort -nu | tr '\n' ' ')" = "0 1 2 "
    holds "each in their panel" test -z "$(awk -F, 'NR > 1 { p = ($5 + $7 / 2 >= 640) + 2 * ($6 + $8 / 2 >= 480)
                                               if (p != $3) print }' real/index.csv)"
    check "their check" rmset check real
    # Six panels over the film, without loss: the truth is what each clip alone shows, at its panel's place.
    ffmpeg -v error -y -i "$v/person_eat.mkv" -i "$v/person_help.mkv" -i "$v/person_milk.mkv" -i "$v/person_want.mkv" \
        -i "$v/person_bird.mkv" -i "$v/person_hungry.mkv" -i "$v/film_clip_640x360.mp4" -filter_complex \
        "[0:v]fps=5,scale=320:240[a];[1:v]fps=5,scale=320:240[b];[2:v]fps=5,scale=320:240[c];[3:v]fps=5,scale=320:240[d];[4:v]fps=5,scale=320:240[e];[5:v]fps=5,scale=320:240[f];[6:v]fps=5,scale=960:540,setsar=1[g];[a][b][c]hstack=3[h];[d][e][f]hstack=3[i];[h][i][g]vstack=3:shortest=1" \
        -frames:v 6 -c:v ffv1 truth.mkv 2>err
    at=0
    while [ $at -lt 6 ]; do
        x=$((at % 3 * 320)) y=$((at / 3 * 240))
        ffmpeg -v error -y -i truth.mkv -vf "crop=320:240:$x:$y" -c:v ffv1 panel.mkv
        rm -rf panel
        "$RMFER" rmset build -q panel.mkv -o panel --detector "$yunet" --detect-size 0 >/dev/null 2>&1
        awk -F, -v at=$at -v x=$x -v y=$y 'NR > 1 && $3 == 0 { print $2 "," at "," $5 + x "," $6 + y "," $7 "," $8 }' panel/index.csv
        at=$((at + 1))
    done >panels.csv
    for way in "" --windows; do
        rm -rf truth
        check "a mashup of known panels $way" rmset build truth.mkv -o truth --detector "$yunet" --detect-size 0 \
            --remove 0,480,960,540 $way
        least=0.9
        [ -z "$way" ] || least=0.8 # a window is scaled, and seen alone
        awk -F, -v least_wanted=$least 'NR == FNR { k = $1 "," $2; x[k] = $3; y[k] = $4; w[k] = $5; h[k] = $6; known++; next }
            FNR > 1 { k = $2 "," $3; if (!(k in x)) { wrong++; next }
                l = $5 > x[k] ? $5 : x[k]; t = $6 > y[k] ? $6 : y[k]; r = $5 + $7 < x[k] + w[k] ? $5 + $7 : x[k] + w[k]
                b = $6 + $8 < y[k] + h[k] ? $6 + $8 : y[k] + h[k]; o = r > l && b > t ? (r - l) * (b - t) : 0
                o /= $7 * $8 + w[k] * h[k] - o; rows++; sum += o; if (rows == 1 || o < least) least = o }
            END { printf "%d of %d faces, %d of none, IoU %.3f, least %.3f\n", rows, known, wrong, sum / rows, least
                exit !(known >= 30 && rows == known && wrong == 0 && least >= least_wanted) }' panels.csv truth/index.csv >told
        holds "numbers in reading order, boxes as each clip's own, nothing of the film: $way" test $? -eq 0
        cat told
    done
    # Six panels about a film of few cuts; six frames a second are enough to see what moves.
    ffmpeg -v error -y -i "$v/person_eat.mkv" -i "$v/person_help.mkv" -i "$v/person_milk.mkv" -i "$v/single_face.mp4" \
        -i "$v/person_want.mkv" -i "$v/film_clip_640x360.mp4" -filter_complex \
        "[0:v]fps=6,scale=320:180,loop=-1:60[a];[1:v]fps=6,scale=320:180,loop=-1:60[b];[2:v]fps=6,scale=320:180,loop=-1:60[c];[3:v]fps=6,scale=320:180,loop=-1:60[d];[4:v]fps=6,scale=320:180,loop=-1:60[e];[5:v]fps=6,scale=640:360[f];color=black:s=960x540:r=6[g];[g][a]overlay=0:0[h];[h][b]overlay=0:180[i];[i][c]overlay=0:360[j];[j][d]overlay=320:360[k];[k][e]overlay=640:360[l];[l][f]overlay=320:0:shortest=1" \
        -frames:v 54 -c:v mpeg4 -q:v 2 window.mp4 2>err
    check "its preview" rmset preview window.mp4 --detector "$yunet"
    sed -n '/^[0-9][0-9.]*,/p' out >suggested
    echo 320,0,640,360,0, >known
    iou=$(overlap suggested known)
    echo "window: suggested area, IoU $iou"
    holds "the film among real clips" test "$(wc -l <suggested)" -eq 1 -a "${iou#0.[89]}" != "$iou" -o "$iou" = 1.000
    # A detector that was found, not named, is used where no list lies beside the video.
    run env RMFER_DETECTOR="$yunet" "$RMFER" rmset build real.mp4 $mashups/mashup1.mp4 -o found \
        --remove 640,480,640,480 --every 2
    holds "the detector is found" test $code -eq 0 -a "$(grep -c '^detector: ' err)" -eq 1
    holds "and finds the same" diff real/real/rows.csv found/real/rows.csv
    holds "a list goes before it" grep -q 'detections [1-9]' found/mashup1/film.ini
    run rmset build -q real.mp4 -o found --detector "$material/models/yunet_n_320_320.onnx" \
        --remove 640,480,640,480 --every 2
    holds "another detector is not taken for it" grep -q 'other settings' err
else
    skip "a mashup of real clips, as there are none, or no ffmpeg"
fi

finish
