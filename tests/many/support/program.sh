#!/bin/sh
# The program $RMFER_MPI over two processes, for tests that start it as `rmfer`.
. tests/many/support/mpirun.sh
ranks 2 "$RMFER_MPI" "$@"
