/* rmfer plot: figures of run folders and of checkpoints, as SVG and PNG. */
#include "cmd/answer_figures.h"
#include "cmd/checkpoint_word.h"
#include "cmd/plot_anchor.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/plot/embedding.h"
#include "rmfer/plot/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct plot_command {
    const char *out, *title, *key;
    const char *rmset, *anchor; /* attention: the sheet of an anchor */
    bool last, png;
    int64_t sample;
    uint64_t seed;
    struct evaluation_request request; /* of the figures that evaluate */
};

/* ---- figures of run folders -------------------------------------------------------------------------------------- */

/* A figure_draw's data. */
struct runs_figure {
    const struct plot_command *command;
    const struct run_group *groups;
    size_t count;
};

/* What the files tell of name, split, epoch (eval --json knows none), accuracy and its interval. */
static status append_title(struct text *title, const char *name, const struct run *run,
                           const struct run_evaluation *evaluation, struct error *err)
{
    const double *limits = evaluation->overall_limits;
    status result = text_append_format(title, err, "%.60s", name);
    if (result == STATUS_OK && run->split[0] != '\0') result = text_append_format(title, err, ", %s split", run->split);
    if (result == STATUS_OK && !isnan(evaluation->epoch))
        result = text_append_format(title, err, ", epoch %.4g", evaluation->epoch);
    if (result == STATUS_OK && !isnan(evaluation->overall))
        result = text_append_format(title, err, ": overall accuracy %.2f %%", 100 * evaluation->overall);
    if (result == STATUS_OK && !isnan(evaluation->overall) && !isnan(limits[0]) && !isnan(limits[1]))
        result = text_append_format(title, err, " [%.2f, %.2f]", 100 * limits[0], 100 * limits[1]);
    return result;
}

static status draw_confusion(const void *data, enum canvas_format format, struct text *out, struct error *err)
{
    const struct runs_figure *figure = data;
    const struct plot_command *command = figure->command;
    if (figure->count != 1 || figure->groups[0].count != 1)
        return error_set_usage(err, "rmfer plot confusion takes one run folder");
    const struct run *run = &figure->groups[0].runs[0];
    const struct run_evaluation *evaluation = command->last ? &run->last : &run->best;
    if (evaluation->confusion.classes == 0) return error_set(err, "%s: no evaluation yet", run->folder);
    struct text title = {0};
    status result = append_title(&title, figure->groups[0].name, run, evaluation, err);
    if (result == STATUS_OK)
        result = figure_confusion(&evaluation->confusion, (const char *const *)run->classes, run->class_count,
                                  command->title != NULL ? command->title : text_string(&title), format, out, err);
    text_free(&title);
    return result;
}

static status draw_curves(const void *data, enum canvas_format format, struct text *out, struct error *err)
{
    const struct runs_figure *figure = data;
    const struct plot_command *command = figure->command;
    const char *title = command->title != NULL ? command->title
                        : figure->count == 1   ? figure->groups[0].name
                                               : "Learning curves";
    return figure_curves(figure->groups, figure->count, command->key, title, format, out, err);
}

static status plot_runs(const struct plot_command *command, figure_draw draw, const char *const *words,
                        size_t word_count, struct error *err)
{
    struct run_group *groups;
    size_t count;
    status result = run_groups_read(&groups, &count, words, word_count, err);
    struct runs_figure figure = {command, groups, count};
    if (result == STATUS_OK) result = run_groups_check_output(groups, count, command->out, err);
    if (result == STATUS_OK) result = figure_file_write(command->out, command->png, draw, &figure, stdout, err);
    run_groups_free(groups, count);
    return result;
}

/* ---- figures of checkpoints -------------------------------------------------------------------------------------- */

static status take_word(const struct plot_command *command, const char *word, bool tells, struct answers *answers,
                        struct error *err)
{
    struct checkpoint_word checkpoint;
    struct evaluation_request request = command->request;
    char *beside = NULL;
    status result = checkpoint_word_read(&checkpoint, word, err);
    if (result == STATUS_OK) result = figure_file_beside(command->out, command->png, &beside, err);
    request.checkpoint = checkpoint.path;
    request.outputs[0] = command->out;
    request.outputs[1] = beside;
    const char *const inputs[] = {checkpoint.path, request.config};
    if (result == STATUS_OK) result = file_check_outputs(request.outputs, EVALUATION_OUTPUTS, inputs, 2, err);
    if (result == STATUS_OK)
        result = answers_of_checkpoint(answers, &request, checkpoint.name, (size_t)command->sample, command->seed,
                                       tells, err);
    memory_free(beside);
    checkpoint_word_free(&checkpoint);
    return result;
}

static status plot_checkpoints(const struct plot_command *command, const char *kind, const char *const *words,
                               size_t count, struct error *err)
{
    if (count > 1 && strcmp(kind, "mds") != 0)
        return error_set_usage(err, "rmfer plot %s takes one checkpoint or run folder", kind);
    struct answers *answers = memory_allocate(count, sizeof *answers, "answers", err);
    if (answers == NULL) return STATUS_FAILED;
    struct answer_figure figure = {
        kind,    command->title, command->request.split != NULL ? command->request.split : "test",
        answers, count,          command->seed,
        NULL};
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        result = take_word(command, words[i], i == 0, &answers[i], err);
    if (result == STATUS_OK) result = answer_figure_write(command->out, command->png, &figure, stdout, err);
    for (size_t i = 0; i < count; i++) answers_free(&answers[i]);
    memory_free(answers);
    return result;
}

