#!/bin/sh
# Runs one test program or script, prints its counts (and all it said, when it failed), and adds a line "PASSED FAILED SKIPPED
# NAME" to RESULTS. Usage: run_one.sh OUT RESULTS TEST
# A program speaks cmocka's language; a script prints "N passed, N failed, N skipped" as its last line.
out=$1 results=$2 test=$3
began=$(date +%s)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
case $test in
*.sh)
    name=$test
    sh "$test" >"$log" 2>&1
    code=$?
    line=$(tail -n 1 "$log")
    p=$(echo "$line" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
    f=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    s=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    [ -n "$f" ] || f=1
    ;;
*)
    name=${test#"$out"/tests/}
    "$test" >"$log" 2>&1
    code=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$log")
    s=$(grep -c '^\[  SKIPPED \] [a-z_0-9]*$' "$log")
    s=$((s / 2)) # each is named twice
    [ "$f" -gt 0 ] && f=$((f / 2)) && [ "$f" -eq 0 ] && f=1
    ;;
esac
p=${p:-0} s=${s:-0}
if [ $code -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
if [ "$f" -gt 0 ]; then cat "$log"; fi
grep -h '^skipped:' "$log"
seconds=$(($(date +%s) - began))
[ $seconds -ge 10 ] && seconds=", $seconds s" || seconds=
echo "$name: $p passed, $f failed, $s skipped$seconds"
echo "$p $f $s $name" >>"$results"
