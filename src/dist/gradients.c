/* Pieces on their way: final, exchanged, added up, gathered. */
#include "rmfer/dist/gradients.h"

#include "dist/dist_internal.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

enum state { WAITING, EXCHANGING, ADDED, GATHERING, DONE };

struct dist_gradients {
    struct dist *dist;
    struct machines machines;
    real *slab, *room; /* [count]; [pieces, size, most of a share] */
    size_t count, piece, pieces, most_share;
    enum state *states;      /* [pieces], piece 0 at the slab's end */
    size_t begun, gathering; /* pieces whose exchange, whose gathering was begun */
    struct dist_gradients_times times;
    double start;
};

/* The machines of a slab: sums and rows are those of the processes. */
static void sum_of_machines(void *context, double *values, size_t count)
{
    struct dist_gradients *g = context;
    dist_sum(g->dist, values, count);
}

static void gather_of_machines(void *context, size_t units, size_t bytes, const void *own, void *all)
{
    struct dist_gradients *g = context;
    dist_gather(g->dist, units, bytes, own, all);
}

static void final_of_machines(void *context, size_t begin)
{
    dist_gradients_final(context, begin);
}

status dist_gradients_create(struct dist_gradients **out, struct dist *dist, real *slab, size_t count, size_t piece,
                             struct error *err)
{
    *out = NULL;
    if (!dist_is_many(dist) || count == 0) return STATUS_OK;
    struct dist_gradients *g = memory_allocate(1, sizeof *g, "the sums of gradients", err);
    if (g == NULL) return STATUS_FAILED;
    size_t size = (size_t)dist->place.size;
    g->dist = dist;
    g->slab = slab;
    g->count = count;
    g->piece = piece;
    g->pieces = (count + piece - 1) / piece;
    g->most_share = piece / size + 1;
    g->machines = (struct machines){.rank = dist->place.rank,
                                    .size = dist->place.size,
                                    .context = g,
                                    .sum = sum_of_machines,
                                    .gather = gather_of_machines,
                                    .gradients_final = final_of_machines};
    g->room = memory_allocate(size_multiply(g->pieces, size_multiply(size, g->most_share)), sizeof *g->room,
                              "the sums of gradients", err);
    g->states = memory_allocate(g->pieces, sizeof *g->states, "the sums of gradients", err);
    status result = g->room == NULL || g->states == NULL ? STATUS_FAILED
                                                         : transport_reserve(dist->transport, g->pieces, err);
    if (result != STATUS_OK)
        dist_gradients_free(g);
    else
        *out = g;
    return result;
}

void dist_gradients_free(struct dist_gradients *g)
{
    if (g == NULL) return;
    memory_free(g->room);
    memory_free(g->states);
    memory_free(g);
}

/* Where piece number `index` is: the last ones of the slab first. */
static struct range place_of(const struct dist_gradients *g, size_t index)
{
    size_t end = g->count - index * g->piece;
    return (struct range){end > g->piece ? end - g->piece : 0, end};
}

static real *room_of(const struct dist_gradients *g, size_t index)
{
    return g->room + index * (size_t)g->dist->place.size * g->most_share;
}

/* This process's share of a piece: the sum of everybody's, in order of rank. */
static void add_up(struct dist_gradients *g, size_t index)
{
    int rank = g->dist->place.rank, size = g->dist->place.size;
    struct range piece = place_of(g, index), own = threads_share(piece.end - piece.begin, rank, size);
    size_t n = own.end - own.begin;
    const real *room = room_of(g, index);
    real *sums = g->slab + piece.begin + own.begin;
    for (size_t i = 0; i < n; i++) {
        double sum = (double)room[i];
        for (int r = 1; r < size; r++) sum += (double)room[(size_t)r * n + i];
        sums[i] = (real)sum;
    }
}

/* Pushes a piece on as far as it goes, waiting for the exchange where told so. Sums are gathered in order of the
 * pieces, because every process must begin them in the same order. */
static void push(struct dist_gradients *g, size_t index, bool wait)
{
    struct range piece = place_of(g, index);
    enum state *state = &g->states[index];
    if (*state == EXCHANGING && transport_ended(g->dist->transport, index, wait)) {
        add_up(g, index);
        *state = ADDED;
    }
    if (*state == ADDED && g->gathering == index) {
        transport_gather_begin(g->dist->transport, index, piece.end - piece.begin, sizeof(real), g->slab + piece.begin);
        g->gathering++;
        *state = GATHERING;
    }
    if (*state == GATHERING && transport_ended(g->dist->transport, index, false)) *state = DONE;
}

void dist_gradients_final(struct dist_gradients *g, size_t begin)
{
    if (g == NULL) return;
    if (g->begun == 0 && begin < g->count) g->start = clock_seconds();
    for (; g->begun < g->pieces; g->begun++) {
        struct range piece = place_of(g, g->begun);
        if (piece.begin < begin) break;
        transport_exchange_begin(g->dist->transport, g->begun, piece.end - piece.begin, sizeof(real),
                                 g->slab + piece.begin, room_of(g, g->begun));
        g->states[g->begun] = EXCHANGING;
    }
    for (size_t i = 0; i < g->begun; i++) push(g, i, false);
}

void dist_gradients_finish(struct dist_gradients *g)
{
    if (g == NULL) return;
    double begin = clock_seconds();
    dist_gradients_final(g, 0);
    for (size_t i = 0; i < g->pieces; i++) push(g, i, true);
    for (size_t i = 0; i < g->pieces; i++) {
        if (g->states[i] == GATHERING) (void)transport_ended(g->dist->transport, i, true);
        g->states[i] = WAITING;
    }
    double end = clock_seconds();
    size_t size = (size_t)g->dist->place.size;
    g->begun = g->gathering = 0;
    g->times.under_way += end - g->start;
    g->times.waited += end - begin;
    g->times.sums++;
    g->times.bytes += 2 * (size - 1) * (g->count / size) * sizeof(real);
}

void dist_gradients_give_up(struct dist_gradients *g)
{
    if (g != NULL && g->begun > 0) dist_gradients_finish(g);
}

const struct machines *dist_gradients_machines(const struct dist_gradients *g)
{
    return g == NULL ? NULL : &g->machines;
}

struct dist_gradients_times dist_gradients_times(const struct dist_gradients *g)
{
    return g == NULL ? (struct dist_gradients_times){0} : g->times;
}

size_t dist_gradients_bytes(const struct dist_gradients *g)
{
    return g == NULL ? 0 : g->pieces * (size_t)g->dist->place.size * g->most_share * sizeof(real);
}
