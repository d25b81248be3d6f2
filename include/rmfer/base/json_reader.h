/* Reading JSON of foreign origin through cJSON. What is found in it is checked by whoever asked. */
#ifndef RMFER_BASE_JSON_READER_H
#define RMFER_BASE_JSON_READER_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* `length` bytes as one object with nothing but blanks behind it; cJSON_Delete frees it. NULL when it is something else
 * or memory is short: errno is ENOMEM then, and not otherwise. */
cJSON *json_read_object(const char *bytes, size_t length);

/* The number called `name`; NaN when there is none. */
double json_number(const cJSON *object, const char *name);

#endif
