/* Messages to standard error: warnings always (unless --quiet), progress by level. One message, one line.
 *
 * The level and the optional copy to a file are the process's only logging state. Thread-safe. */
#ifndef RMFER_BASE_LOG_H
#define RMFER_BASE_LOG_H

#include "rmfer/base/error.h"

#include <stdio.h>

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Every later message also goes, with a time stamp, to `file` (a run's log.txt); NULL stops that. Not owned. */
void log_set_copy(FILE *file);

/* "rmfer: error: ..." at every level. */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);

/* "rmfer: warning: ..." unless quiet. */
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* A plain line of progress, unless quiet. */
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);

/* A plain line of detail, only when verbose. */
void log_verbose(const char *format, ...) PRINTF_LIKE(1, 2);

/* Draws a line in place of the last one that was drawn so, cut to the terminal's width, and takes it away again;
 * messages take it away too. For status_line.h. */
void log_show_status(const char *line);
void log_hide_status(void);

/* Each line of a text by log_info behind `indent`, those that begin with "warning: " by log_warning; empty lines are
 * passed over. */
void log_info_lines(const char *indent, const char *text);

#endif
