/* Whose cores are whose: the processes of a machine that may run on the same cores share them out, one block each. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "dist/dist_internal.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <sched.h>
#include <string.h>

/* What every process tells the others. */
struct seat {
    char host[HOST_BYTES];
    cpu_set_t cores;
    int threads;
};

/* The cores of `set` whose number among them is in `share`. */
static cpu_set_t cores_of_share(const cpu_set_t *set, struct range share)
{
    cpu_set_t own;
    size_t number = 0;
    CPU_ZERO(&own);
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, set)) continue;
        if (number >= share.begin && number < share.end) CPU_SET(core, &own);
        number++;
    }
    return own;
}

/* This process's place among those of its machine that have the same cores, and how many they are. */
static void find_peers(const struct dist *dist, const struct seat *seats, int *place, int *peers)
{
    const struct seat *own = &seats[dist->place.rank];
    *place = *peers = 0;
    for (int r = 0; r < dist->place.size; r++) {
        if (strcmp(seats[r].host, own->host) != 0 || !CPU_EQUAL(&seats[r].cores, &own->cores)) continue;
        *place += r < dist->place.rank;
        ++*peers;
    }
}

/* Cores that this machine's processes have between them. */
static int cores_of_host(const struct dist *dist, const struct seat *seats)
{
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int r = 0; r < dist->place.size; r++)
        if (strcmp(seats[r].host, dist->place.host) == 0) CPU_OR(&all, &all, &seats[r].cores);
    return CPU_COUNT(&all);
}

/* Cuts the own cores out; where there are fewer than processes, they stay common. Returns the threads this leaves. */
static int take_share(struct dist *dist, const struct seat *seats)
{
    const cpu_set_t *common = &seats[dist->place.rank].cores;
    int place, peers, available = threads_available();
    find_peers(dist, seats, &place, &peers);
    if (peers > 1 && dist->cores >= peers) {
        cpu_set_t own = cores_of_share(common, threads_share((size_t)dist->cores, place, peers));
        if (sched_setaffinity(0, sizeof own, &own) == 0) dist->cores = CPU_COUNT(&own);
    }
    int fair = available / peers; /* a control group's quota is common, too */
    if (fair > dist->cores) fair = dist->cores;
    return fair < 1 ? 1 : fair;
}

static int fewest(const struct dist *dist, const struct seat *seats)
{
    int least = seats[0].threads;
    for (int r = 1; r < dist->place.size; r++)
        if (seats[r].threads < least) least = seats[r].threads;
    return least;
}

status dist_share_cores(struct dist *dist, int threads, struct error *err)
{
    size_t size = (size_t)dist->place.size;
    if (!dist_is_many(dist)) return STATUS_OK;
    struct seat own = {0}, *seats = memory_allocate(size, sizeof *seats, "the cores of processes", err);
    status result = dist_agree(dist, seats == NULL ? STATUS_FAILED : STATUS_OK, err);
    if (result != STATUS_OK) {
        memory_free(seats);
        return result;
    }
    memcpy(own.host, dist->place.host, sizeof own.host);
    if (sched_getaffinity(0, sizeof own.cores, &own.cores) != 0) CPU_SET(0, &own.cores);
    dist_gather(dist, size, sizeof own, &own, seats);
    dist->host_cores = cores_of_host(dist, seats);
    dist->cores = CPU_COUNT(&own.cores);
    own.threads = threads > 0 ? threads : take_share(dist, seats);
    dist_gather(dist, size, sizeof own, &own, seats);
    dist->threads = fewest(dist, seats);
    threads_set(dist->threads);
    memory_free(seats);
    return STATUS_OK;
}

/* ---- who runs where ---------------------------------------------------------------------------------------------- */

/* What rank 0 prints of a process. */
struct row {
    int host_cores, cores;
};

static status describe_host(const struct dist *dist, const struct row *rows, int first, struct text *text,
                            struct error *err)
{
    status result = text_append_format(text, err, "%s:", dist->hosts[first]);
    int ranks = 0;
    for (int r = first; r < dist->place.size && result == STATUS_OK; r++) {
        if (strcmp(dist->hosts[r], dist->hosts[first]) != 0) continue;
        result = text_append_format(text, err, "%s %d", ranks++ == 0 ? " rank" : ",", r);
    }
    if (result == STATUS_OK)
        result = text_append_format(text, err, "; %d thread%s a rank, %d of the ranks' %d cores each%s\n",
                                    dist->threads, dist->threads == 1 ? "" : "s", rows[first].cores,
                                    rows[first].host_cores,
                                    ranks > rows[first].host_cores ? " (more ranks than cores)" : "");
    return result;
}

status dist_describe(struct dist *dist, struct text *text, struct error *err)
{
    size_t size = (size_t)dist->place.size;
    struct row own = {dist->host_cores, dist->cores},
               *rows = memory_allocate(size, sizeof *rows, "who runs where", err);
    status result = dist_agree(dist, rows == NULL ? STATUS_FAILED : STATUS_OK, err);
    if (result == STATUS_OK) dist_gather(dist, size, sizeof own, &own, rows);
    for (int r = 0; r < dist->place.size && result == STATUS_OK; r++) {
        bool told = false;
        for (int before = 0; before < r; before++) told = told || strcmp(dist->hosts[before], dist->hosts[r]) == 0;
        if (!told) result = describe_host(dist, rows, r, text, err);
    }
    memory_free(rows);
    return result;
}
