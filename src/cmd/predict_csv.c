/* CSV: a row a face; a picture without one and a picture that cannot be read have a row too, whose fields about faces
 * are empty. Columns of options stand behind the ones that are always there. */
#include "cmd/predict_writers.h"

#include "rmfer/base/csv_writer.h"
#include "rmfer/faces/pose.h"
#include "rmfer/nn/model.h"

#include <math.h>

status write_csv_header(const struct output_settings *settings, struct text *out, struct error *err)
{
    static const char *const first[] = {"file",  "frame",  "time",  "face",  "x",         "y",
                                        "width", "height", "score", "label", "confidence"};
    struct csv_writer row = csv_writer(out, err);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) csv_put_field(&row, first[i]);
    for (size_t i = 0; i < settings->class_count; i++) csv_put_field(&row, settings->classes[i]);
    csv_put_field(&row, "error");
    if (settings->tracks) csv_put_field(&row, "track");
    static const char *const angles[] = {"yaw", "pitch", "roll"};
    for (int i = 0; i < 3 && settings->pose; i++) csv_put_field(&row, angles[i]);
    if (settings->affect) csv_put_field(&row, "valence");
    if (settings->affect) csv_put_field(&row, "arousal");
    return csv_end_row(&row);
}

/* file, frame, time */
static void put_source(struct csv_writer *row, const struct face_input *input)
{
    csv_put_name(row, input->path);
    if (!input->is_frame) {
        csv_put_empty(row, 2);
        return;
    }
    csv_put_integer(row, input->frame);
    if (isnan(input->time))
        csv_put_empty(row, 1);
    else
        csv_put_real(row, 10, rounded(input->time, TIME_DIGITS));
}

/* face to confidence, and the probabilities */
static void put_face(struct csv_writer *row, const struct predict_result *result, size_t index)
{
    const struct output_settings *settings = result->settings;
    const struct face_picture *picture = result->item->picture;
    const struct ranked_class *best = face_ranks(result, index);
    csv_put_integer(row, (int64_t)index);
    if (picture->is_detected) {
        double box[4];
        box_numbers(&picture->faces[index].shape.box, box);
        for (int i = 0; i < 4; i++) csv_put_real(row, 9, box[i]);
        csv_put_real(row, 6, rounded(picture->faces[index].score, PROBABILITY_DIGITS));
    } else {
        csv_put_empty(row, 5);
    }
    csv_put_field(row, settings->classes[best->index]);
    csv_put_real(row, 6, rounded(best->probability, PROBABILITY_DIGITS));
    for (size_t i = 0; i < settings->class_count; i++) csv_put_real(row, 6, class_probability(result, index, i));
}

static void put_pose(struct csv_writer *row, const struct face_picture *picture, size_t index)
{
    struct head_pose pose;
    if (index == SIZE_MAX || !picture->is_detected ||
        !head_pose_fit((const double(*)[2])picture->faces[index].shape.landmarks, &pose)) {
        csv_put_empty(row, 3);
        return;
    }
    csv_put_real(row, 6, rounded(pose.yaw, POSE_DIGITS));
    csv_put_real(row, 6, rounded(pose.pitch, POSE_DIGITS));
    csv_put_real(row, 6, rounded(pose.roll, POSE_DIGITS));
}

/* The columns of options; `index` is SIZE_MAX where there is no face. */
static void put_options(struct csv_writer *row, const struct predict_result *result, size_t index)
{
    const struct face_picture *picture = result->item->picture;
    if (result->settings->tracks && index != SIZE_MAX && picture->ids != NULL)
        csv_put_integer(row, picture->ids[index]);
    else if (result->settings->tracks)
        csv_put_empty(row, 1);
    if (result->settings->pose) put_pose(row, picture, index);
    if (!result->settings->affect) return;
    for (size_t i = 0; i < AFFECT_DIMENSIONS && index != SIZE_MAX; i++)
        csv_put_real(row, 6, rounded((double)result->item->affect[index * AFFECT_DIMENSIONS + i], PROBABILITY_DIGITS));
    if (index == SIZE_MAX) csv_put_empty(row, AFFECT_DIMENSIONS);
}

static status write_row(const struct predict_result *result, size_t index, struct text *out, struct error *err)
{
    const struct face_input *input = &result->item->picture->input;
    struct csv_writer row = csv_writer(out, err);
    put_source(&row, input);
    if (index != SIZE_MAX)
        put_face(&row, result, index);
    else
        csv_put_empty(&row, 8 + result->settings->class_count);
    if (input->error.code != STATUS_OK)
        csv_put_name(&row, predict_message(input));
    else
        csv_put_empty(&row, 1);
    put_options(&row, result, index);
    return csv_end_row(&row);
}

status write_csv_rows(const struct predict_result *result, struct text *out, struct error *err)
{
    size_t count = result->item->picture->face_count;
    if (count == 0) return write_row(result, SIZE_MAX, out, err);
    status written = STATUS_OK;
    for (size_t i = 0; i < count && written == STATUS_OK; i++) written = write_row(result, i, out, err);
    return written;
}
