/* A label or a measure from hostile .npy bytes (NumPy's format 1.0 to 3.0). */
#include "data/npy_scalar.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int64_t value;
    (void)npy_scalar(bytes, size, &value);
    return 0;
}
