/* From the paths that were asked for to one picture or frame after the other: a video being decoded, else a folder
 * being walked, else the matches of a pattern, else standard input, else the next path. */
#define _GNU_SOURCE /* pipe2 */
#include "rmfer/faces/inputs.h"

#include "faces/folder_walk.h"
#include "faces/standard_input.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/video.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_WIDTH_MOST = 48, NAME_WIDTH_LEAST = 24 };

struct face_inputs {
    const char *const *paths;
    size_t path_count, next_path;
    struct face_input_options options;
    uint64_t files;  /* started so far */
    uint64_t places; /* given out so far, to files and to errors */
    struct standard_input standard;
    int stop[2];                     /* a pipe that is closed to stop the reading of it; -1, -1 = it is not read */
    bool reads_list, reads_pictures; /* of standard input */
    glob_t matches;                  /* of the pattern being followed */
    size_t next_match;               /* == matches.gl_pathc: none is */
    struct folder_walk *walk;
    char *folder;                 /* being walked */
    size_t folder_given;          /* files of it so far */
    size_t left_out[IMAGE_KINDS]; /* pictures of it of kinds that are not read */
    int64_t folder_frame;         /* the next one of a folder of frames */
    struct video *video;
    char *video_path, *video_target; /* of the one being decoded */
    struct video_times times;        /* of those before */
};

/* Stands for the name of an input where there is no memory for it; nobody writes to it. */
static char nameless[] = "";

static void free_name(char *name)
{
    if (name != nameless) memory_free(name);
}

void face_input_free(struct face_input *input)
{
    free_name(input->path);
    free_name(input->target);
    memory_free(input->bytes);
    image_free(&input->image);
    *input = (struct face_input){0};
}

status face_inputs_create(struct face_inputs **out, const char *const *paths, size_t count,
                          const struct face_input_options *options, struct error *err)
{
    struct face_inputs *inputs = *out = memory_allocate(1, sizeof *inputs, "the list of inputs", err);
    if (inputs == NULL) return STATUS_FAILED;
    inputs->paths = paths;
    inputs->path_count = count;
    inputs->options = *options;
    inputs->stop[0] = inputs->stop[1] = -1;
    if (inputs->options.every < 1) inputs->options.every = 1;
    /* Videos are opened by the threads of a pipeline, which do not know what was set for the program's own. */
    if (inputs->options.threads < 1) inputs->options.threads = threads_get();
    bool reads_standard = false;
    for (size_t i = 0; i < count; i++) reads_standard |= strcmp(paths[i], "-") == 0;
    if (!reads_standard || pipe2(inputs->stop, O_CLOEXEC) == 0) return STATUS_OK;
    status result = error_set_errno(err, "standard input cannot be waited for");
    face_inputs_free(inputs);
    *out = NULL;
    return result;
}

void face_inputs_stop(struct face_inputs *inputs)
{
    if (inputs->stop[1] >= 0) close(inputs->stop[1]);
    inputs->stop[1] = -1;
}

struct video_times face_inputs_times(const struct face_inputs *inputs)
{
    struct video_times sum = inputs->times;
    if (inputs->video == NULL) return sum;
    struct video_times own = video_times(inputs->video);
    return (struct video_times){sum.decode + own.decode, sum.convert + own.convert};
}

static void close_video(struct face_inputs *inputs)
{
    inputs->times = face_inputs_times(inputs);
    video_close(inputs->video);
    memory_free(inputs->video_path);
    memory_free(inputs->video_target);
    inputs->video = NULL;
    inputs->video_path = inputs->video_target = NULL;
}

static void close_folder(struct face_inputs *inputs)
{
    folder_walk_close(inputs->walk);
    memory_free(inputs->folder);
    inputs->walk = NULL;
    inputs->folder = NULL;
}

static void close_pattern(struct face_inputs *inputs)
{
    globfree(&inputs->matches);
    inputs->matches = (glob_t){0};
    inputs->next_match = 0;
}

