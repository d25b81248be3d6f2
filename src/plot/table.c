/* The table of runs as Markdown, CSV, LaTeX (booktabs) and HTML: columns that are chosen, each written for the format.
 */
#include "rmfer/plot/table.h"

#include "evaluated_on.h"
#include "spread.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/plot/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char table_marks[] =
    "Gain: difference from the first row over runs with the same seed, mean \xc2\xb1 sample standard "
    "deviation and, in brackets, the mean's 95 % interval by Student's distribution; * p < .05, ** p < .01, "
    "*** p < .001 by the paired t-test over seeds, two-sided, not corrected for the number of rows.";

/* ---- columns ----------------------------------------------------------------------------------------------------- */

struct column {
    const char *heading, *csv; /* for people, and the name in CSV; of a class its name, and none */
    struct run_measure measure;
    bool is_gain, has_limits;
    int digits;
};

enum { FIXED_COLUMNS = 8 };

static size_t choose_fixed(const struct table_options *options, struct column *columns)
{
    static const struct {
        struct column column;
        bool gain, features;
    } all[FIXED_COLUMNS] = {
        {{"overall, %", "overall", {VALUE_OVERALL, NULL}, false, true, 2}, false, false},
        {{"gain", "overall_gain", {VALUE_OVERALL, NULL}, true, false, 2}, true, false},
        {{"average, %", "average", {VALUE_AVERAGE, NULL}, false, true, 2}, false, false},
        {{"gain", "average_gain", {VALUE_AVERAGE, NULL}, true, false, 2}, true, false},
        {{"same class", "same_class", {VALUE_SAME_CLASS, NULL}, false, false, 3}, false, true},
        {{"different class", "different_class", {VALUE_DIFFERENT_CLASS, NULL}, false, false, 3}, false, true},
        {{"difference", "difference", {VALUE_CLASS_DIFFERENCE, NULL}, false, false, 3}, false, true},
        {{"centre distance", "centre_distance", {VALUE_CENTRE_DISTANCE, NULL}, false, false, 3}, false, true},
    };
    size_t count = 0;
    for (size_t i = 0; i < FIXED_COLUMNS; i++)
        if ((!all[i].gain || options->gain) && (!all[i].features || options->features))
            columns[count++] = all[i].column;
    return count;
}

static size_t count_classes(const struct run_group *groups, size_t count)
{
    size_t classes = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) classes = size_add(classes, groups[g].runs[i].class_count);
    return classes;
}

/* Columns of the run's classes that have none yet. */
static void add_recalls(const struct run *run, struct column *columns, size_t *count)
{
    for (size_t c = 0; c < run->class_count; c++) {
        bool is_there = false;
        for (size_t k = 0; k < *count && !is_there; k++)
            is_there = columns[k].measure.value == VALUE_RECALL && strcmp(columns[k].heading, run->classes[c]) == 0;
        if (!is_there)
            columns[(*count)++] = (struct column){run->classes[c], NULL,  {VALUE_RECALL, run->classes[c]},
                                                  false,           false, 1};
    }
}

/* Room for all of them, memory_free'd by the caller; names are the runs'. */
static struct column *choose_columns(const struct run_group *groups, size_t group_count,
                                     const struct table_options *options, size_t *count, struct error *err)
{
    size_t classes = options->recalls ? count_classes(groups, group_count) : 0;
    struct column *columns = memory_allocate(size_add(FIXED_COLUMNS, classes), sizeof *columns, "a table", err);
    if (columns == NULL) return NULL;
    *count = choose_fixed(options, columns);
    for (size_t g = 0; g < group_count && options->recalls; g++)
        for (size_t i = 0; i < groups[g].count; i++) add_recalls(&groups[g].runs[i], columns, count);
    return columns;
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *row, *between, *end, *after, *plus_minus, *none;
} formats[] = {
    [TABLE_MARKDOWN] = {"| ", " | ", " |\n", "", " \xc2\xb1 ", "\xe2\x80\x93"},
    [TABLE_CSV] = {"", ",", "\n", "", ",", ""},
    [TABLE_LATEX] = {"", " & ", " \\\\\n", "\\bottomrule\n\\end{tabular}\n", " $\\pm$ ", "--"},
    [TABLE_HTML] = {"<tr><td>", "</td><td>", "</td></tr>\n", "</tbody>\n</table>\n</div>\n", " \xc2\xb1 ",
                    "\xe2\x80\x93"},
};

static status append(struct text *out, const char *text, struct error *err)
{
    return text_append(out, text, strlen(text), err);
}

