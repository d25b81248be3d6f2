/* Parsing options by a command's table, --help out of the same table, and messages with the nearest known name. */
#include "rmfer/cmd/options.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The options every command has; their targets are filled in per call. */
struct common {
    bool quiet, verbose, help, version;
};

enum { COMMON_COUNT = 6, MOST_OPTIONS = 64 };

static size_t join_options(struct command_line *line, struct common *common, struct option *all)
{
    BUG_UNLESS(line->option_count + COMMON_COUNT <= MOST_OPTIONS);
    const struct option shared[COMMON_COUNT] = {
        {"threads", OPTION_INTEGER, &line->threads, "N", "threads to use (default: the cores this process may use)", 1,
         4096, 0},
        {"seed", OPTION_INTEGER, &line->seed, "N", "seed of everything random", 0, 9007199254740992.0, 0},
        {"quiet", OPTION_FLAG, &common->quiet, NULL, "only errors and results", 0, 0, 'q'},
        {"verbose", OPTION_FLAG, &common->verbose, NULL, "more detail", 0, 0, 'v'},
        {"help", OPTION_FLAG, &common->help, NULL, "this text", 0, 0, 'h'},
        {"version", OPTION_FLAG, &common->version, NULL, "the program's version", 0, 0, 0},
    };
    if (line->option_count != 0) memcpy(all, line->options, line->option_count * sizeof *all);
    memcpy(all + line->option_count, shared, sizeof shared);
    return line->option_count + COMMON_COUNT;
}

static void print_help(const struct command_line *line, const struct option *all, size_t count)
{
    printf("usage: %s\n\n%s\n\noptions:\n", line->usage, line->description);
    for (size_t i = 0; i < count; i++) {
        char left[64];
        const struct option *option = &all[i];
        const char *equals = option->kind == OPTION_OPTIONAL ? "[=" : " ";
        snprintf(left, sizeof left, "%s%c%s--%s%s%s%s", option->letter ? "-" : "",
                 option->letter ? option->letter : ' ', option->letter ? ", " : "   ", option->name,
                 option->argument ? equals : "", option->argument ? option->argument : "",
                 option->kind == OPTION_OPTIONAL ? "]" : "");
        printf("  %-28s %s\n", left, option->help);
    }
}

static status refuse_range(const struct option *option, const char *value, struct error *err)
{
    return error_set_usage(err, "--%s %s: must be between %.10g and %.16g", option->name, value, option->minimum,
                           option->maximum);
}

/* Compared as whole numbers: as doubles the one behind 2^53 is 2^53. Bounds are far below 2^63. */
static status store_whole(const struct option *option, const char *value, struct error *err)
{
    int64_t number;
    if (!text_to_integer(value, &number))
        return error_set_usage(err, "--%s %s: not a whole number", option->name, value);
    if (option->minimum < option->maximum && (number < (int64_t)option->minimum || number > (int64_t)option->maximum))
        return refuse_range(option, value, err);
    *(int64_t *)option->target = number;
    return STATUS_OK;
}

static status store_real(const struct option *option, const char *value, struct error *err)
{
    double number;
    if (!text_to_real(value, &number)) return error_set_usage(err, "--%s %s: not a number", option->name, value);
    if (option->minimum < option->maximum && (number < option->minimum || number > option->maximum))
        return refuse_range(option, value, err);
    *(double *)option->target = number;
    return STATUS_OK;
}

static status store(const struct option *option, const char *value, struct error *err)
{
    switch (option->kind) {
    case OPTION_FLAG: *(bool *)option->target = true; return STATUS_OK;
    case OPTION_STRING:
    case OPTION_TEXT:
    case OPTION_OPTIONAL: *(const char **)option->target = value; return STATUS_OK;
    case OPTION_REPEATED: {
        struct option_list *list = option->target;
        list->items[list->count++] = value;
        return STATUS_OK;
    }
    case OPTION_INTEGER: return store_whole(option, value, err);
    case OPTION_REAL: return store_real(option, value, err);
    }
    return STATUS_OK;
}

