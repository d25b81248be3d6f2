/* A data set through the folded network, batch by batch, with its mirror image where asked.
 *
 * The attention branch mixes a sample with the rest of its batch, so that a list sorted by class, as that of a folder
 * of classes is, would give it batches of one class and tell it the answer. With attention the samples therefore come
 * in a mixed order, the same in every run; what is kept of each goes to its place in the list, so that nothing else
 * knows. */
#include "rmfer/train/evaluation.h"

#include "rmfer/method/rmfer_heads.h"
#include "rmfer/base/threads.h"
#include "rmfer/nn/inference.h"
#include "rmfer/nn/mirror.h"
#include "rmfer/ops/softmax_cross_entropy.h"
#include "rmfer/ops/stem.h"

#include "evaluation_gather.h"
#include "loader_peers.h"

#include <math.h>
#include <string.h>

struct evaluation_setup evaluation_setup_from(const struct config *config)
{
    struct evaluation_setup setup = {
        .batch = (int)config->eval.batch,
        .image_size = (int)config->data.image_size,
        .resize = config->data.resize,
        .flip = config->eval.flip,
        .workers = (int)config->data.workers,
        .prefetch = (int)config->data.prefetch,
        .on_error = config->data.on_error,
        .max_bad = config->data.max_bad,
        .with_attention = config->ial.weight > 0,
        .ial_temperature = config->ial.temperature,
        .self_mask = self_mask_of(config->ial.self_mask),
    };
    memcpy(setup.mean, config->eval.mean, sizeof setup.mean);
    memcpy(setup.std, config->eval.std, sizeof setup.std);
    return setup;
}

/* What is kept of every labelled sample, [dataset count, ...]: during a run at its place in the data set, afterwards
 * without gaps. */
struct kept_samples {
    bool *is_there;
    double *losses;
    real *features, *projections, *logits;
    real *affect, *true_affect; /* [.., 2] */
    int32_t *labels, *predicted;
    int64_t *ids; /* afterwards only */
};

struct evaluator {
    struct evaluation_setup setup;
    struct dataset_source source;
    struct loader *loader;
    struct inference *inference;
    struct op_context context; /* for the heads: no scratch of its own */
    struct heads heads;        /* bound to the model of a run; unused without attention */
    struct arena arena;
    size_t classes, dimensions, image_reals;
    struct row_share share;                  /* this process's rows of a batch */
    real *features, *logits;                 /* [batch, ...] */
    real *own_logits, *own_targets;          /* [classes], a row's of the outputs that may be predicted */
    real *mirrored_images, *mirrored_logits; /* with flip */
    bool with_affect;                        /* the model has the head, and the pictures what to hold against it */
    real *affect, *mirrored_affect;          /* [batch,2] */
    struct kept_samples kept;
    struct gathered_rows *gathered; /* NULL in one process */
    struct similarity similarity, projected_similarity;
    struct evaluation evaluation;
    uint64_t ial_correct, ial_count; /* of a run */
};

/* ---- creation ---------------------------------------------------------------------------------------------------- */

static void place(void *self, struct plan *plan)
{
    struct evaluator *e = self;
    size_t batch = (size_t)e->setup.batch, kept = e->setup.dataset->count;
    e->features = plan_reals(plan, batch * e->dimensions);
    e->logits = plan_reals(plan, batch * e->classes);
    e->own_logits = plan_reals(plan, e->classes);
    e->own_targets = plan_reals(plan, e->classes);
    if (e->setup.flip) {
        e->mirrored_images = plan_reals(plan, size_multiply(batch, e->image_reals));
        e->mirrored_logits = plan_reals(plan, batch * e->classes);
    }
    if (e->setup.with_attention) heads_place(&e->heads, batch, 0, plan);
    if (e->with_affect) {
        e->affect = plan_reals(plan, batch * AFFECT_DIMENSIONS);
        e->mirrored_affect = plan_reals(plan, batch * AFFECT_DIMENSIONS);
        e->kept.affect = plan_reals(plan, size_multiply(kept, AFFECT_DIMENSIONS));
        e->kept.true_affect = plan_reals(plan, size_multiply(kept, AFFECT_DIMENSIONS));
    }
    e->kept.is_there = plan_take(plan, kept, sizeof *e->kept.is_there);
    e->kept.losses = plan_take(plan, kept, sizeof *e->kept.losses);
    e->kept.logits = plan_reals(plan, size_multiply(kept, e->classes));
    e->kept.labels = plan_take(plan, kept, sizeof *e->kept.labels);
    e->kept.predicted = plan_take(plan, kept, sizeof *e->kept.predicted);
    e->kept.ids = plan_take(plan, kept, sizeof *e->kept.ids);
    if (!e->setup.keep_features) return;
    e->kept.features = plan_reals(plan, size_multiply(kept, e->dimensions));
    if (e->setup.with_attention) e->kept.projections = plan_reals(plan, size_multiply(kept, e->dimensions));
}

