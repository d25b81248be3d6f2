/* A zip archive's central directory, read from its end, with its 64-bit extension. */
#include "ckpt/zip_directory.h"

#include <zip.h>

#include <stdlib.h>
#include <string.h>

/* Record sizes without their variable parts, and signatures. */
enum { END_BYTES = 22, END64_LOCATOR_BYTES = 20, END64_BYTES = 56, CENTRAL_BYTES = 46, LOCAL_BYTES = 30 };
enum { LONGEST_COMMENT = 65535, MOST_ENTRIES = 1 << 20 };
static const uint32_t END_SIGNATURE = 0x06054b50, END64_LOCATOR_SIGNATURE = 0x07064b50, END64_SIGNATURE = 0x06064b50,
                      CENTRAL_SIGNATURE = 0x02014b50, LOCAL_SIGNATURE = 0x04034b50;

struct archive {
    const uint8_t *bytes;
    size_t size;
    struct error *err;
};

/* Little-endian numbers; the caller has checked that they are inside. */
static uint64_t number_at(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static const uint8_t *record_at(const struct archive *archive, uint64_t offset, size_t bytes, uint32_t signature)
{
    if (offset > archive->size || archive->size - offset < bytes) return NULL;
    const uint8_t *record = archive->bytes + offset;
    return number_at(record, 4) == signature ? record : NULL;
}

struct extent {
    uint64_t offset, size, entries;
};

static status broken(const struct archive *archive)
{
    return error_set(archive->err, "the zip archive is broken or cut short");
}

/* The zip64 end record, which a locator in front of the plain one points at. */
static status read_end64(const struct archive *archive, size_t end_offset, struct extent *directory)
{
    if (end_offset < END64_LOCATOR_BYTES) return broken(archive);
    const uint8_t *locator = record_at(archive, end_offset - END64_LOCATOR_BYTES, END64_LOCATOR_BYTES,
                                       END64_LOCATOR_SIGNATURE);
    const uint8_t *end64 = locator == NULL
                               ? NULL
                               : record_at(archive, number_at(locator + 8, 8), END64_BYTES, END64_SIGNATURE);
    if (end64 == NULL) return broken(archive);
    *directory = (struct extent){number_at(end64 + 48, 8), number_at(end64 + 40, 8), number_at(end64 + 32, 8)};
    return STATUS_OK;
}

/* The end record stands at the end, before a comment. */
static status find_directory(const struct archive *archive, struct extent *directory)
{
    const uint8_t *end = NULL;
    size_t offset = archive->size < END_BYTES ? 0 : archive->size - END_BYTES;
    for (size_t comment = 0; comment <= LONGEST_COMMENT; comment++) {
        end = record_at(archive, offset, END_BYTES, END_SIGNATURE);
        if (end != NULL || offset == 0) break;
        offset--;
    }
    if (end == NULL) return broken(archive);
    *directory = (struct extent){number_at(end + 16, 4), number_at(end + 12, 4), number_at(end + 10, 2)};
    if (directory->offset == UINT32_MAX || directory->size == UINT32_MAX || directory->entries == UINT16_MAX) {
        status result = read_end64(archive, offset, directory);
        if (result != STATUS_OK) return result;
    }
    bool inside = directory->offset <= archive->size && directory->size <= archive->size - directory->offset;
    /* Each entry takes at least a central header, so that a count cannot ask for more memory than the file has. */
    return inside && directory->entries <= directory->size / CENTRAL_BYTES && directory->entries <= MOST_ENTRIES
               ? STATUS_OK
               : broken(archive);
}

/* The zip64 extra field holds, in this order, those of the sizes and the offset that are all ones in the header. */
static bool read_zip64_extra(const uint8_t *extra, size_t length, uint64_t *size, uint64_t *packed, uint64_t *offset)
{
    uint64_t *fields[] = {size, packed, offset};
    for (size_t at = 0; at + 4 <= length;) {
        uint64_t tag = number_at(extra + at, 2), bytes = number_at(extra + at + 2, 2);
        at += 4;
        if (bytes > length - at) return false;
        size_t used = 0;
        for (size_t i = 0; tag == 1 && i < 3; i++) {
            if (*fields[i] != UINT32_MAX) continue;
            if (used + 8 > bytes) return false;
            *fields[i] = number_at(extra + at + used, 8);
            used += 8;
        }
        if (tag == 1) return true;
        at += (size_t)bytes;
    }
    return true;
}

/* The local header repeats the name and has extra bytes of its own: the contents follow it. */
static status locate(const struct archive *archive, struct zip_entry *entry, uint64_t offset)
{
    const uint8_t *local = record_at(archive, offset, LOCAL_BYTES, LOCAL_SIGNATURE);
    if (local == NULL) return broken(archive);
    uint64_t start = offset + LOCAL_BYTES + number_at(local + 26, 2) + number_at(local + 28, 2);
    if (start > archive->size || entry->packed_size > archive->size - start) return broken(archive);
    entry->data = archive->bytes + start;
    return STATUS_OK;
}

/* One central header at *offset, which moves behind it. */
static status read_entry(const struct archive *archive, const struct extent *directory, uint64_t *offset,
                         struct zip_entry *entry, struct pool *pool)
{
    const uint8_t *header = record_at(archive, *offset, CENTRAL_BYTES, CENTRAL_SIGNATURE);
    if (header == NULL) return broken(archive);
    uint64_t name = number_at(header + 28, 2), extra = number_at(header + 30, 2), comment = number_at(header + 32, 2);
    uint64_t flags = number_at(header + 8, 2), method = number_at(header + 10, 2);
    uint64_t local = number_at(header + 42, 4);
    *offset += CENTRAL_BYTES + name + extra + comment;
    if (*offset > directory->offset + directory->size) return broken(archive);
    entry->packed_size = number_at(header + 20, 4);
    entry->size = number_at(header + 24, 4);
    if (!read_zip64_extra(header + CENTRAL_BYTES + name, (size_t)extra, &entry->size, &entry->packed_size, &local))
        return broken(archive);
    entry->name = pool_string(pool, header + CENTRAL_BYTES, (size_t)name, archive->err);
    if (entry->name == NULL) return STATUS_FAILED;
    if ((flags & 1) != 0) return error_set(archive->err, "the zip archive is encrypted");
    entry->is_stored = method == 0;
    if (entry->is_stored && entry->size != entry->packed_size) return broken(archive);
    return locate(archive, entry, local);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

status zip_directory_read(struct zip_directory *directory, const uint8_t *bytes, size_t size, struct pool *pool,
                          struct error *err)
{
    struct archive archive = {bytes, size, err};
    struct extent extent = {0};
    *directory = (struct zip_directory){0};
    status result = find_directory(&archive, &extent);
    if (result != STATUS_OK) return result;
    directory->entries = pool_take(pool, (size_t)extent.entries, sizeof *directory->entries, err);
    if (directory->entries == NULL) return STATUS_FAILED;
    uint64_t offset = extent.offset;
    for (uint64_t i = 0; result == STATUS_OK && i < extent.entries; i++)
        result = read_entry(&archive, &extent, &offset, &directory->entries[directory->count++], pool);
    if (result != STATUS_OK) return result;
    if (directory->count > 0) qsort(directory->entries, directory->count, sizeof *directory->entries, compare_entries);
    for (size_t i = 1; i < directory->count; i++)
        if (compare_entries(&directory->entries[i - 1], &directory->entries[i]) == 0)
            return error_set(err, "the zip archive has an entry twice");
    return STATUS_OK;
}

const struct zip_entry *zip_directory_find(const struct zip_directory *directory, const char *name)
{
    struct zip_entry wanted = {.name = name};
    if (directory->count == 0) return NULL;
    return bsearch(&wanted, directory->entries, directory->count, sizeof wanted, compare_entries);
}

/* Reads exactly entry->size bytes; libzip checks the sum at the end. */
static status inflate_with(zip_t *archive, const struct zip_entry *entry, uint8_t *out, struct error *err)
{
    zip_file_t *file = zip_fopen(archive, entry->name, 0);
    if (file == NULL) return error_set(err, "a compressed entry cannot be opened");
    zip_int64_t got = zip_fread(file, out, entry->size);
    uint8_t beyond;
    bool whole = got >= 0 && (uint64_t)got == entry->size && zip_fread(file, &beyond, 1) == 0;
    zip_fclose(file);
    return whole ? STATUS_OK : error_set(err, "a compressed entry is broken");
}

status zip_entry_contents(const struct zip_entry *entry, const uint8_t *bytes, size_t size, size_t limit,
                          struct pool *pool, const uint8_t **contents, struct error *err)
{
    /* Deflate cannot pack tighter than this: a larger size is a lie, and nothing is reserved for it. */
    enum { DEFLATE_BEST = 1032 };
    *contents = entry->data;
    if (entry->is_stored) return STATUS_OK;
    if (entry->size > limit || entry->size / DEFLATE_BEST > entry->packed_size + 1)
        return error_set(err, "a compressed entry would have %llu bytes", (unsigned long long)entry->size);
    uint8_t *out = pool_take(pool, (size_t)entry->size, 1, err);
    if (out == NULL) return STATUS_FAILED;
    zip_error_t zip_err;
    zip_error_init(&zip_err);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &zip_err);
    zip_t *archive = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY, &zip_err);
    status result = STATUS_OK;
    if (archive == NULL) {
        zip_source_free(source);
        result = error_set(err, "the zip archive cannot be read: %s", zip_error_strerror(&zip_err));
    } else {
        result = inflate_with(archive, entry, out, err);
        zip_discard(archive);
    }
    zip_error_fini(&zip_err);
    *contents = out;
    return result;
}
