/* HTML being written: a failure is remembered and asked for once, at the end; foreign text goes through html_text. */
#ifndef PLOT_HTML_H
#define PLOT_HTML_H

#include "rmfer/base/text.h"

struct html {
    struct text *out;
    struct error *err;
    status result;
};

/* Markup of the program's own. */
void html_put(struct html *html, const char *markup);
void html_format(struct html *html, const char *format, ...) PRINTF_LIKE(2, 3);
/* Any text, made harmless. */
void html_text(struct html *html, const char *text);
/* <TAG>text</TAG> with the text made harmless; `tag` may have attributes: "td class=\"x\"". */
void html_element(struct html *html, const char *tag, const char *text);
/* A cell with a number, or a dash for NaN: `format` has one %-conversion of a double, "%.2f". */
void html_number(struct html *html, const char *format, double value);
/* A table's head from names that a NULL ends; the body is begun. `caption` is said by screen readers first. */
void html_table_begin(struct html *html, const char *caption, const char *const *columns);
void html_table_end(struct html *html);

#endif
