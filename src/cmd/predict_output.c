/* From logits to ranked probabilities, and those to the writers of the wanted forms (predict_writers.h). */
#include "cmd/predict_output.h"

#include "cmd/predict_summary.h"
#include "cmd/predict_tracks.h"
#include "cmd/predict_writers.h"
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/picture_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct predict_output {
    struct output_settings settings;
    struct output_counts counts;
    struct predict_progress progress;
    size_t *labels;              /* of the counts */
    uint64_t next_file;          /* behind the last one counted */
    struct ranked_class *ranked; /* of the item at hand: [faces, classes] */
    size_t ranked_capacity;
    size_t *item_labels; /* of the item at hand, [ranked_capacity / classes] */
    uint8_t *picture;    /* of the item at hand, with its faces drawn in */
    size_t picture_size;
    struct text line;
    struct annotation annotation;
    struct npy_rows *features;
    struct track_smoother *smoother; /* with settings.smooth */
    double *probabilities;           /* [class_count], of one face */
};

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

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
    if (isnan(picture->input.time))
        return error_set_usage(err, "--smooth needs times, which pictures in a pipe do not have");
    size_t count = output->settings.class_count;
    for (size_t i = 0; i < count; i++) output->probabilities[i] = ranked[i].probability;
    status result = track_smoother_apply(output->smoother, picture->input.file, picture->ids[face], picture->input.time,
                                         output->probabilities, err);
    for (size_t i = 0; i < count; i++) ranked[i].probability = output->probabilities[i];
    return result;
}

