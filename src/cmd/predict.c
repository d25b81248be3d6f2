/* rmfer predict: the expressions of the faces in pictures and videos.
 *
 * Workers read, decode, find faces and cut them out (faces/pipeline.h); this thread gathers the faces of several
 * pictures into batches and runs the network (predict_batches.c), and writes the pictures' results in order
 * (predict_output.c). Of n processes each does every n-th file, and rank 0 writes (predict_delivery.c). Here are
 * the options and the wiring. */
#include "cmd/predict_batches.h"
#include "cmd/predict_delivery.h"
#include "cmd/predict_output.h"
#include "cmd/predict_summary.h"
#include "cmd/predict_tracks.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/cmd/processes.h"
#include "rmfer/cmd/untrained.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/video.h"
#include "rmfer/faces/crops.h"
#include "rmfer/faces/pipeline.h"

#include <stdio.h>
#include <string.h>

enum {
    WAITING_BUDGET = 256 << 20,
    PHOTOGRAPH_PIXELS = 12000000, /* for planning */
    LARGEST_BATCH = 1024,
    LARGEST_DETECT_SIZE = 4096,
    TABLE_TOP = 3
};

struct predict_command {
    const char *checkpoint, *detector, *crop, *annotate, *features, *every;
    double every_seconds, min_score, overlap, min_face, margin, temperature, smooth;
    int64_t detect_size, max_faces, every_frames, batch, top, max_megapixels;
    bool json, csv, pose, embedding, flip, force, track, null_separated, allow_untrained;
    struct dist *dist;
    enum log_level level; /* that was asked for, of every process */
};

struct predict_work {
    const struct predict_command *command;
    struct checkpoint checkpoint;
    struct detector *detector;
    struct face_crops crops;
    struct video_tracker tracker; /* with --track */
    struct face_inputs *inputs;
    struct face_pipeline_settings pipeline_settings;
    struct face_pipeline *pipeline;
    struct predict_batches *batches;
    struct predict_output *output;
    struct predict_delivery *delivery;
    int threads;
};

/* ---- setting up -------------------------------------------------------------------------------------------------- */

/* No output goes over what is to be read, looked up or named; what is found in folders and lists is looked at as its
 * results come (predict_output_put). */
static status check_outputs(const struct predict_command *command, const struct option_list *paths, struct error *err)
{
    const char *const weights[] = {command->checkpoint, command->detector};
    status result = file_check_outputs(&command->features, 1, weights, sizeof weights / sizeof weights[0], err);
    for (size_t i = 0; i < paths->count && result == STATUS_OK; i++) {
        const char *path = strcmp(paths->items[i], "-") == 0 ? "/dev/stdin" : paths->items[i];
        result = picture_file_check_output(command->features, path, err);
    }
    return result;
}

/* Of what lists, patterns and folders name, the inputs tell. */
static status check_force(const struct predict_command *command, const char *path, struct error *err)
{
    if (!command->force || folder_exists(path) || !face_input_may_be_replaced(path, command->annotate))
        return STATUS_OK;
    return error_set_usage(
        err, "%s: is in the folder that --annotate writes to, and --force might write over it: name another folder",
        path);
}

static status check_annotate(const struct predict_command *command, const struct option_list *paths, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < paths->count && command->annotate != NULL && result == STATUS_OK; i++) {
        if (folder_is_same(command->annotate, paths->items[i]))
            return error_set_usage(err,
                                   "%s: is where --annotate writes, and cannot be searched too: name another folder",
                                   paths->items[i]);
        result = check_force(command, paths->items[i], err);
    }
    return result;
}

/* Launchers differ in who gets standard input; nobody would know what became of it. */
static status check_standard_input(const struct predict_command *command, const struct option_list *paths,
                                   struct error *err)
{
    bool is_read = false;
    for (size_t i = 0; i < paths->count; i++) is_read |= strcmp(paths->items[i], "-") == 0;
    if (is_read && dist_is_many(command->dist))
        return error_set_usage(err,
                               "standard input cannot be shared out over %d processes: name files, folders or "
                               "patterns, or start one process",
                               dist_size(command->dist));
    if (command->null_separated && !is_read) return error_set_usage(err, "--null needs -, the list on standard input");
    return STATUS_OK;
}

