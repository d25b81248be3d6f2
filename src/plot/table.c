/* The table of runs as Markdown, CSV, LaTeX (booktabs) and HTML: columns that are chosen, each written for the format. */
#include "rmfer/plot/table.h"

#include "spread.h"

#include "rmfer/plot/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char table_marks[] = "Gain: difference from the first row over runs with the same seed, mean \xc2\xb1 sample standard "
                           "deviation; * p < .05, ** p < .01, *** p < .001 by the paired t-test over seeds, two-sided, not "
                           "corrected for the number of rows.";

/* ---- columns ----------------------------------------------------------------------------------------------------- */

struct column {
    const char *heading, *csv; /* for people, and the name in CSV */
    enum run_value value;
    bool is_gain, has_limits;
    int digits;
};

enum { MOST_COLUMNS = 8 };

static size_t choose_columns(const struct table_options *options, struct column columns[MOST_COLUMNS])
{
    static const struct {
        struct column column;
        bool gain, features;
    } all[MOST_COLUMNS] = {
        {{"overall, %", "overall", VALUE_OVERALL, false, true, 2}, false, false},
        {{"gain", "overall_gain", VALUE_OVERALL, true, false, 2}, true, false},
        {{"average, %", "average", VALUE_AVERAGE, false, true, 2}, false, false},
        {{"gain", "average_gain", VALUE_AVERAGE, true, false, 2}, true, false},
        {{"same class", "same_class", VALUE_SAME_CLASS, false, false, 3}, false, true},
        {{"different class", "different_class", VALUE_DIFFERENT_CLASS, false, false, 3}, false, true},
        {{"difference", "difference", VALUE_CLASS_DIFFERENCE, false, false, 3}, false, true},
        {{"centre distance", "centre_distance", VALUE_CENTRE_DISTANCE, false, false, 3}, false, true},
    };
    size_t count = 0;
    for (size_t i = 0; i < MOST_COLUMNS; i++)
        if ((!all[i].gain || options->gain) && (!all[i].features || options->features)) columns[count++] = all[i].column;
    return count;
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *row, *between, *end, *after, *plus_minus, *none;
} formats[] = {
    [TABLE_MARKDOWN] = {"| ", " | ", " |\n", "", " \xc2\xb1 ", "\xe2\x80\x93"},
    [TABLE_CSV] = {"", ",", "\n", "", ",", ""},
    [TABLE_LATEX] = {"", " & ", " \\\\\n", "\\bottomrule\n\\end{tabular}\n", " $\\pm$ ", "--"},
    [TABLE_HTML] = {"<tr><td>", "</td><td>", "</td></tr>\n", "</tbody>\n</table>\n</div>\n", " \xc2\xb1 ", "\xe2\x80\x93"},
};

static status append(struct text *out, const char *text, struct error *err)
{
    return text_append(out, text, strlen(text), err);
}

