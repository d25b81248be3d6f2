/* A pickle from hostile bytes, and the walk through what it built. Its storages have no bytes, so the walk ends with
 * an error at the first tensor that has elements; fuzz_torch goes further. */
#include "ckpt/pickle.h"
#include "ckpt/torch_flatten.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct torch_file file = {.pool = pool_with_limits(((size_t)1 << 20) + 64 * size, (size_t)1 << 20)};
    struct pickle pickle;
    struct pickle_storage **types;
    struct error err = {0};
    status result = pickle_load(&pickle, bytes, size, &file.pool, &err);
    if (pickle.length > size) abort();
    if (result == STATUS_OK) result = torch_list_storages(&file, pickle.storages, &types, &err);
    if (result == STATUS_OK) result = torch_flatten(&file, pickle.value, &err);
    if ((result == STATUS_OK) == (err.message[0] != '\0')) abort();
    pool_free(&file.pool);
    return 0;
}