static status check_command(struct predict_command *command, const struct option_list *paths, struct error *err)
{
    if (paths->count == 0)
        return error_set_usage(err, "predict needs pictures, folders or videos, or - for standard input");
    if (command->json && command->csv) return error_set_usage(err, "--json and --csv: give one of them");
    if (command->embedding && !command->json)
        return error_set_usage(err, "--embedding needs --json (--features FILE writes an array of them)");
    if (command->top > 0 && (command->json || command->csv) && command->annotate == NULL)
        return error_set_usage(
            err, "--top is for the table and for --annotate's pictures: --json and --csv have every expression");
    if (command->features != NULL && strcmp(command->features, "-") == 0)
        return error_set_usage(err, "--features -: the array is written to a file");
    if (command->force && command->annotate == NULL) return error_set_usage(err, "--force needs --annotate DIR");
    if (command->smooth > 0 && !command->track) return error_set_usage(err, "--smooth needs --track");
    status result = check_standard_input(command, paths, err);
    if (result == STATUS_OK) result = check_annotate(command, paths, err);
    if (result != STATUS_OK || command->every == NULL) return result;
    return video_every_parse("every", command->every, &command->every_frames, &command->every_seconds, err);
}

static status check_face_options(const struct predict_command *command, struct error *err)
{
    if (command->detector != NULL) return STATUS_OK;
    if (command->track) return error_set_usage(err, "--track needs --detector FILE");
    if (command->crop != NULL || command->pose || command->margin >= 0 || command->min_score >= 0 ||
        command->overlap >= 0 || command->min_face > 0 || command->max_faces > 0 || command->detect_size >= 0)
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
    options.threads = face_inputs_is_single(work->inputs) ? work->threads : 1;
    return options;
}

static status read_crop(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    struct crop_options *crop = &work->crops.crop;
    *crop = (struct crop_options){.kind = CROP_FACE_SQUARE, .margin = CROP_DEFAULT_MARGIN};
    if (command->margin >= 0) crop->margin = command->margin;
    return command->crop == NULL ? STATUS_OK : crop_kind_find(command->crop, &crop->kind, err);
}

