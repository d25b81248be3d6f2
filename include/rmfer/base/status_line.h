/* How far a long task is: a line that is redrawn in place a few times a second where standard error is a terminal, a
 * plain line now and then elsewhere, nothing with --quiet. Messages take its place and it comes back below them. No
 * colours. */
#ifndef RMFER_BASE_STATUS_LINE_H
#define RMFER_BASE_STATUS_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct status_line {
    bool is_drawn_in_place;
    double last_shown; /* seconds, of clock_seconds */
};

/* Begins as if it had just been shown, so that short tasks show none. */
struct status_line status_line_begin(void);

/* Whether it is time to show it again: ask before composing one. */
bool status_line_is_due(struct status_line *shown);

/* Shows `line`; in place with a bar in front that is full to that share, none where it is NaN. */
void status_line_show(const struct status_line *shown, double share, const char *line);

/* Takes it away, before something is printed to standard output. */
void status_line_hide(const struct status_line *shown);

/* "1:02:03", or "2d05h" beyond a day; "?" for what is not known. */
void status_line_duration(char *text, size_t size, double seconds);

#endif
