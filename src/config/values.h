/* One key's value: from text into struct config, back to text, and freed. */
#ifndef RMFER_SRC_CONFIG_VALUES_H
#define RMFER_SRC_CONFIG_VALUES_H

#include "rmfer/config/keys.h"

/* Parses `text` into the key's place; the old value is freed. Paths are stored as written (see value_expand_path).
 * Messages begin with "section.key = text: ". */
status value_set(const struct config_key *key, struct config *config, const char *text, struct error *err) MUST_CHECK;

void value_free(const struct config_key *key, struct config *config);

/* Replaces a path by its absolute form: $VAR, ${VAR}, $$ and a leading ~ expanded, relative ones put under `folder`
 * ("" stays ""). Without `variables` a ~ is a letter and a $VAR an error. */
status value_expand_path(const struct config_key *key, struct config *config, const char *folder, bool variables,
                         struct error *err) MUST_CHECK;

/* The place of a key's value. */
void *value_place(const struct config_key *key, struct config *config);

#endif
