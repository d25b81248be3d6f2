/* The table: a line a face for people to read. */
#include "cmd/predict_writers.h"

#include "rmfer/faces/pose.h"
#include "rmfer/nn/model.h"

#include <math.h>

static status append_name(const struct predict_result *result, struct text *out, struct error *err)
{
    const struct face_input *input = &result->item->picture->input;
    struct text name = {0};
    status done = text_append_format(&name, err, "%s", input->path);
    if (done == STATUS_OK && input->is_frame)
        done = isnan(input->time) ? text_append_format(&name, err, " %8lld", (long long)input->frame)
                                  : text_append_format(&name, err, " %8.2f s", input->time);
    if (done == STATUS_OK) {
        text_make_printable(name.bytes);
        int missing = result->settings->name_width - (int)text_characters(name.bytes);
        done = text_append_format(out, err, "%s%*s  ", name.bytes, missing > 0 ? missing : 0, "");
    }
    text_free(&name);
    return done;
}

static status append_box(const struct detected_face *face, struct text *out, struct error *err)
{
    const struct image_box *box = &face->shape.box;
    return text_append_format(out, err, "at %.0f,%.0f  %.0fx%.0f  score %.2f", rounded(box->x, 0), rounded(box->y, 0),
                              box->width, box->height, face->score);
}

static status append_pose(const struct detected_face *face, struct text *out, struct error *err)
{
    struct head_pose pose;
    if (!head_pose_fit((const double(*)[2])face->shape.landmarks, &pose)) return STATUS_OK;
    return text_append_format(out, err, "  yaw %.0f  pitch %.0f  roll %.0f", rounded(pose.yaw, 0),
                              rounded(pose.pitch, 0), rounded(pose.roll, 0));
}

static status append_face(const struct predict_result *result, size_t index, struct text *out, struct error *err)
{
    const struct output_settings *settings = result->settings;
    const struct face_picture *picture = result->item->picture;
    const struct ranked_class *ranked = face_ranks(result, index);
    status done = append_name(result, out, err);
    for (size_t i = 0; i < settings->top && done == STATUS_OK; i++)
        done = text_append_format(out, err, "%-10s %5.1f %%   ", settings->classes[ranked[i].index],
                                  100 * ranked[i].probability);
    if (done == STATUS_OK && settings->affect) {
        const float *affect = result->item->affect + index * AFFECT_DIMENSIONS;
        done = text_append_format(out, err, "valence %+.2f  arousal %+.2f  ", (double)affect[AFFECT_VALENCE],
                                  (double)affect[AFFECT_AROUSAL]);
    }
    if (done == STATUS_OK && picture->is_detected) done = append_box(&picture->faces[index], out, err);
    if (done == STATUS_OK && picture->is_detected && settings->pose)
        done = append_pose(&picture->faces[index], out, err);
    if (done == STATUS_OK && picture->ids != NULL)
        done = text_append_format(out, err, "  track %lld", (long long)picture->ids[index]);
    while (out->length > 0 && out->bytes[out->length - 1] == ' ') out->length--;
    return done == STATUS_OK ? text_append(out, "\n", 1, err) : done;
}

status write_table_lines(const struct predict_result *result, struct text *out, struct error *err)
{
    const struct face_picture *picture = result->item->picture;
    status done = STATUS_OK;
    if (picture->input.error.code != STATUS_OK) return STATUS_OK;
    if (picture->face_count == 0) {
        done = append_name(result, out, err);
        return done == STATUS_OK ? text_append_format(out, err, "no face\n") : done;
    }
    for (size_t i = 0; i < picture->face_count && done == STATUS_OK; i++) done = append_face(result, i, out, err);
    return done;
}
