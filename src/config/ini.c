/* A reader of its own because the packaged inih cuts lines at 200 bytes and its handlers learn no line numbers;
 * resolved configurations hold absolute paths, and every message names its line. */
#include "rmfer/config/ini.h"

#include "rmfer/base/text.h"

#include <string.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool is_comment(char byte)
{
    return byte == '#' || byte == ';';
}

struct ini_reader ini_reader(char *text)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    return (struct ini_reader){.next = text};
}

/* Cuts the next line off; NULL at the end of the text. */
static char *take_line(struct ini_reader *reader)
{
    char *line = reader->next;
    if (*line == '\0') return NULL;
    char *end = strchr(line, '\n');
    if (end == NULL) {
        reader->next = line + strlen(line);
    } else {
        *end = '\0';
        reader->next = end + 1;
    }
    reader->line++;
    return text_trim(line);
}

static bool only_comment(const char *rest)
{
    while (is_blank(*rest)) rest++;
    return *rest == '\0' || is_comment(*rest);
}

/* Turns the quoted text at `from` into its meaning, in place. */
static status unquote(char *from, struct error *err)
{
    char *to = from, *at = from + 1;
    for (; *at != '"'; at++) {
        if (*at == '\0') return error_set_usage(err, "a value begins with \" and does not end with it");
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at != '"' && *at != '\\' && *at != 'n' && *at != 't')
            return error_set_usage(err, "after \\ in quotes only \" \\ n t are known");
        *to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
    }
    if (!only_comment(at + 1)) return error_set_usage(err, "more text after the closing \"");
    *to = '\0';
    return STATUS_OK;
}

/* Cuts a comment that follows a blank. */
static void cut_comment(char *value)
{
    if (is_comment(*value)) *value = '\0';
    for (char *at = value; *at != '\0'; at++) {
        if (is_blank(*at) && is_comment(at[1])) {
            *at = '\0';
            return;
        }
    }
}

static status read_section(char *text, struct ini_item *item, struct error *err)
{
    char *end = strchr(text, ']');
    if (end == NULL || !only_comment(end + 1))
        return error_set_usage(err, "a section is written [name], alone on its line");
    *end = '\0';
    item->kind = INI_SECTION;
    item->name = text_trim(text + 1);
    return STATUS_OK;
}

static status read_value(char *text, struct ini_item *item, struct error *err)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        text_make_printable(text);
        return error_set_usage(err, "'%.60s' is neither [section] nor key = value nor # comment", text);
    }
    *equals = '\0';
    item->kind = INI_VALUE;
    item->name = text_trim(text);
    item->value = text_trim(equals + 1);
    if (item->value[0] == '"') return unquote(item->value, err);
    cut_comment(item->value);
    item->value = text_trim(item->value);
    return STATUS_OK;
}

status ini_next(struct ini_reader *reader, struct ini_item *item, struct error *err)
{
    *item = (struct ini_item){.kind = INI_END};
    char *line;
    do {
        line = take_line(reader);
        if (line == NULL) return STATUS_OK;
    } while (*line == '\0' || is_comment(*line));
    item->line = reader->line;
    return *line == '[' ? read_section(line, item, err) : read_value(line, item, err);
}

bool ini_needs_quotes(const char *value)
{
    size_t length = strlen(value);
    if (length == 0) return false;
    if (is_blank(value[0]) || is_blank(value[length - 1]) || value[0] == '"') return true;
    for (const char *at = value; *at != '\0'; at++)
        if (is_comment(*at) || (unsigned char)*at < 0x20) return true;
    return false;
}
