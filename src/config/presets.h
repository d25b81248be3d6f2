/* The presets of configs/, as the build embeds them. */
#ifndef RMFER_SRC_CONFIG_PRESETS_H
#define RMFER_SRC_CONFIG_PRESETS_H

#include <stddef.h>

struct preset {
    const char *name, *text;
};

/* Sorted by name, ended by {NULL, NULL}. */
extern const struct preset embedded_presets[];

#endif
