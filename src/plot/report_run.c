/* Facts, evaluations, confusion, configuration and log of one run. */
#include "report_run.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/plot/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t LARGEST_CONFIG = 1 << 20, LARGEST_LOG = 64 << 20;
enum { LOG_LINES = 40 };

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static void put_fact(struct html *html, const char *name, const char *value)
{
    html_put(html, "<tr>");
    html_element(html, "th scope=\"row\"", name);
    html_element(html, "td class=\"words\"", value);
    html_put(html, "</tr>\n");
}

static double mean_of(const struct run *run, const char *name)
{
    const struct series *series = run_series(run, name, false);
    double sum = 0;
    for (size_t i = 0; series != NULL && i < series->count; i++) sum += series->values[i];
    return series != NULL && series->count > 0 ? sum / (double)series->count : NAN;
}

/* A file of the run folder, NULL where it is not there or too large to be shown. */
static char *run_file(const struct run *run, const char *name, size_t limit)
{
    struct error ignored = {0};
    uint8_t *bytes = NULL;
    size_t size;
    char *path = path_join(run->folder, name, &ignored);
    if (path != NULL && file_exists(path) && file_read(path, limit, &bytes, &size, &ignored) != STATUS_OK) bytes = NULL;
    memory_free(path);
    return (char *)bytes;
}

/* The last line of the log that tells the command: a run may have been gone on with. */
static void put_command(struct html *html, const char *log)
{
    static const char mark[] = "command: ";
    const char *found = NULL;
    char command[2048];
    for (const char *at = log == NULL ? NULL : strstr(log, mark); at != NULL; at = strstr(at + 1, mark)) found = at;
    if (found == NULL) {
        put_fact(html, "command and version", "not in the log");
        return;
    }
    const char *begin = found;
    while (begin > log && begin[-1] != '\n') begin--;
    snprintf(command, sizeof command, "%.*s", (int)strcspn(found + strlen(mark), "\n"), found + strlen(mark));
    put_fact(html, "command", command);
    snprintf(command, sizeof command, "%.*s", (int)(found - begin), begin);
    put_fact(html, "begun, version", command);
}

static void put_facts(struct html *html, const struct run *run, const char *log)
{
    char value[128];
    html_put(html, "<div class=\"table\" tabindex=\"0\">\n<table>\n<tbody>\n");
    put_command(html, log);
    if (run->seed >= 0) {
        snprintf(value, sizeof value, "%lld", (long long)run->seed);
        put_fact(html, "seed", value);
    }
    snprintf(value, sizeof value, "%.4g", run->last_epoch);
    if (run->last_epoch > 0) put_fact(html, "epochs done", value);
    if (!isnan(run->phase_switch)) {
        snprintf(value, sizeof value, "%.4g", run->phase_switch);
        put_fact(html, "phase 2 after epoch", value);
    }
    double speed = mean_of(run, "images_per_s"), wait = mean_of(run, "data_wait_share");
    snprintf(value, sizeof value, "%.1f images/s, mean of the lines; %.1f %% of the time spent waiting for pictures",
             speed, isnan(wait) ? 0 : 100 * wait);
    if (!isnan(speed)) put_fact(html, "speed", value);
    html_put(html, "</tbody>\n</table>\n</div>\n");
}

/* ---- the best evaluation ----------------------------------------------------------------------------------------- */

static const char *class_name(const struct run *run, size_t class, char *room, size_t size)
{
    if (class < run->class_count) return run->classes[class];
    snprintf(room, size, "class %zu", class);
    return room;
}

struct class_counts {
    double truth, predicted, hits;
};

static struct class_counts counts_of(const struct run_confusion *confusion, size_t class)
{
    struct class_counts counts = {0, 0, confusion->counts[class * confusion->classes + class]};
    for (size_t i = 0; i < confusion->classes; i++) {
        counts.truth += confusion->counts[class * confusion->classes + i];
        counts.predicted += confusion->counts[i * confusion->classes + class];
    }
    return counts;
}

static double share(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : NAN;
}

static void put_classes(struct html *html, const struct run *run)
{
    static const char *const columns[] = {"class", "pictures", "recall, %", "precision, %", "F1, %", NULL};
    html_table_begin(html, "by class", columns);
    for (size_t c = 0; c < run->best.confusion.classes; c++) {
        char room[32];
        struct class_counts counts = counts_of(&run->best.confusion, c);
        html_put(html, "<tr>");
        html_element(html, "th scope=\"row\"", class_name(run, c, room, sizeof room));
        html_format(html, "<td>%.0f</td>", counts.truth);
        html_number(html, "%.2f", share(counts.hits, counts.truth));
        html_number(html, "%.2f", share(counts.hits, counts.predicted));
        html_number(html, "%.2f", share(2 * counts.hits, counts.truth + counts.predicted));
        html_put(html, "</tr>\n");
    }
    html_table_end(html);
}

