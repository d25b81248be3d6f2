/* Settings that OpenMP and OpenBLAS read from the environment while they are loaded; standard descriptors that are
 * there. */
#ifndef RMFER_CMD_ENVIRONMENT_H
#define RMFER_CMD_ENVIRONMENT_H

/* Starts the program again, once, with settings the user has not made: OpenBLAS kernels that fit the processor (it
 * falls back to SSE3 on models newer than itself) and RMFER_ISA, and threads that sleep soon instead of spinning
 * beside a neighbour's work. It keeps its name in lists of processes. Goes on as it is where the program cannot be
 * started again. Standard descriptors that are closed are held, so that no file gets their numbers. */
void environment_prepare(char **argv);

#endif
