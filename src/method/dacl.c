/* Deep attentive center loss (Farzaneh and Qi 2021): center loss whose pull on each number of a feature is an attention
 * of that feature. The attention's head is D -> D/4 -> D with batch-norm and ReLU inside and a sigmoid behind it, which
 * is what the two-way softmax of the paper's heads comes to; it looks at the pooled feature, the paper's at the map
 * before pooling. */
#include "method/centers.h"
#include "method/methods.h"

static const struct method_term terms[] = {{"fer", "FER"}, {"center", "attentive center"}};

/* Of one picture, batch-norm would leave nothing but its own shift, whatever the feature. The head sees the pictures of
 * all processes, with train.sync_bn = false too. */
static status dacl_check(const struct config *config, struct error *err)
{
    if (config->train.batch < 2)
        return error_set_usage(
            err, "train.batch = 1: dacl's attention has batch-norm over a batch's pictures, which needs 2 of "
                 "them (a larger train.batch, or train.method = center)");
    return centers_check(config, err);
}

static void dacl_phases(const struct config *config, struct phase_table *table)
{
    centers_phases(config, config->dacl.weight, table);
}

static status dacl_create(void **self, const struct method_setup *setup, struct error *err)
{
    struct centers_options options = {.rate = setup->config->dacl.rate, .attends = true};
    return centers_create(self, setup, options, err);
}

const struct method method_dacl = {
    .name = "dacl",
    .terms = terms,
    .term_count = sizeof terms / sizeof terms[0],
    .figures = centers_figures,
    .figure_count = 1,
    .check = dacl_check,
    .phases = dacl_phases,
    .streams = centers_streams,
    .heads = centers_attention_head,
    .create = dacl_create,
    .free = centers_free,
    .step = centers_step,
    .after_update = centers_after_update,
    .memories = centers_memories,
    .bytes = centers_bytes,
};
