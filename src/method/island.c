/* Island loss (Cai et al. 2018): center loss, and centres that turn away from each other,
 *
 *   + w repulsion sum over ordered pairs of centres (cos(c_j, c_k) + 1)
 *
 * which moves centres alone; features hear of it through them. */
#include "method/centers.h"
#include "method/methods.h"

static const struct method_term terms[] = {{"fer", "FER"}, {"center", "center"}, {"island", "island"}};

static void island_phases(const struct config *config, struct phase_table *table)
{
    centers_phases(config, config->island.weight, table);
    for (size_t i = 0; i < table->count; i++)
        table->phases[i].weights[CENTERS_TERM_ISLAND] = config->island.weight * config->island.repulsion;
}

static status island_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config_island *config = &setup->config->island;
    struct centers_options options = {.rate = config->rate, .repulsion = config->repulsion};
    return centers_create(self, setup, options, err);
}

const struct method method_island = {
    .name = "island",
    .terms = terms,
    .term_count = sizeof terms / sizeof terms[0],
    .figures = centers_figures,
    .figure_count = 1,
    .check = centers_check,
    .phases = island_phases,
    .streams = centers_streams,
    .create = island_create,
    .free = centers_free,
    .step = centers_step,
    .after_update = centers_after_update,
    .memories = centers_memories,
    .bytes = centers_bytes,
};
