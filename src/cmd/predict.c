/* rmfer predict: the expressions of the faces in pictures and videos.
 *
 * Workers read, decode, find faces and cut them out (predict_pipeline.c); this thread gathers the faces of several
 * pictures into batches, runs the network, and writes the pictures' results in order (predict_output.c). */
#include "cmd/predict_output.h"
#include "cmd/predict_pipeline.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/data/augment.h"
#include "rmfer/nn/inference.h"
#include "train/progress.h"

#include <stdio.h>
#include <string.h>

/* Seconds to wait for more faces before a batch is run that is not full. */
static const double PATIENCE = 0.02;

enum {
    WAITING_BUDGET = 256 << 20,
    LARGEST_BATCH = 1024,
    LARGEST_DETECT_SIZE = 4096,
    LARGEST_INPUT = 4096,
    TABLE_TOP = 3
};

struct predict_command {
    const char *checkpoint, *detector, *crop, *annotate, *features;
    double min_score, overlap, min_face, margin, temperature;
    int64_t detect_size, max_faces, every, batch, top, max_megapixels;
    bool json, csv, flip, null_separated;
};

/* A face of a picture that waits for its batch. */
struct face_reference {
    struct predict_item *item;
    size_t face;
};

struct predict_work {
    const struct predict_command *command;
    struct checkpoint checkpoint;
    struct crop_options crop;
    struct detector *detector;
    struct model model;
    struct inference *inference;
    struct predict_inputs *inputs;
    struct pipeline *pipeline;
    struct predict_output *output;
    int threads;
    float mean[3], std[3];
    /* The batch: normalised faces, whose they are, and the network's answers. */
    struct face_reference *references;
    real *images, *logits, *features;
    real *mirrored_logits, *mirrored_features; /* with --flip */
    size_t batch_count;
    /* Pictures received and not yet written, oldest first. */
    struct predict_item **waiting;
    size_t waiting_count;
};

/* ---- setting up
 * ---------------------------------------------------------------------------------------------------- */

static status check_command(const struct predict_command *command, size_t paths, struct error *err)
{
    if (command->checkpoint == NULL) return error_set_usage(err, "predict needs --checkpoint FILE");
    if (paths == 0) return error_set_usage(err, "predict needs pictures, folders or videos, or - for a list of them");
    if (command->json && command->csv) return error_set_usage(err, "--json and --csv: give one of them");
    bool has_detector = command->detector != NULL;
    if (!has_detector &&
        (command->crop != NULL || command->margin >= 0 || command->min_score >= 0 || command->overlap >= 0 ||
         command->min_face > 0 || command->max_faces > 0 || command->detect_size >= 0))
        return error_set_usage(err, "options about faces need --detector FILE; without one each picture is a face");
    return STATUS_OK;
}

static size_t most_pixels(const struct predict_command *command)
{
    return (size_t)command->max_megapixels * 1000000;
}

/* One picture alone is searched by all threads, several by one thread each. */
static struct detector_options detection_options(const struct predict_work *work)
{
    const struct predict_command *command = work->command;
    struct detector_options options = detector_options_defaults();
    if (command->min_score >= 0) options.min_score = command->min_score;
    if (command->overlap >= 0) options.overlap = command->overlap;
    if (command->detect_size >= 0) options.detect_size = (int)command->detect_size;
    options.min_face = command->min_face;
    options.max_faces = (size_t)command->max_faces;
    options.threads = predict_inputs_is_single(work->inputs) ? work->threads : 1;
    return options;
}

static status read_crop(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    work->crop = (struct crop_options){.kind = CROP_FACE_SQUARE, .margin = CROP_DEFAULT_MARGIN};
    if (command->margin >= 0) work->crop.margin = command->margin;
    if (command->crop == NULL) return STATUS_OK;
    return crop_kind_find(command->crop, &work->crop.kind, err);
}