static status start_loader(struct evaluator *e, struct error *err)
{
    const struct evaluation_setup *setup = &e->setup;
    enum sampler_order order = setup->with_attention ? ORDER_MIXED : ORDER_SEQUENTIAL;
    status result = dataset_source_init(&e->source, setup->dataset, order, 0, true, err);
    if (result != STATUS_OK) return result;
    struct loader_options options = {
        .stream_count = 1,
        .streams = {{.source = dataset_picture_source(&e->source),
                     .rows = (int)e->share.count,
                     .first_row = (int)e->share.first,
                     .batch_rows = setup->batch,
                     .views = 1}},
        .image_size = setup->image_size,
        .resize = setup->resize,
        .workers = setup->workers,
        .prefetch = setup->prefetch,
        .cache_bytes = setup->cache_bytes,
        .on_error = setup->on_error,
        .max_bad = setup->max_bad,
        .peers = loader_peers_of(setup->dist),
    };
    memcpy(options.streams[0].mean, setup->mean, sizeof setup->mean);
    memcpy(options.streams[0].std, setup->std, sizeof setup->std);
    return loader_create(&e->loader, &options, err);
}

static status create_parts(struct evaluator *e, const struct model *model, struct error *err)
{
    status result = plan_arena_init(&e->arena, place, e, "evaluation", err);
    if (result == STATUS_OK) result = confusion_init(&e->evaluation.confusion, e->classes, err);
    if (result == STATUS_OK) result = similarity_init(&e->similarity, e->dimensions, e->classes, err);
    if (result == STATUS_OK && e->setup.with_attention)
        result = similarity_init(&e->projected_similarity, e->dimensions, e->classes, err);
    if (result == STATUS_OK)
        result = inference_create(&e->inference, &model->architecture, model->classes, e->setup.batch,
                                  e->setup.image_size, err);
    if (result == STATUS_OK && dist_is_many(e->setup.dist))
        result = gathered_rows_create(&e->gathered, e->setup.dist, (size_t)e->setup.batch,
                                      (struct row_widths){e->dimensions, e->classes,
                                                          e->with_affect ? AFFECT_DIMENSIONS : 0},
                                      err);
    if (result == STATUS_OK) result = start_loader(e, err);
    return result;
}

status evaluator_create(struct evaluator **evaluator, const struct model *model, const struct evaluation_setup *setup,
                        struct error *err)
{
    *evaluator = NULL;
    BUG_UNLESS(setup->dataset->class_count == model->classes);
    if (setup->dataset->count == 0)
        return error_set(err, "the %s split of the %s data set has no sample to evaluate", setup->dataset->split,
                         setup->dataset->kind);
    struct evaluator *e = memory_allocate(1, sizeof *e, "evaluation", err);
    if (e == NULL) return STATUS_FAILED;
    e->setup = *setup;
    e->setup.with_attention = setup->with_attention && model->has_heads;
    e->with_affect = model->has_affect && setup->dataset->affect != NULL;
    e->classes = (size_t)model->classes;
    e->dimensions = (size_t)model->architecture.features;
    e->image_reals = (size_t)setup->image_size * (size_t)setup->image_size * STEM_INPUT;
    if (dist_is_many(setup->dist) && e->setup.batch < dist_size(setup->dist)) e->setup.batch = dist_size(setup->dist);
    e->share = machines_share(dist_machines(setup->dist), (size_t)e->setup.batch, 1);
    e->context = op_context_of(kernels_best(), threads_get());
    e->heads = (struct heads){.context = &e->context, .features = e->dimensions, .classes = e->classes};
    status result = create_parts(e, model, err);
    if (result != STATUS_OK)
        evaluator_free(e);
    else
        *evaluator = e;
    return result;
}

