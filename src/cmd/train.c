/* rmfer train: trains both phases from a configuration. */
#include "rmfer/train/trainer.h"

#include "cmd/stored_accuracy.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/cmd/processes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The signal that asked training to end; the only thing a handler may touch. */
static volatile sig_atomic_t stop_signal;

/* The first signal lets the step and the checkpoint be finished, a second one does not. */
static void handle_stop(int number)
{
    if (stop_signal != 0) _exit(128 + number);
    stop_signal = number;
}

/* What is ignored when a program begins stays so: nohup asks for a run that outlives its terminal, and a script for one
 * in the background that its Ctrl-C does not end. */
static bool may_end_it(int number)
{
    struct sigaction before;
    bool is_key = number == SIGHUP || number == SIGINT;
    return !is_key || sigaction(number, NULL, &before) != 0 || before.sa_handler != SIG_IGN;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = handle_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    /* SIGXFSZ: a file reached the limit of its size; SIGPIPE: who read standard output is gone. */
    /* SIGUSR1: what a batch system sends before the time is up, and what mpirun passes on. */
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (may_end_it(numbers[i])) sigaction(numbers[i], &action, NULL);
}

struct train_command {
    const char *config, *out;
    struct option_list overrides;
    bool resume;
};

/* --set, then what --out and --seed say, as it stands. The list owns the strings it makes. */
struct overrides {
    const char **items;
    size_t count;
    char *own[2];
};

static status add_override(struct overrides *all, size_t place, const char *key, const char *value, struct error *err)
{
    struct text text = {0};
    status result = text_append_format(&text, err, "%s=%s", key, value);
    all->own[place] = text.bytes;
    if (result == STATUS_OK) all->items[all->count++] = text.bytes;
    return result;
}

static status collect_overrides(struct overrides *all, const struct train_command *command, int64_t seed,
                                struct error *err)
{
    status result = STATUS_OK;
    all->items = memory_allocate(command->overrides.count + 2, sizeof *all->items, "settings", err);
    if (all->items == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < command->overrides.count; i++) all->items[all->count++] = command->overrides.items[i];
    if (command->out != NULL) result = add_override(all, 0, "--out:output.dir", command->out, err);
    if (result == STATUS_OK && seed >= 0) {
        char number[32];
        snprintf(number, sizeof number, "%" PRId64, seed);
        result = add_override(all, 1, "--seed:train.seed", number, err);
    }
    return result;
}

static void free_overrides(struct overrides *all)
{
    memory_free(all->own[0]);
    memory_free(all->own[1]);
    memory_free(all->items);
}

/* --config's file; a run that goes on knows its own. */
static status find_config(const struct train_command *command, char **path, struct error *err)
{
    if (command->config != NULL)
        *path = memory_copy_string(command->config, err);
    else if (command->resume && command->out != NULL)
        *path = path_join(command->out, "config.ini", err);
    else
        return error_set_usage(err, "rmfer train needs --config FILE (or --resume --out DIR to go on with a run)");
    return *path == NULL ? STATUS_FAILED : STATUS_OK;
}

static status load_config(struct config *config, const struct train_command *command, int64_t seed, struct error *err)
{
    char *path = NULL;
    struct overrides overrides = {0};
    *config = (struct config){0};
    status result = find_config(command, &path, err);
    if (result == STATUS_OK) result = collect_overrides(&overrides, command, seed, err);
    if (result == STATUS_OK) result = config_load(config, path, overrides.items, overrides.count, err);
    free_overrides(&overrides);
    memory_free(path);
    return result;
}

/* Whether the file is there, holds the weights that `best` was measured with, and then the interval of that accuracy,
 * NaN where it does not tell. */
struct best_file {
    bool exists, is_its;
    int64_t step;
    struct interval interval;
};

static status look_at_best(struct best_file *file, const char *path, bool is_overall, const struct training_best *best,
                           struct error *err)
{
    struct stored_accuracy stored;
    struct checkpoint checkpoint;
    *file = (struct best_file){.exists = file_exists(path), .interval = {NAN, NAN}};
    if (!file->exists) return STATUS_OK;
    status result = checkpoint_open(&checkpoint, path, err);
    if (result != STATUS_OK) return result;
    result = stored_accuracy(&checkpoint.info, &stored, err);
    if (result == STATUS_OK) {
        double accuracy = is_overall ? stored.overall : stored.average;
        file->step = checkpoint.info.step;
        file->is_its = file->step == best->step && (isnan(accuracy) || accuracy == best->accuracy);
        if (file->is_its) file->interval = is_overall ? stored.overall_interval : stored.average_interval;
    }
    checkpoint_close(&checkpoint);
    return result;
}

/* The run's best accuracy and where its weights are. A file of others, as one that was copied here or that an older
 * last.safetensors does not know, lends it no interval. */
