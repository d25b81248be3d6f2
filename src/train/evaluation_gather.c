/* Rows as records of equal size: each process sends as many as it may have at most, and how many of them count. */
#include "evaluation_gather.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/plan.h"

#include <string.h>

/* What a row is beside its numbers. */
struct row_name {
    int64_t id;
    int32_t label, counts;
};

/* The arrays that a row's record is cut into. */
enum { FIELDS = 5 };

struct gathered_rows {
    struct dist *dist;
    struct arena arena;
    struct row_widths widths;
    size_t batch, most, wide;           /* most rows of a process; numbers of a row */
    struct row_name *own_names, *names; /* [most], [processes, most] */
    real *own_numbers, *numbers;        /* [most, wide], [processes, most, wide] */
    real *targets, *affect;             /* [batch, classes], [batch, 2] */
    int32_t *labels;
    int64_t *ids;
};

static void place(void *self, struct plan *plan)
{
    struct gathered_rows *g = self;
    size_t all = (size_t)dist_size(g->dist) * g->most;
    g->own_names = plan_take(plan, g->most, sizeof *g->own_names);
    g->names = plan_take(plan, all, sizeof *g->names);
    g->own_numbers = plan_reals(plan, g->most * g->wide);
    g->numbers = plan_reals(plan, all * g->wide);
    g->targets = plan_reals(plan, g->batch * g->widths.logits);
    g->affect = plan_reals(plan, g->batch * g->widths.affect);
    g->labels = plan_take(plan, g->batch, sizeof *g->labels);
    g->ids = plan_take(plan, g->batch, sizeof *g->ids);
}

status gathered_rows_create(struct gathered_rows **out, struct dist *dist, size_t batch, struct row_widths widths,
                            struct error *err)
{
    *out = NULL;
    struct gathered_rows *g = memory_allocate(1, sizeof *g, "rows of all processes", err);
    if (g == NULL) return STATUS_FAILED;
    *g = (struct gathered_rows){.dist = dist,
                                .batch = batch,
                                .most = machines_most(dist_machines(dist), batch, 1),
                                .widths = widths,
                                .wide = widths.features + 2 * widths.logits + 2 * widths.affect};
    status result = plan_arena_init(&g->arena, place, g, "rows of all processes", err);
    if (result != STATUS_OK) {
        memory_free(g);
        return result;
    }
    *out = g;
    return STATUS_OK;
}

void gathered_rows_free(struct gathered_rows *g)
{
    if (g == NULL) return;
    arena_free(&g->arena);
    memory_free(g);
}

size_t gathered_rows_bytes(const struct gathered_rows *g)
{
    return g == NULL ? 0 : g->arena.size;
}

struct field {
    real *numbers; /* [rows, width] */
    size_t width;
};

/* Where a row's numbers are: what the network made, then what was to be made. */
static void list_fields(const struct gathered_rows *g, real *features, real *logits, real *affect, const real *targets,
                        const real *true_affect, struct field fields[FIELDS])
{
    const struct row_widths *w = &g->widths;
    fields[0] = (struct field){features, w->features};
    fields[1] = (struct field){logits, w->logits};
    fields[2] = (struct field){affect, w->affect};
    fields[3] = (struct field){(real *)(uintptr_t)targets, w->logits}; /* const but for the gathering's own */
    fields[4] = (struct field){(real *)(uintptr_t)true_affect, w->affect};
}

static void pack(struct gathered_rows *g, const struct batch_stream *own, const struct field fields[FIELDS])
{
    real *to = g->own_numbers;
    memset(g->own_names, 0, g->most * sizeof *g->own_names);
    for (size_t i = 0; i < (size_t)own->rows; i++) {
        g->own_names[i] = (struct row_name){own->ids[i], own->labels[i], 1};
        for (int f = 0; f < FIELDS; to += fields[f++].width)
            if (fields[f].width > 0) memcpy(to, fields[f].numbers + i * fields[f].width, fields[f].width * sizeof *to);
    }
}

/* Returns how many rows there are. */
static size_t unpack(struct gathered_rows *g, const struct field fields[FIELDS])
{
    size_t n = 0;
    for (size_t i = 0; i < (size_t)dist_size(g->dist) * g->most; i++) {
        const real *from = g->numbers + i * g->wide;
        if (!g->names[i].counts) continue;
        BUG_UNLESS(n < g->batch);
        for (int f = 0; f < FIELDS; from += fields[f++].width)
            if (fields[f].width > 0)
                memcpy(fields[f].numbers + n * fields[f].width, from, fields[f].width * sizeof *from);
        g->labels[n] = g->names[i].label;
        g->ids[n] = g->names[i].id;
        n++;
    }
    return n;
}

void gathered_rows_take(struct gathered_rows *g, struct batch_stream *own, real *features, real *logits, real *affect)
{
    size_t processes = (size_t)dist_size(g->dist);
    struct field fields[FIELDS];
    list_fields(g, features, logits, affect, own->targets, own->affect, fields);
    pack(g, own, fields);
    dist_gather(g->dist, processes, g->most * sizeof *g->names, g->own_names, g->names);
    dist_gather(g->dist, processes, g->most * g->wide * sizeof *g->numbers, g->own_numbers, g->numbers);
    list_fields(g, features, logits, affect, g->targets, g->affect, fields);
    *own = (struct batch_stream){.rows = (int)unpack(g, fields),
                                 .group = own->group,
                                 .views = own->views,
                                 .targets = g->targets,
                                 .affect = g->widths.affect > 0 ? g->affect : NULL,
                                 .labels = g->labels,
                                 .ids = g->ids};
}
