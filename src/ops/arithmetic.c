/* The name of what rounds. */
#include "rmfer/ops/arithmetic.h"

#include "rmfer/kern/kernels.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

const char *arithmetic_describe(char text[ARITHMETIC_TEXT])
{
    const char *config = openblas_get_config(); /* "OpenBLAS 0.3.21 NO_AFFINITY ..." */
    size_t name = strcspn(config, " ");
    if (config[name] == ' ') name += 1 + strcspn(config + name + 1, " ");
    snprintf(text, ARITHMETIC_TEXT, "%s kernels, %.*s for %s", kernels_best()->name, (int)name, config,
             openblas_get_corename());
    return text;
}
