/* Thumbnails inside the page, and small tables that commands fill. */
#include "rmfer/plot/report.h"

#include "html.h"

#include "rmfer/base/memory.h"

#include <stdio.h>

void report_picture_free(struct report_picture *picture)
{
    memory_free(picture->jpeg);
    *picture = (struct report_picture){0};
}

/* RFC 4648. */
static void put_base64(struct html *html, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        if (i + 1 < size) three |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < size) three |= bytes[i + 2];
        const char four[5] = {digits[three >> 18], digits[three >> 12 & 63],
                              i + 1 < size ? digits[three >> 6 & 63] : '=', i + 2 < size ? digits[three & 63] : '=',
                              '\0'};
        html_put(html, four);
    }
}

static void put_picture(struct html *html, const struct answers *answers, const struct report_picture *picture)
{
    const char *truth = answers->class_names[answers->labels[picture->row]];
    const char *predicted = answers->class_names[answers->predicted[picture->row]];
    html_put(html, "<li><img alt=\"a face labelled ");
    html_text(html, truth);
    html_put(html, ", taken for ");
    html_text(html, predicted);
    html_put(html, "\" src=\"data:image/jpeg;base64,");
    put_base64(html, picture->jpeg, picture->size);
    html_put(html, "\">");
    html_text(html, truth);
    if (answers->labels[picture->row] != answers->predicted[picture->row]) {
        html_put(html, " &rarr; ");
        html_text(html, predicted);
    }
    html_format(html, ", %.1f %%<br>", 100 * picture->confidence);
    html_text(html, picture->name);
    html_put(html, "</li>\n");
}

status report_pictures(const char *heading, const struct answers *answers, const struct report_picture *pictures,
                       size_t count, struct text *out, struct error *err)
{
    struct html html = {out, err, STATUS_OK};
    html_element(&html, "h3", heading);
    if (count == 0)
        html_put(&html, "<p>None.</p>\n");
    else
        html_put(&html, "<ul class=\"pictures\">\n");
    for (size_t i = 0; i < count; i++) put_picture(&html, answers, &pictures[i]);
    if (count > 0) html_put(&html, "</ul>\n");
    return html.result;
}

status report_note(const char *text, struct text *out, struct error *err)
{
    struct html html = {out, err, STATUS_OK};
    html_element(&html, "p class=\"note\"", text);
    return html.result;
}

status report_facts(const char *heading, const struct report_fact *facts, size_t count, struct text *out,
                    struct error *err)
{
    struct html html = {out, err, STATUS_OK};
    html_element(&html, "h3", heading);
    html_put(&html, "<div class=\"table\" tabindex=\"0\">\n<table>\n<tbody>\n");
    for (size_t i = 0; i < count; i++) {
        html_put(&html, "<tr>");
        html_element(&html, "th scope=\"row\"", facts[i].name);
        html_element(&html, "td", facts[i].value);
        html_put(&html, "</tr>\n");
    }
    html_table_end(&html);
    return html.result;
}
