/* The command table. A new command: write src/cmd/NAME.c, declare command_NAME in commands.h, add a line here. */
#include "rmfer/cmd/commands.h"

#include "rmfer/base/log.h"
#include "rmfer/base/mapping_guard.h"
#include "rmfer/base/text.h"
#include "rmfer/cmd/environment.h"
#include "rmfer/kern/kernels.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"train", command_train, "trains both phases from a configuration, or goes on with a run"},
    {"eval", command_eval, "accuracy of a checkpoint on a data set"},
    {"predict", command_predict, "the expressions of the faces in pictures and videos"},
    {"rmset", command_rmset, "builds an RMset of reaction-mashup videos, previews and checks it"},
    {"synth", command_synth, "draws small labelled faces in every layout, or makes an RMset of a labelled set"},
    {"config", command_config, "prints presets and the table of keys"},
    {"import", command_import, "weights of PyTorch, timm, torchvision or ONNX as a native checkpoint"},
    {"export", command_export, "a checkpoint as ONNX or safetensors for other programs"},
    {"info", command_info, "what is inside an architecture, a checkpoint or a run folder"},
    {"plot", command_plot, "learning curves and confusion of runs as figures"},
    {"report", command_report, "one HTML page about runs"},
    {"table", command_table, "runs as a table: Markdown, CSV, LaTeX"},
    {"bench", command_bench, "speed of training or inference beside the processor's peak"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *stream)
{
    fprintf(stream, "usage: rmfer COMMAND [option]...\n\n"
                    "Semi-supervised contrastive learning for facial expression recognition (RMFER).\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(stream,
            "\ncommon options: --threads N  --seed N  --quiet  --verbose  --help  --version\n"
            "'rmfer COMMAND --help' explains a command; 'man rmfer' explains them all.\n"
            "exit status: 0 done; 1 it failed; 2 the command line or the configuration is wrong; training that a\n"
            "signal ended with a checkpoint: 128 + its number (129 hang-up, 130 interrupt, 141 pipe, 143 terminate)\n");
}

static int unknown_command(const char *given)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].name;
    const char *nearest = text_nearest(given, names, COMMAND_COUNT);
    if (nearest != NULL)
        log_error("unknown command '%s' (did you mean '%s'?)", given, nearest);
    else
        log_error("unknown command '%s' (see rmfer --help)", given);
    return STATUS_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("rmfer %s\n", RMFER_VERSION);
        return STATUS_OK;
    }
    struct error err = {0};
    if (kernels_check(&err) != STATUS_OK) {
        log_error("%s", err.message);
        return STATUS_USAGE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    return unknown_command(argv[1]);
}

/* What was printed may still be on its way: a full disk behind standard output is noticed here, for every command. */
int commands_run(int argc, char **argv)
{
    environment_prepare(argv);
    mapping_guard_install();
    signal(SIGXFSZ, SIG_IGN); /* a file at the limit of its size is an error of its write, with its name and without a
                                 half file */
    int code = run(argc, argv);
    errno = 0;
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || code != STATUS_OK) return code; /* a command that failed has said why */
    log_error("standard output cannot be written%s%s", errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
    return STATUS_FAILED;
}
