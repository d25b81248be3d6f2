/* What follows from the keys once all are set: absolute paths, numbers of normalisation presets, checks across keys.
 */
#ifndef RMFER_SRC_CONFIG_RESOLVE_H
#define RMFER_SRC_CONFIG_RESOLVE_H

#include "rmfer/config/keys.h"

enum { LINE_DEFAULT = 0, LINE_OVERRIDE = -1 };

/* Relative paths of the file are put under `folder`, those of overrides under the current folder. `variables`: whether
 * the file may name some of the environment. */
status config_resolve(struct config *config, const char *folder, bool variables, struct error *err) MUST_CHECK;

/* Puts "FILE:LINE: ", "FILE: " or "--OPTION: " in front of a message about this key. */
status config_add_place(const struct config *config, const struct config_key *key, struct error *err);

#endif
