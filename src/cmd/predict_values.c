/* Numbers rounded to what they mean, and what stands beside them. */
#include "cmd/predict_writers.h"

#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

double rounded(double value, double digits)
{
    double factor = pow(10, digits), result = round(value * factor) / factor;
    return result == 0 ? 0 : result; /* no minus sign before a zero */
}

void box_numbers(const struct image_box *box, double numbers[4])
{
    const double sides[4] = {box->x, box->y, box->width, box->height};
    for (int i = 0; i < 4; i++) numbers[i] = rounded(sides[i], BOX_DIGITS);
}

const char *predict_message(const struct face_input *input)
{
    size_t length = strlen(input->path);
    const char *message = input->error.message;
    bool repeats = strncmp(message, input->path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return repeats ? message + length + 2 : message;
}

const struct ranked_class *face_ranks(const struct predict_result *result, size_t face)
{
    return result->ranked + face * result->settings->class_count;
}

double class_probability(const struct predict_result *result, size_t face, size_t class_index)
{
    const struct ranked_class *ranked = face_ranks(result, face);
    size_t at = 0;
    while (at < result->settings->class_count && ranked[at].index != class_index) at++;
    BUG_UNLESS(at < result->settings->class_count);
    return rounded(ranked[at].probability, PROBABILITY_DIGITS);
}
