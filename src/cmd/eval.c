/* rmfer eval: a checkpoint's accuracy on a data set, or two checkpoints', as a table and as JSON; its answers as CSV.
 */
#include "cmd/answer_figures.h"
#include "cmd/answer_rows.h"
#include "cmd/checkpoint_word.h"
#include "cmd/compare.h"
#include "cmd/evaluate.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/processes.h"
#include "rmfer/cmd/lookup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct eval_command {
    struct evaluation_request request;
    const char *json, *csv, *plots;
    char *figures[EVALUATION_FIGURES]; /* of --plots */
    bool compares, png;
    uint64_t seed; /* of the sample in the figures */
};

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* Ended by a line's end, as on standard output. */
static status write_file(const char *path, struct text *object, struct error *err)
{
    status result = text_append(object, "\n", 1, err);
    return result == STATUS_OK ? atomic_file_write_text(path, text_string(object), err) : result;
}

static bool is_standard_output(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

/* The table to standard output, first, whatever becomes of files; the object to --json, or instead of the table where
 * that is "-", as --csv may be. */
static status emit(const struct eval_command *command, struct text *table, struct text *object, struct error *err)
{
    bool only_json = is_standard_output(command->json);
    if (only_json)
        printf("%s\n", text_string(object));
    else if (!is_standard_output(command->csv))
        text_print_lines(table, stdout);
    return command->json != NULL && !only_json ? write_file(command->json, object, err) : STATUS_OK;
}

static status print_results(const struct eval_command *command, const struct evaluation_work *work,
                            const struct evaluation *evaluation, struct error *err)
{
    struct evaluation_names names = {work->dataset.kind,
                                     work->dataset.split,
                                     work->request->checkpoint,
                                     work->checkpoint.info.classes,
                                     &work->dataset,
                                     work->unnamed,
                                     -1};
    struct text table = {0}, object = {0};
    status result = evaluation_seed(work, &names.seed, err);
    if (result == STATUS_OK) result = evaluation_print_json(evaluation, &names, &object, err);
    if (result == STATUS_OK) result = evaluation_print_table(evaluation, &names, &table, err);
    if (result == STATUS_OK) result = emit(command, &table, &object, err);
    text_free(&table);
    text_free(&object);
    return result;
}

/* The checkpoint again, with the temperature that was fitted. */
static status write_calibrated(const struct evaluation_work *work, const struct evaluation *evaluation,
                               struct error *err)
{
    const char *path = work->request->calibrated;
    if (path == NULL) return STATUS_OK;
    if (isnan(evaluation->temperature))
        return error_set(err,
                         "%s is not written: no temperature from 1/%d to %d makes these answers likelier than those at "
                         "its ends (all right, or all noise)",
                         path, CALIBRATION_HOTTEST, CALIBRATION_HOTTEST);
    status result = checkpoint_write_temperature(path, &work->checkpoint, evaluation->temperature, err);
    if (result == STATUS_OK) log_info("%s: temperature %.4f", path, evaluation->temperature);
    return result;
}

/* --csv */
static status write_rows(const struct eval_command *command, const struct evaluation_work *work,
                         const struct answers *answers, struct error *err)
{
    struct text rows = {0};
    if (command->csv == NULL) return STATUS_OK;
    status result = answer_rows_append(answers, &work->dataset, &rows, err);
    if (result == STATUS_OK && is_standard_output(command->csv))
        fputs(text_string(&rows), stdout);
    else if (result == STATUS_OK)
        result = atomic_file_write_text(command->csv, text_string(&rows), err);
    text_free(&rows);
    return result;
}

/* --plots */
static status write_plots(const struct eval_command *command, const struct evaluation_work *work,
                          const struct answers *answers, struct error *err)
{
    if (command->plots == NULL) return STATUS_OK;
    status result = answer_figures_write(command->plots, command->png, answers, work->dataset.split, command->seed,
                                         err);
    if (result == STATUS_OK) log_info("%s: the figures of this evaluation", command->plots);
    return result;
}

/* What is made of every answer. */
static status write_answers(const struct eval_command *command, const struct evaluation_work *work,
                            const struct evaluation *evaluation, struct error *err)
{
    struct answers answers = {0};
    if (command->csv == NULL && command->plots == NULL) return STATUS_OK;
    size_t sampled = command->plots == NULL ? 0 : ANSWERS_SAMPLE; /* rows show no features */
    status result = answers_take(&answers, work, evaluation, path_name(command->request.checkpoint), sampled,
                                 command->seed, err);
    if (result == STATUS_OK) result = write_rows(command, work, &answers, err);
    if (result == STATUS_OK) result = write_plots(command, work, &answers, err);
    answers_free(&answers);
    return result;
}

/* What is left of an evaluation: the table, and the files that were asked for. */
static status report(struct eval_command *command, const struct evaluation_work *work,
                     const struct evaluation *evaluation, struct error *err)
{
    status result = print_results(command, work, evaluation, err);
    if (result == STATUS_OK) result = write_answers(command, work, evaluation, err);
    return result == STATUS_OK ? write_calibrated(work, evaluation, err) : result;
}

/* Into request->outputs; the calibrated checkpoint is the last of them. */
static status name_outputs(struct eval_command *command, struct error *err)
{
    const char **outputs = command->request.outputs;
    status result = STATUS_OK;
    outputs[0] = is_standard_output(command->json) ? NULL : command->json;
    outputs[1] = is_standard_output(command->csv) ? NULL : command->csv;
    if (command->plots != NULL) result = answer_figures_paths(command->plots, command->png, command->figures, err);
    for (size_t i = 0; i < EVALUATION_FIGURES; i++) outputs[2 + i] = command->figures[i];
    outputs[EVALUATION_OUTPUTS - 1] = command->request.calibrated;
    return result;
}

/* Files can be written, and then a folder can be made of those that are drawn. */
static status try_outputs(const struct eval_command *command, struct error *err)
{
    const char *const files[] = {command->request.outputs[0], command->request.outputs[1], command->request.calibrated};
    status result = STATUS_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && result == STATUS_OK; i++)
        if (files[i] != NULL) result = atomic_file_try(files[i], err);
    if (result == STATUS_OK && command->plots != NULL)
        result = answer_figures_try(command->plots, command->figures, err);
    return result;
}

