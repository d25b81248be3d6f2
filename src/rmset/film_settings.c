/* Settings are compared by name: those of earlier programs stand in another order, and lack what was off. */
#include "rmset/film_settings.h"

#include "rmfer/base/hash.h"
#include "rmset/fingerprint.h"

#include <inttypes.h>
#include <string.h>

/* ---- describing -------------------------------------------------------------------------------------------------- */

/* Who finds the faces, and with which settings. */
static status describe_faces(const struct rmset_build_options *options, const struct rmset_notes *notes,
                             struct text *out, struct error *err)
{
    uint64_t content = HASH_START;
    if (notes->has_detections) {
        for (size_t i = 0; i < notes->detection_count; i++) {
            const struct rmset_detection *row = &notes->detections[i];
            const double numbers[] = {(double)row->frame, row->box.x,      row->box.y,
                                      row->box.width,     row->box.height, row->score};
            content = hash_add(content, numbers, sizeof numbers);
        }
        return text_append_format(out, err, "detections %zu %016" PRIx64 " ", notes->detection_count, content);
    }
    status result = film_fingerprint(options->detector_file, &content, err);
    if (result != STATUS_OK) return result;
    return text_append_format(out, err, "detector %016" PRIx64 " %g %g %d %g %zu ", content,
                              options->detection.min_score, options->detection.overlap, options->detection.detect_size,
                              options->detection.min_face, options->detection.max_faces);
}

status film_settings_describe(const char *film, const struct rmset_build_options *options,
                              const struct rmset_notes *notes, struct text *out, struct error *err)
{
    uint64_t content;
    status result = film_fingerprint(film, &content, err);
    if (result == STATUS_OK)
        result = text_append_format(out, err,
                                    "content %016" PRIx64 " every %" PRId64 " first %" PRId64
                                    " overlap %g follow %g cuts %d margin %g pad %d ",
                                    content, options->every, options->first_frame, options->overlap, options->follow,
                                    options->cuts, options->crop.margin, options->crop.pad);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "seconds %g size %" PRId64 " quality %" PRId64 " shards %" PRId64 " ",
                                    options->every_seconds, options->crop.size, options->crop.quality,
                                    options->shard_bytes);
    if (result == STATUS_OK) result = describe_faces(options, notes, out, err);
    if (result == STATUS_OK) result = text_append_format(out, err, "windows %d ", options->windows);
    for (size_t i = 0; i < notes->correction_count && result == STATUS_OK; i++) {
        const struct image_box *box = &notes->corrections[i].box;
        result = text_append_format(out, err, "%s %g,%g,%g,%g ", notes->corrections[i].is_removal ? "less" : "face",
                                    box->x, box->y, box->width, box->height);
    }
    return result;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* Of a description; values point into it. Without a name there is none. */
struct setting {
    const char *name, *values;
    int name_length, values_length;
};

static int word_length(const char *text)
{
    return (int)strcspn(text, " ");
}

static bool is_name(const char *word)
{
    int length = word_length(word);
    return length > 0 && (int)strspn(word, "abcdefghijklmnopqrstuvwxyz") >= length;
}

/* Cuts the first setting off: a name and the words up to the next one. */
static bool next_setting(const char **at, struct setting *setting)
{
    const char *end = *at + strspn(*at, " ");
    if (*end == '\0') return false;
    *setting = (struct setting){.name = end, .name_length = word_length(end)};
    end += setting->name_length;
    setting->values = end + (*end == ' ');
    const char *next = setting->values;
    while (*next != '\0' && !is_name(next)) {
        end = next + word_length(next);
        next = end + (*end == ' ');
    }
    setting->values_length = end > setting->values ? (int)(end - setting->values) : 0;
    *at = next;
    return true;
}

static bool is_named(const struct setting *setting, const char *name, int length)
{
    return setting->name_length == length && strncmp(setting->name, name, (size_t)length) == 0;
}

/* How many settings before `end` have that name: corrections are several of one name. */
static int count_before(const char *text, const char *end, const struct setting *wanted)
{
    struct setting setting;
    int count = 0;
    while (next_setting(&text, &setting) && setting.name < end)
        count += is_named(&setting, wanted->name, wanted->name_length);
    return count;
}

/* The setting of that name behind `passed` others of it; without values where there is none. */
static struct setting find_setting(const char *text, const struct setting *wanted, int passed)
{
    struct setting setting;
    while (next_setting(&text, &setting))
        if (is_named(&setting, wanted->name, wanted->name_length) && passed-- == 0) return setting;
    return (struct setting){.name = wanted->name, .name_length = wanted->name_length};
}

/* What is not said is off; what earlier programs said by its name alone is on. */
static struct setting with_values(struct setting setting)
{
    if (setting.values_length > 0) return setting;
    setting.values = setting.values == NULL ? "0" : "1";
    setting.values_length = 1;
    return setting;
}

static bool is_same(struct setting a, struct setting b)
{
    a = with_values(a);
    b = with_values(b);
    return a.values_length == b.values_length && strncmp(a.values, b.values, (size_t)a.values_length) == 0;
}

/* What is compared by itself: areas stood among the settings once, and a film's being cut is no setting. */
static bool is_apart(const struct setting *setting)
{
    return is_named(setting, "areas", 5) || is_named(setting, "partial", 7);
}

/* The first setting of `text` that is another in `other`. */
static bool find_difference(const char *text, const char *other, struct setting *own, struct setting *others)
{
    if (strcmp(text, other) == 0) return false;
    for (const char *at = text; next_setting(&at, own);) {
        if (is_apart(own)) continue;
        *others = find_setting(other, own, count_before(text, own->name, own));
        if (!is_same(*own, *others)) return true;
    }
    return false;
}

static status print_difference(struct setting there, struct setting here, struct text *out, struct error *err)
{
    there = with_values(there);
    here = with_values(here);
    return text_append_format(out, err, "%.*s %.*s, not %.*s %.*s", there.name_length, there.name, there.values_length,
                              there.values, here.name_length, here.name, here.values_length, here.values);
}

/* Of thousands of areas the first that differs. */
static status print_area_difference(const char *there, const char *here, struct text *out, struct error *err)
{
    int old = word_length(there), new = word_length(here);
    while (old > 0 && old == new &&strncmp(there, here, (size_t)old) == 0) {
        there += old + (there[old] == ' ');
        here += new + (here[new] == ' ');
        old = word_length(there);
        new = word_length(here);
    }
    return text_append_format(out, err, "areas %.*s, not areas %.*s", old > 0 ? old : 7, old > 0 ? there : "nothing",
                              new > 0 ? new : 7, new > 0 ? here : "nothing");
}

static bool is_partial(const char *settings)
{
    static const struct setting partial = {.name = "partial", .name_length = 7};
    return find_setting(settings, &partial, 0).values != NULL;
}

status film_settings_compare(const struct film_facts *there, const char *settings, const char *areas, bool keep_partial,
                             struct text *difference, struct error *err)
{
    struct setting old, new;
    if (find_difference(there->settings, settings, &old, &new) ||
        find_difference(settings, there->settings, &new, &old))
        return print_difference(old, new, difference, err);
    if (is_partial(there->settings) && !keep_partial)
        return text_append_format(difference, err, "partial 1, not partial 0");
    if (strcmp(there->areas, areas) == 0) return STATUS_OK;
    return print_area_difference(there->areas, areas, difference, err);
}
