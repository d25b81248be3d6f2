/* Errors: a status that says how a function ended and a message that says why.
 *
 * Functions that touch files, configuration or shapes return a `status` and fill the caller's `struct error`.
 * The first message wins; callers on the way up add context in front ("train.csv:18: ...").
 * Only commands (src/cmd) print the message and choose the exit code. */
#ifndef RMFER_BASE_ERROR_H
#define RMFER_BASE_ERROR_H

#include <stdarg.h>

/* The values are the program's exit codes. */
typedef enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* data, a file or the numbers are at fault */
    STATUS_USAGE = 2,  /* the command line or the configuration is at fault */
} status;

enum { ERROR_MESSAGE_BYTES = 1024 };

struct error {
    status code; /* STATUS_OK while nothing went wrong */
    char message[ERROR_MESSAGE_BYTES];
};

#define MUST_CHECK                           __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, arguments_at) __attribute__((format(printf, format_at, arguments_at)))

/* Records STATUS_FAILED with a printf-style message unless an earlier one is there. Returns the recorded code, so
 * that `return error_set(err, ...)` reads well. `err` may be NULL. */
status error_set(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same for a mistake on the command line or in the configuration. */
status error_set_usage(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same, ending in ": " and the text of errno. */
status error_set_errno(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " in front of a recorded message (cut at the end when too long). Returns the recorded code. */
status error_add_context(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Forgets the message, for callers that go on after a failure. */
void error_clear(struct error *err);

/* A bug of ours: prints the place and aborts. Never for bad input. */
#define BUG_UNLESS(condition)                                        \
    do {                                                             \
        if (!(condition)) bug_abort(__FILE__, __LINE__, #condition); \
    } while (0)

_Noreturn void bug_abort(const char *file, int line, const char *what);

#endif
