/* MPI (Open MPI, MPICH). Errors are fatal there: the library ends every process, which is what is wanted when one is
 * gone. Counts are ints to MPI: what is longer goes in pieces, or in units that are a datatype. */
#include "dist/transport.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

/* Counts and places of a collective with shares, which MPI reads until it has ended. */
struct shares {
    int *counts, *places;         /* [size], of each process's share */
    int *own_counts, *own_places; /* [size], of the own share, once for each process */
    int *memory;
};

struct transport {
    MPI_Comm all, exchange, gather; /* each kind of collective has an order of its own */
    MPI_Comm host;                  /* the processes of this machine */
    int rank, size;
    struct shares waiting;
    struct shares *shares; /* [slots] */
    MPI_Request *requests;
    size_t slots;
};

/* ---- shares ------------------------------------------------------------------------------------------------------ */

static status shares_init(struct shares *shares, int size, struct error *err)
{
    size_t n = (size_t)size;
    shares->memory = memory_allocate(4 * n, sizeof(int), "shares of processes", err);
    if (shares->memory == NULL) return STATUS_FAILED;
    shares->counts = shares->memory;
    shares->places = shares->memory + n;
    shares->own_counts = shares->memory + 2 * n;
    shares->own_places = shares->memory + 3 * n;
    return STATUS_OK;
}

static void shares_set(struct shares *shares, const struct transport *t, size_t units)
{
    struct range own = threads_share(units, t->rank, t->size);
    BUG_UNLESS(units <= INT_MAX / (size_t)t->size);
    for (int r = 0; r < t->size; r++) {
        struct range share = threads_share(units, r, t->size);
        shares->counts[r] = (int)(share.end - share.begin);
        shares->places[r] = (int)share.begin;
        shares->own_counts[r] = (int)(own.end - own.begin);
        shares->own_places[r] = r * shares->own_counts[r];
    }
}

