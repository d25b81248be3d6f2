/* Each kind of value (number, choice, list, path, ...) from text, to text, and freed: one row a kind. */
#include "config/values.h"

#include "rmfer/config/ini.h"
#include "rmfer/base/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ITEMS = 4096 };

void *value_place(const struct config_key *key, struct config *config)
{
    return (char *)config + key->offset;
}

/* "section.key = text: message", the text cut and made printable: it may come from anywhere. */
static status refuse(const struct config_key *key, const char *text, struct error *err, const char *message)
{
    char shown[128];
    snprintf(shown, sizeof shown, "%.100s", text);
    text_make_printable(shown);
    if (shown[0] == '\0') return error_set_usage(err, "%s.%s: no value (%s)", key->section, key->name, message);
    return error_set_usage(err, "%s.%s = %s: %s", key->section, key->name, shown, message);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* The place of `word` in a blank-separated list, -1 when it is not there. */
static int find_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    int place = 0;
    for (const char *at = words; *at != '\0'; place++) {
        size_t span = strcspn(at, " ");
        if (span == length && strncmp(at, word, length) == 0) return place;
        at += span;
        while (*at == ' ') at++;
    }
    return -1;
}

static status refuse_word(const struct config_key *key, const char *text, struct error *err)
{
    char message[512] = "unknown (";
    size_t length = strlen(message);
    for (const char *at = key->words; *at != '\0' && length + 4 < sizeof message; at++) {
        message[length++] = *at == ' ' ? ',' : *at;
        if (*at == ' ') message[length++] = ' ';
    }
    message[length++] = ')';
    message[length] = '\0';
    return refuse(key, text, err, message);
}

static bool parse_truth(const char *text, bool *value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (text_equal_ignoring_case(text, yes[i]))
            *value = true;
        else if (text_equal_ignoring_case(text, no[i]))
            *value = false;
        else
            continue;
        return true;
    }
    return false;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* A number, or a percentage: "1 %" is 0.01. */
static bool parse_real(const char *text, double *value)
{
    char copy[64];
    size_t length = strlen(text);
    if (length == 0 || text[length - 1] != '%') return text_to_real(text, value);
    if (length >= sizeof copy) return false;
    memcpy(copy, text, length - 1);
    copy[length - 1] = '\0';
    if (!text_to_real(copy, value)) return false;
    *value /= 100;
    return true;
}

static bool within(const struct config_key *key, double value)
{
    return key->minimum >= key->maximum || (value >= key->minimum && value <= key->maximum);
}

/* A double takes the whole number behind 2^53 for that one. Bounds of whole numbers are whole, and far below 2^63. */
static bool whole_is_within(const struct config_key *key, int64_t value)
{
    return key->minimum >= key->maximum || (value >= (int64_t)key->minimum && value <= (int64_t)key->maximum);
}

static status refuse_range(const struct config_key *key, const char *text, struct error *err)
{
    char message[96];
    if (key->minimum > 0 && key->minimum < 1e-30)
        snprintf(message, sizeof message, "must be above 0 and at most %.10g", key->maximum);
    else
        snprintf(message, sizeof message, "must be between %.10g and %.16g", key->minimum, key->maximum);
    return refuse(key, text, err, message);
}

static status set_whole(const struct config_key *key, void *place, const char *text, struct error *err)
{
    int64_t value;
    if (!text_to_integer(text, &value)) return refuse(key, text, err, "not a whole number");
    if (!whole_is_within(key, value)) return refuse_range(key, text, err);
    *(int64_t *)place = value;
    return STATUS_OK;
}

