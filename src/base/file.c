/* Reading whole files and mapping them, making folders, and writing beside the target: open, write, sync, rename,
 * sync the folder. Errors keep the errno of what failed first. */
#define _GNU_SOURCE /* O_DIRECTORY, O_CLOEXEC */
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file and tells its size. */
static status open_regular(const char *path, int *descriptor, size_t *size, struct error *err)
{
    /* Without blocking: opening a pipe would wait for a writer before it could be refused. */
    *descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*descriptor < 0) return error_set_errno(err, "%s", path);
    struct stat facts;
    status result = STATUS_OK;
    if (fstat(*descriptor, &facts) != 0) {
        result = error_set_errno(err, "%s", path);
    } else if (!S_ISREG(facts.st_mode)) {
        result = error_set(err, "%s: not a regular file", path);
    }
    if (result != STATUS_OK) close(*descriptor);
    else *size = (size_t)facts.st_size;
    return result;
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
        }
    }
    close(descriptor);
    return result;
}

void file_unmap(struct mapped_file *file)
{
    if (file->bytes != NULL) munmap((void *)(uintptr_t)file->bytes, file->size);
    *file = (struct mapped_file){0};
}

status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, struct error *err)
{
    int descriptor;
    *bytes = NULL;
    *size = 0;
    status result = open_regular(path, &descriptor, size, err);
    if (result != STATUS_OK) return result;
    uint8_t *block = NULL;
    size_t got = 0;
    if (*size > limit) {
        result = error_set(err, "%s: %zu bytes, more than the limit of %zu", path, *size, limit);
    } else if ((block = memory_allocate(*size + 1, 1, path, err)) == NULL) {
        result = STATUS_FAILED;
    }
    while (result == STATUS_OK && got < *size) {
        ssize_t count = read(descriptor, block + got, *size - got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) result = error_set_errno(err, "%s", path);
        if (count == 0) result = error_set(err, "%s: ended after %zu of %zu bytes", path, got, *size);
        if (count > 0) got += (size_t)count;
    }
    close(descriptor);
    if (result != STATUS_OK) {
        memory_free(block);
        block = NULL;
    }
    *bytes = block;
    return result;
}

bool file_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool folder_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
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
        if (mkdir(partial, 0777) != 0 && !folder_exists(partial))
            result = error_set_errno(err, "%s: cannot make the folder", partial);
        *at = kept;
        if (kept == '\0') break;
    }
    memory_free(partial);
    return result;
}

status atomic_file_open(struct atomic_file *file, const char *path, struct error *err)
{
    *file = (struct atomic_file){0};
    struct text temporary = {0};
    file->path = memory_copy_string(path, err);
    if (file->path == NULL || text_append_format(&temporary, err, "%s.tmp.%ld", path, (long)getpid()) != STATUS_OK) {
        atomic_file_abandon(file);
        return STATUS_FAILED;
    }
    file->temporary = temporary.bytes;
    file->stream = fopen(file->temporary, "wbe");
    if (file->stream != NULL) return STATUS_OK;
    status result = error_set_errno(err, "%s: cannot be written", path);
    atomic_file_abandon(file);
    return result;
}

/* The rename itself must reach the disk too. */
static void sync_folder_of(const char *path)
{
    char *folder = path_folder(path, NULL);
    int descriptor = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    memory_free(folder);
}

status atomic_file_commit(struct atomic_file *file, struct error *err)
{
    status result = STATUS_OK;
    if (fflush(file->stream) != 0 || ferror(file->stream) || fsync(fileno(file->stream)) != 0)
        result = error_set_errno(err, "%s: cannot be written", file->path);
    if (fclose(file->stream) != 0 && result == STATUS_OK)
        result = error_set_errno(err, "%s: cannot be written", file->path);
    file->stream = NULL;
    if (result == STATUS_OK && rename(file->temporary, file->path) != 0)
        result = error_set_errno(err, "%s: cannot be put in place", file->path);
    if (result == STATUS_OK) {
        sync_folder_of(file->path);
        memory_free(file->temporary);
        file->temporary = NULL;
    }
    atomic_file_abandon(file);
    return result;
}

void atomic_file_abandon(struct atomic_file *file)
{
    if (file->stream != NULL) fclose(file->stream);
    if (file->temporary != NULL) unlink(file->temporary);
    memory_free(file->temporary);
    memory_free(file->path);
    *file = (struct atomic_file){0};
}
