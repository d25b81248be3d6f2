/* Writing results: numbers rounded to what they mean, names made fit for JSON and terminals. */
#include "cmd/predict_output.h"

#include "cmd/predict_tracks.h"
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct predict_output {
    struct output_settings settings;
    struct output_counts counts;
    struct ranked_class *ranked; /* of the item at hand: [faces, classes] */
    size_t ranked_capacity;
    struct text line;
    struct annotation annotation;
    struct npy_rows *features;
    struct track_smoother *smoother; /* with settings.smooth */
    double *probabilities;           /* [class_count], of one face */
};

/* ---- numbers
 * ------------------------------------------------------------------------------------------------------- */

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked_class *left = a, *right = b;
    if (left->probability != right->probability) return left->probability > right->probability ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* softmax(logits / temperature). False when a logit is not finite. */
static bool rank_classes(const float *logits, size_t count, double temperature, struct ranked_class *ranked)
{
    double largest = -INFINITY, total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(logits[i])) return false;
        largest = fmax(largest, (double)logits[i] / temperature);
    }
    for (size_t i = 0; i < count; i++) {
        ranked[i] = (struct ranked_class){i, exp((double)logits[i] / temperature - largest)};
        total += ranked[i].probability;
    }
    for (size_t i = 0; i < count; i++) ranked[i].probability /= total;
    return true;
}

/* Means over the last seconds of the face's track, where it has one. */
static status smooth_face(struct predict_output *output, const struct face_picture *picture, size_t face,
                          struct ranked_class *ranked, struct error *err)
{
    if (output->smoother == NULL || picture->ids == NULL) return STATUS_OK;
    size_t count = output->settings.class_count;
    for (size_t i = 0; i < count; i++) output->probabilities[i] = ranked[i].probability;
    status result = track_smoother_apply(output->smoother, picture->input.file, picture->ids[face],
                                         picture->input.time, output->probabilities, err);
    for (size_t i = 0; i < count; i++) ranked[i].probability = output->probabilities[i];
    return result;
}

static status rank_item(struct predict_output *output, const struct predict_item *item, struct error *err)
{
    size_t classes = output->settings.class_count, needed = size_multiply(item->picture->face_count, classes);
    if (needed > output->ranked_capacity) {
        memory_free(output->ranked);
        output->ranked_capacity = 0;
        output->ranked = memory_allocate(needed, sizeof *output->ranked, "the results", err);
        if (output->ranked == NULL) return STATUS_FAILED;
        output->ranked_capacity = needed;
    }
    for (size_t i = 0; i < item->picture->face_count; i++) {
        struct ranked_class *ranked = output->ranked + i * classes;
        if (!rank_classes(item->logits + i * classes, classes, output->settings.temperature, ranked))
            return error_set(err, "%s: the network's output is not finite: the checkpoint's weights are damaged",
                             item->picture->input.path);
        status result = smooth_face(output, item->picture, i, ranked, err);
        if (result != STATUS_OK) return result;
        qsort(ranked, classes, sizeof *ranked, compare_ranked);
    }
    return STATUS_OK;
}

/* Fewer digits than a double has, as many as mean something. */
static double rounded(double value, double digits)
{
    double factor = pow(10, digits), result = round(value * factor) / factor;
    return result == 0 ? 0 : result; /* no minus sign before a zero */
}

enum { BOX_DIGITS = 4, PROBABILITY_DIGITS = 6, TIME_DIGITS = 6 };

static void box_numbers(const struct image_box *box, double numbers[4])
{
    const double sides[4] = {box->x, box->y, box->width, box->height};
    for (int i = 0; i < 4; i++) numbers[i] = rounded(sides[i], BOX_DIGITS);
}

/* ---- text
 * ---------------------------------------------------------------------------------------------------------- */

