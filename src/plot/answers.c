/* Answers copied, and the seeded sample of their features. */
#include "rmfer/plot/answers.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *source, size_t count, size_t size, struct error *err)
{
    void *copy = memory_allocate(count, size, "answers", err);
    if (copy != NULL && count > 0) memcpy(copy, source, count * size);
    return copy;
}

static status copy_names(struct answers *answers, const char *const *names, struct error *err)
{
    answers->class_names = memory_allocate(answers->classes, sizeof *answers->class_names, "class names", err);
    if (answers->class_names == NULL) return STATUS_FAILED;
    for (size_t c = 0; c < answers->classes; c++) {
        answers->class_names[c] = memory_copy_string(names[c], err);
        if (answers->class_names[c] == NULL) return STATUS_FAILED;
    }
    return STATUS_OK;
}

static status copy_rows(struct answers *answers, const struct answer_rows *rows, struct error *err)
{
    size_t n = rows->n;
    answers->logits = copy_of(rows->logits, size_multiply(n, rows->classes), sizeof *rows->logits, err);
    answers->labels = copy_of(rows->labels, n, sizeof *rows->labels, err);
    answers->predicted = copy_of(rows->predicted, n, sizeof *rows->predicted, err);
    answers->ids = copy_of(rows->ids, n, sizeof *rows->ids, err);
    answers->may_predict = memory_allocate(rows->classes, sizeof *answers->may_predict, "classes", err);
    if (answers->logits == NULL || answers->labels == NULL || answers->predicted == NULL || answers->ids == NULL ||
        answers->may_predict == NULL)
        return STATUS_FAILED;
    for (size_t c = 0; c < rows->classes; c++)
        answers->may_predict[c] = rows->may_predict == NULL || rows->may_predict[c];
    return STATUS_OK;
}

static int by_number(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static status draw_sample(struct answers *answers, size_t most, uint64_t seed, struct error *err)
{
    struct random_stream stream = random_stream(seed, RANDOM_SUBSET, answers->n, most);
    int64_t *order = memory_allocate(answers->n, sizeof *order, "a sample", err);
    answers->sampled = answers->n < most ? answers->n : most;
    answers->sample = memory_allocate(answers->sampled, sizeof *answers->sample, "a sample", err);
    bool ready = order != NULL && answers->sample != NULL;
    for (size_t i = 0; ready && i < answers->n; i++) order[i] = (int64_t)i;
    if (ready) random_shuffle(&stream, order, answers->n);
    for (size_t i = 0; ready && i < answers->sampled; i++) answers->sample[i] = (size_t)order[i];
    if (ready) qsort(answers->sample, answers->sampled, sizeof *answers->sample, by_number);
    memory_free(order);
    return ready ? STATUS_OK : STATUS_FAILED;
}

static real *sampled_rows(const struct answers *answers, const real *rows, struct error *err)
{
    size_t d = answers->dimensions;
    real *copy = memory_allocate(size_multiply(answers->sampled, d), sizeof *copy, "features", err);
    for (size_t i = 0; copy != NULL && i < answers->sampled; i++)
        memcpy(copy + i * d, rows + answers->sample[i] * d, d * sizeof *copy);
    return copy;
}

status answers_init(struct answers *answers, const char *name, const char *const *class_names,
                    const struct answer_rows *rows, size_t most, uint64_t seed, struct error *err)
{
    *answers = (struct answers){.n = rows->n,
                                .classes = rows->classes,
                                .dimensions = rows->dimensions,
                                .overall_limits = {NAN, NAN},
                                .overall = NAN,
                                .same_class_similarity = NAN,
                                .different_class_similarity = NAN,
                                .centre_distance = NAN,
                                .temperature = NAN};
    answers->name = memory_copy_string(name, err);
    if (answers->name == NULL) return STATUS_FAILED;
    status result = copy_names(answers, class_names, err);
    if (result == STATUS_OK) result = copy_rows(answers, rows, err);
    if (result == STATUS_OK) result = draw_sample(answers, most, seed, err);
    if (result != STATUS_OK) return result;
    answers->features = sampled_rows(answers, rows->features, err);
    if (rows->projections != NULL) answers->projections = sampled_rows(answers, rows->projections, err);
    bool failed = answers->features == NULL || (rows->projections != NULL && answers->projections == NULL);
    return failed ? STATUS_FAILED : STATUS_OK;
}

void answers_free(struct answers *answers)
{
    for (size_t c = 0; answers->class_names != NULL && c < answers->classes; c++) memory_free(answers->class_names[c]);
    memory_free(answers->class_names);
    memory_free(answers->name);
    memory_free(answers->logits);
    memory_free(answers->labels);
    memory_free(answers->predicted);
    memory_free(answers->ids);
    memory_free(answers->may_predict);
    memory_free(answers->sample);
    memory_free(answers->features);
    memory_free(answers->projections);
    *answers = (struct answers){0};
}

double answers_probability(const struct answers *answers, size_t row, size_t class)
{
    const real *z = answers->logits + row * answers->classes;
    double temperature = isnan(answers->temperature) ? 1 : answers->temperature, sum = 0;
    if (!answers->may_predict[class]) return 0;
    for (size_t c = 0; c < answers->classes; c++)
        if (answers->may_predict[c]) sum += exp(((double)z[c] - (double)z[class]) / temperature);
    return 1 / sum;
}

int32_t answers_label(const struct answers *answers, size_t i)
{
    return answers->labels[answers->sample[i]];
}