static bool is_foreign_checkpoint(const char *path)
{
    static const char *const endings[] = {".pth", ".pt", ".onnx", ".bin", ".ckpt", ".pkl"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (text_ends_with_ignoring_case(path, endings[i])) return true;
    return false;
}

/* What the checkpoint says about its input. */
static status read_checkpoint(struct predict_work *work, struct error *err)
{
    const char *path = work->command->checkpoint;
    if (is_foreign_checkpoint(path) && file_exists(path))
        return error_set(err, "%s: not a checkpoint of rmfer; 'rmfer import %s -o FILE.safetensors' makes one", path,
                         path);
    status result = checkpoint_open(&work->checkpoint, path, err);
    if (result != STATUS_OK) return result;
    const struct checkpoint_info *info = &work->checkpoint.info;
    for (int i = 0; i < 3; i++) {
        work->mean[i] = (float)info->mean[i];
        work->std[i] = (float)info->std[i];
    }
    if (info->image_size < SMALLEST_IMAGE || info->image_size > LARGEST_INPUT)
        result = error_set(err, "metadata rmfer.image_size = %d: %d to %d are possible", info->image_size,
                           SMALLEST_IMAGE, LARGEST_INPUT);
    if (result == STATUS_OK) result = resize_filter_find(info->resize, &work->crop.filter, err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", path);
}

static status start_pipeline(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    struct pipeline_settings settings = {
        .detector = work->detector,
        .detection = detection_options(work),
        .crop = work->crop,
        .side = work->checkpoint.info.image_size,
        .most_pixels = most_pixels(command),
        .keep_image = command->annotate != NULL,
        .workers = work->threads,
        .ahead = (size_t)command->batch + 2 * (size_t)work->threads,
        .budget = WAITING_BUDGET,
    };
    return pipeline_create(&work->pipeline, work->inputs, &settings, err);
}

/* The network, while the workers already read the first pictures. */
static status load_network(struct predict_work *work, struct error *err)
{
    const struct checkpoint_info *info = &work->checkpoint.info;
    size_t batch = (size_t)work->command->batch, side = (size_t)info->image_size;
    status result = checkpoint_create_model(&work->checkpoint, false, &work->model, err);
    if (result != STATUS_OK) return result;
    const struct architecture *architecture = &work->model.architecture;
    result = inference_create(&work->inference, architecture, work->model.classes, (int)batch, info->image_size, err);
    if (result != STATUS_OK) return result;
    inference_load(work->inference, &work->model);
    size_t features = (size_t)architecture->features, classes = info->class_count;
    work->images = memory_allocate(batch * 3 * side, side * sizeof(real), "a batch of faces", err);
    work->logits = memory_allocate(2 * batch * classes, sizeof(real), "a batch's results", err);
    work->features = memory_allocate(2 * batch * features, sizeof(real), "a batch's features", err);
    if (work->images == NULL || work->logits == NULL || work->features == NULL) return STATUS_FAILED;
    work->mirrored_logits = work->logits + batch * classes;
    work->mirrored_features = work->features + batch * features;
    return STATUS_OK;
}

static status open_output(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    const struct checkpoint_info *info = &work->checkpoint.info;
    struct output_settings settings = {
        .kind = command->json  ? OUTPUT_JSON
                : command->csv ? OUTPUT_CSV
                               : OUTPUT_TABLE,
        .classes = info->classes,
        .class_count = info->class_count,
        .feature_count = (size_t)work->model.architecture.features,
        .top = command->top > 0 ? (size_t)command->top : TABLE_TOP,
        .annotated_top = command->top > 0 ? (size_t)command->top : 1,
        .temperature = command->temperature,
        .name_width = predict_inputs_name_width(work->inputs),
        .annotate = command->annotate,
        .features = command->features,
    };
    return predict_output_create(&work->output, &settings, err);
}

static status set_up(struct predict_work *work, const struct option_list *paths, struct error *err)
{
    const struct predict_command *command = work->command;
    struct predict_input_options options = {command->every, most_pixels(command), command->null_separated};
    work->threads = threads_get();
    status result = read_crop(work, err);
    if (result == STATUS_OK) result = read_checkpoint(work, err);
    if (result == STATUS_OK && command->detector != NULL)
        result = detector_read(&work->detector, command->detector, err);
    if (result == STATUS_OK) result = predict_inputs_create(&work->inputs, paths->items, paths->count, &options, err);
    if (result == STATUS_OK) result = start_pipeline(work, err);
    if (result == STATUS_OK) result = load_network(work, err);
    if (result == STATUS_OK) result = open_output(work, err);
    size_t batch = (size_t)command->batch, ahead = batch + 2 * (size_t)work->threads;
    work->references = memory_allocate(batch, sizeof *work->references, "a batch", err);
    work->waiting = memory_allocate(ahead, sizeof *work->waiting, "the pictures", err);
    if (work->references == NULL || work->waiting == NULL) return STATUS_FAILED;
    return result;
}

static void take_down(struct predict_work *work)
{
    pipeline_free(work->pipeline);
    predict_output_free(work->output);
    predict_inputs_free(work->inputs);
    inference_free(work->inference);
    model_free(&work->model);
    detector_free(work->detector);
    checkpoint_close(&work->checkpoint);
    memory_free(work->references);
    memory_free(work->waiting);
    memory_free(work->images);
    memory_free(work->logits);
    memory_free(work->features);
}

/* ---- batches
 * ------------------------------------------------------------------------------------------------------- */

/* Mirrors every image of the batch in place, left to right. */
static void mirror_images(struct predict_work *work)
{
    size_t side = (size_t)work->checkpoint.info.image_size, rows = work->batch_count * side;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < (int64_t)rows; row++) {
        real *pixels = work->images + (size_t)row * side * 3;
        for (size_t left = 0, right = side - 1; left < right; left++, right--)
            for (size_t c = 0; c < 3; c++) {
                real kept = pixels[3 * left + c];
                pixels[3 * left + c] = pixels[3 * right + c];
                pixels[3 * right + c] = kept;
            }
    }
}

static void average(real *values, const real *others, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = (values[i] + others[i]) / 2;
}

static void run_network(struct predict_work *work)
{
    int n = (int)work->batch_count;
    inference_run(work->inference, work->images, n, work->features, work->logits);
    if (!work->command->flip) return;
    mirror_images(work);
    inference_run(work->inference, work->images, n, work->mirrored_features, work->mirrored_logits);
    average(work->logits, work->mirrored_logits, work->batch_count * (size_t)work->model.classes);
    average(work->features, work->mirrored_features, work->batch_count * (size_t)work->model.architecture.features);
}

/* Gives each picture of the batch its answers. */
static void hand_out(struct predict_work *work)
{
    size_t classes = (size_t)work->model.classes, features = (size_t)work->model.architecture.features;
    for (size_t i = 0; i < work->batch_count; i++) {
        struct predict_item *item = work->references[i].item;
        size_t face = work->references[i].face;
        for (size_t c = 0; c < classes; c++) item->logits[face * classes + c] = (float)work->logits[i * classes + c];
        for (size_t c = 0; item->features != NULL && c < features; c++)
            item->features[face * features + c] = (float)work->features[i * features + c];
        item->classified++;
    }
}

/* Writes the oldest pictures as far as they are done, and gives their places back. */
static status write_done(struct predict_work *work, struct error *err)
{
    size_t done = 0;
    status result = STATUS_OK;
    while (result == STATUS_OK && done < work->waiting_count &&
           work->waiting[done]->classified == work->waiting[done]->face_count) {
        result = predict_output_write(work->output, work->waiting[done], err);
        if (result == STATUS_OK) pipeline_release(work->pipeline);
        done++;
    }
    work->waiting_count -= done;
    memmove(work->waiting, work->waiting + done, work->waiting_count * sizeof *work->waiting);
    return result;
}

static status run_batch(struct predict_work *work, struct error *err)
{
    if (work->batch_count > 0) {
        run_network(work);
        hand_out(work);
        work->batch_count = 0;
    }
    return write_done(work, err);
}

static status add_face(struct predict_work *work, struct predict_item *item, size_t face, struct error *err)
{
    int side = work->checkpoint.info.image_size;
    size_t pixels = (size_t)side * (size_t)side * 3;
    image_normalise(item->crops + face * pixels, side, side, work->mean, work->std, NULL,
                    work->images + work->batch_count * pixels);
    work->references[work->batch_count++] = (struct face_reference){item, face};
    return work->batch_count == (size_t)work->command->batch ? run_batch(work, err) : STATUS_OK;
}

static status add_item(struct predict_work *work, struct predict_item *item, struct error *err)
{
    size_t classes = (size_t)work->model.classes, features = (size_t)work->model.architecture.features;
    work->waiting[work->waiting_count++] = item;
    item->logits = memory_allocate(item->face_count, classes * sizeof(float), "a picture's results", err);
    if (item->logits == NULL) return STATUS_FAILED;
    if (work->command->features != NULL) {
        item->features = memory_allocate(item->face_count, features * sizeof(float), "a picture's features", err);
        if (item->features == NULL) return STATUS_FAILED;
    }
    status result = STATUS_OK;
    for (size_t face = 0; face < item->face_count && result == STATUS_OK; face++)
        result = add_face(work, item, face, err);
    return result == STATUS_OK ? write_done(work, err) : result;
}

static status predict_all(struct predict_work *work, struct error *err)
{
    status result = STATUS_OK;
    for (bool ended = false; result == STATUS_OK && !ended;) {
        struct predict_item *item;
        switch (pipeline_receive(work->pipeline, work->batch_count > 0 ? PATIENCE : -1, &item)) {
        case PIPELINE_ITEM: result = add_item(work, item, err); break;
        case PIPELINE_ENDED:
            ended = true;
            result = run_batch(work, err);
            break;
        case PIPELINE_WAITING:
            result = run_batch(work, err);
            fflush(stdout); /* whoever reads along shall not wait for what comes late */
            break;
        }
    }
    return result == STATUS_OK ? predict_output_finish(work->output, err) : result;
}

/* Each unreadable file has been reported; that there were some is the exit status. */
static status report(const struct predict_work *work, double seconds)
{
    struct output_counts counts = predict_output_counts(work->output);
    log_verbose("%zu pictures, %zu faces in %.2f s (%.1f faces/s)", counts.pictures, counts.faces, seconds,
                (double)counts.faces / seconds);
    if (counts.unreadable == 0) return STATUS_OK;
    if (counts.pictures + counts.unreadable > 1)
        log_warning("%zu of %zu could not be read", counts.unreadable, counts.pictures + counts.unreadable);
    return STATUS_FAILED;
}

static status predict(const struct predict_command *command, const struct option_list *paths, struct error *err)
{
    struct predict_work work = {.command = command};
    double start = clock_seconds();
    status result = check_command(command, paths->count, err);
    if (result == STATUS_OK) result = set_up(&work, paths, err);
    if (result == STATUS_OK) result = predict_all(&work, err);
    if (result == STATUS_OK) result = report(&work, clock_seconds() - start);
    take_down(&work);
    return result;
}

static const char description[] =
    "Prints the expressions of the faces in pictures (JPEG, PNG) and videos. PATH is a picture, a video, a folder\n"
    "(searched with the folders in it, in order of names), a quoted pattern ('*.jpg'), SHARD.tar#OFFSET, or - for a\n"
    "list on standard input, one path a line.\n\n"
    "Without --detector each picture is one face. With it, faces are found first and cut out: --crop square cuts a\n"
    "square around the box, as high as the box or as wide as the widened box, whichever is more; box cuts the "
    "widened\n"
    "box and stretches it, as AffectNet's faces are; aligned turns and scales the face by its eyes, nose and mouth.\n"
    "Pictures of more than --max-megapixels are refused. EXIF orientation and the rotation of videos are obeyed.\n\n"
    "A file that cannot be read is reported, the others are done, and the exit status is 1. Columns of --csv: file,\n"
    "frame, time, face, x, y, width, height, score, label, confidence, one column an expression, error.";

int command_predict(int argc, char **argv)
{
    struct predict_command command = {.min_score = -1,
                                      .overlap = -1,
                                      .margin = -1,
                                      .temperature = 1,
                                      .detect_size = -1,
                                      .every = 1,
                                      .batch = 8,
                                      .max_megapixels = IMAGE_MOST_PIXELS / 1000000};
    struct option options[] = {
        {"checkpoint", OPTION_STRING, &command.checkpoint, "FILE", "the trained network (safetensors)", 0, 0, 0},
        {"detector", OPTION_STRING, &command.detector, "FILE", "YuNet's ONNX file (scripts/get_detector.sh gets it)",
         0, 0, 0},
        {"json", OPTION_FLAG, &command.json, NULL, "one JSON object a line, for a picture or a frame", 0, 0, 0},
        {"csv", OPTION_FLAG, &command.csv, NULL, "comma-separated values, one row a face", 0, 0, 0},
        {"top", OPTION_INTEGER, &command.top, "K", "expressions a face in the table (3) and on pictures (1)", 1, 1000,
         0},
        {"annotate", OPTION_STRING, &command.annotate, "DIR", "write the pictures with boxes and expressions there",
         0, 0, 0},
        {"features", OPTION_STRING, &command.features, "FILE", "write the faces' features, float32, as NumPy array",
         0, 0, 0},
        {"temperature", OPTION_REAL, &command.temperature, "T", "probabilities are softmax(logits / T) (1)", 0.001,
         1000, 0},
        {"flip", OPTION_FLAG, &command.flip, NULL, "mean of each face's and its mirror image's output", 0, 0, 0},
        {"crop", OPTION_STRING, &command.crop, "HOW", "square, box or aligned (square)", 0, 0, 0},
        {"margin", OPTION_REAL, &command.margin, "M", "the box's width grows by this share (0.31)", 0, 10, 0},
        {"min-score", OPTION_REAL, &command.min_score, "S", "faces below this score are left out (0.85)", 0, 1, 0},
        {"min-face", OPTION_REAL, &command.min_face, "N", "faces less than N pixels wide or high are left out (0)", 0,
         100000, 0},
        {"max-faces", OPTION_INTEGER, &command.max_faces, "N", "only the N best faces of a picture (0 = all)", 0,
         1000000, 0},
        {"overlap", OPTION_REAL, &command.overlap, "X", "of boxes that share more, the better one stays (0.3)", 0, 1,
         0},
        {"detect-size", OPTION_INTEGER, &command.detect_size, "N",
         "scale a longer side down to N to find faces (640; 0 = never)", 0, LARGEST_DETECT_SIZE, 0},
        {"every", OPTION_INTEGER, &command.every, "N", "of a video only every Nth frame (1)", 1, 1000000000, 0},
        {"max-megapixels", OPTION_INTEGER, &command.max_megapixels, "N", "refuse larger pictures (100)", 1, 4000, 0},
        {"null", OPTION_FLAG, &command.null_separated, NULL, "the list on standard input is separated by NUL bytes",
         0, 0, '0'},
        {"batch", OPTION_INTEGER, &command.batch, "N", "faces that go through the network together (8)", 1,
         LARGEST_BATCH, 0},
    };
    struct command_line line = {
        .usage = "rmfer predict --checkpoint FILE [--detector FILE] [--json | --csv] PATH...",
        .description = description,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = predict(&command, &line.positional, &err);
    options_free(&line);
    return err.code == STATUS_OK ? (int)result : command_finish(result, &err);
}
