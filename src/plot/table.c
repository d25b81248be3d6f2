/* The table of runs as Markdown, CSV, LaTeX (booktabs) and HTML. */
#include "rmfer/plot/table.h"

#include "rmfer/plot/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- numbers -----------------------------------------------------------------------------------------------------
 */

/* In percent; deviation is NaN of fewer than two, the limits where not every run has them. */
struct spread {
    size_t n;
    double mean, deviation;
    double limits[2]; /* of the 95 % interval, means over the runs: how far one split's size lets the accuracy be known */
};

static const struct run_evaluation *evaluation_of(const struct run *run, bool last)
{
    return last ? &run->last : &run->best;
}

static double accuracy_of(const struct run *run, bool last, bool average)
{
    const struct run_evaluation *evaluation = evaluation_of(run, last);
    if (run->evaluation_count == 0) return NAN;
    return 100 * (average ? evaluation->average : evaluation->overall);
}

static void add_limits(struct spread *spread, const struct run *run, bool last, bool average)
{
    const struct run_evaluation *evaluation = evaluation_of(run, last);
    const double *limits = average ? evaluation->average_limits : evaluation->overall_limits;
    for (int i = 0; i < 2; i++) spread->limits[i] += 100 * limits[i];
}

static struct spread spread_of(const struct run_group *group, bool last, bool average)
{
    struct spread spread = {0, NAN, NAN, {0, 0}};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < group->count; i++) {
        double value = accuracy_of(&group->runs[i], last, average);
        if (isnan(value)) continue;
        sum += value;
        add_limits(&spread, &group->runs[i], last, average);
        spread.n++;
    }
    for (int i = 0; i < 2; i++) spread.limits[i] = spread.n > 0 ? spread.limits[i] / (double)spread.n : NAN;
    if (spread.n == 0) return spread;
    spread.mean = sum / (double)spread.n;
    for (size_t i = 0; i < group->count; i++) {
        double value = accuracy_of(&group->runs[i], last, average);
        if (!isnan(value)) squares += (value - spread.mean) * (value - spread.mean);
    }
    if (spread.n > 1) spread.deviation = sqrt(squares / (double)(spread.n - 1));
    return spread;
}

/* ---- formats -----------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *before, *heading, *row, *between, *end, *after, *plus_minus, *none;
} formats[] = {
    [TABLE_MARKDOWN] = {"", "| run | runs | overall, % | average, % |\n| --- | ---: | ---: | ---: |\n", "| ", " | ",
                        " |\n", "", " \xc2\xb1 ", "\xe2\x80\x93"},
    [TABLE_CSV] = {"",
                   "run,runs,overall,overall_deviation,overall_low,overall_high,average,average_deviation,average_low,"
                   "average_high\n",
                   "", ",", "\n", "", ",", ""},
    [TABLE_LATEX] = {"\\begin{tabular}{lrrr}\n\\toprule\n",
                     "Run & Runs & Overall (\\%) & Average (\\%) \\\\\n\\midrule\n", "", " & ", " \\\\\n",
                     "\\bottomrule\n\\end{tabular}\n", " $\\pm$ ", "--"},
    [TABLE_HTML] =
        {"<table>\n<thead><tr><th>run</th><th>runs</th><th>overall, %</th><th>average, %</th></tr></thead>\n"
         "<tbody>\n",
         "", "<tr><td>", "</td><td>", "</td></tr>\n", "</tbody>\n</table>\n", " \xc2\xb1 ", "\xe2\x80\x93"},
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

static status append_limits(struct text *out, const double limits[2], enum table_format format, struct error *err)
{
    if (isnan(limits[0]) || isnan(limits[1])) return format == TABLE_CSV ? append(out, ",,", err) : STATUS_OK;
    bool is_csv = format == TABLE_CSV;
    return text_append_format(out, err, "%s%.2f%s%.2f%s", is_csv ? "," : " [", limits[0], is_csv ? "," : ", ",
                              limits[1], is_csv ? "" : "]");
}

static status append_spread(struct text *out, struct spread spread, enum table_format format, struct error *err)
{
    status result =
        spread.n == 0 ? append(out, formats[format].none, err) : text_append_format(out, err, "%.2f", spread.mean);
    bool is_shown = spread.n > 1;
    if (result == STATUS_OK && (is_shown || format == TABLE_CSV))
        result = append(out, formats[format].plus_minus, err);
    if (result == STATUS_OK && is_shown) result = text_append_format(out, err, "%.2f", spread.deviation);
    return result == STATUS_OK ? append_limits(out, spread.limits, format, err) : result;
}

static status append_row(struct text *out, const struct run_group *group, bool last, enum table_format format,
                         struct error *err)
{
    struct spread overall = spread_of(group, last, false), average = spread_of(group, last, true);
    status result = append(out, formats[format].row, err);
    if (result == STATUS_OK) result = append_name(out, group->name, format, err);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "%s%zu%s", formats[format].between, overall.n, formats[format].between);
    if (result == STATUS_OK) result = append_spread(out, overall, format, err);
    if (result == STATUS_OK) result = append(out, formats[format].between, err);
    if (result == STATUS_OK) result = append_spread(out, average, format, err);
    return result == STATUS_OK ? append(out, formats[format].end, err) : result;
}

status table_runs(const struct run_group *groups, size_t count, bool last, enum table_format format, struct text *out,
                  struct error *err)
{
    status result = append(out, formats[format].before, err);
    if (result == STATUS_OK) result = append(out, formats[format].heading, err);
    for (size_t g = 0; g < count && result == STATUS_OK; g++) result = append_row(out, &groups[g], last, format, err);
    return result == STATUS_OK ? append(out, formats[format].after, err) : result;
}
