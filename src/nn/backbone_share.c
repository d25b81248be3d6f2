/* Rows of a pass shared out over processes: whose they are, features brought together, gradients that are final. The
 * passes themselves do not know of it but for these calls. */
#include "nn/backbone_internal.h"

#include "rmfer/ops/dropout.h"

#include <string.h>

/* Where each layer's gradients begin in the slab: the registry has the layers' tensors in their order. */
static void find_gradients(struct backbone *b)
{
    const struct parameters *all = &b->model->parameters;
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    for (size_t layer = 0, entry = 0; layer < b->network.list.count; layer++) {
        size_t count = layer_tensors(&b->network.list.items[layer], tensors);
        BUG_UNLESS(entry + count <= all->count && !all->items[entry].is_buffer);
        b->first_gradient[layer] = all->items[entry].offset;
        entry += count;
    }
}

void backbone_share(struct backbone *b, const struct machines *machines, bool synchronised)
{
    b->machines = machines;
    b->synchronised = synchronised;
    find_gradients(b);
}

size_t pass_parts_own(const struct machines *machines, const struct pass_part *parts, size_t count)
{
    size_t own = 0;
    for (size_t i = 0; i < count; i++) own += machines_share(machines, parts[i].rows, parts[i].group).count;
    return own;
}

size_t pass_parts_most(const struct machines *machines, const struct pass_part *parts, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) most += machines_most(machines, parts[i].rows, parts[i].group);
    return most;
}

void backbone_set_rows(struct backbone_pass *p, const struct forward_options *options, int n)
{
    size_t rows = 0;
    p->all = (size_t)n;
    p->part_count = options->part_count > 0 ? options->part_count : 1;
    p->parts[0] = (struct pass_part){p->all, 1};
    if (options->part_count > 0) memcpy(p->parts, options->parts, sizeof p->parts);
    for (size_t i = 0; i < p->part_count; i++) rows += p->parts[i].rows;
    BUG_UNLESS(rows == p->all);
    p->n = pass_parts_own(p->machines, p->parts, p->part_count);
    p->last = options->last;
}

void backbone_gather_features(struct backbone_pass *p, real *features)
{
    size_t d = p->network.head->row->output;
    const real *own = p->own_features;
    for (size_t i = 0; i < p->part_count; i++) {
        const struct pass_part *part = &p->parts[i];
        machines_gather_rows(p->machines, part->rows, part->group, d, own, features);
        own += machines_share(p->machines, part->rows, part->group).count * d;
        features += part->rows * d;
    }
}

void backbone_pick_gradients(struct backbone_pass *p, const real *dfeatures)
{
    size_t d = p->network.head->row->output;
    real *own = p->own_features;
    for (size_t i = 0; i < p->part_count; i++) {
        struct row_share share = machines_share(p->machines, p->parts[i].rows, p->parts[i].group);
        memcpy(own, dfeatures + share.first * d, share.count * d * sizeof *own);
        own += share.count * d;
        dfeatures += p->parts[i].rows * d;
    }
}

void backbone_final_from(struct backbone_pass *p, const struct network_layer *layer)
{
    const struct machines *machines = p->machines;
    if (!p->last || !machines_are_many(machines) || machines->gradients_final == NULL) return;
    machines->gradients_final(machines->context, p->backbone->first_gradient[network_index(&p->network, layer)]);
}

void backbone_draw_factors(const struct backbone_pass *p, struct random_stream *stream, double rate, real *keep)
{
    real unused;
    for (size_t i = 0; i < p->part_count; i++) {
        struct row_share share = machines_share(p->machines, p->parts[i].rows, p->parts[i].group);
        for (size_t row = 0; row < p->parts[i].rows; row++) {
            bool here = row >= share.first && row < share.first + share.count;
            dropout_factors(stream, rate, 1, here ? keep++ : &unused);
        }
    }
}
