/* An evaluation as a table, and as one JSON object. */
#include "rmfer/train/evaluation.h"

#include "rmfer/base/json_writer.h"
#include "rmfer/train/intervals.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void print_confusion(struct json_writer *json, const struct confusion *confusion)
{
    json_name(json, "confusion");
    json_open(json, '[');
    for (size_t truth = 0; truth < confusion->classes; truth++) {
        json_open(json, '[');
        for (size_t guess = 0; guess < confusion->classes; guess++)
            json_integer(json, (int64_t)confusion->counts[truth * confusion->classes + guess]);
        json_close(json, ']');
    }
    json_close(json, ']');
}

static void print_classes_without_samples(struct json_writer *json, const struct evaluation *evaluation,
                                          const struct evaluation_names *names)
{
    json_name(json, "classes_without_samples");
    json_open(json, '[');
    for (size_t i = 0; i < evaluation->confusion.classes; i++)
        if (confusion_class_total(&evaluation->confusion, i) == 0) json_string(json, names->classes[i]);
    json_close(json, ']');
}

/* A member that only some evaluations have. */
static void print_known(struct json_writer *json, const char *name, double value)
{
    if (!isnan(value)) json_real_member(json, name, value);
}

static void print_calibration(struct json_writer *json, const struct calibration *calibration)
{
    json_real_member(json, "negative_log_likelihood", calibration->negative_log_likelihood);
    json_real_member(json, "expected_calibration_error", calibration->expected_calibration_error);
}

static void print_calibrations(struct json_writer *json, const struct evaluation *evaluation)
{
    json_name(json, "calibration");
    json_open(json, '{');
    json_integer_member(json, "bins", CALIBRATION_BINS);
    print_calibration(json, &evaluation->plain);
    json_real_member(json, "temperature", evaluation->temperature);
    json_name(json, "at_temperature");
    json_open(json, '{');
    print_calibration(json, &evaluation->calibrated);
    json_close(json, '}');
    json_close(json, '}');
}

static const char *const affect_names[AFFECT_DIMENSIONS] = {[AFFECT_VALENCE] = "valence", [AFFECT_AROUSAL] = "arousal"};

