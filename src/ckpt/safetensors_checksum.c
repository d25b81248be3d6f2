/* Checking the sums that safetensors_write.c made. */
#include "ckpt/safetensors_checksum.h"

#include <stdio.h>
#include <string.h>

static bool agrees(const char *digits, uint32_t sum)
{
    char expected[CHECKSUM_DIGITS + 1];
    snprintf(expected, sizeof expected, "%08x", (unsigned)sum);
    return memcmp(digits, expected, CHECKSUM_DIGITS) == 0;
}

static bool header_agrees(const struct crc32c_tables *tables, const char *text, size_t length)
{
    static const char zeros[CHECKSUM_DIGITS + 1] = "00000000";
    size_t begin = sizeof CHECKSUM_HEADER_BEGIN - 1, end = begin + CHECKSUM_DIGITS;
    if (length < end) return false;
    uint32_t sum = crc32c_extend(tables, 0, text, begin);
    sum = crc32c_extend(tables, sum, zeros, CHECKSUM_DIGITS);
    return agrees(text + begin, crc32c_extend(tables, sum, text + end, length - end));
}

/* Whether the header was written here. Its blank may be damaged into another byte that readers pass over. */
static bool is_own(const char *text, size_t length)
{
    static const char begin[] = CHECKSUM_HEADER_BEGIN;
    size_t blank = (size_t)(strchr(begin, ' ') - begin), rest = sizeof begin - 1 - blank - 1;
    return length >= sizeof begin - 1 && memcmp(text, begin, blank) == 0 && (unsigned char)text[blank] <= ' ' &&
           memcmp(text + blank + 1, begin + blank + 1, rest) == 0;
}

status safetensors_check_sums(const struct checked_file *file, struct error *err)
{
    if (file->header == NULL && file->sums == NULL) return STATUS_OK;
    if (file->header == NULL || file->sums == NULL) return error_set(err, "damaged: one of its two checksums is gone");
    if (!is_own(file->text, file->length)) return STATUS_OK;
    struct crc32c_tables tables;
    crc32c_prepare(&tables);
    if (!header_agrees(&tables, file->text, file->length) || strlen(file->sums) != file->count * CHECKSUM_DIGITS)
        return error_set(err, "damaged: its header is not as it was written (another checksum)");
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        char name[TENSOR_NAME_TEXT];
        if (!agrees(file->sums + i * CHECKSUM_DIGITS, crc32c_extend(&tables, 0, tensor->data, tensor_bytes(tensor))))
            return error_set(err, "damaged: tensor '%s' is not as it was written (another checksum)",
                             tensor_name_text(name, sizeof name, tensor->name));
    }
    return STATUS_OK;
}
