/* One process. Started as one of several it refuses: each would train alone and write over the others' files. */
#include "dist/transport.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What launchers tell the processes they start; a batch job that runs one process has SLURM_NTASKS too, but no step. */
static const struct {
    const char *size, *beside;
} launchers[] = {{"OMPI_COMM_WORLD_SIZE", NULL},
                 {"PMI_SIZE", NULL},
                 {"MPI_LOCALNRANKS", NULL},
                 {"SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID"}};

status transport_begin(struct transport **transport, struct transport_place *place, struct error *err)
{
    *transport = NULL;
    *place = (struct transport_place){.size = 1, .size_on_host = 1};
    if (gethostname(place->host, sizeof place->host - 1) != 0) strcpy(place->host, "this machine");
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        const char *size = getenv(launchers[i].size);
        if (launchers[i].beside != NULL && getenv(launchers[i].beside) == NULL) continue;
        if (size != NULL && atoi(size) > 1)
            return error_set_usage(err,
                                   "started as one of %d processes (%s), but this program was built for one: 'make "
                                   "MPI=1' builds it with Open MPI or MPICH",
                                   atoi(size), launchers[i].size);
    }
    return STATUS_OK;
}

void transport_end(struct transport *transport)
{
    (void)transport;
}

void transport_abort(struct transport *transport, int code)
{
    (void)transport;
    _exit(code);
}

void transport_barrier(struct transport *transport)
{
    (void)transport;
}

void transport_broadcast(struct transport *transport, int from, void *values, size_t bytes)
{
    (void)transport, (void)from, (void)values, (void)bytes;
}

void transport_broadcast_on_host(struct transport *transport, void *values, size_t bytes)
{
    (void)transport, (void)values, (void)bytes;
}

void transport_gather(struct transport *transport, size_t units, size_t bytes, const void *own, void *all)
{
    (void)transport;
    if (own != all) memcpy(all, own, units * bytes);
}

void transport_collect(struct transport *transport, const size_t *sizes, const void *own, void *all)
{
    (void)transport;
    if (sizes[0] > 0) memcpy(all, own, sizes[0]);
}

void transport_exchange(struct transport *transport, size_t units, size_t bytes, const void *all, void *room)
{
    (void)transport;
    memcpy(room, all, units * bytes);
}

status transport_reserve(struct transport *transport, size_t slots, struct error *err)
{
    (void)transport, (void)slots, (void)err;
    return STATUS_OK;
}

void transport_exchange_begin(struct transport *transport, size_t slot, size_t units, size_t bytes, const void *all,
                              void *room)
{
    (void)slot;
    transport_exchange(transport, units, bytes, all, room);
}

void transport_gather_begin(struct transport *transport, size_t slot, size_t units, size_t bytes, void *all)
{
    (void)transport, (void)slot, (void)units, (void)bytes, (void)all;
}

bool transport_ended(struct transport *transport, size_t slot, bool wait)
{
    (void)transport, (void)slot, (void)wait;
    return true;
}