static void print_affect(struct json_writer *json, const struct affect_agreement *affect)
{
    if (affect->n == 0) return;
    json_name(json, "valence_arousal");
    json_open(json, '{');
    json_integer_member(json, "n", (int64_t)affect->n);
    for (size_t d = 0; d < AFFECT_DIMENSIONS; d++) {
        json_name(json, affect_names[d]);
        json_open(json, '{');
        json_real_member(json, "ccc", affect->concordance[d]);
        json_real_member(json, "rmse", affect->rmse[d]);
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void print_rest(struct json_writer *json, const struct evaluation *evaluation,
                       const struct evaluation_names *names)
{
    print_classes_without_samples(json, evaluation, names);
    print_calibrations(json, evaluation);
    print_affect(json, &evaluation->affect);
    print_known(json, "ial_accuracy", evaluation->ial_accuracy);
    print_known(json, "same_class_similarity", evaluation->same_class_similarity);
    print_known(json, "different_class_similarity", evaluation->different_class_similarity);
    print_known(json, "projected_same_class_similarity", evaluation->projected_same_class_similarity);
    print_known(json, "projected_different_class_similarity", evaluation->projected_different_class_similarity);
    print_known(json, "centre_distance", evaluation->centre_distance);
    json_integer_member(json, "unreadable", (int64_t)evaluation->unreadable);
}

static void print_per_class(struct json_writer *json, const struct confusion *confusion, const char *const *classes)
{
    json_name(json, "per_class");
    json_open(json, '{');
    for (size_t i = 0; i < confusion->classes; i++) {
        json_name(json, classes[i]);
        json_open(json, '{');
        json_integer_member(json, "n", (int64_t)confusion_class_total(confusion, i));
        json_real_member(json, "recall", confusion_recall(confusion, i));
        json_interval_member(json, "recall_interval", confusion_recall_interval(confusion, i));
        json_real_member(json, "precision", confusion_precision(confusion, i));
        json_real_member(json, "f1", confusion_f1(confusion, i));
        json_close(json, '}');
    }
    json_close(json, '}');
}

/* ---- rows left out ----------------------------------------------------------------------------------------------- */

/* Rows under one reason; `example` is NULL where none is kept. */
struct left_out {
    const char *reason, *example;
    size_t count;
};

enum { OTHER_REASONS = 4 };

/* The place'th reason of those that are not the data set's notes. */
static struct left_out other_reason(const struct evaluation *evaluation, const struct evaluation_names *names,
                                    size_t place)
{
    const struct left_out all[OTHER_REASONS] = {
        {"the share of training that is kept for validation", NULL, names->rows->validation_share},
        {"missing or empty", NULL, names->rows->unreadable},
        {"unreadable", NULL, evaluation->unreadable},
        {"of a class that data.classes does not name", NULL, names->unnamed},
    };
    return all[place];
}

static struct left_out reason_at(const struct evaluation *evaluation, const struct evaluation_names *names,
                                 size_t place)
{
    size_t notes = names->rows->note_count;
    if (place >= notes) return other_reason(evaluation, names, place - notes);
    const struct dataset_note *note = &names->rows->notes[place];
    return (struct left_out){note->reason, note->example, note->count};
}

static size_t count_reasons(const struct evaluation_names *names)
{
    return names->rows == NULL ? 0 : names->rows->note_count + OTHER_REASONS;
}

static void print_left_out(struct json_writer *json, const struct evaluation *evaluation,
                           const struct evaluation_names *names)
{
    if (names->rows == NULL) return;
    json_integer_member(json, "rows", (int64_t)names->rows->listed);
    json_name(json, "left_out");
    json_open(json, '[');
    for (size_t i = 0; i < count_reasons(names); i++) {
        struct left_out reason = reason_at(evaluation, names, i);
        if (reason.count == 0) continue;
        json_open(json, '{');
        json_string_member(json, "reason", reason.reason);
        json_integer_member(json, "count", (int64_t)reason.count);
        if (reason.example != NULL) json_string_member(json, "example", reason.example);
        json_close(json, '}');
    }
    json_close(json, ']');
    if (names->rows->remark != NULL) json_string_member(json, "remark", names->rows->remark);
}

status evaluation_print_json(const struct evaluation *evaluation, const struct evaluation_names *names,
                             struct text *out, struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    struct json_writer json = json_writer(out, err);
    json_open(&json, '{');
    json_string_member(&json, "dataset", names->dataset);
    json_string_member(&json, "split", names->split);
    json_string_member(&json, "checkpoint", names->checkpoint);
    if (names->seed >= 0) json_integer_member(&json, "seed", names->seed);
    json_name(&json, "classes");
    json_open(&json, '[');
    for (size_t i = 0; i < confusion->classes; i++) json_string(&json, names->classes[i]);
    json_close(&json, ']');
    json_integer_member(&json, "n", (int64_t)evaluation->n);
    json_accuracy_members(&json, confusion);
    json_real_member(&json, "loss", evaluation->loss);
    print_per_class(&json, confusion, names->classes);
    print_confusion(&json, confusion);
    print_rest(&json, evaluation, names);
    print_left_out(&json, evaluation, names);
    json_close(&json, '}');
    return json.result;
}

status evaluation_print_members(const struct evaluation *evaluation, const struct evaluation_names *names,
                                struct text *out, struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    struct json_writer json = json_writer(out, err);
    json_string_member(&json, "split", names->split);
    json_integer_member(&json, "n", (int64_t)evaluation->n);
    json_real_member(&json, "loss", evaluation->loss);
    json_accuracy_members(&json, confusion);
    json_name(&json, "recall");
    json_open(&json, '{');
    for (size_t i = 0; i < confusion->classes; i++)
        if (confusion_class_total(confusion, i) > 0)
            json_real_member(&json, names->classes[i], confusion_recall(confusion, i));
    json_close(&json, '}');
    print_confusion(&json, confusion);
    print_rest(&json, evaluation, names);
    return json.result;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

struct table {
    struct text *out;
    struct error *err;
    status result;
};

static void PRINTF_LIKE(2, 3) say(struct table *table, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (table->result == STATUS_OK) table->result = text_append(table->out, line, strlen(line), table->err);
}

/* "[85.1%, 88.0%]" in a column of its own, or nothing. */
static void say_interval(struct table *table, struct interval interval)
{
    char limits[32] = "";
    if (!isnan(interval.low))
        snprintf(limits, sizeof limits, "[%.1f%%, %.1f%%]", 100 * interval.low, 100 * interval.high);
    say(table, " %-16s", limits);
}

/* A share as a percentage, or a dash. */
static void say_share(struct table *table, double share)
{
    if (isnan(share))
        say(table, "%10s", "-");
    else
        say(table, "%9.2f%%", 100 * share);
}

static int widest(const struct evaluation_names *names, size_t classes)
{
    int width = 5;
    for (size_t i = 0; i < classes; i++) {
        int length = (int)strlen(names->classes[i]);
        if (length > width) width = length;
    }
    return width < 30 ? width : 30;
}

static void say_classes(struct table *table, const struct confusion *confusion, const struct evaluation_names *names)
{
    int width = widest(names, confusion->classes);
    say(table, "\n%-*s %8s %10s %-16s%10s%10s\n", width, "class", "samples", "recall", "95% interval", "precision",
        "f1");
    for (size_t i = 0; i < confusion->classes; i++) {
        say(table, "%-*.*s %8llu ", width, width, names->classes[i],
            (unsigned long long)confusion_class_total(confusion, i));
        say_share(table, confusion_recall(confusion, i));
        say_interval(table, confusion_recall_interval(confusion, i));
        say_share(table, confusion_precision(confusion, i));
        say_share(table, confusion_f1(confusion, i));
        say(table, "\n");
    }
}

static void say_confusion(struct table *table, const struct confusion *confusion, const struct evaluation_names *names)
{
    int width = widest(names, confusion->classes);
    say(table, "\nconfusion (rows: truth, columns: predicted, in the same order)\n");
    for (size_t truth = 0; truth < confusion->classes; truth++) {
        say(table, "%-*.*s", width, width, names->classes[truth]);
        for (size_t guess = 0; guess < confusion->classes; guess++)
            say(table, " %6llu", (unsigned long long)confusion->counts[truth * confusion->classes + guess]);
        say(table, "\n");
    }
}

static void say_missing(struct table *table, const struct confusion *confusion, const struct evaluation_names *names)
{
    const char *separator = "\nno samples, left out of the average: ";
    for (size_t i = 0; i < confusion->classes; i++) {
        if (confusion_class_total(confusion, i) > 0) continue;
        say(table, "%s%s", separator, names->classes[i]);
        separator = ", ";
    }
    if (separator[0] == ',') say(table, "\n");
}

static void say_left_out(struct table *table, const struct evaluation *evaluation, const struct evaluation_names *names)
{
    const char *separator = "left out: ";
    for (size_t i = 0; i < count_reasons(names); i++) {
        struct left_out reason = reason_at(evaluation, names, i);
        if (reason.count == 0) continue;
        say(table, "%s%zu %s", separator, reason.count, reason.reason);
        separator = "; ";
    }
    if (separator[0] == ';') say(table, "\n");
}

static void say_accuracy(struct table *table, const char *name, double accuracy, struct interval interval)
{
    say(table, "%s accuracy %.2f%%", name, 100 * accuracy);
    if (!isnan(accuracy)) say(table, " [%.2f%%, %.2f%%]", 100 * interval.low, 100 * interval.high);
}

static void say_calibrations(struct table *table, const struct evaluation *evaluation)
{
    static const char format[] = "negative log likelihood %.4f, expected calibration error %.2f%%";
    say(table, "calibration: ");
    say(table, format, evaluation->plain.negative_log_likelihood, 100 * evaluation->plain.expected_calibration_error);
    say(table, " (%d equal-width bins)\n", CALIBRATION_BINS);
    if (isnan(evaluation->temperature)) {
        say(table, "  no temperature was fitted (--fit-temperature fits one)\n");
        return;
    }
    say(table, "  at temperature %.4f: ", evaluation->temperature);
    say(table, format, evaluation->calibrated.negative_log_likelihood,
        100 * evaluation->calibrated.expected_calibration_error);
    say(table, "\n");
}

static void say_affect(struct table *table, const struct affect_agreement *affect)
{
    if (affect->n == 0) return;
    for (size_t d = 0; d < AFFECT_DIMENSIONS; d++)
        say(table, "%s%s: concordance (CCC) %.4f, RMSE %.4f", d == 0 ? "" : "; ", affect_names[d],
            affect->concordance[d], affect->rmse[d]);
    say(table, " (%zu samples)\n", affect->n);
}

/* A mean over pairs, or a dash where there were none. */
static void say_similarity(struct table *table, const char *pairs, double mean)
{
    if (isnan(mean))
        say(table, "%s-", pairs);
    else
        say(table, "%s%.4f", pairs, mean);
}

status evaluation_print_table(const struct evaluation *evaluation, const struct evaluation_names *names,
                              struct text *out, struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    struct table table = {out, err, STATUS_OK};
    say(&table, "%s on %s, %s split: %llu samples\n", names->checkpoint, names->dataset, names->split,
        (unsigned long long)evaluation->n);
    say_accuracy(&table, "overall", confusion_overall_accuracy(confusion), confusion_overall_interval(confusion));
    say_accuracy(&table, "   average", confusion_average_accuracy(confusion), confusion_average_interval(confusion));
    say(&table, "   loss %.4f\n", evaluation->loss);
    say_left_out(&table, evaluation, names);
    say_classes(&table, confusion, names);
    say_missing(&table, confusion, names);
    say_confusion(&table, confusion, names);
    say(&table, "\n");
    say_calibrations(&table, evaluation);
    say_affect(&table, &evaluation->affect);
    if (!isnan(evaluation->ial_accuracy))
        say(&table, "attention branch (each sample by the others of its batch, drawn at random): accuracy %.2f%%\n",
            100 * evaluation->ial_accuracy);
    say(&table, "mean cosine similarity of features: ");
    say_similarity(&table, "same class ", evaluation->same_class_similarity);
    say_similarity(&table, ", different classes ", evaluation->different_class_similarity);
    say(&table, "\n");
    if (!isnan(evaluation->centre_distance))
        say(&table, "mean distance from the class centre: %.4f of the cloud's radius\n", evaluation->centre_distance);
    return table.result;
}
