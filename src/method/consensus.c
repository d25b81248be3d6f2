/* Moment consensus, an extension of the paper: persons who react to one moment mostly show one expression, so what a
 * teacher makes of all of them together is better than what it makes of each, above all of expressions that it is never
 * sure of.
 *
 *   L = CE(labelled) + lambda (1/n) sum_i w_i CE(q_i, a view of face i) [+ lambda 2 the mutual loss of some moments]
 *
 * Every consensus.refresh epochs the teacher (the average of the weights, train.ema_decay) looks at every face of the
 * RMset: as it is (consensus.view = plain), as it looks once and a label rests on that; as it is and in its mirror
 * image, the mean of both (mirrored); or shifted and flipped as FixMatch's guesses are (weak). Its probabilities, at a
 * temperature that fits the validation split seen the same way, become labels q by moment_consensus.h, with rho and the
 * moments' class shares estimated anew. All faces count, by how certain their label is. Steps read the labels: resuming
 * needs them and what was estimated, nothing else. Both grow with the RMset, up to consensus.cache_limit. With acl.loss
 * = mutual the moments' faces are contrasted too, and the labels are its soft attention. Phase 1 (train.warmup_epochs)
 * is classification alone. */
#include "method/moment_consensus.h"

#include "method/guesses.h"
#include "method/methods.h"
#include "method/moment_teacher.h"
#include "method/mutual.h"
#include "method/semi_supervised.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FACES = LABELLED + 1, MOMENTS };
enum { TERM_CONSENSUS = TERM_FER + 1, TERM_ACL, TERM_AFFECT, TERMS };
enum { RHO = ACCURACY + 1, TEMPERATURE, CHANGED, CERTAINTY, MOMENT, OTHERS };
enum { ESTIMATED_RHO, ESTIMATED_TEMPERATURE, CHANGED_SHARE, ESTIMATES };

static const struct method_term terms[TERMS] = {
    {"fer", "FER"}, {"consensus", "consensus"}, {"acl", "ACL"}, AFFECT_TERM};
static const struct method_figure figures[] = {
    [ACCURACY] = {"accuracy", -1},
    [RHO] = {"rho", TERM_CONSENSUS},                   /* a face shows its moment's expression */
    [TEMPERATURE] = {"temperature", TERM_CONSENSUS},   /* of the teacher */
    [CHANGED] = {"changed_share", TERM_CONSENSUS},     /* faces whose moment says another class than they do alone */
    [CERTAINTY] = {"label_certainty", TERM_CONSENSUS}, /* mean weight of the labels that were learned */
    [MOMENT] = {"moment_similarity", TERM_ACL},
    [OTHERS] = {"other_similarity", TERM_ACL},
};

struct consensus_method {
    const struct config *config;
    const struct rmset_index *index;
    struct moment_teacher teacher;
    struct one_pass pass;
    struct mutual mutual;          /* where also_contrasts */
    struct cross_entropy labelled; /* but for its n */
    struct arena arena;
    size_t faces, classes;                 /* of the RMset */
    double *label_shares, *teacher_shares; /* [classes]; the teacher's are the mean of its predictions */
    real *predictions, *labels;            /* [faces,classes]: the teacher's, and the consensus */
    double estimates[ESTIMATES];
    real *targets, *weights;   /* [rows,classes], [rows] of a step's faces */
    real *guesses, *dfeatures; /* [rows,classes], [rows,D] of a step's moments */
    unsigned char *apart;      /* [rows,rows] */
};

/* ---- what it asks for ---- */

static bool also_contrasts(const struct config *config)
{
    return config->acl.loss == ACL_LOSS_MUTUAL && config->acl.weight > 0;
}

static size_t face_rows(const struct config *config)
{
    return (size_t)config->train.batch * (size_t)config->consensus.ratio;
}

static size_t moment_rows(const struct config *config)
{
    return also_contrasts(config) ? (size_t)config->acl.moments * (size_t)config->acl.persons : 0;
}

