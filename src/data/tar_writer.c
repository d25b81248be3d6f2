/* Tar files (POSIX.1-1988 ustar): a header block, the bytes, filled up to whole blocks. */
#include "rmfer/data/tar_writer.h"

#include <string.h>

enum { TAR_BLOCK = 512 };

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], time[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};

static status write_whole(FILE *tar, const void *bytes, size_t size, struct error *err)
{
    if (size != 0 && fwrite(bytes, 1, size, tar) != size) return error_set_errno(err, "a tar file cannot be written");
    return STATUS_OK;
}

static void fill_header(struct tar_header *header, const char *name, size_t size)
{
    memset(header, 0, sizeof *header);
    snprintf(header->name, sizeof header->name, "%s", name);
    snprintf(header->mode, sizeof header->mode, "%07o", 0644U);
    snprintf(header->uid, sizeof header->uid, "%07o", 0U);
    snprintf(header->gid, sizeof header->gid, "%07o", 0U);
    snprintf(header->size, sizeof header->size, "%011zo", size);
    snprintf(header->time, sizeof header->time, "%011o", 0U);
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    header->type = '0';
    /* The sum is taken with its own field full of blanks. */
    memset(header->checksum, ' ', sizeof header->checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *header; i++) sum += ((const unsigned char *)header)[i];
    snprintf(header->checksum, sizeof header->checksum - 1, "%06o", sum);
}

status tar_write_member(FILE *tar, const char *name, const uint8_t *bytes, size_t size, uint64_t *place,
                        struct error *err)
{
    static const char zeros[TAR_BLOCK] = {0};
    struct tar_header header;
    _Static_assert(sizeof header == TAR_BLOCK, "a tar header is one block");
    if (strlen(name) >= sizeof header.name) return error_set(err, "%.100s: too long a name for a tar file", name);
    long at = ftell(tar);
    if (at < 0) return error_set_errno(err, "a tar file cannot be written");
    *place = (uint64_t)at;
    fill_header(&header, name, size);
    status result = write_whole(tar, &header, sizeof header, err);
    if (result == STATUS_OK) result = write_whole(tar, bytes, size, err);
    return result == STATUS_OK ? write_whole(tar, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, err) : result;
}

status tar_write_end(FILE *tar, struct error *err)
{
    static const char zeros[2 * TAR_BLOCK] = {0};
    return write_whole(tar, zeros, sizeof zeros, err);
}
