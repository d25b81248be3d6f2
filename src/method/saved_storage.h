/* train.saved as the network's word for it. */
#ifndef RMFER_SRC_METHOD_SAVED_STORAGE_H
#define RMFER_SRC_METHOD_SAVED_STORAGE_H

#include "rmfer/config/config.h"
#include "rmfer/kern/kernels.h"

static inline enum storage saved_storage(enum config_saved saved)
{
    switch (saved) {
    case SAVED_FLOAT32: break;
    case SAVED_BFLOAT16: return STORAGE_BFLOAT16;
    case SAVED_FLOAT16: return STORAGE_FLOAT16;
    }
    return STORAGE_REAL;
}

#endif
