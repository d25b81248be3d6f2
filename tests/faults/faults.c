/* A library put before the C library (LD_PRELOAD) that lets the program meet a bad machine: one allocation, read,
 * write, sync, rename or listing of a folder fails, the one whose number is asked for; or that only records, in order,
 * what is done to files.
 *
 *   FAULT=KIND:OUTCOME:N     KIND allocate, own (an allocation that the program asks for, not a library), read, write,
 * sync, rename, list (a folder's next name); OUTCOME an error (EIO, ENOSPC, ENOMEM), `short` (half of what was asked is
 * done, which is no error) or `end` (a file that is cut short) FAULT_NAMED=1            files without a name
 * (O_TMPFILE) are refused, as on a file system that holds none FAULT_DELAY=SEED         some reads and allocations take
 * up to 3 ms longer, so that threads meet in other orders FAULT_COUNTS=FILE        how many of each kind there were,
 * written at the end, and for each place in the program, which is a distinct stack of calls, the number of the first
 * and of the last that came from there FAULT_TRACE=FILE         what was done to files below FAULT_FOLDER, for
 * power_loss.c
 *
 * Counted from main on, in the program's second start (cmd/environment.c). Streams are given buffers of our own
 * (fopencookie), as the C library's reads and writes would not pass here; standard error and /proc, /sys, /dev are left
 * alone. Not for two processes at once. */
#define _GNU_SOURCE
#include "trace.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { ALLOCATE, OWN, READ, WRITE, SYNC, RENAME, LIST, KINDS };
static const char *const kind_names[KINDS] = {"allocate", "own", "read", "write", "sync", "rename", "list"};

enum {
    MOST_DESCRIPTORS = 1024,
    MOST_STREAMS = 256,
    MOST_PLACES = 1 << 16,
    MOST_CALLS = 64,
    FAIL_SHORT = -1,
    FAIL_END = -2
};

static struct {
    bool counting, named;
    const char *counts_path; /* NULL = nothing is written at the end */
    const void *program;     /* where it was loaded */
    int kind, outcome;       /* an errno, or one of the two above */
    long number;
    unsigned long delay; /* 0 = none */
    atomic_long counts[KINDS];
    int trace;
    const char *folder;
    size_t folder_length;
    atomic_bool watched[MOST_DESCRIPTORS]; /* descriptors of files that are not the system's own */
    struct {
        FILE *stream;
        int descriptor;
    } streams[MOST_STREAMS];
} state = {.kind = -1, .trace = -1};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- the one that fails ------------------------------------------------------------------------------------------ */

/* Every eighth read and every 64th allocation, about, waits. */
static void dawdle(enum kind kind, long number)
{
    if (state.delay == 0 || (kind != READ && kind != ALLOCATE)) return;
    uint64_t mixed = ((uint64_t)number ^ state.delay << 32) * 0x9e3779b97f4a7c15u;
    if ((mixed >> 40) % (kind == READ ? 8 : 64) != 0) return;
    nanosleep(&(struct timespec){.tv_nsec = (long)((mixed >> 20) % 3000000)}, NULL);
}

/* Places by the hash of their calls' addresses, an open table; `first` is 0 where it is free. */
static struct {
    uint64_t hash;
    int kind;
    long first, last;
} places[MOST_PLACES];
static int places_used;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

/* Our own calls are hashed too: they are the same from the same place. FNV-1a, by whole addresses. */
static void note_place(enum kind kind, long number)
{
    void *calls[MOST_CALLS];
    int depth = backtrace(calls, MOST_CALLS);
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)kind;
    for (int i = 0; i < depth; i++) hash = (hash ^ (uint64_t)(uintptr_t)calls[i]) * 0x100000001b3u;
    pthread_mutex_lock(&places_lock);
    size_t at = (size_t)(hash >> 32) % MOST_PLACES;
    while (places[at].first != 0 && places[at].hash != hash) at = (at + 1) % MOST_PLACES;
    if (places[at].first == 0) {
        if (++places_used == MOST_PLACES) abort();
        places[at].hash = hash;
        places[at].kind = kind;
        places[at].first = number;
    }
    places[at].last = number;
    pthread_mutex_unlock(&places_lock);
}

