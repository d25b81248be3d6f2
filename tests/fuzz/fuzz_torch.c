/* A file of torch.save from hostile bytes, in both formats; tensors that are accepted must be readable. */
#include "ckpt/names.h"
#include "ckpt/torch_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MOST_ELEMENTS = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static float values[MOST_ELEMENTS];
    struct torch_file *file = NULL;
    struct error err = {0};
    status result = torch_parse(&file, bytes, size, &err);
    if ((result == STATUS_OK) != (file != NULL) || (result == STATUS_OK) == (err.message[0] != '\0')) abort();
    if (file == NULL) return 0;
    for (size_t i = 0; i < file->count; i++) {
        if (i > 0 && tensor_compare_names(&file->tensors[i - 1], &file->tensors[i]) >= 0) abort();
        if (file->tensors[i].count <= MOST_ELEMENTS) tensor_read_floats(&file->tensors[i], values);
    }
    struct naming_match match;
    size_t candidates;
    if (naming_find(&match, file->tensors, file->count, NULL, &candidates))
        (void)naming_size(&match, file->tensors, file->count);
    torch_free(file);
    return 0;
}
