/* The backbone's memory: what is shared by its passes, what each pass keeps, and creating both.
 *
 * Every size follows from the list of layers; nothing is computed here. */
#include "nn/backbone_internal.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/threads.h"

/* ---- what backward passes share ---------------------------------------------------------------------------------- */

/* The largest sizes that any layer needs of the buffers they share. */
struct needs {
    size_t gradient, segment_sums, channels, weights, squeezed;
};

static void need_layer(struct needs *needs, const struct op_context *context, const struct layer *row, size_t n)
{
    size_t input_map = n * layer_input_pixels(row) * row->input,
           output_map = n * layer_output_pixels(row) * row->output;
    size_t window = (size_t)(row->kernel * row->kernel), segments = layer_tiling(context, row, n).segments;
    size_at_least(&needs->channels, row->output);
    if (row->operation != LAYER_SQUEEZE_EXCITE)
        size_at_least(&needs->weights, window * (row->input / (size_t)row->groups) * row->output);
    switch (row->role) {
    case ROLE_STEM: break;
    case ROLE_EXPAND: break;    /* its input's gradient is the size of an earlier block's output, or of the stem's */
    case ROLE_DEPTHWISE: break; /* its gradients are each pass's own: place_gradients */
    case ROLE_GATE: size_at_least(&needs->squeezed, row->squeezed); break;
    case ROLE_PROJECT:
        size_at_least(&needs->gradient, output_map);
        size_at_least(&needs->segment_sums, segments * 3 * row->input);
        size_at_least(&needs->segment_sums, segments * 2 * row->output);
        break;
    case ROLE_HEAD: size_at_least(&needs->gradient, input_map); break;
    }
}

static void place_backbone(void *self, struct plan *plan)
{
    struct backbone *b = self;
    size_t n = (size_t)b->batch;
    struct needs needs = {0};
    for (size_t i = 0; i < b->network.list.count; i++) need_layer(&needs, &b->context, &b->network.list.items[i], n);
    network_place_weights(&b->network, &b->context, true, plan);
    b->gradient = plan_reals(plan, needs.gradient);
    b->segment_sums = plan_reals(plan, needs.segment_sums);
    b->image_sums = plan_reals(plan, n * 3 * needs.channels);
    b->sums = plan_reals(plan, 2 * needs.channels);
    b->gate_gradient = plan_reals(plan, n * needs.channels);
    b->mean_gradient = plan_reals(plan, n * needs.channels);
    b->squeeze_room = plan_reals(plan, n * needs.squeezed);
    b->partials = plan_reals(plan, (size_t)b->context.threads * needs.weights);
}

status backbone_create(struct backbone **out, struct model *model, int batch, int image_size, struct error *err)
{
    *out = NULL;
    status result = architecture_check_input(image_size, batch, err);
    if (result != STATUS_OK) return result;
    struct backbone *b = memory_allocate(1, sizeof *b, "the backbone", err);
    if (b == NULL) return STATUS_FAILED;
    b->model = model;
    b->batch = batch;
    b->image_size = image_size;
    b->context = op_context_of(kernels_best(), threads_get());
    network_init(&b->network, &model->architecture, image_size);
    network_bind(&b->network, model);
    result = plan_arena_init(&b->arena, place_backbone, b, "the training memory plan", err);
    if (result != STATUS_OK) {
        memory_free(b);
        return result;
    }
    *out = b;
    return STATUS_OK;
}

void backbone_free(struct backbone *b)
{
    if (b == NULL) return;
    arena_free(&b->arena);
    memory_free(b);
}

void backbone_store(struct backbone *b, enum storage storage)
{
    b->storage = storage;
}

size_t backbone_bytes(const struct backbone *b)
{
    return b->arena.used;
}

size_t backbone_packs(const struct backbone *b)
{
    return b->packs;
}

/* ---- what a pass keeps ------------------------------------------------------------------------------------------- */

static void place_gate(struct layer_saved *saved, size_t n, size_t channels, size_t squeezed, struct plan *plan)
{
    saved->sums = plan_reals(plan, n * 3 * channels);
    saved->mean = plan_reals(plan, n * channels);
    saved->gate.reduced = plan_reals(plan, n * squeezed);
    saved->gate.activated = plan_reals(plan, n * squeezed);
    saved->gate.gate = plan_reals(plan, n * channels);
}

