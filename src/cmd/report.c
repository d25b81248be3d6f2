/* rmfer report: runs as one HTML page. */
#define _GNU_SOURCE /* flock */
#include "rmfer/plot/report.h"

#include "cmd/report_extra.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/plot/embedding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WATCH_SECONDS = 10, MOST_UNREAD = 10 };

struct report_command {
    const char *out, *watch;
    bool no_pictures, no_data;
    int64_t sample;
    int seconds; /* between two looks; 0 = once */
    struct report_extra_options extra;
};

/* ---- what a run's data gives, made again when its checkpoint changed --------------------------------------------- */

struct cached_part {
    struct text markup;
    bool is_whole;        /* nothing kept it from being made, which may pass */
    struct timespec made; /* of the checkpoint it was made from */
};

struct parts {
    struct cached_part *parts;
    struct text *markups; /* [count], views of the parts: for report_write */
    size_t count;
};

static status parts_init(struct parts *parts, size_t count, struct error *err)
{
    parts->parts = memory_allocate(count, sizeof *parts->parts, "parts of a report", err);
    parts->markups = memory_allocate(count, sizeof *parts->markups, "parts of a report", err);
    parts->count = count;
    return parts->parts == NULL || parts->markups == NULL ? STATUS_FAILED : STATUS_OK;
}

static void parts_free(struct parts *parts)
{
    for (size_t i = 0; parts->parts != NULL && i < parts->count; i++) text_free(&parts->parts[i].markup);
    memory_free(parts->parts);
    memory_free(parts->markups);
}

