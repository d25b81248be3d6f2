/* The parts of a run's report that need its data: figures of answers and features, each with its numbers as a table. */
#include "rmfer/plot/report.h"

#include "html.h"

#include "rmfer/method/calibration.h"

#include <math.h>
#include <stdio.h>

static void begin_table(struct html *html, const char *summary, const char *const *columns)
{
    html_format(html, "<details><summary>%s</summary>\n", summary);
    html_table_begin(html, NULL, columns);
}

static void end_table(struct html *html)
{
    html_table_end(html);
    html_put(html, "</details>\n");
}

/* ---- calibration ------------------------------------------------------------------------------------------------- */

static void put_calibration(struct html *html, const struct answers *answers)
{
    static const char *const columns[] = {"confidence, %", "answers", "mean confidence, %", "accuracy, %", NULL};
    const struct scored_rows rows = {.logits = answers->logits,
                                     .labels = answers->labels,
                                     .n = answers->n,
                                     .classes = answers->classes,
                                     .may_predict = answers->may_predict};
    struct calibration_bin bins[CALIBRATION_BINS];
    html_put(html, "<h3>Calibration</h3>\n");
    if (!calibration_bins(&rows, 1, bins)) {
        html_put(html, "<p>The outputs are not finite numbers.</p>\n");
        return;
    }
    html_put(html, "<figure>\n");
    if (html->result == STATUS_OK)
        html->result = figure_calibration(answers, "Reliability diagram", CANVAS_INLINE, html->out, html->err);
    html_put(html, "</figure>\n");
    begin_table(html, "the reliability diagram as a table (as the outputs are)", columns);
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        html_format(html, "<tr><td>%.1f to %.1f</td><td>%.0f</td>", 100.0 * b / CALIBRATION_BINS,
                    100.0 * (b + 1) / CALIBRATION_BINS, bins[b].n);
        html_number(html, "%.2f", bins[b].n > 0 ? 100 * bins[b].confidence / bins[b].n : NAN);
        html_number(html, "%.2f", bins[b].n > 0 ? 100 * bins[b].right / bins[b].n : NAN);
        html_put(html, "</tr>\n");
    }
    end_table(html);
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

static void put_similarity(struct html *html, const struct answers *answers)
{
    static const char *const columns[] = {"cosine similarity", "pairs of one class", "pairs of different classes",
                                          NULL};
    struct similarity_counts counts;
    html_put(html, "<h3>Similarity of features</h3>\n<figure>\n");
    if (html->result == STATUS_OK) html->result = similarity_count(answers, &counts, html->err);
    if (html->result == STATUS_OK)
        html->result = figure_similarity(answers, "Cosine similarity of pairs", CANVAS_INLINE, html->out, html->err);
    if (html->result != STATUS_OK) return;
    html_put(html, "</figure>\n");
    begin_table(html, "the similarities as a table", columns);
    for (size_t b = 0; b < SIMILARITY_BINS; b++) {
        if (!(counts.same[b] + counts.different[b] > 0)) continue;
        html_format(html, "<tr><td>%.3f to %.3f</td><td>%.0f</td><td>%.0f</td></tr>\n",
                    -1 + 2.0 * (double)b / SIMILARITY_BINS, -1 + 2.0 * (double)(b + 1) / SIMILARITY_BINS,
                    counts.same[b], counts.different[b]);
    }
    end_table(html);
}

static void put_number_row(struct html *html, const char *name, const char *format, double value)
{
    html_put(html, "<tr>");
    html_element(html, "th scope=\"row\"", name);
    html_number(html, format, value);
    html_put(html, "</tr>\n");
}

static void put_mds(struct html *html, const struct answers *answers)
{
    static const char *const columns[] = {"measure", "value", NULL};
    struct mds_layout layout = {0};
    html_put(html, "<h3>Features in a plane (MDS)</h3>\n<figure>\n");
    if (html->result == STATUS_OK) html->result = mds_layout_init(&layout, answers, 1, html->err);
    if (html->result == STATUS_OK)
        html->result = figure_mds(&layout, "Features in a plane (MDS)", CANVAS_INLINE, html->out, html->err);
    struct mds_measures measures = html->result == STATUS_OK ? layout.measures[0] : (struct mds_measures){0};
    mds_layout_free(&layout);
    html_put(html, "</figure>\n");
    begin_table(html, "its measures as a table", columns);
    put_number_row(html, "pictures", "%.0f", (double)answers->sampled);
    put_number_row(html, "stress", "%.4f", measures.stress);
    put_number_row(html, "stress of classical scaling", "%.4f", measures.classical_stress);
    put_number_row(html, "mean distance from the class centre, in the plane", "%.4f", measures.plane_centre_distance);
    put_number_row(html, "mean distance from the class centre, among the features", "%.4f", answers->centre_distance);
    put_number_row(html, "mean cosine similarity, same class", "%.4f", answers->same_class_similarity);
    put_number_row(html, "mean cosine similarity, different classes", "%.4f", answers->different_class_similarity);
    end_table(html);
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

static void put_attention_table(struct html *html, const struct answers *answers,
                                const struct class_attention *attention)
{
    html_put(html,
             "<details><summary>the attention as a table</summary>\n<div class=\"table\" tabindex=\"0\">\n<table>\n"
             "<caption>share of attention, %; rows: who looks, columns: looked at</caption>\n<thead><tr><td></td>");
    for (size_t c = 0; c < answers->classes; c++) html_element(html, "th scope=\"col\"", answers->class_names[c]);
    html_put(html, "</tr></thead>\n<tbody>\n");
    for (size_t from = 0; from < answers->classes; from++) {
        html_put(html, "<tr>");
        html_element(html, "th scope=\"row\"", answers->class_names[from]);
        for (size_t to = 0; to < answers->classes; to++)
            html_number(html, "%.2f", 100 * attention->share[from * answers->classes + to]);
        html_put(html, "</tr>\n");
    }
    end_table(html);
}

static void put_attention(struct html *html, const struct answers *answers, uint64_t seed)
{
    struct class_attention attention = {0};
    html_put(html, "<h3>Attention</h3>\n");
    if (answers->projections == NULL || answers->sampled < 2 || answers->attention_batch < 2) {
        html_put(html, "<p>No attention branch was trained.</p>\n");
        return;
    }
    html_put(html, "<figure>\n");
    if (html->result == STATUS_OK) html->result = class_attention_init(&attention, answers, seed, html->err);
    if (html->result == STATUS_OK)
        html->result = figure_attention(answers, &attention, "Mean attention by class", CANVAS_INLINE, html->out,
                                        html->err);
    html_put(html, "</figure>\n");
    if (html->result == STATUS_OK) put_attention_table(html, answers, &attention);
    class_attention_free(&attention);
}

status report_answers(const struct answers *answers, const char *split, uint64_t seed, struct text *out,
                      struct error *err)
{
    struct html html = {out, err, STATUS_OK};
    html_format(&html, "<p class=\"note\">What follows is of %zu pictures of the %.20s split: overall accuracy %.2f %%",
                answers->n, split, 100 * answers->overall);
    const double *limits = answers->overall_limits;
    if (!isnan(limits[0])) html_format(&html, " [%.2f, %.2f]", 100 * limits[0], 100 * limits[1]);
    html_put(&html, ".</p>\n");
    put_calibration(&html, answers);
    put_mds(&html, answers);
    put_similarity(&html, answers);
    put_attention(&html, answers, seed);
    return html.result;
}
