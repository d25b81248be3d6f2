#include "cmd/predict_inputs.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/video.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FOLDER_DEPTH = 64, LONGEST_LINE = 65536, NAME_WIDTH_MOST = 48, NAME_WIDTH_LEAST = 24 };

/* A file still to be looked at, and its name below the folder that was given. */
struct pending {
    char *path, *target;
};

struct predict_inputs {
    const char *const *paths;
    size_t path_count, next_path;
    struct predict_input_options options;
    bool reads_list; /* standard input is being read */
    struct pending *pending;
    size_t pending_count, pending_capacity, next_pending;
    struct video *video; /* the one being read */
    struct pending video_file;
    size_t foreign; /* pictures of other kinds met in the folder being listed */
};

void predict_input_free(struct predict_input *input)
{
    memory_free(input->path);
    memory_free(input->target);
    image_free(&input->image);
    *input = (struct predict_input){0};
}

static void pending_free(struct pending *pending)
{
    memory_free(pending->path);
    memory_free(pending->target);
    *pending = (struct pending){0};
}

status predict_inputs_create(struct predict_inputs **out, const char *const *paths, size_t count,
                             const struct predict_input_options *options, struct error *err)
{
    struct predict_inputs *inputs = *out = memory_allocate(1, sizeof *inputs, "the list of inputs", err);
    if (inputs == NULL) return STATUS_FAILED;
    inputs->paths = paths;
    inputs->path_count = count;
    inputs->options = *options;
    return STATUS_OK;
}

void predict_inputs_free(struct predict_inputs *inputs)
{
    if (inputs == NULL) return;
    for (size_t i = inputs->next_pending; i < inputs->pending_count; i++) pending_free(&inputs->pending[i]);
    memory_free(inputs->pending);
    pending_free(&inputs->video_file);
    video_close(inputs->video);
    memory_free(inputs);
}

/* ---- files waiting
 * ------------------------------------------------------------------------------------------------- */

static status add_pending(struct predict_inputs *inputs, const char *path, const char *target, struct error *err)
{
    if (inputs->pending_count == inputs->pending_capacity) {
        size_t capacity = inputs->pending_capacity == 0 ? 64 : 2 * inputs->pending_capacity;
        struct pending *grown =
            memory_grow(inputs->pending, inputs->pending_count, capacity, sizeof *grown, "the list of inputs", err);
        if (grown == NULL) return STATUS_FAILED;
        inputs->pending = grown;
        inputs->pending_capacity = capacity;
    }
    struct pending added = {memory_copy_string(path, err), memory_copy_string(target, err)};
    if (added.path == NULL || added.target == NULL) {
        pending_free(&added);
        return STATUS_FAILED;
    }
    inputs->pending[inputs->pending_count++] = added;
    return STATUS_OK;
}

static bool has_ending(const char *name, const char *const *endings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_ends_with_ignoring_case(name, endings[i])) return true;
    return false;
}

static bool is_picture_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
    return has_ending(name, endings, sizeof endings / sizeof *endings);
}

static bool is_foreign_name(const char *name)
{
    static const char *const endings[] = {".bmp", ".tif", ".tiff", ".gif", ".webp", ".heic", ".heif", ".avif"};
    return has_ending(name, endings, sizeof endings / sizeof *endings);
}

/* ---- folders
 * ------------------------------------------------------------------------------------------------------- */

struct names {
    char **items;
    size_t count, capacity;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) memory_free(names->items[i]);
    memory_free(names->items);
    *names = (struct names){0};
}

static status add_name(struct names *names, const char *name, struct error *err)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 64 : 2 * names->capacity;
        char **grown = memory_grow(names->items, names->count, capacity, sizeof *grown, "a folder's names", err);
        if (grown == NULL) return STATUS_FAILED;
        names->items = grown;
        names->capacity = capacity;
    }
    names->items[names->count] = memory_copy_string(name, err);
    return names->items[names->count] == NULL ? STATUS_FAILED : (names->count++, STATUS_OK);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted; hidden files are left out (among them the "._" twins that some systems put beside pictures). */
static status read_names(struct names *names, const char *folder, struct error *err)
{
    DIR *stream = opendir(folder);
    if (stream == NULL) return error_set_errno(err, "%s", folder);
    status result = STATUS_OK;
    errno = 0;
    for (struct dirent *entry; result == STATUS_OK && (entry = readdir(stream)) != NULL; errno = 0)
        if (entry->d_name[0] != '.') result = add_name(names, entry->d_name, err);
    if (result == STATUS_OK && errno != 0) result = error_set_errno(err, "%s", folder);
    closedir(stream);
    if (names->count > 0) qsort(names->items, names->count, sizeof *names->items, compare_names);
    return result;
}