/* An empty value, like an empty word (take_word), is a variable that was not set. */
static status take_value(const struct option *option, const char *value, struct error *err)
{
    if (value[0] == '\0' && option->kind != OPTION_TEXT)
        return error_set_usage(err, "--%s: its value is empty (%s is wanted)", option->name, option->argument);
    return store(option, value, err);
}

static const struct option *find(const struct option *all, size_t count, const char *name, size_t length, char letter)
{
    for (size_t i = 0; i < count; i++) {
        if (letter != 0 ? all[i].letter == letter
                        : strncmp(all[i].name, name, length) == 0 && all[i].name[length] == '\0')
            return &all[i];
    }
    return NULL;
}

static status unknown(const char *given, const struct option *all, size_t count, struct error *err)
{
    const char *names[MOST_OPTIONS];
    for (size_t i = 0; i < count; i++) names[i] = all[i].name;
    while (*given == '-') given++;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given, "="), given);
    const char *nearest = text_nearest(name, names, count);
    if (nearest == NULL) return error_set_usage(err, "unknown option --%s (see --help)", name);
    return error_set_usage(err, "unknown option --%s (did you mean --%s?)", name, nearest);
}

/* One argument that starts with a dash; *at becomes its value's index when it takes one, *given_bits gets the
 * option's bit. */
static status parse_option(const struct option *all, size_t count, int argc, char **argv, int *at, uint64_t *given_bits,
                           struct error *err)
{
    const char *given = argv[*at];
    const char *equals = strchr(given, '=');
    const struct option *option = NULL;
    if (given[1] == '-') {
        size_t length = equals != NULL ? (size_t)(equals - given - 2) : strlen(given + 2);
        option = find(all, count, given + 2, length, 0);
    } else if (given[2] == '\0') {
        option = find(all, count, NULL, 0, given[1]);
    }
    if (option == NULL) return unknown(given, all, count, err);
    *given_bits |= (uint64_t)1 << (option - all);
    if (option->kind == OPTION_FLAG) {
        if (equals != NULL) return error_set_usage(err, "--%s takes no value", option->name);
        return store(option, NULL, err);
    }
    if (equals != NULL) return take_value(option, equals + 1, err);
    if (option->kind == OPTION_OPTIONAL) return store(option, "", err);
    if (*at + 1 >= argc) return error_set_usage(err, "--%s needs a value (%s)", option->name, option->argument);
    *at += 1;
    return take_value(option, argv[*at], err);
}

static status make_lists(struct command_line *line, int argc, struct error *err)
{
    size_t room = (size_t)argc + 1;
    line->positional = (struct option_list){memory_allocate(room, sizeof(char *), "the arguments", err), 0};
    if (line->positional.items == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < line->option_count; i++) {
        if (line->options[i].kind != OPTION_REPEATED) continue;
        struct option_list *list = line->options[i].target;
        *list = (struct option_list){memory_allocate(room, sizeof(char *), "the arguments", err), 0};
        if (list->items == NULL) return STATUS_FAILED;
    }
    return STATUS_OK;
}

/* More than a few threads a core only wait for each other: with thousands no step would end. A few may be what is
 * wanted, as results hang on their number, but seldom are where somebody did not know of the mask (taskset) or the
 * quota. */
static int64_t most_threads(void)
{
    enum { MOST_A_CORE = 8 };
    return (int64_t)MOST_A_CORE * threads_available();
}

void options_tell_threads(const struct command_line *line)
{
    int64_t asked = line->threads_asked, cores = threads_available(), most = most_threads();
    if (asked > most)
        log_warning("--threads %" PRId64 ": this process may use %" PRId64 " core%s; %" PRId64 " threads are used",
                    asked, cores, cores == 1 ? "" : "s", most);
    else if (asked > cores)
        log_info("--threads %" PRId64 ": this process may use %" PRId64
                 " core%s (affinity mask, control group), which they "
                 "share",
                 asked, cores, cores == 1 ? "" : "s");
}

