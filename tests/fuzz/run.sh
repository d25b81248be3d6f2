#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS (10), from FUZZ_SEED (0 = another one each time). What crashes one is left in the current folder.
# The closing line counts the targets.
passed=0
for target in "$@"; do
    echo "== $(basename "$target")"
    corpus=$(mktemp -d)
    # Examples to start from stand beside the target's source, in NAME/.
    examples=$(dirname "$0")/$(basename "$target")
    [ -d "$examples" ] || examples=
    "$target" -seed="${FUZZ_SEED:-0}" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        -print_final_stats=1 "$corpus" $examples 2>"$corpus.log"
    code=$?
    grep -E 'number_of_executed_units|peak_rss' "$corpus.log"
    [ $code -eq 0 ] || { cat "$corpus.log"; rm -rf "$corpus" "$corpus.log"; echo "$passed passed, 1 failed"; exit 1; }
    rm -rf "$corpus" "$corpus.log"
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
