/* rmfer rmset: chooses among build, preview, stats and check, and runs the two that only look. */
#include "cmd/rmset.h"

#include "rmfer/base/log.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/rmset/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct part {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} parts[] = {
    {"build", command_rmset_build, "rmfer rmset build VIDEO... -o DIR    cuts the faces of mashup videos out"},
    {"preview", command_rmset_preview,
     "rmfer rmset preview VIDEO|DIR        a contact sheet of a video, or of an anchor and its candidates"},
    {"stats", command_rmset_stats, "rmfer rmset stats DIR                videos, frames, persons, faces"},
    {"check", command_rmset_check, "rmfer rmset check DIR                every picture is there and decodes"},
};

enum { PART_COUNT = sizeof parts / sizeof *parts };

static void print_help(FILE *stream)
{
    fputs("usage:\n", stream);
    for (size_t i = 0; i < PART_COUNT; i++) fprintf(stream, "  %s\n", parts[i].usage);
    fputs("\nRMset is the paper's second data set: faces of persons who react to the same film at the same time.\n"
          "'rmfer rmset build --help' says how it is made.\n",
          stream);
}

int command_rmset(int argc, char **argv)
{
    const char *names[PART_COUNT];
    for (size_t i = 0; i < PART_COUNT; i++) names[i] = parts[i].name;
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("rmfer %s\n", RMFER_VERSION);
        return STATUS_OK;
    }
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strcmp(argv[1], names[i]) == 0) return parts[i].run(argc - 1, argv + 1);
    const char *nearest = text_nearest(argv[1], names, PART_COUNT);
    if (nearest != NULL)
        log_error("unknown command 'rmset %s' (did you mean 'rmset %s'?)", argv[1], nearest);
    else
        log_error("unknown command 'rmset %s' (see rmfer rmset --help)", argv[1]);
    return STATUS_USAGE;
}

static void print_stats(const struct rmset_stats *stats)
{
    printf("videos             %" PRIu64 "\n", stats->videos);
    if (stats->frames_read > 0) printf("frames read        %" PRIu64 "\n", stats->frames_read);
    printf("frames with faces  %" PRIu64 "\n", stats->frames);
    printf("persons            %" PRIu64 "\n", stats->persons);
    printf("faces              %" PRIu64 "\n", stats->faces);
    printf("faces a person     %.1f (most %" PRIu64 ")\n", (double)stats->faces / (double)stats->persons,
           stats->faces_of_person);
    printf("faces a frame      %.2f (most %" PRIu64 ")\n", (double)stats->faces / (double)stats->frames,
           stats->faces_of_frame);
    printf("the paper's        216 videos, 3.14 M frames, 3,485 persons, 45.67 M faces\n");
}

static void tell(void *context, const char *message)
{
    (void)context;
    log_error("%s", message);
}

static status look(const struct command_line *line, bool checks, struct error *err)
{
    struct rmset_stats stats;
    if (line->positional.count != 1) return error_set_usage(err, "the RMset's folder is needed, and nothing else");
    const char *folder = line->positional.items[0];
    if (!checks) {
        status result = rmset_stats(folder, &stats, err);
        if (result == STATUS_OK) print_stats(&stats);
        return result;
    }
    struct rmset_complaints complaints = {.tell = tell};
    status result = rmset_check(folder, threads_get(), &complaints, &stats, err);
    if (result != STATUS_OK) return result;
    if (complaints.count > 0)
        return error_set(err, "%s: %" PRIu64 " of %" PRIu64 " faces or lists are not as they should be", folder,
                         complaints.count, stats.faces);
    text_print_name(folder, stdout);
    printf(": all %" PRIu64 " faces of %" PRIu64 " persons in %" PRIu64 " videos are there and decode\n", stats.faces,
           stats.persons, stats.videos);
    return STATUS_OK;
}

static int run_look(int argc, char **argv, bool checks)
{
    struct command_line line = {
        .usage = checks ? "rmfer rmset check DIR" : "rmfer rmset stats DIR",
        .description = checks ? "Reads and decodes the picture of every row of DIR/index.csv and compares the counts\n"
                                "with videos.csv. Each fault is a line; the exit status is then 1."
                              : "Counts videos, frames, persons and faces of DIR/index.csv.",
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = look(&line, checks, &err);
    if (result == STATUS_OK && fflush(stdout) != 0) result = error_set_errno(&err, "standard output cannot be written");
    options_free(&line);
    return command_finish(result, &err);
}

int command_rmset_stats(int argc, char **argv)
{
    return run_look(argc, argv, false);
}

int command_rmset_check(int argc, char **argv)
{
    return run_look(argc, argv, true);
}