static status consensus_check(const struct config *config, struct error *err)
{
    if (config->train.freeze_backbone)
        return error_set_usage(err, "train.freeze_backbone = true: consensus trains the whole network (set it false)");
    if (config->train.ema_decay == 0)
        return error_set_usage(err, "train.ema_decay = 0: consensus needs the average of the weights as its teacher "
                                    "(train.ema_decay = 0.99, say)");
    if (config->train.warmup_epochs >= config->train.epochs)
        return error_set_usage(err,
                               "train.warmup_epochs = %lld: no epoch is left in which moments could agree "
                               "(train.epochs = %lld)",
                               (long long)config->train.warmup_epochs, (long long)config->train.epochs);
    if (config->rmset.fraction == 0)
        return error_set_usage(err, "rmset.fraction = 0: consensus learns from the faces of an RMset");
    if (config->consensus.threshold == 1)
        return error_set_usage(
            err, "consensus.threshold = 1: no label is as sure as that (0 counts all, 0.9 the sure ones)");
    if (config->consensus.temperature == 0 && config->eval.select == SELECT_TEST)
        return error_set_usage(err,
                               "consensus.temperature = 0: it would be fitted to the test split, which chooses here "
                               "(eval.select = valid, or a temperature)");
    if (config->data.classes.count > CONSENSUS_CLASSES)
        return error_set_usage(err, "data.classes: consensus works with at most %d classes", CONSENSUS_CLASSES);
    return also_contrasts(config) ? mutual_check(config, err) : STATUS_OK;
}

static void consensus_phases(const struct config *config, struct phase_table *table)
{
    int64_t epochs = config->train.epochs, joins = config->train.warmup_epochs;
    const int64_t first[] = {0, joins}, end[] = {joins, epochs};
    for (int i = 0; i < 2; i++) {
        struct phase *phase = phase_table_add(table, i + 1, first[i], end[i]);
        if (phase == NULL) continue;
        struct optimizer_rates *rates = &phase->rates;
        phase->weights[TERM_FER] = 1;
        phase->weights[TERM_AFFECT] = config->va.weight;
        phase->weights[TERM_CONSENSUS] = i == 1 ? config->consensus.weight : 0;
        phase->weights[TERM_ACL] = i == 1 && also_contrasts(config) ? config->acl.weight : 0;
        rates->learning_rate[GROUP_BACKBONE] = rates->learning_rate[GROUP_FER] = config->train.lr;
        rates->learning_rate[GROUP_METHOD] = config->train.lr_ial;
        rates->frozen[GROUP_PROJECTION] = rates->frozen[GROUP_IAL] = true;
        rates->frozen[GROUP_METHOD] = phase->weights[TERM_ACL] == 0;
    }
}

static size_t consensus_streams(const struct config *config, struct stream_request *requests)
{
    uint64_t joins = (uint64_t)config->train.warmup_epochs;
    bool strong = config->consensus.student_view == STUDENT_SEES_STRONG;
    requests[LABELLED] = (struct stream_request){
        .source = STREAM_LABELLED, .rows = (int)config->train.batch, .view_count = 1, .views = {VIEW_PLAIN}};
    requests[FACES] = (struct stream_request){.source = STREAM_RMSET_FACES,
                                              .rows = (int)face_rows(config),
                                              .view_count = 1,
                                              .views = {strong ? VIEW_STRONG : VIEW_PLAIN},
                                              .first_epoch = joins};
    if (!also_contrasts(config)) return 2;
    requests[MOMENTS] = (struct stream_request){.source = STREAM_RMSET_MOMENTS,
                                                .rows = (int)moment_rows(config),
                                                .view_count = 1,
                                                .views = {VIEW_PLAIN},
                                                .persons = (int)config->acl.persons,
                                                .returns = config->acl.returns,
                                                .first_epoch = joins};
    return 3;
}

static size_t consensus_heads(const struct config *config, size_t features, struct parameter *entries)
{
    return also_contrasts(config) ? mutual_head(features, entries) : 0;
}

/* ---- creation ---- */

static void consensus_free(void *self)
{
    struct consensus_method *method = self;
    if (method == NULL) return;
    one_pass_free(&method->pass);
    moment_teacher_free(&method->teacher);
    arena_free(&method->arena);
    memory_free(method);
}

