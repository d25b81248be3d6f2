/* UDA, unsupervised data augmentation (Xie et al. 2020): the step of consistency.h with soft guesses, sharpened by a
 * temperature of .4, c = .8, mu = 7. Without training signal annealing, as the comparison of Table 2 has it. */
#include "method/consistency.h"
#include "method/methods.h"
#include "method/semi_supervised.h"

static void uda_phases(const struct config *config, struct phase_table *table)
{
    consistency_phases(config, config->uda.weight, table);
}

static size_t uda_streams(const struct config *config, struct stream_request *requests)
{
    return consistency_streams(config, config->uda.ratio, requests);
}

static status uda_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config_uda *config = &setup->config->uda;
    struct consistency_options options = {
        .threshold = config->threshold, .temperature = config->temperature, .ratio = config->ratio};
    return consistency_create(self, setup, options, err);
}

const struct method method_uda = {
    .name = "uda",
    .terms = consistency_terms,
    .term_count = CONSISTENCY_TERMS,
    .figures = consistency_figures,
    .figure_count = CONSISTENCY_FIGURES,
    .check = semi_supervised_check,
    .phases = uda_phases,
    .streams = uda_streams,
    .create = uda_create,
    .free = consistency_free,
    .step = consistency_step,
    .bytes = consistency_bytes,
};
