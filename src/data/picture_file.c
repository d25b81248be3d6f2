/* Whole files, and members of tar archives read in place: one header, one read, no index. */
#include "rmfer/data/picture_file.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TAR_BLOCK = 512,
    TAR_SIZE_AT = 124,
    TAR_SIZE_BYTES = 12,
    TAR_CHECKSUM_AT = 148,
    TAR_CHECKSUM_BYTES = 8,
    TAR_TYPE_AT = 156,
    MOST_EXTRA_HEADERS = 4, /* long names and pax records in front of a member */
};

/* The number in `length` bytes of octal digits; false on anything else. */
static bool octal_number(const uint8_t *bytes, size_t length, uint64_t *value)
{
    size_t i = 0;
    while (i < length && bytes[i] == ' ') i++;
    size_t digits = 0;
    *value = 0;
    for (; i < length && bytes[i] >= '0' && bytes[i] <= '7'; i++, digits++) *value = *value * 8 + (bytes[i] - '0');
    return digits > 0 && digits < 20 && (i == length || bytes[i] == ' ' || bytes[i] == '\0');
}

/* A header's checksum is the sum of its bytes with the checksum's own field taken as blanks. */
static bool is_tar_header(const uint8_t *block)
{
    uint64_t stated;
    if (!octal_number(block + TAR_CHECKSUM_AT, TAR_CHECKSUM_BYTES, &stated)) return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool own = i >= TAR_CHECKSUM_AT && i < TAR_CHECKSUM_AT + TAR_CHECKSUM_BYTES;
        sum += own ? ' ' : block[i];
    }
    return sum == stated;
}

/* As many bytes as are there. */
static status read_some(int descriptor, uint8_t *bytes, size_t count, uint64_t offset, size_t *got, const char *path,
                        struct error *err)
{
    for (*got = 0; *got < count;) {
        ssize_t more = pread(descriptor, bytes + *got, count - *got, (off_t)(offset + *got));
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return error_set_errno(err, "%s", path);
        if (more == 0) break;
        *got += (size_t)more;
    }
    return STATUS_OK;
}

static status read_fully(int descriptor, uint8_t *bytes, size_t count, uint64_t offset, const char *path,
                         struct error *err)
{
    size_t got;
    status result = read_some(descriptor, bytes, count, offset, &got, path, err);
    if (result == STATUS_OK && got < count) return error_set(err, "%s: ends before all of it is read", path);
    return result;
}

static status read_tar_header(int descriptor, uint8_t *block, uint64_t offset, bool *found, const char *path,
                              struct error *err)
{
    size_t got;
    status result = read_some(descriptor, block, TAR_BLOCK, offset, &got, path, err);
    *found = result == STATUS_OK && got == TAR_BLOCK && is_tar_header(block);
    return result;
}

