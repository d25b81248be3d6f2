/* Text: a growing string, strict numbers, paths, and the nearest of a list of names. */
#ifndef RMFER_BASE_TEXT_H
#define RMFER_BASE_TEXT_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A growing string. Zeroed is empty; `bytes` is NUL-terminated once anything was appended. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

status text_append(struct text *text, const char *bytes, size_t length, struct error *err) MUST_CHECK;
status text_append_format(struct text *text, struct error *err, const char *format, ...) PRINTF_LIKE(3, 4) MUST_CHECK;
/* The string so far, "" when nothing was appended. */
const char *text_string(const struct text *text);
void text_free(struct text *text);

/* The whole of `string` as a number, blanks around it allowed; false on junk, overflow, NaN or infinity, and on a
 * number that is not 0 but too small to be told from it. */
bool text_to_integer(const char *string, int64_t *value);
bool text_to_real(const char *string, double *value);

/* Equal but for ASCII case. */
bool text_equal_ignoring_case(const char *a, const char *b);
bool text_ends_with_ignoring_case(const char *string, const char *ending);

/* Below, at or above 0 as `a` stands before `b`, is the same, or stands behind it in text order by bytes, but for runs
 * of digits, which count by value: "2.jpg" before "10.jpg". Only the same string is the same: "01" stands before "1".
 */
int text_compare_natural(const char *a, const char *b);

/* Cuts blanks and line ends at both ends, in place; returns the first kept character. */
char *text_trim(char *string);

/* The name of `count` names with the smallest edit distance to `wanted`, NULL when none is near. */
const char *text_nearest(const char *wanted, const char *const *names, size_t count);

/* `folder`/`name`, or `name` alone when it is absolute or `folder` is empty. Release with memory_free. */
char *path_join(const char *folder, const char *name, struct error *err) MUST_CHECK;
/* The folder part ("." when there is none). Release with memory_free. */
char *path_folder(const char *path, struct error *err) MUST_CHECK;
/* The part after the last slash, inside `path`. */
const char *path_name(const char *path);

/* Fits the terminal's needs: bytes below 0x20 and invalid UTF-8 become '?', in place. For foreign names in messages. */
void text_make_printable(char *string);
/* The same for a text of lines: line ends and tabs stay. */
void text_make_lines_printable(char *string);
/* Makes the lines printable and writes them; whoever owns the stream asks it whether that went well. */
void text_print_lines(struct text *text, FILE *stream);
/* The same for a name of somebody else's, as it stands; nothing is allocated. */
void text_print_name(const char *name, FILE *stream);

/* Which bytes of a foreign name are written as \xHH beside those that are no UTF-8. */
enum text_escape {
    TEXT_ESCAPE_FOREIGN, /* no others: for a writer that has its own way with control characters (JSON) */
    TEXT_ESCAPE_CONTROL, /* control characters but tab, line feed and carriage return: for data a terminal may show */
};

/* Appends a file's name, whose bytes may be any, as UTF-8 that still tells which bytes they were: each byte that is no
 * UTF-8 becomes \xHH (lower case), and so does a backslash that xHH follows. Replacing every \xHH by its byte gives
 * the name back; names without any of that stay as they are. */
status text_append_escaped(struct text *text, const char *name, enum text_escape escape, struct error *err) MUST_CHECK;

/* Characters of a text in UTF-8. */
size_t text_characters(const char *string);

/* Bytes of the UTF-8 character that `string` begins with; 0 for an end, a control character and what is none. */
size_t text_printable_length(const char *string);
/* The same, with control characters. */
size_t text_character_length(const char *string);

#endif