static void place(void *self, struct plan *plan)
{
    struct consensus_method *method = self;
    size_t rows = face_rows(method->config), moments = moment_rows(method->config), classes = method->classes;
    method->label_shares = plan_take(plan, classes, sizeof(double));
    method->teacher_shares = plan_take(plan, classes, sizeof(double));
    method->predictions = plan_reals(plan, size_multiply(method->faces, classes));
    method->labels = plan_reals(plan, size_multiply(method->faces, classes));
    method->targets = plan_reals(plan, rows * classes);
    method->weights = plan_reals(plan, rows);
    if (moments == 0) return;
    method->guesses = plan_reals(plan, moments * classes);
    method->dfeatures = plan_reals(plan, moments * method->pass.dimensions);
    method->apart = plan_take(plan, moments * moments, sizeof *method->apart);
    mutual_place(&method->mutual, plan);
}

/* Of predictions and labels. */
static size_t cache_bytes(const struct consensus_method *method)
{
    return size_multiply(size_multiply(method->faces, method->classes), 2 * sizeof(real));
}

static status check_cache(const struct consensus_method *method, struct error *err)
{
    const struct config *config = method->config;
    double limit = (double)config->consensus.cache_limit * 1048576, wanted = (double)cache_bytes(method);
    if (wanted <= limit) return STATUS_OK;
    /* Rounded down, as it is to be taken as it stands. */
    double fraction = floor(100 * config->rmset.fraction * limit / wanted) / 100;
    char mends[64] = "a smaller RMset";
    if (fraction > 0) snprintf(mends, sizeof mends, "a part of its videos: rmset.fraction = %g", fraction);
    return error_set_usage(
        err,
        "consensus.cache_limit = %lld: predictions and labels of the RMset's %zu faces take %.0f MiB "
        "(a higher limit, or %s)",
        (long long)config->consensus.cache_limit, method->faces, ceil(wanted / 1048576), mends);
}

/* The labels' class shares, none of them 0: what no label shows could be shown all the same. */
static void set_shares(struct consensus_method *method, const struct method_setup *setup)
{
    double sum = 0;
    for (size_t c = 0; c < method->classes; c++) {
        method->label_shares[c] = setup->class_shares[c] > 1e-4 ? setup->class_shares[c] : 1e-4;
        sum += method->label_shares[c];
    }
    for (size_t c = 0; c < method->classes; c++) method->label_shares[c] /= sum;
}

static status consensus_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    *self = NULL;
    struct consensus_method *method = memory_allocate(1, sizeof *method, "the method", err);
    if (method == NULL) return STATUS_FAILED;
    method->config = config;
    method->index = setup->rmset;
    method->faces = (size_t)rmset_index_chosen_faces(setup->rmset);
    method->classes = (size_t)setup->model->classes;
    method->labelled = semi_supervised_cross_entropy(setup);
    if (check_cache(method, err) != STATUS_OK) {
        consensus_free(method);
        return STATUS_USAGE;
    }
    struct stream_share views[3];
    size_t count = 0;
    views[count++] = stream_share_of(setup->machines, (size_t)config->train.batch, 1);
    if (face_rows(config) > 0) views[count++] = stream_share_of(setup->machines, face_rows(config), 1);
    if (moment_rows(config) > 0)
        views[count++] = stream_share_of(setup->machines, moment_rows(config), (size_t)config->acl.persons);
    status result = one_pass_init(&method->pass, setup, views, count, err);
    if (result == STATUS_OK && config->train.warmup_epochs > 0) /* labelled rows alone */
        result = backbone_check_rows(method->pass.backbone, (size_t)config->train.batch, err);
    if (result == STATUS_OK) result = moment_teacher_init(&method->teacher, setup, err);
    if (also_contrasts(config)) {
        struct mutual_contrastive loss = mutual_setup(config, setup->model, setup->class_shares);
        mutual_bind(&method->mutual, &method->pass.context, setup->model, &loss);
    }
    if (result == STATUS_OK) result = plan_arena_init(&method->arena, place, method, "the labels of the RMset", err);
    if (result == STATUS_OK) set_shares(method, setup);
    if (result != STATUS_OK)
        consensus_free(method);
    else
        *self = method;
    return result;
}

