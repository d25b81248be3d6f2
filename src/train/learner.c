/* Building the learner from a plan. */
#include "learner.h"

#include "rmfer/base/log.h"
#include "rmfer/ckpt/import.h"

#include <string.h>

static status import_weights(struct model *model, const struct config_model *config, const struct dataset *training,
                             struct error *err)
{
    struct import_report report = {0};
    struct import_options options = {
        .source_classes = (const char *const *)config->init_classes.items,
        .source_class_count = config->init_classes.count,
        .classes = (const char *const *)training->classes,
        .class_count = (size_t)training->class_count,
        .for_training = true,
    };
    status result = import_into_model(model, config->init, &options, &report, err);
    if (result == STATUS_OK) {
        log_info("%s: %zu of %zu tensors loaded", config->init, report.mapped, report.found);
        log_info_lines("  ", text_string(&report.notes));
    }
    import_report_free(&report);
    return result;
}

static status create_model(struct learner *learner, const struct config *config, const struct dataset *training,
                           bool resumes, struct error *err)
{
    const struct method *method = learner->method;
    struct architecture architecture;
    struct parameter heads[MOST_HEAD_ENTRIES] = {0};
    status result = architecture_find(&architecture, config->model.arch, err);
    if (result != STATUS_OK) return result;
    size_t count = method->heads == NULL ? 0 : method->heads(config, (size_t)architecture.features, heads);
    const struct model_heads wanted = {.attention = method->has_attention_heads,
                                       .affect = config->va.weight > 0,
                                       .added = heads,
                                       .added_count = count};
    result = model_create_with(&learner->model, &architecture, training->class_count, &wanted, err);
    if (result != STATUS_OK || resumes) return result;
    model_initialise(&learner->model, (uint64_t)config->train.seed);
    if (config->train.freeze_backbone && config->model.init[0] == '\0')
        log_warning("train.freeze_backbone = true, and model.init names no weights: the backbone stays a random one");
    return config->model.init[0] == '\0' ? STATUS_OK : import_weights(&learner->model, &config->model, training, err);
}

/* balanced: all / (classes * of the class), so that the weights of all samples have the mean 1. */
static status find_classes(struct learner *learner, const struct config_train *train, const struct dataset *training,
                           struct error *err)
{
    size_t classes = (size_t)training->class_count;
    bool listed = train->class_weights == CLASS_WEIGHTS_LIST;
    learner->class_shares = memory_allocate(classes, sizeof *learner->class_shares, "class shares", err);
    if (learner->class_shares == NULL) return STATUS_FAILED;
    for (size_t c = 0; c < classes; c++)
        learner->class_shares[c] = (double)training->class_counts[c] / (double)training->count;
    if (train->class_weights == CLASS_WEIGHTS_NONE) return STATUS_OK;
    learner->class_weights = memory_allocate(classes, sizeof *learner->class_weights, "class weights", err);
    if (learner->class_weights == NULL) return STATUS_FAILED;
    for (size_t c = 0; c < classes; c++) {
        double count = (double)training->class_counts[c];
        double balanced = count > 0 ? (double)training->count / ((double)classes * count) : 0;
        learner->class_weights[c] = (real)(listed ? train->class_weight_values.items[c] : balanced);
    }
    return STATUS_OK;
}

static status create_optimizer(struct learner *learner, const struct config_train *train, struct error *err)
{
    struct optimizer_options options = optimizer_options_of(train);
    const struct parameters *parameters = &learner->model.parameters;
    status result = optimizer_create(&learner->optimizer, &learner->model.parameters, &options, err);
    if (result != STATUS_OK) return result;
    learner->buffers_before = memory_allocate(parameters->buffer_count, sizeof *learner->buffers_before,
                                              "running statistics", err);
    if (learner->buffers_before == NULL) return STATUS_FAILED;
    learner->has_average = train->ema_decay > 0;
    if (!learner->has_average) return STATUS_OK;
    result = weight_average_init(&learner->average, parameters, err);
    learner->average_view = weight_average_view(&learner->average, &learner->model);
    return result;
}

/* The backbone's gradients are sums over processes; the heads see every row everywhere, so that theirs are whole. */
static status create_sums(struct learner *learner, const struct run_plan *plan, struct error *err)
{
    const struct parameters *all = &learner->model.parameters;
    size_t backbone = all->items[learner->model.fer.weight].offset;
    return dist_gradients_create(&learner->sums, plan->dist, all->gradients, backbone, GRADIENT_PIECE_REALS, err);
}

status learner_create(struct learner *learner, const struct run_plan *plan, const struct pictures *pictures,
                      bool resumes, struct error *err)
{
    const struct config *config = plan->config;
    *learner = (struct learner){.method = plan->method};
    status result = create_model(learner, config, &pictures->training, resumes, err);
    if (result == STATUS_OK) result = find_classes(learner, &config->train, &pictures->training, err);
    if (result == STATUS_OK) result = create_optimizer(learner, &config->train, err);
    if (result == STATUS_OK) result = create_sums(learner, plan, err);
    if (result != STATUS_OK) return result;
    struct method_setup setup = {
        .config = config,
        .model = &learner->model,
        .average = learner->has_average ? &learner->average_view : NULL,
        .class_weights = learner->class_weights,
        .soft_targets = pictures->training.targets != NULL,
        .class_shares = learner->class_shares,
        .validation_samples = pictures->selection.count,
        .rmset = pictures->index,
        .machines = dist_gradients_machines(learner->sums),
        .places = plan->sharpness_aware ? run_plan_most_batches(plan) : 1,
    };
    return plan->method->create(&learner->self, &setup, err);
}

void learner_free(struct learner *learner)
{
    if (learner->method != NULL) learner->method->free(learner->self);
    optimizer_free(learner->optimizer);
    dist_gradients_free(learner->sums);
    weight_average_free(&learner->average);
    model_free(&learner->model);
    memory_free(learner->class_weights);
    memory_free(learner->class_shares);
    memory_free(learner->buffers_before);
    *learner = (struct learner){0};
}

const struct model *learner_model(const struct learner *learner)
{
    return learner->has_average ? &learner->average_view : &learner->model;
}