#define EVERY_FIGURE   "curves|confusion|mds|similarity|calibration|attention"
#define OF_CHECKPOINTS "mds|similarity|calibration|attention"
/* The sheet of an anchor is a form of its own. */
#define OF_ANCHOR "attention --rmset"
static const struct option_forms forms[] = {
    {"png", EVERY_FIGURE},      {"title", EVERY_FIGURE},
    {"key", "curves"},          {"last", "confusion"},
    {"split", OF_CHECKPOINTS},  {"sample", "mds|similarity|attention"},
    {"config", OF_CHECKPOINTS}, {"dataset", OF_CHECKPOINTS},
    {"data", OF_CHECKPOINTS},   {"set", OF_CHECKPOINTS "|" OF_ANCHOR},
};

static status run(const struct plot_command *command, const struct command_line *line, struct error *err)
{
    const struct option_list *words = &line->positional;
    const char *kind = words->count > 0 ? words->items[0] : "";
    bool is_curves = strcmp(kind, "curves") == 0, is_confusion = strcmp(kind, "confusion") == 0;
    if (words->count < 2 || (!is_curves && !is_confusion && !answer_figure_is_kind(kind)))
        return error_set_usage(
            err, "rmfer plot needs a figure (curves or confusion, mds, similarity, calibration, attention) "
                 "and run folders or checkpoints");
    bool is_anchor = command->rmset != NULL || command->anchor != NULL;
    if (is_anchor && strcmp(kind, "attention") != 0)
        return error_set_usage(err, "--rmset and --anchor are for rmfer plot attention");
    status result = options_check_form(line, forms, sizeof forms / sizeof forms[0], is_anchor ? OF_ANCHOR : kind, err);
    if (result != STATUS_OK) return result;
    if (is_anchor) {
        const struct plot_anchor figure = {command->rmset, command->anchor, command->out, &command->request.overrides,
                                           command->seed};
        return plot_anchor(&figure, words->items + 1, words->count - 1, err);
    }
    result = figure_file_check("rmfer plot", command->out, command->png, err);
    if (result == STATUS_OK) result = figure_file_try(command->out, command->png, err);
    if (result != STATUS_OK) return result;
    if (is_curves || is_confusion)
        return plot_runs(command, is_curves ? draw_curves : draw_confusion, words->items + 1, words->count - 1, err);
    return plot_checkpoints(command, kind, words->items + 1, words->count - 1, err);
}

int command_plot(int argc, char **argv)
{
    struct plot_command command = {.sample = ANSWERS_SAMPLE};
    const struct option options[] = {
        {"out", OPTION_STRING, &command.out, "FILE.svg", "where the figure goes; FILE.png: as PNG", 0, 0, 'o'},
        {"png", OPTION_FLAG, &command.png, NULL, "as PNG too, beside it", 0, 0, 0},
        {"title", OPTION_TEXT, &command.title, "TEXT", "the figure's heading", 0, 0, 0},
        {"key", OPTION_STRING, &command.key, "NAME", "curves: one number of metrics.jsonl alone", 0, 0, 0},
        {"last", OPTION_FLAG, &command.last, NULL, "confusion: of the last evaluation, not of the best", 0, 0, 0},
        {"sample", OPTION_INTEGER, &command.sample, "N",
         "mds, similarity, attention: so many pictures (2000), by --seed", 1, EMBEDDING_MOST_POINTS, 0},
        {"rmset", OPTION_STRING, &command.rmset, "DIR", "attention: the sheet of an anchor of this RMset instead", 0, 0,
         0},
        {"anchor", OPTION_STRING, &command.anchor, "VIDEO:FRAME:FACE", "which one, as index.csv names it", 0, 0, 0},
        {"split", OPTION_STRING, &command.request.split, "NAME", "of checkpoints: train, valid or test (default)", 0, 0,
         0},
        {"config", OPTION_STRING, &command.request.config, "FILE",
         "their data set (default: the configuration in the checkpoint)", 0, 0, 'c'},
        {"dataset", OPTION_STRING, &command.request.dataset, "KIND", "its kind: affectnet, rafdb, ferplus, folder, csv",
         0, 0, 0},
        {"data", OPTION_STRING, &command.request.data, "DIR", "its folder", 0, 0, 0},
        {"set", OPTION_REPEATED, &command.request.overrides, "SECTION.KEY=VALUE", "change a key of the configuration",
         0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer plot curves [NAME=]RUN[,RUN...]... -o FILE.svg [--key NAME] | "
                 "rmfer plot confusion RUN -o FILE.svg [--last] |\n"
                 "       rmfer plot mds [NAME=]CHECKPOINT... -o FILE.svg | "
                 "rmfer plot similarity|calibration|attention CHECKPOINT -o FILE.svg |\n"
                 "       rmfer plot attention CHECKPOINT... --rmset DIR --anchor VIDEO:FRAME:FACE -o FILE.jpg",
        .description =
            "Draws figures, as SVG and with --png as PNG too. From run folders, finished or not:\n"
            "  curves       losses, accuracies, learning rates and speed over epochs; runs of one NAME, or folders that\n"
            "               differ in -seedN alone, are one line, their mean, with a band for their range\n"
            "  confusion    the best evaluation, rows normalised, with counts\n"
            "From checkpoints (or run folders: their best_overall), which are evaluated on a split of their data set:\n"
            "  mds          features in a plane, metric stress, class centres marked; several checkpoints side by side\n"
            "  similarity   cosine similarities of pairs of one class and of different classes\n"
            "  calibration  reliability diagram with the expected calibration error\n"
            "  attention    mean inter-sample attention from class to class; with --rmset the sheet of the paper's Figure 4, a\n"
            "               picture: an anchor's candidates and what each checkpoint makes of them",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    command.seed = line.seed < 0 ? 0 : (uint64_t)line.seed;
    if (result == STATUS_OK && !line.help_shown) result = run(&command, &line, &err);
    options_free(&line);
    return command_finish(result, &err);
}
