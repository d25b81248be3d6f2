/* A folder for what is read by its path, in memory where there is room for one: what is made durable need not wait for
 * a disk. It goes when the program ends. */
#ifndef TESTS_FUZZ_SUPPORT_SCRATCH_FOLDER_H
#define TESTS_FUZZ_SUPPORT_SCRATCH_FOLDER_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before everything"
#endif

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_place[40];

static inline int scratch_remove_one(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts, (void)kind, (void)at;
    return remove(path);
}

static inline void scratch_remove(void)
{
    nftw(scratch_place, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_folder(void)
{
    if (scratch_place[0] != '\0') return scratch_place;
    strcpy(scratch_place, "/dev/shm/rmfer-fuzz-XXXXXX");
    if (mkdtemp(scratch_place) == NULL) {
        strcpy(scratch_place, "/tmp/rmfer-fuzz-XXXXXX");
        if (mkdtemp(scratch_place) == NULL) abort();
    }
    atexit(scratch_remove);
    return scratch_place;
}

static inline void scratch_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

#endif
