/* Loaders made and asked, with their errors as failures of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "support/loader_case.h"

struct loader *loader_case_made(const struct loader_options *options)
{
    struct loader *loader;
    struct error err = {0};
    if (loader_create(&loader, options, &err) != STATUS_OK) fail_msg("%s", err.message);
    return loader;
}

struct batch loader_case_next(struct loader *loader)
{
    struct batch batch;
    struct error err = {0};
    if (loader_next(loader, &batch, &err) != STATUS_OK) fail_msg("%s", err.message);
    return batch;
}

uint64_t loader_case_hash(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}
