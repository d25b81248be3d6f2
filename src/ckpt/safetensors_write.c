/* Writing safetensors: the header's text, then the data in the order of their alignment. */
#include "rmfer/ckpt/safetensors.h"

#include "ckpt/safetensors_checksum.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <stdio.h>
#include <string.h>

/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
static status append_string(struct text *text, const char *string, struct error *err)
{
    status result = text_append(text, "\"", 1, err);
    while (result == STATUS_OK && *string != '\0') {
        size_t length = text_character_length(string);
        if (length == 0)
            result = text_append(text, "\\ufffd", 6, err);
        else if ((length == 1 && text_printable_length(string) == 0) || *string == '"' || *string == '\\')
            result = text_append_format(text, err, "\\u%04x", (unsigned char)*string);
        else
            result = text_append(text, string, length, err);
        string += length > 0 ? length : 1;
    }
    return result == STATUS_OK ? text_append(text, "\"", 1, err) : result;
}

static status append_metadata(struct text *text, const struct safetensors_metadata *metadata, size_t count,
                              struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < count; i++) {
        result = text_append(text, ",", 1, err);
        if (result == STATUS_OK) result = append_string(text, metadata[i].key, err);
        if (result == STATUS_OK) result = text_append(text, ":", 1, err);
        if (result == STATUS_OK) result = append_string(text, metadata[i].value, err);
    }
    return result == STATUS_OK ? text_append(text, "}", 1, err) : result;
}

static status append_entry(struct text *text, const struct tensor *tensor, size_t *offset, struct error *err)
{
    status result = append_string(text, tensor->name, err);
    if (result == STATUS_OK)
        result = text_append_format(text, err, ":{\"dtype\":\"%s\",\"shape\":[", tensor_type_name(tensor->type));
    for (int i = 0; result == STATUS_OK && i < tensor->rank; i++)
        result = text_append_format(text, err, "%s%zu", i == 0 ? "" : ",", tensor->shape[i]);
    size_t end = *offset + tensor_bytes(tensor);
    if (result == STATUS_OK) result = text_append_format(text, err, "],\"data_offsets\":[%zu,%zu]}", *offset, end);
    *offset = end;
    return result;
}

/* Element sizes from large to small; the data follow in this order. */
static const size_t element_sizes[] = {8, 4, 2, 1};
enum { ELEMENT_SIZES = sizeof element_sizes / sizeof element_sizes[0] };

/* The sum of each tensor's bytes, in their order in the file. */
static status append_sums(struct text *text, const struct tensor *tensors, size_t count,
                          const struct crc32c_tables *tables, struct error *err)
{
    status result = STATUS_OK;
    for (size_t s = 0; s < ELEMENT_SIZES; s++) {
        for (size_t i = 0; result == STATUS_OK && i < count; i++) {
            if (tensor_type_size(tensors[i].type) != element_sizes[s]) continue;
            uint32_t sum = crc32c_extend(tables, 0, tensors[i].data, tensor_bytes(&tensors[i]));
            result = text_append_format(text, err, "%08x", (unsigned)sum);
        }
    }
    return result;
}

static status append_entries(struct text *text, const struct tensor *tensors, size_t count, struct error *err)
{
    size_t offset = 0;
    status result = STATUS_OK;
    for (size_t s = 0; s < ELEMENT_SIZES; s++) {
        for (size_t i = 0; result == STATUS_OK && i < count; i++) {
            if (tensor_type_size(tensors[i].type) != element_sizes[s]) continue;
            result = text_append(text, ",", 1, err);
            if (result == STATUS_OK) result = append_entry(text, &tensors[i], &offset, err);
        }
    }
    return result;
}

static status make_header(struct text *text, const struct tensor *tensors, size_t count,
                          const struct safetensors_metadata *metadata, size_t metadata_count, struct error *err)
{
    struct crc32c_tables tables;
    crc32c_prepare(&tables);
    status result = text_append_format(text, err, "%s00000000\",\"%s\":\"", CHECKSUM_HEADER_BEGIN, CHECKSUM_TENSORS);
    if (result == STATUS_OK) result = append_sums(text, tensors, count, &tables, err);
    if (result == STATUS_OK) result = text_append(text, "\"", 1, err);
    if (result == STATUS_OK) result = append_metadata(text, metadata, metadata_count, err);
    if (result == STATUS_OK) result = append_entries(text, tensors, count, err);
    if (result == STATUS_OK) result = text_append(text, "}", 1, err);
    while (result == STATUS_OK && text->length % 8 != 0) result = text_append(text, " ", 1, err);
    if (result != STATUS_OK) return result;
    char sum[CHECKSUM_DIGITS + 1];
    snprintf(sum, sizeof sum, "%08x", (unsigned)crc32c_extend(&tables, 0, text->bytes, text->length));
    memcpy(text->bytes + sizeof CHECKSUM_HEADER_BEGIN - 1, sum, CHECKSUM_DIGITS);
    return STATUS_OK;
}

/* A failing write is noticed by atomic_file_commit through ferror. */
static void write_data(FILE *stream, const struct tensor *tensors, size_t count)
{
    for (size_t s = 0; s < ELEMENT_SIZES; s++) {
        for (size_t i = 0; i < count; i++) {
            size_t bytes = tensor_bytes(&tensors[i]);
            if (tensor_type_size(tensors[i].type) != element_sizes[s] || bytes == 0) continue;
            (void)fwrite(tensors[i].data, 1, bytes, stream);
        }
    }
}

status safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                         const struct safetensors_metadata *metadata, size_t metadata_count, struct error *err)
{
    for (size_t i = 0; i < count; i++) BUG_UNLESS(tensor_is_contiguous(&tensors[i]));
    struct text header = {0};
    struct atomic_file file = {0};
    status result = make_header(&header, tensors, count, metadata, metadata_count, err);
    if (result == STATUS_OK && header.length > SAFETENSORS_LARGEST_HEADER)
        result = error_set(err, "%s: a header of %zu bytes could not be read back", path, header.length);
    atomic_file_remove_stale(path);
    if (result == STATUS_OK) result = atomic_file_open(&file, path, err);
    if (result == STATUS_OK) {
        uint64_t length = header.length;
        (void)fwrite(&length, sizeof length, 1, file.stream);
        (void)fwrite(header.bytes, 1, header.length, file.stream);
        write_data(file.stream, tensors, count);
        result = atomic_file_commit(&file, err);
    }
    text_free(&header);
    return result;
}