/* What the checkpoint says about its input. */
static status read_checkpoint(struct predict_work *work, struct error *err)
{
    const char *path = work->command->checkpoint;
    status result = checkpoint_open(&work->checkpoint, path, err);
    if (result == STATUS_OK) result = untrained_refuse(&work->checkpoint, work->command->allow_untrained, err);
    if (result != STATUS_OK) return result;
    const struct checkpoint_info *info = &work->checkpoint.info;
    if (info->image_size < SMALLEST_IMAGE || info->image_size > LARGEST_IMAGE)
        result = error_set(err, "metadata rmfer.image_size = %d: %d to %d are possible", info->image_size,
                           SMALLEST_IMAGE, LARGEST_IMAGE);
    if (result == STATUS_OK) result = resize_filter_find(info->resize, &work->crops.crop.filter, err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", path);
}

static status start_pipeline(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    work->crops.detector = work->detector;
    work->crops.detection = detection_options(work);
    work->crops.side = work->checkpoint.info.image_size;
    struct face_pipeline_settings *settings = &work->pipeline_settings;
    *settings = (struct face_pipeline_settings){
        .steps = face_crops_steps(&work->crops),
        .most_pixels = most_pixels(command),
        .keep_image = command->annotate != NULL,
        .workers = work->threads,
        .ahead = PICTURES_A_FACE * (size_t)command->batch + 2 * (size_t)work->threads,
        .budget = WAITING_BUDGET,
    };
    if (command->track) {
        work->tracker = video_tracker();
        settings->steps.assign = video_tracker_assign;
        settings->steps.tracker = &work->tracker;
    }
    return face_pipeline_create(&work->pipeline, work->inputs, settings, err);
}

/* The network, while the workers already read the first pictures. */
static status load_network(struct predict_work *work, struct error *err)
{
    const struct predict_command *command = work->command;
    struct batch_settings settings = {.checkpoint = &work->checkpoint,
                                      .batch = (size_t)command->batch,
                                      .most_bytes = WAITING_BUDGET / 2,
                                      .flip = command->flip,
                                      .features = command->features != NULL || command->embedding};
    return predict_batches_create(&work->batches, &settings, err);
}

/* Refuses, before the network runs, what pictures, detector and network will take where it is more than there is. */
static status commit_memory(const struct predict_work *work, struct error *err)
{
    struct face_pipeline_settings pipeline = work->pipeline_settings;
    if (face_inputs_is_single(work->inputs)) pipeline.workers = 1, pipeline.ahead = 1;
    const struct detector_options *detection = &work->crops.detection;
    size_t side = (size_t)work->crops.side, crops = size_multiply(pipeline.ahead, 3 * side * side), searching = 0;
    if (work->detector != NULL)
        searching = detector_workspace_bytes(work->detector, detection->detect_size, detection->threads);
    size_t more = face_pipeline_bytes(&pipeline, PHOTOGRAPH_PIXELS);
    more = size_add(more, crops < pipeline.budget ? crops : pipeline.budget);
    more = size_add(more, size_multiply((size_t)pipeline.workers, searching));
    return memory_commit(more, "predict (--batch, --detect-size and --threads say how much)", err);
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
        .feature_count = predict_batches_features(work->batches),
        .top = command->top > 0 ? (size_t)command->top : TABLE_TOP,
        .annotated_top = command->top > 0 ? (size_t)command->top : 1,
        .temperature = command->temperature > 0 ? command->temperature
                       : info->temperature > 0  ? info->temperature
                                                : 1,
        .name_width = face_inputs_name_width(work->inputs),
        .annotate = command->annotate,
        .force = command->force,
        .affect = checkpoint_has_affect(&work->checkpoint),
        .pose = command->pose,
        .embedding = command->embedding,
        .tracks = command->track,
        .smooth = command->smooth,
        .features = command->features,
        .writes = processes_speaks(command->dist),
    };
    status result = predict_output_create(&work->output, &settings, err);
    if (result != STATUS_OK) return result;
    return predict_delivery_create(&work->delivery, work->output, settings.feature_count, command->dist, err);
}

static status set_up(struct predict_work *work, const struct option_list *paths, struct error *err)
{
    const struct predict_command *command = work->command;
    struct face_input_options options = {.every = command->every_frames,
                                         .every_seconds = command->every_seconds,
                                         .most_pixels = most_pixels(command),
                                         .null_separated = command->null_separated,
                                         .not_searched = command->annotate,
                                         .written_over = command->force ? command->annotate : NULL,
                                         .quiet = !processes_speaks(command->dist)};
    if (dist_is_many(command->dist)) {
        options.share = (uint64_t)dist_rank(command->dist);
        options.shares = (uint64_t)dist_size(command->dist);
    }
    work->threads = threads_get();
    status result = read_crop(work, err);
    if (result == STATUS_OK) result = read_checkpoint(work, err);
    if (result == STATUS_OK && command->detector != NULL)
        result = detector_read(&work->detector, command->detector, err);
    if (result == STATUS_OK) result = face_inputs_create(&work->inputs, paths->items, paths->count, &options, err);
    log_set_level(command->level); /* of a damaged video tells the process that reads it */
    if (result == STATUS_OK) result = start_pipeline(work, err);
    if (result == STATUS_OK) result = load_network(work, err);
    if (result == STATUS_OK) result = commit_memory(work, err);
    if (result == STATUS_OK) result = open_output(work, err);
    return result;
}

static void take_down(struct predict_work *work)
{
    face_pipeline_free(work->pipeline);
    predict_delivery_free(work->delivery);
    predict_output_free(work->output);
    video_tracker_free(&work->tracker);
    predict_batches_free(work->batches);
    face_inputs_free(work->inputs);
    detector_free(work->detector);
    checkpoint_close(&work->checkpoint);
}

static status predict_all(struct predict_work *work, struct error *err)
{
    status result = predict_batches_run(work->batches, work->pipeline, work->delivery, err);
    result = predict_delivery_finish(work->delivery, result, err);
    if (result == STATUS_OK) result = predict_output_finish(work->output, err);
    return dist_agree(work->command->dist, result, err);
}

