#!/bin/sh
# rmfer predict as people use it: every kind of input and output, the options about faces, files that cannot be read,
# messages and exit codes. Pictures, video, detector (it finds white squares) and network are small and made here
# (tests/support/predict_case.h); real photos are looked at where they are.
. tests/support/cli.sh
PYTHON=${PYTHON:-/usr/bin/python3}
material=$(cd "${RMFER_TEST_MATERIAL:-../shared}" 2>/dev/null && pwd)
fixtures=$(cd "$RMFER_TESTS" && pwd)/test_cmd_predict_npy
"$fixtures" --fixtures "$folder" || { fail "the fixtures"; finish; exit; }
tests=$(cd tests && pwd)
cd "$folder" || exit 1

export RMFER
predict() { "$RMFER" predict --checkpoint tiny.safetensors "$@"; }
faces() { predict --detector squares.onnx "$@"; }

# ends WHAT CODE COMMAND...: with that exit status.
ends() {
    what=$1 wanted=$2
    shift 2
    run "$@"
    if [ $code -eq "$wanted" ]; then pass; else fail "$what: exit $code, not $wanted"; fi
}
# refuses WHAT CODE MESSAGE COMMAND...: with that exit status, that one line, and no results.
refuses() {
    what=$1 wanted=$2 message=$3
    shift 3
    run "$@"
    if [ $code -eq "$wanted" ] && [ "$(cat err)" = "rmfer: error: $message" ] && [ ! -s out ]; then pass; else
        fail "$what: exit $code"
    fi
}
# prints WHAT LINES: that is all that the last command printed as its result.
prints() {
    if [ "$(cat out)" = "$2" ]; then pass; else fail "$1: printed something else than $2"; fi
}
# The values of a column of --csv.
column() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
                          { print $at }' "${2:-out}"
}
# The files that the rows of --csv name.
files() { column file | tr '\n' ' '; }
# face N [FILE]: the Nth row's eight probabilities; distance A B: their largest difference.
face() { awk -F, -v row="$1" 'NR == row + 1 { for (i = 12; i <= 19; i++) print $i }' "${2:-out}"; }
distance() {
    { echo "$1"; echo "$2"; } | awk '{ v[NR] = $1 }
        END { if (NR != 16) { print 9; exit }
              for (i = 1; i <= 8; i++) { d = v[i] - v[i + 8]; if (d < 0) d = -d; if (d > most) most = d }
              print most + 0 }'
}
below() { awk "BEGIN { exit !($1 < $2) }"; }

# The kinds that this rmfer reads, from its own message.
read=$(predict text.jpg 2>&1 | sed -n 's/.*not a picture (\(.*\) are read)$/\1/p')

# ---- the table
check "a picture alone" predict two.png
holds "it is one face" grep -q -E '^two\.png +([A-Z][a-z]+ +[0-9.]+ % *){3}$' out
cp two.png 'é€.png'
predict two.png 'é€.png' >out 2>err
holds "names stand in a column by their characters" test "$(sed 's/^é€\./xx./; s/[A-Z].*//' out | awk '{ print length($0) }' | sort -u | wc -l)" -eq 1
rm 'é€.png'
check "pictures with a detector" faces two.png none.png
holds "a line a face" test "$(wc -l <out)" -eq 3
holds "the first face" grep -q '^two\.png .* %   at 56,20  24x32  score 1\.00$' out
holds "the second face" grep -q '^two\.png .* %   at 112,68  24x32  score 1\.00$' out
holds "a picture without faces" grep -q '^none\.png  *no face$' out
holds "a summary is said, and nothing else" test "$(sed 's/[0-9.]* s ([0-9.]* /S s (F /' err)" = \
    "2 pictures, 2 faces in S s (F faces/s)
$(awk '{ count[$2]++ } NR < 3 { n++ } END { for (name in count) if (name != "no") printf "%s %.1f %%\n", name, 100 * count[name] / n }' out | sort -k 2nr |
    paste -s -d , | sed 's/,/, /g')"
check "--quiet" faces --quiet two.png none.png
holds "says nothing" test ! -s err
check "one picture" faces two.png
holds "needs no summary" test ! -s err
check "--top" faces --top 1 two.png
holds "one expression a face" test "$(grep -c -E '^two\.png +[A-Z][a-z]+ +[0-9.]+ %   at ' out)" -eq 2
check "--top beyond the classes" predict --top 50 two.png
holds "all expressions" test "$(grep -o '%' out | wc -l)" -eq 8

for format in json csv; do
    refuses "--top with --$format" 2 "--top is for the table and for --annotate's pictures: --json and --csv have every expression" \
        predict --top 2 --$format two.png
done
check "--top of the pictures beside --csv" faces --top 2 --csv --annotate topped two.png

# ---- JSON
check "--json" faces --json two.png none.png
holds "a line a picture" test "$(wc -l <out)" -eq 2
holds "faces in it" grep -q '^{"file": "two.png", "faces": \[{"box": \[56, 20, 24, 32\], "score": [0-9.]*, "l' out
holds "no faces in it" grep -q '^{"file": "none.png", "faces": \[\]}$' out
cp two.png 'a "strange", name.png'
ends "--json with files that cannot be read" 1 faces --json 'a "strange", name.png' two.png text.jpg nothing.jpg \
    none.png
cp out detected.json
ends "--json without a detector" 0 predict --json two.png
cp out whole.json
cat >check.py <<'END'
import json
names = ["Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt"]
lines = [json.loads(line) for line in open("detected.json")] + [json.loads(line) for line in open("whole.json")]
strange, two, text, missing, none, whole = lines
assert strange["file"] == 'a "strange", name.png' and strange["faces"] == two["faces"]
assert set(text) == set(missing) == {"file", "error"} and text["file"] == "text.jpg"
assert missing["error"] == "No such file or directory", missing
assert none == {"file": "none.png", "faces": []}
assert [face["box"] for face in two["faces"]] == [[56, 20, 24, 32], [112, 68, 24, 32]]
assert len(whole["faces"]) == 1 and whole["faces"][0]["box"] is None and whole["faces"][0]["score"] is None
for face in two["faces"] + whole["faces"]:
    assert list(face) == ["box", "score", "label", "confidence", "probabilities"]
    shares = face["probabilities"]
    assert list(shares) == names and abs(sum(shares.values()) - 1) < 1e-5
    assert face["confidence"] == max(shares.values()) == shares[face["label"]]
