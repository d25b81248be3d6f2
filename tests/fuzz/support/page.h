/* What a page or drawing made from foreign bytes must not have in it, whatever they are. */
#ifndef TESTS_FUZZ_SUPPORT_PAGE_H
#define TESTS_FUZZ_SUPPORT_PAGE_H

#include "rmfer/base/text.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that steer a terminal, as they stand. */
static inline void page_check_printable(const struct text *page)
{
    for (size_t i = 0; i < page->length; i++) {
        unsigned char byte = (unsigned char)page->bytes[i];
        if ((byte < 0x20 && byte != '\n') || byte == 0x7f) abort();
        if (byte == 0xc2 && i + 1 < page->length && (unsigned char)page->bytes[i + 1] < 0xa0) abort();
    }
}

/* The examples that inputs grow from (tests/fuzz/NAME/) try to begin an element "evil", or to end an attribute before
 * it; one that begins with that word is none of it. */
static inline void page_check_markup(const struct text *page)
{
    const char *all = text_string(page);
    if (strstr(all, "<evil") != NULL) abort();
    for (const char *at = all; (at = strstr(at, "\"evil")) != NULL; at++)
        if (at == all || at[-1] != '=') abort();
    page_check_printable(page);
}

/* `check` looks at what was made, where it could be; what could not be made must have been told. Both are empty
 * afterwards. */
static inline void page_finish(status result, struct text *made, void (*check)(const struct text *), struct error *err)
{
    if (result == STATUS_OK)
        check(made);
    else if (err->message[0] == '\0')
        abort();
    text_free(made);
    *made = (struct text){0};
    *err = (struct error){0};
}

#endif