/* Each unreadable file has been reported; that there were some is the exit status. */
static status report(const struct predict_work *work, double seconds, struct error *err)
{
    if (!processes_speaks(work->command->dist)) return STATUS_OK;
    struct output_counts counts = predict_output_counts(work->output);
    const struct checkpoint_info *info = &work->checkpoint.info;
    status result = predict_summary_print(&counts, info->classes, info->class_count, seconds, err);
    if (result != STATUS_OK || counts.unreadable == 0) return result;
    if (counts.pictures + counts.unreadable > 1)
        log_warning("%zu of %zu could not be read", counts.unreadable, counts.pictures + counts.unreadable);
    return STATUS_FAILED;
}

/* Rank 0 knows the exit status of all. */
static status report_at_one(const struct predict_work *work, double seconds, struct error *err)
{
    status result = report(work, seconds, err);
    if (dist_is_many(work->command->dist)) dist_broadcast(work->command->dist, &result, sizeof result);
    return result;
}

/* Files that were not named on the command line. */
struct found_files {
    struct text checkpoint, detector;
};

/* "none" stands for no detector. Where there is none and nobody said so, it is said once. */
static status find_detector(struct predict_command *command, struct found_files *found, struct error *err)
{
    bool is_named = command->detector != NULL;
    status result = lookup_detector(&command->detector, &found->detector, err);
    if (result == STATUS_OK && !is_named && found->detector.length == 0)
        log_info("no face detector: each picture is taken as one face ('make detector' gets one, --detector FILE "
                 "names one, --detector none says that this is meant)");
    return result;
}

static status find_files(struct predict_command *command, struct found_files *found, struct error *err)
{
    status result = lookup_checkpoint("predict needs --checkpoint FILE", &command->checkpoint, &found->checkpoint, err);
    return result == STATUS_OK ? find_detector(command, found, err) : result;
}

static status predict(struct predict_command *command, const struct option_list *paths, struct error *err)
{
    struct predict_work work = {.command = command};
    struct found_files found = {0};
    double start = clock_seconds();
    status result = check_command(command, paths, err);
    if (result == STATUS_OK) result = find_files(command, &found, err);
    if (result == STATUS_OK) result = check_face_options(command, err);
    if (result == STATUS_OK) result = check_outputs(command, paths, err);
    if (result == STATUS_OK) result = set_up(&work, paths, err);
    result = dist_agree(command->dist, result, err);
    if (result == STATUS_OK) result = predict_all(&work, err);
    if (result == STATUS_OK) result = report_at_one(&work, clock_seconds() - start, err);
    take_down(&work);
    text_free(&found.checkpoint);
    text_free(&found.detector);
    return result;
}

static const char description[] =
    "Prints the expressions of the faces in pictures and videos, which their bytes tell, not their names. PATH is a\n"
    "picture, a video, a folder (searched with the folders in it, in natural order of names), a quoted pattern ('*.jpg'),\n"
    "SHARD.tar#OFFSET, or - for standard input: a list, one path a line, or pictures one behind the other as ffmpeg\n"
    "-f image2pipe and -f mjpeg write them, or a video; its first bytes tell which.\n\n"
    "Without a detector each picture is one face. With one, faces are found first and cut out: --crop square cuts a\n"
    "square around the box, as high as the box or as wide as the widened box, whichever is more; box cuts the\n"
    "widened box and stretches it, as AffectNet's faces are; aligned turns and scales the face by its eyes, nose and\n"
    "mouth. Pictures of more than --max-megapixels are refused. EXIF orientation and what a video says of\n"
    "turning and mirroring are obeyed.\n\n"
    "A file that cannot be read is reported, the others are done, and the exit status is 1.\n\n"
    "Started by mpirun or srun (make MPI=1), the processes share the files out, and the first one writes all results in\n"
    "order; standard input is refused there.\n\n"
    "--pose: yaw above 0 is turned to the picture's right, pitch above 0 up, roll above 0 tilted clockwise in the\n"
    "picture. Five landmarks tell no more than a few degrees, and beyond 60 they are a guess.\n\n"
    "Columns of --csv: file, frame, time, face, x, y, width, height, score, label, confidence, one column an\n"
    "expression, error; behind them track with --track, yaw, pitch, roll with --pose, and valence, arousal where the\n"
    "checkpoint tells them (trained with va.weight; -1 to 1, not smoothed). One row a face; a picture\n"
    "without a face has one row with empty face, box and label, and so has a file that cannot be read, with its\n"
    "error. Quoted as RFC 4180 has it.\n"
    "Bytes of a name that are no UTF-8 are written \\xHH in CSV and JSON, in CSV control characters too (but tab and\n"
    "line ends), and a backslash before xHH as \\x5c: putting each \\xHH's byte in its place gives the name back.";