void face_inputs_free(struct face_inputs *inputs)
{
    if (inputs == NULL) return;
    close_video(inputs);
    close_folder(inputs);
    close_pattern(inputs);
    standard_input_close(&inputs->standard);
    face_inputs_stop(inputs);
    if (inputs->stop[0] >= 0) close(inputs->stop[0]);
    memory_free(inputs);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Of a tar file's member the tar file. */
static bool is_missing(const char *path)
{
    struct stat info;
    char *file = picture_file_opened(path, NULL);
    bool missing = file != NULL && stat(file, &info) != 0 && errno == ENOENT;
    memory_free(file);
    return missing;
}

/* The first bytes decide; where they say nothing, the name. `kind` is that of a picture. */
static status find_kind(const char *path, enum image_kind *kind, bool *is_video, struct error *err)
{
    uint8_t bytes[PICTURE_FIRST_BYTES];
    size_t size;
    status result = picture_file_begin(path, bytes, &size, err);
    *kind = IMAGE_UNKNOWN;
    *is_video = result == STATUS_OK && video_is_stream(bytes, size);
    if (result != STATUS_OK || *is_video) return result;
    *kind = image_kind_of_bytes(bytes, size);
    *is_video = *kind == IMAGE_UNKNOWN && size > 0 && video_is_named(path);
    return STATUS_OK;
}

/* A web page under a picture's name is a mistake, and stays one. */
static bool is_left_out(enum image_kind kind)
{
    return kind != IMAGE_UNKNOWN && kind != IMAGE_WEB_PAGE && !image_kind_is_read(kind);
}

/* ---- files ------------------------------------------------------------------------------------------------------
 * Each returns true when an input was given. */

/* Takes the next place; false where that is another process's. */
static bool take_place(struct face_inputs *inputs, struct face_input *input)
{
    input->place = inputs->places++;
    return inputs->options.shares == 0 || input->place % inputs->options.shares == inputs->options.share;
}

static bool give_error(struct face_inputs *inputs, struct face_input *input, const char *path,
                       const struct error *error)
{
    if (!take_place(inputs, input)) return false;
    input->error = *error;
    input->path = memory_copy_string(path, NULL);
    input->target = memory_copy_string("", NULL);
    return true;
}

/* The same of an entry of a folder; takes `path` and `target` over. */
static bool give_failed_entry(struct face_inputs *inputs, struct face_input *input, char *path, char *target,
                              const struct error *error)
{
    inputs->folder_given++;
    input->file = inputs->files++;
    bool is_ours = take_place(inputs, input);
    if (is_ours) {
        input->path = path;
        input->target = target;
        input->error = *error;
    } else {
        memory_free(path);
        memory_free(target);
    }
    return is_ours;
}

static struct video_options video_options(const struct face_inputs *inputs)
{
    return (struct video_options){.every = inputs->options.every,
                                  .every_seconds = inputs->options.every_seconds,
                                  .most_pixels = inputs->options.most_pixels,
                                  .threads = inputs->options.threads};
}

static bool ends_as_result(const char *path)
{
    return text_ends_with_ignoring_case(path, ".jpg") || text_ends_with_ignoring_case(path, ".png");
}

bool face_input_may_be_replaced(const char *path, const char *folder)
{
    char *led_to = realpath(path, NULL);
    bool ends_so = ends_as_result(path) || (led_to != NULL && ends_as_result(led_to));
    free(led_to); /* realpath's own */
    return ends_so && path_is_below(path, folder);
}

/* Looked at here, where every path comes by: a list, a pattern, or a link in a folder may lead to what a result would
 * replace, and whether it were read before would depend on how far reading is ahead of writing. */
static status check_kept(const struct face_inputs *inputs, const char *path, struct error *err)
{
    const char *folder = inputs->options.written_over;
    if (folder == NULL || !face_input_may_be_replaced(path, folder)) return STATUS_OK;
    return error_set(err, "%s: is in the folder that results go to, and might be written over: name another folder",
                     path);
}

/* Takes `path` and `target` over. Of a folder, pictures that cannot be read are counted by their kind and passed over.
 */
static bool start_file(struct face_inputs *inputs, struct face_input *input, char *path, char *target)
{
    struct error error = {0};
    enum image_kind kind;
    bool is_video;
    status result = find_kind(path, &kind, &is_video, &error);
    if (inputs->walk != NULL && is_left_out(kind)) {
        inputs->left_out[kind]++;
        memory_free(path);
        memory_free(target);
        return false;
    }
    inputs->folder_given++;
    input->file = inputs->files++;
    if (!take_place(inputs, input)) {
        memory_free(path);
        memory_free(target);
        return false;
    }
    if (result == STATUS_OK) result = check_kept(inputs, path, &error);
    if (result == STATUS_OK && is_video) {
        struct video_options options = video_options(inputs);
        if (video_open(&inputs->video, path, &options, &error) == STATUS_OK) {
            inputs->video_path = path;
            inputs->video_target = target;
            return false;
        }
    }
    input->path = path;
    input->target = target;
    input->error = error;
    return true;
}

/* Of a video that was read to its end. */
static void tell_damage(const struct face_inputs *inputs)
{
    size_t damaged = video_damaged(inputs->video);
    struct video_missing missing = video_missing(inputs->video);
    if (damaged > 0) log_warning("%s: %zu damaged places were passed over", inputs->video_path, damaged);
    if (missing.seconds > 0)
        log_warning("%s: breaks off: %.1f of the %.1f seconds that it states are not in it", inputs->video_path,
                    missing.seconds, missing.stated);
}

static bool next_frame(struct face_inputs *inputs, struct face_input *input)
{
    struct error error = {0};
    struct video_frame frame;
    bool ended;
    status result = video_next(inputs->video, &frame, &ended, &error);
    input->file = inputs->files - 1;
    input->place = inputs->places - 1;
    bool has_frame = result == STATUS_OK && !ended;
    if (has_frame) {
        input->path = memory_copy_string(inputs->video_path, &error);
        input->target = memory_copy_string(inputs->video_target, &error);
        result = error.code;
        if (result != STATUS_OK) image_free(&frame.image);
    }
    if (has_frame && result == STATUS_OK) {
        input->is_frame = true;
        input->frame = frame.index;
        input->time = frame.time;
        input->frame_rate = video_frame_rate(inputs->video);
        input->frames = video_frame_estimate(inputs->video);
        input->image = frame.image;
        return true;
    }
    if (result == STATUS_OK) tell_damage(inputs);
    if (result != STATUS_OK) {
        memory_free(input->path);
        memory_free(input->target);
        input->path = inputs->video_path;
        input->target = inputs->video_target;
        input->error = error;
        inputs->video_path = inputs->video_target = NULL;
    }
    close_video(inputs);
    return result != STATUS_OK;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

/* A folder's picture as a frame; false when the frame is not wanted or no picture. */
static bool give_folder_frame(struct face_inputs *inputs, struct face_input *input, char *path, char *target)
{
    bool is_picture = image_kind_of_name(path) != IMAGE_UNKNOWN;
    bool wanted = is_picture && inputs->folder_frame % inputs->options.every == 0;
    if (wanted) {
        *input = (struct face_input){.path = path,
                                     .target = target,
                                     .file = inputs->files - 1,
                                     .is_frame = true,
                                     .frame = inputs->folder_frame,
                                     .time = NAN};
    } else {
        memory_free(target);
    }
    inputs->folder_given += is_picture;
    inputs->folder_frame += is_picture;
    if (!wanted) memory_free(path);
    return wanted;
}

/* "TIFF (3), HEIF or AVIF (1)"; nothing where nothing was left out. */
static status name_left_out(const struct face_inputs *inputs, struct text *names, struct error *err)
{
    status result = STATUS_OK;
    for (int kind = 0; kind < IMAGE_KINDS && result == STATUS_OK; kind++)
        if (inputs->left_out[kind] > 0)
            result = text_append_format(names, err, "%s%s (%zu)", names->length == 0 ? "" : ", ",
                                        image_kind_name((enum image_kind)kind), inputs->left_out[kind]);
    return result;
}

/* At a folder's end: what was left out of it, or that nothing was in it. */
static status end_folder(const struct face_inputs *inputs, struct error *err)
{
    struct text names = {0};
    status result = name_left_out(inputs, &names, err);
    if (result == STATUS_OK && inputs->folder_given == 0)
        result = names.length == 0
                     ? error_set(err, "%s: no pictures or videos in this folder", inputs->folder)
                     : error_set(err, "%s: no pictures in this folder that are read (%s are); left out: %s",
                                 inputs->folder, image_kinds_read(), names.bytes);
    else if (result == STATUS_OK && names.length > 0 && !inputs->options.quiet)
        log_warning("%s: left out: %s (%s are read)", inputs->folder, names.bytes, image_kinds_read());
    text_free(&names);
    return result;
}

/* What cannot be listed or looked at is an error at its place, and the others are done. Not among frames, which are
 * counted: there it ends the film. */
static bool next_of_folder(struct face_inputs *inputs, struct face_input *input)
{
    struct error error = {0};
    char *path, *target;
    bool found, is_film = inputs->options.folder_of_frames;
    status result = folder_walk_next(inputs->walk, &path, &target, &found, &error);
    if (result == STATUS_OK && found)
        return is_film ? give_folder_frame(inputs, input, path, target) : start_file(inputs, input, path, target);
    if (found && !is_film) return give_failed_entry(inputs, input, path, target, &error);
    if (found) {
        memory_free(path);
        memory_free(target);
    }
    if (result == STATUS_OK) result = end_folder(inputs, &error);
    bool given = result != STATUS_OK && give_error(inputs, input, inputs->folder, &error);
    close_folder(inputs);
    return given;
}

static bool start_folder(struct face_inputs *inputs, struct face_input *input, const char *path)
{
    struct error error = {0};
    if (inputs->options.folder_of_frames && inputs->options.every_seconds > 0) {
        error_set(&error, "%s: a folder's pictures have no times: --every takes a number of frames here", path);
        return give_error(inputs, input, path, &error);
    }
    inputs->folder = memory_copy_string(path, &error);
    inputs->folder_frame = 0;
    inputs->folder_given = 0;
    memset(inputs->left_out, 0, sizeof inputs->left_out);
    inputs->files += inputs->options.folder_of_frames;
    if (inputs->folder != NULL && folder_walk_open(&inputs->walk, path, &error) == STATUS_OK) {
        folder_walk_leave_out(inputs->walk, inputs->options.not_searched);
        return false;
    }
    close_folder(inputs);
    return give_error(inputs, input, path, &error);
}

/* ---- paths, patterns, lists -------------------------------------------------------------------------------------- */

static bool start_path(struct face_inputs *inputs, struct face_input *input, const char *path)
{
    const char *left_out = inputs->options.not_searched;
    if (left_out != NULL && folder_is_same(left_out, path)) { /* a pattern led to it, or a list, which names it */
        if (inputs->reads_list && !inputs->options.quiet)
            log_warning("%s: is where results are written, and is passed over", path);
        return false;
    }
    if (is_folder(path)) return start_folder(inputs, input, path);
    struct error error = {0};
    char *copy = memory_copy_string(path, &error), *target = memory_copy_string(path_name(path), &error);
    if (copy != NULL && target != NULL) return start_file(inputs, input, copy, target);
    memory_free(copy);
    memory_free(target);
    return give_error(inputs, input, path, &error);
}

static bool start_pattern(struct face_inputs *inputs, struct face_input *input, const char *pattern)
{
    struct error error = {0};
    int code = glob(pattern, 0, NULL, &inputs->matches);
    if (code == 0) return false;
    close_pattern(inputs);
    if (code == GLOB_NOMATCH)
        error_set(&error, "%s: no file has a name like this", pattern);
    else
        error_set(&error, "%s: the pattern could not be followed", pattern);
    return give_error(inputs, input, pattern, &error);
}

static bool next_match(struct face_inputs *inputs, struct face_input *input)
{
    return start_path(inputs, input, inputs->matches.gl_pathv[inputs->next_match++]);
}

/* ---- standard input ---------------------------------------------------------------------------------------------- */

/* Starts what the next line names; blank lines are passed over. Sets reads_list to false at the end. */
static bool next_line(struct face_inputs *inputs, struct face_input *input)
{
    struct error error = {0};
    struct text line = {0};
    bool given = false;
    if (!standard_input_name(&inputs->standard, inputs->options.null_separated, &line, &error)) {
        inputs->reads_list = false;
        if (error.code != STATUS_OK) given = give_error(inputs, input, "-", &error);
    } else if (line.length > 0) {
        char *path = inputs->options.null_separated ? line.bytes : text_trim(line.bytes);
        if (path[0] != '\0') given = start_path(inputs, input, path);
    }
    text_free(&line);
    return given;
}

static bool next_piped(struct face_inputs *inputs, struct face_input *input)
{
    bool ended, given = standard_input_picture(&inputs->standard, &inputs->options, input, &ended);
    inputs->reads_pictures = !ended;
    input->file = inputs->files - 1;
    return given;
}

static bool start_piped_video(struct face_inputs *inputs, struct face_input *input)
{
    struct error error = {0};
    struct video_options options = video_options(inputs);
    if (video_open_stream(&inputs->video, &inputs->standard.stream, "-", &options, &error) != STATUS_OK)
        return give_error(inputs, input, "-", &error);
    inputs->video_path = memory_copy_string("-", &error);
    inputs->video_target = memory_copy_string(STANDARD_INPUT_TARGET, &error);
    if (error.code == STATUS_OK) return false;
    close_video(inputs);
    return give_error(inputs, input, "-", &error);
}

static bool start_standard_input(struct face_inputs *inputs, struct face_input *input)
{
    enum stream_kind kind = standard_input_open(&inputs->standard, inputs->options.null_separated, inputs->stop[0]);
    inputs->files += kind != STREAM_LIST;
    inputs->reads_list = kind == STREAM_LIST;
    inputs->reads_pictures = kind == STREAM_PICTURES;
    input->file = inputs->files - 1;
    if (kind == STREAM_VIDEO) return start_piped_video(inputs, input);
    if (kind != STREAM_PICTURE) return false;
    standard_input_whole(&inputs->standard, input);
    return true;
}

/* A file of that very name goes before a pattern. */
static bool next_asked(struct face_inputs *inputs, struct face_input *input)
{
    const char *path = inputs->paths[inputs->next_path++];
    close_pattern(inputs); /* not behind its last match, whose share of the pattern is asked for */
    if (strcmp(path, "-") == 0) return start_standard_input(inputs, input);
    bool is_pattern = strpbrk(path, "*?[") != NULL && is_missing(path);
    return is_pattern ? start_pattern(inputs, input, path) : start_path(inputs, input, path);
}

/* Of the path at hand; lists and pipes do not say how much follows. */
static double share_of_path(const struct face_inputs *inputs, const struct face_input *input)
{
    double inner = 1;
    if (inputs->reads_list || inputs->reads_pictures) return NAN;
    if (inputs->video != NULL) {
        if (input->frames <= 0)
            inner = 0;
        else
            inner = fmin(1, (double)(input->frame + 1) / (double)input->frames);
    }
    if (inputs->walk != NULL) inner = folder_walk_share(inputs->walk, inner);
    if (inputs->next_match > 0) inner = ((double)inputs->next_match - 1 + inner) / (double)inputs->matches.gl_pathc;
    return inner;
}

bool face_inputs_next(struct face_inputs *inputs, struct face_input *input)
{
    for (bool given = false; !given;) {
        *input = (struct face_input){0};
        if (inputs->video != NULL)
            given = next_frame(inputs, input);
        else if (inputs->walk != NULL)
            given = next_of_folder(inputs, input);
        else if (inputs->next_match < inputs->matches.gl_pathc)
            given = next_match(inputs, input);
        else if (inputs->reads_pictures)
            given = next_piped(inputs, input);
        else if (inputs->reads_list)
            given = next_line(inputs, input);
        else if (inputs->next_path < inputs->path_count)
            given = next_asked(inputs, input);
        else
            return false;
    }
    if (input->path == NULL) input->path = nameless;
    if (input->target == NULL) input->target = nameless;
    input->share = ((double)inputs->next_path - 1 + share_of_path(inputs, input)) / (double)inputs->path_count;
    return true;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

bool face_inputs_is_single(const struct face_inputs *inputs)
{
    if (inputs->path_count != 1) return false;
    const char *path = inputs->paths[0];
    enum image_kind kind;
    bool is_video;
    if (strcmp(path, "-") == 0 || is_folder(path) || is_missing(path)) return false;
    return find_kind(path, &kind, &is_video, NULL) != STATUS_OK || !is_video;
}

int face_inputs_name_width(const struct face_inputs *inputs)
{
    size_t width = NAME_WIDTH_LEAST;
    for (size_t i = 0; i < inputs->path_count; i++) {
        size_t length = text_characters(inputs->paths[i]);
        if (is_folder(inputs->paths[i])) length += NAME_WIDTH_LEAST;
        if (length > width) width = length;
    }
    return width < NAME_WIDTH_MOST ? (int)width : NAME_WIDTH_MOST;
}
