/* A label or a measure from hostile .npy bytes (NumPy's format 1.0 to 3.0). */
#include "data/npy_scalar.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int64_t value;
    double measure;
    (void)npy_whole_number(bytes, size, &value);
    (void)npy_number(bytes, size, &measure);
    return 0;
}
