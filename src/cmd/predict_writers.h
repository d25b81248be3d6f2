/* What `rmfer predict` writes of one picture, in each of its three forms, and the numbers that they share. */
#ifndef RMFER_CMD_PREDICT_WRITERS_H
#define RMFER_CMD_PREDICT_WRITERS_H

#include "cmd/predict_output.h"
#include "rmfer/base/text.h"

/* A picture whose faces are all classified. */
struct predict_result {
    const struct output_settings *settings;
    const struct predict_item *item;
    const struct ranked_class *ranked; /* [face_count, class_count], each face's likeliest first */
};

/* Appends the picture's line, rows or lines to `out`. A picture that cannot be read is a line of JSON and a row of CSV;
 * the table has none of it: that goes to standard error. */
status write_json_line(const struct predict_result *result, struct text *out, struct error *err) MUST_CHECK;
status write_csv_rows(const struct predict_result *result, struct text *out, struct error *err) MUST_CHECK;
status write_table_lines(const struct predict_result *result, struct text *out, struct error *err) MUST_CHECK;

status write_csv_header(const struct output_settings *settings, struct text *out, struct error *err) MUST_CHECK;

/* Why there is no picture. Messages begin with the path; where the path stands beside them, that is left out. */
const char *predict_message(const struct face_input *input);

/* ---- numbers */

enum { BOX_DIGITS = 4, PROBABILITY_DIGITS = 6, TIME_DIGITS = 6, POSE_DIGITS = 1 };

/* Fewer digits behind the point than a double has, as many as mean something. */
double rounded(double value, double digits);
void box_numbers(const struct image_box *box, double numbers[4]);

/* The ranked classes of a face, and a class's probability among them. */
const struct ranked_class *face_ranks(const struct predict_result *result, size_t face);
double class_probability(const struct predict_result *result, size_t face, size_t class_index);

#endif
