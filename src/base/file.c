/* Reading whole files and mapping them, asking what a path is, and making folders. Writing is file_write.c's. Errors
 * keep the errno of what failed first. */
#define _GNU_SOURCE /* O_CLOEXEC, MAP_ANONYMOUS */
#include "rmfer/base/file.h"
#include "rmfer/base/mapping_guard.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without blocking: opening a pipe would wait for a writer before it could be refused. */
static int open_for_reading(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Tells the size of the regular file that `descriptor`, of open_for_reading, is; closes what is none. */
static status check_opened(int descriptor, const char *path, size_t *size, struct error *err)
{
    if (descriptor < 0) return error_set_errno(err, "%s", path);
    struct stat facts;
    status result = STATUS_OK;
    if (fstat(descriptor, &facts) != 0) {
        result = error_set_errno(err, "%s", path);
    } else if (!S_ISREG(facts.st_mode)) {
        result = error_set(err, "%s: not a regular file", path);
    }
    if (result != STATUS_OK)
        close(descriptor);
    else
        *size = (size_t)facts.st_size;
    return result;
}

/* Opens a regular file and tells its size. */
static status open_regular(const char *path, int *descriptor, size_t *size, struct error *err)
{
    *descriptor = open_for_reading(path);
    return check_opened(*descriptor, path, size, err);
}

status file_map(struct mapped_file *file, const char *path, struct error *err)
{
    *file = (struct mapped_file){0};
    int descriptor;
    size_t size;
    status result = open_regular(path, &descriptor, &size, err);
    if (result != STATUS_OK) return result;
    if (size > 0) {
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED) {
            result = error_set_errno(err, "%s: cannot be mapped", path);
        } else {
            file->bytes = bytes;
            file->size = size;
            mapping_guard_add(bytes, size, path);
        }
    }
    close(descriptor);
    return result;
}

void file_unmap(struct mapped_file *file)
{
    if (file->bytes != NULL) mapping_guard_remove(file->bytes);
    if (file->bytes != NULL) munmap((void *)(uintptr_t)file->bytes, file->size);
    *file = (struct mapped_file){0};
}

/* Smaller ones are not worth a look at what memory is left. */
static const size_t LARGE_FILE = (size_t)1 << 20;

/* Reads until `size` bytes are there. */
static status read_all(int descriptor, const char *path, uint8_t *bytes, size_t size, struct error *err)
{
    for (size_t got = 0; got < size;) {
        ssize_t count = read(descriptor, bytes + got, size - got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error_set_errno(err, "%s", path);
        if (count == 0) return error_set(err, "%s: ended after %zu of %zu bytes", path, got, size);
        got += (size_t)count;
    }
    return STATUS_OK;
}

status file_load(struct mapped_file *file, const char *path, struct error *err)
{
    *file = (struct mapped_file){0};
    int descriptor;
    size_t size;
    status result = open_regular(path, &descriptor, &size, err);
    if (result != STATUS_OK) return result;
    if (size >= LARGE_FILE) result = memory_require(size, path, err);
    if (size > 0 && result == STATUS_OK) {
        void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED) {
            result = error_set(err, "%s: not enough memory for its %zu bytes", path, size);
        } else {
            *file = (struct mapped_file){bytes, size};
            result = read_all(descriptor, path, bytes, size, err);
        }
    }
    close(descriptor);
    if (result != STATUS_OK) file_unmap(file);
    return result;
}

/* The whole of an opened file, which is closed. */
static status read_opened(int descriptor, const char *path, size_t limit, uint8_t **bytes, size_t *size,
                          struct error *err)
{
    status result = check_opened(descriptor, path, size, err);
    if (result != STATUS_OK) return result;
    uint8_t *block = NULL;
    if (*size > limit) {
        result = error_set(err, "%s: %zu bytes, more than the limit of %zu", path, *size, limit);
    } else if ((block = memory_allocate(*size + 1, 1, path, err)) == NULL) {
        result = STATUS_FAILED;
    }
    if (result == STATUS_OK) result = read_all(descriptor, path, block, *size, err);
    close(descriptor);
    if (result != STATUS_OK) {
        memory_free(block);
        block = NULL;
    }
    *bytes = block;
    return result;
}

status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, struct error *err)
{
    *bytes = NULL;
    *size = 0;
    return read_opened(open_for_reading(path), path, limit, bytes, size, err);
}

status file_read_if_there(const char *path, size_t limit, bool *there, uint8_t **bytes, size_t *size, struct error *err)
{
    *bytes = NULL;
    *size = 0;
    int descriptor = open_for_reading(path);
    *there = descriptor >= 0 || errno != ENOENT;
    return *there ? read_opened(descriptor, path, limit, bytes, size, err) : STATUS_OK;
}

status file_find(const char *path, bool *there, struct error *err)
{
    struct stat facts;
    *there = false;
    if (stat(path, &facts) != 0)
        return errno == ENOENT || errno == ENOTDIR ? STATUS_OK : error_set_errno(err, "%s", path);
    *there = S_ISREG(facts.st_mode);
    return STATUS_OK;
}

bool file_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool path_is_same(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

status file_check_output(const char *output, const char *input, struct error *err)
{
    if (output == NULL || input == NULL || !file_exists(output) || !path_is_same(output, input)) return STATUS_OK;
    return error_set_usage(err, "%s: is read here, and would be written over: take another name", output);
}

bool folder_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool folder_is_same(const char *a, const char *b)
{
    return folder_exists(a) && path_is_same(a, b);
}

/* Goes up from the real path of a folder, which it shortens. */
static bool real_is_below(char *real, const char *folder)
{
    while (!folder_is_same(real, folder)) {
        char *slash = strrchr(real, '/');
        if (slash == NULL || slash[1] == '\0') return false;
        slash[slash == real] = '\0'; /* "/" is the last */
    }
    return true;
}

bool path_is_below(const char *path, const char *folder)
{
    char *above = path_folder(path, NULL);
    char *own = above == NULL ? NULL : realpath(above, NULL), *led_to = realpath(path, NULL);
    bool is_below = (own != NULL && real_is_below(own, folder)) || (led_to != NULL && real_is_below(led_to, folder));
    memory_free(above);
    free(own); /* realpath's */
    free(led_to);
    return is_below;
}

status folder_create(const char *path, struct error *err)
{
    char *partial = memory_copy_string(path, err);
    if (partial == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    for (char *at = partial + 1; result == STATUS_OK; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(partial, 0777) != 0) {
            int reason = errno; /* which looking for the folder would overwrite */
            bool exists = folder_exists(partial);
            errno = reason;
            if (!exists) result = error_set_errno(err, "%s: cannot make the folder", partial);
        }
        *at = kept;
        if (kept == '\0') break;
    }
    memory_free(partial);
    return result;
}
