/* Joining and leaving, sums in order of rank, agreement. */
#include "dist/dist_internal.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <string.h>

static void sum_of_machines(void *context, double *values, size_t count)
{
    dist_sum(context, values, count);
}

static void gather_of_machines(void *context, size_t units, size_t bytes, const void *own, void *all)
{
    dist_gather(context, units, bytes, own, all);
}

/* ---- joining and leaving ----------------------------------------------------------------------------------------- */

static status learn_hosts(struct dist *dist, struct error *err)
{
    dist->hosts = memory_allocate((size_t)dist->place.size, sizeof *dist->hosts, "names of machines", err);
    dist->marks = memory_allocate((size_t)dist->place.size, sizeof *dist->marks, "marks of processes", err);
    if (dist->hosts == NULL || dist->marks == NULL) return STATUS_FAILED;
    transport_gather(dist->transport, (size_t)dist->place.size, HOST_BYTES, dist->place.host, dist->hosts);
    return STATUS_OK;
}

status dist_begin(struct dist **out, struct error *err)
{
    *out = NULL;
    struct dist *dist = memory_allocate(1, sizeof *dist, "the processes of a run", err);
    if (dist == NULL) return STATUS_FAILED;
    status result = transport_begin(&dist->transport, &dist->place, err);
    if (result == STATUS_OK) result = learn_hosts(dist, err);
    if (result != STATUS_OK) {
        dist_end(dist);
        return result;
    }
    dist->machines = (struct machines){.rank = dist->place.rank,
                                       .size = dist->place.size,
                                       .context = dist,
                                       .sum = sum_of_machines,
                                       .gather = gather_of_machines};
    *out = dist;
    return STATUS_OK;
}

void dist_end(struct dist *dist)
{
    if (dist == NULL) return;
    transport_end(dist->transport);
    memory_free(dist->room);
    memory_free(dist->hosts);
    memory_free(dist->marks);
    memory_free(dist);
}

void dist_abort(struct dist *dist, int code)
{
    transport_abort(dist->transport, code);
}

int dist_rank(const struct dist *dist)
{
    return dist->place.rank;
}

int dist_size(const struct dist *dist)
{
    return dist->place.size;
}

bool dist_is_many(const struct dist *dist)
{
    return dist != NULL && dist->place.size > 1;
}

int dist_rank_on_host(const struct dist *dist)
{
    return dist->place.rank_on_host;
}

int dist_size_on_host(const struct dist *dist)
{
    return dist->place.size_on_host;
}

const struct machines *dist_machines(const struct dist *dist)
{
    return dist_is_many(dist) ? &dist->machines : NULL;
}

/* ---- collectives ------------------------------------------------------------------------------------------------- */

void dist_barrier(struct dist *dist)
{
    transport_barrier(dist->transport);
}

void dist_broadcast(struct dist *dist, void *values, size_t bytes)
{
    if (dist_is_many(dist) && bytes > 0) transport_broadcast(dist->transport, 0, values, bytes);
}

void dist_broadcast_on_host(struct dist *dist, void *values, size_t bytes)
{
    if (dist_is_many(dist) && bytes > 0) transport_broadcast_on_host(dist->transport, values, bytes);
}

void dist_gather(struct dist *dist, size_t units, size_t bytes, const void *own, void *all)
{
    if (units > 0 && bytes > 0) transport_gather(dist->transport, units, bytes, own, all);
}

void dist_collect(struct dist *dist, const size_t *sizes, const void *own, void *all)
{
    transport_collect(dist->transport, sizes, own, all);
}

/* Room for what other processes send, grown to the largest that was ever asked for: in a run's first step. A process
 * that has none ends all. */
static double *room_for(struct dist *dist, size_t count)
{
    if (count <= dist->room_count) return dist->room;
    struct error err = {0};
    memory_free(dist->room);
    dist->room = memory_allocate(count, sizeof *dist->room, "sums over processes", &err);
    if (dist->room == NULL) {
        log_error("rank %d of %d on %s: %s", dist->place.rank, dist->place.size, dist->place.host, err.message);
        dist_abort(dist, STATUS_FAILED);
    }
    dist->room_count = count;
    return dist->room;
}

void dist_add_in_order(const struct dist *dist, size_t count, const double *room, double *sums)
{
    memcpy(sums, room, count * sizeof *sums);
    for (int r = 1; r < dist->place.size; r++)
        for (size_t i = 0; i < count; i++) sums[i] += room[(size_t)r * count + i];
}

/* Few numbers: everybody gets everybody's and adds them up. */
static void sum_few(struct dist *dist, double *values, size_t count)
{
    double *room = room_for(dist, count * (size_t)dist->place.size);
    transport_gather(dist->transport, (size_t)dist->place.size, count * sizeof *values, values, room);
    dist_add_in_order(dist, count, room, values);
}

/* Many: everybody adds up a share of them, which then goes to all. The bits are those of sum_few. */
static void sum_many(struct dist *dist, double *values, size_t count)
{
    size_t size = (size_t)dist->place.size;
    struct range own = threads_share(count, dist->place.rank, dist->place.size);
    double *room = room_for(dist, (count / size + 1) * size);
    transport_exchange(dist->transport, count, sizeof *values, values, room);
    dist_add_in_order(dist, own.end - own.begin, room, values + own.begin);
    transport_gather(dist->transport, count, sizeof *values, values + own.begin, values);
}

void dist_sum(struct dist *dist, double *values, size_t count)
{
    enum { FEW_BYTES = 1 << 16 }; /* one message's latency then costs more than its bytes */
    if (!dist_is_many(dist) || count == 0) return;
    if (count * sizeof *values * (size_t)dist->place.size <= FEW_BYTES)
        sum_few(dist, values, count);
    else
        sum_many(dist, values, count);
}

bool dist_any(struct dist *dist, bool own)
{
    double any = own ? 1 : 0;
    if (dist_is_many(dist)) dist_sum(dist, &any, 1);
    return any > 0;
}