assert all(0.99 < face["score"] <= 1 for face in two["faces"])
END
if python3 -c '' 2>/dev/null; then check "the JSON is as promised" python3 check.py; else
    skip "no python3 to read the JSON lines"
fi

# ---- CSV
ends "--csv" 1 faces --csv two.png text.jpg none.png 'a "strange", name.png'
holds "its header" test "$(head -n 1 out)" = "file,frame,time,face,x,y,width,height,score,label,confidence,$(
    )Neutral,Happiness,Sadness,Surprise,Fear,Disgust,Anger,Contempt,error"
holds "a row a face" test "$(grep -c '^two\.png,,,[01],' out)" -eq 2
holds "its box" grep -q '^two\.png,,,1,112,68,24,32,[0-9.]*,[A-Z][a-z]*,0\.' out
holds "names are quoted" grep -q '^"a ""strange"", name\.png",,,0,56,20,24,32,' out
holds "a picture without a face has its row" grep -q '^none\.png,\{19\}$' out
holds "an error has its row" grep -q "^text\\.jpg,\\{18\\},\"not a picture ($read are read)\"$" out
holds "all rows are equally long" test "$(grep -v -e strange -e "not a picture" out | awk -F, '{ print NF }' | sort -u)" = 20
check "--csv without a detector" predict --csv two.png
holds "no box" grep -q '^two\.png,,,0,,,,,,[A-Z]' out
cp out whole.csv

# ---- names of any bytes come back from what is written of them
mkdir hostile
while read -r name; do cp two.png "hostile/$(printf -- "$name")"; done <<'END'
caf\351.png
a,b "c".png
two\nlines.png
back\\x41slash.png
\033[2J.png
\303\244.png
-dash.png
=1+1.png
\302\233.png
END
run faces --csv hostile
cp out hostile.csv
holds "all are read" test "$code $(head -n 1 err | cut -d ' ' -f 1-4)" = "0 9 pictures, 18 faces"
holds "no escape reaches a terminal" test "$(tr -cd '\033\177' <out | wc -c)" -eq 0
run faces --json hostile
cp out hostile.json
cat >check.py <<'END'
import csv, json, os, re
def name(text): return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())
true = sorted(os.path.join(b"hostile", name) for name in os.listdir(b"hostile"))
assert len(true) == 9
rows = list(csv.DictReader(open("hostile.csv", encoding="utf-8", newline=""), strict=True))
lines = [json.loads(line) for line in open("hostile.json", encoding="utf-8")]
assert [name(row["file"]) for row in rows[::2]] == true, rows
assert [name(line["file"]) for line in lines] == true, lines
assert "hostile/ä.png" in [line["file"] for line in lines], "a name of UTF-8 stays as it is"
END
if "$PYTHON" -c '' 2>/dev/null; then check "every name comes back" "$PYTHON" check.py; else
    skip "no python3 to read hostile names"
fi
cp two.png ./-dash.png
check "a name that begins with a dash" faces --csv -- -dash.png
holds "is its name" test "$(files)" = "-dash.png -dash.png "
ends "a name that is not there" 1 faces --csv "$(printf 'n\351,x\033.png')"
holds "is escaped too" grep -q '^"n\\xe9,x\\x1b\.png",\{19\}No such file or directory$' out

# ---- the filter decides what the network sees, not the decoder: one picture, one answer
check "a large JPEG" predict --csv wide.jpg
sed 's/^wide\.jpg//' out >wide.csv
check "the same while it is drawn" predict --csv --annotate drawn-wide wide.jpg
holds "gives the same" test "$(sed 's/^wide\.jpg//' out)" = "$(cat wide.csv)"
check "a PNG of its pixels" predict --csv wide.png
holds "gives the same too" test "$(sed 's/^wide\.png//' out)" = "$(cat wide.csv)"

# ---- inputs
check "a folder" predict --csv tree
holds "its pictures in order, of folders in it too" test "$(files)" = "tree/a/y.jpg tree/a/z.png tree/b.png "
says "a folder" "tree: left out: HEIF or AVIF (1) ($read are read)"
check "a pattern" predict --csv '[nt]*o*[en].png' 'tw?.png' 't*e/*.png'
holds "what it fits" test "$(files)" = "none.png two.png tree/b.png "
ends "a pattern that fits nothing" 1 predict --csv 'q*.png' two.png
says "it" '^q\*\.png,.*,no file has a name like this$'
holds "the rest is done" grep -q '^two\.png,' out
printf '\n  two.png \r\ntree\n\nnone.png' >list
run predict --csv - noise.jpg <list
holds "a list on standard input" test "$(files)" = \
    "two.png tree/a/y.jpg tree/a/z.png tree/b.png none.png noise.jpg "
printf 'two.png\0none.png\0' >list
run predict --csv --null - <list
holds "a list separated by NUL" test "$code $(files)" = "0 two.png none.png "
run predict - <list
holds "that is not asked for" test "$code $(cat err)" = \
    "1 rmfer: error: standard input: not a list of paths (for a list separated by NUL there is --null)"
printf '\357\273\277two.png\nnone.png\n' >list
run predict --csv - <list
holds "a byte-order mark in front of a list" test "$code $(files)" = "0 two.png none.png "
for mark in '\377\376t\000\n\000' '\376\377\000t\000\n'; do
    printf "$mark" >list
    run predict - <list
    holds "a list in UTF-16" test "$code $(cat err)" = \
        "1 rmfer: error: standard input: not a list of paths in UTF-8, but in UTF-16"
