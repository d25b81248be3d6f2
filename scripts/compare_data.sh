#!/bin/sh
# From JPEG files to the network's input: rmfer and Pillow, one thread each, measured in turns on this machine, part by part.
#   scripts/compare_data.sh [ROUNDS]
# Settings by environment: PICTURES (a folder of .jpg files; 256x256 faces are drawn otherwise), IMAGE_SIZE (260), RMFER
# (./rmfer), PYTHON (python3 with PIL and numpy; Debian: python3-pil python3-numpy). Without these rmfer's figure stands alone.
# Milliseconds of a picture are the processor's, so that what else the machine does counts little.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
size=${IMAGE_SIZE:-260} rmfer=${RMFER:-./rmfer} python=${PYTHON:-/usr/bin/python3}
[ -x "$rmfer" ] || { echo "$rmfer is not there: make it first" >&2; exit 1; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT INT TERM
folder=${PICTURES:-}
if [ -z "$folder" ]; then
    "$rmfer" synth --size 256 --faces 64 --mashups 0 "$room/drawn" >/dev/null
    folder=$room/drawn/folder
fi
find "$folder" -name '*.jpg' | sort | head -n 64 >"$room/list"
[ -s "$room/list" ] || { echo "$folder has no .jpg files" >&2; exit 1; }
peer=yes
"$python" -c 'import PIL, numpy' 2>/dev/null || { echo "skipped: $python has no PIL and numpy (Debian: python3-pil python3-numpy)" >&2; peer=; }

# record WHO: reads a JSON line, appends "WHO|PART|MS" for each part.
record() {
    tr -d '\n' | awk -v who="$1" '
        function number(key) { return match($0, "\"" key "\": *[0-9.eE+-]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
        { for (i = split("decode resize augment normalise all", part, " "); i >= 1; i--) printf "%s|%s|%s\n", who, part[i], number(part[i]) }' >>"$room/results"
}
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    xargs "$rmfer" bench --mode data --image-size "$size" --threads 1 --json <"$room/list" | record rmfer
    [ -z "$peer" ] || xargs "$python" scripts/peer_pillow_data.py --image-size "$size" <"$room/list" | record Pillow
done
echo "$(wc -l <"$room/list") pictures to ${size}x$size, bicubic, one thread, medians of $rounds rounds in turns${peer:+; Pillow $("$python" -c 'import PIL; print(PIL.__version__)')}"
awk -F'|' '
    function median(key,    i, j, kept, list, count) {
        count = counts[key]
        for (i = 1; i <= count; i++) list[i] = values[key, i]
        for (i = 2; i <= count; i++) {
            kept = list[i]
            for (j = i - 1; j >= 1 && list[j] > kept; j--) list[j + 1] = list[j]
            list[j + 1] = kept
        }
        return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
    }
    { key = $1 "|" $2; values[key, ++counts[key]] = $3 + 0; if ($1 == "Pillow") peer = 1 }
    END {
        print "| part | rmfer, ms | Pillow, ms | ratio |"
        print "| --- | ---: | ---: | ---: |"
        for (i = 1; i <= split("decode resize augment normalise all", part, " "); i++) {
            own = median("rmfer|" part[i])
            other = peer ? median("Pillow|" part[i]) : 0
            printf "| %s | %.3f | %s | %s |\n", part[i], own, peer ? sprintf("%.3f", other) : "", peer ? sprintf("%.2f x", other / own) : ""
        }
        printf "| pictures/s a core | %.0f | %s | |\n", 1e3 / median("rmfer|all"), peer ? sprintf("%.0f", 1e3 / median("Pillow|all")) : ""
    }' "$room/results"
