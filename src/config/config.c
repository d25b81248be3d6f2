/* Loading: defaults, then the file, then --set, then resolve.c. Printing and freeing walk the same table. */
#include "rmfer/config/config.h"

#include "rmfer/config/ini.h"
#include "config/resolve.h"
#include "config/values.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/config/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SECTIONS = 32, MOST_KEYS = 256, NAME_BYTES = 64 };
static const size_t LARGEST_FILE = 1 << 20;

/* ---- names nobody knows ------------------------------------------------------------------------------------------ */

static size_t list_sections(const char *sections[MOST_SECTIONS])
{
    size_t count, found = 0;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(keys[i].section, keys[i - 1].section) == 0) continue;
        BUG_UNLESS(found < MOST_SECTIONS);
        sections[found++] = keys[i].section;
    }
    return found;
}

static bool section_known(const char *name)
{
    const char *sections[MOST_SECTIONS];
    size_t count = list_sections(sections);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i], name) == 0) return true;
    return false;
}

static status unknown_section(const char *name, struct error *err)
{
    const char *sections[MOST_SECTIONS];
    size_t count = list_sections(sections);
    const char *nearest = text_nearest(name, sections, count);
    char shown[NAME_BYTES];
    snprintf(shown, sizeof shown, "%s", name);
    text_make_printable(shown);
    if (nearest != NULL) return error_set_usage(err, "[%s]: unknown section (did you mean [%s]?)", shown, nearest);
    return error_set_usage(err,
                           "[%s]: unknown section (data, model, train, ial, acl, va, rmset, augment, augment.weak, "
                           "augment.strong, augment.pair, eval, output; and those of methods)",
                           shown);
}

/* The same name in another section is likelier meant than a similar one in this. */
static status unknown_key(const char *section, const char *name, struct error *err)
{
    size_t count, own = 0;
    const struct config_key *keys = config_keys(&count);
    const char *names[MOST_KEYS], *other = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].section, section) == 0)
            names[own++] = keys[i].name;
        else if (strcmp(keys[i].name, name) == 0)
            other = keys[i].section;
    }
    char shown[NAME_BYTES];
    snprintf(shown, sizeof shown, "%s", name);
    text_make_printable(shown);
    if (other != NULL)
        return error_set_usage(err, "%s.%s: unknown key (did you mean %s.%s?)", section, shown, other, name);
    const char *nearest = text_nearest(name, names, own);
    if (nearest != NULL)
        return error_set_usage(err, "%s.%s: unknown key (did you mean %s.%s?)", section, shown, section, nearest);
    return error_set_usage(err, "%s.%s: unknown key ('rmfer config --keys' lists them)", section, shown);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Three numbers left empty are not given, as if the key did not stand there. */
static status set_from(const struct config_key *key, struct config *config, const char *text, int32_t *line,
                       struct error *err)
{
    if (key->kind == KEY_THREE_REALS && *text == '\0') *line = LINE_DEFAULT;
    return value_set(key, config, text, err);
}

static status apply_item(struct config *config, const char *section, const struct ini_item *item, struct error *err)
{
    if (section == NULL) return error_set_usage(err, "%.60s: stands before the first [section]", item->name);
    const struct config_key *key = config_key_find(section, item->name);
    if (key == NULL) return unknown_key(section, item->name, err);
    int32_t *line = &config->lines[config_key_index(key)];
    if (*line != LINE_DEFAULT)
        return error_set_usage(err, "%s.%s: given twice (first on line %d)", section, key->name, (int)*line);
    *line = item->line;
    return set_from(key, config, item->value, line, err);
}

static status apply_text(struct config *config, char *text, struct error *err)
{
    struct ini_reader reader = ini_reader(text);
    struct ini_item item;
    const char *section = NULL;
    status result = STATUS_OK;
    while ((result = ini_next(&reader, &item, err)) == STATUS_OK && item.kind != INI_END) {
        if (item.kind == INI_SECTION) {
            section = item.name;
            if (!section_known(section)) result = unknown_section(section, err);
        } else {
            result = apply_item(config, section, &item, err);
        }
        if (result != STATUS_OK) break;
    }
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s:%d", config->source, item.line);
}

/* ---- overrides --------------------------------------------------------------------------------------------------- */

/* A path that is meant as it stands: config_resolve puts variables in. */
static status set_literal(const struct config_key *key, struct config *config, const char *value, struct error *err)
{
    struct text doubled = {0};
    status result = STATUS_OK;
    for (const char *at = value; key->kind == KEY_PATH && *at != '\0' && result == STATUS_OK; at++)
        result = text_append(&doubled, *at == '$' ? "$$" : at, *at == '$' ? 2 : 1, err);
    if (result == STATUS_OK)
        result = value_set(key, config, key->kind == KEY_PATH ? text_string(&doubled) : value, err);
    text_free(&doubled);
    return result;
}

/* `option`: where the pair came from. */
static status apply_pair(struct config *config, char *pair, const char *option, bool is_literal, struct error *err)
{
    char *equals = strchr(pair, '=');
    if (equals != NULL) *equals = '\0';
    char *dot = strrchr(pair, '.'); /* a section's own name may have one */
    if (equals == NULL || dot == NULL) {
        if (equals != NULL) *equals = '=';
        text_make_printable(pair);
        return error_set_usage(err, "%.100s: must be section.key=value", pair);
    }
    *dot = '\0';
    const char *section = text_trim(pair), *name = text_trim(dot + 1);
    if (!section_known(section)) return unknown_section(section, err);
    const struct config_key *key = config_key_find(section, name);
    if (key == NULL) return unknown_key(section, name, err);
    int32_t *line = &config->lines[config_key_index(key)];
    char **of = &config->options[config_key_index(key)];
    *line = LINE_OVERRIDE;
    memory_free(*of);
    *of = memory_copy_string(option, err);
    if (*of == NULL) return STATUS_FAILED;
    if (is_literal) return set_literal(key, config, equals + 1, err);
    return set_from(key, config, text_trim(equals + 1), line, err);
}

