/* safetensors from hostile bytes: what is accepted must be readable to its last element. */
#include "rmfer/ckpt/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct safetensors file;
    struct error err = {0};
    if (safetensors_parse(&file, bytes, size, "fuzz", &err) != STATUS_OK) return 0;
    for (size_t i = 0; i < file.count; i++) {
        const struct tensor *tensor = &file.tensors[i];
        if (tensor->count > size) abort();
        float *values = malloc(tensor->count * sizeof *values + 1);
        if (values == NULL) abort();
        tensor_read_floats(tensor, values);
        free(values);
        if (safetensors_find(&file, tensor->name) != tensor) abort();
    }
    for (size_t i = 0; i < file.metadata_count; i++)
        if (safetensors_metadata_value(&file, file.metadata[i].key) == NULL) abort();
    safetensors_close(&file);
    return 0;
}
