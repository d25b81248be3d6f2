/* Blocks all over the file are enough: a film that was encoded again differs in nearly every byte, and reading hours of
 * film to know that nothing is to be done would take as long as a part of the work. */
#include "rmset/fingerprint.h"

#include "rmfer/base/file.h"
#include "rmfer/base/hash.h"
#include "rmfer/base/memory.h"
#include "rmfer/faces/inputs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 64 << 10, BLOCKS = 16 };

static status add_file(const char *path, uint8_t *block, uint64_t *fingerprint, struct error *err)
{
    struct stat facts;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return error_set_errno(err, "%s", path);
    status result = fstat(fileno(file), &facts) == 0 ? STATUS_OK : error_set_errno(err, "%s", path);
    int64_t size = result == STATUS_OK ? (int64_t)facts.st_size : 0;
    int64_t last = size > BLOCK_BYTES ? size - BLOCK_BYTES : 0; /* where the last block begins */
    *fingerprint = hash_add(*fingerprint, &size, sizeof size);
    for (int64_t i = 0; i < BLOCKS && result == STATUS_OK; i++) {
        if (i > 0 && last == 0) break; /* one block is all of it */
        int64_t at = last * i / (BLOCKS - 1), wanted = size - at < BLOCK_BYTES ? size - at : BLOCK_BYTES;
        if (fseeko(file, (off_t)at, SEEK_SET) != 0) result = error_set_errno(err, "%s", path);
        size_t got = result == STATUS_OK ? fread(block, 1, BLOCK_BYTES, file) : 0;
        if (result == STATUS_OK && ferror(file)) result = error_set_errno(err, "%s", path);
        if (result == STATUS_OK && got < (size_t)wanted)
            result = error_set(err, "%s: ended after %" PRId64 " of %" PRId64 " bytes", path, at + (int64_t)got, size);
        *fingerprint = hash_add(*fingerprint, block, got);
    }
    fclose(file);
    return result;
}

/* The pictures are listed, not decoded. */
static status add_folder(const char *path, uint8_t *block, uint64_t *fingerprint, struct error *err)
{
    struct face_input_options wanted = {.every = 1, .folder_of_frames = true, .quiet = true};
    struct face_inputs *inputs;
    struct face_input input;
    status result = face_inputs_create(&inputs, &path, 1, &wanted, err);
    while (result == STATUS_OK && face_inputs_next(inputs, &input)) {
        if (input.error.code == STATUS_OK) {
            *fingerprint = hash_add(*fingerprint, input.target, strlen(input.target));
            result = add_file(input.path, block, fingerprint, err);
        }
        face_input_free(&input);
    }
    face_inputs_free(inputs);
    return result;
}

status film_fingerprint(const char *path, uint64_t *fingerprint, struct error *err)
{
    struct stat facts;
    *fingerprint = 0;
    if (path == NULL || stat(path, &facts) != 0 || !(S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)))
        return STATUS_OK;
    uint8_t *block = memory_allocate(BLOCK_BYTES, 1, "a part of a film", err);
    if (block == NULL) return STATUS_FAILED;
    *fingerprint = HASH_START;
    status result = S_ISDIR(facts.st_mode) ? add_folder(path, block, fingerprint, err)
                                           : add_file(path, block, fingerprint, err);
    memory_free(block);
    return result;
}
