/* A run's best checkpoint on the split that chose it, as parts of a page. */
#include "cmd/report_extra.h"

#include "cmd/answers.h"
#include "cmd/report_thumbnails.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/plot/report.h"
#include "rmfer/rmset/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static status append_rmset(const struct config *config, struct text *out, struct error *err)
{
    struct rmset_stats stats;
    struct error missing = {0};
    if (config->rmset.root[0] == '\0') return report_note("No RMset was used.", out, err);
    if (!folder_exists(config->rmset.root) || rmset_stats(config->rmset.root, &stats, &missing) != STATUS_OK)
        return report_note("The RMset's counts are not shown: its folder is not there, or not whole.", out, err);
    struct report_fact facts[] = {{"videos", ""},
                                  {"persons", ""},
                                  {"frames with faces", ""},
                                  {"faces", ""},
                                  {"most faces of a person", ""},
                                  {"most faces of a frame", ""}};
    const uint64_t values[] = {stats.videos, stats.persons,         stats.frames,
                               stats.faces,  stats.faces_of_person, stats.faces_of_frame};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        snprintf(facts[i].value, sizeof facts[i].value, "%" PRIu64, values[i]);
    return report_facts("RMset", facts, sizeof facts / sizeof facts[0], out, err);
}

static status append_evaluated(const struct evaluation_work *work, const char *name,
                               const struct evaluation *evaluation, const struct report_extra_options *options,
                               struct text *out, struct error *err)
{
    struct answers answers = {0};
    status result = answers_take(&answers, work, evaluation, name, options->sample, options->seed, err);
    if (result == STATUS_OK) result = report_answers(&answers, work->dataset.split, options->seed, out, err);
    if (result == STATUS_OK && options->pictures) result = report_thumbnails(&answers, &work->dataset, out, err);
    if (result == STATUS_OK && !options->pictures)
        result = report_note("The pictures are left out (--no-pictures).", out, err);
    if (result == STATUS_OK) result = append_rmset(&work->config, out, err);
    answers_free(&answers);
    return result;
}

/* The whole or nothing, so that a failure half way leaves no half element. */
static status append_checkpoint(const char *checkpoint, const char *name, const char *split,
                                const struct report_extra_options *options, struct text *out, struct error *err)
{
    struct evaluation_request request = {.checkpoint = checkpoint, .split = split};
    struct evaluation_work work = {0};
    const struct evaluation *evaluation;
    struct text part = {0};
    status result = evaluation_work_open(&work, &request, err);
    if (result == STATUS_OK) log_info("%s: evaluating on the %s split", checkpoint, split);
    if (result == STATUS_OK) result = evaluator_run(work.evaluator, &work.model, &evaluation, err);
    if (result == STATUS_OK) result = append_evaluated(&work, name, evaluation, options, &part, err);
    evaluation_work_close(&work);
    if (result == STATUS_OK) result = text_append(out, text_string(&part), part.length, err);
    text_free(&part);
    return result;
}

status report_extra_append(const struct run *run, const struct report_extra_options *options, struct text *out,
                           bool *is_whole, struct error *err)
{
    struct error why = {0};
    char note[ERROR_MESSAGE_BYTES + 64];
    *is_whole = true;
    if (!folder_exists(run->folder)) return STATUS_OK;                         /* a result of eval --json */
    if (run->evaluation_count == 0 || run->split[0] == '\0') return STATUS_OK; /* the page says so already */
    char *checkpoint = path_join(run->folder, "best_overall.safetensors", err);
    if (checkpoint == NULL) return STATUS_FAILED;
    status result = file_exists(checkpoint) ? append_checkpoint(checkpoint, run->folder, run->split, options, out, &why)
                                            : error_set(&why, "best_overall.safetensors is not there");
    memory_free(checkpoint);
    *is_whole = result == STATUS_OK;
    if (*is_whole) return STATUS_OK;
    snprintf(note, sizeof note, "Calibration, features, attention and pictures are not shown: %s.", why.message);
    return report_note(note, out, err);
}
