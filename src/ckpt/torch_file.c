/* Tells torch.save's two formats apart, sets the limits of what a file may ask for, and puts the readers in order. */
#include "ckpt/torch_file.h"

#include "ckpt/torch_flatten.h"
#include "ckpt/torch_plain.h"
#include "ckpt/torch_zip.h"
#include "rmfer/base/memory.h"

#include <string.h>

/* A value and its place on the stack take at most 64 times the bytes of the opcodes that make it; weights are no
 * values. */
enum { POOL_TIMES_FILE = 64, POOL_AT_LEAST = 1 << 20, POOL_AT_MOST = 512 << 20 };
/* Steps of walking shared values, of some nanoseconds each; a whole module of B3 pickles to 20,000 values. */
enum { STEPS_AT_LEAST = 4 << 20, STEPS_AT_MOST = 64 << 20 };
/* Weights hardly compress. */
enum { INFLATED_TIMES_FILE = 8, INFLATED_AT_LEAST = 64 << 20 };

static const uint8_t zip_magic[4] = {'P', 'K', 3, 4};
/* PROTO 2, then LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c. */
static const uint8_t plain_magic[14] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static bool starts_with(const uint8_t *bytes, size_t size, const uint8_t *magic, size_t length)
{
    return size >= length && memcmp(bytes, magic, length) == 0;
}

bool torch_recognise(const uint8_t *bytes, size_t size)
{
    return starts_with(bytes, size, zip_magic, sizeof zip_magic) ||
           starts_with(bytes, size, plain_magic, sizeof plain_magic);
}

status torch_parse(struct torch_file **out, const uint8_t *bytes, size_t size, struct error *err)
{
    *out = NULL;
    struct torch_file *file = memory_allocate(1, sizeof *file, "a PyTorch file", err);
    if (file == NULL) return STATUS_FAILED;
    size_t limit = size_add(POOL_AT_LEAST, size_multiply(size, POOL_TIMES_FILE));
    size_t steps = size_add(STEPS_AT_LEAST, size);
    file->pool = pool_with_limits(limit < POOL_AT_MOST ? limit : POOL_AT_MOST,
                                  steps < STEPS_AT_MOST ? steps : STEPS_AT_MOST);
    file->inflated = pool_with_limits(size_add(INFLATED_AT_LEAST, size_multiply(size, INFLATED_TIMES_FILE)), 0);
    file->is_zip = starts_with(bytes, size, zip_magic, sizeof zip_magic);
    struct pickle_value *root = NULL;
    status result = file->is_zip ? torch_zip_load(file, bytes, size, &root, err)
                                 : torch_plain_load(file, bytes, size, &root, err);
    if (result == STATUS_OK) result = torch_flatten(file, root, err);
    if (result == STATUS_OK)
        *out = file;
    else
        torch_free(file);
    return result;
}

void torch_free(struct torch_file *file)
{
    if (file == NULL) return;
    pool_free(&file->pool);
    pool_free(&file->inflated);
    file_unmap(&file->mapping);
    memory_free(file);
}
