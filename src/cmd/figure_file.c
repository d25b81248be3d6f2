/* Figures to files, each put in its place when it is complete. */
#include "cmd/figure_file.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <string.h>

static bool is_png_name(const char *path)
{
    return text_ends_with_ignoring_case(path, ".png");
}

static bool is_svg_name(const char *path)
{
    return text_ends_with_ignoring_case(path, ".svg");
}

status figure_file_check(const char *command, const char *path, bool also_png, struct error *err)
{
    if (path == NULL) return error_set_usage(err, "%s needs -o FILE.svg", command);
    if ((also_png || is_png_name(path)) && !canvas_has_png())
        return error_set_usage(err,
                               "this build has no cairo, which draws PNG: install libcairo2-dev and build again, or "
                               "write SVG");
    return STATUS_OK;
}

status figure_file_beside(const char *path, bool also_png, char **beside, struct error *err)
{
    *beside = NULL;
    if (!also_png || is_png_name(path)) return STATUS_OK;
    *beside = memory_copy_string(path, err);
    if (*beside == NULL) return STATUS_FAILED;
    memcpy(*beside + strlen(path) - 4, ".png", 4);
    return STATUS_OK;
}

status figure_file_try(const char *path, bool also_png, struct error *err)
{
    if (!is_png_name(path) && !is_svg_name(path))
        return error_set_usage(err, "-o %s: a figure is written to a file whose name ends in .svg or .png", path);
    char *beside;
    status result = figure_file_beside(path, also_png, &beside, err);
    if (result == STATUS_OK) result = atomic_file_try(path, err);
    if (result == STATUS_OK && beside != NULL) result = atomic_file_try(beside, err);
    memory_free(beside);
    return result;
}

static status write_one(const char *path, enum canvas_format format, figure_draw draw, const void *data, FILE *listing,
                        struct error *err)
{
    struct text figure = {0};
    struct atomic_file file = {0};
    status result = draw(data, format, &figure, err);
    if (result == STATUS_OK) result = atomic_file_open(&file, path, err);
    if (result == STATUS_OK && fwrite(figure.bytes, 1, figure.length, file.stream) != figure.length)
        result = error_set_errno(err, "%s: cannot be written", path);
    if (result == STATUS_OK)
        result = atomic_file_commit(&file, err);
    else
        atomic_file_abandon(&file);
    if (result == STATUS_OK && listing != NULL) {
        text_print_name(path, listing);
        fputc('\n', listing);
    }
    text_free(&figure);
    return result;
}

status figure_file_write(const char *path, bool also_png, figure_draw draw, const void *data, FILE *listing,
                         struct error *err)
{
    char *beside;
    status result = figure_file_beside(path, also_png, &beside, err);
    if (result == STATUS_OK)
        result = write_one(path, is_png_name(path) ? CANVAS_PNG : CANVAS_SVG, draw, data, listing, err);
    if (result == STATUS_OK && beside != NULL) result = write_one(beside, CANVAS_PNG, draw, data, listing, err);
    memory_free(beside);
    return result;
}
