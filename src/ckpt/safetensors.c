/* Reading safetensors: the header's JSON through cJSON, then every offset checked for range, overlap and gap. */
#include "rmfer/ckpt/safetensors.h"

#include "ckpt/safetensors_checksum.h"
#include "rmfer/base/json_reader.h"
#include "rmfer/base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };
static const char METADATA[] = "__metadata__";

/* What a header's entries are checked against. */
struct data_section {
    const uint8_t *bytes;
    size_t size;
};

/* A whole number that a double holds exactly; cJSON reads every number as a double. */
static bool read_size(const cJSON *item, size_t *value)
{
    if (!cJSON_IsNumber(item)) return false;
    double number = item->valuedouble;
    if (!(number >= 0 && number <= 0x1p53) || floor(number) != number) return false;
    *value = (size_t)number;
    return true;
}

/* An array of at most `most` whole numbers; the number of them, or -1. */
static int read_sizes(const cJSON *array, size_t *values, int most)
{
    if (!cJSON_IsArray(array)) return -1;
    int count = 0;
    for (const cJSON *item = array->child; item != NULL; item = item->next)
        if (count == most || !read_size(item, &values[count++])) return -1;
    return count;
}

/* One tensor's {dtype, shape, data_offsets}. A key given twice leaves another out, so that three keys are enough to
 * know that each is there once. */
static status read_entry(struct tensor *tensor, const cJSON *entry, const struct data_section *data, struct error *err)
{
    char name[TENSOR_NAME_TEXT];
    tensor_name_text(name, sizeof name, entry->string);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    size_t shape[TENSOR_MOST_RANK], offsets[2];
    int rank = read_sizes(cJSON_GetObjectItemCaseSensitive(entry, "shape"), shape, TENSOR_MOST_RANK);
    int ends = read_sizes(cJSON_GetObjectItemCaseSensitive(entry, "data_offsets"), offsets, 2);
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) != 3 || !cJSON_IsString(dtype) || rank < 0 || ends != 2)
        return error_set(err, "tensor '%s': not {dtype, shape, data_offsets} of at most %d dimensions", name,
                         TENSOR_MOST_RANK);
    tensor->name = entry->string;
    if (!tensor_type_find(&tensor->type, dtype->valuestring)) {
        char type[TENSOR_NAME_TEXT];
        return error_set(err, "tensor '%s': the type '%s' is not read here", name,
                         tensor_name_text(type, 32, dtype->valuestring));
    }
    if (!tensor_set_shape(tensor, rank, shape)) return error_set(err, "tensor '%s': its shape overflows", name);
    if (offsets[0] > offsets[1] || offsets[1] > data->size)
        return error_set(err, "tensor '%s': bytes %zu to %zu of %zu: the file is cut short or its header lies", name,
                         offsets[0], offsets[1], data->size);
    if (offsets[1] - offsets[0] != tensor->count * tensor_type_size(tensor->type))
        return error_set(err, "tensor '%s': %zu bytes do not fit its shape and type", name, offsets[1] - offsets[0]);
    tensor->data = data->bytes + offsets[0];
    return STATUS_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct tensor *left = a, *right = b;
    if (left->data != right->data) return left->data < right->data ? -1 : 1;
    return (tensor_bytes(left) > tensor_bytes(right)) - (tensor_bytes(left) < tensor_bytes(right));
}

/* The tensors must cover the data: one after the other, nothing between, nothing left. */
static status check_places(struct safetensors *file, const struct data_section *data, struct error *err)
{
    const uint8_t *expected = data->bytes;
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if (tensor->data != expected) {
            char name[TENSOR_NAME_TEXT];
            return error_set(err, "tensor '%s': its bytes %s", tensor_name_text(name, sizeof name, tensor->name),
                             tensor->data < expected ? "overlap another tensor's" : "follow a gap");
        }
        expected += tensor_bytes(tensor);
    }
    size_t left = data->size - (size_t)(expected - data->bytes);
    return left == 0 ? STATUS_OK : error_set(err, "%zu bytes after the last tensor belong to none", left);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_metadata *)a)->key, ((const struct safetensors_metadata *)b)->key);
}

