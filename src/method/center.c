/* Center loss (Wen et al. 2016): the step of centers.h with a pull of the same strength on every number of a feature.
 */
#include "method/centers.h"
#include "method/methods.h"

static const struct method_term terms[] = {{"fer", "FER"}, {"center", "center"}};

static void center_phases(const struct config *config, struct phase_table *table)
{
    centers_phases(config, config->center.weight, table);
}

static status center_create(void **self, const struct method_setup *setup, struct error *err)
{
    return centers_create(self, setup, (struct centers_options){.rate = setup->config->center.rate}, err);
}

const struct method method_center = {
    .name = "center",
    .terms = terms,
    .term_count = sizeof terms / sizeof terms[0],
    .figures = centers_figures,
    .figure_count = 1,
    .check = centers_check,
    .phases = center_phases,
    .streams = centers_streams,
    .create = center_create,
    .free = centers_free,
    .step = centers_step,
    .after_update = centers_after_update,
    .memories = centers_memories,
    .bytes = centers_bytes,
};