/* Before pictures are read: each output is a file of its own, no input, and can be written. A checkpoint alone may be
 * written again with its temperature. The data set's files are looked at when they are known (evaluation_work_open).
 */
static status check_outputs(struct eval_command *command, const char *const *checkpoints, size_t count,
                            struct error *err)
{
    const struct evaluation_request *request = &command->request;
    status result = name_outputs(command, err);
    if (result == STATUS_OK)
        result = file_check_outputs(request->outputs, EVALUATION_OUTPUTS - 1, checkpoints, count, err);
    if (result == STATUS_OK)
        result = file_check_outputs(request->outputs, EVALUATION_OUTPUTS, &request->config, 1, err);
    return result == STATUS_OK && processes_speaks(request->dist) ? try_outputs(command, err) : result;
}

static status run(struct eval_command *command, struct error *err)
{
    struct evaluation_work work = {0};
    const struct evaluation *evaluation;
    struct text description = {0}, found = {0};
    if (command->png && command->plots == NULL) return error_set_usage(err, "--png needs --plots DIR");
    if (command->plots != NULL &&
        figure_file_check("rmfer eval --plots", command->plots, command->png, err) != STATUS_OK)
        return err->code;
    if (is_standard_output(command->json) && is_standard_output(command->csv))
        return error_set_usage(err, "--json - and --csv - would both fill standard output: give one of them a file");
    struct dist *dist = command->request.dist;
    status result = lookup_checkpoint("rmfer eval needs --checkpoint FILE", &command->request.checkpoint, &found, err);
    if (result == STATUS_OK) result = check_outputs(command, &command->request.checkpoint, 1, err);
    if (result == STATUS_OK) result = evaluation_work_open(&work, &command->request, err);
    result = dist_agree(dist, result, err);
    if (result == STATUS_OK) result = dataset_describe(&work.dataset, &description, err);
    if (result == STATUS_OK) {
        log_info_lines("", text_string(&description));
        result = evaluator_run(work.evaluator, &work.model, &evaluation, err);
    }
    if (result == STATUS_OK && processes_speaks(dist)) result = report(command, &work, evaluation, err);
    text_free(&description);
    evaluation_work_close(&work);
    text_free(&found);
    return dist_agree(dist, result, err);
}

