/* The report page: tables, figures inside the page, configurations. */
#include "rmfer/plot/report.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"
#include "rmfer/plot/table.h"

#include <stdio.h>
#include <string.h>

static const size_t LARGEST_CONFIG = 1 << 20;

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>rmfer report</title>\n<style>\n"
    ":root { color-scheme: light dark; --ink: #1a1a1a; --ground: #ffffff; --rule: #cccccc; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --ground: #16181c; --rule: #444444; } }\n"
    "body { color: var(--ink); background: var(--ground); font: 16px/1.5 sans-serif; max-width: 60rem; margin: 0 "
    "auto; "
    "padding: 1rem; }\n"
    "table { border-collapse: collapse; display: block; overflow-x: auto; }\n"
    "td, th { border: 1px solid var(--rule); padding: .2rem .6rem; text-align: right; }\n"
    "td:first-child, th:first-child { text-align: left; }\n"
    "svg { max-width: 100%; height: auto; color: var(--ink); }\npre { overflow-x: auto; }\n"
    "@media print { figure { break-inside: avoid; } }\n</style>\n</head>\n<body>\n<h1>rmfer report</h1>\n";

static status append(struct text *out, const char *text, struct error *err)
{
    return text_append(out, text, strlen(text), err);
}

static status append_element(struct text *out, const char *tag, const char *text, struct error *err)
{
    status result = text_append_format(out, err, "<%s>", tag);
    if (result == STATUS_OK) result = markup_append(out, text, err);
    return result == STATUS_OK ? text_append_format(out, err, "</%s>\n", tag) : result;
}

static bool has_lines(const struct run_group *groups, size_t count)
{
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (groups[g].runs[i].series_count > 0) return true;
    return false;
}

static status append_curves(struct text *out, const struct run_group *groups, size_t count, struct error *err)
{
    status result = append_element(out, "h2", "Learning curves", err);
    if (result != STATUS_OK) return result;
    if (!has_lines(groups, count)) return append(out, "<p>No line of metrics yet.</p>\n", err);
    result = append(out, "<figure>\n", err);
    if (result == STATUS_OK) result = figure_curves(groups, count, NULL, "Learning curves", CANVAS_INLINE, out, err);
    return result == STATUS_OK ? append(out, "</figure>\n", err) : result;
}

/* The figure's counts for those who do not see it. */
static status append_counts(struct text *out, const struct run *run, struct error *err)
{
    const struct run_confusion *confusion = &run->best.confusion;
    status result = append(out, "<details><summary>counts as a table (rows: truth)</summary>\n<table>\n", err);
    for (size_t t = 0; t < confusion->classes && result == STATUS_OK; t++) {
        result = append(out, "<tr><th>", err);
        if (result == STATUS_OK) result = markup_append(out, t < run->class_count ? run->classes[t] : "class", err);
        if (result == STATUS_OK) result = append(out, "</th>", err);
        for (size_t p = 0; p < confusion->classes && result == STATUS_OK; p++)
            result = text_append_format(out, err, "<td>%.0f</td>", confusion->counts[t * confusion->classes + p]);
        if (result == STATUS_OK) result = append(out, "</tr>\n", err);
    }
    return result == STATUS_OK ? append(out, "</table></details>\n", err) : result;
}

static status append_evaluation(struct text *out, const struct run *run, struct error *err)
{
    char title[160];
    if (run->best.confusion.classes == 0) return append(out, "<p>No evaluation yet.</p>\n", err);
    snprintf(title, sizeof title, "best evaluation: %.20s split, epoch %.4g, overall accuracy %.2f %%", run->split,
             run->best.epoch, 100 * run->best.overall);
    status result = append(out, "<figure>\n", err);
    if (result == STATUS_OK)
        result = figure_confusion(&run->best.confusion, (const char *const *)run->classes, run->class_count, title, CANVAS_INLINE, out, err);
    if (result == STATUS_OK) result = append(out, "</figure>\n", err);
    return result == STATUS_OK ? append_counts(out, run, err) : result;
}

static status append_config(struct text *out, const struct run *run, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size;
    char *path = path_join(run->folder, "config.ini", err);
    if (path == NULL) return STATUS_FAILED;
    bool is_there = file_exists(path);
    status result = is_there ? file_read(path, LARGEST_CONFIG, &bytes, &size, err) : STATUS_OK;
    if (result == STATUS_OK && is_there) {
        result = append(out, "<details><summary>configuration</summary>\n<pre>", err);
        /* Line by line: what makes a text printable takes line ends away. */
        for (char *saved = NULL, *line = strtok_r((char *)bytes, "\n", &saved); line != NULL && result == STATUS_OK;
             line = strtok_r(NULL, "\n", &saved)) {
            result = markup_append(out, line, err);
            if (result == STATUS_OK) result = append(out, "\n", err);
        }
        if (result == STATUS_OK) result = append(out, "</pre></details>\n", err);
    }
    memory_free(bytes);
    memory_free(path);
    return result;
}

static status append_run(struct text *out, const struct run *run, struct error *err)
{
    status result = append_element(out, "h2", run->folder, err);
    if (result == STATUS_OK) result = append_evaluation(out, run, err);
    return result == STATUS_OK ? append_config(out, run, err) : result;
}

status report_write(const struct run_group *groups, size_t count, struct text *out, struct error *err)
{
    status result = append(out, head, err);
    if (result == STATUS_OK) result = append_element(out, "h2", "Runs, best evaluation of each", err);
    if (result == STATUS_OK) result = table_runs(groups, count, false, TABLE_HTML, out, err);
    if (result == STATUS_OK) result = append_curves(out, groups, count, err);
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count && result == STATUS_OK; i++)
            result = append_run(out, &groups[g].runs[i], err);
    if (result == STATUS_OK) result = append(out, "<p>rmfer " RMFER_VERSION "</p>\n</body>\n</html>\n", err);
    return result;
}
