/* Folders made, filled and removed. */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/scratch.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/base/text.h"
#include "rmfer/data/image.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATHS_AT_ONCE = 8, LONGEST_PATH = 1024 };

char *scratch_make(void)
{
    const char *base = getenv("TMPDIR");
    struct text path = {0};
    assert_int_equal(text_append_format(&path, NULL, "%s/rmfer-test-XXXXXX", base == NULL ? "/tmp" : base), STATUS_OK);
    assert_non_null(mkdtemp(path.bytes));
    return path.bytes;
}

static int remove_entry(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
    (void)facts;
    (void)type;
    (void)walk;
    return remove(path);
}

void scratch_remove(char *folder)
{
    assert_int_equal(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    memory_free(folder);
}

const char *scratch_path(const char *folder, const char *name)
{
    static _Thread_local char paths[PATHS_AT_ONCE][LONGEST_PATH];
    static _Thread_local unsigned next;
    char *path = paths[next++ % PATHS_AT_ONCE];
    snprintf(path, LONGEST_PATH, "%s/%s", folder, name);
    return path;
}

void scratch_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    const char *path = scratch_path(folder, name);
    char *parent = path_folder(path, NULL);
    assert_non_null(parent);
    assert_int_equal(folder_create(parent, NULL), STATUS_OK);
    memory_free(parent);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(size == 0 || fwrite(bytes, 1, size, file) == size);
    assert_int_equal(fclose(file), 0);
}

void scratch_text(const char *folder, const char *name, const char *text)
{
    scratch_write(folder, name, text, strlen(text));
}

void scratch_picture(const char *folder, const char *name, int width, int height, unsigned seed)
{
    struct image image;
    assert_int_equal(image_create(&image, width, height, NULL), STATUS_OK);
    struct random_stream stream = random_stream(seed, RANDOM_TEST, 0, 0);
    uint64_t colors = random_bits(&stream), spread = 1 + random_below(&stream, 8);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image.rgb[(y * width + x) * 3 + c] = (uint8_t)((colors >> (8 * c)) +
                                                               spread * (unsigned)(x * (c + 1) + y * (3 - c)));
    uint8_t *bytes;
    size_t size;
    status result = text_ends_with_ignoring_case(name, ".png") ? image_encode_png(&image, &bytes, &size, NULL)
                                                               : image_encode_jpeg(&image, 90, &bytes, &size, NULL);
    assert_int_equal(result, STATUS_OK);
    scratch_write(folder, name, bytes, size);
    memory_free(bytes);
    image_free(&image);
}
