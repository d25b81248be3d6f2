/* The key table: name, type, place in struct config, default, range and one line of explanation for every key. */
#ifndef RMFER_CONFIG_KEYS_H
#define RMFER_CONFIG_KEYS_H

#include "rmfer/config/config.h"

/* What a normalisation's numbers may be, here and in checkpoints: such that float32 can compute with them. */
#define NORMALIZATION_MEAN_MOST 10.0 /* and least: the same below 0 */
#define NORMALIZATION_STD_LEAST 1e-6
#define NORMALIZATION_STD_MOST  10.0

enum key_kind {
    KEY_BOOL,       /* bool: true|false, yes|no, on|off, 1|0 */
    KEY_INTEGER,    /* int64_t */
    KEY_REAL,       /* double */
    KEY_STRING,     /* char * */
    KEY_PATH,       /* char *, expanded and absolute */
    KEY_WORD,       /* char *, one of `words` */
    KEY_ENUM,       /* an enum whose values are the places in `words` */
    KEY_STRINGS,    /* struct config_strings, comma-separated */
    KEY_REALS,      /* struct config_reals, comma-separated */
    KEY_THREE_REALS /* double[3] */
};

struct config_key {
    const char *section, *name;
    enum key_kind kind;
    size_t offset;            /* into struct config */
    const char *default_text; /* the default, as text */
    double minimum, maximum;  /* of numbers, inclusive; equal = any */
    const char *words;        /* "sgd adam adamw sam" */
    const char *help;
};

/* The whole table, in the order of printing. */
const struct config_key *config_keys(size_t *count);

/* The key of that section and name, NULL when there is none. */
const struct config_key *config_key_find(const char *section, const char *name);

/* The key's place in the table, and so in config.lines and config.options. */
size_t config_key_index(const struct config_key *key);

/* Appends the key's value in `config` as config_parse would read it. */
status config_key_print(const struct config_key *key, const struct config *config, struct text *out,
                        struct error *err) MUST_CHECK;

#endif