static status rank_item(struct predict_output *output, const struct predict_item *item, struct error *err)
{
    size_t classes = output->settings.class_count, needed = size_multiply(item->picture->face_count, classes);
    if (needed > output->ranked_capacity) {
        memory_free(output->ranked);
        memory_free(output->item_labels);
        output->ranked_capacity = 0;
        output->ranked = memory_allocate(needed, sizeof *output->ranked, "the results", err);
        output->item_labels = memory_allocate(needed / classes, sizeof *output->item_labels, "the results", err);
        if (output->ranked == NULL || output->item_labels == NULL) return STATUS_FAILED;
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
        output->item_labels[i] = ranked[0].index;
    }
    return STATUS_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* What is written beside standard output. */
static status open_files(struct predict_output *output, struct error *err)
{
    const struct output_settings *settings = &output->settings;
    status result = STATUS_OK;
    if (settings->annotate != NULL) {
        result = used_names_create(&output->annotation.used, err);
        if (result == STATUS_OK) result = folder_create(settings->annotate, err);
        if (result == STATUS_OK) atomic_files_remove_stale(settings->annotate);
    }
    if (result == STATUS_OK && settings->features != NULL)
        result = npy_rows_open(&output->features, settings->features, settings->feature_count, err);
    if (result == STATUS_OK && settings->kind == OUTPUT_CSV) {
        result = write_csv_header(settings, &output->line, err);
        fputs(text_string(&output->line), stdout);
    }
    return result;
}

status predict_output_create(struct predict_output **out, const struct output_settings *settings, struct error *err)
{
    struct predict_output *output = *out = memory_allocate(1, sizeof *output, "the output", err);
    if (output == NULL) return STATUS_FAILED;
    output->settings = *settings;
    output->progress = predict_progress_begin();
    output->labels = memory_allocate(settings->class_count, sizeof *output->labels, "the counts", err);
    output->counts.labels = output->labels;
    if (output->labels == NULL) return STATUS_FAILED;
    if (output->settings.top > settings->class_count) output->settings.top = settings->class_count;
    output->annotation = (struct annotation){.folder = settings->annotate,
                                             .classes = settings->classes,
                                             .class_count = settings->class_count,
                                             .top = settings->annotated_top,
                                             .force = settings->force};
    if (output->annotation.top > settings->class_count) output->annotation.top = settings->class_count;
    status result = settings->writes ? open_files(output, err) : STATUS_OK;
    if (result == STATUS_OK && settings->smooth > 0) {
        result = track_smoother_create(&output->smoother, settings->smooth, settings->class_count, err);
        output->probabilities = memory_allocate(settings->class_count, sizeof(double), "a face's results", err);
        if (output->probabilities == NULL) return STATUS_FAILED;
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
    memory_free(output->labels);
    text_free(&output->line);
    memory_free(output->ranked);
    memory_free(output->item_labels);
    memory_free(output->picture);
    memory_free(output);
}

static void count_record(struct predict_output *output, const struct predict_record *record)
{
    bool is_good = record->input.error.code == STATUS_OK;
    bool is_new = record->input.file >= output->next_file;
    if (is_good) output->next_file = record->input.file + 1;
    output->counts.files += is_good && is_new;
    for (size_t i = 0; i < record->face_count; i++) output->labels[record->labels[i]]++;
    output->counts.pictures += is_good;
    output->counts.unreadable += !is_good;
    output->counts.faces += record->face_count;
}

status predict_output_render(struct predict_output *output, struct predict_item *item, struct predict_record *record,
                             struct error *err)
{
    static status (*const writers[])(const struct predict_result *, struct text *, struct error *) = {
        [OUTPUT_TABLE] = write_table_lines, [OUTPUT_JSON] = write_json_line, [OUTPUT_CSV] = write_csv_rows};
    bool is_good = item->picture->input.error.code == STATUS_OK;
    struct predict_result written = {.settings = &output->settings, .item = item};
    memory_free(output->picture);
    output->picture = NULL;
    output->picture_size = 0;
    output->line.length = 0;
    status result = rank_item(output, item, err);
    written.ranked = output->ranked;
    if (result == STATUS_OK && is_good && output->settings.annotate != NULL)
        result = annotation_encode(&output->annotation, item, output->ranked, &output->picture, &output->picture_size,
                                   err);
    if (result == STATUS_OK) result = writers[output->settings.kind](&written, &output->line, err);
    *record = (struct predict_record){.input = item->picture->input,
                                      .face_count = item->picture->face_count,
                                      .labels = output->item_labels,
                                      .features = output->settings.features != NULL ? item->features : NULL,
                                      .lines = output->line.bytes,
                                      .lines_length = output->line.length,
                                      .picture = output->picture,
                                      .picture_size = output->picture_size};
    return result;
}

/* The table has no line for a picture that cannot be read: that goes to standard error. */
static void report_error(const struct face_input *input)
{
    const char *message = predict_message(input);
    fflush(stdout); /* in order beside what goes to standard error */
    if (input->is_frame)
        log_error("%s: frame %lld: %s", input->path, (long long)input->frame, message);
    else if (message == input->error.message)
        log_error("%s", message);
    else
        log_error("%s: %s", input->path, message);
}

/* The file of features goes over nothing that was read; a video is looked at once. */
static status check_input(const struct predict_output *output, const struct face_input *input, struct error *err)
{
    if (output->settings.features == NULL || (input->is_frame && input->frame > 0)) return STATUS_OK;
    return picture_file_check_output(output->settings.features, input->path, err);
}

status predict_output_put(struct predict_output *output, const struct predict_record *record, struct error *err)
{
    bool is_good = record->input.error.code == STATUS_OK;
    status result = check_input(output, &record->input, err);
    if (result == STATUS_OK && is_good && output->features != NULL)
        result = npy_rows_append(output->features, record->features, record->face_count, err);
    if (result == STATUS_OK && is_good && output->settings.annotate != NULL)
        result = annotation_write(&output->annotation, &record->input, record->picture, record->picture_size, err);
    if (result != STATUS_OK) return result;
    if (!is_good && output->settings.kind == OUTPUT_TABLE) report_error(&record->input);
    count_record(output, record);
    predict_progress_make_room(&output->progress);
    if (record->lines_length > 0 && fwrite(record->lines, 1, record->lines_length, stdout) != record->lines_length)
        return error_set_errno(err, "standard output cannot be written");
    predict_progress_show(&output->progress, &output->counts, record->input.share);
    return STATUS_OK;
}

status predict_output_finish(struct predict_output *output, struct error *err)
{
    status_line_hide(&output->progress.line);
    if (fflush(stdout) != 0 || ferror(stdout)) return error_set_errno(err, "standard output cannot be written");
    return output->features != NULL ? npy_rows_finish(output->features, err) : STATUS_OK;
}

struct output_counts predict_output_counts(const struct predict_output *output)
{
    return output->counts;
}
