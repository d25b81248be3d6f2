/* Writing beside the target, exclusively, then linking or renaming: two writers, a full disk or a kill leave at `path`
 * what was there, or all of the new. */
#define _GNU_SOURCE /* O_NOFOLLOW, O_CLOEXEC */
#include "rmfer/base/file_write.h"

#include "rmfer/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_NAMES = 1000 };

/* A file that nobody else has, beside `path`; -1 and an error when there is none to be had. */
static int open_beside(const char *path, struct text *name, struct error *err)
{
    for (int i = 0; i < MOST_NAMES; i++) {
        name->length = 0;
        if (text_append_format(name, err, "%s.tmp.%ld.%d", path, (long)getpid(), i) != STATUS_OK) return -1;
        int descriptor = open(name->bytes, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (descriptor >= 0) return descriptor;
        if (errno != EEXIST) break;
    }
    error_set_errno(err, "%s: cannot be written", path);
    return -1;
}

static status write_all(int descriptor, const char *path, const char *bytes, size_t size, struct error *err)
{
    while (size > 0) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return error_set_errno(err, "%s: cannot be written", path);
        bytes += written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

/* A link takes nothing's place. Where there are no hard links (FAT), a placeholder does the same in two steps. */
static status place_new(const char *name, const char *path, struct error *err)
{
    if (link(name, path) == 0) {
        unlink(name);
        return STATUS_OK;
    }
    if (errno != EEXIST) {
        int placeholder = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (placeholder >= 0) {
            close(placeholder);
            if (rename(name, path) == 0) return STATUS_OK;
            int kept = errno;
            unlink(path);
            errno = kept;
        }
    }
    if (errno == EEXIST) return error_set(err, "%s: is there already", path);
    return error_set_errno(err, "%s: cannot be written", path);
}

status file_write_whole(const char *path, const void *bytes, size_t size, bool replace, struct error *err)
{
    struct text name = {0};
    int descriptor = open_beside(path, &name, err);
    if (descriptor < 0) {
        text_free(&name);
        return STATUS_FAILED;
    }
    status result = write_all(descriptor, path, bytes, size, err);
    if (close(descriptor) != 0 && result == STATUS_OK) result = error_set_errno(err, "%s: cannot be written", path);
    if (result == STATUS_OK && replace && rename(name.bytes, path) != 0)
        result = error_set_errno(err, "%s: cannot be put in place", path);
    if (result == STATUS_OK && !replace) result = place_new(name.bytes, path, err);
    if (result != STATUS_OK) unlink(name.bytes);
    text_free(&name);
    return result;
}