done
run predict - </dev/null
holds "an empty list" test "$code$(cat out err)" = 0
tar -cf shard.tar two.png
printf '\000\000\000\030ftypisom\000\000\002\000' >box.mp4
tar -cf films.tar box.mp4
refuses "a video in a tar file" 1 "films.tar#512: a video, where only pictures are read" predict films.tar#512
check "a picture in a tar file" predict --csv shard.tar#512
holds "is the same picture" test "$(face 1)" = "$(face 1 whole.csv)"
cp shard.tar 's[1].tar'
check "a tar file of a pattern's name" predict --csv 's[1].tar#512'
holds "is that file" test "$(files)" = "s[1].tar#512 "
ends "none of that name" 1 predict --csv 't[1].tar#512'
says "it" 'no file has a name like this$'
tar -rf shard.tar none.png
next=$(((($(wc -c <two.png) + 511) / 512 + 1) * 512))
check "members with --annotate" predict --annotate drawn-members shard.tar#512 "shard.tar#$next" shard.tar#512
holds "are named by their places" test "$(ls drawn-members | tr '\n' ' ')" = "shard-$next.jpg shard-512-2.jpg shard-512.jpg "
check "EXIF orientation" faces --csv turned.jpg
holds "is obeyed" grep -q '^turned\.jpg,,,0,56,20,24,32,' out

# ---- who reads along, and who says nothing
mkfifo answers
# What was answered is read before the list goes on.
( echo none.png; read -r line && echo "$line" >along; echo two.png ) <answers | timeout 60 \
    "$RMFER" predict --quiet --checkpoint tiny.safetensors --detector squares.onnx --json --batch 1 - >answers 2>err
holds "a picture without faces is written at once" grep -q '"none.png".*"faces": \[\]' along
mkfifo silent
mkdir already && cp two.png already/
exec 3<>silent
run timeout 60 "$RMFER" predict --quiet --checkpoint tiny.safetensors --features no/such.npy - <silent
holds "an error does not wait for standard input" test "$code $(cat err)" = \
    "1 rmfer: error: no/such.npy: cannot be written: No such file or directory"
echo two.png >&3
run timeout 60 "$RMFER" predict --quiet --checkpoint tiny.safetensors --annotate already --batch 1 - <silent
holds "nor does one behind its first line" test "$code $(cat err)" = \
    "1 rmfer: error: already/two.png: is there already; name another folder, or replace it by --force"
run timeout 60 "$RMFER" predict --quiet --checkpoint tiny.safetensors --features silent two.png
exec 3>&-
holds "--features into a pipe" test "$code $(cat err)" = "1 rmfer: error: silent: the array's length, known at the end, $(
    )goes to its beginning, where a pipe has none"

# ---- pictures and videos through a pipe
piped() { run sh -c 'files=$1; shift; cat $files | "$RMFER" predict --checkpoint tiny.safetensors "$@" -' sh "$@"; }
check "pictures as files" faces --csv two.png none.png turned.jpg
sed 's/^[a-z]*\.[a-z]*,,,//' out >as_files
piped "two.png none.png turned.jpg" --detector squares.onnx --csv
holds "pictures through a pipe give the same" test "$code $(sed 's/^-,[0-9]*,,//' out | cmp - as_files)" = "0 "
holds "and are frames without times" test "$(column frame | tr '\n' ' ')$(column time | tr -d '\n')" = "0 0 1 2 "
piped "two.png none.png turned.jpg" --json
holds "so they are as JSON" test "$(grep -c '^{"file": "-", "frame": [012], "time": null, "faces": \[{' out)" -eq 3
piped "two.png none.png turned.jpg two.png" --csv --every 3
holds "every third of them" test "$code $(column frame | tr '\n' ' ')" = "0 0 3 "
piped "two.png two.png" --every 0.5s
holds "they have no times" test "$code $(cat err)" = \
    "1 rmfer: error: -: pictures in a pipe have no times: --every takes a number of frames here"
piped "none.png two.png cut.jpg" --csv
holds "the last one cut short is told" test "$code $(column error | tr '\n' ,)" = "1 ,,the stream ends within this picture,"
piped "none.png list two.png" --csv
holds "so is what is no picture" test "$code $(column error | tr '\n' ,)" = \
    "1 ,bytes that begin no picture were passed over,,"
piped "none.png two.png" --annotate drawn-pipe
holds "--annotate names them" test "$code $(ls drawn-pipe/stdin | tr '\n' ' ')" = "0 frame_00000000.jpg frame_00000001.jpg "
piped "$tests/fuzz/fuzz_image/bmp_565.bmp" --csv
holds "another kind is one picture" test "$code $(files)" = "0 - "
piped picture.heic
holds "or is named" test "$code $(cat err)" = "1 rmfer: error: -: not supported: HEIF or AVIF ($read are read)"
piped "two.png none.png" --detector squares.onnx --track --smooth 1
holds "no smoothing without times" grep -q 'smooth.*times' err

# ---- a picture is what its bytes are
mkdir kinds foreign
cp noise.jpg kinds/a.bmp && cp noise.jpg kinds/b.heic && cp two.png kinds/c.TIF && cp picture.heic kinds/d.jpg
check "names that lie" predict --csv kinds
holds "the bytes decide" test "$(files)" = "kinds/a.bmp kinds/b.heic kinds/c.TIF "
says "what is left out" "kinds: left out: HEIF or AVIF (1) ($read are read)"
holds "it is the same picture" test "$(face 3)" = "$(face 1 whole.csv)"
cp picture.heic foreign/a.heic && cp picture.heic foreign/b.png && printf '8BPS' >foreign/c.psd
refuses "a folder of nothing that is read" 1 "foreign: no pictures in this folder that are read ($read are); $(
    )left out: HEIF or AVIF (2), Photoshop (1)" predict foreign
for kind in BMP:bmp_565.bmp TIFF:tiff_lzw.tif GIF:gif_animated.gif WebP:webp_alpha.webp; do
    example=$tests/fuzz/fuzz_image/${kind#*:}
    case $read in
    *${kind%%:*}*)
        check "a ${kind%%:*}" predict --csv "$example"
        holds "it is one face" test "$(column face)" = 0 ;;
    *)
        refuses "a ${kind%%:*}" 1 "$example: not supported: ${kind%%:*} ($read are read)" predict "$example"
        skip "${kind%%:*}, which this rmfer was built without" ;;
    esac
done

# ---- videos
run faces --csv --every 3 clip.avi two.png
if grep -q 'built without FFmpeg' out; then
    skip "videos, as this rmfer was built without FFmpeg"
    holds "the rest is done" test "$code $(grep -c '^two\.png,' out)" = "1 2"
