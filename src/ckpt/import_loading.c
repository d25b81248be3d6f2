/* What the parts of an import share while they load: notes for people, and which tensors have been understood. */
#include "ckpt/import_loading.h"

#include <stdarg.h>
#include <stdio.h>

void import_note(struct import_report *report, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_make_printable(line);
    if (text_append_format(&report->notes, NULL, "%s\n", line) != STATUS_OK) return;
}

void import_mark_used(struct loading *loading, const struct tensor *tensor)
{
    loading->used[tensor - loading->source->tensors] = true;
}