int command_predict(int argc, char **argv)
{
    struct predict_command command = {.min_score = -1,
                                      .overlap = -1,
                                      .margin = -1,
                                      .detect_size = -1,
                                      .every_frames = 1,
                                      .batch = 8,
                                      .max_megapixels = IMAGE_MOST_PIXELS / 1000000};
    struct option options[] = {
        {"checkpoint", OPTION_STRING, &command.checkpoint, "FILE",
         "the trained network (default: the model in the box, or $RMFER_MODEL)", 0, 0, 0},
        {"detector", OPTION_STRING, &command.detector, "FILE",
         "YuNet's ONNX file, or none (default: yunet.onnx where 'make detector' puts it, or $RMFER_DETECTOR)", 0, 0, 0},
        {"json", OPTION_FLAG, &command.json, NULL, "one JSON object a line, for a picture or a frame", 0, 0, 0},
        {"csv", OPTION_FLAG, &command.csv, NULL, "comma-separated values, one row a face", 0, 0, 0},
        {"top", OPTION_INTEGER, &command.top, "K", "expressions a face in the table (3) and on pictures (1, at most 8)",
         1, 1000, 0},
        {"pose", OPTION_FLAG, &command.pose, NULL, "each head's yaw, pitch and roll in degrees, roughly", 0, 0, 0},
        {"embedding", OPTION_FLAG, &command.embedding, NULL,
         "--json: each face's features, which --features writes to a file", 0, 0, 0},
        {"annotate", OPTION_STRING, &command.annotate, "DIR",
         "write the pictures with boxes and expressions there; a search passes it over", 0, 0, 0},
        {"track", OPTION_FLAG, &command.track, NULL, "faces of videos get numbers that last", 0, 0, 0},
        {"smooth", OPTION_REAL, &command.smooth, "S", "--track: mean over the last S seconds of each face (0)", 0, 60,
         0},
        {"force", OPTION_FLAG, &command.force, NULL,
         "--annotate may replace files that are there: pictures in DIR and below are not read then", 0, 0, 0},
        {"features", OPTION_STRING, &command.features, "FILE", "write the faces' features, float32, as NumPy array", 0,
         0, 0},
        {"temperature", OPTION_REAL, &command.temperature, "T",
         "probabilities are softmax(logits / T) (as fitted with the checkpoint, else 1)", 0.001, 1000, 0},
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
        {"every", OPTION_STRING, &command.every, "N",
         "of a video only every Nth frame (1), or with 0.5s a frame each half second", 0, 0, 0},
        {"max-megapixels", OPTION_INTEGER, &command.max_megapixels, "N", "refuse larger pictures (100)", 1, 4000, 0},
        {"null", OPTION_FLAG, &command.null_separated, NULL, "the list on standard input is separated by NUL bytes", 0,
         0, '0'},
        {"allow-untrained", OPTION_FLAG, &command.allow_untrained, NULL,
         "go on with a network whose classifier is fresh and random", 0, 0, 0},
        {"batch", OPTION_INTEGER, &command.batch, "N", "faces that go through the network together (8)", 1,
         LARGEST_BATCH, 0},
    };
    struct command_line line = {
        .usage = "rmfer predict [--checkpoint FILE] [--detector FILE] [--json | --csv] PATH...",
        .description = description,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .for_processes = true,
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    command.level = log_get_level();
    if (result == STATUS_OK && !line.help_shown) result = processes_begin(&command.dist, &line, &err);
    if (result == STATUS_OK && !line.help_shown) result = predict(&command, &line.positional, &err);
    int code = err.code == STATUS_OK ? (int)result : processes_finish(command.dist, result, &err);
    options_free(&line);
    dist_end(command.dist);
    return code;
}