/* 0, or what becomes of this one. */
static int meet(enum kind kind)
{
    if (!state.counting) return 0;
    long number = atomic_fetch_add(&state.counts[kind], 1) + 1;
    if (state.counts_path != NULL) note_place(kind, number);
    dawdle(kind, number);
    return (int)kind == state.kind && number == state.number ? state.outcome : 0;
}

static int outcome_of(const char *name)
{
    const struct {
        const char *name;
        int outcome;
    } all[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"short", FAIL_SHORT}, {"end", FAIL_END}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].outcome;
    abort();
}

static void read_wishes(void)
{
    const char *fault = getenv("FAULT"), *trace = getenv("FAULT_TRACE");
    char kind[16], outcome[16];
    if (fault != NULL && sscanf(fault, "%15[a-z]:%15[A-Za-z]:%ld", kind, outcome, &state.number) == 3) {
        for (int i = 0; i < KINDS; i++)
            if (strcmp(kind_names[i], kind) == 0) state.kind = i;
        state.outcome = outcome_of(outcome);
    }
    state.counts_path = getenv("FAULT_COUNTS");
    if (getenv("FAULT_DELAY") != NULL) state.delay = strtoul(getenv("FAULT_DELAY"), NULL, 10);
    state.named = getenv("FAULT_NAMED") != NULL;
    state.folder = getenv("FAULT_FOLDER");
    state.folder_length = state.folder == NULL ? 0 : strlen(state.folder);
    if (trace != NULL) state.trace = REAL(open)(trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

static void write_counts(void)
{
    state.counting = false;
    FILE *file = state.counts_path == NULL ? NULL : REAL(fopen)(state.counts_path, "w");
    if (file == NULL) return;
    for (int i = 0; i < KINDS; i++) fprintf(file, "%s %ld\n", kind_names[i], atomic_load(&state.counts[i]));
    for (int i = 0; i < MOST_PLACES; i++)
        if (places[i].first != 0)
            fprintf(file, "place %s %ld %ld\n", kind_names[places[i].kind], places[i].first, places[i].last);
    if (REAL(fclose)(file) != 0) abort();
}

/* ---- what is recorded -------------------------------------------------------------------------------------------- */

static bool is_traced(const char *path)
{
    return state.counting && state.trace >= 0 && strncmp(path, state.folder, state.folder_length) == 0;
}

static void put(const void *bytes, size_t size)
{
    if (REAL(write)(state.trace, bytes, size) != (ssize_t)size) abort();
}

static void record(enum trace_operation operation, const char *path, const char *other, uint64_t inode, uint64_t place,
                   const void *bytes, size_t size)
{
    struct trace_record r = {operation, (uint32_t)strlen(path), (uint32_t)strlen(other), inode, place, size};
    put(&r, sizeof r);
    put(path, r.path_length);
    put(other, r.other_length);
    if (bytes != NULL) put(bytes, size);
}

static uint64_t inode_of(int descriptor)
{
    struct stat facts;
    return fstat(descriptor, &facts) == 0 ? facts.st_ino : 0;
}

static bool descriptor_is_traced(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = state.trace >= 0 ? REAL(readlink)(link, path, sizeof path - 1) : -1;
    if (length < 0) return false;
    path[length] = '\0';
    return is_traced(path);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* dlsym allocates itself; what it needs before the true functions are known comes from here. */
static char early[1 << 16];
static size_t early_used;
static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t), *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static bool looking;

static bool find_functions(void)
{
    if (real_malloc != NULL) return true;
    if (looking) return false;
    looking = true;
    real_free = REAL(free);
    real_calloc = REAL(calloc);
    real_realloc = REAL(realloc);
    real_malloc = REAL(malloc);
    looking = false;
    return true;
}

static void *take_early(size_t size)
{
    size_t at = (early_used + 15) / 16 * 16;
    if (size > sizeof early - at) abort();
    early_used = at + size;
    return early + at;
}

static const void *object_of(const void *address)
{
    Dl_info facts;
    return dladdr(address, &facts) != 0 ? facts.dli_fbase : NULL;
}

static bool fails_allocation(const void *caller)
{
    bool fails = meet(ALLOCATE) != 0;
    if (state.counting && (state.counts_path != NULL || state.kind == OWN) && object_of(caller) == state.program)
        fails = meet(OWN) != 0 || fails;
    if (fails) errno = ENOMEM;
    return fails;
}

void *malloc(size_t size)
{
    if (!find_functions()) return take_early(size);
    return fails_allocation(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!find_functions()) return take_early(count * size);
    return fails_allocation(__builtin_return_address(0)) ? NULL : real_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    if (!find_functions()) abort();
    return fails_allocation(__builtin_return_address(0)) ? NULL : real_realloc(block, size);
}

void free(void *block)
{
    if ((char *)block >= early && (char *)block < early + sizeof early) return;
    if (find_functions()) real_free(block);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails_allocation(__builtin_return_address(0)) ? NULL : REAL(aligned_alloc)(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    return fails_allocation(__builtin_return_address(0)) ? ENOMEM : REAL(posix_memalign)(block, alignment, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int descriptor, off_t place)
{
    return fails_allocation(__builtin_return_address(0)) ? MAP_FAILED
                                                         : REAL(mmap)(at, size, protection, flags, descriptor, place);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static bool is_system(const char *path)
{
    return strncmp(path, "/proc", 5) == 0 || strncmp(path, "/sys", 4) == 0 || strncmp(path, "/dev", 4) == 0;
}

static bool is_nameless(int flags)
{
    return (flags & O_TMPFILE) == O_TMPFILE;
}

static int watch(int descriptor, const char *path, int flags)
{
    if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS) return descriptor;
    atomic_store(&state.watched[descriptor], !is_system(path));
    if ((flags & O_CREAT) != 0 && is_traced(path)) record(TRACE_CREATE, path, "", inode_of(descriptor), 0, NULL, 0);
    if (is_nameless(flags) && is_traced(path)) record(TRACE_CREATE, "", "", inode_of(descriptor), 0, NULL, 0);
    return descriptor;
}

static bool is_watched(int descriptor)
{
    return descriptor >= 0 && descriptor < MOST_DESCRIPTORS && atomic_load(&state.watched[descriptor]);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 || is_nameless(flags) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (state.named && is_nameless(flags)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return watch(REAL(open)(path, flags, mode), path, flags);
}

ssize_t read(int descriptor, void *bytes, size_t size)
{
    int outcome = is_watched(descriptor) ? meet(READ) : 0;
    if (outcome == FAIL_END) return 0;
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    return REAL(read)(descriptor, bytes, outcome == FAIL_SHORT && size > 1 ? size / 2 : size);
}

ssize_t pread(int descriptor, void *bytes, size_t size, off_t place)
{
    int outcome = is_watched(descriptor) ? meet(READ) : 0;
    if (outcome == FAIL_END) return 0;
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    return REAL(pread)(descriptor, bytes, outcome == FAIL_SHORT && size > 1 ? size / 2 : size, place);
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    int outcome = is_watched(descriptor) || descriptor == STDOUT_FILENO ? meet(WRITE) : 0;
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    bool traced = descriptor_is_traced(descriptor);
    off_t place = traced ? lseek(descriptor, 0, SEEK_CUR) : 0;
    if (traced && (fcntl(descriptor, F_GETFL) & O_APPEND) != 0) place = lseek(descriptor, 0, SEEK_END);
    ssize_t done = REAL(write)(descriptor, bytes, outcome == FAIL_SHORT && size > 1 ? size / 2 : size);
    if (traced && done > 0) record(TRACE_WRITE, "", "", inode_of(descriptor), (uint64_t)place, bytes, (size_t)done);
    return done;
}

int ftruncate(int descriptor, off_t size)
{
    if (descriptor_is_traced(descriptor)) record(TRACE_TRUNCATE, "", "", inode_of(descriptor), (uint64_t)size, NULL, 0);
    return REAL(ftruncate)(descriptor, size);
}

int fsync(int descriptor)
{
    int outcome = meet(SYNC);
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    if (descriptor_is_traced(descriptor)) record(TRACE_SYNC, "", "", inode_of(descriptor), 0, NULL, 0);
    return REAL(fsync)(descriptor);
}

int rename(const char *from, const char *to)
{
    int outcome = meet(RENAME);
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    if (is_traced(from)) record(TRACE_RENAME, from, to, 0, 0, NULL, 0);
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to)
{
    int result = REAL(link)(from, to);
    if (result == 0 && is_traced(from)) record(TRACE_LINK, from, to, 0, 0, NULL, 0);
    return result;
}

/* What gives a file without a name its first one, by /proc/self/fd, fails where renames do. */
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    int outcome = meet(RENAME);
    if (outcome > 0) errno = outcome;
    if (outcome > 0) return -1;
    struct stat facts;
    uint64_t inode = stat(from, &facts) == 0 ? facts.st_ino : 0;
    int result = REAL(linkat)(from_folder, from, to_folder, to, flags);
    if (result == 0 && is_traced(to)) record(TRACE_LINK, "", to, inode, 0, NULL, 0);
    return result;
}

struct dirent *readdir(DIR *stream)
{
    int outcome = meet(LIST);
    if (outcome > 0) errno = outcome;
    return outcome > 0 ? NULL : REAL(readdir)(stream);
}

int unlink(const char *path)
{
    if (is_traced(path)) record(TRACE_UNLINK, path, "", 0, 0, NULL, 0);
    return REAL(unlink)(path);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static ssize_t stream_read(void *cookie, char *bytes, size_t size)
{
    return read((int)(intptr_t)cookie, bytes, size);
}

/* A short write is no error: the rest follows, as the C library's own streams do it. */
static ssize_t stream_write(void *cookie, const char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = write((int)(intptr_t)cookie, bytes + done, size - done);
        if (count < 0) return 0; /* what fopencookie takes for an error */
        done += (size_t)count;
    }
    return (ssize_t)size;
}

static int stream_seek(void *cookie, off64_t *place, int whence)
{
    off64_t now = lseek64((int)(intptr_t)cookie, *place, whence);
    if (now >= 0) *place = now;
    return now >= 0 ? 0 : -1;
}

static int stream_close(void *cookie)
{
    return close((int)(intptr_t)cookie);
}

static FILE *make_stream(int descriptor, const char *mode)
{
    const cookie_io_functions_t functions = {stream_read, stream_write, stream_seek, stream_close};
    FILE *stream = fopencookie((void *)(intptr_t)descriptor, mode, functions);
    for (int i = 0; i < MOST_STREAMS && stream != NULL; i++) {
        if (state.streams[i].stream != NULL && state.streams[i].stream != stream) continue;
        state.streams[i].stream = stream;
        state.streams[i].descriptor = descriptor;
        break;
    }
    return stream;
}

FILE *fdopen(int descriptor, const char *mode)
{
    return state.counting ? make_stream(descriptor, mode) : REAL(fdopen)(descriptor, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    if (!state.counting || is_system(path)) return REAL(fopen)(path, mode);
    bool plus = strchr(mode, '+') != NULL;
    int flags = plus ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    if (mode[0] == 'w') flags |= O_CREAT | O_TRUNC;
    if (mode[0] == 'a') flags |= O_CREAT | O_APPEND;
    int descriptor = open(path, flags | O_CLOEXEC, 0666);
    return descriptor < 0 ? NULL : make_stream(descriptor, mode);
}

int fileno(FILE *stream)
{
    for (int i = 0; i < MOST_STREAMS; i++)
        if (state.streams[i].stream == stream && stream != NULL) return state.streams[i].descriptor;
    return REAL(fileno)(stream);
}

int fclose(FILE *stream)
{
    for (int i = 0; i < MOST_STREAMS; i++)
        if (state.streams[i].stream == stream) state.streams[i].stream = NULL;
    return REAL(fclose)(stream);
}

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

static int (*true_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **environment)
{
    read_wishes();
    state.program = object_of((const void *)(uintptr_t)true_main);
    if (state.counts_path != NULL) backtrace((void *[1]){NULL}, 1); /* loads what unwinds, which allocates */
    atexit(write_counts);
    stdout = make_stream(STDOUT_FILENO, "w");
    state.counting = true;
    int code = true_main(argc, argv, environment);
    /* exit() flushes the C library's own list of streams; ours is among them, and the program has asked before. */
    return code;
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    true_main = main;
    bool second = getenv("RMFER_ENVIRONMENT_READY") != NULL;
    return REAL(__libc_start_main)(second ? counted_main : main, argc, argv, init, fini, rtld_fini, stack_end);
}
