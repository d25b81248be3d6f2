/* A run folder from hostile bytes, its files parted by zero bytes (metrics.jsonl, config.ini, log.txt): read as report,
 * plot and table read it, drawn and written; and metrics.jsonl cut where a run goes on, which keeps whole lines only.
 */
#define _GNU_SOURCE
#include "fuzz/support/page.h"
#include "fuzz/support/scratch_folder.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/plot/report.h"
#include "rmfer/plot/table.h"
#include "train/run_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FILES = 3 };
static const char *const names[FILES] = {"metrics.jsonl", "config.ini", "log.txt"};

static void write_files(const char *folder, const uint8_t *bytes, size_t size)
{
    char path[80];
    for (int i = 0; i < FILES; i++) {
        const uint8_t *end = size > 0 && i < FILES - 1 ? memchr(bytes, '\0', size) : NULL;
        size_t length = end == NULL ? size : (size_t)(end - bytes);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        scratch_write(path, bytes, length);
        bytes += end == NULL ? length : length + 1;
        size -= end == NULL ? length : length + 1;
    }
}

static void show(const struct run_group *groups, size_t count)
{
    struct error err = {0};
    struct text made = {0};
    const struct table_options all = {.gain = true, .recalls = true, .features = true};
    page_finish(report_write(groups, count, NULL, 0, &made, &err), &made, page_check_markup, &err);
    for (int format = TABLE_MARKDOWN; format <= TABLE_HTML; format++)
        page_finish(table_runs(groups, count, &all, (enum table_format)format, &made, &err), &made,
                    page_check_printable, &err);
    page_finish(figure_curves(groups, count, "loss", "title", CANVAS_SVG, &made, &err), &made, page_check_markup, &err);
}

/* What stays is the beginning of what was there, up to a line's end. */
static void go_on(const char *folder, const uint8_t *before, size_t size)
{
    struct run_folder run;
    struct error err = {0};
    uint8_t *after;
    size_t left;
    if (run_folder_init(&run, folder, &err) != STATUS_OK) abort();
    if (run_folder_open_metrics(&run, 10, size % 2 == 0, &err) != STATUS_OK) abort();
    if (file_read(run.metrics, (size_t)1 << 30, &after, &left, &err) != STATUS_OK) abort();
    if (left > size || (left > 0 && memcmp(after, before, left) != 0) || (left > 0 && after[left - 1] != '\n')) abort();
    memory_free(after);
    run_folder_free(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *folder = scratch_folder(), *word = folder;
    struct run_group *groups;
    struct error err = {0};
    size_t count;
    write_files(folder, bytes, size);
    if (run_groups_read(&groups, &count, &word, 1, &err) == STATUS_OK)
        show(groups, count);
    else if (err.message[0] == '\0')
        abort();
    run_groups_free(groups, count);
    go_on(folder, bytes, strnlen((const char *)bytes, size));
    return 0;
}
