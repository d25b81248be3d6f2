/* JSON: a line a picture or frame. */
#include "cmd/predict_writers.h"

#include "rmfer/base/json_writer.h"
#include "rmfer/faces/pose.h"
#include "rmfer/nn/model.h"

#include <math.h>

/* A name's bytes that are no UTF-8 are kept as \xHH; the backslash is then one of the string, and doubled by JSON. */
static void json_name_member(struct json_writer *json, const char *name, const char *value)
{
    struct text escaped = {0};
    if (json->result == STATUS_OK) json->result = text_append_escaped(&escaped, value, TEXT_ESCAPE_FOREIGN, json->err);
    json_string_member(json, name, text_string(&escaped));
    text_free(&escaped);
}

/* null without landmarks. */
static void json_pose(struct json_writer *json, const struct detected_face *face)
{
    struct head_pose pose;
    json_name(json, "pose");
    if (face == NULL || !head_pose_fit((const double(*)[2])face->shape.landmarks, &pose)) {
        json_real(json, NAN);
        return;
    }
    json_open(json, '{');
    json_real_member(json, "yaw", rounded(pose.yaw, POSE_DIGITS));
    json_real_member(json, "pitch", rounded(pose.pitch, POSE_DIGITS));
    json_real_member(json, "roll", rounded(pose.roll, POSE_DIGITS));
    json_close(json, '}');
}

static void json_embedding(struct json_writer *json, const float *features, size_t count)
{
    json_name(json, "embedding");
    json_open(json, '[');
    for (size_t i = 0; i < count; i++) json_single(json, features[i]);
    json_close(json, ']');
}

/* null without a detector. */
static void json_box(struct json_writer *json, const struct detected_face *face)
{
    json_name(json, "box");
    if (face == NULL) {
        json_real(json, NAN);
        return;
    }
    double numbers[4];
    box_numbers(&face->shape.box, numbers);
    json_open(json, '[');
    for (int i = 0; i < 4; i++) json_real(json, numbers[i]);
    json_close(json, ']');
}

static void json_face(struct json_writer *json, const struct predict_result *result, size_t index)
{
    const struct output_settings *settings = result->settings;
    const struct face_picture *picture = result->item->picture;
    const struct detected_face *face = picture->is_detected ? &picture->faces[index] : NULL;
    const struct ranked_class *best = face_ranks(result, index);
    json_open(json, '{');
    json_box(json, face);
    json_real_member(json, "score", face != NULL ? rounded(face->score, PROBABILITY_DIGITS) : (double)NAN);
    if (picture->ids != NULL) json_integer_member(json, "track", picture->ids[index]);
    json_string_member(json, "label", settings->classes[best->index]);
    json_real_member(json, "confidence", rounded(best->probability, PROBABILITY_DIGITS));
    json_name(json, "probabilities");
    json_open(json, '{');
    for (size_t i = 0; i < settings->class_count; i++)
        json_real_member(json, settings->classes[i], class_probability(result, index, i));
    json_close(json, '}');
    if (settings->affect) {
        const float *affect = result->item->affect + index * AFFECT_DIMENSIONS;
        json_real_member(json, "valence", rounded((double)affect[AFFECT_VALENCE], PROBABILITY_DIGITS));
        json_real_member(json, "arousal", rounded((double)affect[AFFECT_AROUSAL], PROBABILITY_DIGITS));
    }
    if (settings->pose) json_pose(json, face);
    if (settings->embedding)
        json_embedding(json, result->item->features + index * settings->feature_count, settings->feature_count);
    json_close(json, '}');
}

status write_json_line(const struct predict_result *result, struct text *out, struct error *err)
{
    const struct face_input *input = &result->item->picture->input;
    struct json_writer json = json_writer(out, err);
    json_open(&json, '{');
    json_name_member(&json, "file", input->path);
    if (input->is_frame) {
        json_integer_member(&json, "frame", input->frame);
        json_real_member(&json, "time", rounded(input->time, TIME_DIGITS)); /* null where it is not known */
    }
    if (input->error.code != STATUS_OK) {
        json_name_member(&json, "error", predict_message(input));
    } else {
        json_name(&json, "faces");
        json_open(&json, '[');
        for (size_t i = 0; i < result->item->picture->face_count; i++) json_face(&json, result, i);
        json_close(&json, ']');
    }
    json_close(&json, '}');
    return json.result == STATUS_OK ? text_append(out, "\n", 1, err) : json.result;
}
