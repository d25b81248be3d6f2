/* rmfer report and rmfer table: runs as one HTML page, and as a table for a paper. */
#include "rmfer/plot/report.h"

#include "rmfer/base/file_write.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/table.h"

#include <stdio.h>
#include <string.h>

struct report_command {
    const char *out, *format;
    bool last;
};

static status make_report(const struct report_command *command, const struct option_list *runs, struct error *err)
{
    if (runs->count == 0 || command->out == NULL)
        return error_set_usage(err, "rmfer report needs run folders and -o FILE.html");
    struct run_group *groups;
    size_t count;
    struct text page = {0};
    status result = run_groups_read(&groups, &count, runs->items, runs->count, err);
    if (result == STATUS_OK) result = report_write(groups, count, &page, err);
    if (result == STATUS_OK) result = atomic_file_write_text(command->out, text_string(&page), err);
    if (result == STATUS_OK) printf("%s\n", command->out);
    text_free(&page);
    run_groups_free(groups, count);
    return result;
}

static status make_table(const struct report_command *command, const struct option_list *runs, struct error *err)
{
    static const char *const names[] = {"markdown", "csv", "latex"};
    static const enum table_format kinds[] = {TABLE_MARKDOWN, TABLE_CSV, TABLE_LATEX};
    const char *wanted = command->format == NULL ? names[0] : command->format;
    size_t kind = 0, count;
    while (kind < 3 && strcmp(names[kind], wanted) != 0) kind++;
    if (kind == 3) return error_set_usage(err, "--format %s: unknown (markdown, csv, latex)", wanted);
    if (runs->count == 0) return error_set_usage(err, "rmfer table needs run folders");
    struct run_group *groups;
    struct text table = {0};
    status result = run_groups_read(&groups, &count, runs->items, runs->count, err);
    if (result == STATUS_OK) result = table_runs(groups, count, command->last, kinds[kind], &table, err);
    if (result == STATUS_OK) text_print_lines(&table, stdout);
    text_free(&table);
    run_groups_free(groups, count);
    return result;
}

int command_report(int argc, char **argv)
{
    struct report_command command = {0};
    const struct option options[] = {{"out", OPTION_STRING, &command.out, "FILE.html", "the page", 0, 0, 'o'}};
    struct command_line line = {
        .usage = "rmfer report [NAME=]RUN[,RUN...]... -o FILE.html",
        .description =
            "Writes one page about runs, finished or not: the table of runs, learning curves, confusions and\n"
            "configurations. It needs no network and no script, and follows light and dark.",
        .options = options,
        .option_count = 1,
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = make_report(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}

int command_table(int argc, char **argv)
{
    struct report_command command = {0};
    const struct option options[] = {
        {"format", OPTION_STRING, &command.format, "NAME", "markdown (default), csv or latex (booktabs)", 0, 0, 0},
        {"last", OPTION_FLAG, &command.last, NULL, "each run's last evaluation, not its best", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer table [NAME=]RUN[,RUN...]... [--format NAME] [--last]",
        .description =
            "Prints one row a name: overall and average accuracy, mean and sample standard deviation over its\n"
            "runs, and in brackets the 95 % interval that the number of pictures allows (the runs' mean limits).\n"
            "Folders that differ in -seedN alone are one row.",
        .options = options,
        .option_count = 2,
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = make_table(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