static status append_name(struct text *out, const char *name, enum table_format format, struct error *err)
{
    if (format == TABLE_HTML) return markup_append(out, name, err);
    status result = format == TABLE_CSV ? append(out, "\"", err) : STATUS_OK;
    for (size_t at = 0, length; name[at] != '\0' && result == STATUS_OK; at += length == 0 ? 1 : length) {
        length = text_printable_length(name + at); /* 0: a byte that is no text, or would steer a terminal */
        char piece[24] = "?";
        if (length > 0) snprintf(piece, sizeof piece, "%.*s", (int)length, name + at);
        if (format == TABLE_CSV && name[at] == '"') snprintf(piece, sizeof piece, "\"\"");
        if (format == TABLE_MARKDOWN && strchr("|<\\`*_", name[at]) != NULL)
            snprintf(piece, sizeof piece, "\\%c", name[at]);
        if (format == TABLE_LATEX && strchr("_&%#${}", name[at]) != NULL)
            snprintf(piece, sizeof piece, "\\%c", name[at]);
        if (format == TABLE_LATEX && strchr("\\~^", name[at]) != NULL)
            snprintf(piece, sizeof piece, "\\symbol{%d}", (int)name[at]);
        result = append(out, piece, err);
    }
    return result == STATUS_OK && format == TABLE_CSV ? append(out, "\"", err) : result;
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

/* "overall", or "recall_Fear", with what follows. */
static status append_csv_heading(struct text *out, const struct column *column, const char *suffix, struct error *err)
{
    char name[256];
    if (column->csv != NULL) return text_append_format(out, err, ",%s%s", column->csv, suffix);
    snprintf(name, sizeof name, "recall_%s%s", column->heading, suffix);
    status result = append(out, ",", err);
    return result == STATUS_OK ? append_name(out, name, TABLE_CSV, err) : result;
}

static status append_csv_head(struct text *out, const struct column *columns, size_t count, struct error *err)
{
    static const char *const suffixes[] = {"", "_deviation", "_p", "_low", "_high"};
    status result = append(out, "run,runs", err);
    for (size_t c = 0; c < count; c++)
        for (size_t k = 0; k < 5 && result == STATUS_OK; k++) {
            bool is_there = k < 2 || columns[c].is_gain || (k > 2 && columns[c].has_limits);
            if (is_there) result = append_csv_heading(out, &columns[c], suffixes[k], err);
        }
    return result == STATUS_OK ? append(out, ",split,dataset\n", err) : result;
}

/* A capital letter first, percent as LaTeX wants it. */
static status append_latex_heading(struct text *out, const struct column *column, struct error *err)
{
    char name[256];
    size_t length = strcspn(column->heading, ",");
    bool is_percent = column->measure.value != VALUE_RECALL && column->heading[length] != '\0';
    snprintf(name, sizeof name, "%.*s", is_percent ? (int)length : (int)sizeof name, column->heading);
    if (name[0] >= 'a' && name[0] <= 'z') name[0] = (char)(name[0] - 'a' + 'A');
    status result = append(out, " & ", err);
    if (result == STATUS_OK) result = append_name(out, name, TABLE_LATEX, err);
    return result == STATUS_OK && is_percent ? append(out, " (\\%)", err) : result;
}

static status append_latex_head(struct text *out, const struct column *columns, size_t count, struct error *err)
{
    status result = append(out, "\\begin{tabular}{lr", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) result = append(out, "r", err);
    if (result == STATUS_OK) result = append(out, "}\n\\toprule\nRun & Runs", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) result = append_latex_heading(out, &columns[c], err);
    return result == STATUS_OK ? append(out, " \\\\\n\\midrule\n", err) : result;
}

static status append_words_head(struct text *out, const struct column *columns, size_t count, enum table_format format,
                                struct error *err)
{
    bool html = format == TABLE_HTML;
    status result = append(out,
                           html ? "<div class=\"table\" tabindex=\"0\">\n<table>\n<thead><tr><th scope=\"col\">run</th>"
                                  "<th scope=\"col\">runs</th>"
                                : "| run | runs |",
                           err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        result = append(out, html ? "<th scope=\"col\">" : " ", err);
        if (result == STATUS_OK) result = append_name(out, columns[c].heading, format, err);
        if (result == STATUS_OK) result = append(out, html ? "</th>" : " |", err);
    }
    if (html) return result == STATUS_OK ? append(out, "</tr></thead>\n<tbody>\n", err) : result;
    if (result == STATUS_OK) result = append(out, "\n| --- | ---: |", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) result = append(out, " ---: |", err);
    return result == STATUS_OK ? append(out, "\n", err) : result;
}

static status append_head(struct text *out, const struct column *columns, size_t count, enum table_format format,
                          struct error *err)
{
    if (format == TABLE_CSV) return append_csv_head(out, columns, count, err);
    if (format == TABLE_LATEX) return append_latex_head(out, columns, count, err);
    return append_words_head(out, columns, count, format, err);
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static status append_limits(struct text *out, const double limits[2], enum table_format format, struct error *err)
{
    if (isnan(limits[0]) || isnan(limits[1])) return format == TABLE_CSV ? append(out, ",,", err) : STATUS_OK;
    bool is_csv = format == TABLE_CSV;
    return text_append_format(out, err, "%s%.2f%s%.2f%s", is_csv ? "," : " [", limits[0], is_csv ? "," : ", ",
                              limits[1], is_csv ? "" : "]");
}

/* mean ± deviation, either NaN where it is not known. */
static status append_mean(struct text *out, double mean, double deviation, int digits, bool sign,
                          enum table_format format, struct error *err)
{
    if (isnan(mean)) return text_append_format(out, err, "%s%s", formats[format].none, format == TABLE_CSV ? "," : "");
    status result = text_append_format(out, err, sign ? "%+.*f" : "%.*f", digits, mean);
    bool is_shown = !isnan(deviation);
    if (result == STATUS_OK && (is_shown || format == TABLE_CSV)) result = append(out, formats[format].plus_minus, err);
    return result == STATUS_OK && is_shown ? text_append_format(out, err, "%.*f", digits, deviation) : result;
}

/* Stars as the format writes them. */
static status append_mark(struct text *out, const char *mark, enum table_format format, struct error *err)
{
    if (mark[0] == '\0') return STATUS_OK;
    if (format == TABLE_LATEX) return text_append_format(out, err, "$^{%s}$", mark);
    if (format == TABLE_HTML) return text_append_format(out, err, " %s", mark);
    status result = append(out, " ", err);
    for (; *mark != '\0' && result == STATUS_OK; mark++) result = append(out, "\\*", err);
    return result;
}

static status append_gain(struct text *out, const struct gain *gain, const struct column *column,
                          enum table_format format, struct error *err)
{
    double p = gain->test.p;
    status result = append_mean(out, gain->test.mean, gain->deviation, column->digits, true, format, err);
    if (result == STATUS_OK && format == TABLE_CSV)
        result = isnan(p) ? append(out, ",", err) : text_append_format(out, err, ",%.4g", p);
    if (result == STATUS_OK) result = append_limits(out, gain->test.limits, format, err);
    return result == STATUS_OK && format != TABLE_CSV ? append_mark(out, significance_mark(p), format, err) : result;
}

static status append_cell(struct text *out, const struct run_group *groups, size_t g, bool last,
                          const struct column *column, enum table_format format, struct error *err)
{
    if (column->is_gain) {
        struct gain gain = gain_of(&groups[0], &groups[g], last, &column->measure);
        if (g == 0) gain = (struct gain){{0, NAN, NAN, {NAN, NAN}}, NAN}; /* from itself */
        return append_gain(out, &gain, column, format, err);
    }
    struct spread spread = spread_of(&groups[g], last, &column->measure);
    status result = append_mean(out, spread.mean, spread.deviation, column->digits, false, format, err);
    return result == STATUS_OK && column->has_limits ? append_limits(out, spread.limits, format, err) : result;
}

/* CSV's last columns. */
static status append_csv_source(struct text *out, const struct evaluated_on *on, struct error *err)
{
    status result = append(out, ",", err);
    if (result == STATUS_OK) result = append_name(out, on->split, TABLE_CSV, err);
    if (result == STATUS_OK) result = append(out, ",", err);
    return result == STATUS_OK ? append_name(out, on->dataset, TABLE_CSV, err) : result;
}

static status append_row(struct text *out, const struct run_group *groups, size_t g, bool last,
                         const struct evaluated_on *on, const struct column *columns, size_t count,
                         enum table_format format, struct error *err)
{
    size_t runs = spread_of(&groups[g], last, &(struct run_measure){VALUE_OVERALL, NULL}).n;
    status result = append(out, formats[format].row, err);
    if (result == STATUS_OK) result = append_name(out, groups[g].name, format, err);
    if (result == STATUS_OK) result = text_append_format(out, err, "%s%zu", formats[format].between, runs);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        result = append(out, formats[format].between, err);
        if (result == STATUS_OK) result = append_cell(out, groups, g, last, &columns[c], format, err);
    }
    if (result == STATUS_OK && format == TABLE_CSV) result = append_csv_source(out, on, err);
    return result == STATUS_OK ? append(out, formats[format].end, err) : result;
}

/* ---- what the rows are about ------------------------------------------------------------------------------------- */

/* Of every row, sources [count]. */
static status find_sources(const struct run_group *groups, size_t count, bool gain, struct evaluated_on *sources,
                           struct error *err)
{
    status result = STATUS_OK;
    for (size_t g = 0; g < count && result == STATUS_OK; g++) {
        result = evaluated_on_of(&groups[g], &sources[g], err);
        if (result == STATUS_OK && gain && !evaluated_on_same(&sources[0], &sources[g]))
            log_warning("%s is of the %s, the first row of the %s: a gain from other pictures tells nothing",
                        groups[g].name, sources[g].text, sources[0].text);
    }
    return result;
}

/* A dash alone would not tell why there is no gain. */
static void warn_of_no_pairs(const struct run_group *groups, size_t count, bool last)
{
    for (size_t g = 1; g < count; g++)
        if (isnan(gain_of(&groups[0], &groups[g], last, &(struct run_measure){VALUE_OVERALL, NULL}).test.mean))
            log_warning("%s: none of its runs has the seed of one of %s, so that there is no gain to tell",
                        groups[g].name, groups[0].name);
}

/* Whether row `g` is the first of its source, one that is known. */
static bool is_first_of_source(const struct evaluated_on *sources, size_t g)
{
    for (size_t i = 0; i < g; i++)
        if (strcmp(sources[i].text, sources[g].text) == 0) return false;
    return sources[g].text[0] != '\0';
}

/* ": base, new": the rows of the source of row `g`. */
static status append_rows_of(struct text *out, const struct run_group *groups, const struct evaluated_on *sources,
                             size_t count, size_t g, enum table_format format, struct error *err)
{
    const char *between = ": ";
    status result = STATUS_OK;
    for (size_t i = g; i < count && result == STATUS_OK; i++) {
        if (strcmp(sources[i].text, sources[g].text) != 0) continue;
        result = append(out, between, err);
        if (result == STATUS_OK) result = append_name(out, groups[i].name, format, err);
        between = ", ";
    }
    return result;
}

/* "Evaluated on the valid split of ferplus.", with the rows' names where not all are of one source. CSV has columns.
 */
static status append_caption(struct text *out, const struct run_group *groups, const struct evaluated_on *sources,
                             size_t count, enum table_format format, struct error *err)
{
    static const char *const openings[] = {
        [TABLE_MARKDOWN] = "\n", [TABLE_LATEX] = "% ", [TABLE_HTML] = "<p class=\"note\">"};
    size_t told = 0;
    bool is_mixed = false;
    status result = STATUS_OK;
    if (format == TABLE_CSV) return STATUS_OK;
    for (size_t g = 1; g < count; g++) is_mixed = is_mixed || strcmp(sources[0].text, sources[g].text) != 0;
    for (size_t g = 0; g < count && result == STATUS_OK; g++) {
        if (!is_first_of_source(sources, g)) continue;
        result = told++ == 0 ? text_append_format(out, err, "%sEvaluated on the ", openings[format])
                             : append(out, "; on the ", err);
        if (result == STATUS_OK) result = append_name(out, sources[g].text, format, err);
        if (result == STATUS_OK && is_mixed) result = append_rows_of(out, groups, sources, count, g, format, err);
    }
    if (result != STATUS_OK || told == 0) return result;
    return append(out, format == TABLE_HTML ? ".</p>\n" : ".\n", err);
}

status table_runs(const struct run_group *groups, size_t count, const struct table_options *options,
                  enum table_format format, struct text *out, struct error *err)
{
    size_t column_count;
    struct column *columns = choose_columns(groups, count, options, &column_count, err);
    struct evaluated_on *sources = memory_allocate(count, sizeof *sources, "a table", err);
    status result = columns == NULL || sources == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) result = find_sources(groups, count, options->gain, sources, err);
    if (result == STATUS_OK && options->gain) warn_of_no_pairs(groups, count, options->last);
    if (result == STATUS_OK) result = append_head(out, columns, column_count, format, err);
    for (size_t g = 0; g < count && result == STATUS_OK; g++)
        result = append_row(out, groups, g, options->last, &sources[g], columns, column_count, format, err);
    if (result == STATUS_OK) result = append(out, formats[format].after, err);
    if (result == STATUS_OK) result = append_caption(out, groups, sources, count, format, err);
    memory_free(columns);
    memory_free(sources);
    return result;
}
