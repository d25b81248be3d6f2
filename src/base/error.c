/* Composing messages: the first one wins, context is put in front, and what does not fit is cut off. */
#include "rmfer/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static status record(struct error *err, status code, const char *format, va_list arguments)
{
    if (err == NULL) return code;
    if (err->code != STATUS_OK) return err->code;
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, arguments);
    return code;
}

status error_set(struct error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    status code = record(err, STATUS_FAILED, format, arguments);
    va_end(arguments);
    return code;
}

status error_set_usage(struct error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    status code = record(err, STATUS_USAGE, format, arguments);
    va_end(arguments);
    return code;
}

status error_set_errno(struct error *err, const char *format, ...)
{
    int saved = errno;
    if (err == NULL) return STATUS_FAILED;
    if (err->code != STATUS_OK) return err->code;
    va_list arguments;
    va_start(arguments, format);
    record(err, STATUS_FAILED, format, arguments);
    va_end(arguments);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(saved));
    return err->code;
}

status error_add_context(struct error *err, const char *format, ...)
{
    if (err == NULL || err->code == STATUS_OK) return err == NULL ? STATUS_FAILED : STATUS_OK;
    char told[ERROR_MESSAGE_BYTES];
    memcpy(told, err->message, sizeof told);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", told);
    return err->code;
}

void error_clear(struct error *err)
{
    err->code = STATUS_OK;
    err->message[0] = '\0';
}

void bug_abort(const char *file, int line, const char *what)
{
    fprintf(stderr, "rmfer: bug: %s:%d: expected %s\n", file, line, what);
    abort();
}
