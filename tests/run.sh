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
# What takes longest comes first: at the end one test would run alone.
longest="cli_train_moments.sh cli_train.sh test_train_run test_train_learner cli_train_method.sh cli_faults.sh"
longest="$longest test_golden_full test_train_every_method cli_basic.sh cli_read_only.sh"
# shellcheck disable=SC2086 # words
tests=$(printf '%s\n' "$@" ${SCRIPTS-tests/cli_*.sh} | grep .)
echo "$tests" | awk -F / -v longest="$longest" '
    BEGIN { count = split(longest, names, " "); for (i in names) place[names[i]] = i }
    { print ($NF in place ? place[$NF] : count + 1) "\t" $0 }' | sort -s -n -k 1,1 | cut -f 2- |
    xargs -P "${JOBS:-1}" -n 1 sh tests/run_one.sh "$out" "$results"
awk -v wanted="$(echo "$tests" | wc -l)" '
    { passed += $1; failed += $2; skipped += $3; if ($2 > 0) broken = broken " " $4 }
    END {
        if (NR != wanted) broken = broken " (" wanted - NR " gave no result)"
        if (broken != "") print "broken:" broken
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit broken != "" || passed == 0
    }' "$results"