/* Length of the well-formed UTF-8 character at `at`, 0 when there is none (Unicode 15, table 3-7). */
static size_t character_length(const unsigned char *at)
{
    if (at[0] < 0x80) return 1;
    size_t length = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                    : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                    : 0;
    unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (length == 0 || at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return length;
}

/* A file's name may hold any bytes, JSON only UTF-8: others become U+FFFD. */
static status append_utf8(struct text *out, const char *string, struct error *err)
{
    status result = STATUS_OK;
    while (*string != '\0' && result == STATUS_OK) {
        size_t length = character_length((const unsigned char *)string);
        result = length > 0 ? text_append(out, string, length, err) : text_append(out, "\xef\xbf\xbd", 3, err);
        string += length > 0 ? length : 1;
    }
    return result;
}

static void json_utf8_member(struct json_writer *json, const char *name, const char *value)
{
    struct text clean = {0};
    if (json->result == STATUS_OK) json->result = append_utf8(&clean, value, json->err);
    json_string_member(json, name, text_string(&clean));
    text_free(&clean);
}

/* Messages begin with the path; where the path stands beside them, that is left out. */
static const char *message_of(const struct face_input *input)
{
    size_t length = strlen(input->path);
    const char *message = input->error.message;
    bool repeats = strncmp(message, input->path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return repeats ? message + length + 2 : message;
}

/* ---- JSON
 * ---------------------------------------------------------------------------------------------------------- */

static void json_face(struct json_writer *json, const struct predict_output *output, const struct detected_face *face,
                      const int64_t *track, const struct ranked_class *ranked)
{
    const struct output_settings *settings = &output->settings;
    json_open(json, '{');
    json_name(json, "box");
    if (face != NULL) {
        double numbers[4];
        box_numbers(&face->shape.box, numbers);
        json_open(json, '[');
        for (int i = 0; i < 4; i++) json_real(json, numbers[i]);
        json_close(json, ']');
    } else {
        json_real(json, NAN); /* null */
    }
    json_real_member(json, "score", face != NULL ? rounded(face->score, PROBABILITY_DIGITS) : (double)NAN);
    if (track != NULL) json_integer_member(json, "track", *track);
    json_string_member(json, "label", settings->classes[ranked[0].index]);
    json_real_member(json, "confidence", rounded(ranked[0].probability, PROBABILITY_DIGITS));
    json_name(json, "probabilities");
    json_open(json, '{');
    for (size_t class = 0; class < settings->class_count; class ++)
        for (size_t i = 0; i < settings->class_count; i++)
            if (ranked[i].index == class)
                json_real_member(json, settings->classes[class], rounded(ranked[i].probability, PROBABILITY_DIGITS));
    json_close(json, '}');
    json_close(json, '}');
}

static status write_json(struct predict_output *output, const struct predict_item *item, struct error *err)
{
    const struct face_input *input = &item->picture->input;
    struct json_writer json = json_writer(&output->line, err);
    json_open(&json, '{');
    json_utf8_member(&json, "file", input->path);
    if (input->is_frame) {
        json_integer_member(&json, "frame", input->frame);
        json_real_member(&json, "time", rounded(input->time, TIME_DIGITS));
    }
    if (input->error.code != STATUS_OK) {
        json_utf8_member(&json, "error", message_of(input));
    } else {
        json_name(&json, "faces");
        json_open(&json, '[');
        for (size_t i = 0; i < item->picture->face_count; i++)
            json_face(&json, output, item->picture->is_detected ? &item->picture->faces[i] : NULL,
                      item->picture->ids != NULL ? &item->picture->ids[i] : NULL, output->ranked + i * output->settings.class_count);
        json_close(&json, ']');
    }
    json_close(&json, '}');
    return json.result == STATUS_OK ? text_append(&output->line, "\n", 1, err) : json.result;
}

/* ---- CSV
 * ----------------------------------------------------------------------------------------------------------- */

/* RFC 4180: quoted where it holds a comma, a quote or a line end. */
static status append_field(struct text *line, const char *value, struct error *err)
{
    if (strpbrk(value, ",\"\r\n") == NULL) return text_append(line, value, strlen(value), err);
    status result = text_append(line, "\"", 1, err);
    for (; *value != '\0' && result == STATUS_OK; value++)
        result = text_append(line, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1, err);
    return result == STATUS_OK ? text_append(line, "\"", 1, err) : result;
}

static status write_csv_header(struct predict_output *output, struct error *err)
{
    static const char columns[] = "file,frame,time,face,x,y,width,height,score,label,confidence";
    status result = text_append(&output->line, columns, sizeof columns - 1, err);
    for (size_t i = 0; i < output->settings.class_count && result == STATUS_OK; i++) {
        result = text_append(&output->line, ",", 1, err);
        if (result == STATUS_OK) result = append_field(&output->line, output->settings.classes[i], err);
    }
    const char *end = output->settings.tracks ? ",error,track\n" : ",error\n";
    return result == STATUS_OK ? text_append(&output->line, end, strlen(end), err) : result;
}

/* file,frame,time, */
static status append_source(struct predict_output *output, const struct face_input *input, struct error *err)
{
    status result = append_field(&output->line, input->path, err);
    if (result != STATUS_OK) return result;
    if (!input->is_frame) return text_append(&output->line, ",,,", 3, err);
    return text_append_format(&output->line, err, ",%lld,%.6g,", (long long)input->frame,
                              rounded(input->time, TIME_DIGITS));
}

static status append_csv_face(struct predict_output *output, const struct predict_item *item, size_t index,
                              struct error *err)
{
    const struct output_settings *settings = &output->settings;
    const struct ranked_class *ranked = output->ranked + index * settings->class_count;
    struct text *line = &output->line;
    status result = append_source(output, &item->picture->input, err);
    if (result == STATUS_OK) result = text_append_format(line, err, "%zu,", index);
    if (result == STATUS_OK && item->picture->is_detected) {
        double box[4];
        box_numbers(&item->picture->faces[index].shape.box, box);
        result = text_append_format(line, err, "%.9g,%.9g,%.9g,%.9g,%.6g,", box[0], box[1], box[2], box[3],
                                    rounded(item->picture->faces[index].score, PROBABILITY_DIGITS));
    } else if (result == STATUS_OK) {
        result = text_append(line, ",,,,,", 5, err);
    }
    if (result == STATUS_OK) result = append_field(line, settings->classes[ranked[0].index], err);
    if (result == STATUS_OK)
        result = text_append_format(line, err, ",%.6g", rounded(ranked[0].probability, PROBABILITY_DIGITS));
    for (size_t class = 0; class < settings->class_count; class ++)
        for (size_t i = 0; i < settings->class_count && result == STATUS_OK; i++)
            if (ranked[i].index == class)
                result = text_append_format(line, err, ",%.6g", rounded(ranked[i].probability, PROBABILITY_DIGITS));
    if (result == STATUS_OK) result = text_append(line, ",", 1, err);
    if (result == STATUS_OK && settings->tracks) result = text_append(line, ",", 1, err);
    if (result == STATUS_OK && item->picture->ids != NULL)
        result = text_append_format(line, err, "%lld", (long long)item->picture->ids[index]);
    return result == STATUS_OK ? text_append(line, "\n", 1, err) : result;
}

static status write_csv(struct predict_output *output, const struct predict_item *item, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < item->picture->face_count && result == STATUS_OK; i++)
        result = append_csv_face(output, item, i, err);
    if (item->picture->input.error.code == STATUS_OK || result != STATUS_OK) return result;
    result = append_source(output, &item->picture->input, err);
    for (size_t i = 0; i < 8 + output->settings.class_count && result == STATUS_OK; i++)
        result = text_append(&output->line, ",", 1, err);
    if (result == STATUS_OK) result = append_field(&output->line, message_of(&item->picture->input), err);
    if (result == STATUS_OK && output->settings.tracks) result = text_append(&output->line, ",", 1, err);
    return result == STATUS_OK ? text_append(&output->line, "\n", 1, err) : result;
}

/* ---- the table
 * ----------------------------------------------------------------------------------------------------- */

static status append_name(struct predict_output *output, const struct face_input *input, struct error *err)
{
    struct text name = {0};
    status result = text_append_format(&name, err, "%s", input->path);
    if (result == STATUS_OK && input->is_frame) result = text_append_format(&name, err, " %8.2f s", input->time);
    if (result == STATUS_OK) {
        text_make_printable(name.bytes);
        result = text_append_format(&output->line, err, "%-*s  ", output->settings.name_width, name.bytes);
    }
    text_free(&name);
    return result;
}

static status append_table_face(struct predict_output *output, const struct predict_item *item, size_t index,
                                struct error *err)
{
    const struct output_settings *settings = &output->settings;
    const struct ranked_class *ranked = output->ranked + index * settings->class_count;
    status result = append_name(output, &item->picture->input, err);
    for (size_t i = 0; i < settings->top && result == STATUS_OK; i++)
        result = text_append_format(&output->line, err, "%-10s %5.1f %%   ", settings->classes[ranked[i].index],
                                    100 * ranked[i].probability);
    if (result == STATUS_OK && item->picture->is_detected) {
        const struct detected_face *face = &item->picture->faces[index];
        const struct image_box *box = &face->shape.box;
        result = text_append_format(&output->line, err, "at %.0f,%.0f  %.0fx%.0f  score %.2f", rounded(box->x, 0),
                                    rounded(box->y, 0), box->width, box->height, face->score);
    }
    if (result == STATUS_OK && item->picture->ids != NULL)
        result = text_append_format(&output->line, err, "  track %lld", (long long)item->picture->ids[index]);
    while (output->line.length > 0 && output->line.bytes[output->line.length - 1] == ' ') output->line.length--;
    return result == STATUS_OK ? text_append(&output->line, "\n", 1, err) : result;
}

static status write_table(struct predict_output *output, const struct predict_item *item, struct error *err)
{
    if (item->picture->input.error.code != STATUS_OK) {
        fflush(stdout); /* in order beside what goes to standard error */
        const char *message = message_of(&item->picture->input);
        if (message == item->picture->input.error.message)
            log_error("%s", message);
        else
            log_error("%s: %s", item->picture->input.path, message);
        return STATUS_OK;
    }
    if (item->picture->face_count == 0) {
        status result = append_name(output, &item->picture->input, err);
        return result == STATUS_OK ? text_append_format(&output->line, err, "no face\n") : result;
    }
    status result = STATUS_OK;
    for (size_t i = 0; i < item->picture->face_count && result == STATUS_OK; i++)
        result = append_table_face(output, item, i, err);
    return result;
}

/* ---- all of it
 * ----------------------------------------------------------------------------------------------------- */

status predict_output_create(struct predict_output **out, const struct output_settings *settings, struct error *err)
{
    struct predict_output *output = *out = memory_allocate(1, sizeof *output, "the output", err);
    if (output == NULL) return STATUS_FAILED;
    output->settings = *settings;
    if (output->settings.top > settings->class_count) output->settings.top = settings->class_count;
    output->annotation = (struct annotation){.folder = settings->annotate,
                                             .classes = settings->classes,
                                             .class_count = settings->class_count,
                                             .top = settings->annotated_top,
                                             .force = settings->force};
    if (output->annotation.top > settings->class_count) output->annotation.top = settings->class_count;
    status result = STATUS_OK;
    if (settings->annotate != NULL) {
        result = used_names_create(&output->annotation.used, err);
        if (result == STATUS_OK) result = folder_create(settings->annotate, err);
        if (result == STATUS_OK) atomic_files_remove_stale(settings->annotate);
    }
    if (result == STATUS_OK && settings->features != NULL)
        result = npy_rows_open(&output->features, settings->features, settings->feature_count, err);
    if (result == STATUS_OK && settings->smooth > 0) {
        result = track_smoother_create(&output->smoother, settings->smooth, settings->class_count, err);
        output->probabilities = memory_allocate(settings->class_count, sizeof(double), "a face's results", err);
        if (output->probabilities == NULL) return STATUS_FAILED;
    }
    if (result == STATUS_OK && settings->kind == OUTPUT_CSV) {
        result = write_csv_header(output, err);
        fputs(text_string(&output->line), stdout);
    }
    return result;
}

void predict_output_free(struct predict_output *output)
{
    if (output == NULL) return;
    used_names_free(output->annotation.used);
    npy_rows_free(output->features);
    track_smoother_free(output->smoother);
    memory_free(output->probabilities);
    text_free(&output->line);
    memory_free(output->ranked);
    memory_free(output);
}

static void count_item(struct predict_output *output, const struct predict_item *item)
{
    bool is_good = item->picture->input.error.code == STATUS_OK;
    output->counts.pictures += is_good;
    output->counts.unreadable += !is_good;
    output->counts.faces += item->picture->face_count;
}

status predict_output_write(struct predict_output *output, struct predict_item *item, struct error *err)
{
    static status (*const writers[])(struct predict_output *, const struct predict_item *, struct error *) = {
        [OUTPUT_TABLE] = write_table, [OUTPUT_JSON] = write_json, [OUTPUT_CSV] = write_csv};
    bool is_good = item->picture->input.error.code == STATUS_OK;
    status result = rank_item(output, item, err);
    if (result == STATUS_OK && is_good && output->features != NULL)
        result = npy_rows_append(output->features, item->features, item->picture->face_count, err);
    if (result == STATUS_OK && is_good && output->settings.annotate != NULL)
        result = annotate_item(&output->annotation, item, output->ranked, err);
    output->line.length = 0;
    if (result == STATUS_OK) result = writers[output->settings.kind](output, item, err);
    if (result != STATUS_OK) return result;
    count_item(output, item);
    if (output->line.length > 0 && fwrite(output->line.bytes, 1, output->line.length, stdout) != output->line.length)
        return error_set_errno(err, "standard output cannot be written");
    return STATUS_OK;
}

status predict_output_finish(struct predict_output *output, struct error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout)) return error_set_errno(err, "standard output cannot be written");
    return output->features != NULL ? npy_rows_finish(output->features, err) : STATUS_OK;
}

struct output_counts predict_output_counts(const struct predict_output *output)
{
    return output->counts;
}