static status check_distinct(struct safetensors *file, struct error *err)
{
    char name[TENSOR_NAME_TEXT];
    qsort(file->tensors, file->count, sizeof *file->tensors, tensor_compare_names);
    for (size_t i = 1; i < file->count; i++)
        if (tensor_compare_names(&file->tensors[i - 1], &file->tensors[i]) == 0)
            return error_set(err, "tensor '%s' is there twice",
                             tensor_name_text(name, sizeof name, file->tensors[i].name));
    if (file->metadata_count > 1) qsort(file->metadata, file->metadata_count, sizeof *file->metadata, compare_keys);
    for (size_t i = 1; i < file->metadata_count; i++)
        if (compare_keys(&file->metadata[i - 1], &file->metadata[i]) == 0)
            return error_set(err, "metadata '%s' is there twice",
                             tensor_name_text(name, sizeof name, file->metadata[i].key));
    return STATUS_OK;
}

static status read_metadata(struct safetensors *file, const cJSON *object, struct error *err)
{
    if (!cJSON_IsObject(object)) return error_set(err, "__metadata__ is not an object of strings");
    if (file->metadata != NULL) return error_set(err, "__metadata__ is there twice");
    size_t count = (size_t)cJSON_GetArraySize(object);
    file->metadata = memory_allocate(count, sizeof *file->metadata, "the metadata", err);
    if (file->metadata == NULL) return STATUS_FAILED;
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        if (!cJSON_IsString(item)) return error_set(err, "__metadata__ is not an object of strings");
        file->metadata[file->metadata_count++] = (struct safetensors_metadata){item->string, item->valuestring};
    }
    return STATUS_OK;
}

static status read_header(struct safetensors *file, const char *text, size_t length, const struct data_section *data,
                          struct error *err)
{
    const cJSON *header = file->header;
    file->tensors = memory_allocate((size_t)cJSON_GetArraySize(header), sizeof *file->tensors, "the tensors", err);
    if (file->tensors == NULL) return STATUS_FAILED;
    for (const cJSON *entry = header->child; entry != NULL; entry = entry->next) {
        status result = strcmp(entry->string, METADATA) == 0
                            ? read_metadata(file, entry, err)
                            : read_entry(&file->tensors[file->count++], entry, data, err);
        if (result != STATUS_OK) return result;
    }
    status result = check_places(file, data, err);
    const struct checked_file checked = {safetensors_metadata_value(file, CHECKSUM_HEADER),
                                         safetensors_metadata_value(file, CHECKSUM_TENSORS),
                                         text,
                                         length,
                                         file->tensors,
                                         file->count};
    if (result == STATUS_OK) result = safetensors_check_sums(&checked, err); /* still in the file's order */
    return result == STATUS_OK ? check_distinct(file, err) : result;
}

static status parse(struct safetensors *file, const uint8_t *bytes, size_t size, struct error *err)
{
    uint64_t length;
    if (size < LENGTH_BYTES) return error_set(err, "%zu bytes are too few for a safetensors file", size);
    memcpy(&length, bytes, sizeof length);
    if (length > size - LENGTH_BYTES)
        return error_set(err, "its header would have %llu bytes, the file has %zu: cut short, or not safetensors",
                         (unsigned long long)length, size);
    if (length > SAFETENSORS_LARGEST_HEADER)
        return error_set(err, "a header of %llu bytes is more than the limit of %d", (unsigned long long)length,
                         SAFETENSORS_LARGEST_HEADER);
    struct data_section data = {bytes + LENGTH_BYTES + length, size - LENGTH_BYTES - (size_t)length};
    const char *text = (const char *)bytes + LENGTH_BYTES;
    file->header = json_read_object(text, (size_t)length);
    if (file->header == NULL)
        return error_set(err, errno == ENOMEM ? "not enough memory for its header" : "its header is not a JSON object");
    return read_header(file, text, (size_t)length, &data, err);
}

status safetensors_parse(struct safetensors *file, const uint8_t *bytes, size_t size, const char *name,
                         struct error *err)
{
    *file = (struct safetensors){0};
    status result = parse(file, bytes, size, err);
    if (result == STATUS_OK) return STATUS_OK;
    safetensors_close(file);
    return error_add_context(err, "%s", name);
}

status safetensors_open(struct safetensors *file, const char *path, struct error *err)
{
    struct mapped_file mapping;
    *file = (struct safetensors){0};
    status result = file_load(&mapping, path, err);
    if (result != STATUS_OK) return result;
    result = safetensors_parse(file, mapping.bytes, mapping.size, path, err);
    if (result == STATUS_OK)
        file->file = mapping;
    else
        file_unmap(&mapping);
    return result;
}

void safetensors_close(struct safetensors *file)
{
    memory_free(file->tensors);
    memory_free(file->metadata);
    cJSON_Delete(file->header);
    file_unmap(&file->file);
    *file = (struct safetensors){0};
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    return tensor_find_sorted(file->tensors, file->count, name);
}

const char *safetensors_metadata_value(const struct safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}
