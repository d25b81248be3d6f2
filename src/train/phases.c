/* The table of phases out of a configuration. */
#include "rmfer/train/phases.h"

static struct optimizer_rates rates_of(const struct config_train *train, bool contrastive, bool ial, bool acl)
{
    bool one_rate = contrastive && train->phase2_lr == PHASE2_LR_CONTRASTIVE;
    double base = one_rate ? train->lr_contrastive : train->lr;
    double heads = one_rate ? train->lr_contrastive : train->lr_ial;
    struct optimizer_rates rates = {0};
    rates.learning_rate[GROUP_BACKBONE] = rates.learning_rate[GROUP_FER] = base;
    rates.learning_rate[GROUP_PROJECTION] = rates.learning_rate[GROUP_IAL] = heads;
    rates.frozen[GROUP_BACKBONE] = train->freeze_backbone;
    rates.frozen[GROUP_PROJECTION] = !ial && !acl;
    rates.frozen[GROUP_IAL] = !ial;
    return rates;
}

static void add_phase(struct phase_table *table, const struct config *config, bool contrastive, int64_t first,
                      int64_t end)
{
    if (first >= end) return;
    bool ial = config->ial.weight > 0;
    table->phases[table->count++] = (struct phase){
        .number = contrastive ? 2 : 1,
        .first_epoch = (uint64_t)first,
        .end_epoch = (uint64_t)end,
        .ial_weight = config->ial.weight,
        .acl_weight = contrastive ? config->acl.weight : 0,
        .rates = rates_of(&config->train, contrastive, ial, contrastive),
    };
}

struct phase_table phase_table_of(const struct config *config)
{
    struct phase_table table = {0};
    int64_t epochs = config->train.epochs;
    int64_t joins = config_has_phase2(config) ? config->train.warmup_epochs : epochs;
    add_phase(&table, config, false, 0, joins);
    add_phase(&table, config, true, joins, epochs);
    return table;
}

const struct phase *phase_table_at(const struct phase_table *table, uint64_t epoch)
{
    size_t at = 0;
    while (at + 1 < table->count && epoch >= table->phases[at].end_epoch) at++;
    return &table->phases[at];
}
