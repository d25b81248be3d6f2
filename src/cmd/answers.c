/* From an evaluation of train/ to the answers of plot/, which do not see each other. */
#include "cmd/answers.h"

#include "rmfer/base/log.h"
#include "rmfer/method/rmfer_heads.h"
#include "rmfer/train/intervals.h"

status answers_take(struct answers *answers, const struct evaluation_work *work, const struct evaluation *evaluation,
                    const char *name, size_t most, uint64_t seed, struct error *err)
{
    const struct config *config = &work->config;
    const struct answer_rows rows = {
        .n = (size_t)evaluation->n,
        .classes = work->checkpoint.info.class_count,
        .dimensions = (size_t)work->model.architecture.features,
        .logits = evaluation->logits,
        .features = evaluation->features,
        .projections = evaluation->projections,
        .labels = evaluation->labels,
        .predicted = evaluation->predicted,
        .ids = evaluation->ids,
        .may_predict = work->may_predict,
    };
    status result = answers_init(answers, name, work->checkpoint.info.classes, &rows, most, seed, err);
    answers->overall = confusion_overall_accuracy(&evaluation->confusion);
    struct interval interval = confusion_overall_interval(&evaluation->confusion);
    answers->overall_limits[0] = interval.low;
    answers->overall_limits[1] = interval.high;
    answers->same_class_similarity = evaluation->same_class_similarity;
    answers->different_class_similarity = evaluation->different_class_similarity;
    answers->centre_distance = evaluation->centre_distance;
    answers->temperature = evaluation->temperature;
    if (evaluation->projections == NULL) return result;
    answers->attention_temperature = config->ial.temperature;
    answers->attention_mask = (int)heads_attention_mask(self_mask_of(config->ial.self_mask));
    answers->attention_batch = (size_t)config->train.batch;
    return result;
}

status answers_of_checkpoint(struct answers *answers, const struct evaluation_request *request, const char *name,
                             size_t most, uint64_t seed, bool tells, struct error *err)
{
    struct evaluation_work work = {0};
    const struct evaluation *evaluation;
    struct text description = {0};
    *answers = (struct answers){0};
    status result = evaluation_work_open(&work, request, err);
    if (result == STATUS_OK && tells) result = dataset_describe(&work.dataset, &description, err);
    if (result == STATUS_OK && tells) log_info_lines("", text_string(&description));
    if (result == STATUS_OK) result = evaluator_run(work.evaluator, &work.model, &evaluation, err);
    if (result == STATUS_OK) result = answers_take(answers, &work, evaluation, name, most, seed, err);
    text_free(&description);
    evaluation_work_close(&work);
    return result;
}