static status append_name(struct text *out, const char *name, enum table_format format, struct error *err)
{
    if (format == TABLE_HTML) return markup_append(out, name, err);
    status result = format == TABLE_CSV ? append(out, "\"", err) : STATUS_OK;
    for (const char *at = name; *at != '\0' && result == STATUS_OK; at++) {
        char piece[24] = {(unsigned char)*at < 0x20 ? '?' : *at, '\0'};
        if (format == TABLE_CSV && *at == '"') snprintf(piece, sizeof piece, "\"\"");
        if (format == TABLE_MARKDOWN && strchr("|<\\`*_", *at) != NULL) snprintf(piece, sizeof piece, "\\%c", *at);
        if (format == TABLE_LATEX && strchr("_&%#${}", *at) != NULL) snprintf(piece, sizeof piece, "\\%c", *at);
        if (format == TABLE_LATEX && strchr("\\~^", *at) != NULL)
            snprintf(piece, sizeof piece, "\\symbol{%d}", (int)*at);
        result = append(out, piece, err);
    }
    return result == STATUS_OK && format == TABLE_CSV ? append(out, "\"", err) : result;
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

static status append_csv_head(struct text *out, const struct column *columns, size_t count, struct error *err)
{
    status result = append(out, "run,runs", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        const char *name = columns[c].csv;
        result = text_append_format(out, err, ",%s,%s_deviation", name, name);
        if (result == STATUS_OK && columns[c].has_limits)
            result = text_append_format(out, err, ",%s_low,%s_high", name, name);
        if (result == STATUS_OK && columns[c].is_gain) result = text_append_format(out, err, ",%s_p", name);
    }
    return result == STATUS_OK ? append(out, "\n", err) : result;
}

static status append_latex_head(struct text *out, const struct column *columns, size_t count, struct error *err)
{
    status result = append(out, "\\begin{tabular}{lr", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) result = append(out, "r", err);
    if (result == STATUS_OK) result = append(out, "}\n\\toprule\nRun & Runs", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        size_t length = strcspn(columns[c].heading, ",");
        bool is_percent = columns[c].heading[length] != '\0';
        result = text_append_format(out, err, " & %c%.*s%s", columns[c].heading[0] - 'a' + 'A', (int)length - 1,
                                    columns[c].heading + 1, is_percent ? " (\\%)" : "");
    }
    return result == STATUS_OK ? append(out, " \\\\\n\\midrule\n", err) : result;
}

static status append_words_head(struct text *out, const struct column *columns, size_t count, bool html,
                                struct error *err)
{
    status result = append(out, html ? "<div class=\"table\" tabindex=\"0\">\n<table>\n<thead><tr><th scope=\"col\">run</th>"
                                       "<th scope=\"col\">runs</th>"
                                     : "| run | runs |", err);
    for (size_t c = 0; c < count && result == STATUS_OK; c++)
        result = text_append_format(out, err, html ? "<th scope=\"col\">%s</th>" : " %s |", columns[c].heading);
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
    return append_words_head(out, columns, count, format == TABLE_HTML, err);
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
    if (result == STATUS_OK && (is_shown || format == TABLE_CSV))
        result = append(out, formats[format].plus_minus, err);
    return result == STATUS_OK && is_shown ? text_append_format(out, err, "%.*f", digits, deviation) : result;
}

static status append_gain(struct text *out, const struct gain *gain, const struct column *column,
                          enum table_format format, struct error *err)
{
    double p = gain->test.p;
    status result = append_mean(out, gain->test.mean, gain->deviation, column->digits, true, format, err);
    if (result != STATUS_OK) return result;
    if (format == TABLE_CSV) return isnan(p) ? append(out, ",", err) : text_append_format(out, err, ",%.4g", p);
    const char *mark = significance_mark(p);
    if (mark[0] == '\0') return STATUS_OK;
    if (format == TABLE_LATEX) return text_append_format(out, err, "$^{%s}$", mark);
    if (format == TABLE_HTML) return text_append_format(out, err, " %s", mark);
    result = append(out, " ", err);
    for (; *mark != '\0' && result == STATUS_OK; mark++) result = append(out, "\\*", err);
    return result;
}

static status append_cell(struct text *out, const struct run_group *groups, size_t g, bool last,
                          const struct column *column, enum table_format format, struct error *err)
{
    if (column->is_gain) {
        struct gain gain = gain_of(&groups[0], &groups[g], last, column->value);
        if (g == 0) gain = (struct gain){{0, NAN, NAN}, NAN}; /* from itself */
        return append_gain(out, &gain, column, format, err);
    }
    struct spread spread = spread_of(&groups[g], last, column->value);
    status result = append_mean(out, spread.mean, spread.deviation, column->digits, false, format, err);
    return result == STATUS_OK && column->has_limits ? append_limits(out, spread.limits, format, err) : result;
}

static status append_row(struct text *out, const struct run_group *groups, size_t g, bool last,
                         const struct column *columns, size_t count, enum table_format format, struct error *err)
{
    size_t runs = spread_of(&groups[g], last, VALUE_OVERALL).n;
    status result = append(out, formats[format].row, err);
    if (result == STATUS_OK) result = append_name(out, groups[g].name, format, err);
    if (result == STATUS_OK) result = text_append_format(out, err, "%s%zu", formats[format].between, runs);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        result = append(out, formats[format].between, err);
        if (result == STATUS_OK) result = append_cell(out, groups, g, last, &columns[c], format, err);
    }
    return result == STATUS_OK ? append(out, formats[format].end, err) : result;
}

status table_runs(const struct run_group *groups, size_t count, const struct table_options *options,
                  enum table_format format, struct text *out, struct error *err)
{
    struct column columns[MOST_COLUMNS];
    size_t column_count = choose_columns(options, columns);
    status result = append_head(out, columns, column_count, format, err);
    for (size_t g = 0; g < count && result == STATUS_OK; g++)
        result = append_row(out, groups, g, options->last, columns, column_count, format, err);
    return result == STATUS_OK ? append(out, formats[format].after, err) : result;
}
