/* Elements, numbers and tables of a page. */
#include "html.h"

#include "rmfer/plot/canvas.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void html_put(struct html *html, const char *markup)
{
    if (html->result == STATUS_OK) html->result = text_append(html->out, markup, strlen(markup), html->err);
}

void html_format(struct html *html, const char *format, ...)
{
    char piece[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    html_put(html, piece);
}

void html_text(struct html *html, const char *text)
{
    if (html->result == STATUS_OK) html->result = markup_append(html->out, text, html->err);
}

void html_element(struct html *html, const char *tag, const char *text)
{
    html_format(html, "<%s>", tag);
    html_text(html, text);
    html_format(html, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void html_number(struct html *html, const char *format, double value)
{
    char number[64];
    snprintf(number, sizeof number, format, value);
    html_format(html, "<td>%s</td>", isnan(value) ? "\xe2\x80\x93" : number);
}
#pragma GCC diagnostic pop

void html_table_begin(struct html *html, const char *caption, const char *const *columns)
{
    html_put(html, "<div class=\"table\" tabindex=\"0\">\n<table>\n");
    if (caption != NULL) html_element(html, "caption", caption);
    html_put(html, "<thead><tr>");
    for (; *columns != NULL; columns++) html_element(html, "th scope=\"col\"", *columns);
    html_put(html, "</tr></thead>\n<tbody>\n");
}

void html_table_end(struct html *html)
{
    html_put(html, "</tbody>\n</table>\n</div>\n");
}
