/* The processes of a run: rank, size, sums, rows, barrier. One process by default; MPI where the program was built with
 * `make MPI=1` and started by mpirun or srun.
 *
 * Every function is called by every process, in the same order. Sums are taken in order of rank, not as the library
 * likes, so that a run gives the same bits each time. A process that loses the others is ended by MPI, and so are they;
 * nothing here waits for one that is gone. What is summed, and when, is not this room's affair. */
#ifndef RMFER_DIST_DIST_H
#define RMFER_DIST_DIST_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/ops/machines.h"

#include <stdbool.h>
#include <stddef.h>

struct dist;

/* Joins the others. A program without MPI that was started as one of several refuses, and says how to build. */
status dist_begin(struct dist **dist, struct error *err) MUST_CHECK;

/* Leaves; every process comes here. NULL is fine. */
void dist_end(struct dist *dist);

/* Ends every process at once with this exit status: for a failure that the others cannot know of. */
_Noreturn void dist_abort(struct dist *dist, int code);

int dist_rank(const struct dist *dist); /* 0 is the one that writes and prints */
int dist_size(const struct dist *dist);
bool dist_is_many(const struct dist *dist);
int dist_rank_on_host(const struct dist *dist);
int dist_size_on_host(const struct dist *dist);

/* Returns once every process has come here: for tests, which share files; a run waits in its sums. */
void dist_barrier(struct dist *dist);

/* `bytes` of rank 0, to all. */
void dist_broadcast(struct dist *dist, void *values, size_t bytes);

/* `bytes` of the process with rank_on_host 0, to the others of its machine. */
void dist_broadcast_on_host(struct dist *dist, void *values, size_t bytes);

/* values[i] becomes the sum over ranks, in their order, in double. */
void dist_sum(struct dist *dist, double *values, size_t count);

/* all [units] of `bytes` each, from each process's share of them (threads_share). `own` may be its place in `all`. */
void dist_gather(struct dist *dist, size_t units, size_t bytes, const void *own, void *all);

/* At rank 0 `all` becomes what every process has in `own`, sizes[r] bytes of rank r (known to all), one behind the
 * other; other processes may give NULL for `all`. */
void dist_collect(struct dist *dist, const size_t *sizes, const void *own, void *all);

/* Whether any process says so. */
bool dist_any(struct dist *dist, bool own);

/* What became of a thing that each process tried: OK where all could; else the first one that could not says why, to
 * all, with its rank and host in front. `err` may not be NULL. */
status dist_agree(struct dist *dist, status own, struct error *err);

enum { MOST_SAME_BYTES = 256 };
/* Whether `bytes` (at most so many) are the same everywhere; else an error that names `what` and the first rank that
 * differs. */
status dist_same(struct dist *dist, const char *what, const void *own, size_t bytes, struct error *err) MUST_CHECK;

/* Shares the cores of each machine out among its processes, where nobody bound them, and gives each as many threads;
 * `threads` > 0 is the number that was asked for. Every process then has the same number (that of the poorest), because
 * what every process computes alike must be cut alike. Before the first parallel region. */
status dist_share_cores(struct dist *dist, int threads, struct error *err) MUST_CHECK;

/* Appends one line a machine: "node1: rank 0, 1; 8 threads a rank, 8 of the ranks' 16 cores each". After
 * dist_share_cores. */
status dist_describe(struct dist *dist, struct text *text, struct error *err) MUST_CHECK;

/* For operations and methods; NULL where there is one process. Lives as long as `dist`. */
const struct machines *dist_machines(const struct dist *dist);

#endif