/* Finds the member whose header or data begins at *offset; sets *offset to its data and *size. */
static status find_member(int descriptor, const char *path, uint64_t *offset, uint64_t *size, struct error *err)
{
    uint8_t block[TAR_BLOCK];
    uint64_t at = *offset;
    bool found;
    status result = read_tar_header(descriptor, block, at, &found, path, err);
    if (result == STATUS_OK && !found && at >= TAR_BLOCK) {
        at -= TAR_BLOCK;
        result = read_tar_header(descriptor, block, at, &found, path, err);
    }
    if (result != STATUS_OK) return result;
    if (!found) return error_set(err, "%s: no member of a tar file there", path);
    for (int extra = 0;; extra++) {
        if (!octal_number(block + TAR_SIZE_AT, TAR_SIZE_BYTES, size) || *size > IMAGE_MOST_BYTES)
            return error_set(err, "%s: the member's size is not usable", path);
        at += TAR_BLOCK;
        char type = (char)block[TAR_TYPE_AT];
        if (type == '0' || type == '\0' || type == '7') break;
        if (extra == MOST_EXTRA_HEADERS || (type != 'x' && type != 'g' && type != 'L' && type != 'K'))
            return error_set(err, "%s: the member is not a file", path);
        at += (*size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        result = read_tar_header(descriptor, block, at, &found, path, err);
        if (result != STATUS_OK) return result;
        if (!found) return error_set(err, "%s: no member of a tar file there", path);
    }
    *offset = at;
    return STATUS_OK;
}

static status read_member(int descriptor, const char *path, uint64_t offset, uint8_t **bytes, size_t *size,
                          struct error *err)
{
    uint64_t length;
    status result = find_member(descriptor, path, &offset, &length, err);
    if (result != STATUS_OK) return result;
    if (length == 0) return error_set(err, "%s: the file is empty", path);
    uint8_t *block = memory_allocate((size_t)length, 1, path, err);
    if (block == NULL) return STATUS_FAILED;
    result = read_fully(descriptor, block, (size_t)length, offset, path, err);
    if (result != STATUS_OK) {
        memory_free(block);
        return result;
    }
    *bytes = block;
    *size = (size_t)length;
    return STATUS_OK;
}

bool picture_file_split(const char *path, size_t *shard_length, int64_t *offset)
{
    static const char ending[] = ".tar";
    const size_t ending_length = sizeof ending - 1;
    const char *mark = strrchr(path, '#');
    if (mark == NULL || (size_t)(mark - path) < ending_length) return false;
    if (strncasecmp(mark - ending_length, ending, ending_length) != 0) return false;
    if (mark[1] < '0' || mark[1] > '9' || !text_to_integer(mark + 1, offset)) return false;
    *shard_length = (size_t)(mark - path);
    return true;
}

char *picture_file_opened(const char *path, struct error *err)
{
    char *file = memory_copy_string(path, err);
    size_t shard_length;
    int64_t offset;
    if (file != NULL && picture_file_split(path, &shard_length, &offset)) file[shard_length] = '\0';
    return file;
}

/* The member of a shard. */
static status read_shard(const char *path, int64_t offset, uint8_t **bytes, size_t *size, struct error *err)
{
    char *shard = picture_file_opened(path, err);
    if (shard == NULL) return STATUS_FAILED;
    int descriptor = open(shard, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    status result = descriptor < 0 ? error_set_errno(err, "%s", path)
                                   : read_member(descriptor, path, (uint64_t)offset, bytes, size, err);
    if (descriptor >= 0) close(descriptor);
    memory_free(shard);
    return result;
}

status picture_file_read(const char *path, uint8_t **bytes, size_t *size, struct error *err)
{
    *bytes = NULL;
    *size = 0;
    size_t shard_length;
    int64_t offset;
    if (picture_file_split(path, &shard_length, &offset)) return read_shard(path, offset, bytes, size, err);
    status result = file_read(path, IMAGE_MOST_BYTES, bytes, size, err);
    if (result != STATUS_OK) return result;
    if (*size > 0) return STATUS_OK;
    memory_free(*bytes);
    *bytes = NULL;
    return error_set(err, "%s: the file is empty", path);
}

status picture_file_check_output(const char *output, const char *path, struct error *err)
{
    char *file = picture_file_opened(path, err);
    status result = file == NULL ? STATUS_FAILED : file_check_output(output, file, err);
    memory_free(file);
    return result;
}

status picture_file_begin(const char *path, uint8_t bytes[PICTURE_FIRST_BYTES], size_t *size, struct error *err)
{
    *size = 0;
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* opening a pipe would wait otherwise */
    struct stat facts;
    if (descriptor < 0) return STATUS_OK;
    if (fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode))
        *size = facts.st_size < PICTURE_FIRST_BYTES ? (size_t)facts.st_size : PICTURE_FIRST_BYTES;
    status result = read_fully(descriptor, bytes, *size, 0, path, err);
    close(descriptor);
    return result;
}
