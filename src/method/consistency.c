/* Weak rows make guesses, strong rows are held against them. */
#include "method/consistency.h"

#include "method/guesses.h"
#include "method/semi_supervised.h"
#include "rmfer/base/plan.h"

enum { WEAK, STRONG, VIEWS };
enum { SURE_SHARE = ACCURACY + 1 };

const struct method_term consistency_terms[CONSISTENCY_TERMS] = {
    [TERM_FER] = {"fer", "FER"},
    [CONSISTENCY_TERM_UNLABELLED] = {"unlabelled", "unlabelled"},
    [CONSISTENCY_TERM_AFFECT] = AFFECT_TERM,
};
const struct method_figure consistency_figures[CONSISTENCY_FIGURES] = {
    [ACCURACY] = {"accuracy", -1}, [SURE_SHARE] = {"sure_share", CONSISTENCY_TERM_UNLABELLED}, /* of the unlabelled
                                                                                                  pictures, those above
                                                                                                  the threshold */
};

struct consistency {
    struct one_pass pass;
    struct cross_entropy labelled;
    struct consistency_options options;
    struct arena arena;
    size_t unlabelled;    /* rows of a batch, mu B */
    size_t places;        /* of a step, whose guesses SAM meets twice */
    real *targets, *sure; /* [places, unlabelled, classes], [places, unlabelled]: guesses, for SAM's second pass */
};

void consistency_phases(const struct config *config, double weight, struct phase_table *table)
{
    double *weights = semi_supervised_phase(config, table)->weights;
    weights[CONSISTENCY_TERM_UNLABELLED] = weight;
    weights[CONSISTENCY_TERM_AFFECT] = config->va.weight;
}

size_t consistency_streams(const struct config *config, int64_t ratio, struct stream_request *requests)
{
    static const enum view_kind views[VIEWS] = {[WEAK] = VIEW_WEAK, [STRONG] = VIEW_STRONG};
    return semi_supervised_streams(config, ratio, VIEWS, views, requests);
}

void consistency_free(void *self)
{
    struct consistency *consistency = self;
    if (consistency == NULL) return;
    one_pass_free(&consistency->pass);
    arena_free(&consistency->arena);
    memory_free(consistency);
}

static void place(void *self, struct plan *plan)
{
    struct consistency *consistency = self;
    size_t guesses = consistency->places * consistency->unlabelled;
    consistency->targets = plan_reals(plan, guesses * consistency->labelled.classes);
    consistency->sure = plan_reals(plan, guesses);
}

status consistency_create(void **self, const struct method_setup *setup, struct consistency_options options,
                          struct error *err)
{
    const struct config *config = setup->config;
    *self = NULL;
    struct consistency *consistency = memory_allocate(1, sizeof *consistency, "the method", err);
    if (consistency == NULL) return STATUS_FAILED;
    consistency->options = options;
    consistency->unlabelled = semi_supervised_unlabelled_rows(config, options.ratio);
    consistency->places = setup->places;
    consistency->labelled = semi_supervised_cross_entropy(setup);
    struct stream_share views[1 + VIEWS];
    size_t count = semi_supervised_views(setup, consistency->unlabelled, VIEWS, views);
    status result = one_pass_init(&consistency->pass, setup, views, count, err);
    if (result == STATUS_OK) result = plan_arena_init(&consistency->arena, place, consistency, "the guesses", err);
    if (result != STATUS_OK) {
        consistency_free(consistency);
        return result;
    }
    *self = consistency;
    return STATUS_OK;
}

/* The strong rows against the guesses of the weak ones, those of SAM's first pass where it is the second. */
static void unlabelled_loss(struct consistency *consistency, const struct method_step *step, size_t weak, size_t strong,
                            struct step_outcome *outcome)
{
    struct one_pass *pass = &consistency->pass;
    const struct consistency_options *options = &consistency->options;
    size_t classes = pass->classes, n = (size_t)step->batch->streams[UNLABELLED].rows;
    real *targets = consistency->targets + step->place * consistency->unlabelled * classes;
    real *sure = consistency->sure + step->place * consistency->unlabelled;
    if (!step->again)
        guesses_above(n, classes, pass->logits + weak * classes, options->threshold, options->temperature, targets,
                      sure);
    outcome->terms[CONSISTENCY_TERM_UNLABELLED] = guesses_cross_entropy(n, classes, pass->logits + strong * classes,
                                                                        targets, sure,
                                                                        step->gradient_scale *
                                                                            step->weights[CONSISTENCY_TERM_UNLABELLED],
                                                                        pass->dlogits + strong * classes);
    for (size_t i = 0; i < n; i++) outcome->figures[SURE_SHARE].sum += (double)sure[i];
    outcome->figures[SURE_SHARE].count = (double)n;
}

void consistency_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct consistency *consistency = self;
    struct one_pass *pass = &consistency->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    (void)one_pass_add(pass, labelled, 0);
    size_t weak = one_pass_add(pass, unlabelled, WEAK);
    size_t strong = one_pass_add(pass, unlabelled, STRONG);
    one_pass_forward(pass, step);
    semi_supervised_labelled_loss(pass, consistency->labelled, labelled->targets, 1, step, outcome);
    semi_supervised_affect_loss(pass, CONSISTENCY_TERM_AFFECT, step, outcome);
    unlabelled_loss(consistency, step, weak, strong, outcome);
    one_pass_backward(pass);
    for (size_t i = 0; i < CONSISTENCY_TERMS; i++) outcome->total += step->weights[i] * outcome->terms[i];
}

struct method_bytes consistency_bytes(const void *self)
{
    const struct consistency *consistency = self;
    struct method_bytes bytes = one_pass_bytes(&consistency->pass);
    bytes.scratch += consistency->arena.size;
    return bytes;
}