/* What a layer leaves behind, each layer in a place of its own. */
static void place_saved(struct layer_saved *saved, const struct layer *row, enum storage storage, size_t n,
                        struct plan *plan)
{
    size_t map = n * layer_output_pixels(row) * row->output;
    *saved = (struct layer_saved){0};
    if (row->operation != LAYER_SQUEEZE_EXCITE) saved->map = plan_take(plan, map, storage_bytes(storage));
    if (row->role == ROLE_PROJECT) {
        saved->output = plan_reals(plan, map);
        saved->keep = plan_reals(plan, n);
    }
    if (row->role == ROLE_HEAD) saved->sums = plan_reals(plan, n * 3 * row->output);
    if (row->role == ROLE_GATE) place_gate(saved, n, row->output, row->squeezed, plan);
}

/* A block's gradients from `place` on, where the maps behind the block begin. Returns where they end. */
static size_t place_gradients(struct block_gradients *gradients, const struct network_block *block, size_t n,
                              struct plan place)
{
    const struct layer *row = block->depthwise->row;
    gradients->expanded = plan_reals(&place, n * layer_output_pixels(row) * row->output);
    gradients->input = plan_reals(&place, n * layer_input_pixels(row) * row->input);
    return place.used;
}

/* Layers lie in the order of the forward pass. Going back, everything behind a block is done with when the block's turn
 * comes, so that its gradients need room of their own only where too little lies behind. */
static void place_every_map(struct backbone_pass *p, struct plan *plan)
{
    size_t end = 0;
    for (size_t i = 0; i < p->network.list.count; i++) {
        const struct layer *row = &p->network.list.items[i];
        place_saved(&p->saved[i], row, p->context.storage, p->rows, plan);
        if (row->role != ROLE_PROJECT) continue;
        size_at_least(&end, place_gradients(&p->gradients[row->block], &p->network.blocks[row->block], p->rows, *plan));
    }
    p->map_bytes = plan->used;
    size_at_least(&plan->used, end);
}

/* Without a backward pass a map is needed until the next layer has read it, and a block's output until the next block
 * ends: the blocks' outputs go to and fro between two maps, the first of them from the stem's. */
static void place_shared_maps(struct backbone_pass *p, struct plan *plan)
{
    const struct layers *list = &p->network.list;
    struct shared_maps most = network_shared_maps(&p->network);
    size_t n = p->rows, bytes = storage_bytes(p->context.storage);
    bool is_narrow = p->context.storage != STORAGE_REAL;
    if (is_narrow) size_at_least(&most.wide, most.narrow);
    void *wide = plan_take(plan, n * most.wide, bytes), *depthwise = plan_take(plan, n * most.depthwise, bytes);
    real *narrow[2] = {plan_reals(plan, n * most.narrow), plan_reals(plan, n * most.narrow)};
    real *keep = plan_reals(plan, n), *sums = plan_reals(plan, n * 3 * p->network.head->row->output);
    struct layer_saved gate = {0};
    place_gate(&gate, n, most.gate, most.squeezed, plan);
    for (size_t i = 0; i < list->count; i++) {
        struct layer_saved *saved = &p->saved[i];
        *saved = (struct layer_saved){0};
        switch (list->items[i].role) {
        case ROLE_STEM: saved->map = narrow[1]; break;
        case ROLE_EXPAND: saved->map = wide; break;
        case ROLE_DEPTHWISE: saved->map = depthwise; break;
        case ROLE_GATE: *saved = gate; break;
        case ROLE_PROJECT: /* normalised where it is, if that has reals */
            saved->output = narrow[list->items[i].block % 2];
            saved->map = is_narrow ? wide : saved->output;
            saved->keep = keep;
            break;
        case ROLE_HEAD:
            saved->map = wide;
            saved->sums = sums;
            break;
        }
    }
    p->map_bytes = plan->used;
}

