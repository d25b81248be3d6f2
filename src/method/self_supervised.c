/* Pairs put into a pass, and what is measured of them. */
#include "method/self_supervised.h"

#include "rmfer/ops/rows.h"

#include <string.h>

const struct method_figure self_supervised_figures[PAIR_FIGURES] = {
    [ACCURACY] = {"accuracy", TERM_FER},
    [PAIR_SIMILARITY] = {"pair_similarity", PAIR_TERM},
    [STRANGER_SIMILARITY] = {"stranger_similarity", PAIR_TERM},
};

static bool are_moments(const struct config *config)
{
    return config->self_supervised.views == PAIRS_OF_MOMENTS;
}

static size_t pairs_of(const struct config *config)
{
    return (size_t)config->train.batch * (size_t)config->self_supervised.ratio;
}

status self_supervised_check(const struct config *config, struct error *err)
{
    if (pairs_of(config) < 2)
        return error_set_usage(err, "train.batch = 1: %s compares at least 2 pairs (self_supervised.ratio = 2)",
                               config->train.method);
    if (config->self_supervised.weight == 0 && config->self_supervised.labelled_weight == 0)
        return error_set_usage(err,
                               "self_supervised.weight = 0 and self_supervised.labelled_weight = 0: %s has nothing to "
                               "learn (self_supervised.weight = 1)",
                               config->train.method);
    if (!are_moments(config)) return semi_supervised_check(config, err);
    if (config->rmset.fraction == 0)
        return error_set_usage(err, "rmset.fraction = 0: self_supervised.views = moment needs the faces of an RMset");
    if (config->train.freeze_backbone)
        return error_set_usage(err, "train.freeze_backbone = true: %s trains the whole network (set it false)",
                               config->train.method);
    return STATUS_OK;
}

void self_supervised_phases(const struct config *config, struct phase_table *table)
{
    struct phase *phase = semi_supervised_phase(config, table);
    phase->weights[TERM_FER] = config->self_supervised.labelled_weight;
    phase->weights[PAIR_TERM] = config->self_supervised.weight;
    /* Without a loss the classifier keeps its start: decay would only shrink it. */
    phase->rates.frozen[GROUP_FER] = config->self_supervised.labelled_weight == 0;
}

size_t self_supervised_streams(const struct config *config, struct stream_request *requests)
{
    static const enum view_kind views[2] = {VIEW_PAIR, VIEW_PAIR};
    size_t count = semi_supervised_streams(config, config->self_supervised.ratio, 2, views, requests);
    if (are_moments(config))
        requests[UNLABELLED] = (struct stream_request){.source = STREAM_RMSET_MOMENTS,
                                                       .rows = 2 * (int)pairs_of(config),
                                                       .view_count = 1,
                                                       .views = {VIEW_PAIR},
                                                       .persons = 2};
    return count;
}

status self_supervised_init(struct self_supervised *shared, const struct method_setup *setup, size_t views,
                            struct error *err)
{
    const struct config *config = setup->config;
    *shared = (struct self_supervised){.config = config, .pairs = pairs_of(config)};
    shared->labelled = semi_supervised_cross_entropy(setup);
    size_t labelled = (size_t)config->train.batch, looked_at = views * shared->pairs;
    size_t least = looked_at + (config->self_supervised.labelled_weight == 0 ? 0 : labelled);
    return one_pass_init_mixed(&shared->pass, setup, least, looked_at + labelled, err);
}

status self_supervised_place(struct self_supervised *shared, plan_place *place, void *self, struct error *err)
{
    return plan_arena_init(&shared->heads, place, self, "the projections", err);
}

void self_supervised_free(struct self_supervised *shared)
{
    one_pass_free(&shared->pass);
    arena_free(&shared->heads);
}

void self_supervised_free_method(void *self)
{
    if (self == NULL) return;
    self_supervised_free(self);
    memory_free(self);
}

struct method_bytes self_supervised_bytes(const void *self)
{
    const struct self_supervised *shared = self;
    struct method_bytes bytes = one_pass_bytes(&shared->pass);
    bytes.scratch += shared->heads.size;
    return bytes;
}

const real *self_supervised_picture(const struct self_supervised *shared, const struct method_step *step, size_t which,
                                    size_t pair)
{
    const struct batch_stream *pairs = &step->batch->streams[UNLABELLED];
    size_t picture = shared->pass.image_reals;
    if (are_moments(shared->config)) return pairs->images[0] + (2 * pair + which) * picture;
    return pairs->images[which] + pair * picture;
}

const real *self_supervised_forward(struct self_supervised *shared, const struct method_step *step, size_t views,
                                    struct step_outcome *outcome)
{
    struct one_pass *pass = &shared->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    bool has_labels = step->weights[TERM_FER] > 0;
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    if (has_labels) (void)one_pass_add(pass, labelled, 0);
    shared->first = pass->rows;
    for (size_t which = 0; which < views; which++)
        for (size_t pair = 0; pair < shared->pairs; pair++)
            memcpy(one_pass_extend(pass, 1), self_supervised_picture(shared, step, which, pair),
                   pass->image_reals * sizeof(real));
    one_pass_forward(pass, step);
    if (has_labels) {
        semi_supervised_labelled_loss(pass, shared->labelled, labelled->targets, 1, step, outcome);
        one_pass_backward_classifier(pass);
    } else
        memset(pass->dfeatures, 0, pass->rows * pass->dimensions * sizeof(real));
    return pass->features + shared->first * pass->dimensions;
}

void self_supervised_backward(struct self_supervised *shared, const struct method_step *step, size_t views,
                              const real *dfeatures, double term, struct step_outcome *outcome)
{
    one_pass_add_gradient(&shared->pass, shared->first, views * shared->pairs, dfeatures);
    one_pass_backward_backbone(&shared->pass);
    outcome->terms[PAIR_TERM] = term;
    for (size_t i = 0; i < PAIR_TERMS; i++) outcome->total += step->weights[i] * outcome->terms[i];
}

/* Of strangers without a loop over pairs: for each place, (sum of all first) . (sum of all second) less the pairs' own.
 */
void self_supervised_similarities(size_t n, size_t d, const real *first, const real *second,
                                  struct step_outcome *outcome)
{
    double within = 0, all = 0;
    for (size_t i = 0; i < n; i++) within += row_product(d, first + i * d, second + i * d);
    for (size_t k = 0; k < d; k++) {
        double sums[2] = {0, 0};
        for (size_t i = 0; i < n; i++) {
            sums[0] += (double)first[i * d + k];
            sums[1] += (double)second[i * d + k];
        }
        all += sums[0] * sums[1];
    }
    step_outcome_figure(outcome, PAIR_SIMILARITY, within, (double)n);
    step_outcome_figure(outcome, STRANGER_SIMILARITY, all - within, (double)(n * (n - 1)));
}

double self_supervised_agreement(size_t n, size_t d, const real *p, const real *targets, double scale, real *dp)
{
    double sum = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        const real *target = targets + (i < n ? i + n : i - n) * d;
        sum += row_product(d, p + i * d, target);
        for (size_t k = 0; k < d; k++) dp[i * d + k] = (real)(scale / (double)n * (double)target[k]);
    }
    return sum / (double)n;
}
