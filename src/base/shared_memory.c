/* An anonymous file in memory, found by the other processes through /proc; its first bytes tell that it is the right
 * one. */
#define _GNU_SOURCE /* memfd_create, fallocate */
#include "rmfer/base/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static status map(struct shared_memory *memory, size_t size, struct error *err)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->file, 0);
    if (base == MAP_FAILED)
        return error_set_errno(err, "memory that processes share cannot be mapped (%zu bytes)", size);
    memory->base = base;
    memory->size = size;
    return STATUS_OK;
}

static status fill(struct shared_memory *memory, struct shared_memory_key *key, size_t size, size_t reserved,
                   struct error *err)
{
    *key = (struct shared_memory_key){.process = getpid(), .file = memory->file, .size = size};
    if (getrandom(&key->token, sizeof key->token, 0) != sizeof key->token)
        return error_set_errno(err, "no random number for memory that processes share");
    if (reserved < SHARED_MEMORY_HEAD) reserved = SHARED_MEMORY_HEAD;
    if (!shared_memory_reserve(memory, 0, reserved))
        return error_set_errno(err, "%zu bytes of memory that processes share", reserved);
    /* A process of this user could cut it short under those that have mapped it; now nobody can. */
    if (fcntl(memory->file, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        return error_set_errno(err, "memory that processes share cannot be sealed");
    status result = map(memory, size, err);
    if (result == STATUS_OK) memcpy(memory->base, &key->token, sizeof key->token);
    return result;
}

status shared_memory_create(struct shared_memory *memory, struct shared_memory_key *key, size_t size, size_t reserved,
                            struct error *err)
{
    *memory = (struct shared_memory){.file = memfd_create("rmfer", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    *key = (struct shared_memory_key){0};
    if (memory->file < 0) {
        *memory = (struct shared_memory){0};
        return error_set_errno(err, "memory that processes share");
    }
    status result = fill(memory, key, size, reserved, err);
    if (result == STATUS_OK) return STATUS_OK;
    shared_memory_free(memory);
    *key = (struct shared_memory_key){0};
    return result;
}

/* Another process may have that number here, and another file. */
static bool is_right(const struct shared_memory *memory, const struct shared_memory_key *key)
{
    uint64_t token;
    struct stat facts;
    if (fstat(memory->file, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size < SHARED_MEMORY_HEAD) return false;
    return pread(memory->file, &token, sizeof token, 0) == sizeof token && token == key->token;
}

status shared_memory_join(struct shared_memory *memory, const struct shared_memory_key *key, struct error *err)
{
    char path[64];
    *memory = (struct shared_memory){0};
    if (key->size == 0) return error_set(err, "there is no memory that processes share");
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)key->process, (long long)key->file);
    int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return error_set_errno(err, "%s", path);
    memory->file = file;
    status result = is_right(memory, key) ? map(memory, (size_t)key->size, err)
                                          : error_set(err, "%s: is not the memory that processes share", path);
    if (result == STATUS_OK) return STATUS_OK;
    close(file);
    *memory = (struct shared_memory){0};
    return result;
}

bool shared_memory_reserve(struct shared_memory *memory, size_t begin, size_t bytes)
{
    int failed;
    do failed = fallocate(memory->file, 0, (off_t)begin, (off_t)bytes);
    while (failed != 0 && errno == EINTR);
    return failed == 0;
}

/* 0 is no file of ours: the program holds its standard descriptors (cmd/environment.c). */
void shared_memory_free(struct shared_memory *memory)
{
    if (memory->base != NULL) munmap(memory->base, memory->size);
    if (memory->base != NULL || memory->file > 0) close(memory->file);
    *memory = (struct shared_memory){0};
}