else
    holds "every third frame" test "$(grep -c '^clip\.avi,' out)" -eq 4
    holds "with its time and box" grep -q '^clip\.avi,6,1\.5,0,56,28,24,32,' out
    holds "and the picture after it" test "$code $(grep -c '^two\.png,' out)" = "0 2"
    check "--every in seconds" faces --csv --every 0.6s clip.avi
    holds "is the first frame at or after each time" test "$(column frame | tr '\n' ' ')" = "0 3 5 8 "
    check "--json of a video" faces --json clip.avi
    holds "is summed up" grep -q '^1 file, 10 pictures, 10 faces in ' err
    holds "has every frame" test "$(wc -l <out)" -eq 10
    holds "its number and time" grep -q '^{"file": "clip.avi", "frame": 9, "time": 2.25, "faces": \[{"box": \[80, 28, ' out
    check "a table of a video" faces clip.avi
    holds "has times" grep -q '^clip\.avi  *2\.25 s .* at 80,28 ' out
    check "a video as a file" faces --csv --every 0.6s clip.avi
    sed 's/^clip\.avi/-/' out >as_file
    piped clip.avi --detector squares.onnx --csv --every 0.6s
    holds "gives the same through a pipe" cmp out as_file
    run sh -c '"$RMFER" predict --checkpoint tiny.safetensors --detector squares.onnx --csv --every 0.6s - <clip.avi'
    holds "and as standard input" cmp out as_file
    piped cut.avi --csv
    holds "cut short it is told" test "$code $(column error | cut -c 1-25)" = "1 no frame could be decoded"
    check "--track" faces --csv --track clip.avi two.png
    holds "one face keeps its number" test "$(grep '^clip' out | sed 's/.*,//' | sort | uniq -c | tr -d ' \n')" = 100
    holds "a picture has none" test "$(grep '^two' out | sed 's/.*,//' | tr -d '\n')" = ""
    cp out plain.csv
    check "--smooth" faces --csv --track --smooth 60 clip.avi
    holds "is the mean so far" test "$(awk -F, '/^clip/ { if (FNR == NR) { n++; sum += $12; mean[n] = sum / n }
        else { m++; d = mean[m] - $12; if (d > 2e-6 || d < -2e-6) bad++ } } END { print n, m, bad + 0 }' plain.csv out)" = \
        "10 10 0"
    check "--track as JSON" faces --json --track clip.avi
    holds "has the number" grep -q '"score": [0-9.]*, "track": 0, "label"' out
    if command -v ffmpeg >/dev/null; then
        # Every kind that states how long it is, whole and cut; and what has fewer frames than it states, and is whole.
        ffmpeg -v error -y -i clip.avi -vf noise=alls=60:allf=t -c:v mpeg4 -g 20 -q:v 2 -movflags faststart whole.mp4
        ffmpeg -v error -y -i whole.mp4 -c copy whole.avi
        ffmpeg -v error -y -i whole.mp4 -c copy whole.mkv
        ffmpeg -v error -y -i whole.mp4 -c:v flv -q:v 2 whole.flv
        ffmpeg -v error -y -i clip.avi -vf 'select=not(between(n\,2\,7))' -vsync vfr -c:v mpeg4 gaps.avi
        ffmpeg -v error -y -ss 1.3 -i whole.mp4 -c copy -movflags faststart edited.mp4
        for film in whole.mp4 whole.avi whole.mkv whole.flv gaps.avi edited.mp4; do
            check "$film" faces --csv "$film"
            holds "is whole" test "$(grep -c warning err)" -eq 0
            piped "$film" --csv
            holds "and through a pipe" test "$code $(grep -c warning err)" = "0 0"
        done
        for kind in mp4 avi mkv flv; do
            head -c $(($(wc -c <whole.$kind) / 2)) whole.$kind >half.$kind
            check "half of $kind" faces --csv half.$kind
            says "it" "warning: half\.$kind: breaks off: [0-9.]* of the 2\.[45] seconds that it states are not in it\$"
        done
        # MPEG's streams have no header, and are told by their bytes all the same, whatever they are called.
        ffmpeg -v error -y -i whole.mp4 -c:v mpeg2video -f mpegts transport.dat
        ffmpeg -v error -y -i whole.mp4 -c:v mpeg2video -f mpegts -mpegts_m2ts_mode 1 disc.dat
        ffmpeg -v error -y -i whole.mp4 -c:v mpeg2video -f mpeg2video raw.dat
        for film in transport.dat disc.dat raw.dat; do
            check "$film" faces --csv "$film"
            holds "is a video" test "$(wc -l <out)" -eq 11
            sed 's/^[a-z]*\.dat/-/' out >as_file
            piped "$film" --detector squares.onnx --csv
            holds "and the same through a pipe" cmp out as_file
        done
    else
        skip "videos that break off or have no header, without ffmpeg"
    fi
    ends "a video cut short" 1 faces --json cut.avi two.png
    holds "is reported" grep -q '^{"file": "cut.avi", "error": "' out
    holds "the rest is done" grep -q '^{"file": "two.png", "faces": ' out
fi

# ---- faces
check "the same in batches of one and one thread" faces --json --batch 1 --threads 1 two.png none.png two.png
cp out one.json
check "the same in a larger batch" faces --json --batch 4 --threads 2 two.png none.png two.png
holds "the same faces" test "$(grep -o '"box": [^]]*' one.json)" = "$(grep -o '"box": [^]]*' out)"
check "--crop square" faces --csv --crop square two.png
cp out square.csv
check "is the usual one" faces --csv two.png
holds "it is" cmp out square.csv
for how in box aligned; do
    check "--crop $how" faces --csv --crop $how two.png
    holds "--crop $how finds the same" test "$(column x) $(column y)" = "$(column x square.csv) $(column y square.csv)"
    holds "--crop $how sees it otherwise" below 0.0005 "$(distance "$(face 1)" "$(face 1 square.csv)")"