/* ---- the labels ---- */

static size_t others_of(const void *context, size_t face, size_t *numbers)
{
    const struct consensus_method *method = context;
    uint64_t rows[CONSENSUS_PERSONS];
    size_t count = rmset_index_moment(method->index, rmset_index_chosen_row(method->index, face), CONSENSUS_PERSONS,
                                      rows);
    for (size_t i = 0; i < count; i++) numbers[i] = moment_teacher_number(&method->teacher, (int64_t)rows[i]);
    return count;
}

static void agree(struct consensus_method *method)
{
    const struct config_consensus *config = &method->config->consensus;
    struct consensus_faces faces = {.count = method->faces,
                                    .classes = method->classes,
                                    .p = method->predictions,
                                    .shares = method->teacher_shares,
                                    .context = method,
                                    .others = others_of};
    struct consensus found = consensus_estimate(&faces, (int)config->scans);
    method->estimates[ESTIMATED_RHO] = found.rho;
    consensus_labels(&faces, &found, method->labels, &method->estimates[CHANGED_SHARE]);
    consensus_align(method->faces, method->classes, method->label_shares, config->alignment, method->labels);
}

static status consensus_begin_epoch(void *self, const struct method_epoch *epoch, struct error *err)
{
    struct consensus_method *method = self;
    double temperature = method->config->consensus.temperature;
    uint64_t joins = (uint64_t)method->config->train.warmup_epochs,
             refresh = (uint64_t)method->config->consensus.refresh;
    if (epoch->epoch < joins || (epoch->epoch - joins) % refresh != 0) return STATUS_OK;
    moment_teacher_load(&method->teacher);
    status result = STATUS_OK;
    if (temperature == 0) result = moment_teacher_temperature(&method->teacher, epoch->validation, &temperature, err);
    if (result == STATUS_OK)
        result = moment_teacher_predict(&method->teacher, epoch->faces, temperature, method->predictions,
                                        method->teacher_shares, err);
    if (result != STATUS_OK) return result;
    method->estimates[ESTIMATED_TEMPERATURE] = temperature;
    agree(method);
    return STATUS_OK;
}

/* ---- a step ---- */

static void copy_label(const struct consensus_method *method, int64_t id, real *to)
{
    memcpy(to, method->labels + moment_teacher_number(&method->teacher, id) * method->classes,
           method->classes * sizeof(real));
}

static void consensus_loss(struct consensus_method *method, const struct method_step *step, size_t first,
                           struct step_outcome *outcome)
{
    const struct config_consensus *config = &method->config->consensus;
    const struct batch_stream *faces = &step->batch->streams[FACES];
    size_t n = (size_t)faces->rows, classes = method->classes;
    double certainty = 0;
    for (size_t i = 0; i < n; i++) {
        real *label = method->targets + i * classes;
        copy_label(method, faces->ids[i], label);
        double weight = consensus_certainty(classes, label, config->threshold);
        certainty += weight;
        method->weights[i] = (real)(config->weighting == CONSENSUS_EQUALLY && weight > 0 ? 1 : weight);
    }
    outcome->terms[TERM_CONSENSUS] = guesses_cross_entropy(n, classes, method->pass.logits + first * classes,
                                                           method->targets, method->weights,
                                                           step->gradient_scale * step->weights[TERM_CONSENSUS],
                                                           method->pass.dlogits + first * classes);
    step_outcome_figure(outcome, RHO, method->estimates[ESTIMATED_RHO], 1);
    step_outcome_figure(outcome, TEMPERATURE, method->estimates[ESTIMATED_TEMPERATURE], 1);
    step_outcome_figure(outcome, CHANGED, method->estimates[CHANGED_SHARE], 1);
    step_outcome_figure(outcome, CERTAINTY, certainty, (double)n);
}