static status print_best(const char *what, const struct training_best *best, const char *split, const char *folder,
                         struct error *err)
{
    struct best_file file = {.interval = {NAN, NAN}};
    struct text path = {0};
    if (isnan(best->accuracy)) return STATUS_OK;
    status result = text_append_format(&path, err, "%s/best_%s.safetensors", folder, what);
    if (result == STATUS_OK) result = look_at_best(&file, text_string(&path), strcmp(what, "overall") == 0, best, err);
    printf("best %s accuracy %.2f%%", what, 100 * best->accuracy);
    if (!isnan(file.interval.low)) printf(" [%.2f%%, %.2f%%]", 100 * file.interval.low, 100 * file.interval.high);
    printf(" (%s split, step %" PRId64 "): ", split, best->step);
    text_print_name(text_string(&path), stdout);
    if (result == STATUS_OK && !file.exists) printf(" is not there");
    if (result == STATUS_OK && file.exists && !file.is_its) printf(" holds other weights, of step %" PRId64, file.step);
    putchar('\n');
    text_free(&path);
    return result;
}

/* The last lines of a run, and the exit code. The folder's name is made fit for a terminal where it is printed, not
 * before: it is opened under the name it has. */
static int print_summary(const struct training_summary *summary, const struct config *config)
{
    struct error err = {0};
    status result = print_best("overall", &summary->overall, summary->selected_on, config->output.dir, &err);
    if (result == STATUS_OK)
        result = print_best("average", &summary->average, summary->selected_on, config->output.dir, &err);
    if (summary->end == TRAINING_STOPPED_EARLY)
        printf("stopped early after %" PRId64 " steps: %" PRId64 " evaluations without a better result\n",
               summary->steps, config->train.early_stopping);
    if (summary->end != TRAINING_INTERRUPTED) return command_finish(result, &err);
    log_warning("stopped by signal %d after step %" PRId64 "; rmfer train --resume --out %s goes on", (int)stop_signal,
                summary->steps, config->output.dir);
    return 128 + (int)stop_signal;
}

/* The command line as one that a shell would take; words that need it stand in quotes. */
static status join_words(struct text *words, int argc, char **argv, struct error *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    status result = text_append(words, "rmfer", 5, err);
    for (int i = 0; i < argc && result == STATUS_OK; i++) {
        bool is_plain = argv[i][0] != '\0' && argv[i][strspn(argv[i], plain)] == '\0';
        result = is_plain ? text_append_format(words, err, " %s", argv[i]) : text_append(words, " '", 2, err);
        for (const char *at = argv[i]; !is_plain && *at != '\0' && result == STATUS_OK; at++)
            result = *at == '\'' ? text_append(words, "'\\''", 4, err) : text_append(words, at, 1, err);
        if (result == STATUS_OK && !is_plain) result = text_append(words, "'", 1, err);
    }
    return result;
}

static int train(const struct train_command *command, const char *words, int64_t seed, struct dist *dist)
{
    struct error err = {0};
    struct config config;
    struct training_summary summary;
    struct trainer_options options = {.config = &config,
                                      .resume = command->resume,
                                      .config_file = command->config,
                                      .command = words,
                                      .dist = dist,
                                      .stop = &stop_signal};
    status result = dist_agree(dist, load_config(&config, command, seed, &err), &err);
    if (result == STATUS_OK) {
        catch_signals();
        result = trainer_run(&options, &summary, &err);
    }
    bool interrupted = result == STATUS_OK && summary.end == TRAINING_INTERRUPTED;
    if (interrupted && stop_signal == 0) stop_signal = SIGTERM; /* another rank got it */
    int code = result != STATUS_OK      ? processes_finish(dist, result, &err)
               : processes_speaks(dist) ? print_summary(&summary, &config)
               : interrupted            ? 128 + (int)stop_signal
                                        : STATUS_OK;
    config_free(&config);
    return code;
}

static int train_together(const struct train_command *command, const char *words, const struct command_line *line)
{
    struct error err = {0};
    struct dist *dist;
    status result = processes_begin(&dist, line, &err);
    int code = result == STATUS_OK ? train(command, words, line->seed, dist) : processes_finish(dist, result, &err);
    dist_end(dist);
    return code;
}

int command_train(int argc, char **argv)
{
    struct train_command command = {0};
    const struct option options[] = {
        {"config", OPTION_STRING, &command.config, "FILE", "the configuration, or the name of a preset", 0, 0, 'c'},
        {"set", OPTION_REPEATED, &command.overrides, "SECTION.KEY=VALUE", "change a key of it", 0, 0, 0},
        {"out", OPTION_STRING, &command.out, "DIR", "the run folder (default: output.dir)", 0, 0, 'o'},
        {"resume", OPTION_FLAG, &command.resume, NULL, "go on where the run in that folder was stopped", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer train --config FILE [--set SECTION.KEY=VALUE]... [--out DIR] [--resume]",
        .description =
            "Trains a model as the configuration says and leaves in the run folder config.ini,\n"
            "metrics.jsonl, log.txt, last.safetensors, best_overall.safetensors and\n"
            "best_average.safetensors. SIGINT and SIGTERM finish the step and write last.safetensors, a\n"
            "hang-up too (but not an interrupt of a script's job in the background or a hang-up under nohup);\n"
            "--resume goes on from there (with --out DIR alone: the configuration of that run).",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .for_processes = true,
    };
    struct error err = {0};
    struct text words = {0};
    int code;
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK) result = join_words(&words, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown && line.positional.count > 0)
        result = error_set_usage(&err, "rmfer train takes options only: '%s' is none", line.positional.items[0]);
    if (result != STATUS_OK || line.help_shown)
        code = command_finish(result, &err);
    else
        code = train_together(&command, text_string(&words), &line);
    text_free(&words);
    options_free(&line);
    return code;
}
