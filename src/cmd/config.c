/* rmfer config: prints presets, the key table, or a configuration as it resolves. */
#include "rmfer/config/config.h"

#include "rmfer/base/file.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/config/keys.h"

#include <stdio.h>
#include <string.h>

enum { MOST_PRESETS = 64 };

/* The first comment of a preset says what it is for. */
static void print_list(void)
{
    const char *names[MOST_PRESETS];
    size_t count = config_preset_list(names, MOST_PRESETS);
    for (size_t i = 0; i < count; i++) {
        const char *text = config_preset(names[i]);
        while (*text == '#' || *text == ' ') text++;
        printf("%-26s %.*s\n", names[i], (int)strcspn(text, "\n"), text);
    }
}

/* Words as "a | b | c", a range as "0 .. 1". */
static void print_domain(const struct config_key *key)
{
    if (key->words != NULL) {
        printf("  # ");
        for (const char *at = key->words; *at != '\0'; at++) {
            if (*at == ' ')
                fputs(" | ", stdout);
            else
                putchar(*at);
        }
        putchar('\n');
    } else if (key->minimum < key->maximum) {
        if (key->minimum > 0 && key->minimum < 1e-30)
            printf("  # above 0, at most %.16g\n", key->maximum);
        else
            printf("  # %.16g .. %.16g\n", key->minimum, key->maximum);
    } else {
        printf("%s\n", key->kind == KEY_BOOL ? "  # true | false" : "");
    }
}

/* The whole table as a configuration file with every default. */
static void print_keys(void)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0)
            printf("%s[%s]\n", i == 0 ? "" : "\n", keys[i].section);
        printf("# %s\n%s = %s", keys[i].help, keys[i].name, keys[i].default_text);
        print_domain(&keys[i]);
    }
}

static status print_resolved(const char *name, const struct option_list *overrides, struct error *err)
{
    struct config config;
    struct text out = {0};
    status result = config_load(&config, name, overrides->items, overrides->count, err);
    if (result == STATUS_OK) result = config_print(&config, &out, err);
    if (result == STATUS_OK) text_print_lines(&out, stdout);
    text_free(&out);
    config_free(&config);
    return result;
}

static status print_preset(const char *name, struct error *err)
{
    const char *text = config_preset(name);
    if (text != NULL) {
        fputs(text, stdout);
        return STATUS_OK;
    }
    if (file_exists(name)) return error_set_usage(err, "%s: a file; add --resolved to see what it comes to", name);
    const char *nearest = config_preset_nearest(name);
    if (nearest != NULL) return error_set_usage(err, "no preset '%s' (did you mean '%s'?)", name, nearest);
    return error_set_usage(err, "no preset '%s' ('rmfer config --list' names them)", name);
}

struct config_command {
    bool list, keys, resolved;
    struct option_list overrides;
};

/* One form, and nothing that it would pass over. */
static status check_form(const struct config_command *command, size_t names, struct error *err)
{
    if (command->list + command->keys + (int)names != 1)
        return error_set_usage(err, "rmfer config needs one preset's NAME, --list or --keys");
    if (names == 0 && (command->resolved || command->overrides.count > 0))
        return error_set_usage(err, "--resolved and --set are about a NAME, not about --%s",
                               command->list ? "list" : "keys");
    return STATUS_OK;
}

static status run(const struct config_command *command, const struct option_list *names, struct error *err)
{
    status result = check_form(command, names->count, err);
    if (result != STATUS_OK) return result;
    if (names->count == 0) {
        command->list ? print_list() : print_keys();
        return STATUS_OK;
    }
    if (command->resolved || command->overrides.count > 0)
        return print_resolved(names->items[0], &command->overrides, err);
    return print_preset(names->items[0], err);
}

int command_config(int argc, char **argv)
{
    struct config_command command = {0};
    const struct option options[] = {
        {"list", OPTION_FLAG, &command.list, NULL, "the presets", 0, 0, 0},
        {"keys", OPTION_FLAG, &command.keys, NULL, "every key with its default, range and meaning", 0, 0, 0},
        {"resolved", OPTION_FLAG, &command.resolved, NULL,
         "every key as a run of NAME (a preset or a file) would have it", 0, 0, 0},
        {"set", OPTION_REPEATED, &command.overrides, "SECTION.KEY=VALUE", "with --resolved: change a key", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer config NAME | --list | --keys | NAME --resolved [--set section.key=value]...",
        .description = "Prints a commented preset to start a configuration from:\n"
                       "    rmfer config affectnet8 > my.ini",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run(&command, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
