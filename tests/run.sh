#!/bin/sh
# Runs every test program and tests/cli_*.sh, and adds their counts up. Usage: run.sh OUT PROGRAM...
# SCRIPTS names other scripts than all of them.
# A program speaks cmocka's language; a script prints "N passed, N failed, N skipped" as its last line.
out=$1
shift
passed=0 failed=0 skipped=0 broken=""
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export RMFER="${RMFER:-$PWD/rmfer}" RMFER_TESTS="$out/tests"
# Many small parallel loops: threads that spin while they wait would cost more than the tests.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
for program in "$@"; do
    name=${program#"$out"/tests/}
    "$program" >"$log" 2>&1
    code=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$log")
    s=$(grep -c '^\[  SKIPPED \] [a-z_0-9]*$' "$log")
    s=$((s / 2))
    [ "$f" -gt 0 ] && f=$((f / 2)) && [ "$f" -eq 0 ] && f=1
    if [ $code -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$f" -gt 0 ] || [ $code -ne 0 ]; then broken="$broken $name"; cat "$log"; fi
    grep -h '^skipped:' "$log"
    echo "$name: $p passed, $f failed, $s skipped"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
for script in ${SCRIPTS-tests/cli_*.sh}; do
    [ -e "$script" ] || continue
    sh "$script" >"$log" 2>&1
    code=$?
    line=$(tail -n 1 "$log")
    p=$(echo "$line" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
    f=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    s=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    [ -n "$p" ] || p=0
    [ -n "$f" ] || f=1
    [ -n "$s" ] || s=0
    if [ $code -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$f" -gt 0 ]; then broken="$broken $script"; cat "$log"; fi
    grep -h '^skipped:' "$log"
    echo "$script: $p passed, $f failed, $s skipped"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ -z "$broken" ] || echo "broken:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ -z "$broken" ] && [ "$passed" -gt 0 ]
