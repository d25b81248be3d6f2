#!/bin/sh
# What more cores would give: each kind of layer's time with one thread and with several, the part of it that does not get
# shorter (by Amdahl's law), and how many times as fast 16, 64 and 128 cores would be if nothing else stood in the way
# (memory does: docs/performance.md).   scripts/amdahl.sh [ROUNDS]
# Settings by environment: MODE (train; infer), ARCH (tf_efficientnet_b2), IMAGE_SIZE (260), BATCH (16), RUNS (3), THREADS (16;
# at most 8 a core), RMFER (./rmfer). Times are the processor's of the first thread, which does its share and all that is not
# shared out: with more threads than cores the share gets small, and what is not shared out shows. Two threads are run as
# well, as a check.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
mode=${MODE:-train} arch=${ARCH:-tf_efficientnet_b2} size=${IMAGE_SIZE:-260} batch=${BATCH:-16} runs=${RUNS:-3} threads=${THREADS:-16} rmfer=${RMFER:-./rmfer}
export OMP_WAIT_POLICY=passive # waiting is not working
[ -x "$rmfer" ] || { echo "$rmfer is not there: make it first" >&2; exit 1; }
results=$(mktemp)
trap 'rm -f "$results"' EXIT INT TERM
for round in $(seq "$rounds"); do
    for team in 1 2 "$threads"; do
        echo "round $round of $rounds, $team thread(s)" >&2
        "$rmfer" bench --mode "$mode" --arch "$arch" --image-size "$size" --batch "$batch" --runs "$runs" --threads "$team" --json |
            tr '{}' '\n\n' | awk -v threads="$team" '
                function number(key) { return match($0, "\"" key "\": *[0-9.eE+-]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
                /"forward_ms":/ {
                    kind = /conv_stem/ ? "stem" : /conv_head/ ? "head" : /\.se"/ ? "gates" : /conv_dw/ ? "depthwise" : \
                        /conv_pwl/ || /blocks\.0\.[0-9]*\.conv_pw"/ ? "projections" : "expansions"
                    print kind "|" threads "|" number("forward_ms") "|" number("backward_ms")
                }' | awk -F'|' '{ f[$1 "|" $2] += $3; b[$1 "|" $2] += $4 } END { for (k in f) print k "|" f[k] "|" b[k] }' >>"$results"
    done
done
echo "$mode, $arch, ${size}x$size, batch $batch, least of $rounds rounds in turns, ms an image"
awk -F'|' -v threads="$threads" '
    { key = $1 "|" $2; ms = $3 + $4; if (!(key in least) || ms < least[key]) least[key] = ms }
    function row(name, one, two, many,    serial, i, n, cores) {
        serial = (threads * many / one - 1) / (threads - 1) # of t(n) = t(1) (serial + (1 - serial) / n)
        serial = serial < 0 ? 0 : serial
        printf "| %s | %.2f | %.2f | %.2f | %.1f %% |", name, one, two, many, 100 * serial
        n = split("16 64 128", cores, " ")
        for (i = 1; i <= n; i++) printf " %.1f x |", 1 / (serial + (1 - serial) / cores[i])
        print ""
    }
    END {
        print "| part | 1 thread | 2 | " threads " | not shared out | 16 cores | 64 | 128 |"
        print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        n = split("stem expansions depthwise gates projections head", kinds, " ")
        for (i = 1; i <= n; i++) {
            if (least[kinds[i] "|1"] <= 0) continue
            row(kinds[i], least[kinds[i] "|1"], least[kinds[i] "|2"], least[kinds[i] "|" threads])
            one += least[kinds[i] "|1"]; two += least[kinds[i] "|2"]; many += least[kinds[i] "|" threads]
        }
        row("all", one, two, many)
    }' "$results"
