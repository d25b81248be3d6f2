/* The rows of eval --csv, from the answers that its figures are drawn from. */
#include "cmd/answer_rows.h"

#include "rmfer/base/csv_writer.h"

enum { PROBABILITY_FIGURES = 6 };

static status append_heading(const struct answers *answers, struct csv_writer *csv)
{
    static const char *const first[] = {"file", "row", "label", "predicted", "confidence"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) csv_put_field(csv, first[i]);
    for (size_t c = 0; c < answers->classes; c++) csv_put_name(csv, answers->class_names[c]);
    return csv_end_row(csv);
}

static status append_row(const struct answers *answers, const struct dataset *dataset, size_t i, struct csv_writer *csv)
{
    size_t sample = (size_t)answers->ids[i], predicted = (size_t)answers->predicted[i];
    csv_put_name(csv, dataset_path(dataset, sample));
    csv_put_integer(csv, dataset->samples[sample].row);
    csv_put_name(csv, answers->class_names[answers->labels[i]]);
    csv_put_name(csv, answers->class_names[predicted]);
    csv_put_real(csv, PROBABILITY_FIGURES, answers_probability(answers, i, predicted));
    for (size_t c = 0; c < answers->classes; c++)
        csv_put_real(csv, PROBABILITY_FIGURES, answers_probability(answers, i, c));
    return csv_end_row(csv);
}

status answer_rows_append(const struct answers *answers, const struct dataset *dataset, struct text *out,
                          struct error *err)
{
    struct csv_writer csv = csv_writer(out, err);
    status result = append_heading(answers, &csv);
    for (size_t i = 0; i < answers->n && result == STATUS_OK; i++) result = append_row(answers, dataset, i, &csv);
    return result;
}
