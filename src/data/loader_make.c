/* Making the rows of a batch, one way for every source: read, decode, replace when unreadable, view, place.
 * Everything drawn here is keyed by the row's place, so that it does not matter who makes it. */
#include "data/loader_internal.h"
#include "rmfer/base/log.h"

#include <string.h>

enum { NAMED_BAD_PICTURES = 20 };

/* ---- one row ----------------------------------------------------------------------------------------------------- */

static void name_bad_picture(struct loader *loader, const char *message)
{
    if (atomic_fetch_add(&loader->named, 1) < NAMED_BAD_PICTURES)
        log_warning("unreadable picture: %s", message);
    else
        log_verbose("unreadable picture: %s", message);
}

static void remember_unreadable(struct loader *loader, struct slot_stream *rows, int row, const struct error *problem)
{
    pthread_mutex_lock(&loader->lock);
    if (rows->unreadable.code == STATUS_OK || row < rows->unreadable_row) {
        rows->unreadable = *problem;
        rows->unreadable_row = row;
    }
    pthread_mutex_unlock(&loader->lock);
}

/* The message names the picture, once. */
static void add_name(const struct picture_source *source, int64_t id, struct error *problem)
{
    struct text name = {0};
    if (source->name(source->context, id, &name, NULL) == STATUS_OK &&
        strstr(problem->message, text_string(&name)) == NULL)
        error_add_context(problem, "%s", text_string(&name));
    text_free(&name);
    text_make_printable(problem->message);
}

static bool is_known_bad(const struct loader *loader, const struct stream *stream, int64_t id)
{
    bool may_skip = loader->options.on_error == ON_ERROR_SKIP && stream->is_known_bad != NULL;
    return may_skip && atomic_load(&stream->is_known_bad[id]) != 0;
}

/* Draws of view `view` of a row: keyed by (epoch, position) or (step, row), the source and the view. */
static struct random_stream view_stream(const struct loader *loader, const struct slot *slot, int stream, int row,
                                        int view)
{
    const struct picture_source *source = &loader->options.streams[stream].source;
    const struct loader_stream *options = &loader->options.streams[stream];
    uint64_t rows = (uint64_t)loader_batch_rows(options), at = (uint64_t)(options->first_row + row);
    uint64_t a = source->by_epoch ? slot->place.epoch : slot->place.step;
    uint64_t b = source->by_epoch ? slot->place.index * rows + at : at;
    a |= (uint64_t)source->key << 60 | (uint64_t)view << 56;
    return random_stream(loader->options.seed, RANDOM_AUGMENT, a, b);
}

/* Every view of the picture in workspace->pixels, at the row's place. */
static status place_views(struct loader *loader, struct slot *slot, int stream, int row,
                          struct picture_workspace *workspace, struct error *err)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    struct slot_stream *rows = &slot->streams[stream];
    status result = STATUS_OK;
    for (int view = 0; view < options->views && result == STATUS_OK; view++) {
        size_t at = loader_row_of(loader, stream, view, row);
        struct image image = workspace->pixels;
        struct random_stream draws = view_stream(loader, slot, stream, row, view);
        image.rgb = rows->pixels + at * loader->values;
        memcpy(image.rgb, workspace->pixels.rgb, loader->values);
        result = view_apply(options->kinds[view], &image, options->augment, &draws, &workspace->augment,
                            &rows->erased[at], err);
    }
    return result;
}

bool loader_make_row(struct loader *loader, struct slot *slot, int stream, int row, struct picture_workspace *workspace)
{
    struct stream *of = &loader->streams[stream];
    const struct picture_source *source = &of->options->source;
    struct slot_stream *rows = &slot->streams[stream];
    int64_t id = rows->ids[row];
    rows->is_bad[row] = true;
    if (is_known_bad(loader, of, id)) return false;
    struct error problem = {0};
    status result = picture_of_source(source, id, loader->options.resize, &of->cache, workspace, &problem);
    if (result == STATUS_OK) result = place_views(loader, slot, stream, row, workspace, &problem);
    if (result != STATUS_OK) {
        add_name(source, id, &problem);
        bool is_news = of->is_known_bad == NULL || atomic_exchange(&of->is_known_bad[id], 1) == 0;
        if (is_news) name_bad_picture(loader, problem.message);
        remember_unreadable(loader, rows, row, &problem);
        return false;
    }
    rows->is_bad[row] = false;
    rows->labels[row] = source->label == NULL ? -1 : source->label(source->context, id);
    if (source->class_count > 0)
        source->target(source->context, id, rows->targets + (size_t)row * (size_t)source->class_count);
    if (source->affect != NULL) source->affect(source->context, id, rows->affect + 2 * row);
    return true;
}

