/* rmfer plot: figures of run folders, as SVG. */
#include "rmfer/base/file_write.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"

#include <stdio.h>
#include <string.h>

struct plot_command {
    const char *out, *title, *key;
    bool last;
};

static status draw_confusion(const struct plot_command *command, const struct run_group *groups, size_t count,
                             struct text *figure, struct error *err)
{
    if (count != 1 || groups[0].count != 1) return error_set_usage(err, "rmfer plot confusion takes one run folder");
    const struct run *run = &groups[0].runs[0];
    const struct run_evaluation *evaluation = command->last ? &run->last : &run->best;
    char title[160];
    if (evaluation->confusion.classes == 0) return error_set(err, "%s: no evaluation yet", run->folder);
    snprintf(title, sizeof title, "%.60s, %s split, epoch %.4g: overall accuracy %.2f %%", groups[0].name, run->split,
             evaluation->epoch, 100 * evaluation->overall);
    return figure_confusion(&evaluation->confusion, run->classes, run->class_count,
                            command->title != NULL ? command->title : title, true, figure, err);
}

static status draw(const struct plot_command *command, const char *kind, const struct run_group *groups, size_t count,
                   struct text *figure, struct error *err)
{
    if (strcmp(kind, "confusion") == 0) return draw_confusion(command, groups, count, figure, err);
    const char *title = command->title != NULL ? command->title : count == 1 ? groups[0].name : "learning curves";
    return figure_curves(groups, count, command->key, title, true, figure, err);
}

static status run(const struct plot_command *command, const struct option_list *words, struct error *err)
{
    if (words->count < 2 || (strcmp(words->items[0], "curves") != 0 && strcmp(words->items[0], "confusion") != 0))
        return error_set_usage(err, "rmfer plot needs a figure, curves or confusion, and run folders");
    if (command->out == NULL) return error_set_usage(err, "rmfer plot needs -o FILE.svg");
    struct run_group *groups;
    size_t count;
    struct text figure = {0};
    status result = run_groups_read(&groups, &count, words->items + 1, words->count - 1, err);
    if (result == STATUS_OK) result = draw(command, words->items[0], groups, count, &figure, err);
    if (result == STATUS_OK) result = atomic_file_write_text(command->out, text_string(&figure), err);
    if (result == STATUS_OK) printf("%s\n", command->out);
    text_free(&figure);
    run_groups_free(groups, count);
    return result;
}

int command_plot(int argc, char **argv)
{
    struct plot_command command = {0};
    const struct option options[] = {
        {"out", OPTION_STRING, &command.out, "FILE.svg", "where the figure goes", 0, 0, 'o'},
        {"title", OPTION_STRING, &command.title, "TEXT", "the figure's heading", 0, 0, 0},
        {"key", OPTION_STRING, &command.key, "NAME", "curves: one number of metrics.jsonl alone", 0, 0, 0},
        {"last", OPTION_FLAG, &command.last, NULL, "confusion: of the last evaluation, not of the best", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer plot curves [NAME=]RUN[,RUN...]... -o FILE.svg [--key NAME] | "
                 "rmfer plot confusion RUN -o FILE.svg [--last]",
        .description = "Draws figures from run folders, finished or not. curves: losses, accuracies, learning rates "
                       "and speed over\n"
                       "epochs; runs of one NAME, or folders that differ in -seedN alone, are one line, their mean, "
                       "with a band\n"
                       "for their range. confusion: the best evaluation, rows normalised, with counts.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