static status list_folder(struct predict_inputs *inputs, const char *folder, const char *target, int depth,
                          struct error *err);

static status list_entry(struct predict_inputs *inputs, const char *folder, const char *target, const char *name,
                         int depth, struct error *err)
{
    struct stat info;
    char *path = path_join(folder, name, err), *below = path_join(target, name, err);
    status result = path == NULL || below == NULL ? STATUS_FAILED : STATUS_OK;
    /* A link to a folder is not followed: it may lead back to where we are. */
    bool is_folder = result == STATUS_OK && lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
    bool is_open = is_folder && depth < MOST_FOLDER_DEPTH && access(path, R_OK | X_OK) == 0;
    /* A folder that cannot be listed becomes an input of its own, whose reading will say why. */
    if (is_folder)
        result = is_open ? list_folder(inputs, path, below, depth + 1, err) : add_pending(inputs, path, below, err);
    else if (result == STATUS_OK && (is_picture_name(name) || video_is_named(name)))
        result = add_pending(inputs, path, below, err);
    else if (result == STATUS_OK)
        inputs->foreign += is_foreign_name(name);
    memory_free(path);
    memory_free(below);
    return result;
}

/* Every picture and video below the folder, in order. `target` is the folder's name below the one that was given. */
static status list_folder(struct predict_inputs *inputs, const char *folder, const char *target, int depth,
                          struct error *err)
{
    struct names names = {0};
    status result = read_names(&names, folder, err);
    for (size_t i = 0; result == STATUS_OK && i < names.count; i++)
        result = list_entry(inputs, folder, target, names.items[i], depth, err);
    names_free(&names);
    return result;
}

static status add_folder(struct predict_inputs *inputs, const char *folder, struct error *err)
{
    size_t before = inputs->pending_count;
    inputs->foreign = 0;
    status result = list_folder(inputs, folder, "", 0, err);
    if (result != STATUS_OK) return result;
    if (inputs->foreign > 0)
        log_warning("%s: pictures that are neither JPEG nor PNG are left out (%zu)", folder, inputs->foreign);
    if (inputs->pending_count == before) return error_set(err, "%s: no pictures or videos in this folder", folder);
    return STATUS_OK;
}

/* ---- what a path means
 * --------------------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_missing(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 && errno == ENOENT;
}

static status add_file_or_folder(struct predict_inputs *inputs, const char *path, struct error *err)
{
    return is_folder(path) ? add_folder(inputs, path, err) : add_pending(inputs, path, path_name(path), err);
}

static status add_pattern(struct predict_inputs *inputs, const char *pattern, struct error *err)
{
    glob_t found = {0};
    int code = glob(pattern, 0, NULL, &found);
    status result = STATUS_OK;
    if (code == GLOB_NOMATCH)
        result = error_set(err, "%s: no file has a name like this", pattern);
    else if (code != 0)
        result = error_set(err, "%s: the pattern could not be followed", pattern);
    for (size_t i = 0; result == STATUS_OK && i < found.gl_pathc; i++)
        result = add_file_or_folder(inputs, found.gl_pathv[i], err);
    globfree(&found);
    return result;
}

/* A file of that very name goes before a pattern. */
static status add_path(struct predict_inputs *inputs, const char *path, struct error *err)
{
    bool is_pattern = strpbrk(path, "*?[") != NULL && is_missing(path);
    return is_pattern ? add_pattern(inputs, path, err) : add_file_or_folder(inputs, path, err);
}

/* The next line of standard input; false at its end. */
static bool read_line(struct predict_inputs *inputs, struct text *line, struct error *err)
{
    int end = inputs->options.null_separated ? '\0' : '\n', byte;
    line->length = 0;
    while ((byte = getc(stdin)) != EOF && byte != end) {
        char character = (char)byte;
        if (line->length == LONGEST_LINE || (byte == '\0' && end != '\0')) {
            error_set(err, "standard input: not a list of paths (%s)",
                      byte == '\0' ? "for a list separated by NUL there is --null" : "a line is too long");
            return false;
        }
        if (text_append(line, &character, 1, err) != STATUS_OK) return false;
    }
    return byte != EOF || line->length > 0;
}

/* Lists what the next line names; blank lines are passed over. Sets reads_list to false at the end. */
static status add_line(struct predict_inputs *inputs, struct error *err)
{
    struct text line = {0};
    status result = STATUS_OK;
    bool found = read_line(inputs, &line, err);
    if (!found) {
        inputs->reads_list = false;
        result = err->code;
    } else if (line.length > 0) {
        char *path = inputs->options.null_separated ? line.bytes : text_trim(line.bytes);
        if (path[0] != '\0') result = add_file_or_folder(inputs, path, err);
    }
    text_free(&line);
    return result;
}

