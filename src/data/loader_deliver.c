/* Handing batches to the consumer: waiting, counting what could not be read, closing gaps, normalising. */
#include "data/loader_internal.h"

#include <string.h>
#include <time.h>

enum { FEWEST_DRAWN = 1000 }; /* contrastive pictures before max_bad can be exceeded by a few */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Counts different unreadable samples by going over a batch's draws again, in order: the count is then a function of
 * the batches delivered, not of which worker met a picture first. Returns the last new one, -1 when there is none. */
static int64_t count_bad_samples(struct loader *loader, const struct slot *slot)
{
    int64_t last = -1;
    for (int task = 0; task < slot->pictures; task++) {
        uint64_t position = slot->index * (uint64_t)loader->options.batch + (uint64_t)task;
        for (uint64_t failure = 0; failure < slot->failures[task]; failure++) {
            int64_t id = slot->asked[task];
            if (failure > 0) id = sampler_replacement(&loader->sampler, slot->epoch, position, failure);
            if (loader->is_counted_bad[id]) continue;
            loader->is_counted_bad[id] = true;
            loader->bad++;
            last = id;
        }
    }
    return last;
}

static status check_bad_samples(struct loader *loader, int64_t last, struct error *err)
{
    const struct dataset *dataset = loader->options.dataset;
    size_t all = dataset->count + dataset->unreadable, bad = loader->bad + dataset->unreadable;
    if (last < 0 || (double)bad <= loader->options.max_bad * (double)all) return STATUS_OK;
    return error_set(err, "%zu of %zu pictures cannot be read, more than data.max_bad = %g allows; the last is %s",
                     bad, all, loader->options.max_bad, dataset_path(dataset, (size_t)last));
}

static status check_bad_faces(struct loader *loader, const struct slot *slot, struct error *err)
{
    loader->bad_faces += slot->bad_faces;
    loader->drawn_faces += (size_t)slot->anchors * (size_t)loader->drawn;
    size_t of = loader->drawn_faces < FEWEST_DRAWN ? FEWEST_DRAWN : loader->drawn_faces;
    if (slot->bad_faces == 0 || (double)loader->bad_faces <= loader->options.max_bad * (double)of) return STATUS_OK;
    return error_set(err,
                     "%zu of %zu contrastive pictures cannot be read, more than data.max_bad = %g allows; one is %s",
                     loader->bad_faces, loader->drawn_faces, loader->options.max_bad, slot->unreadable.message);
}

static status check_slot(struct loader *loader, const struct slot *slot, struct error *err)
{
    if (slot->error.code != STATUS_OK) return error_set(err, "%s", slot->error.message);
    int64_t last = count_bad_samples(loader, slot);
    if (loader->options.on_error == ON_ERROR_FAIL && slot->unreadable.code != STATUS_OK)
        return error_set(err, "%s (data.on_error = skip goes on without such pictures)", slot->unreadable.message);
    status result = check_bad_samples(loader, last, err);
    return result == STATUS_OK ? check_bad_faces(loader, slot, err) : result;
}

/* Closes the gaps of pictures that are left out. Returns how many are there. */
static int close_gaps(const struct loader *loader, struct slot *slot)
{
    size_t classes = (size_t)loader->options.dataset->class_count;
    int kept = 0;
    for (int i = 0; i < slot->pictures; i++) {
        if (slot->is_missing[i]) continue;
        if (kept < i) {
            size_t to = (size_t)kept, from = (size_t)i;
            memcpy(slot->images + to * loader->values, slot->images + from * loader->values,
                   loader->values * sizeof *slot->images);
            memcpy(slot->targets + to * classes, slot->targets + from * classes, classes * sizeof *slot->targets);
            slot->labels[kept] = slot->labels[i];
            slot->ids[kept] = slot->ids[i];
        }
        kept++;
    }
    return kept;
}

/* Contrastive pictures wait as bytes, a quarter of the room, and become floats here. */
static void normalise_faces(struct loader *loader, const struct slot *slot)
{
    const struct loader_contrastive *contrastive = &loader->options.contrastive;
    int count = slot->anchors * loader->drawn;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < count; i++)
        loader_normalise(loader->options.image_size, slot->faces + (size_t)i * loader->values, contrastive->mean,
                         contrastive->std, &slot->erased[i], loader->faces + (size_t)i * loader->values);
}

/* Releases the last batch and waits for the next; NULL behind the last one. */
static struct slot *wait_for_slot(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->released = loader->delivered;
    pthread_cond_broadcast(&loader->work);
    struct slot *slot = loader->delivered < loader->end ? loader_slot_of(loader, loader->delivered) : NULL;
    if (slot != NULL && !slot->is_ready) {
        double begin = seconds_now();
        while (!slot->is_ready) pthread_cond_wait(&loader->ready, &loader->lock);
        loader->waited += seconds_now() - begin;
    }
    if (slot != NULL) {
        slot->is_ready = false;
        loader->delivered++;
    }
    pthread_mutex_unlock(&loader->lock);
    return slot;
}

static struct batch_stream labelled_stream(const struct loader *loader, struct slot *slot)
{
    return (struct batch_stream){
        .rows = close_gaps(loader, slot),
        .group = 1,
        .views = 1,
        .images = {slot->images},
        .targets = loader->options.dataset->class_count > 0 ? slot->targets : NULL,
        .labels = slot->labels,
        .ids = slot->ids,
    };
}

static struct batch_stream contrastive_stream(struct loader *loader, const struct slot *slot)
{
    normalise_faces(loader, slot);
    return (struct batch_stream){
        .rows = slot->anchors * loader->drawn,
        .group = loader->drawn,
        .views = 1,
        .images = {loader->faces},
        .labels = slot->face_labels,
        .ids = slot->face_ids,
    };
}

status loader_next(struct loader *loader, struct batch *batch, struct error *err)
{
    *batch = (struct batch){.epoch = loader->options.end_epoch};
    batch->stream_count = loader->options.contrastive.anchors > 0 ? 2 : 1;
    struct slot *slot = wait_for_slot(loader);
    if (slot == NULL) return STATUS_OK;
    status result = check_slot(loader, slot, err);
    if (result != STATUS_OK) return result;
    batch->epoch = slot->epoch;
    batch->index = slot->index;
    batch->streams[0] = labelled_stream(loader, slot);
    if (batch->stream_count > 1) batch->streams[1] = contrastive_stream(loader, slot);
    return STATUS_OK;
}

double loader_wait_seconds(const struct loader *loader)
{
    return loader->waited;
}

size_t loader_bad_pictures(const struct loader *loader)
{
    return loader->bad + loader->bad_faces;
}
