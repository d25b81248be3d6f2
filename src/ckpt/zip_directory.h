/* Where the entries of a zip archive stand in the mapped file.
 *
 * torch.save stores entries uncompressed so that they can be used where they lie. libzip, which inflates the entries
 * of archives that were packed again, does not tell where an entry's bytes begin; this reads it off the central
 * directory (APPNOTE 6.3: end record, zip64 end record, central and local headers). Every offset is checked. */
#ifndef RMFER_CKPT_ZIP_DIRECTORY_H
#define RMFER_CKPT_ZIP_DIRECTORY_H

#include "ckpt/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct zip_entry {
    const char *name;
    uint64_t size;        /* unpacked */
    uint64_t packed_size; /* in the file, proven to be inside */
    bool is_stored;       /* not compressed: `data` are the contents */
    const uint8_t *data;
};

struct zip_directory {
    struct zip_entry *entries; /* sorted by name; in the pool */
    size_t count;
};

/* Reads the directory of an archive in memory. */
status zip_directory_read(struct zip_directory *directory, const uint8_t *bytes, size_t size, struct pool *pool,
                          struct error *err) MUST_CHECK;

/* NULL when there is none of that name. */
const struct zip_entry *zip_directory_find(const struct zip_directory *directory, const char *name);

/* The contents of an entry: where they lie when stored, else inflated into the pool (at most `limit` bytes). */
status zip_entry_contents(const struct zip_entry *entry, const uint8_t *bytes, size_t size, size_t limit,
                          struct pool *pool, const uint8_t **contents, struct error *err) MUST_CHECK;

#endif