/* "--OPTION:section.key=value" comes of an option of its own, anything else of --set. */
static status apply_override(struct config *config, char *text, struct error *err)
{
    char *colon = text + strcspn(text, ":=");
    bool is_own = strncmp(text, "--", 2) == 0 && *colon == ':';
    if (is_own) *colon = '\0';
    const char *option = is_own ? text : "--set";
    status result = apply_pair(config, is_own ? colon + 1 : text, option, is_own, err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", option);
}

static status apply_overrides(struct config *config, const char *const *overrides, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char *text = memory_copy_string(overrides[i], err);
        if (text == NULL) return STATUS_FAILED;
        status result = apply_override(config, text, err);
        memory_free(text);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static status set_defaults(struct config *config, const char *source, struct error *err)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    BUG_UNLESS(count <= MOST_KEYS);
    *config = (struct config){0};
    config->source = memory_copy_string(source, err);
    config->lines = memory_allocate(count, sizeof *config->lines, "the configuration", err);
    config->options = memory_allocate(count, sizeof *config->options, "the configuration", err);
    if (config->source == NULL || config->lines == NULL || config->options == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < count; i++) {
        status result = value_set(&keys[i], config, keys[i].default_text, err);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

/* `text` is cut up. */
static status fill(struct config *config, char *text, const char *name, const char *folder,
                   const char *const *overrides, size_t count, bool variables, struct error *err)
{
    status result = set_defaults(config, name, err);
    if (result == STATUS_OK && text != NULL) result = apply_text(config, text, err);
    if (result == STATUS_OK) result = apply_overrides(config, overrides, count, err);
    if (result == STATUS_OK) result = config_resolve(config, folder, variables, err);
    return result;
}

static status parse(struct config *config, const char *text, const char *name, const char *folder,
                    const char *const *overrides, size_t override_count, bool variables, struct error *err)
{
    *config = (struct config){0};
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    status result = fill(config, copy, name, folder, overrides, override_count, variables, err);
    memory_free(copy);
    return result;
}

status config_parse(struct config *config, const char *text, const char *name, const char *folder,
                    const char *const *overrides, size_t override_count, struct error *err)
{
    return parse(config, text, name, folder, overrides, override_count, true, err);
}

status config_parse_foreign(struct config *config, const char *text, const char *name, const char *const *overrides,
                            size_t override_count, struct error *err)
{
    return parse(config, text, name, "", overrides, override_count, false, err);
}

status config_defaults(struct config *config, const char *const *overrides, size_t override_count, struct error *err)
{
    return fill(config, NULL, "the configuration", "", overrides, override_count, true, err);
}

/* A name without a slash or a full stop was meant for a preset. */
static status refuse_preset(const char *name, struct error *err)
{
    const char *nearest = config_preset_nearest(name);
    if (nearest != NULL)
        return error_set_usage(err, "%s: no such file, and no preset (did you mean '%s'?)", name, nearest);
    return error_set_usage(err, "%s: no such file, and no preset ('rmfer config --list' names them)", name);
}

status config_load(struct config *config, const char *path, const char *const *overrides, size_t override_count,
                   struct error *err)
{
    *config = (struct config){0};
    const char *preset = file_exists(path) ? NULL : config_preset(path);
    if (preset != NULL) return config_parse(config, preset, path, "", overrides, override_count, err);
    if (strpbrk(path, "/.") == NULL && access(path, F_OK) != 0 && errno == ENOENT) return refuse_preset(path, err);
    uint8_t *bytes = NULL;
    size_t size;
    status result = file_read(path, LARGEST_FILE, &bytes, &size, err);
    char *folder = result == STATUS_OK ? path_folder(path, err) : NULL;
    if (folder == NULL)
        result = STATUS_FAILED;
    else if (memchr(bytes, '\0', size) != NULL)
        result = error_set_usage(err, "%s: not a text file", path);
    else
        result = fill(config, (char *)bytes, path, folder, overrides, override_count, true, err);
    memory_free(folder);
    memory_free(bytes);
    return result;
}

void config_free(struct config *config)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        value_free(&keys[i], config);
        if (config->options != NULL) memory_free(config->options[i]);
    }
    memory_free(config->source);
    memory_free(config->lines);
    memory_free(config->options);
    *config = (struct config){0};
}

/* The RMset's own numbers, whose file is not there yet. */
static bool is_not_known(const struct config *config, const struct config_key *key)
{
    bool is_number = key == config_key_find("rmset", "mean") || key == config_key_find("rmset", "std");
    return is_number && config->rmset.normalize == NORMALIZE_OWN && config->rmset.std[0] <= 0;
}

status config_print(const struct config *config, struct text *out, struct error *err)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0) {
            status result = text_append_format(out, err, "%s[%s]\n", i == 0 ? "" : "\n", keys[i].section);
            if (result != STATUS_OK) return result;
        }
        if (is_not_known(config, &keys[i])) continue;
        if (text_append_format(out, err, "%s = ", keys[i].name) != STATUS_OK) return STATUS_FAILED;
        if (config_key_print(&keys[i], config, out, err) != STATUS_OK) return STATUS_FAILED;
        if (text_append(out, "\n", 1, err) != STATUS_OK) return STATUS_FAILED;
    }
    return STATUS_OK;
}
