/* rmfer rmset build: options, the detector, progress. */
#include "cmd/rmset.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"
#include "rmfer/base/status_line.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/data/video.h"
#include "rmfer/rmset/build.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build_command {
    struct rmset_build_options build;
    const char *detector, *shards, *every;
    double min_score, min_face;
    int64_t detect_size;
    struct option_list areas;
    struct text found; /* the detector's path, where it was not named */
};

struct shown {
    struct status_line status;
    double begin;
    uint64_t film_begin; /* frames that were done when the present film began */
    size_t film;
    double film_seconds;
};

/* "3/12 NAME: frame 1200 of 9000, 31.5 frames/s, 12,340 faces, 0:04:12 left" */
static void show(void *context, const struct rmset_progress *progress)
{
    struct shown *shown = context;
    double now = clock_seconds();
    if (shown->film != progress->film_number) {
        shown->film = progress->film_number;
        shown->film_begin = progress->frames_done - 1;
        shown->film_seconds = now;
    }
    if (!status_line_is_due(&shown->status)) return;
    char left[48] = "", of[32] = "", duration[32];
    double share = NAN;
    double rate = (double)(progress->frames_done - shown->film_begin) / (now - shown->film_seconds + 1e-9);
    if (progress->frames > progress->frame && progress->frame > 0) {
        share = (double)progress->frame / (double)progress->frames;
        status_line_duration(duration, sizeof duration, (now - shown->film_seconds) * (1 - share) / share);
        snprintf(left, sizeof left, ", %s left", duration);
        snprintf(of, sizeof of, " of %" PRId64, progress->frames);
    }
    char line[256];
    snprintf(line, sizeof line, "%zu/%zu %s: frame %" PRId64 "%s, %.1f frames/s, %" PRIu64 " faces%s",
             progress->film_number, progress->films, progress->film, progress->frame, of, rate, progress->faces_done,
             left);
    status_line_show(&shown->status, share, line);
}

static void fail(void *context, const char *message)
{
    (void)context;
    log_error("%s", message);
}

/* "1G", "500M", "2000000". */
static status read_size(const char *text, int64_t *bytes, struct error *err)
{
    static const char units[] = "KMGT";
    char number[24];
    size_t length = strlen(text);
    const char *unit = length > 0 ? strchr(units, text[length - 1]) : NULL;
    if (unit != NULL) length--;
    snprintf(number, sizeof number, "%.*s", (int)(length < 20 ? length : 20), text);
    bool good = text_to_integer(number, bytes) && *bytes > 0 && *bytes < (INT64_C(1) << 20);
    if (unit == NULL) good = text_to_integer(number, bytes) && *bytes > 0 && *bytes < (INT64_C(1) << 40);
    if (!good) return error_set_usage(err, "--shards %s: not a size like 1G, 500M or 2000000", text);
    if (unit != NULL) *bytes <<= 10 * (unit - units + 1);
    return STATUS_OK;
}

static void print_counts(const struct rmset_build_options *build, const struct rmset_counts *counts, double seconds)
{
    text_print_name(build->folder, stdout);
    printf(": %" PRIu64 " faces of %" PRIu64 " persons in %" PRIu64 " frames; %" PRIu64 " of %" PRIu64
           " videos built now",
           counts->faces, counts->persons, counts->frames, counts->built, counts->films);
    if (counts->failed > 0) printf(", %" PRIu64 " could not be", counts->failed);
    printf(" (%.1f s)\n", seconds);
    const struct rmset_times *times = &counts->times;
    log_verbose("seconds of all threads: decode %.2f, convert %.2f, detect %.2f, crop and encode %.2f, write %.2f",
                times->decode, times->convert, times->find, times->cut, times->write);
}

static status check_command(const struct build_command *command, const struct option_list *films, struct error *err)
{
    const struct rmset_build_options *options = &command->build;
    if (films->count == 0 || options->folder == NULL)
        return error_set_usage(err, "rmset build needs videos or folders of frames, and -o DIR");
    if (options->windows && (options->cuts || options->follow > 0))
        return error_set_usage(err, "--windows looks where the first frame's faces are: not with --cuts or --follow");
    if (options->detections != NULL && films->count > 1)
        return error_set_usage(err, "--detections is of one video; several have NAME.detections.csv beside them");
    if (options->detections != NULL && command->detector != NULL)
        return error_set_usage(err, "--detector and --detections: give one of them");
    if (options->detections != NULL && options->asks_detector)
        return error_set_usage(err, "--windows and --detect-size are about the detector: not with --detections");
    return STATUS_OK;
}

/* A detector that was not named gives way to the lists beside the films. */
static status read_detector(struct build_command *command, struct detector **detector, struct error *err)
{
    struct rmset_build_options *options = &command->build;
    *detector = NULL;
    if (options->detections != NULL) return STATUS_OK;
    options->lists_first = command->detector == NULL;
    status result = lookup_detector(&command->detector, &command->found, err);
    if (result == STATUS_OK && command->detector != NULL) result = detector_read(detector, command->detector, err);
    options->detector = *detector;
    options->detector_file = command->detector;
    return result;
}