/* By its place among the options; the common ones stand behind the command's own. */
static bool is_given(const struct command_line *line, size_t place)
{
    return (line->given >> place & 1) != 0;
}

static void take_threads(struct command_line *line)
{
    line->threads_asked = is_given(line, line->option_count) ? line->threads : 0; /* the first of the common ones */
    if (line->threads > most_threads()) line->threads = most_threads();
    if (!line->for_processes) options_tell_threads(line);
    threads_set((int)line->threads);
}

/* An empty word is a variable of a script that was not set: taken for a folder's name it would be the root's, or the
 * one at hand. */
static status take_word(struct command_line *line, const char *word, struct error *err)
{
    if (word[0] == '\0') return error_set_usage(err, "an empty argument is no path and no name (see --help)");
    line->positional.items[line->positional.count++] = word;
    return STATUS_OK;
}

status options_parse(struct command_line *line, int argc, char **argv, struct error *err)
{
    struct option all[MOST_OPTIONS];
    struct common common = {0};
    line->threads = threads_available();
    line->seed = -1;
    line->given = 0;
    size_t count = join_options(line, &common, all);
    status result = make_lists(line, argc, err);
    bool only_paths = false;
    for (int i = 1; result == STATUS_OK && i < argc; i++) {
        if (!only_paths && strcmp(argv[i], "--") == 0)
            only_paths = true;
        else if (only_paths || argv[i][0] != '-' || argv[i][1] == '\0')
            result = take_word(line, argv[i], err);
        else
            result = parse_option(all, count, argc, argv, &i, &line->given, err);
    }
    if (result != STATUS_OK) return result;
    if (common.help) {
        print_help(line, all, count);
        line->help_shown = true;
    } else if (common.version) {
        printf("rmfer %s\n", RMFER_VERSION);
        line->help_shown = true;
    }
    if (common.quiet) log_set_level(LOG_QUIET);
    if (common.verbose) log_set_level(LOG_VERBOSE);
    take_threads(line);
    return STATUS_OK;
}

/* Whether `form` stands in "FORM|FORM". */
static bool has_form(const char *forms, const char *form)
{
    size_t length = strlen(form);
    for (const char *at = forms; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, form, length) == 0 && (at[length] == '|' || at[length] == '\0')) return true;
    }
    return false;
}

status options_check_form(const struct command_line *line, const struct option_forms *table, size_t count,
                          const char *form, struct error *err)
{
    struct text others = {0};
    status result = STATUS_OK;
    for (size_t i = 0; i < line->option_count && result == STATUS_OK; i++)
        for (size_t k = 0; k < count && result == STATUS_OK; k++) {
            if (!is_given(line, i) || strcmp(table[k].option, line->options[i].name) != 0) continue;
            if (has_form(table[k].forms, form)) continue;
            for (const char *at = table[k].forms; *at != '\0' && result == STATUS_OK; at++)
                result = *at == '|' ? text_append(&others, ", ", 2, err) : text_append(&others, at, 1, err);
            if (result == STATUS_OK)
                result = error_set_usage(err, "--%s belongs to %s, not to %s", table[k].option, text_string(&others),
                                         form);
        }
    text_free(&others);
    return result;
}

void options_free(struct command_line *line)
{
    memory_free(line->positional.items);
    for (size_t i = 0; i < line->option_count; i++) {
        if (line->options[i].kind != OPTION_REPEATED) continue;
        memory_free(((struct option_list *)line->options[i].target)->items);
        *(struct option_list *)line->options[i].target = (struct option_list){0};
    }
    line->positional = (struct option_list){0};
}

int command_finish(status result, const struct error *err)
{
    if (result != STATUS_OK) log_error("%s", err->message);
    return (int)result;
}
