/* Writing into a file without a name, or beside the target, exclusively, then linking or renaming: two writers, a full
 * disk or a kill leave at `path` what was there, or all of the new. */
#define _GNU_SOURCE /* O_NOFOLLOW, O_CLOEXEC, O_DIRECTORY */
#include "rmfer/base/file_write.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "temporary_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A file that has no name yet gets the one it needs: that of the target, or a temporary one. */
static status name_written(int descriptor, const char *path, bool replace, struct text *name, struct error *err)
{
    if (replace) return temporary_file_name(descriptor, path, name, err);
    if (temporary_file_place(descriptor, path)) return STATUS_OK;
    if (errno == EEXIST) return error_set(err, "%s: is there already", path);
    return error_set_errno(err, "%s: cannot be put in place", path);
}

status file_write_whole(const char *path, const void *bytes, size_t size, bool replace, struct error *err)
{
    struct text name = {0};
    int descriptor = temporary_file_open(path, &name, err);
    if (descriptor < 0) {
        text_free(&name);
        return STATUS_FAILED;
    }
    bool nameless = name.length == 0;
    status result = write_all(descriptor, path, bytes, size, err);
    if (result == STATUS_OK && nameless) result = name_written(descriptor, path, replace, &name, err);
    if (close(descriptor) != 0 && result == STATUS_OK) result = error_set_errno(err, "%s: cannot be written", path);
    if (result == STATUS_OK && replace && rename(name.bytes, path) != 0)
        result = error_set_errno(err, "%s: cannot be put in place", path);
    if (result == STATUS_OK && !replace && !nameless) result = place_new(name.bytes, path, err);
    if (result != STATUS_OK && name.length > 0) unlink(name.bytes);
    text_free(&name);
    return result;
}

/* ---- a stream ---------------------------------------------------------------------------------------------------- */

enum { MOST_LINKS = 40 };

/* What `path` leads to when it is a link, itself otherwise: the file need not exist. Release with memory_free. */
static char *follow_links(const char *path, struct error *err)
{
    char *at = memory_copy_string(path, err), target[PATH_MAX];
    for (int i = 0; at != NULL; i++) {
        ssize_t length = readlink(at, target, sizeof target - 1);
        if (length < 0) return at; /* no link */
        if (i == MOST_LINKS) errno = ELOOP;
        if (i == MOST_LINKS) break;
        target[length] = '\0';
        char *folder = path_folder(at, err);
        char *next = folder == NULL ? NULL : path_join(folder, target, err);
        memory_free(folder);
        memory_free(at);
        at = next;
    }
    if (at != NULL) error_set_errno(err, "%s", path);
    memory_free(at);
    return NULL;
}

/* A device or a pipe, opened under the name that was given: /dev/stdout and a shell's >(...) are links that lead to
 * no path where they stand for pipes. */
static int open_through(const char *path, struct error *err)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) error_set_errno(err, "%s: cannot be written", path);
    return descriptor;
}

/* A temporary file beside the target, which need not be there; -1 and an error when there can be none. */
static int open_beside(struct atomic_file *file, struct error *err)
{
    struct stat facts;
    bool exists = stat(file->path, &facts) == 0;
    struct text name = {0};
    int descriptor = temporary_file_open(file->path, &name, err);
    file->temporary = name.bytes;
    file->nameless = descriptor >= 0 && name.length == 0;
    if (descriptor >= 0 && exists) (void)fchmod(descriptor, facts.st_mode & 0777); /* as private as it was */
    if (descriptor >= 0) return descriptor;
    text_free(&name);
    file->temporary = NULL; /* there is nothing to remove */
    return -1;
}

status atomic_file_open(struct atomic_file *file, const char *path, struct error *err)
{
    struct stat facts;
    bool is_through = stat(path, &facts) == 0 && !S_ISREG(facts.st_mode);
    *file = (struct atomic_file){0};
    file->path = is_through ? memory_copy_string(path, err) : follow_links(path, err);
    int descriptor = file->path == NULL ? -1 : is_through ? open_through(path, err) : open_beside(file, err);
    if (descriptor >= 0) file->stream = fdopen(descriptor, "wb");
    if (file->stream != NULL) return STATUS_OK;
    if (descriptor >= 0) {
        error_set_errno(err, "%s: cannot be written", path);
        close(descriptor);
    }
    atomic_file_abandon(file);
    return STATUS_FAILED;
}

status atomic_file_try(const char *path, struct error *err)
{
    struct stat facts;
    struct atomic_file file;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode)) return STATUS_OK;
    status result = atomic_file_open(&file, path, err);
    if (result == STATUS_OK) atomic_file_abandon(&file);
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

/* A write that failed while the stream was filled has left no reason but the stream's mark. */
static status write_failed(const struct atomic_file *file, struct error *err)
{
    if (errno == 0) return error_set(err, "%s: cannot be written: a write failed, as on a full disk", file->path);
    return error_set_errno(err, "%s: cannot be written", file->path);
}

static status put_in_place(struct atomic_file *file, struct error *err)
{
    if (rename(file->temporary, file->path) != 0) return error_set_errno(err, "%s: cannot be put in place", file->path);
    if (!file->unsynced) sync_folder_of(file->path);
    memory_free(file->temporary);
    file->temporary = NULL;
    return STATUS_OK;
}

