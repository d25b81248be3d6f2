/* FixMatch (Sohn et al. 2020): the step of consistency.h with one-hot guesses, c = .95, mu = 7. */
#include "method/consistency.h"
#include "method/methods.h"
#include "method/semi_supervised.h"

static void fixmatch_phases(const struct config *config, struct phase_table *table)
{
    consistency_phases(config, config->fixmatch.weight, table);
}

static size_t fixmatch_streams(const struct config *config, struct stream_request *requests)
{
    return consistency_streams(config, config->fixmatch.ratio, requests);
}

static status fixmatch_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config_fixmatch *config = &setup->config->fixmatch;
    struct consistency_options options = {.threshold = config->threshold, .ratio = config->ratio};
    return consistency_create(self, setup, options, err);
}

const struct method method_fixmatch = {
    .name = "fixmatch",
    .terms = consistency_terms,
    .term_count = CONSISTENCY_TERMS,
    .figures = consistency_figures,
    .figure_count = CONSISTENCY_FIGURES,
    .check = semi_supervised_check,
    .phases = fixmatch_phases,
    .streams = fixmatch_streams,
    .create = fixmatch_create,
    .free = consistency_free,
    .step = consistency_step,
    .bytes = consistency_bytes,
};