static status build(struct build_command *command, const struct option_list *films, struct error *err)
{
    struct rmset_build_options *options = &command->build;
    double now = clock_seconds();
    struct shown shown = {.begin = now, .status = status_line_begin()};
    struct detector *detector = NULL;
    struct rmset_counts counts;
    options->asks_detector = options->windows || command->detect_size >= 0;
    status result = check_command(command, films, err);
    if (result == STATUS_OK && command->shards != NULL) result = read_size(command->shards, &options->shard_bytes, err);
    if (result == STATUS_OK && command->every != NULL)
        result = video_every_parse("every", command->every, &options->every, &options->every_seconds, err);
    if (result == STATUS_OK) result = read_detector(command, &detector, err);
    if (result != STATUS_OK) return result;
    options->detection = detector_options_defaults();
    options->detection.threads = 1;
    if (command->min_score >= 0) options->detection.min_score = options->list_score = command->min_score;
    if (command->detect_size >= 0) options->detection.detect_size = (int)command->detect_size;
    options->detection.min_face = command->min_face;
    options->areas = command->areas.items;
    options->area_count = command->areas.count;
    options->threads = threads_get();
    options->report = show;
    options->fail = fail;
    options->context = &shown;
    result = rmset_build(films->items, films->count, options, &counts, err);
    status_line_hide(&shown.status);
    detector_free(detector);
    if (result != STATUS_OK) return result;
    print_counts(options, &counts, clock_seconds() - shown.begin);
    if (fflush(stdout) != 0) return error_set_errno(err, "standard output cannot be written");
    return counts.failed == 0 ? STATUS_OK : STATUS_FAILED;
}

static const char description[] =
    "Cuts the faces of persons who react to a film out of mashup videos (any that FFmpeg reads) or folders of frames,\n"
    "not from a pipe. The film's own place is blackened first: --remove, or NAME.film.csv (x,y,w,h[,from,to]) beside\n"
    "NAME.mp4. Faces of the first frame get numbers in reading order; NAME.faces.csv (x,y,w,h[,add|remove]) corrects\n"
    "them. Later faces get the number of the first box that they overlap most.\n"
    "Each face is cut as a square, 1.31 times as wide as its box.\n\n"
    "Faces are listed in --detections FILE or NAME.detections.csv (frame,x,y,w,h[,score]), or found by the detector;\n"
    "one that is named goes before the list beside a video.\n"
    "A video is finished or not there: the same command goes on where it was stopped. A video that cannot be built is\n"
    "one line, the others go on, and the exit status is 1. DIR then holds index.csv, videos.csv, tracks.csv (with why\n"
    "each track ended) and statistics.ini (for rmset.normalize = own).";

int command_rmset_build(int argc, char **argv)
{
    struct build_command command = {.min_score = -1,
                                    .detect_size = -1,
                                    .build = {.every = 1,
                                              .overlap = 0.3,
                                              .crop = {.margin = CROP_DEFAULT_MARGIN, .quality = 92},
                                              .most_pixels = IMAGE_MOST_PIXELS}};
    struct rmset_build_options *build_options = &command.build;
    struct option options[] = {
        {"out", OPTION_STRING, &build_options->folder, "DIR", "the RMset's folder", 0, 0, 'o'},
        {"remove", OPTION_REPEATED, &command.areas, "X,Y,W,H[@FROM-TO]", "blacken this area (in frames FROM to TO)", 0,
         0, 0},
        {"detector", OPTION_STRING, &command.detector, "FILE",
         "YuNet's ONNX file, or none (default: yunet.onnx where 'make detector' puts it, or $RMFER_DETECTOR)", 0, 0, 0},
        {"detections", OPTION_STRING, &build_options->detections, "FILE", "faces found by another detector", 0, 0, 0},
        {"every", OPTION_STRING, &command.every, "N", "only every Nth frame (1), or with 0.5s a frame each half second",
         0, 0, 0},
        {"first-frame", OPTION_INTEGER, &build_options->first_frame, "N", "faces get their numbers there (0)", 0,
         1000000000, 0},
        {"overlap", OPTION_REAL, &build_options->overlap, "X", "least intersection over union with the first box (0.3)",
         0, 1, 0},
        {"windows", OPTION_FLAG, &build_options->windows, NULL,
         "look closely at the first frame, then only about its faces: finds small faces, and fewer pixels are searched",
         0, 0, 0},
        {"keep-partial", OPTION_FLAG, &build_options->keep_partial, NULL,
         "of a video that cannot be read to its end, keep what came before", 0, 0, 0},
        {"follow", OPTION_REAL, &build_options->follow, "F", "the first box follows its face by this share a frame (0)",
         0, 1, 0},
        {"cuts", OPTION_FLAG, &build_options->cuts, NULL, "a change of the whole layout starts new numbers", 0, 0, 0},
        {"margin", OPTION_REAL, &build_options->crop.margin, "M", "the square is so much wider than the box (0.31)", 0,
         10, 0},
        {"pad", OPTION_FLAG, &build_options->crop.pad, NULL, "squares over the border are filled up, not cut off", 0, 0,
         0},
        {"size", OPTION_INTEGER, &build_options->crop.size, "N", "resize faces to N x N (0 = as they are)", 0, 4096, 0},
        {"quality", OPTION_INTEGER, &build_options->crop.quality, "Q", "of the JPEG files (92)", 1, 100, 0},
        {"shards", OPTION_STRING, &command.shards, "SIZE", "pack the faces in tar files of this size (1G)", 0, 0, 0},
        {"min-score", OPTION_REAL, &command.min_score, "S", "faces below this score are left out (0.85; of a list 0)",
         0, 1, 0},
        {"min-face", OPTION_REAL, &command.min_face, "N", "faces less than N pixels wide or high are left out (0)", 0,
         100000, 0},
        {"detect-size", OPTION_INTEGER, &command.detect_size, "N",
         "scale a longer side down to N to find faces (640; 0 = never)", 0, 4096, 0},
    };
    struct command_line line = {
        .usage = "rmfer rmset build VIDEO... -o DIR [--detector FILE] [--remove X,Y,W,H[@FROM-TO]]... [--every N]",
        .description = description,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = build(&command, &line.positional, &err);
    options_free(&line);
    text_free(&command.found);
    return err.code == STATUS_OK ? (int)result : command_finish(result, &err);
}
