/* One table of the names, read both ways. */
#include "rmfer/cmd/saved.h"

#include <string.h>

static const char *const names[] = {
    [STORAGE_REAL] = "float32", [STORAGE_BFLOAT16] = "bfloat16", [STORAGE_FLOAT16] = "float16"};

const char *saved_name(enum storage storage)
{
    return names[storage];
}

status saved_find(const char *name, enum storage *storage, struct error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *storage = (enum storage)i;
            return STATUS_OK;
        }
    return error_set_usage(err, "--saved %s: float32, bfloat16 or float16", name);
}