/* The figure's counts for those who do not see it. */
static void put_counts(struct html *html, const struct run *run)
{
    const struct run_confusion *confusion = &run->best.confusion;
    char room[32];
    html_put(html,
             "<details><summary>the confusion as a table</summary>\n<div class=\"table\" tabindex=\"0\">\n<table>\n"
             "<caption>pictures; rows: truth, columns: predicted</caption>\n<thead><tr><td></td>");
    for (size_t c = 0; c < confusion->classes; c++)
        html_element(html, "th scope=\"col\"", class_name(run, c, room, sizeof room));
    html_put(html, "</tr></thead>\n<tbody>\n");
    for (size_t t = 0; t < confusion->classes; t++) {
        html_put(html, "<tr>");
        html_element(html, "th scope=\"row\"", class_name(run, t, room, sizeof room));
        for (size_t p = 0; p < confusion->classes; p++)
            html_format(html, "<td>%.0f</td>", confusion->counts[t * confusion->classes + p]);
        html_put(html, "</tr>\n");
    }
    html_table_end(html);
    html_put(html, "</details>\n");
}

/* With the interval where the file has one. */
static void accuracy_text(double accuracy, const double limits[2], char out[64])
{
    if (isnan(accuracy))
        snprintf(out, 64, "not a number");
    else if (isnan(limits[0]) || isnan(limits[1]))
        snprintf(out, 64, "%.2f %%", 100 * accuracy);
    else
        snprintf(out, 64, "%.2f %% [%.2f, %.2f]", 100 * accuracy, 100 * limits[0], 100 * limits[1]);
}

static void put_evaluation(struct html *html, const struct run *run)
{
    char title[320], epoch[48] = "", overall[64], average[64];
    if (run->best.confusion.classes == 0) {
        html_put(html, "<p>No evaluation yet.</p>\n");
        return;
    }
    accuracy_text(run->best.overall, run->best.overall_limits, overall);
    accuracy_text(run->best.average, run->best.average_limits, average);
    if (!isnan(run->best.epoch)) snprintf(epoch, sizeof epoch, " at epoch %.4g", run->best.epoch);
    snprintf(title, sizeof title, "Best evaluation%s, %.20s split: overall accuracy %s, average %s", epoch, run->split,
             overall, average);
    html_element(html, "h3", title);
    html_put(html, "<figure>\n");
    if (html->result == STATUS_OK)
        html->result = figure_confusion(&run->best.confusion, (const char *const *)run->classes, run->class_count,
                                        "Confusion of the best evaluation", CANVAS_INLINE, html->out, html->err);
    html_put(html, "</figure>\n");
    put_counts(html, run);
    put_classes(html, run);
}

/* NaN where the evaluation at that epoch has no such number. */
static double value_at(const struct series *series, double epoch)
{
    for (size_t i = series == NULL ? 0 : series->count; i > 0; i--)
        if (!(series->epochs[i - 1] < epoch) && !(series->epochs[i - 1] > epoch)) return series->values[i - 1];
    return NAN;
}

/* Every evaluation, so that the curve of accuracies can be read as numbers. */
static void put_evaluations(struct html *html, const struct run *run)
{
    enum { MOST_ROWS = 400 };
    static const char *const columns[] = {"epoch", "overall, %", "average, %", "loss", NULL};
    const struct series *overall = run_series(run, "overall_accuracy", true);
    const struct series *average = run_series(run, "average_accuracy", true), *loss = run_series(run, "loss", true);
    if (overall == NULL || overall->count < 2) return;
    html_put(html, "<details><summary>all evaluations</summary>\n");
    html_table_begin(html, overall->count > MOST_ROWS ? "the last 400" : NULL, columns);
    for (size_t i = overall->count > MOST_ROWS ? overall->count - MOST_ROWS : 0; i < overall->count; i++) {
        html_put(html, "<tr>");
        html_number(html, "%.4g", overall->epochs[i]);
        html_number(html, "%.2f", 100 * overall->values[i]);
        html_number(html, "%.2f", 100 * value_at(average, overall->epochs[i]));
        html_number(html, "%.4f", value_at(loss, overall->epochs[i]));
        html_put(html, "</tr>\n");
    }
    html_table_end(html);
    html_put(html, "</details>\n");
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Line by line: what makes a text printable takes line ends away. */
static void put_lines(struct html *html, const char *heading, char *text)
{
    html_put(html, "<details><summary>");
    html_text(html, heading);
    html_put(html, "</summary>\n<pre tabindex=\"0\">");
    for (char *saved = NULL, *line = strtok_r(text, "\n", &saved); line != NULL; line = strtok_r(NULL, "\n", &saved)) {
        html_text(html, line);
        html_put(html, "\n");
    }
    html_put(html, "</pre></details>\n");
}

/* Where the last LOG_LINES lines begin. */
static char *end_of_log(char *log)
{
    char *at = log + strlen(log);
    for (int lines = 0; at > log && lines <= LOG_LINES; at--) lines += at[-1] == '\n';
    return at > log ? at + 1 : log;
}

void report_run_put(struct html *html, const struct run *run, size_t number, const struct text *extra)
{
    char *config = run_file(run, "config.ini", LARGEST_CONFIG), *log = run_file(run, "log.txt", LARGEST_LOG);
    html_format(html, "<section id=\"run%zu\" aria-labelledby=\"run%zu-title\">\n<h2 id=\"run%zu-title\">", number,
                number, number);
    html_text(html, run->folder);
    html_put(html, "</h2>\n");
    put_facts(html, run, log);
    put_evaluation(html, run);
    put_evaluations(html, run);
    if (extra != NULL) html_put(html, text_string(extra));
    if (config != NULL) put_lines(html, "configuration", config);
    if (log != NULL) put_lines(html, "end of the log", end_of_log(log));
    html_put(html, "</section>\n");
    memory_free(config);
    memory_free(log);
}
