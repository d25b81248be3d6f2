/* What carries bytes between processes: transport_single.c (one process, nothing to carry) or transport_mpi.c, as the
 * program was built. No other file knows MPI. Sizes and places are bytes unless said otherwise. */
#ifndef DIST_TRANSPORT_H
#define DIST_TRANSPORT_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct transport;

enum { HOST_BYTES = 64 };

struct transport_place {
    int rank, size;
    int rank_on_host, size_on_host;
    char host[HOST_BYTES];
};

status transport_begin(struct transport **transport, struct transport_place *place, struct error *err);
void transport_end(struct transport *transport); /* NULL is fine */
_Noreturn void transport_abort(struct transport *transport, int code);

void transport_barrier(struct transport *transport);
void transport_broadcast(struct transport *transport, int from, void *values, size_t bytes);

/* From the process with rank_on_host 0 to the others of its machine. */
void transport_broadcast_on_host(struct transport *transport, void *values, size_t bytes);

/* all [units] of `bytes` each, of which process r has the share threads_share(units, r, size) in `own`. */
void transport_gather(struct transport *transport, size_t units, size_t bytes, const void *own, void *all);

/* At rank 0 `all` becomes every process's bytes, sizes[r] of rank r, one behind the other; elsewhere `all` is not
 * looked at. */
void transport_collect(struct transport *transport, const size_t *sizes, const void *own, void *all);

/* room [size][share]: this process's share of every process's `all` [units], by rank. */
void transport_exchange(struct transport *transport, size_t units, size_t bytes, const void *all, void *room);

/* The two without waiting, as number `slot` of those that transport_reserve made room for. Both kinds must be begun in
 * the same order everywhere, each kind for itself. The gathered share is in its place in `all` already. */
status transport_reserve(struct transport *transport, size_t slots, struct error *err);
void transport_exchange_begin(struct transport *transport, size_t slot, size_t units, size_t bytes, const void *all,
                              void *room);
void transport_gather_begin(struct transport *transport, size_t slot, size_t units, size_t bytes, void *all);
/* Whether what was begun in the slot has ended; waits for that when told so. */
bool transport_ended(struct transport *transport, size_t slot, bool wait);

#endif
