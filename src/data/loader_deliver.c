/* Handing batches to the consumer: waiting, counting what could not be read, closing gaps, normalising. */
#include "data/loader_internal.h"
#include "rmfer/base/clock.h"

#include <string.h>

enum { FEWEST_DRAWN = 1000 }; /* pictures of a source that remembers none, before max_bad can be exceeded by a few */

/* ---- unreadable pictures -------------------------------------------------------------------------------------- */

/* Counts different unreadable samples by going over a batch's draws again, in order: the count is then a function of
 * the batches delivered, not of which worker met a picture first. Returns the last new one, -1 when there is none. */
static status count_bad_samples(struct loader *loader, const struct slot *slot, int stream, int64_t *last,
                                struct error *err)
{
    struct stream *of = &loader->streams[stream];
    const struct picture_source *source = &of->options->source;
    const struct slot_stream *rows = &slot->streams[stream];
    struct batch_place place = loader_place_of(loader, slot, stream);
    for (int row = 0; row < rows->rows; row++) {
        for (uint64_t failure = 0; failure < rows->failures[row]; failure++) {
            int64_t id = rows->asked[row];
            if (failure > 0 && source->draw(source->context, &place, loader_group_of(loader, stream, row), failure, &id, err) != STATUS_OK)
                return STATUS_FAILED;
            if (of->is_counted_bad[id]) continue;
            of->is_counted_bad[id] = true;
            of->bad++;
            *last = id;
        }
    }
    return STATUS_OK;
}

/* A source that remembers its samples may have so many unreadable ones among them. */
static status check_samples(struct loader *loader, const struct slot *slot, int stream, struct error *err)
{
    const struct stream *of = &loader->streams[stream];
    const struct picture_source *source = &of->options->source;
    int64_t last = -1;
    status result = count_bad_samples(loader, slot, stream, &last, err);
    if (result != STATUS_OK || last < 0) return result;
    uint64_t all = source->samples + source->left_out, bad = of->bad + source->left_out;
    if ((double)bad <= loader->options.max_bad * (double)all) return STATUS_OK;
    struct text name = {0};
    result = source->name(source->context, last, &name, err);
    if (result == STATUS_OK)
        result = error_set(err, "%llu of %llu %s cannot be read, more than data.max_bad = %g allows; the last is %s",
                           (unsigned long long)bad, (unsigned long long)all, source->what, loader->options.max_bad,
                           text_string(&name));
    text_free(&name);
    return result;
}

/* Of another, so many of those that were drawn. */
static status check_draws(struct loader *loader, const struct slot *slot, int stream, struct error *err)
{
    struct stream *of = &loader->streams[stream];
    const struct slot_stream *rows = &slot->streams[stream];
    of->bad += rows->bad;
    of->drawn += rows->drawn;
    size_t among = of->drawn < FEWEST_DRAWN ? FEWEST_DRAWN : of->drawn;
    if (rows->bad == 0 || (double)of->bad <= loader->options.max_bad * (double)among) return STATUS_OK;
    return error_set(err, "%zu of %zu %s cannot be read, more than data.max_bad = %g allows; one is %s", of->bad,
                     of->drawn, of->options->source.what, loader->options.max_bad, rows->unreadable.message);
}

static status check_slot(struct loader *loader, const struct slot *slot, struct error *err)
{
    if (slot->error.code != STATUS_OK) return error_set(err, "%s", slot->error.message);
    for (int i = 0; i < loader->options.stream_count; i++) {
        const struct error *unreadable = &slot->streams[i].unreadable;
        if (loader->options.on_error == ON_ERROR_FAIL && unreadable->code != STATUS_OK)
            return error_set(err, "%s (data.on_error = skip goes on without such pictures)", unreadable->message);
    }
    for (int i = 0; i < loader->options.stream_count; i++) {
        bool remembers = loader->options.streams[i].source.samples > 0;
        status result = remembers ? check_samples(loader, slot, i, err) : check_draws(loader, slot, i, err);
        if (result != STATUS_OK) return result;
    }
    return slot->exhausted.code == STATUS_OK ? STATUS_OK : error_set(err, "%s", slot->exhausted.message);
}

/* ---- delivering ----------------------------------------------------------------------------------------------- */

/* Closes the gaps of pictures that are left out. Returns how many are there. */
static int close_gaps(struct loader *loader, struct slot *slot, int stream)
{
    const struct slot_stream *rows = &slot->streams[stream];
    if (loader->options.replace_bad) return rows->rows;
    int kept = 0;
    for (int row = 0; row < rows->rows; row++) {
        if (rows->is_bad[row]) continue;
        if (kept < row) loader_copy_row(loader, slot, stream, row, kept);
        kept++;
    }
    return kept;
}

static void normalise(struct loader *loader, const struct slot_stream *rows, int stream, int view, int count)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    float *images = loader->streams[stream].images[view];
    int side = loader->options.image_size;
#pragma omp parallel for schedule(static)
    for (int row = 0; row < count; row++) {
        size_t at = loader_row_of(loader, stream, view, row);
        struct image image = {.rgb = rows->pixels + at * loader->values, .width = side, .height = side};
        picture_normalise(&image, options->mean, options->std, &rows->erased[at],
                          images + (size_t)row * loader->values);
    }
}

static void deliver(struct loader *loader, struct slot *slot, int stream, struct batch_stream *out)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    struct slot_stream *rows = &slot->streams[stream];
    out->rows = close_gaps(loader, slot, stream);
    out->targets = options->source.class_count > 0 ? rows->targets : NULL;
    out->affect = options->source.affect != NULL ? rows->affect : NULL;
    out->labels = rows->labels;
    out->ids = rows->ids;
    for (int view = 0; view < options->views; view++) {
        normalise(loader, rows, stream, view, out->rows);
        out->images[view] = loader->streams[stream].images[view];
    }
}

/* Releases the last batch and waits for the next; NULL behind the last one. */
static struct slot *wait_for_slot(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->released = loader->delivered;
    pthread_cond_broadcast(&loader->work);
    struct slot *slot = loader->delivered < loader->end ? loader_slot_of(loader, loader->delivered) : NULL;
    if (slot != NULL && !slot->is_ready) {
        double begin = clock_seconds();
        while (!slot->is_ready) pthread_cond_wait(&loader->ready, &loader->lock);
        loader->waited += clock_seconds() - begin;
    }
    if (slot != NULL) {
        slot->is_ready = false;
        loader->delivered++;
    }
    pthread_mutex_unlock(&loader->lock);
    return slot;
}

status loader_next(struct loader *loader, struct batch *batch, struct error *err)
{
    *batch = (struct batch){.epoch = loader->options.end_epoch, .stream_count = loader->options.stream_count};
    for (int i = 0; i < batch->stream_count; i++) {
        batch->streams[i].group = loader->options.streams[i].source.group;
        batch->streams[i].views = loader->options.streams[i].views;
    }
    struct slot *slot = wait_for_slot(loader);
    if (slot == NULL) return STATUS_OK;
    status result = check_slot(loader, slot, err);
    if (result != STATUS_OK) return result;
    batch->epoch = slot->place.epoch;
    batch->index = slot->place.index;
    for (int i = 0; i < batch->stream_count; i++) deliver(loader, slot, i, &batch->streams[i]);
    return STATUS_OK;
}

double loader_wait_seconds(const struct loader *loader)
{
    return loader->waited;
}

size_t loader_bad_pictures(const struct loader *loader)
{
    size_t bad = 0;
    for (int i = 0; i < loader->options.stream_count; i++) bad += loader->streams[i].bad;
    return bad;
}
