#!/bin/sh
# Runs the tests over several processes of this machine: programs of tests/many, then tests/many/cli_*.sh with the program.
# Usage: run.sh OUT, the folder of a build with MPI=1.
out=$1
passed=0 failed=0 skipped=0
export RMFER_MPI="$PWD/$out/rmfer" RMFER_TESTS="$PWD/$out/tests"
. tests/many/support/mpirun.sh

# count TEST LINE STATUS: adds "N passed, N failed[, N skipped]".
count() {
    p=$(echo "$2" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
    f=$(echo "$2" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    s=$(echo "$2" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    if [ -z "$f" ] || { [ "$3" -ne 0 ] && [ "$f" -eq 0 ]; }; then f=1; fi
    echo "$1: ${p:-0} passed, $f failed, ${s:-0} skipped"
    passed=$((passed + ${p:-0})) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for pair in 2:many/test_dist 3:many/test_dist 4:double/many/test_dist 2:double/many/test_method_shared \
    4:double/many/test_method_shared 2:many/test_method_shared 2:many/test_data_picture_room 2:many/test_train_run; do
    ranks "${pair%%:*}" "$out/tests/${pair#*:}" >"$log" 2>&1
    code=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    [ $code -eq 0 ] || tail -n 40 "$log"
    count "${pair#*:} with ${pair%%:*} processes" "$line" $code
done
# As between machines: over TCP, without shared memory.
OMPI_MCA_btl=self,tcp ranks 2 "$out/tests/many/test_method_shared" >"$log" 2>&1
code=$?
count "many/test_method_shared over TCP" "$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)" $code
# A recipe with both phases and SAM, whose numbers PyTorch gave.
RMFER="$PWD/tests/many/support/program.sh" "$out/tests/test_golden_training" rmfer_sam >"$log" 2>&1
code=$?
[ $code -eq 0 ] || tail -n 40 "$log"
count "test_golden_training over 2 processes" "$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1 passed, 0 failed/p' "$log")" $code
for script in tests/many/cli_*.sh; do
    [ -e "$script" ] || continue
    sh "$script" >"$log" 2>&1
    code=$?
    [ $code -eq 0 ] || cat "$log"
    grep -h '^skipped:' "$log"
    count "$script" "$(tail -n 1 "$log")" $code
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