/* Returns what the term weighs now. Its gradient joins that of the classifier. */
static double mutual_loss(struct consensus_method *method, const struct method_step *step, size_t first,
                          struct step_outcome *outcome)
{
    const struct batch_stream *moments = &step->batch->streams[MOMENTS];
    size_t n = (size_t)moments->rows;
    double weight = step->weights[TERM_ACL] * mutual_ramp(method->config, step->progress, step->phase_begin);
    struct mutual_similarities similarities;
    mutual_tell_apart(method->config, method->index, moments->ids, n, method->apart);
    for (size_t i = 0; i < n; i++) copy_label(method, moments->ids[i], method->guesses + i * method->classes);
    outcome->terms[TERM_ACL] = mutual_run(&method->mutual, n, method->pass.features + first * method->pass.dimensions,
                                          method->guesses, method->apart, step->gradient_scale * weight,
                                          method->dfeatures, &similarities);
    one_pass_add_gradient(&method->pass, first, n, method->dfeatures);
    step_outcome_figure(outcome, MOMENT, similarities.same, 1);
    step_outcome_figure(outcome, OTHERS, similarities.other, 1);
    return weight;
}

static void consensus_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct consensus_method *method = self;
    struct one_pass *pass = &method->pass;
    const struct batch_stream *streams = step->batch->streams;
    struct cross_entropy loss = method->labelled;
    bool agrees = streams[FACES].rows > 0, contrasts = also_contrasts(method->config) && streams[MOMENTS].rows > 0;
    size_t faces = 0, moments = 0;
    double acl_weight = 0;
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    (void)one_pass_add(pass, &streams[LABELLED], 0);
    if (agrees) faces = one_pass_add(pass, &streams[FACES], 0);
    if (contrasts) moments = one_pass_add(pass, &streams[MOMENTS], 0);
    one_pass_forward(pass, step);
    loss.n = (size_t)streams[LABELLED].rows;
    semi_supervised_labelled_loss(pass, loss, streams[LABELLED].targets, 1, step, outcome);
    semi_supervised_affect_loss(pass, TERM_AFFECT, step, outcome);
    if (agrees) consensus_loss(method, step, faces, outcome);
    one_pass_backward_classifier(pass);
    if (contrasts) acl_weight = mutual_loss(method, step, moments, outcome);
    one_pass_backward_backbone(pass);
    outcome->total = step->weights[TERM_FER] * outcome->terms[TERM_FER] +
                     step->weights[TERM_CONSENSUS] * outcome->terms[TERM_CONSENSUS] +
                     acl_weight * outcome->terms[TERM_ACL] + step->weights[TERM_AFFECT] * outcome->terms[TERM_AFFECT];
}

/* ---- the rest ---- */

static size_t consensus_memories(void *self, struct method_memory *memories)
{
    struct consensus_method *method = self;
    memories[0] = (struct method_memory){
        "labels",           MEMORY_F32, 2, {method->faces, method->classes}, .data = method->labels,
        .is_limited = true, .high = 1};
    memories[1] = (struct method_memory){"estimates", MEMORY_F64, 1, {ESTIMATES}, .data = method->estimates};
    return 2;
}

static struct method_bytes consensus_bytes(const void *self)
{
    const struct consensus_method *method = self;
    struct method_bytes bytes = one_pass_bytes(&method->pass);
    bytes.labels = cache_bytes(method);
    bytes.scratch += method->arena.size - bytes.labels + moment_teacher_bytes(&method->teacher);
    return bytes;
}

const struct method method_consensus = {
    .name = "consensus",
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = sizeof figures / sizeof figures[0],
    .walks_validation = true,
    .walks_faces = true,
    .walk_view = moment_teacher_view,
    .check = consensus_check,
    .moves_with_progress = mutual_moves,
    .phases = consensus_phases,
    .streams = consensus_streams,
    .heads = consensus_heads,
    .create = consensus_create,
    .free = consensus_free,
    .begin_epoch = consensus_begin_epoch,
    .step = consensus_step,
    .memories = consensus_memories,
    .bytes = consensus_bytes,
};
