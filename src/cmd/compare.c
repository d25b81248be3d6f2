/* rmfer eval --compare: each checkpoint is evaluated as eval would, then their answers are joined by picture. */
#include "cmd/compare.h"

#include "rmfer/base/json_writer.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/expressions.h"
#include "rmfer/train/comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One counted picture and its answer. */
struct answer {
    const char *path; /* the data set's */
    uint32_t row;     /* of its list: one picture may have several faces */
    int32_t label, predicted;
};

/* A checkpoint evaluated. */
struct side {
    struct evaluation_request request;
    struct evaluation_work work;
    struct answer *answers; /* [count], by path and row */
    size_t count;
    struct confusion confusion; /* of the pictures that both count */
};

/* The answers joined. */
struct pairs {
    int32_t *labels;
    bool *first_right, *second_right;
    size_t count, of_one_alone, other_label;
};

/* ---- evaluating -------------------------------------------------------------------------------------------------- */

static int by_picture(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static status take_answers(struct side *side, const struct evaluation *evaluation, struct error *err)
{
    const struct dataset *dataset = &side->work.dataset;
    side->answers = memory_allocate((size_t)evaluation->n + 1, sizeof *side->answers, "answers", err);
    if (side->answers == NULL) return STATUS_FAILED;
    for (; side->count < (size_t)evaluation->n; side->count++) {
        size_t id = (size_t)evaluation->ids[side->count];
        side->answers[side->count] = (struct answer){dataset_path(dataset, id), dataset->samples[id].row,
                                                     evaluation->labels[side->count],
                                                     evaluation->predicted[side->count]};
    }
    qsort(side->answers, side->count, sizeof *side->answers, by_picture);
    return STATUS_OK;
}

/* `tells`: what is in the data set is said once, for the first. */
static status evaluate_side(struct side *side, bool tells, struct error *err)
{
    const struct evaluation *evaluation;
    struct text description = {0};
    status result = evaluation_work_open(&side->work, &side->request, err);
    if (result == STATUS_OK && tells) result = dataset_describe(&side->work.dataset, &description, err);
    if (result == STATUS_OK && tells) log_info_lines("", text_string(&description));
    text_free(&description);
    if (result == STATUS_OK) result = evaluator_run(side->work.evaluator, &side->work.model, &evaluation, err);
    if (result == STATUS_OK) result = take_answers(side, evaluation, err);
    if (result == STATUS_OK) result = confusion_init(&side->confusion, side->work.checkpoint.info.class_count, err);
    return result;
}

static void side_free(struct side *side)
{
    confusion_free(&side->confusion);
    memory_free(side->answers);
    evaluation_work_close(&side->work);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static const char *class_of(const struct side *side, int32_t label)
{
    return side->work.checkpoint.info.classes[label];
}

static void add_pair(struct pairs *pairs, struct side sides[2], const struct answer *first, const struct answer *second)
{
    if (!classes_are_same(class_of(&sides[0], first->label), class_of(&sides[1], second->label))) {
        pairs->other_label++;
        return;
    }
    confusion_add(&sides[0].confusion, (size_t)first->label, (size_t)first->predicted);
    confusion_add(&sides[1].confusion, (size_t)second->label, (size_t)second->predicted);
    pairs->labels[pairs->count] = first->label;
    pairs->first_right[pairs->count] = first->predicted == first->label;
    pairs->second_right[pairs->count] = second->predicted == second->label;
    pairs->count++;
}

static status join(struct pairs *pairs, struct side sides[2], struct error *err)
{
    size_t most = sides[0].count + 1, i = 0, j = 0;
    pairs->labels = memory_allocate(most, sizeof *pairs->labels, "answers", err);
    pairs->first_right = memory_allocate(most, sizeof *pairs->first_right, "answers", err);
    pairs->second_right = memory_allocate(most, sizeof *pairs->second_right, "answers", err);
    if (pairs->labels == NULL || pairs->first_right == NULL || pairs->second_right == NULL) return STATUS_FAILED;
    while (i < sides[0].count && j < sides[1].count) {
        int order = by_picture(&sides[0].answers[i], &sides[1].answers[j]);
        if (order == 0) add_pair(pairs, sides, &sides[0].answers[i], &sides[1].answers[j]);
        i += order <= 0;
        j += order >= 0;
        pairs->of_one_alone += order != 0;
    }
    pairs->of_one_alone += sides[0].count - i + sides[1].count - j;
    if (pairs->count == 0)
        return error_set(err, "%s and %s have no picture in common to be compared on", sides[0].request.checkpoint,
                         sides[1].request.checkpoint);
    return STATUS_OK;
}

static void pairs_free(struct pairs *pairs)
{
    memory_free(pairs->labels);
    memory_free(pairs->first_right);
    memory_free(pairs->second_right);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static status append_side(struct text *out, char letter, const struct side *side, struct error *err)
{
    struct interval overall = confusion_overall_interval(&side->confusion);
    struct interval average = confusion_average_interval(&side->confusion);
    return text_append_format(
        out, err,
        "%c: overall accuracy %.2f%% [%.2f%%, %.2f%%]   average accuracy %.2f%% [%.2f%%, %.2f%%]   "
        "%s\n",
        letter, 100 * confusion_overall_accuracy(&side->confusion), 100 * overall.low, 100 * overall.high,
        100 * confusion_average_accuracy(&side->confusion), 100 * average.low, 100 * average.high,
        side->request.checkpoint);
}

static status append_table(struct text *out, const struct side sides[2], const struct pairs *pairs,
                           const struct comparison *c, uint64_t seed, struct error *err)
{
    const struct dataset *dataset = &sides[0].work.dataset;
    status result = text_append_format(out, err, "%s, %s split: %zu pictures\n", dataset->kind, dataset->split,
                                       pairs->count);
    if (result == STATUS_OK) result = append_side(out, 'A', &sides[0], err);
    if (result == STATUS_OK) result = append_side(out, 'B', &sides[1], err);
    if (result == STATUS_OK && pairs->of_one_alone + pairs->other_label > 0)
        result = text_append_format(out, err,
                                    "left out: %zu pictures that one of them alone counts, %zu of another class for "
                                    "each\n",
                                    pairs->of_one_alone, pairs->other_label);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "both right %llu, only A %llu, only B %llu, neither %llu\n",
                                    (unsigned long long)c->both_right, (unsigned long long)c->only_first_right,
                                    (unsigned long long)c->only_second_right, (unsigned long long)c->neither_right);
    if (result == STATUS_OK)
        result = text_append_format(
            out, err,
            "B - A: overall %+.2f points [%+.2f, %+.2f], average %+.2f points [%+.2f, %+.2f] (95 %% of "
            "%d paired bootstrap draws, seed %llu)\n",
            100 * c->overall_difference, 100 * c->overall_interval.low, 100 * c->overall_interval.high,
            100 * c->average_difference, 100 * c->average_interval.low, 100 * c->average_interval.high,
            BOOTSTRAP_RESAMPLES, (unsigned long long)seed);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "McNemar's test that both are right equally often: p = %.4g (%s)\n", c->p,
                                    c->is_exact ? "exact" : "chi-square with continuity correction");
    return result;
}

static void json_side(struct json_writer *json, const char *name, const struct side *side)
{
    json_name(json, name);
    json_open(json, '{');
    json_string_member(json, "checkpoint", side->request.checkpoint);
    json_accuracy_members(json, &side->confusion);
    json_close(json, '}');
}

static void json_tests(struct json_writer *json, const struct comparison *c, uint64_t seed)
{
    json_name(json, "bootstrap");
    json_open(json, '{');
    json_integer_member(json, "draws", BOOTSTRAP_RESAMPLES);
    json_integer_member(json, "seed", (int64_t)seed);
    json_close(json, '}');
    json_name(json, "mcnemar");
    json_open(json, '{');
    json_string_member(json, "method", c->is_exact ? "exact" : "continuity-corrected chi-square");
    json_real_member(json, "statistic", c->statistic);
    json_real_member(json, "p", c->p);
    json_close(json, '}');
}

static status append_json(struct text *out, const struct side sides[2], const struct pairs *pairs,
                          const struct comparison *c, uint64_t seed, struct error *err)
{
    struct json_writer json = json_writer(out, err);
    json_open(&json, '{');
    json_string_member(&json, "dataset", sides[0].work.dataset.kind);
    json_string_member(&json, "split", sides[0].work.dataset.split);
    json_integer_member(&json, "n", (int64_t)pairs->count);
    json_integer_member(&json, "counted_by_one_alone", (int64_t)pairs->of_one_alone);
    json_integer_member(&json, "of_another_class_for_each", (int64_t)pairs->other_label);
    json_side(&json, "a", &sides[0]);
    json_side(&json, "b", &sides[1]);
    json_integer_member(&json, "both_right", (int64_t)c->both_right);
    json_integer_member(&json, "only_a_right", (int64_t)c->only_first_right);
    json_integer_member(&json, "only_b_right", (int64_t)c->only_second_right);
    json_integer_member(&json, "neither_right", (int64_t)c->neither_right);
    json_real_member(&json, "overall_difference", c->overall_difference);
    json_interval_member(&json, "overall_difference_interval", c->overall_interval);
    json_real_member(&json, "average_difference", c->average_difference);
    json_interval_member(&json, "average_difference_interval", c->average_interval);
    json_tests(&json, c, seed);
    json_close(&json, '}');
    return json.result;
}

status compare_checkpoints(const struct evaluation_request *request, const char *const paths[2], uint64_t seed,
                           struct text *table, struct text *object, struct error *err)
{
    struct side sides[2] = {{.request = *request}, {.request = *request}};
    struct pairs pairs = {0};
    struct comparison comparison;
    status result = STATUS_OK;
    for (int i = 0; i < 2 && result == STATUS_OK; i++) {
        sides[i].request.checkpoint = paths[i];
        result = evaluate_side(&sides[i], i == 0, err);
    }
    if (result == STATUS_OK) result = join(&pairs, sides, err);
    if (result == STATUS_OK) {
        struct paired_rows rows = {pairs.labels, pairs.first_right, pairs.second_right, pairs.count,
                                   sides[0].confusion.classes};
        result = comparison_run(&comparison, &rows, seed, err);
    }
    if (result == STATUS_OK) result = append_table(table, sides, &pairs, &comparison, seed, err);
    if (result == STATUS_OK) result = append_json(object, sides, &pairs, &comparison, seed, err);
    pairs_free(&pairs);
    for (int i = 0; i < 2; i++) side_free(&sides[i]);
    return result;
}