void evaluator_free(struct evaluator *e)
{
    if (e == NULL) return;
    loader_free(e->loader);
    dataset_source_free(&e->source);
    inference_free(e->inference);
    gathered_rows_free(e->gathered);
    confusion_free(&e->evaluation.confusion);
    similarity_free(&e->similarity);
    similarity_free(&e->projected_similarity);
    arena_free(&e->arena);
    memory_free(e);
}

size_t evaluator_bytes(const struct evaluator *e)
{
    return e->arena.size + inference_bytes(e->inference) + loader_bytes(e->loader) + gathered_rows_bytes(e->gathered);
}

size_t evaluator_bytes_to_come(const struct evaluator *e)
{
    return loader_bytes_to_come(e->loader);
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

/* Features and outputs of a batch; with flip the outputs are means of both views, the features the plain view's. */
static void run_network(struct evaluator *e, const struct batch_stream *batch)
{
    size_t n = (size_t)batch->rows;
    if (n == 0) return;
    inference_run(e->inference, batch->images[0], batch->rows, e->features, e->logits);
    if (e->with_affect) inference_affect(e->inference, e->affect);
    if (!e->setup.flip) return;
    mirror_images(n, (size_t)e->setup.image_size, batch->images[0], e->mirrored_images);
    inference_run(e->inference, e->mirrored_images, batch->rows, NULL, e->mirrored_logits);
    mirror_average(n * e->classes, e->logits, e->mirrored_logits);
    if (!e->with_affect) return;
    inference_affect(e->inference, e->mirrored_affect);
    mirror_average(n * AFFECT_DIMENSIONS, e->affect, e->mirrored_affect);
}

static bool may_predict(const struct evaluator *e, size_t class)
{
    return e->setup.may_predict == NULL || e->setup.may_predict[class];
}

/* The cross-entropy of a row as if the network had only the outputs that may be predicted. What a soft target gives to
 * the others is shared out over these, as a data set does whose classes these are. */
static double loss_of(struct evaluator *e, const real *logits, const real *targets)
{
    size_t count = 0;
    double shares = 0;
    for (size_t c = 0; c < e->classes; c++) {
        if (!may_predict(e, c)) continue;
        shares += (double)targets[c];
        e->own_logits[count] = logits[c];
        e->own_targets[count++] = targets[c];
    }
    for (size_t c = 0; c < count && count < e->classes && shares > 0; c++)
        e->own_targets[c] = (real)((double)e->own_targets[c] / shares);
    const struct cross_entropy one = {.n = 1, .classes = count};
    return cross_entropy(&one, e->own_logits, e->own_targets, 1, NULL);
}

/* The largest output that may be predicted, the first of equals. */
static size_t predicted_class(const struct evaluator *e, const real *logits)
{
    size_t best = e->classes;
    for (size_t c = 0; c < e->classes; c++) {
        if (!may_predict(e, c)) continue;
        if (best == e->classes || logits[c] > logits[best]) best = c;
    }
    return best < e->classes ? best : 0;
}

/* The batch's labelled samples, each to its place in the data set. */
static void keep_batch(struct evaluator *e, const struct batch_stream *pictures)
{
    size_t d = e->dimensions, classes = e->classes;
    for (size_t i = 0; i < (size_t)pictures->rows; i++) {
        if (pictures->labels[i] < 0) continue;
        size_t at = (size_t)pictures->ids[i];
        const real *logits = e->logits + i * classes;
        BUG_UNLESS(at < e->setup.dataset->count);
        e->kept.is_there[at] = true;
        e->kept.losses[at] = loss_of(e, logits, pictures->targets + i * classes);
        similarity_add(&e->similarity, e->features + i * d, (size_t)pictures->labels[i]);
        memcpy(e->kept.logits + at * classes, logits, classes * sizeof *logits);
        if (e->setup.keep_features) memcpy(e->kept.features + at * d, e->features + i * d, d * sizeof *e->features);
        if (e->setup.keep_features && e->setup.with_attention)
            memcpy(e->kept.projections + at * d, e->heads.labelled.unit + i * d, d * sizeof *e->features);
        if (e->with_affect) {
            const size_t pair = AFFECT_DIMENSIONS;
            memcpy(e->kept.affect + at * pair, e->affect + i * pair, pair * sizeof *e->affect);
            memcpy(e->kept.true_affect + at * pair, pictures->affect + i * pair, pair * sizeof *e->affect);
        }
        e->kept.labels[at] = pictures->labels[i];
        e->kept.predicted[at] = (int32_t)predicted_class(e, logits);
    }
}

static void move_row(real *rows, size_t width, size_t to, size_t from)
{
    if (rows != NULL && to != from) memcpy(rows + to * width, rows + from * width, width * sizeof *rows);
}

/* Closes the gaps that unlabelled and unreadable samples have left, and counts the rest, all in the list's order.
 * Returns the sum of the losses. */
static double count_kept(struct evaluator *e)
{
    struct kept_samples *kept = &e->kept;
    size_t n = 0;
    double sum = 0;
    for (size_t i = 0; i < e->setup.dataset->count; i++) {
        if (!kept->is_there[i]) continue;
        move_row(kept->logits, e->classes, n, i);
        move_row(kept->features, e->dimensions, n, i);
        move_row(kept->projections, e->dimensions, n, i);
        move_row(kept->affect, AFFECT_DIMENSIONS, n, i);
        move_row(kept->true_affect, AFFECT_DIMENSIONS, n, i);
        kept->labels[n] = kept->labels[i];
        kept->predicted[n] = kept->predicted[i];
        kept->ids[n++] = (int64_t)i;
        sum += kept->losses[i];
        confusion_add(&e->evaluation.confusion, (size_t)kept->labels[n - 1], (size_t)kept->predicted[n - 1]);
    }
    e->evaluation.n = n;
    return sum;
}

/* The attention branch of a batch: f_IAL's hits, and similarities of Z. A sample alone has nobody to look at. */
static void count_attention(struct evaluator *e, const struct batch_stream *batch)
{
    size_t n = (size_t)batch->rows;
    if (n < 2 && e->setup.self_mask == SELF_MASK_EXCLUDE) return;
    struct heads *heads = &e->heads;
    struct attention attention = {n, e->dimensions, e->setup.ial_temperature, heads_attention_mask(e->setup.self_mask)};
    attention_forward(&attention, heads->labelled.unit, e->features, heads->attention, heads->mixed);
    linear_forward(&e->context, &heads->ial, n, heads->mixed, heads->ial_logits);
    for (size_t i = 0; i < n; i++) {
        if (batch->labels[i] < 0) continue;
        size_t label = (size_t)batch->labels[i];
        e->ial_correct += predicted_class(e, heads->ial_logits + i * e->classes) == label;
        e->ial_count++;
        similarity_add(&e->projected_similarity, heads->labelled.unit + i * e->dimensions, label);
    }
}

static void begin_run(struct evaluator *e, const struct model *model)
{
    struct confusion confusion = e->evaluation.confusion;
    confusion_clear(&confusion);
    similarity_clear(&e->similarity);
    e->evaluation = (struct evaluation){.confusion = confusion,
                                        .ial_accuracy = NAN,
                                        .projected_same_class_similarity = NAN,
                                        .projected_different_class_similarity = NAN,
                                        .centre_distance = NAN,
                                        .temperature = NAN,
                                        .plain = {NAN, NAN},
                                        .calibrated = {NAN, NAN}};
    memset(e->kept.is_there, false, e->setup.dataset->count * sizeof *e->kept.is_there);
    e->ial_correct = e->ial_count = 0;
    inference_load(e->inference, model);
    if (!e->setup.with_attention) return;
    similarity_clear(&e->projected_similarity);
    heads_bind(&e->heads, &e->context, model);
}

static void calibrate(struct evaluator *e)
{
    struct evaluation *out = &e->evaluation;
    struct scored_rows rows = {.logits = e->kept.logits,
                               .labels = e->kept.labels,
                               .n = (size_t)out->n,
                               .classes = e->classes,
                               .may_predict = e->setup.may_predict};
    out->plain = calibration_measure(&rows, 1);
    out->temperature = e->setup.fit_temperature   ? calibration_fit_temperature(&rows)
                       : e->setup.temperature > 0 ? e->setup.temperature
                                                  : NAN;
    if (!isnan(out->temperature)) out->calibrated = calibration_measure(&rows, out->temperature);
}

/* A NaN's sign would be printed, and says nothing. */
static double without_sign(double value)
{
    return isnan(value) ? NAN : value;
}

static status finish_run(struct evaluator *e, struct error *err)
{
    struct evaluation *out = &e->evaluation;
    double losses = count_kept(e);
    out->loss = out->n > 0 ? without_sign(losses / (double)out->n) : NAN;
    out->unreadable = loader_bad_pictures(e->loader);
    similarity_means(&e->similarity, &out->same_class_similarity, &out->different_class_similarity);
    out->same_class_similarity = without_sign(out->same_class_similarity);
    out->different_class_similarity = without_sign(out->different_class_similarity);
    if (e->ial_count > 0) {
        out->ial_accuracy = (double)e->ial_correct / (double)e->ial_count;
        similarity_means(&e->projected_similarity, &out->projected_same_class_similarity,
                         &out->projected_different_class_similarity);
    }
    calibrate(e);
    if (e->with_affect) out->affect = affect_agreement((size_t)out->n, e->kept.affect, e->kept.true_affect);
    out->logits = e->kept.logits;
    out->labels = e->kept.labels;
    out->predicted = e->kept.predicted;
    out->ids = e->kept.ids;
    if (!e->setup.keep_features) return STATUS_OK;
    out->features = e->kept.features;
    out->projections = e->kept.projections;
    return centre_distance(e->kept.features, e->kept.labels, (size_t)out->n, e->dimensions, e->classes,
                           &out->centre_distance, err);
}

static bool must_stop(const struct evaluator *e)
{
    bool own = e->setup.stop != NULL && *e->setup.stop != 0;
    return dist_is_many(e->setup.dist) ? dist_any(e->setup.dist, own) : own;
}

/* The loader's next batch through the network, as all processes see it. */
static status next_batch(struct evaluator *e, struct batch *batch, struct error *err)
{
    status result = loader_next(e->loader, batch, err);
    if (e->gathered != NULL) result = dist_agree(e->setup.dist, result, err);
    if (result != STATUS_OK) return result;
    run_network(e, &batch->streams[0]);
    if (e->gathered != NULL) gathered_rows_take(e->gathered, &batch->streams[0], e->features, e->logits, e->affect);
    return STATUS_OK;
}

status evaluator_run(struct evaluator *e, const struct model *model, const struct evaluation **evaluation,
                     struct error *err)
{
    uint64_t batches = loader_batches_per_epoch(e->loader);
    begin_run(e, model);
    *evaluation = &e->evaluation;
    for (uint64_t i = 0; i < batches; i++) {
        if (must_stop(e)) {
            e->evaluation.interrupted = true;
            return STATUS_OK;
        }
        struct batch batch;
        status result = next_batch(e, &batch, err);
        if (result != STATUS_OK) return result;
        const struct batch_stream *pictures = &batch.streams[0];
        if (pictures->rows == 0) continue;
        if (e->setup.with_attention) heads_project(&e->heads, (size_t)pictures->rows, e->features, e->heads.labelled);
        if (e->setup.with_attention) count_attention(e, pictures);
        keep_batch(e, pictures);
    }
    return finish_run(e, err);
}