/* ---- replacing --------------------------------------------------------------------------------------------------- */

void loader_copy_row(struct loader *loader, struct slot *slot, int stream, int from, int to)
{
    struct slot_stream *rows = &slot->streams[stream];
    size_t classes = (size_t)loader->options.streams[stream].source.class_count;
    for (int view = 0; view < loader->options.streams[stream].views; view++) {
        size_t target = loader_row_of(loader, stream, view, to), origin = loader_row_of(loader, stream, view, from);
        memcpy(rows->pixels + target * loader->values, rows->pixels + origin * loader->values, loader->values);
        rows->erased[target] = rows->erased[origin];
    }
    rows->ids[to] = rows->ids[from];
    rows->labels[to] = rows->labels[from];
    if (loader->options.streams[stream].source.affect != NULL)
        memcpy(rows->affect + 2 * to, rows->affect + 2 * from, 2 * sizeof *rows->affect);
    if (classes > 0)
        memcpy(rows->targets + (size_t)to * classes, rows->targets + (size_t)from * classes,
               classes * sizeof *rows->targets);
}

/* Gives each unreadable row of a group the next readable one of its kind. False when there is none. */
static bool fill_group(struct loader *loader, struct slot *slot, int stream, int first)
{
    const struct picture_source *source = &loader->options.streams[stream].source;
    const struct slot_stream *rows = &slot->streams[stream];
    int group = source->group;
    for (int i = 0; i < group; i++) {
        if (!rows->is_bad[first + i]) continue;
        int from = -1;
        for (int step = 1; step < group && from < 0 && source->kind != NULL; step++) {
            int other = (i + step) % group;
            bool is_alike = source->kind(source->context, other) == source->kind(source->context, i);
            if (is_alike && !rows->is_bad[first + other]) from = first + other;
        }
        if (from < 0) return false;
        loader_copy_row(loader, slot, stream, from, first + i);
    }
    return true;
}

/* Makes a group once more, by another draw. */
static status redraw_group(struct loader *loader, struct slot *slot, int stream, int group, int attempt,
                           struct picture_workspace *workspace, struct error *err)
{
    const struct picture_source *source = &loader->options.streams[stream].source;
    struct slot_stream *rows = &slot->streams[stream];
    struct batch_place place = loader_place_of(loader, slot, stream);
    int first = group * source->group;
    status result = source->draw(source->context, &place, loader_group_of(loader, stream, group), (uint64_t)attempt,
                                 rows->ids + first, err);
    if (result != STATUS_OK) return error_add_context(err, "the %s cannot be drawn", source->what);
    for (int i = 0; i < source->group; i++) rows->bad += !loader_make_row(loader, slot, stream, first + i, workspace);
    rows->drawn += (size_t)source->group;
    return STATUS_OK;
}

static void repair_group(struct loader *loader, struct slot *slot, int stream, int group,
                         struct picture_workspace *workspace)
{
    const struct picture_source *source = &loader->options.streams[stream].source;
    struct slot_stream *rows = &slot->streams[stream];
    int first = group * source->group, attempts = loader->options.replace_bad ? MOST_ATTEMPTS : 0, bad = 0;
    for (int i = 0; i < source->group; i++) bad += rows->is_bad[first + i];
    rows->failures[group] = 0;
    rows->drawn += (size_t)source->group;
    rows->bad += (size_t)bad;
    bool is_usable = bad == 0 || fill_group(loader, slot, stream, first);
    while (!is_usable && rows->failures[group] < attempts) {
        rows->failures[group]++;
        if (redraw_group(loader, slot, stream, group, rows->failures[group], workspace, &slot->error) != STATUS_OK)
            return;
        is_usable = fill_group(loader, slot, stream, first);
    }
    if (is_usable) return;
    rows->failures[group]++;
    if (loader->options.replace_bad && slot->exhausted.code == STATUS_OK)
        error_set(&slot->exhausted, "%d draws of %s in a row cannot be read; the first: %s", MOST_ATTEMPTS,
                  source->what, rows->unreadable.code != STATUS_OK ? rows->unreadable.message : "named before");
}

void loader_repair(struct loader *loader, struct slot *slot, struct picture_workspace *workspace)
{
    for (int stream = 0; stream < loader->options.stream_count; stream++) {
        int groups = slot->streams[stream].rows / loader->options.streams[stream].source.group;
        for (int group = 0; group < groups && slot->error.code == STATUS_OK; group++)
            repair_group(loader, slot, stream, group, workspace);
    }
}