/* Room for the partial statistics of any layer: depthwise convolutions cut images into parts of their own. */
static void place_moments(struct backbone_pass *p, struct plan *plan)
{
    size_t most_parts = 0, most_reals = 0;
    for (size_t i = 0; i < p->network.list.count; i++) {
        const struct network_layer *layer = &p->network.layers[i];
        size_t parts = layer->row->operation == LAYER_DEPTHWISE
                           ? p->rows * depthwise_moment_parts(&p->context, &layer->depthwise)
                           : layer_tiling(&p->context, layer->row, p->rows).tiles;
        size_at_least(&most_parts, parts);
        size_at_least(&most_reals, parts * 2 * layer->row->output);
    }
    p->moment_values = plan_reals(plan, most_reals);
    p->moment_counts = plan_take(plan, most_parts, sizeof *p->moment_counts);
}

static size_t most_channels(const struct network *network)
{
    size_t most = 0;
    for (size_t i = 0; i < network->list.count; i++) size_at_least(&most, network->list.items[i].output);
    return most;
}

static void place_pass(void *self, struct plan *plan)
{
    struct backbone_pass *p = self;
    if (p->kind == PASS_TRAINS)
        place_every_map(p, plan);
    else
        place_shared_maps(p, plan);
    network_place_norms(&p->network, plan);
    place_moments(p, plan);
    p->context.scratch_reals = network_scratch_reals(&p->network, &p->context, p->rows);
    p->context.scratch = plan_reals(plan, (size_t)p->context.threads * p->context.scratch_reals);
    if (!pass_is_shared(p)) return;
    p->own_features = plan_reals(plan, p->rows * p->network.head->row->output);
    p->context.machine_sums = plan_take(plan, 2 * most_channels(&p->network) + 1, sizeof *p->context.machine_sums);
}

status backbone_check_rows(const struct backbone *b, size_t rows, struct error *err)
{
    bool is_own = machines_are_many(b->machines) && !b->synchronised;
    size_t together = is_own ? rows / (size_t)b->machines->size : rows;
    if (together * layer_output_pixels(b->network.head->row) > 1) return STATUS_OK;
    return error_set_usage(
        err,
        "batch-norm over a pass of %zu picture%s%s, whose last map at data.image_size = %d is one pixel: "
        "nothing is learned from one value of a channel (a larger train.batch%s or data.image_size)",
        rows, rows == 1 ? "" : "s", is_own ? " shared out with train.sync_bn = false" : "", b->image_size,
        is_own ? ", train.sync_bn = true" : "");
}

status backbone_pass_create(struct backbone_pass **out, struct backbone *b, enum pass_kind kind, int rows,
                            struct error *err)
{
    *out = NULL;
    BUG_UNLESS(rows >= 1 && (kind == PASS_SCORES || rows <= b->batch));
    struct backbone_pass *p = memory_allocate(1, sizeof *p, "a pass", err);
    if (p == NULL) return STATUS_FAILED;
    p->backbone = b;
    p->kind = kind;
    p->rows = (size_t)rows;
    p->context = b->context;
    p->context.storage = b->storage;
    p->machines = b->machines;
    if (b->synchronised) p->context.machines = b->machines;
    network_init(&p->network, &b->model->architecture, b->image_size);
    network_bind(&p->network, b->model);
    network_share_weights(&p->network, &b->network);
    status result = plan_arena_init(&p->arena, place_pass, p, "the training memory plan", err);
    if (result != STATUS_OK) {
        memory_free(p);
        return result;
    }
    *out = p;
    return STATUS_OK;
}

void backbone_pass_free(struct backbone_pass *p)
{
    if (p == NULL) return;
    arena_free(&p->arena);
    memory_free(p);
}

size_t backbone_pass_map_bytes(const struct backbone_pass *p)
{
    return p->map_bytes;
}

size_t backbone_pass_scratch_bytes(const struct backbone_pass *p)
{
    return p->arena.used - p->map_bytes;
}

/* ---- profiling --------------------------------------------------------------------------------------------------- */

void backbone_profile(struct backbone *b, struct layer_time *times)
{
    b->times = times;
}

double backbone_now(const struct backbone *b)
{
    return b->times == NULL ? 0 : clock_thread_seconds();
}

void backbone_lap(const struct backbone_pass *p, const struct network_layer *layer, bool backward, double *start)
{
    if (p->backbone->times == NULL) return;
    struct layer_time *time = &p->backbone->times[network_index(&p->network, layer)];
    double end = backbone_now(p->backbone);
    *(backward ? &time->backward : &time->forward) += end - *start;
    *start = end;
}