/* A unit of so many bytes; freeing it leaves what was begun with it alone. */
static MPI_Datatype unit_of(size_t bytes)
{
    MPI_Datatype type;
    BUG_UNLESS(bytes > 0 && bytes <= INT_MAX);
    MPI_Type_contiguous((int)bytes, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    return type;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static void find_place(struct transport *t, struct transport_place *place)
{
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    *place = (struct transport_place){.rank = t->rank, .size = t->size};
    MPI_Get_processor_name(name, &length);
    memcpy(place->host, name, sizeof place->host - 1); /* shorter than any MPI_MAX_PROCESSOR_NAME */
    MPI_Comm_split_type(t->all, MPI_COMM_TYPE_SHARED, t->rank, MPI_INFO_NULL, &t->host);
    MPI_Comm_rank(t->host, &place->rank_on_host);
    MPI_Comm_size(t->host, &place->size_on_host);
}

/* OpenMP's threads compute between the calls, which all come from the thread that began. */
static status start_library(struct error *err)
{
    int given, started;
    MPI_Initialized(&started);
    if (started)
        MPI_Query_thread(&given);
    else
        MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
    if (given >= MPI_THREAD_FUNNELED) return STATUS_OK;
    MPI_Finalize();
    return error_set(err,
                     "this MPI library was built for programs without threads (it does not grant MPI_THREAD_FUNNELED)");
}

status transport_begin(struct transport **out, struct transport_place *place, struct error *err)
{
    *out = NULL;
    if (start_library(err) != STATUS_OK) return STATUS_FAILED;
    struct transport *t = memory_allocate(1, sizeof *t, "the other processes", err);
    if (t == NULL) return STATUS_FAILED;
    MPI_Comm_dup(MPI_COMM_WORLD, &t->all);
    MPI_Comm_dup(MPI_COMM_WORLD, &t->exchange);
    MPI_Comm_dup(MPI_COMM_WORLD, &t->gather);
    MPI_Comm_rank(t->all, &t->rank);
    MPI_Comm_size(t->all, &t->size);
    find_place(t, place);
    status result = shares_init(&t->waiting, t->size, err);
    *out = t;
    return result;
}

static void release_slots(struct transport *t)
{
    for (size_t i = 0; i < t->slots; i++) memory_free(t->shares[i].memory);
    memory_free(t->shares);
    memory_free(t->requests);
    t->shares = NULL;
    t->requests = NULL;
    t->slots = 0;
}

void transport_end(struct transport *t)
{
    if (t == NULL) return;
    release_slots(t);
    memory_free(t->waiting.memory);
    MPI_Comm_free(&t->all);
    MPI_Comm_free(&t->exchange);
    MPI_Comm_free(&t->gather);
    MPI_Comm_free(&t->host);
    memory_free(t);
    MPI_Finalize();
}

void transport_abort(struct transport *t, int code)
{
    MPI_Abort(t->all, code);
    abort();
}

/* ---- with waiting ------------------------------------------------------------------------------------------------ */

void transport_barrier(struct transport *t)
{
    MPI_Barrier(t->all);
}

/* A message's length is an int. */
static int piece_of(size_t left)
{
    return left < INT_MAX ? (int)left : INT_MAX;
}

void transport_broadcast(struct transport *t, int from, void *values, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += INT_MAX)
        MPI_Bcast((char *)values + at, piece_of(bytes - at), MPI_BYTE, from, t->all);
}

void transport_broadcast_on_host(struct transport *t, void *values, size_t bytes)
{
    BUG_UNLESS(bytes <= INT_MAX);
    MPI_Bcast(values, (int)bytes, MPI_BYTE, 0, t->host);
}

void transport_gather(struct transport *t, size_t units, size_t bytes, const void *own, void *all)
{
    shares_set(&t->waiting, t, units);
    MPI_Datatype unit = unit_of(bytes);
    bool in_place = (const char *)own == (char *)all + (size_t)t->waiting.places[t->rank] * bytes;
    MPI_Allgatherv(in_place ? MPI_IN_PLACE : own, t->waiting.counts[t->rank], unit, all, t->waiting.counts,
                   t->waiting.places, unit, t->all);
    MPI_Type_free(&unit);
}

void transport_collect(struct transport *t, const size_t *sizes, const void *own, void *all)
{
    const char *from = own;
    char *to = all;
    for (size_t at = 0; t->rank > 0 && at < sizes[t->rank]; at += INT_MAX)
        MPI_Send(from + at, piece_of(sizes[t->rank] - at), MPI_BYTE, 0, 0, t->all);
    if (t->rank > 0) return;
    if (sizes[0] > 0) memcpy(to, own, sizes[0]);
    to += sizes[0];
    for (int r = 1; r < t->size; to += sizes[r++])
        for (size_t at = 0; at < sizes[r]; at += INT_MAX)
            MPI_Recv(to + at, piece_of(sizes[r] - at), MPI_BYTE, r, 0, t->all, MPI_STATUS_IGNORE);
}

void transport_exchange(struct transport *t, size_t units, size_t bytes, const void *all, void *room)
{
    shares_set(&t->waiting, t, units);
    MPI_Datatype unit = unit_of(bytes);
    MPI_Alltoallv(all, t->waiting.counts, t->waiting.places, unit, room, t->waiting.own_counts, t->waiting.own_places,
                  unit, t->all);
    MPI_Type_free(&unit);
}

/* ---- without waiting --------------------------------------------------------------------------------------------- */

status transport_reserve(struct transport *t, size_t slots, struct error *err)
{
    release_slots(t);
    t->shares = memory_allocate(slots, sizeof *t->shares, "sums on their way", err);
    t->requests = memory_allocate(slots, sizeof *t->requests, "sums on their way", err);
    if (t->shares == NULL || t->requests == NULL) return STATUS_FAILED;
    for (; t->slots < slots; t->slots++) {
        t->requests[t->slots] = MPI_REQUEST_NULL;
        status result = shares_init(&t->shares[t->slots], t->size, err);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

void transport_exchange_begin(struct transport *t, size_t slot, size_t units, size_t bytes, const void *all, void *room)
{
    struct shares *shares = &t->shares[slot];
    shares_set(shares, t, units);
    MPI_Datatype unit = unit_of(bytes);
    MPI_Ialltoallv(all, shares->counts, shares->places, unit, room, shares->own_counts, shares->own_places, unit,
                   t->exchange, &t->requests[slot]);
    MPI_Type_free(&unit);
}

void transport_gather_begin(struct transport *t, size_t slot, size_t units, size_t bytes, void *all)
{
    struct shares *shares = &t->shares[slot];
    shares_set(shares, t, units);
    MPI_Datatype unit = unit_of(bytes);
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, shares->counts, shares->places, unit, t->gather,
                    &t->requests[slot]);
    MPI_Type_free(&unit);
}

bool transport_ended(struct transport *t, size_t slot, bool wait)
{
    int ended = 1;
    if (wait)
        MPI_Wait(&t->requests[slot], MPI_STATUS_IGNORE);
    else
        MPI_Test(&t->requests[slot], &ended, MPI_STATUS_IGNORE);
    return ended != 0;
}
