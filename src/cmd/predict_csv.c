/* CSV after RFC 4180, with line feeds as line ends: a row a face; a picture without one and a picture that cannot be read
 * have a row too, whose fields about faces are empty. Columns of options stand behind the ones that are always there. */
#include "cmd/predict_writers.h"

#include "rmfer/faces/pose.h"
#include "rmfer/nn/model.h"

#include <math.h>
#include <string.h>

/* A row being written: the first failure is remembered, as the JSON writer does. */
struct row {
    struct text *out;
    struct error *err;
    status result;
    bool needs_comma;
};

static void put(struct row *row, const char *bytes, size_t length)
{
    if (row->result == STATUS_OK) row->result = text_append(row->out, bytes, length, row->err);
}

static void separate(struct row *row)
{
    if (row->needs_comma) put(row, ",", 1);
    row->needs_comma = true;
}

static void put_empty(struct row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) separate(row);
}

/* Quoted where it holds a comma, a quote or a line end. */
static void put_field(struct row *row, const char *value)
{
    separate(row);
    bool quoted = strpbrk(value, ",\"\r\n") != NULL;
    if (quoted) put(row, "\"", 1);
    for (; *value != '\0'; value++) put(row, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
    if (quoted) put(row, "\"", 1);
}

/* A name, or a message that holds one. */
static void put_name(struct row *row, const char *value)
{
    struct text escaped = {0};
    if (row->result == STATUS_OK) row->result = text_append_escaped(&escaped, value, TEXT_ESCAPE_CONTROL, row->err);
    put_field(row, text_string(&escaped));
    text_free(&escaped);
}

static void put_real(struct row *row, int digits, double value)
{
    separate(row);
    if (row->result == STATUS_OK) row->result = text_append_format(row->out, row->err, "%.*g", digits, value);
}

static void put_integer(struct row *row, int64_t value)
{
    separate(row);
    if (row->result == STATUS_OK) row->result = text_append_format(row->out, row->err, "%lld", (long long)value);
}

static status end_row(struct row *row)
{
    put(row, "\n", 1);
    return row->result;
}

status write_csv_header(const struct output_settings *settings, struct text *out, struct error *err)
{
    static const char *const first[] = {"file",  "frame",  "time",  "face",  "x",         "y",
                                        "width", "height", "score", "label", "confidence"};
    struct row row = {.out = out, .err = err};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) put_field(&row, first[i]);
    for (size_t i = 0; i < settings->class_count; i++) put_field(&row, settings->classes[i]);
    put_field(&row, "error");
    if (settings->tracks) put_field(&row, "track");
    static const char *const angles[] = {"yaw", "pitch", "roll"};
    for (int i = 0; i < 3 && settings->pose; i++) put_field(&row, angles[i]);
    if (settings->affect) put_field(&row, "valence");
    if (settings->affect) put_field(&row, "arousal");
    return end_row(&row);
}

/* file, frame, time */
static void put_source(struct row *row, const struct face_input *input)
{
    put_name(row, input->path);
    if (!input->is_frame) {
        put_empty(row, 2);
        return;
    }
    put_integer(row, input->frame);
    if (isnan(input->time))
        put_empty(row, 1);
    else
        put_real(row, 10, rounded(input->time, TIME_DIGITS));
}

/* face to confidence, and the probabilities */
static void put_face(struct row *row, const struct predict_result *result, size_t index)
{
    const struct output_settings *settings = result->settings;
    const struct face_picture *picture = result->item->picture;
    const struct ranked_class *best = face_ranks(result, index);
    put_integer(row, (int64_t)index);
    if (picture->is_detected) {
        double box[4];
        box_numbers(&picture->faces[index].shape.box, box);
        for (int i = 0; i < 4; i++) put_real(row, 9, box[i]);
        put_real(row, 6, rounded(picture->faces[index].score, PROBABILITY_DIGITS));
    } else {
        put_empty(row, 5);
    }
    put_field(row, settings->classes[best->index]);
    put_real(row, 6, rounded(best->probability, PROBABILITY_DIGITS));
    for (size_t i = 0; i < settings->class_count; i++) put_real(row, 6, class_probability(result, index, i));
}

static void put_pose(struct row *row, const struct face_picture *picture, size_t index)
{
    struct head_pose pose;
    if (index == SIZE_MAX || !picture->is_detected ||
        !head_pose_fit((const double(*)[2])picture->faces[index].shape.landmarks, &pose)) {
        put_empty(row, 3);
        return;
    }
    put_real(row, 6, rounded(pose.yaw, POSE_DIGITS));
    put_real(row, 6, rounded(pose.pitch, POSE_DIGITS));
    put_real(row, 6, rounded(pose.roll, POSE_DIGITS));
}

/* The columns of options; `index` is SIZE_MAX where there is no face. */
static void put_options(struct row *row, const struct predict_result *result, size_t index)
{
    const struct face_picture *picture = result->item->picture;
    if (result->settings->tracks && index != SIZE_MAX && picture->ids != NULL)
        put_integer(row, picture->ids[index]);
    else if (result->settings->tracks)
        put_empty(row, 1);
    if (result->settings->pose) put_pose(row, picture, index);
    if (!result->settings->affect) return;
    for (size_t i = 0; i < AFFECT_DIMENSIONS && index != SIZE_MAX; i++)
        put_real(row, 6, rounded((double)result->item->affect[index * AFFECT_DIMENSIONS + i], PROBABILITY_DIGITS));
    if (index == SIZE_MAX) put_empty(row, AFFECT_DIMENSIONS);
}

static status write_row(const struct predict_result *result, size_t index, struct text *out, struct error *err)
{
    const struct face_input *input = &result->item->picture->input;
    struct row row = {.out = out, .err = err};
    put_source(&row, input);
    if (index != SIZE_MAX)
        put_face(&row, result, index);
    else
        put_empty(&row, 8 + result->settings->class_count);
    if (input->error.code != STATUS_OK)
        put_name(&row, predict_message(input));
    else
        put_empty(&row, 1);
    put_options(&row, result, index);
    return end_row(&row);
}

status write_csv_rows(const struct predict_result *result, struct text *out, struct error *err)
{
    size_t count = result->item->picture->face_count;
    if (count == 0) return write_row(result, SIZE_MAX, out, err);
    status written = STATUS_OK;
    for (size_t i = 0; i < count && written == STATUS_OK; i++) written = write_row(result, i, out, err);
    return written;
}