/* A rename needs a name. It is there for a moment only, in which the file is open still, and so locked. */
static status put_nameless_in_place(struct atomic_file *file, struct error *err)
{
    struct text name = {0};
    status result = temporary_file_name(fileno(file->stream), file->path, &name, err);
    if (result != STATUS_OK) return result;
    file->temporary = name.bytes;
    return put_in_place(file, err);
}

status atomic_file_commit(struct atomic_file *file, struct error *err)
{
    bool is_synced = (file->nameless || file->temporary != NULL) && !file->unsynced;
    status result = STATUS_OK;
    errno = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream) || (is_synced && fsync(fileno(file->stream)) != 0))
        result = write_failed(file, err);
    if (result == STATUS_OK && file->nameless) result = put_nameless_in_place(file, err);
    if (fclose(file->stream) != 0 && result == STATUS_OK) result = write_failed(file, err);
    file->stream = NULL;
    if (result == STATUS_OK && file->temporary != NULL) result = put_in_place(file, err);
    atomic_file_abandon(file);
    return result;
}

status atomic_file_write_bytes(const char *path, const void *bytes, size_t size, struct error *err)
{
    struct atomic_file file;
    status result = atomic_file_open(&file, path, err);
    if (result != STATUS_OK) return result;
    file.unsynced = true;
    if (fwrite(bytes, 1, size, file.stream) == size) return atomic_file_commit(&file, err);
    result = error_set_errno(err, "%s: cannot be written", path);
    atomic_file_abandon(&file);
    return result;
}

status atomic_file_write_text(const char *path, const char *text, struct error *err)
{
    struct atomic_file file;
    atomic_file_remove_stale(path);
    status result = atomic_file_open(&file, path, err);
    if (result != STATUS_OK) return result;
    if (fputs(text, file.stream) == EOF) {
        result = error_set_errno(err, "%s: cannot be written", path);
        atomic_file_abandon(&file);
        return result;
    }
    return atomic_file_commit(&file, err);
}

void atomic_file_abandon(struct atomic_file *file)
{
    if (file->stream != NULL) fclose(file->stream);
    if (file->temporary != NULL) unlink(file->temporary);
    memory_free(file->temporary);
    memory_free(file->path);
    *file = (struct atomic_file){0};
}

void atomic_file_remove_stale(const char *path)
{
    char *target = follow_links(path, NULL);
    char *folder = target == NULL ? NULL : path_folder(target, NULL);
    if (folder != NULL) temporary_files_remove_stale(folder, path_name(target));
    memory_free(folder);
    memory_free(target);
}

void atomic_files_remove_stale(const char *folder)
{
    temporary_files_remove_stale(folder, NULL);
}

/* ---- what is not written over ------------------------------------------------------------------------------------ */

/* Of files that are not there, the folder and the name decide. */
static bool will_be_same_file(const char *a, const char *b)
{
    char *left = follow_links(a, NULL), *right = follow_links(b, NULL);
    char *left_folder = left == NULL ? NULL : path_folder(left, NULL);
    char *right_folder = right == NULL ? NULL : path_folder(right, NULL);
    bool same = left_folder != NULL && right_folder != NULL && strcmp(path_name(left), path_name(right)) == 0 &&
                path_is_same(left_folder, right_folder);
    memory_free(left_folder);
    memory_free(right_folder);
    memory_free(left);
    memory_free(right);
    return same;
}

static status check_two_outputs(const char *a, const char *b, struct error *err)
{
    struct stat left, right;
    if (a == NULL || b == NULL) return STATUS_OK;
    bool a_is_there = stat(a, &left) == 0, b_is_there = stat(b, &right) == 0;
    bool is_device = (a_is_there && !S_ISREG(left.st_mode)) || (b_is_there && !S_ISREG(right.st_mode));
    if (a_is_there != b_is_there || is_device) return STATUS_OK;
    if (a_is_there ? !path_is_same(a, b) : !will_be_same_file(a, b)) return STATUS_OK;
    return error_set_usage(err, "%s: two results would go into this one file: name two", b);
}

status file_check_outputs(const char *const *outputs, size_t output_count, const char *const *inputs,
                          size_t input_count, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < output_count && result == STATUS_OK; i++) {
        for (size_t j = 0; j < input_count && result == STATUS_OK; j++)
            result = file_check_output(outputs[i], inputs[j], err);
        for (size_t j = 0; j < i && result == STATUS_OK; j++) result = check_two_outputs(outputs[j], outputs[i], err);
    }
    return result;
}

/* ---- what is replaced -------------------------------------------------------------------------------------------- */

void kept_file_hold(struct kept_file *kept, const char *path, const char *place)
{
    struct text name = {0};
    *kept = (struct kept_file){.place = place};
    if (temporary_file_link(path, place, &name))
        kept->name = name.bytes;
    else
        text_free(&name);
}

void kept_file_release(struct kept_file *kept, bool keep)
{
    if (kept->name != NULL && (!keep || rename(kept->name, kept->place) != 0)) (void)unlink(kept->name);
    memory_free(kept->name);
    *kept = (struct kept_file){0};
}
