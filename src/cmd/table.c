/* rmfer table: runs as a table for a paper. */
#include "rmfer/plot/table.h"

#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"

#include <stdio.h>
#include <string.h>

struct table_command {
    const char *format;
    struct table_options options;
};

static status make_table(const struct table_command *command, const struct option_list *runs, struct error *err)
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
    if (result == STATUS_OK) result = table_runs(groups, count, &command->options, kinds[kind], &table, err);
    if (result == STATUS_OK) text_print_lines(&table, stdout);
    text_free(&table);
    run_groups_free(groups, count);
    return result;
}

int command_table(int argc, char **argv)
{
    struct table_command command = {0};
    const struct option options[] = {
        {"format", OPTION_STRING, &command.format, "NAME", "markdown (default), csv or latex (booktabs)", 0, 0, 0},
        {"last", OPTION_FLAG, &command.options.last, NULL,
         "each run's last evaluation, not that of its best overall accuracy", 0, 0, 0},
        {"gain", OPTION_FLAG, &command.options.gain, NULL,
         "differences from the first row, run by run of one seed, with marks of the paired t-test", 0, 0, 0},
        {"recalls", OPTION_FLAG, &command.options.recalls, NULL, "the recall of every class, in percent", 0, 0, 0},
        {"features", OPTION_FLAG, &command.options.features, NULL,
         "similarities of features and their distance from the class centre too", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer table [NAME=]RUN[,RUN...]... [--format NAME] [--gain] [--recalls] [--features] [--last]",
        .description =
            "Prints one row a name: overall and average accuracy, both of each run's evaluation with the best\n"
            "overall accuracy (the first of equals; --last: of its last), mean and sample standard deviation over its\n"
            "runs, and in brackets the 95 % interval that the number of pictures allows (the runs' mean limits).\n"
            "A RUN is a run folder or a file of eval --json; those that differ in -seedN alone are one row, and have "
            "to\n"
            "be of one split and data set, which is named below the table (CSV: in the last two columns; LaTeX: a "
            "comment).\n"
            "Gains have the mean's 95 % interval over seeds in brackets (Student's distribution); marks: * p < .05, "
            "** p < .01, *** p < .001, paired t-test over seeds, two-sided.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = make_table(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
