/* The lines themselves; when they are shown is the status line's affair, whether they are the log level's. */
#include "cmd/predict_summary.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct predict_progress predict_progress_begin(void)
{
    return (struct predict_progress){
        .line = status_line_begin(), .begin = clock_seconds(), .shares_terminal = isatty(STDOUT_FILENO) == 1};
}

void predict_progress_make_room(const struct predict_progress *progress)
{
    if (progress->shares_terminal) status_line_hide(&progress->line);
}

void predict_progress_show(struct predict_progress *progress, const struct output_counts *counts, double share)
{
    char line[160], left[64] = "", duration[32];
    if (share > progress->share) progress->share = share;
    bool comes_back = progress->shares_terminal && progress->is_shown;
    if (!status_line_is_due(&progress->line) && !comes_back) return;
    progress->is_shown = progress->line.is_drawn_in_place;
    double seconds = clock_seconds() - progress->begin;
    if (!isnan(share) && progress->share > 0) {
        status_line_duration(duration, sizeof duration, seconds * (1 - progress->share) / progress->share);
        snprintf(left, sizeof left, ", %s left", duration);
    }
    snprintf(line, sizeof line, "%zu pictures, %zu faces, %.1f faces/s%s", counts->pictures, counts->faces,
             (double)counts->faces / seconds, left);
    status_line_show(&progress->line, isnan(share) ? share : progress->share, line);
}

struct label_count {
    const char *name;
    size_t index, faces;
};

static int compare_counts(const void *a, const void *b)
{
    const struct label_count *left = a, *right = b;
    if (left->faces != right->faces) return left->faces > right->faces ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* "Happiness 61.2 %, Neutral 38.8 %": the most frequent first, those that were seen. */
static status name_shares(const struct output_counts *counts, const char *const *classes, size_t class_count,
                          struct text *out, struct error *err)
{
    struct label_count *labels = memory_allocate(class_count, sizeof *labels, "the summary", err);
    status result = labels == NULL ? STATUS_FAILED : STATUS_OK;
    for (size_t i = 0; i < class_count && result == STATUS_OK; i++)
        labels[i] = (struct label_count){classes[i], i, counts->labels[i]};
    if (result == STATUS_OK) qsort(labels, class_count, sizeof *labels, compare_counts);
    for (size_t i = 0; i < class_count && result == STATUS_OK && labels[i].faces > 0; i++)
        result = text_append_format(out, err, "%s%s %.1f %%", i == 0 ? "" : ", ", labels[i].name,
                                    100 * (double)labels[i].faces / (double)counts->faces);
    memory_free(labels);
    return result;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

status predict_summary_print(const struct output_counts *counts, const char *const *classes, size_t class_count,
                             double seconds, struct error *err)
{
    struct text shares = {0};
    char files[48] = "";
    if (counts->pictures + counts->unreadable < 2) return STATUS_OK;
    if (counts->files != counts->pictures)
        snprintf(files, sizeof files, "%zu file%s, ", counts->files, plural(counts->files));
    log_info("%s%zu picture%s, %zu face%s in %.2f s (%.1f faces/s)", files, counts->pictures, plural(counts->pictures),
             counts->faces, plural(counts->faces), seconds, (double)counts->faces / seconds);
    status result = name_shares(counts, classes, class_count, &shares, err);
    if (result == STATUS_OK && shares.length > 0) log_info("%s", shares.bytes);
    text_free(&shares);
    return result;
}