static status set_real(const struct config_key *key, double *place, const char *text, struct error *err)
{
    double value;
    if (!parse_real(text, &value)) return refuse(key, text, err, "not a number");
    if (!within(key, value)) return refuse_range(key, text, err);
    *place = value;
    return STATUS_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static size_t count_items(const char *text)
{
    if (*text == '\0') return 0;
    size_t count = 1;
    for (; *text != '\0'; text++) count += *text == ',';
    return count;
}

/* Cuts the next item off a writable comma-separated list. */
static char *take_item(char **rest)
{
    char *item = *rest, *comma = strchr(item, ',');
    if (comma != NULL) *comma = '\0';
    *rest = comma == NULL ? item + strlen(item) : comma + 1;
    return text_trim(item);
}

static void free_strings(struct config_strings *list)
{
    for (size_t i = 0; i < list->count; i++) memory_free(list->items[i]);
    memory_free(list->items);
    *list = (struct config_strings){0};
}

static status fill_strings(const struct config_key *key, struct config_strings *list, char *copy, const char *text,
                           struct error *err)
{
    size_t count = count_items(text);
    list->items = memory_allocate(count, sizeof *list->items, key->name, err);
    if (list->items == NULL) return STATUS_FAILED;
    for (; list->count < count; list->count++) {
        const char *item = take_item(&copy);
        if (*item == '\0') return refuse(key, text, err, "an item is empty");
        list->items[list->count] = memory_copy_string(item, err);
        if (list->items[list->count] == NULL) return STATUS_FAILED;
    }
    return STATUS_OK;
}

static status fill_reals(const struct config_key *key, struct config_reals *list, char *copy, const char *text,
                         struct error *err)
{
    size_t count = count_items(text);
    list->items = memory_allocate(count, sizeof *list->items, key->name, err);
    if (list->items == NULL) return STATUS_FAILED;
    for (; list->count < count; list->count++) {
        const char *item = take_item(&copy);
        double *place = &list->items[list->count];
        if (!parse_real(item, place)) return refuse(key, text, err, "not a list of numbers");
        if (!within(key, *place)) return refuse_range(key, text, err);
    }
    return STATUS_OK;
}

static status set_list(const struct config_key *key, void *place, const char *text, struct error *err)
{
    if (count_items(text) > MOST_ITEMS) return refuse(key, text, err, "more items than the limit of 4096");
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    status result;
    if (key->kind == KEY_STRINGS) {
        free_strings(place);
        result = fill_strings(key, place, copy, text, err);
    } else {
        struct config_reals *list = place;
        memory_free(list->items);
        *list = (struct config_reals){0};
        result = fill_reals(key, list, copy, text, err);
    }
    memory_free(copy);
    return result;
}

static status set_three(const struct config_key *key, double *place, const char *text, struct error *err)
{
    for (int i = 0; i < 3; i++) place[i] = 0;
    if (*text == '\0') return STATUS_OK;
    if (count_items(text) != 3) return refuse(key, text, err, "not three numbers (red, green, blue)");
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    char *rest = copy;
    for (int i = 0; i < 3 && result == STATUS_OK; i++) {
        double value;
        if (!parse_real(take_item(&rest), &value))
            result = refuse(key, text, err, "not three numbers (red, green, blue)");
        else if (!within(key, value))
            result = refuse_range(key, text, err);
        else
            place[i] = value;
    }
    memory_free(copy);
    return result;
}

/* ---- any kind ---------------------------------------------------------------------------------------------------- */

static status set_string(char **place, const char *text, struct error *err)
{
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    memory_free(*place);
    *place = copy;
    return STATUS_OK;
}

static status set_enum(const struct config_key *key, void *place, const char *text, struct error *err)
{
    int word = find_word(key->words, text);
    if (word < 0) return refuse_word(key, text, err);
    memcpy(place, &word, sizeof word); /* every enum here has int's size */
    return STATUS_OK;
}

status value_set(const struct config_key *key, struct config *config, const char *text, struct error *err)
{
    void *place = value_place(key, config);
    switch (key->kind) {
    case KEY_BOOL: return parse_truth(text, place) ? STATUS_OK : refuse(key, text, err, "neither true nor false");
    case KEY_INTEGER: return set_whole(key, place, text, err);
    case KEY_REAL: return set_real(key, place, text, err);
    case KEY_STRING:
    case KEY_PATH: return set_string(place, text, err);
    case KEY_WORD: return find_word(key->words, text) < 0 ? refuse_word(key, text, err) : set_string(place, text, err);
    case KEY_ENUM: return set_enum(key, place, text, err);
    case KEY_STRINGS:
    case KEY_REALS: return set_list(key, place, text, err);
    case KEY_THREE_REALS: return set_three(key, place, text, err);
    }
    return STATUS_OK;
}

void value_free(const struct config_key *key, struct config *config)
{
    void *place = value_place(key, config);
    if (key->kind == KEY_STRING || key->kind == KEY_PATH || key->kind == KEY_WORD) {
        memory_free(*(char **)place);
        *(char **)place = NULL;
    } else if (key->kind == KEY_STRINGS) {
        free_strings(place);
    } else if (key->kind == KEY_REALS) {
        memory_free(((struct config_reals *)place)->items);
        *(struct config_reals *)place = (struct config_reals){0};
    }
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static bool is_name_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

/* Appends the value of the variable at `*at` (just after the $) and moves `*at` behind it. */
static status expand_variable(const struct config_key *key, const char *path, const char **at, struct text *out,
                              struct error *err)
{
    bool braces = **at == '{';
    const char *name = *at + braces;
    size_t length = 0;
    while (is_name_byte(name[length])) length++;
    if (length == 0 || length > 200 || (braces && name[length] != '}'))
        return refuse(key, path, err, "after $ comes a variable's name, NAME or {NAME} ($$ is a dollar sign)");
    char copy[201], message[300];
    memcpy(copy, name, length);
    copy[length] = '\0';
    const char *value = getenv(copy);
    snprintf(message, sizeof message, "the environment variable %s is not set", copy);
    if (value == NULL) return refuse(key, path, err, message);
    *at = name + length + braces;
    return text_append(out, value, strlen(value), err);
}

static status expand(const struct config_key *key, const char *path, bool variables, struct text *out,
                     struct error *err)
{
    const char *at = path;
    if (variables && at[0] == '~' && (at[1] == '/' || at[1] == '\0')) {
        const char *home = getenv("HOME");
        if (home == NULL) return refuse(key, path, err, "the environment variable HOME is not set");
        if (text_append(out, home, strlen(home), err) != STATUS_OK) return STATUS_FAILED;
        at++;
    }
    while (*at != '\0') {
        status result;
        if (at[0] != '$') {
            size_t span = strcspn(at, "$");
            result = text_append(out, at, span, err);
            at += span;
        } else if (at[1] == '$') {
            result = text_append(out, "$", 1, err);
            at += 2;
        } else if (!variables) {
            return refuse(key, path, err, "a variable in a configuration that came inside a file is never put in");
        } else {
            at++;
            result = expand_variable(key, path, &at, out, err);
        }
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

status value_expand_path(const struct config_key *key, struct config *config, const char *folder, bool variables,
                         struct error *err)
{
    char **place = value_place(key, config);
    if (**place == '\0') return STATUS_OK;
    struct text expanded = {0};
    status result = expand(key, *place, variables, &expanded, err);
    if (result == STATUS_OK && text_string(&expanded)[0] == '\0')
        result = refuse(key, *place, err, "nothing is left when its variables are put in");
    char *joined = result == STATUS_OK ? path_join(folder, text_string(&expanded), err) : NULL;
    text_free(&expanded);
    if (joined == NULL) return result == STATUS_OK ? STATUS_FAILED : result;
    memory_free(*place);
    *place = joined;
    return STATUS_OK;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* The shortest decimal that reads back as the same number. */
static status print_real(double value, struct text *out, struct error *err)
{
    char digits[40];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    return text_append(out, digits, strlen(digits), err);
}

static status print_reals(const double *items, size_t count, struct text *out, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && text_append(out, ", ", 2, err) != STATUS_OK) return STATUS_FAILED;
        if (print_real(items[i], out, err) != STATUS_OK) return STATUS_FAILED;
    }
    return STATUS_OK;
}

static status print_quoted(const char *value, struct text *out, struct error *err)
{
    if (text_append(out, "\"", 1, err) != STATUS_OK) return STATUS_FAILED;
    for (const char *at = value; *at != '\0'; at++) {
        char pair[2] = {'\\', *at == '\n' ? 'n' : *at == '\t' ? 't' : *at};
        bool escaped = *at == '"' || *at == '\\' || *at == '\n' || *at == '\t';
        if (text_append(out, escaped ? pair : at, escaped ? 2 : 1, err) != STATUS_OK) return STATUS_FAILED;
    }
    return text_append(out, "\"", 1, err);
}

/* Quoted where the INI grammar asks for it; a path's dollar signs are doubled. */
static status print_string(const char *value, bool is_path, struct text *out, struct error *err)
{
    struct text doubled = {0};
    status result = STATUS_OK;
    for (const char *at = value; is_path && *at != '\0' && result == STATUS_OK; at++)
        result = text_append(&doubled, *at == '$' ? "$$" : at, *at == '$' ? 2 : 1, err);
    const char *shown = is_path ? text_string(&doubled) : value;
    if (result == STATUS_OK)
        result = ini_needs_quotes(shown) ? print_quoted(shown, out, err) : text_append(out, shown, strlen(shown), err);
    text_free(&doubled);
    return result;
}

static status print_strings(const struct config_strings *list, struct text *out, struct error *err)
{
    struct text joined = {0};
    status result = STATUS_OK;
    for (size_t i = 0; i < list->count && result == STATUS_OK; i++)
        result = text_append_format(&joined, err, "%s%s", i > 0 ? ", " : "", list->items[i]);
    if (result == STATUS_OK) result = print_string(text_string(&joined), false, out, err);
    text_free(&joined);
    return result;
}

static status print_enum(const struct config_key *key, const void *place, struct text *out, struct error *err)
{
    int word;
    memcpy(&word, place, sizeof word);
    const char *at = key->words;
    for (int i = 0; i < word; i++) at += strcspn(at, " ") + 1;
    return text_append(out, at, strcspn(at, " "), err);
}

status config_key_print(const struct config_key *key, const struct config *config, struct text *out, struct error *err)
{
    const void *place = (const char *)config + key->offset;
    switch (key->kind) {
    case KEY_BOOL: return text_append_format(out, err, "%s", *(const bool *)place ? "true" : "false");
    case KEY_INTEGER: return text_append_format(out, err, "%lld", (long long)*(const int64_t *)place);
    case KEY_REAL: return print_real(*(const double *)place, out, err);
    case KEY_STRING:
    case KEY_WORD: return print_string(*(char *const *)place, false, out, err);
    case KEY_PATH: return print_string(*(char *const *)place, true, out, err);
    case KEY_ENUM: return print_enum(key, place, out, err);
    case KEY_STRINGS: return print_strings(place, out, err);
    case KEY_REALS: {
        const struct config_reals *list = place;
        return print_reals(list->items, list->count, out, err);
    }
    case KEY_THREE_REALS: return print_reals(place, 3, out, err);
    }
    return STATUS_OK;
}
