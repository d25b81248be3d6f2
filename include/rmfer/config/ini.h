/* INI text, one item at a time: sections, keys, values, comments, with line numbers for messages. */
#ifndef RMFER_CONFIG_INI_H
#define RMFER_CONFIG_INI_H

#include "rmfer/base/error.h"

#include <stdbool.h>

enum ini_kind { INI_SECTION, INI_VALUE, INI_END };

/* Points into the reader's text, which it cuts up. */
struct ini_item {
    enum ini_kind kind;
    char *name;  /* of the section or the key */
    char *value; /* of a key */
    int line;    /* from 1 */
};

struct ini_reader {
    char *next; /* the rest of a writable, NUL-terminated text */
    int line;   /* lines read so far */
};

/* Starts at `text`, past a byte order mark. */
struct ini_reader ini_reader(char *text);

/* The next item. Grammar: `[section]`, `key = value`, comments from # or ; at the start of a line or after a blank.
 * A value in double quotes keeps blanks, # and ;, and knows \" \\ \n \t. An error is about item->line, which the caller
 * says. */
status ini_next(struct ini_reader *reader, struct ini_item *item, struct error *err) MUST_CHECK;

/* Whether ini_next would not give `value` back as it is without quotes. */
bool ini_needs_quotes(const char *value);

#endif
