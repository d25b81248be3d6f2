/* The growing string, numbers read strictly (nothing may follow them), and paths joined without surprises. */
#include "rmfer/base/text.h"
#include "rmfer/base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static status reserve(struct text *text, size_t more, struct error *err)
{
    size_t needed = size_add(size_add(text->length, more), 1);
    if (needed <= text->capacity) return STATUS_OK;
    size_t capacity = needed < 64 ? 64 : size_add(needed, needed / 2);
    char *bytes = memory_grow(text->bytes, text->capacity, capacity, 1, "a text", err);
    if (bytes == NULL) return STATUS_FAILED;
    text->bytes = bytes;
    text->capacity = capacity;
    return STATUS_OK;
}

status text_append(struct text *text, const char *bytes, size_t length, struct error *err)
{
    status result = reserve(text, length, err);
    if (result != STATUS_OK) return result;
    if (length != 0) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return STATUS_OK;
}

status text_append_format(struct text *text, struct error *err, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    status result = length < 0 ? error_set(err, "a text cannot be formatted") : reserve(text, (size_t)length, err);
    if (result == STATUS_OK) {
        vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    return result;
}

const char *text_string(const struct text *text)
{
    return text->bytes == NULL ? "" : text->bytes;
}

void text_free(struct text *text)
{
    memory_free(text->bytes);
    *text = (struct text){0};
}

static bool only_blanks(const char *string)
{
    while (isspace((unsigned char)*string)) string++;
    return *string == '\0';
}

bool text_to_integer(const char *string, int64_t *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(string, &end, 10);
    if (end == string || errno != 0 || !only_blanks(end)) return false;
    *value = parsed;
    return true;
}

bool text_to_real(const char *string, double *value)
{
    char *end;
    errno = 0;
    double parsed = strtod(string, &end);
    if (end == string || !isfinite(parsed) || !only_blanks(end)) return false;
    if (errno == ERANGE && fpclassify(parsed) == FP_ZERO) return false; /* 1e-400 is no 0 */
    *value = parsed;
    return true;
}

bool text_equal_ignoring_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

bool text_ends_with_ignoring_case(const char *string, const char *ending)
{
    size_t length = strlen(string), ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(string + length - ending_length, ending) == 0;
}

static const char DIGITS[] = "0123456789";

/* The numbers that both strings begin with, by value; goes on behind them. */
static int compare_numbers(const char **a, const char **b)
{
    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    size_t a_digits = strspn(*a, DIGITS), b_digits = strspn(*b, DIGITS);
    int order = a_digits != b_digits ? (a_digits < b_digits ? -1 : 1) : strncmp(*a, *b, a_digits);
    *a += a_digits;
    *b += b_digits;
    return order;
}

int text_compare_natural(const char *left, const char *right)
{
    const char *a = left, *b = right;
    while (*a != '\0' && *b != '\0') {
        int order = 0;
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b))
            order = compare_numbers(&a, &b);
        else
            order = (unsigned char)*a++ - (unsigned char)*b++;
        if (order != 0) return order;
    }
    if (*a != '\0' || *b != '\0') return *a == '\0' ? -1 : 1;
    return strcmp(left, right); /* 01 and 1 */
}

char *text_trim(char *string)
{
    while (isspace((unsigned char)*string)) string++;
    size_t length = strlen(string);
    while (length > 0 && isspace((unsigned char)string[length - 1])) string[--length] = '\0';
    return string;
}

/* Levenshtein distance, one row at a time; names longer than the row are never near. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t row[LONGEST + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > LONGEST || b_length > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++) row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            size_t best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *text_nearest(const char *wanted, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t least = strlen(wanted) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(wanted, names[i]);
        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

char *path_join(const char *folder, const char *name, struct error *err)
{
    if (name[0] == '/' || folder[0] == '\0') return memory_copy_string(name, err);
    size_t length = strlen(folder);
    const char *slash = folder[length - 1] == '/' ? "" : "/";
    size_t bytes = length + strlen(name) + 2;
    char *joined = memory_allocate(bytes, 1, "a path", err);
    if (joined != NULL) snprintf(joined, bytes, "%s%s%s", folder, slash, name);
    return joined;
}

char *path_folder(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return memory_copy_string(".", err);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    char *folder = memory_allocate(length + 1, 1, "a path", err);
    if (folder != NULL) memcpy(folder, path, length);
    return folder;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Each has one byte that continues none. */
size_t text_characters(const char *string)
{
    size_t count = 0;
    for (; *string != '\0'; string++) count += ((unsigned char)*string & 0xc0) != 0x80;
    return count;
}

/* Bytes of the UTF-8 sequence at `s`, 0 when it is not valid or a control character. The first continuation byte is
 * bounded, so that no character has two forms and none is a half of a pair (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t length;
    } forms[] = {{0x20, 0x7e, 0x00, 0xff, 1}, {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
                 {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                 {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last) continue;
        if (s[1] < forms[i].low || s[1] > forms[i].high) return 0;
        for (size_t j = 2; j < forms[i].length; j++)
            if ((s[j] & 0xc0) != 0x80) return 0;
        return forms[i].length;
    }
    return 0;
}

size_t text_printable_length(const char *string)
{
    return utf8_sequence((const unsigned char *)string);
}

size_t text_character_length(const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    size_t length = utf8_sequence(s);
    if (length > 0 || s[0] == '\0') return length;
    if (s[0] < 0x80) return 1;
    return s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

static bool looks_escaped(const char *string)
{
    return string[0] == '\\' && string[1] == 'x' && isxdigit((unsigned char)string[2]) &&
           isxdigit((unsigned char)string[3]);
}

status text_append_escaped(struct text *text, const char *name, enum text_escape escape, struct error *err)
{
    status result = STATUS_OK;
    while (*name != '\0' && result == STATUS_OK) {
        size_t length = escape == TEXT_ESCAPE_FOREIGN || strchr("\t\n\r", *name) != NULL ? text_character_length(name)
                                                                                         : text_printable_length(name);
        if (looks_escaped(name)) length = 0;
        result = length > 0 ? text_append(text, name, length, err)
                            : text_append_format(text, err, "\\x%02x", (unsigned char)*name);
        name += length > 0 ? length : 1;
    }
    return result;
}

static void make_printable(char *string, const char *allowed)
{
    unsigned char *s = (unsigned char *)string;
    while (*s != '\0') {
        size_t length = utf8_sequence(s);
        if (length == 0 && strchr(allowed, *s) == NULL) *s = '?';
        s += length == 0 ? 1 : length;
    }
}

void text_make_printable(char *string)
{
    make_printable(string, "");
}

void text_make_lines_printable(char *string)
{
    make_printable(string, "\n\t");
}

void text_print_name(const char *name, FILE *stream)
{
    while (*name != '\0') {
        size_t length = text_printable_length(name);
        (void)fwrite(length == 0 ? "?" : name, 1, length == 0 ? 1 : length, stream);
        name += length == 0 ? 1 : length;
    }
}

void text_print_lines(struct text *text, FILE *stream)
{
    if (text->length == 0) return;
    text_make_lines_printable(text->bytes);
    (void)fwrite(text->bytes, 1, text->length, stream);
}
