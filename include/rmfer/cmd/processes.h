/* A command that several processes run together: one by default; with MPI what mpirun or srun started. */
#ifndef RMFER_CMD_PROCESSES_H
#define RMFER_CMD_PROCESSES_H

#include "rmfer/cmd/options.h"
#include "rmfer/dist/dist.h"

/* Joins the others, shares out each machine's cores (--threads, where given, is each process's number) and tells, at
 * rank 0, who runs where. From here on other ranks say nothing. dist_end ends it, also after a failure. */
status processes_begin(struct dist **dist, const struct command_line *line, struct error *err) MUST_CHECK;

/* Whether this process prints and writes. */
bool processes_speaks(const struct dist *dist);

/* As command_finish; what all have agreed on is printed once. */
int processes_finish(const struct dist *dist, status result, const struct error *err);

#endif
