/* The tables of the instruction-set files, where the compiler targets their family and tensors are float. */
#ifndef RMFER_KERN_TABLES_H
#define RMFER_KERN_TABLES_H

#include "rmfer/kern/kernels.h"

#if defined(__x86_64__) && !defined(RMFER_DOUBLE)
#define RMFER_X86_KERNELS 1
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
#endif

#if defined(__aarch64__) && !defined(RMFER_DOUBLE)
#define RMFER_ARM_KERNELS 1
extern const struct kernels kernels_neon;
#endif

#endif
