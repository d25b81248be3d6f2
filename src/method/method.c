/* The table of methods. A new one: its file in this room, a line in methods.h, a row here, its name among the words of
 * train.method (config/keys.c). */
#include "rmfer/method/method.h"

#include "method/methods.h"

#include <string.h>

static const struct method *const methods[] = {
    &method_rmfer,      &method_consensus, &method_fixmatch, &method_uda,     &method_mixmatch,
    &method_remixmatch, &method_adacm,     &method_center,   &method_island,  &method_dacl,
    &method_simclr,     &method_moco,      &method_byol,     &method_simsiam,
};

const struct method *const *method_table(size_t *count)
{
    *count = sizeof methods / sizeof methods[0];
    return methods;
}

const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i]->name, name) == 0) return methods[i];
    return NULL;
}
