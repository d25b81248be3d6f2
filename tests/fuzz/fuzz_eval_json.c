/* Hostile bytes as a result of `rmfer eval --json`, beside a good one: compared in tables of every format, drawn, put
 * into a report; and as the evaluation that a checkpoint carries with it. */
#define _GNU_SOURCE
#include "cmd/stored_accuracy.h"
#include "fuzz/support/page.h"
#include "fuzz/support/scratch_folder.h"
#include "rmfer/plot/report.h"
#include "rmfer/plot/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char
    good[] = "{\"split\": \"test\", \"classes\": [\"Neutral\", \"Anger\"], \"overall_accuracy\": 0.75, "
             "\"average_accuracy\": 0.7, \"overall_interval\": [0.6, 0.9], \"average_interval\": [0.5, 0.9], "
             "\"same_class_similarity\": 0.8, \"different_class_similarity\": 0.1, \"centre_distance\": 0.4, "
             "\"confusion\": [[5, 1], [2, 4]]}\n";

static void show(const struct run_group *groups, size_t count)
{
    struct error err = {0};
    struct text made = {0};
    const struct run *run = &groups[count - 1].runs[0];
    for (int last = 0; last < 2; last++) {
        const struct table_options all = {.gain = true, .recalls = true, .features = true, .last = last};
        for (int format = TABLE_MARKDOWN; format <= TABLE_HTML; format++)
            page_finish(table_runs(groups, count, &all, (enum table_format)format, &made, &err), &made,
                        page_check_printable, &err);
    }
    page_finish(report_write(groups, count, NULL, 10, &made, &err), &made, page_check_markup, &err);
    if (run->best.confusion.classes > 0)
        page_finish(figure_confusion(&run->best.confusion, (const char *const *)run->classes, run->class_count,
                                     run->split, CANVAS_SVG, &made, &err),
                    &made, page_check_markup, &err);
}

static void use_in_checkpoint(const uint8_t *bytes, size_t size)
{
    struct error err = {0};
    struct stored_accuracy accuracy;
    char *text = malloc(size + 1);
    if (text == NULL) abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    const struct checkpoint_info info = {.metrics = text};
    if (stored_accuracy(&info, &accuracy, &err) != STATUS_OK && err.message[0] == '\0') abort();
    if (accuracy.overall < 0 || accuracy.overall > 1 || accuracy.average < 0 || accuracy.average > 1) abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char first[80], second[80], words[2][96];
    struct run_group *groups;
    struct error err = {0};
    size_t count;
    if (first[0] == '\0') {
        snprintf(first, sizeof first, "%s/good-seed1.json", scratch_folder());
        snprintf(second, sizeof second, "%s/b-seed1.json", scratch_folder());
        snprintf(words[0], sizeof words[0], "good=%s", first);
        snprintf(words[1], sizeof words[1], "%s", second);
        scratch_write(first, good, sizeof good - 1);
    }
    scratch_write(second, bytes, size);
    const char *const arguments[] = {words[0], words[1]};
    if (run_groups_read(&groups, &count, arguments, 2, &err) == STATUS_OK)
        show(groups, count);
    else if (err.message[0] == '\0')
        abort();
    run_groups_free(groups, count);
    use_in_checkpoint(bytes, size);
    return 0;
}
