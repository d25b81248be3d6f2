/* One JSON object out of bytes, strictly: cJSON alone would pass over what follows it. */
#include "rmfer/base/json_reader.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

cJSON *json_read_object(const char *bytes, size_t length)
{
    const char *end = NULL;
    errno = 0; /* cJSON does not tell why; malloc does */
    cJSON *object = cJSON_ParseWithLengthOpts(bytes, length, &end, 0);
    bool good = cJSON_IsObject(object);
    for (; good && end < bytes + length; end++)
        good = *end == ' ' || *end == '\n' || *end == '\r' || *end == '\t' || *end == '\0';
    if (good) return object;
    cJSON_Delete(object);
    if (object != NULL) errno = 0;
    return NULL;
}

double json_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}
