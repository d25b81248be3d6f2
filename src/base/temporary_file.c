/* A file without a name (Linux's O_TMPFILE) is gone with its process, however that ends. Where there are none (NFS,
 * FAT, other systems), a temporary file is locked as long as its writer has it open: after a kill the lock is free,
 * whatever the machine's process numbers have become, and the next writer removes the file. */
#define _GNU_SOURCE /* O_NOFOLLOW, O_CLOEXEC, O_TMPFILE */
#include "temporary_file.h"

#include "rmfer/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TRIES = 16, DIGITS = 16 };
static const char MARK[] = ".tmp.";

/* Makes the file and locks it. Between the two a cleaner may have taken it for a dead writer's: then it has no name
 * any more, and another is made. File systems without locks have no cleaners either. */
static int make_locked(const char *name)
{
    struct stat facts;
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0) return -1;
    (void)flock(descriptor, LOCK_EX | LOCK_NB);
    if (fstat(descriptor, &facts) != 0 || facts.st_nlink > 0) return descriptor;
    close(descriptor);
    errno = EEXIST;
    return -1;
}

/* Bytes of a target's name that its temporary files' names begin with: all where mark and digits fit behind them, else
 * what leaves room, to the end of a character, as some file systems take nothing but whole ones. */
static size_t kept_length(const char *target)
{
    size_t length = strlen(target), most = NAME_MAX - (sizeof MARK - 1 + DIGITS);
    if (length <= most) return length;
    for (length = most; length > 0 && ((unsigned char)target[length] & 0xC0) == 0x80;) length--;
    return length > 0 ? length : most;
}

/* Puts a new name into `name`. */
static status invent_name(const char *path, struct text *name, struct error *err)
{
    const char *target = path_name(path);
    size_t length = (size_t)(target - path) + kept_length(target);
    unsigned long long random;
    name->length = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return error_set_errno(err, "%s: cannot be written", path);
    return text_append_format(name, err, "%.*s%s%0*llx", (int)length, path, MARK, DIGITS, random);
}

static const char OWN_DESCRIPTORS[] = "/proc/self/fd"; /* by which a name is given later */

/* -1 where that cannot be, for whatever reason: a named one is tried then. */
static int make_nameless(const char *path)
{
    int descriptor = -1;
#ifdef O_TMPFILE
    char *folder = access(OWN_DESCRIPTORS, X_OK) == 0 ? path_folder(path, NULL) : NULL;
    if (folder != NULL) descriptor = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    memory_free(folder);
    if (descriptor >= 0) (void)flock(descriptor, LOCK_EX | LOCK_NB);
#else
    (void)path;
#endif
    return descriptor;
}

bool temporary_file_place(int descriptor, const char *path)
{
    char own[sizeof OWN_DESCRIPTORS + 16];
    snprintf(own, sizeof own, "%s/%d", OWN_DESCRIPTORS, descriptor);
    return linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

status temporary_file_name(int descriptor, const char *path, struct text *name, struct error *err)
{
    status result = STATUS_OK;
    for (int i = 0; i < MOST_TRIES && result == STATUS_OK; i++) {
        result = invent_name(path, name, err);
        if (result == STATUS_OK && temporary_file_place(descriptor, name->bytes)) return STATUS_OK;
        if (errno != EEXIST) break;
    }
    if (result == STATUS_OK) result = error_set_errno(err, "%s: cannot be put in place", path);
    text_free(name); /* nothing of ours is there */
    return result;
}

int temporary_file_open(const char *path, struct text *name, struct error *err)
{
    if (strlen(path_name(path)) > NAME_MAX) { /* which a file without a name would not notice */
        errno = ENAMETOOLONG;
        error_set_errno(err, "%s: cannot be written", path);
        return -1;
    }
    int nameless = make_nameless(path);
    if (nameless >= 0) return nameless;
    for (int i = 0; i < MOST_TRIES; i++) {
        if (invent_name(path, name, err) != STATUS_OK) return -1;
        int descriptor = make_locked(name->bytes);
        if (descriptor >= 0) return descriptor;
        if (errno != EEXIST) break;
    }
    error_set_errno(err, "%s: cannot be written", path);
    return -1;
}

bool temporary_file_link(const char *existing, const char *path, struct text *name)
{
    return invent_name(path, name, NULL) == STATUS_OK && link(existing, name->bytes) == 0;
}

/* Whether a file is named as temporary_file_open names those of `target`, or of any where that is NULL. */
static bool is_temporary(const char *name, const char *target)
{
    size_t length = strlen(name), ending = sizeof MARK - 1 + DIGITS;
    if (length <= ending) return false;
    const char *mark = name + length - ending, *digits = mark + sizeof MARK - 1;
    if (strncmp(mark, MARK, sizeof MARK - 1) != 0 || strspn(digits, "0123456789abcdef") != DIGITS) return false;
    return target == NULL || (kept_length(target) == length - ending && strncmp(name, target, length - ending) == 0);
}

static void remove_when_stale(int folder, const char *name)
{
    int descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) (void)unlinkat(folder, name, 0);
    close(descriptor);
}

void temporary_files_remove_stale(const char *folder, const char *target)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) return;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (is_temporary(entry->d_name, target)) remove_when_stale(dirfd(listing), entry->d_name);
    closedir(listing);
}
