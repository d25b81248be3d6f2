/* Tasks in parallel, folders, lists, and tar members for what is drawn. */
#include "synth/synth_internal.h"

#include "rmfer/base/file.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

status synth_run(synth_task task, const void *context, size_t count, struct error *err)
{
    struct error first = {0};
#pragma omp parallel for schedule(dynamic, 8)
    for (size_t i = 0; i < count; i++) {
        struct error own = {0};
        if (task(context, i, &own) == STATUS_OK) continue;
#pragma omp critical(rmfer_synth_error)
        if (first.code == STATUS_OK) first = own;
    }
    if (first.code != STATUS_OK && err != NULL && err->code == STATUS_OK) *err = first;
    return first.code;
}

static status format_path(char path[SYNTH_PATH_BYTES], const char *format, va_list arguments, struct error *err)
{
    int length = vsnprintf(path, SYNTH_PATH_BYTES, format, arguments);
    if (length >= 0 && length < SYNTH_PATH_BYTES) return STATUS_OK;
    return error_set(err, "%.200s...: the path is too long", path);
}

status synth_path(char path[SYNTH_PATH_BYTES], struct error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    status result = format_path(path, format, arguments, err);
    va_end(arguments);
    return result;
}

status synth_folder(struct error *err, const char *format, ...)
{
    char path[SYNTH_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    status result = format_path(path, format, arguments, err);
    va_end(arguments);
    return result == STATUS_OK ? folder_create(path, err) : result;
}

status synth_list(struct atomic_file *out, struct error *err, const char *format, ...)
{
    char path[SYNTH_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    status result = format_path(path, format, arguments, err);
    va_end(arguments);
    if (result != STATUS_OK) return result;
    atomic_file_remove_stale(path);
    return atomic_file_open(out, path, err);
}
