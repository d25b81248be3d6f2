/* film.ini: what a finished film is, to be added up without looking at its faces again. */
#include "rmset/film.h"

#include "rmfer/config/ini.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_FACTS = 4 << 20, LONGEST_COUNTS = 4 << 10 };

void pixel_sums_add(struct pixel_sums *sums, const struct pixel_sums *other)
{
    sums->count += other->count;
    for (int c = 0; c < 3; c++) {
        sums->sum[c] += other->sum[c];
        sums->squares[c] += other->squares[c];
    }
}

void film_facts_free(struct film_facts *facts)
{
    memory_free(facts->settings);
    memory_free(facts->areas);
    *facts = (struct film_facts){0};
}

status film_facts_check_length(const char *settings, const char *areas, struct error *err)
{
    size_t length = size_add(strlen(settings), strlen(areas)), most = LONGEST_FACTS - LONGEST_COUNTS;
    if (length <= most) return STATUS_OK;
    return error_set(err, "more removal areas and corrections than film.ini holds: %zu bytes in words, at most %zu",
                     length, most);
}

status film_facts_write(const struct film_facts *facts, const char *path, struct error *err)
{
    FILE *file = fopen(path, "wbe");
    if (file == NULL) return error_set_errno(err, "%s: cannot be written", path);
    fprintf(file, "# one film of an RMset, as rmfer rmset build made it\n[film]\nsettings = \"%s\"\n", facts->settings);
    fprintf(file, "removal_areas = \"%s\"\nfps = %.9g\n", facts->areas, facts->rate);
    fprintf(file, "frames = %" PRIu64 "\nfaces = %" PRIu64 "\npersons = %" PRIu64 "\npixels = %" PRIu64 "\n",
            facts->frames, facts->faces, facts->persons, facts->sums.count);
    for (int c = 0; c < 3; c++)
        fprintf(file, "sum_%d = %" PRIu64 "\nsquares_%d = %" PRIu64 "\n", c, facts->sums.sum[c], c,
                facts->sums.squares[c]);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) return error_set_errno(err, "%s: cannot be written", path);
    return STATUS_OK;
}

static bool read_number(const char *value, uint64_t *number)
{
    int64_t whole;
    if (!text_to_integer(value, &whole) || whole < 0) return false;
    *number = (uint64_t)whole;
    return true;
}

static bool take_item(struct film_facts *facts, const char *name, const char *value, struct error *err)
{
    const struct {
        const char *name;
        uint64_t *target;
    } numbers[] = {{"frames", &facts->frames},     {"faces", &facts->faces},
                   {"persons", &facts->persons},   {"pixels", &facts->sums.count},
                   {"sum_0", &facts->sums.sum[0]}, {"squares_0", &facts->sums.squares[0]},
                   {"sum_1", &facts->sums.sum[1]}, {"squares_1", &facts->sums.squares[1]},
                   {"sum_2", &facts->sums.sum[2]}, {"squares_2", &facts->sums.squares[2]}};
    char **text = strcmp(name, "settings") == 0        ? &facts->settings
                  : strcmp(name, "removal_areas") == 0 ? &facts->areas
                                                       : NULL;
    if (text != NULL) {
        memory_free(*text);
        *text = memory_copy_string(value, err);
        return *text != NULL;
    }
    if (strcmp(name, "fps") == 0) return text_to_real(value, &facts->rate);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) return read_number(value, numbers[i].target);
    return false;
}

status film_facts_read(struct film_facts *facts, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    *facts = (struct film_facts){0};
    status result = file_read(path, LONGEST_FACTS, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    struct ini_reader reader = ini_reader((char *)bytes);
    struct ini_item item = {0};
    while ((result = ini_next(&reader, &item, err)) == STATUS_OK && item.kind != INI_END) {
        if (item.kind == INI_VALUE && !take_item(facts, item.name, item.value, err))
            result = error_set(err, "%s = %s is not what rmset build writes", item.name, item.value);
        if (result != STATUS_OK) break;
    }
    if (result != STATUS_OK)
        error_add_context(err, "%s:%d", path, item.line);
    else if (facts->settings == NULL || facts->areas == NULL || facts->faces == 0)
        result = error_set(err, "%s: not whole", path);
    memory_free(bytes);
    if (result != STATUS_OK) film_facts_free(facts);
    return result;
}