done
check "--margin" faces --csv --margin 1 two.png
holds "sees more around it" below 0.0005 "$(distance "$(face 1)" "$(face 1 square.csv)")"
# The larger of 24 x 1.31 and 32 is the side; so is that of 24 x 1.
check "--margin 0" faces --csv --margin 0 two.png
holds "leaves the box's height" cmp out square.csv
check "--min-face that is reached" faces --csv --min-face 24 two.png
holds "keeps both" test "$(column face | wc -l)" -eq 2
check "--min-face that is not" faces --csv --min-face 24.5 two.png
holds "keeps none" test "$(column face)$(column label)" = ""
check "--min-score" faces --csv --min-score 1 two.png
holds "keeps none" test "$(column face)$(column label)" = ""
check "--max-faces" faces --csv --max-faces 1 two.png
holds "keeps the best" test "$(column face | wc -l)" -eq 1
check "--detect-size" faces --csv --detect-size 40 two.png
holds "makes the squares too small" test "$(column face)$(column label)" = ""

# ---- probabilities
check "--temperature" predict --csv --temperature 2.5 two.png
tempered=$(face 1 whole.csv | awk '{ v[NR] = $1 ^ (1 / 2.5); sum += v[NR] }
                                   END { for (i = 1; i <= NR; i++) print v[i] / sum }')
holds "is softmax(logits / T)" below "$(distance "$tempered" "$(face 1)")" 0.00002
check "a mirror image" predict --csv mirrored.png
cp out mirrored.csv
holds "is another picture" below 0.0002 "$(distance "$(face 1 whole.csv)" "$(face 1 mirrored.csv)")"
{ face 1 whole.csv; face 1 mirrored.csv; } |
    awk '{ v[NR] = $1 } END { for (i = 1; i <= 8; i++) { m[i] = sqrt(v[i] * v[i + 8]); sum += m[i] }
                              for (i = 1; i <= 8; i++) print m[i] / sum }' >mean
check "--flip" predict --csv --flip two.png mirrored.png
holds "takes the mean of the logits" below "$(distance "$(cat mean)" "$(face 1)")" 0.00002
holds "and is the same for a mirror image" below "$(distance "$(face 1)" "$(face 2)")" 0.00001

# ---- other files
check "--annotate" faces --annotate drawn two.png none.png turned.jpg tree two.png
for name in two.png two-2.png none.png turned.jpg b.png a/y.jpg a/z.png; do
    holds "drawn/$name is written" test -s "drawn/$name"
done
holds "a picture without faces stays as it is" test "$(predict --csv none.png | tail -n 1)" = \
    "$(cd drawn && "$RMFER" predict --checkpoint ../tiny.safetensors --csv none.png | tail -n 1)"
if "$PYTHON" -c 'import PIL' 2>/dev/null; then
    check "boxes are drawn" "$PYTHON" - <<'END'
