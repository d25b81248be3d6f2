/* Tasks in parallel, folders, lists, and tar members for what is drawn. */
#include "synth/synth_internal.h"

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
    return result == STATUS_OK ? atomic_file_open(out, path, err) : result;
}

status synth_write_file(const char *path, const void *bytes, size_t size, struct error *err)
{
    FILE *file = fopen(path, "wb");
    bool written = file != NULL && fwrite(bytes, 1, size, file) == size;
    if (file != NULL && fclose(file) != 0) written = false;
    return written ? STATUS_OK : error_set_errno(err, "%s: cannot be written", path);
}

/* ---- tar (POSIX.1-1988 ustar) -----------------------------------------------------------------------------------
 */

enum { TAR_BLOCK = 512 };

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], time[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};

static status write_whole(FILE *tar, const void *bytes, size_t size, struct error *err)
{
    if (size != 0 && fwrite(bytes, 1, size, tar) != size) return error_set_errno(err, "a tar file cannot be written");
    return STATUS_OK;
}

static void fill_header(struct tar_header *header, const char *name, size_t size)
{
    memset(header, 0, sizeof *header);
    snprintf(header->name, sizeof header->name, "%s", name);
    snprintf(header->mode, sizeof header->mode, "%07o", 0644U);
    snprintf(header->uid, sizeof header->uid, "%07o", 0U);
    snprintf(header->gid, sizeof header->gid, "%07o", 0U);
    snprintf(header->size, sizeof header->size, "%011zo", size);
    snprintf(header->time, sizeof header->time, "%011o", 0U);
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    header->type = '0';
    /* The sum is taken with its own field full of blanks. */
    memset(header->checksum, ' ', sizeof header->checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *header; i++) sum += ((const unsigned char *)header)[i];
    snprintf(header->checksum, sizeof header->checksum - 1, "%06o", sum);
}

status synth_tar_member(FILE *tar, const char *name, const uint8_t *bytes, size_t size, uint64_t *place,
                        struct error *err)
{
    static const char zeros[TAR_BLOCK] = {0};
    struct tar_header header;
    _Static_assert(sizeof header == TAR_BLOCK, "a tar header is one block");
    if (strlen(name) >= sizeof header.name) return error_set(err, "%.100s: too long a name for a tar file", name);
    long at = ftell(tar);
    if (at < 0) return error_set_errno(err, "a tar file cannot be written");
    *place = (uint64_t)at;
    fill_header(&header, name, size);
    status result = write_whole(tar, &header, sizeof header, err);
    if (result == STATUS_OK) result = write_whole(tar, bytes, size, err);
    return result == STATUS_OK ? write_whole(tar, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, err) : result;
}

status synth_tar_end(FILE *tar, struct error *err)
{
    static const char zeros[2 * TAR_BLOCK] = {0};
    return write_whole(tar, zeros, sizeof zeros, err);
}
