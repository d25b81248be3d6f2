/* One phase, two streams, and the loss of the rows that have a label. */
#include "method/semi_supervised.h"

#include <string.h>

status semi_supervised_check(const struct config *config, struct error *err)
{
    const char *name = config->train.method;
    if (config->train.freeze_backbone)
        return error_set_usage(err, "train.freeze_backbone = true: %s trains the whole network (set it false)", name);
    if (config->data.labelled == 0)
        return error_set_usage(err,
                               "data.labelled = 0: %s needs pictures without a label (data.labelled = 4000 keeps the "
                               "labels of so many)",
                               name);
    return STATUS_OK;
}

status semi_supervised_check_mixing(const struct config *config, struct error *err)
{
    if (config->train.batch < 2)
        return error_set_usage(err,
                               "train.batch = 1: %s's mixtures go through the network in passes of so many rows, and "
                               "batch-norm needs 2 of them",
                               config->train.method);
    if (config->train.class_weights != CLASS_WEIGHTS_NONE)
        return error_set_usage(
            err,
            "train.class_weights: %s mixes pictures of several classes, a weight for one has no place "
            "(set none; data.sampler = balanced draws rare classes more often)",
            config->train.method);
    if (config->va.weight > 0)
        return error_set_usage(
            err,
            "va.weight = %g: %s mixes pictures of several faces, whose valence and arousal are nobody's "
            "(set 0, or another method: rmfer, consensus, fixmatch, uda, adacm learn them)",
            config->va.weight, config->train.method);
    return semi_supervised_check(config, err);
}

struct phase *semi_supervised_phase(const struct config *config, struct phase_table *table)
{
    struct phase *phase = phase_table_add(table, 1, 0, config->train.epochs);
    struct optimizer_rates *rates = &phase->rates;
    phase->weights[TERM_FER] = 1;
    rates->learning_rate[GROUP_BACKBONE] = rates->learning_rate[GROUP_FER] = config->train.lr;
    rates->learning_rate[GROUP_METHOD] = config->train.lr;
    rates->frozen[GROUP_PROJECTION] = rates->frozen[GROUP_IAL] = true;
    return phase;
}

size_t semi_supervised_unlabelled_rows(const struct config *config, int64_t ratio)
{
    return (size_t)config->train.batch * (size_t)ratio;
}

size_t semi_supervised_streams(const struct config *config, int64_t ratio, int view_count, const enum view_kind *views,
                               struct stream_request *requests)
{
    requests[LABELLED] = (struct stream_request){
        .source = STREAM_LABELLED, .rows = (int)config->train.batch, .view_count = 1, .views = {VIEW_WEAK}};
    requests[UNLABELLED] = (struct stream_request){.source = STREAM_UNLABELLED,
                                                   .rows = (int)semi_supervised_unlabelled_rows(config, ratio),
                                                   .view_count = view_count};
    memcpy(requests[UNLABELLED].views, views, (size_t)view_count * sizeof *views);
    return 2;
}

size_t semi_supervised_views(const struct method_setup *setup, size_t unlabelled, size_t views,
                             struct stream_share *shares)
{
    shares[0] = stream_share_of(setup->machines, (size_t)setup->config->train.batch, 1);
    for (size_t i = 1; i <= views; i++) shares[i] = stream_share_of(setup->machines, unlabelled, 1);
    return 1 + views;
}

struct cross_entropy semi_supervised_cross_entropy(const struct method_setup *setup)
{
    return (struct cross_entropy){.n = (size_t)setup->config->train.batch,
                                  .classes = (size_t)setup->model->classes,
                                  .label_smoothing = setup->config->train.label_smoothing,
                                  .class_weights = setup->class_weights,
                                  .soft_targets = setup->soft_targets};
}

void semi_supervised_labelled_loss(struct one_pass *pass, struct cross_entropy loss, const real *targets, double share,
                                   const struct method_step *step, struct step_outcome *outcome)
{
    double scale = step->gradient_scale * step->weights[TERM_FER] * share;
    outcome->terms[TERM_FER] += share * cross_entropy(&loss, pass->logits, targets, scale, pass->dlogits);
    outcome->figures[ACCURACY].sum += count_correct(loss.n, loss.classes, pass->logits, targets);
    outcome->figures[ACCURACY].count += (double)loss.n;
}

void semi_supervised_affect_loss(struct one_pass *pass, size_t term, const struct method_step *step,
                                 struct step_outcome *outcome)
{
    double weight = step->weights[term];
    if (weight != 0)
        outcome->terms[term] = one_pass_affect(pass, &step->batch->streams[LABELLED], step->gradient_scale * weight);
}

double semi_supervised_ramp(double progress, double length)
{
    return progress < length ? progress / length : 1;
}