/* ---- one after the other
 * ------------------------------------------------------------------------------------------- */

/* Hands the names over to the input. */
static void give_names(struct predict_input *input, struct pending *file)
{
    input->path = file->path;
    input->target = file->target;
    *file = (struct pending){0};
}

static void give_error(struct predict_input *input, const char *path, const struct error *error)
{
    input->error = *error;
    input->path = memory_copy_string(path, NULL);
    input->target = memory_copy_string("", NULL);
}

/* The first bytes decide; where they say nothing, the name. */
static bool is_video(const char *path)
{
    uint8_t bytes[16];
    struct stat info;
    bool is_file = stat(path, &info) == 0 && S_ISREG(info.st_mode); /* opening a pipe would wait */
    FILE *file = is_file ? fopen(path, "rbe") : NULL;
    if (file == NULL) return false;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (video_is_content(bytes, size)) return true;
    bool is_picture = size >= 4 && (memcmp(bytes, "\xff\xd8\xff", 3) == 0 || memcmp(bytes, "\x89PNG", 4) == 0);
    return !is_picture && size > 0 && video_is_named(path);
}

/* True when an input was given. */
static bool next_frame(struct predict_inputs *inputs, struct predict_input *input)
{
    struct error error = {0};
    struct video_frame frame;
    bool ended;
    status result = video_next(inputs->video, &frame, &ended, &error);
    if (result == STATUS_OK && !ended) {
        input->path = memory_copy_string(inputs->video_file.path, &error);
        input->target = memory_copy_string(inputs->video_file.target, &error);
        input->is_frame = true;
        input->frame = frame.index;
        input->time = frame.time;
        input->image = frame.image;
        input->error = error;
        return true;
    }
    size_t damaged = video_damaged(inputs->video);
    if (result == STATUS_OK && damaged > 0)
        log_warning("%s: %zu damaged places were passed over", inputs->video_file.path, damaged);
    video_close(inputs->video);
    inputs->video = NULL;
    if (result != STATUS_OK) {
        give_names(input, &inputs->video_file);
        input->error = error;
    }
    pending_free(&inputs->video_file);
    return result != STATUS_OK;
}

/* True when an input was given: a picture, or a video that cannot be opened. */
static bool start_file(struct predict_inputs *inputs, struct predict_input *input)
{
    struct error error = {0};
    struct pending *file = &inputs->pending[inputs->next_pending++];
    if (!is_video(file->path)) {
        give_names(input, file);
        return true;
    }
    struct video_options options = {.every = inputs->options.every, .most_pixels = inputs->options.most_pixels};
    if (video_open(&inputs->video, file->path, &options, &error) == STATUS_OK) {
        inputs->video_file = *file;
        *file = (struct pending){0};
        return false;
    }
    give_names(input, file);
    input->error = error;
    return true;
}

static void forget_pending(struct predict_inputs *inputs)
{
    for (size_t i = inputs->next_pending; i < inputs->pending_count; i++) pending_free(&inputs->pending[i]);
    inputs->pending_count = inputs->next_pending = 0;
}

bool predict_inputs_next(struct predict_inputs *inputs, struct predict_input *input)
{
    for (;;) {
        struct error error = {0};
        const char *asked = "-";
        status result = STATUS_OK;
        *input = (struct predict_input){0};
        if (inputs->video != NULL) {
            if (next_frame(inputs, input)) return true;
        } else if (inputs->next_pending < inputs->pending_count) {
            if (start_file(inputs, input)) return true;
        } else if (inputs->reads_list) {
            forget_pending(inputs);
            result = add_line(inputs, &error);
        } else if (inputs->next_path < inputs->path_count) {
            forget_pending(inputs);
            asked = inputs->paths[inputs->next_path++];
            if (strcmp(asked, "-") == 0)
                inputs->reads_list = true;
            else
                result = add_path(inputs, asked, &error);
        } else {
            return false;
        }
        if (result == STATUS_OK) continue;
        give_error(input, asked, &error);
        return true;
    }
}

bool predict_inputs_is_single(const struct predict_inputs *inputs)
{
    if (inputs->path_count != 1) return false;
    const char *path = inputs->paths[0];
    return strcmp(path, "-") != 0 && !is_folder(path) && !is_missing(path) && !is_video(path);
}

int predict_inputs_name_width(const struct predict_inputs *inputs)
{
    size_t width = NAME_WIDTH_LEAST;
    for (size_t i = 0; i < inputs->path_count; i++) {
        size_t length = strlen(inputs->paths[i]);
        if (is_folder(inputs->paths[i])) length += NAME_WIDTH_LEAST;
        if (length > width) width = length;
    }
    return width < NAME_WIDTH_MOST ? (int)width : NAME_WIDTH_MOST;
}
