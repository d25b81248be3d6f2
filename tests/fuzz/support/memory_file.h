/* Fuzzed bytes as a file that never meets a disk: for what reads descriptors or paths. */
#ifndef TESTS_FUZZ_SUPPORT_MEMORY_FILE_H
#define TESTS_FUZZ_SUPPORT_MEMORY_FILE_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before everything"
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY_FILE_PATH = 40 };

/* A new descriptor, at its beginning; the caller closes it. */
static inline int memory_file(const uint8_t *bytes, size_t size)
{
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    if (descriptor < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t written = write(descriptor, bytes + done, size - done);
        if (written <= 0) abort();
        done += (size_t)written;
    }
    if (lseek(descriptor, 0, SEEK_SET) != 0) abort();
    return descriptor;
}

/* What it is called while it is open. */
static inline void memory_file_path(int descriptor, char path[MEMORY_FILE_PATH])
{
    snprintf(path, MEMORY_FILE_PATH, "/proc/self/fd/%d", descriptor);
}

#endif
