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

/* The examples that inputs grow from (tests/fuzz/NAME/) try to begin an element "evil", or to end an attribute before it. */
static inline void page_check_markup(const struct text *page)
{
    if (strstr(text_string(page), "<evil") != NULL || strstr(text_string(page), "\"evil") != NULL) abort();
    page_check_printable(page);
}

#endif
