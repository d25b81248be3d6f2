/* Handing batches to the consumer: waiting, closing gaps, normalising. */
#include "data/loader_internal.h"
#include "rmfer/base/clock.h"

#include <string.h>

/* ---- delivering -------------------------------------------------------------------------------------------------- */

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
    status result = loader_check_unreadable(loader, slot, err);
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