/* When FOLDER/NAME was written last; zero when it is not there. */
static struct timespec time_of(const char *folder, const char *name)
{
    struct stat about = {0};
    struct error ignored = {0};
    char *path = path_join(folder, name, &ignored);
    bool found = path != NULL && stat(path, &about) == 0;
    memory_free(path);
    return found ? about.st_mtim : (struct timespec){0, 0};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static status renew_part(struct cached_part *part, const struct run *run, const struct report_extra_options *options,
                         struct error *err)
{
    struct timespec made = time_of(run->folder, "best_overall.safetensors");
    if (part->is_whole && is_same_time(made, part->made)) return STATUS_OK;
    text_free(&part->markup);
    part->markup = (struct text){0};
    part->made = made;
    return report_extra_append(run, options, &part->markup, &part->is_whole, err);
}

static status renew_parts(struct parts *parts, const struct run_group *groups, size_t count,
                          const struct report_extra_options *options, struct error *err)
{
    size_t number = 0;
    status result = STATUS_OK;
    for (size_t g = 0; g < count && result == STATUS_OK; g++)
        for (size_t i = 0; i < groups[g].count && result == STATUS_OK; i++, number++) {
            result = renew_part(&parts->parts[number], &groups[g].runs[i], options, err);
            parts->markups[number] = parts->parts[number].markup;
        }
    return result;
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

/* Whether another process trains in the folder (train holds .lock while it does). */
static bool is_running(const char *folder)
{
    struct error ignored = {0};
    char *path = path_join(folder, ".lock", &ignored);
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    bool held = file >= 0 && flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (file >= 0) close(file);
    memory_free(path);
    return held;
}

static bool any_is_running(const struct run_group *groups, size_t count)
{
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (is_running(groups[g].runs[i].folder)) return true;
    return false;
}

/* What a page is made of, again at every look. */
struct watched {
    const struct report_command *command;
    const struct option_list *words;
    struct parts parts;
    bool goes_on;  /* there may be more to come */
    size_t unread; /* looks in a row at which the runs could not be read */
};

/* A page goes over a page, or an empty file; over nothing else that is there, such as a list of the data set. */
static status check_page(const char *path, struct error *err)
{
    static const char beginning[] = "<!DOCTYPE html";
    uint8_t bytes[PICTURE_FIRST_BYTES];
    size_t size;
    status result = picture_file_begin(path, bytes, &size, err);
    if (result != STATUS_OK || size == 0) return result;
    if (size >= sizeof beginning - 1 && strncasecmp((const char *)bytes, beginning, sizeof beginning - 1) == 0)
        return STATUS_OK;
    return error_set_usage(err, "%s: is there and is no page: it is not written over", path);
}

static status write_page(struct watched *watched, const struct run_group *groups, size_t count, struct error *err)
{
    const struct report_command *command = watched->command;
    struct parts *parts = &watched->parts;
    struct text page = {0};
    status result = run_groups_check_output(groups, count, command->out, err);
    if (result == STATUS_OK) result = check_page(command->out, err);
    if (result == STATUS_OK) result = atomic_file_try(command->out, err);
    if (result == STATUS_OK && parts->parts == NULL) result = parts_init(parts, run_groups_size(groups, count), err);
    if (result == STATUS_OK && !command->no_data) result = renew_parts(parts, groups, count, &command->extra, err);
    if (result == STATUS_OK)
        result = report_write(groups, count, command->no_data ? NULL : parts->markups,
                              watched->goes_on ? command->seconds : 0, &page, err);
    if (result == STATUS_OK) result = atomic_file_write_text(command->out, text_string(&page), err);
    text_free(&page);
    return result;
}

/* Reads and writes once. A run that has ended is read once more: it may have ended behind the first reading. */
static status look(struct watched *watched, struct error *err)
{
    const struct option_list *words = watched->words;
    struct run_group *groups;
    size_t count;
    status result = run_groups_read(&groups, &count, words->items, words->count, err);
    if (result == STATUS_OK && watched->command->seconds > 0) {
        watched->goes_on = any_is_running(groups, count);
        if (!watched->goes_on) {
            run_groups_free(groups, count);
            result = run_groups_read(&groups, &count, words->items, words->count, err);
        }
    }
    watched->unread = result == STATUS_OK ? 0 : watched->unread + 1;
    if (result == STATUS_OK) result = write_page(watched, groups, count, err);
    run_groups_free(groups, count);
    return result;
}

/* Until the runs have ended. A page that cannot be written may be written at the next look; a run that is begun anew
 * has no lines for a moment, but not for long. */
static status watch(struct watched *watched, struct error *err)
{
    status result = STATUS_OK;
    while (watched->goes_on) {
        struct error passing = {0};
        sleep((unsigned)watched->command->seconds);
        result = look(watched, &passing);
        if (result == STATUS_OK) continue;
        if (!watched->goes_on || watched->unread == MOST_UNREAD) return error_set(err, "%s", passing.message);
        log_warning("%s", passing.message);
    }
    return result;
}

static status make_report(const struct report_command *command, const struct option_list *words, struct error *err)
{
    struct watched watched = {.command = command, .words = words};
    if (words->count == 0 || command->out == NULL)
        return error_set_usage(err, "rmfer report needs run folders and -o FILE.html");
    if (strcmp(command->out, "-") == 0) return error_set_usage(err, "-o -: the page is written to a file");
    status result = look(&watched, err);
    if (result == STATUS_OK) {
        text_print_name(command->out, stdout);
        printf("\n");
    }
    fflush(stdout);
    if (result == STATUS_OK) result = watch(&watched, err);
    parts_free(&watched.parts);
    return result;
}

/* Options that --no-data would pass over. */
static status check_form(const struct report_command *command, const struct command_line *line, struct error *err)
{
    static const char with_data[] = "a page with data";
    static const struct option_forms forms[] = {{"no-pictures", with_data}, {"sample", with_data}};
    return options_check_form(line, forms, sizeof forms / sizeof forms[0], command->no_data ? "--no-data" : with_data,
                              err);
}

static status read_watch(struct report_command *command, struct error *err)
{
    int64_t seconds = WATCH_SECONDS;
    if (command->watch == NULL) return STATUS_OK;
    if (command->watch[0] != '\0' && (!text_to_integer(command->watch, &seconds) || seconds < 1 || seconds > 86400))
        return error_set_usage(err, "--watch=%s: seconds from 1 to 86400 are needed", command->watch);
    command->seconds = (int)seconds;
    return STATUS_OK;
}

int command_report(int argc, char **argv)
{
    struct report_command command = {.sample = ANSWERS_SAMPLE};
    const struct option options[] = {
        {"out", OPTION_STRING, &command.out, "FILE.html", "the page, which goes over another page only", 0, 0, 'o'},
        {"no-pictures", OPTION_FLAG, &command.no_pictures, NULL, "no thumbnails: many data sets forbid showing them", 0,
         0, 0},
        {"no-data", OPTION_FLAG, &command.no_data, NULL, "the run folder alone: nothing is evaluated", 0, 0, 0},
        {"sample", OPTION_INTEGER, &command.sample, "N", "pictures in figures of features (2000), by --seed", 1,
         EMBEDDING_MOST_POINTS, 0},
        {"watch", OPTION_OPTIONAL, &command.watch, "SECONDS",
         "write it again every so often (10) as long as one of the runs goes on", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer report [NAME=]RUN[,RUN...]... -o FILE.html [--watch] [--no-pictures | --no-data]",
        .description =
            "Writes one page about runs, finished or not: table, learning curves, confusion, configuration and, where the\n"
            "best checkpoint and its data are there, calibration, features in a plane, attention and the pictures that\n"
            "were classified best and worst. Several names are compared: mean and spread over seeds, paired t-test\n"
            "against the first. It needs no network, is read without its script too, and follows light and dark.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    command.extra = (struct report_extra_options){!command.no_pictures, (size_t)command.sample,
                                                  line.seed < 0 ? 0 : (uint64_t)line.seed};
    if (result == STATUS_OK) result = read_watch(&command, &err);
    if (result == STATUS_OK && !line.help_shown) result = check_form(&command, &line, &err);
    if (result == STATUS_OK && !line.help_shown) result = make_report(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
