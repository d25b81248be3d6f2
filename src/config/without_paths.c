/* A configuration fit to travel: the text of a run without the names of folders on the machine that made it. Works on
 * the text that config_print wrote, so that keys of other versions of the program pass as they stand. */
#include "rmfer/config/keys.h"

#include <string.h>

enum { LONGEST_NAME = 63 };

/* Copies the trimmed name between begin and end; empty when it is too long to be one. */
static void copy_name(char name[LONGEST_NAME + 1], const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t length = (size_t)(end - begin);
    if (length > LONGEST_NAME) length = 0;
    memcpy(name, begin, length);
    name[length] = '\0';
}

/* Lists of a data set are named below its folder, but may stand elsewhere. */
static bool begins_at_root(const char *value, const char *end)
{
    while (value < end && (*value == ' ' || *value == '\t' || *value == '"')) value++;
    return value < end && (*value == '/' || *value == '~');
}

/* `equals`: behind it, up to `end`, the value stands. */
static bool is_path(const char *section, const char *name, const char *equals, const char *end)
{
    const struct config_key *key = config_key_find(section, name);
    if (key == NULL) return false;
    return key->kind == KEY_PATH || (key->kind == KEY_STRING && begins_at_root(equals + 1, end));
}

status config_without_paths(const char *text, struct text *out, struct error *err)
{
    char section[LONGEST_NAME + 1] = "", name[LONGEST_NAME + 1];
    status result = STATUS_OK;
    while (*text != '\0' && result == STATUS_OK) {
        size_t length = strcspn(text, "\n");
        const char *end = text + length, *equals = memchr(text, '=', length), *bracket = memchr(text, ']', length);
        if (*text == '[' && bracket != NULL) copy_name(section, text + 1, bracket);
        if (equals != NULL) copy_name(name, text, equals);
        if (equals != NULL && is_path(section, name, equals, end))
            result = text_append_format(out, err, "%s =", name);
        else
            result = text_append(out, text, length, err);
        if (result == STATUS_OK && *end == '\n') result = text_append(out, "\n", 1, err);
        text = *end == '\n' ? end + 1 : end;
    }
    return result;
}
