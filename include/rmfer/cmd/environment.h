/* Settings that OpenMP and OpenBLAS read from the environment while they are loaded. */
#ifndef RMFER_CMD_ENVIRONMENT_H
#define RMFER_CMD_ENVIRONMENT_H

/* Starts the program again, once, with settings the user has not made: OpenBLAS kernels that fit the processor (it
 * falls back to SSE3 on models newer than itself), and threads that sleep soon instead of spinning beside a
 * neighbour's work. Goes on as it is where the program cannot be started again. */
void environment_prepare(char **argv);

#endif
