#!/bin/sh
# Runs every test program and tests/cli_*.sh, JOBS of them at a time (1), and adds their counts up. Usage: run.sh OUT
# PROGRAM...    SCRIPTS names other scripts than all of them.
out=$1
shift
results=$(mktemp)
trap 'rm -f "$results"' EXIT
export RMFER="${RMFER:-$PWD/rmfer}" RMFER_TESTS="$out/tests"
# Many small parallel loops: threads that spin while they wait would cost more than the tests.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
# shellcheck disable=SC2086
printf '%s\n' "$@" ${SCRIPTS-tests/cli_*.sh} | xargs -P "${JOBS:-1}" -n 1 sh tests/run_one.sh "$out" "$results"
awk -v wanted=$(printf '%s\n' "$@" ${SCRIPTS-tests/cli_*.sh} | grep -c .) '
    { passed += $1; failed += $2; skipped += $3; if ($2 > 0) broken = broken " " $4 }
    END {
        if (NR != wanted) broken = broken " (" wanted - NR " gave no result)"
        if (broken != "") print "broken:" broken
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit broken != "" || passed == 0
    }' "$results"
