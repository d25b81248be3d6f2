/* The report page: overview, curves, and a part for each run, put together from figures, tables and the run's files. */
#include "rmfer/plot/report.h"

#include "html.h"
#include "report_page.h"
#include "report_run.h"

#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"
#include "rmfer/plot/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool has_lines(const struct run_group *groups, size_t count)
{
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (groups[g].runs[i].series_count > 0) return true;
    return false;
}

/* ---- the overview ------------------------------------------------------------------------------------------------ */

static void put_head(struct html *html, const struct run_group *groups, size_t count, int refresh)
{
    size_t number = 0;
    html_put(html, report_page_head);
    /* By script, so that whoever reads further down is not thrown back to the top. */
    if (refresh > 0)
        html_format(html, "<script>setTimeout(function () { location.reload(); }, %d);</script>\n", 1000 * refresh);
    html_put(html, "<header>\n");
    html_element(html, "h1", count == 1 ? groups[0].name : "Runs compared");
    html_put(html, "<nav aria-label=\"parts of the page\"><ul>\n<li><a href=\"#accuracy\">Accuracy</a></li>\n"
                   "<li><a href=\"#curves\">Learning curves</a></li>\n");
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            html_format(html, "<li><a href=\"#run%zu\">", ++number);
            html_text(html, groups[g].runs[i].folder);
            html_put(html, "</a></li>\n");
        }
    html_put(html, "</ul></nav>\n</header>\n<main>\n");
}

static bool has_feature_values(const struct run_group *groups, size_t count)
{
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct run *run = &groups[g].runs[i];
            if (run->evaluation_count > 0 && !isnan(run->best.same_class_similarity)) return true;
        }
    return false;
}

static void put_accuracies(struct html *html, const struct run_group *groups, size_t count)
{
    struct table_options options = {.gain = count > 1, .features = has_feature_values(groups, count)};
    html_put(html,
             "<section id=\"accuracy\" aria-labelledby=\"accuracy-title\">\n<h2 id=\"accuracy-title\">Accuracy</h2>\n");
    if (html->result == STATUS_OK) html->result = table_runs(groups, count, &options, TABLE_HTML, html->out, html->err);
    html_put(
        html,
        "<p class=\"note\">The best evaluation of each run on the split that chose it. In brackets: the 95 % interval "
        "that the number of pictures allows, mean limits of the runs. ");
    if (options.gain) html_text(html, table_marks);
    html_put(html, "</p>\n</section>\n");
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

/* What a curve shows, for those who do not see it. */
static void put_series_rows(struct html *html, const struct run_group *group, const struct run *run)
{
    for (size_t i = 0; i < run->series_count; i++) {
        const struct series *series = &run->series[i];
        double low = INFINITY, high = -INFINITY;
        for (size_t k = 0; k < series->count; k++) {
            low = fmin(low, series->values[k]);
            high = fmax(high, series->values[k]);
        }
        if (series->count == 0) continue;
        html_put(html, "<tr>");
        html_element(html, "td", group->name);
        html_element(html, "td class=\"words\"", run->folder);
        html_format(html, "<td class=\"words\">%s", series->is_evaluation ? "eval " : "");
        html_text(html, series->name);
        html_format(html, "</td><td>%zu</td>", series->count);
        html_number(html, "%.5g", series->values[0]);
        html_number(html, "%.5g", low);
        html_number(html, "%.5g", high);
        html_number(html, "%.5g", series->values[series->count - 1]);
        html_put(html, "</tr>\n");
    }
}

static void put_curves(struct html *html, const struct run_group *groups, size_t count)
{
    static const char *const columns[] = {"name",   "run",     "number", "points", "first",
                                          "lowest", "highest", "last",   NULL};
    html_put(
        html,
        "<section id=\"curves\" aria-labelledby=\"curves-title\">\n<h2 id=\"curves-title\">Learning curves</h2>\n");
    if (!has_lines(groups, count)) {
        html_put(html, "<p>No line of metrics yet.</p>\n</section>\n");
        return;
    }
    html_put(html, "<figure>\n");
    if (html->result == STATUS_OK)
        html->result = figure_curves(groups, count, NULL, "Learning curves", CANVAS_INLINE, html->out, html->err);
    html_put(html,
             "<figcaption>Lines: means; bands: the range over the runs of a name, or of one run's points within a "
             "pixel. Values show under the pointer and by the arrow keys.</figcaption>\n</figure>\n"
             "<details><summary>the curves as a table</summary>\n");
    html_table_begin(html, "first, lowest, highest and last value of every number", columns);
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) put_series_rows(html, &groups[g], &groups[g].runs[i]);
    html_table_end(html);
    html_put(html, "</details>\n</section>\n");
}

status report_write(const struct run_group *groups, size_t count, const struct text *extras, int refresh,
                    struct text *out, struct error *err)
{
    struct html html = {out, err, STATUS_OK};
    size_t number = 0;
    put_head(&html, groups, count, refresh);
    if (run_groups_size(groups, count) > 0) put_accuracies(&html, groups, count);
    put_curves(&html, groups, count);
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++, number++)
            report_run_put(&html, &groups[g].runs[i], number + 1, extras == NULL ? NULL : &extras[number]);
    html_put(&html, "</main>\n<footer><p class=\"note\">Made by rmfer " RMFER_VERSION ".</p></footer>\n");
    html_put(&html, report_page_script);
    html_put(&html, "</body>\n</html>\n");
    return html.result;
}