static status compare(struct eval_command *command, const struct command_line *line, struct error *err)
{
    struct text table = {0}, object = {0};
    if (line->positional.count != 2)
        return error_set_usage(err, "rmfer eval --compare takes two checkpoints or run folders: --compare A B");
    if (command->request.checkpoint != NULL)
        return error_set_usage(err, "--compare A B names both checkpoints: leave out --checkpoint");
    if (command->request.calibrated != NULL)
        return error_set_usage(err, "--fit-temperature is of one checkpoint: leave out --compare");
    if (command->plots != NULL || command->png)
        return error_set_usage(err, "--plots draws one checkpoint; rmfer plot mds lays several side by side");
    if (command->csv != NULL) return error_set_usage(err, "--csv writes one checkpoint's answers: leave out --compare");
    struct checkpoint_word words[2] = {{0}};
    const char *paths[2] = {NULL};
    status result = STATUS_OK;
    for (size_t i = 0; i < 2 && result == STATUS_OK; i++) {
        result = checkpoint_word_read(&words[i], line->positional.items[i], err);
        paths[i] = words[i].path;
    }
    if (result == STATUS_OK) result = check_outputs(command, paths, 2, err);
    result = dist_agree(command->request.dist, result, err);
    if (result == STATUS_OK)
        result = compare_checkpoints(&command->request, paths, command->seed, &table, &object, err);
    if (result == STATUS_OK && processes_speaks(command->request.dist)) result = emit(command, &table, &object, err);
    for (size_t i = 0; i < 2; i++) checkpoint_word_free(&words[i]);
    text_free(&table);
    text_free(&object);
    return result;
}

int command_eval(int argc, char **argv)
{
    struct eval_command command = {0};
    const struct option options[] = {
        {"checkpoint", OPTION_STRING, &command.request.checkpoint, "FILE",
         "the weights, a run's best_overall.safetensors, say (default: the model in the box, or $RMFER_MODEL)", 0, 0,
         0},
        {"config", OPTION_STRING, &command.request.config, "FILE",
         "the data set (default: the configuration in the checkpoint)", 0, 0, 'c'},
        {"dataset", OPTION_STRING, &command.request.dataset, "KIND",
         "the data set's kind: affectnet, rafdb, ferplus, folder, csv", 0, 0, 0},
        {"data", OPTION_STRING, &command.request.data, "DIR", "its folder", 0, 0, 0},
        {"split", OPTION_STRING, &command.request.split, "NAME", "train, valid or test (default)", 0, 0, 0},
        {"set", OPTION_REPEATED, &command.request.overrides, "SECTION.KEY=VALUE", "change a key of the configuration",
         0, 0, 0},
        {"json", OPTION_STRING, &command.json, "FILE", "write the results as JSON too (-: instead, to standard output)",
         0, 0, 0},
        {"csv", OPTION_STRING, &command.csv, "FILE",
         "write every picture's label, answer and probabilities (-: instead, to standard output)", 0, 0, 0},
        {"plots", OPTION_STRING, &command.plots, "DIR",
         "write confusion, calibration, similarity, mds and attention there as SVG", 0, 0, 0},
        {"png", OPTION_FLAG, &command.png, NULL, "--plots: as PNG too", 0, 0, 0},
        {"flip", OPTION_FLAG, &command.request.flip, NULL, "mean of the picture's and its mirror image's outputs", 0, 0,
         0},
        {"present-only", OPTION_FLAG, &command.request.present_only, NULL,
         "never predict a class that has no picture in the split; the loss and the calibration leave it out too", 0, 0,
         0},
        {"compare", OPTION_FLAG, &command.compares, NULL,
         "two checkpoints, or run folders, on the same pictures: difference, its 95 % interval, McNemar's test", 0, 0,
         0},
        {"fit-temperature", OPTION_STRING, &command.request.calibrated, "FILE",
         "fit the temperature of the probabilities to the split, and write the checkpoint with it", 0, 0, 0},
    };
    struct command_line line = {
        .usage =
            "rmfer eval [--checkpoint FILE] [--config FILE | --dataset KIND --data DIR] [--split NAME] [--json FILE] "
            "[--csv FILE] | rmfer eval --compare A B [option]...",
        .description =
            "Prints the accuracy of a checkpoint on a data set. Image size, normalisation, resize filter and the\n"
            "order of classes are the checkpoint's (but for eval.normalize where --config gives it);\n"
            "classes are matched by name, those without pictures are named and left out of the average.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .for_processes = true,
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    command.seed = line.seed < 0 ? 0 : (uint64_t)line.seed;
    if (result == STATUS_OK && !line.help_shown && !command.compares && line.positional.count > 0)
        result = error_set_usage(&err, "rmfer eval takes options only: '%s' is none", line.positional.items[0]);
    if (result == STATUS_OK && !line.help_shown) result = processes_begin(&command.request.dist, &line, &err);
    if (result == STATUS_OK && !line.help_shown)
        result = command.compares ? compare(&command, &line, &err) : run(&command, &err);
    int code = processes_finish(command.request.dist, result, &err);
    answer_figures_paths_free(command.figures);
    options_free(&line);
    dist_end(command.request.dist);
    return code;
}