from PIL import Image
before, after = Image.open("two.png").convert("RGB"), Image.open("drawn/two.png").convert("RGB")
assert before.size == after.size == (160, 120)
changed = [(x, y) for x in range(160) for y in range(120) if before.getpixel((x, y)) != after.getpixel((x, y))]
for x, y, width, height in (56, 20, 24, 32), (112, 68, 24, 32):
    frame = [(x, y + height // 2), (x + width - 1, y + height // 2), (x + width // 2, y + height - 1)]
    colours = {after.getpixel(point) for point in frame}
    assert len(colours) == 1 and max(colours.pop()) > 60, (frame, colours)
assert all(45 <= x and 5 <= y < 110 for x, y in changed), "far from any face"
turned = Image.open("drawn/turned.jpg")
assert turned.size == (160, 120) and turned.getexif().get(0x112, 1) == 1
END
else
    skip "the pixels of --annotate, as $PYTHON has no PIL"
fi
cp two.png kept.png
refuses "--annotate over the picture itself" 1 \
    './two.png: --annotate would write over the picture itself; name another folder' predict --annotate . two.png
holds "which is whole" cmp two.png kept.png

# ---- nothing is written over
mkdir one two && cp two.png one/same.png && cp none.png two/same.png && cp two/same.png kept-same.png
ends "--annotate where an input stands" 1 predict --annotate two one/same.png two/same.png
says "it" 'two/same\.png: is there already; name another folder, or replace it by --force'
holds "the input is whole" cmp two/same.png kept-same.png
mkdir linked && cp two.png target.png && ln -s ../target.png linked/none.png && ln -s ../tree linked/a
ends "--annotate where a link stands" 1 predict --annotate linked none.png
holds "what it leads to is whole" cmp target.png two.png
ends "--annotate below a link" 1 predict --annotate linked tree
says "it" 'linked/a: is a link, which --annotate does not follow'
mkdir -p nested/a/deep && cp two.png nested/a/deep/x.png
ends "--annotate far below a link" 1 predict --annotate linked nested
says "it" 'linked/a: is a link, which --annotate does not follow'
holds "and nothing is made where it leads" test ! -e tree/deep
check "--annotate --force" predict --force --annotate linked none.png
holds "replaces the link" test -f linked/none.png -a ! -h linked/none.png
holds "and not what it leads to" cmp target.png two.png
refuses "--annotate --force into the folder of a picture" 2 \
    'two/same.png: is in the folder that --annotate writes to, and --force might write over it: name another folder' \
    predict --force --annotate two one/same.png two/same.png
holds "which is whole" cmp two/same.png kept-same.png
refuses "--annotate --force into a folder above a picture's" 2 \
    'two/same.png: is in the folder that --annotate writes to, and --force might write over it: name another folder' \
    predict --force --annotate . two/same.png
kept_over() { echo "$1: is in the folder that results go to, and might be written over: name another folder"; }
mkdir -p forced/in forced/out/below && cp none.png forced/in/x.png && cp two.png forced/out/x.png
cp two.png forced/out/below/x.png && ln -s ../out/x.png forced/in/y.png && cp two.png forced/in/z.png
printf 'forced/in/x.png\nforced/out/x.png\nforced/out/below/x.png\nforced/in/z.png\n' >list
run predict --force --annotate forced/out --batch 1 - <list
holds "--annotate --force spares what a list names" cmp forced/out/below/x.png two.png
holds "and does the others" test "$code $(cut -d ' ' -f 1 out | tr '\n' ' ')" = "1 forced/in/x.png forced/in/z.png "
holds "and tells of each" test "$(sed -n 's/^rmfer: error: //p' err)" = \
    "$(kept_over forced/out/x.png; kept_over forced/out/below/x.png)"
cp two.png forced/out/x.png
ends "--annotate --force where a folder's link leads" 1 predict --force --annotate forced/out forced/in
says "it" "$(kept_over forced/in/y.png)"
mkdir forced/out/again && cp two.png forced/out/again/x.png && rm forced/in/y.png
ends "--annotate --force where a pattern leads" 1 predict --force --annotate forced/out 'forced/*/again/*.png' forced/in
says "it" "$(kept_over forced/out/again/x.png)"
cp two.png forced/out/below/new.png
check "without --force such a picture is read" predict --annotate forced/out 'forced/out/below/n*.png'
holds "and drawn" test -s forced/out/new.png
if ! grep -q 'built without FFmpeg' as_file 2>/dev/null && [ -f as_file ]; then
    cp clip.avi forced/out/
    check "no picture replaces a video" predict --force --annotate forced/out --every 5 forced/out/clip.avi
fi
echo two.png >list
run predict --force --annotate . - <list
holds "--annotate --force over the picture itself" test "$code $(cat err)" = "1 rmfer: error: $(kept_over two.png)"
holds "which is whole" cmp two.png kept.png
long=$(printf '%0232d' 0)
check "a name of 236 bytes" sh -c "mkdir long && cp none.png long/$long.png"
check "--annotate --force of it" predict --force --annotate long-out --features "$long.npy" long
holds "replaces what is there" sh -c "rm $long.npy && '$RMFER' predict --quiet --checkpoint tiny.safetensors --force \
    --annotate long-out --features $long.npy long >table && test -s $long.npy -a -s long-out/$long.png"
refuses "--features over a picture" 2 'two.png: is read here, and would be written over: take another name' predict --features two.png two.png
cp shard.tar kept.tar
refuses "--features over a tar file" 2 'shard.tar: is read here, and would be written over: take another name' \
    predict --features shard.tar shard.tar#512
echo shard.tar#512 >members
run predict --features shard.tar - <members
holds "named in a list too" test $code -eq 2
holds "which is whole" cmp shard.tar kept.tar
mkdir over && cp two.png none.png over/ && cp two.png over/kept
ends "--features over a picture of a folder" 2 predict --quiet --features over/two.png over
says "it" 'over/two.png: is read here, and would be written over: take another name'
holds "which is whole" cmp over/two.png over/kept
cp tiny.safetensors looked-up.safetensors
ends "--features over the model that was looked up" 2 env RMFER_MODEL=looked-up.safetensors \
    "$RMFER" predict --quiet --features looked-up.safetensors two.png
says "it" 'looked-up.safetensors: is read here'
cp squares.onnx looked-up.onnx
ends "--features over the detector that was looked up" 2 env RMFER_DETECTOR=looked-up.onnx \
    "$RMFER" predict --quiet --checkpoint tiny.safetensors --features looked-up.onnx two.png
says "it" 'looked-up.onnx: is read here'
holds "both are whole" sh -c 'cmp looked-up.safetensors tiny.safetensors && cmp looked-up.onnx squares.onnx'
echo two.png >names
run predict --features names - <names
holds "--features over the list on standard input" test "$code $(cat names)" = "2 two.png"

# ---- what --annotate writes is not read again
mkdir -p within/b && cp two.png within/a.png && cp none.png within/b/c.png
check "--annotate into a folder of the folder that is searched" predict --csv --annotate within/b/out within
holds "reads what was there" test "$(files)" = "within/a.png within/b/c.png "
check "and again, over what it wrote" predict --csv --force --annotate within/b/out within
holds "reads the same" test "$(files)" = "within/a.png within/b/c.png "
check "by a pattern too" predict --csv --force --annotate within/b/out 'within/*' 'within/b/o*'
holds "reads the same" test "$(files)" = "within/a.png within/b/c.png "
printf 'within/a.png\nwithin/b/out\n' >list
run predict --csv --force --annotate within/b/out - <list
holds "by a list it is told" test "$code $(files)$(cat err)" = \
    "0 within/a.png rmfer: warning: within/b/out: is where results are written, and is passed over"
refuses "--annotate into the folder that is searched" 2 \
    './within: is where --annotate writes, and cannot be searched too: name another folder' predict --annotate within ./within
mkdir -p apart/A apart/B/x.png/deep && cp two.png apart/A/x.png && cp two.png apart/B/x.png/y.png
cp two.png apart/B/x.png/deep/z.png
check "a picture, then a folder of its name" predict --annotate apart/out apart/A apart/B none.png
holds "do not meet" test "$(cd apart/out && find . -type f | sort | tr '\n' ' ')" = \
    "./none.png ./x.png ./x.png-2/deep/z.png ./x.png-2/y.png "
check "a folder, then a picture of its name" predict --annotate apart/out-2 apart/B apart/A none.png
holds "do not meet either" test "$(cd apart/out-2 && find . -type f | sort | tr '\n' ' ')" = \
    "./none.png ./x-2.png ./x.png/deep/z.png ./x.png/y.png "
rm apart/B/x.png/y.png
check "nor does one that only folders are in" predict --annotate apart/out-3 apart/B apart/A
holds "as it is named" test "$(cd apart/out-3 && find . -type f | sort | tr '\n' ' ')" = "./x-2.png ./x.png/deep/z.png "
i=0
while [ $i -lt 300 ]; do echo none.png; echo none-2.png; i=$((i + 1)); done >list
cp none.png none-2.png
run predict --annotate many - <list
holds "equal names are told apart" test "$code $(ls many | sort -u | wc -l)" = "0 600"

if ! grep -q 'built without FFmpeg' as_file 2>/dev/null && [ -f as_file ]; then
    mkdir meet meet/clip meet/again && cp clip.avi meet/ && cp clip.avi meet/again/ && cp none.png meet/clip/frame_00000001.jpg
    cp none.png meet/clip/other.png
    frames() { for folder in "$@"; do echo "./$folder/frame_00000000.jpg"; echo "./$folder/frame_00000005.jpg"; done; }
    check "a video, then a folder of its name" predict --annotate met --every 5 clip.avi meet
    holds "do not meet" test "$(cd met && find . -type f | sort)" = \
        "$( (frames again/clip clip clip-2; echo ./clip/frame_00000001-2.jpg; echo ./clip/other.png) | sort)"
    check "a folder, then videos of its name" predict --annotate met-2 --every 5 meet clip.avi
    holds "do not meet either" test "$(cd met-2 && find . -type f | sort)" = \
        "$( (frames again/clip clip-2 clip-3; echo ./clip/frame_00000001.jpg; echo ./clip/other.png) | sort)"
    mkdir like && cp clip.avi like/clip.png.avi && cp two.png like/clip.png
    check "a picture, then a video whose name begins so" predict --annotate met-3 --every 5 like/clip.png like/clip.png.avi
    holds "are apart" test "$(cd met-3 && find . -type f | sort)" = "$(echo ./clip.png; frames clip.png-2)"
    check "a video, then a picture" predict --annotate met-4 --every 5 like/clip.png.avi like/clip.png
    holds "are apart too" test "$(cd met-4 && find . -type f | sort)" = "$(echo ./clip-2.png; frames clip.png)"
fi

# ---- results do not depend on time
i=0
while [ $i -lt 6 ]; do echo two.png; echo none.png; i=$((i + 1)); done >list
run faces --json --batch 3 - <list
cp out at_once
run sh -c 'while read -r line; do echo "$line"; sleep 0.06; done <list |
    "$RMFER" predict --checkpoint tiny.safetensors --detector squares.onnx --json --batch 3 --threads 3 -'
holds "a slow list gives the same, to the last digit" cmp at_once out
mkdir timing
i=10
while [ $i -lt 40 ]; do # other sizes, other times, other numbers of faces
    for name in two.png noise.jpg turned.jpg none.png two.png none.png; do
        i=$((i + 1))
        ln $name timing/$i-$name
    done
done
library=$(dirname "$fixtures")/libfaults.so
[ -f "$library" ] || library=
# same_bytes WHAT OPTION...: whatever the threads and the delays.
same_bytes() {
    what=$1
    shift
    check "$what" "$RMFER" predict "$@" --json --embedding --threads 1 timing
    holds "$what: all are done" test "$(wc -l <out)" -eq 30
    cp out timing.json
    for i in 1 2 3 4 5; do
        run env ${library:+LD_PRELOAD="$library" FAULT_DELAY=$i} "$RMFER" predict "$@" --json --embedding \
            --threads $((i % 4 + 1)) timing
        holds "$what, $((i % 4 + 1)) threads, delays $i: the same bytes" cmp out timing.json
    done
}
same_bytes "pictures with none, one or two faces" --checkpoint tiny.safetensors --detector squares.onnx --pose --batch 4
# And with a network as large as people use.
same_bytes "the model in the box" --checkpoint "$tests/../models/ferplus-b0.safetensors" --batch 8
[ -n "$library" ] || skip "delays, as there is no libfaults.so in this build"

# ---- how far it is
if command -v script >/dev/null; then
    cat >slow.sh <<'END'
rm -f seen
{
    echo none.png
    while [ ! -s seen ]; do sleep 0.05; done # until it is at work, however slow the machine
    i=0
    while [ $i -lt 8 ]; do echo none.png; i=$((i + 1)); sleep 0.1; done
} | "$RMFER" predict --checkpoint tiny.safetensors --batch 1 $1 - >seen
END
    run script -qec "sh slow.sh" typescript
    holds "on a terminal a line is redrawn" test "$(tr '\r' '\n' <typescript | grep -c ' pictures, .*faces/s')" -gt 2
    run script -qec "sh slow.sh --quiet" typescript
    holds "not with --quiet" test "$(grep -c 'faces/s' typescript)" -eq 0
    run script -qec "sh slow.sh 2>plain" typescript
    holds "nor elsewhere" test "$(grep -c 'faces/s' typescript) $(tr '\r' '\n' <plain | grep -c 'faces/s')" = "0 1"
else
    skip "the line on a terminal, as there is no script to make one"
fi

ends "--features" 1 faces --features faces.npy text.jpg two.png none.png two.png
header=$(head -c 128 faces.npy | tr -cd ' -~')
columns=$(echo "$header" | sed -n "s/.*{'descr': '<f4', 'fortran_order': False, 'shape': (4, \([0-9]*\)), } *$/\1/p")
holds "has a row a face" test -n "$columns"
holds "and all of its rows" test "$(wc -c <faces.npy)" -eq $((128 + 4 * 4 * ${columns:-0}))
tail -c +129 faces.npy | od -A n -v -t f4 -w$((4 * ${columns:-1})) >rows
holds "the same face has the same features" test "$(sed -n 1,2p rows)" = "$(sed -n 3,4p rows)"
holds "another one has others" test "$(sed -n 1p rows)" != "$(sed -n 2p rows)"
check "--embedding" faces --json --embedding two.png
sed 's/"embedding": /\n/g' out | sed -n 's/^\[\([^]]*\)\].*/\1/p' | tr -d ',' >embedded
holds "is the same features, to the last bit" test "$(awk '{ for (i = 1; i <= NF; i++) printf "%.9g ", $i; print "" }' embedded)" = \
    "$(sed -n 1,2p rows | awk '{ for (i = 1; i <= NF; i++) printf "%.9g ", $i; print "" }')"
refuses "--embedding in a table" 2 '--embedding needs --json (--features FILE writes an array of them)' \
    faces --embedding two.png
check "--features without a face" faces --features none.npy none.png
holds "is an empty array" grep -q -a "'shape': (0, $columns), }" none.npy
refuses "--features where nothing can be written" 1 'no/such/f.npy: cannot be written: No such file or directory' \
    predict --features no/such/f.npy two.png
if [ -c /dev/full ]; then
    predict two.png >/dev/full 2>err
    holds "a full disk is noticed" test "$? $(cat err)" = \
        "1 rmfer: error: standard output cannot be written: No space left on device"
else
    skip "a full disk, as there is no /dev/full"
fi

# ---- files that cannot be read
for order in "text.jpg two.png none.png" "two.png text.jpg none.png" "two.png none.png text.jpg"; do
    ends "of $order" 1 faces $order
    holds "the others are done" test "$(grep -c '^two\.png' out)$(grep -c '^none\.png' out)" = 21
    holds "the error is told" test "$(grep '^rmfer: ' err)" = "rmfer: error: text.jpg: not a picture ($read are read)
rmfer: warning: 1 of 3 could not be read"
done
refuses "a file that is not there" 1 'nothing.jpg: No such file or directory' predict nothing.jpg
refuses "a picture cut short" 1 'cut.jpg: damaged JPEG: Premature end of JPEG file' predict cut.jpg
refuses "an empty file" 1 'empty.jpg: the file is empty' predict empty.jpg
refuses "a kind that is not read" 1 "picture.heic: not supported: HEIF or AVIF ($read are read)" predict picture.heic
mkdir empty
refuses "an empty folder" 1 'empty: no pictures or videos in this folder' predict empty
ends "an empty folder as JSON" 1 predict --json empty
prints "it" '{"file": "empty", "error": "no pictures or videos in this folder"}'
refuses "100,000 x 100,000 pixels" 1 \
    'bomb.png: 100000 x 100000 pixels are more than the limit of 100 megapixels or 65500 a side' predict bomb.png
refuses "more than --max-megapixels" 1 \
    'large.png: 1200 x 1000 pixels are more than the limit of 1 megapixels or 65500 a side' \
    predict --max-megapixels 1 large.png
mkfifo pipe.png
refuses "a pipe" 1 'pipe.png: not a regular file' predict pipe.png

# ---- models
refuses "--features to standard output" 2 '--features -: the array is written to a file' predict --features - two.png
refuses "--force without --annotate" 2 '--force needs --annotate DIR' predict --force two.png
refuses "--null without a list" 2 '--null needs -, the list on standard input' predict --null two.png
refuses "no detector there" 1 'none.onnx: No such file or directory' predict --detector none.onnx two.png
refuses "a detector that is none" 1 'two.png: the model is cut short or not ONNX' predict --detector two.png two.png
refuses "no checkpoint there" 1 'none.safetensors: No such file or directory' \
    "$RMFER" predict --checkpoint none.safetensors two.png
refuses "a checkpoint of another program" 1 "squares.onnx: not a checkpoint of rmfer; $(
    )'rmfer import squares.onnx -o FILE.safetensors' makes one" "$RMFER" predict --checkpoint squares.onnx two.png
head -c 3000 tiny.safetensors >cut.safetensors
ends "a checkpoint cut short" 1 "$RMFER" predict --checkpoint cut.safetensors two.png
holds "names it" grep -q '^rmfer: error: cut\.safetensors: .*cut short' err
refuses "no picture" 2 'predict needs pictures, folders or videos, or - for standard input' predict
refuses "two kinds of output" 2 '--json and --csv: give one of them' predict --json --csv two.png
refuses "an unknown crop" 2 "crop 'round' is not known (square, box, aligned)" faces --crop round two.png
refuses "faces without a detector" 2 'options about faces need --detector FILE; without one each picture is a face' \
    predict --min-face 20 two.png
refuses "poses without a detector" 2 'options about faces need --detector FILE; without one each picture is a face' \
    predict --pose two.png
refuses "smoothing without tracks" 2 '--smooth needs --track' faces --smooth 1 two.png
refuses "--every nothing" 2 '--every 0: must be between 1 and 1e+09' predict --every 0 two.png
refuses "--every of no time" 2 '--every 0s: must be between 0.001s and 1e9s' predict --every 0s two.png
refuses "--every of neither" 2 '--every 0.5: not a number of frames, nor of seconds as in 0.5s' predict --every 0.5 two.png
refuses "a temperature of nothing" 2 '--temperature 0: must be between 0.001 and 1000' predict --temperature 0 two.png

# ---- real photos
yunet=$material/models/yunet_n_dynamic.onnx
if [ -n "$material" ] && [ -f "$yunet" ] && [ -d "$material/photos" ]; then
    photos=$material/photos
    check "real photos" predict --detector "$yunet" --csv "$photos/no_faces.jpg" "$photos/dogs.jpg" \
        "$photos/two_people.jpg"
    holds "two people have two faces" test "$(grep -c '/two_people\.jpg,,,[01],' out)" -eq 2
    holds "dogs and things have none" test "$(wc -l <out) $(grep -c '/\(dogs\|no_faces\)\.jpg,,,,,,,,,,,,*$' out)" = "5 2"
    check "head poses of real photos" predict --detector "$yunet" --csv --pose "$photos/bald_guys.jpg"
    column x >x; column y >y; column yaw >yaw; column roll >roll
    holds "who looks to the left and tilts so, who looks right, who tilts right and who not at all" test "$(paste x y yaw roll |
        awk '$1 > 60 && $1 < 80 && $2 > 1250 && $2 < 1280 { print 1, ($3 < -10 && $3 > -45 && $4 < -4) }
             $1 > 1780 && $1 < 1810 && $2 > 1280 { print 2, ($3 > 10 && $3 < 45 && $4 > 4) }
             $1 > 1440 && $1 < 1465 && $2 < 100 { print 3, ($3 > -10 && $3 < 15 && $4 > 4) }
             $1 > 1050 && $1 < 1070 && $2 > 710 && $2 < 730 { print 4, ($3 > -8 && $3 < 8 && $4 > -4 && $4 < 4) }' |
        sort | tr '\n' ' ')" = "1 1 2 1 3 1 4 1 "
    check "head poses as JSON" predict --detector "$yunet" --json --pose "$photos/astronaut.png" "$photos/no_faces.jpg"
    holds "are members of the face" grep -q '"pose": {"yaw": -\{0,1\}[0-9.]*, "pitch": -\{0,1\}[0-9.]*, "roll": [0-9.]*}}\]}$' out
    check "head poses in the table" predict --detector "$yunet" --pose "$photos/astronaut.png"
    holds "stand behind the box" grep -q 'score 0\.[0-9]*  yaw -\{0,1\}[0-9]*  pitch -\{0,1\}[0-9]*  roll [0-9]*$' out
else
    skip "real photos, as there are none beside the repository (RMFER_TEST_MATERIAL)"
fi

finish
