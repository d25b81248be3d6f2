/* A command's options: one table drives parsing, --help and the messages. */
#ifndef RMFER_CMD_OPTIONS_H
#define RMFER_CMD_OPTIONS_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_STRING,   /* const char *, points into argv */
    OPTION_TEXT,     /* the same; it may be empty */
    OPTION_INTEGER,  /* int64_t, within [minimum, maximum] */
    OPTION_REAL,     /* double, within [minimum, maximum] */
    OPTION_REPEATED, /* struct option_list: given any number of times */
    OPTION_OPTIONAL, /* const char *: alone it means "" , --name=value gives the value */
};

struct option_list {
    const char **items; /* room for argc items, memory_allocate'd; freed by options_free */
    size_t count;
};

struct option {
    const char *name; /* without dashes */
    enum option_kind kind;
    void *target;         /* where the value goes; it holds the default beforehand */
    const char *argument; /* its name in --help, NULL for a flag */
    const char *help;
    double minimum, maximum; /* for numbers; equal means unbounded */
    char letter;             /* a one-letter form, 0 for none */
};

struct command_line {
    const char *usage;       /* "rmfer train --config FILE ..." */
    const char *description; /* a paragraph for --help */
    const struct option *options;
    size_t option_count;
    bool for_processes; /* several processes may run it together: processes_begin calls options_tell_threads */
    /* Filled by options_parse: */
    struct option_list positional;
    bool help_shown;       /* --help or --version was given and printed: the command ends with 0 */
    int64_t threads;       /* common options */
    int64_t threads_asked; /* --threads as it was given, 0 = it was not */
    int64_t seed;          /* -1 when not given */
    uint64_t given;        /* bit i: options[i] was given */
};

/* Which forms of its command an option is for, "curves|confusion"; options without a row are for all. */
struct option_forms {
    const char *option, *forms;
};

/* Parses argv[1..]; common options (--threads --seed --quiet --verbose --help --version) are understood everywhere, and
 * --threads and the log level take effect at once. Unknown options name the nearest known one; an empty word, and an
 * empty value but an OPTION_TEXT's, is refused. */
status options_parse(struct command_line *line, int argc, char **argv, struct error *err) MUST_CHECK;

/* Refuses, as a usage error, an option that was given though this form of the command would pass it over. */
status options_check_form(const struct command_line *line, const struct option_forms *table, size_t count,
                          const char *form, struct error *err) MUST_CHECK;

/* Says where --threads asks for more than the cores: options_parse does, but for_processes. */
void options_tell_threads(const struct command_line *line);

void options_free(struct command_line *line);

/* Prints the error, if any, as "rmfer: error: ..." and gives the exit code. */
int command_finish(status result, const struct error *err);

#endif
