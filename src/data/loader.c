/* A ring of batches. Workers take pictures in order, batch after batch; the consumer gets batches in order. One lock
 * guards who does what; pictures are written without it, because each picture has one writer. */
#include "data/loader_internal.h"
#include "rmfer/base/threads.h"

#include <string.h>

struct worker {
    struct loader *loader;
    struct picture_workspace *workspace;
};

/* ---- batches -------------------------------------------------------------------------------------------------- */

static void place_of(const struct loader *loader, uint64_t number, uint64_t *epoch, uint64_t *index)
{
    uint64_t from_start = loader->options.start_batch + number;
    *epoch = loader->options.start_epoch + from_start / loader->batches;
    *index = from_start % loader->batches;
}

/* Writes which pictures the next batch has. Only one worker is here at a time. */
static void prepare(struct loader *loader, struct slot *slot)
{
    const struct loader_options *options = &loader->options;
    place_of(loader, loader->making, &slot->epoch, &slot->index);
    if (!loader->has_order || loader->order_epoch != slot->epoch) {
        sampler_epoch(&loader->sampler, slot->epoch, loader->order);
        loader->order_epoch = slot->epoch;
        loader->has_order = true;
    }
    size_t first = (size_t)slot->index * (size_t)options->batch, left = loader->sampler.count - first;
    slot->pictures = left < (size_t)options->batch ? (int)left : options->batch;
    memcpy(slot->asked, loader->order + first, (size_t)slot->pictures * sizeof *slot->asked);
    slot->anchors = slot->epoch >= options->contrastive.first_epoch ? options->contrastive.anchors : 0;
    slot->error = slot->unreadable = (struct error){0};
    slot->bad_faces = 0;
    for (int i = 0; i < slot->anchors * loader->drawn; i++) slot->face_labels[i] = -1;
    for (int anchor = 0; anchor < slot->anchors && slot->error.code == STATUS_OK; anchor++) {
        const struct contrastive_source *source = &options->contrastive.source;
        uint64_t *ids = (uint64_t *)(slot->face_ids + anchor * loader->drawn);
        if (source->draw(source->context, loader_step_of(loader, slot), (uint64_t)anchor, ids, &slot->error) !=
            STATUS_OK)
            error_set(&slot->error, "the contrastive pictures cannot be drawn");
    }
    slot->tasks = slot->error.code == STATUS_OK ? slot->pictures + slot->anchors * loader->drawn : 0;
    slot->done = 0;
}

struct slot *loader_slot_of(const struct loader *loader, uint64_t number)
{
    return &loader->slots[number % (uint64_t)loader->slot_count];
}

/* Marks a slot for the consumer. The lock is held. */
static void finish(struct loader *loader, struct slot *slot)
{
    slot->is_ready = true;
    pthread_cond_broadcast(&loader->ready);
}

/* Waits until there is a picture to make; NULL when the loader stops. The lock is held, and released for preparing.
 */
static struct slot *take_task(struct loader *loader, int *task)
{
    for (;;) {
        if (loader->stop) return NULL;
        bool may_begin =
            loader->making < loader->end && loader->making < loader->released + (uint64_t)loader->slot_count;
        if (loader->is_preparing || !may_begin) {
            pthread_cond_wait(&loader->work, &loader->lock);
            continue;
        }
        struct slot *slot = loader_slot_of(loader, loader->making);
        if (loader->next_task == 0) {
            loader->is_preparing = true;
            pthread_mutex_unlock(&loader->lock);
            prepare(loader, slot);
            pthread_mutex_lock(&loader->lock);
            loader->is_preparing = false;
            pthread_cond_broadcast(&loader->work);
            if (slot->tasks == 0) {
                finish(loader, slot);
                loader->making++;
                continue;
            }
        }
        *task = loader->next_task++;
        if (loader->next_task == slot->tasks) {
            loader->making++;
            loader->next_task = 0;
            pthread_cond_broadcast(&loader->work);
        }
        return slot;
    }
}

static void *run_worker(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    memory_free(argument);
    struct loader *loader = worker.loader;
    int task;
    pthread_mutex_lock(&loader->lock);
    for (struct slot *slot; (slot = take_task(loader, &task)) != NULL;) {
        pthread_mutex_unlock(&loader->lock);
        if (task < slot->pictures)
            loader_make_picture(loader, slot, task, worker.workspace);
        else
            (void)loader_make_face(loader, slot, task - slot->pictures, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        if (++slot->done < slot->tasks) continue;
        pthread_mutex_unlock(&loader->lock);
        loader_repair_faces(loader, slot, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        finish(loader, slot);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- creating ------------------------------------------------------------------------------------------------- */

static status check_options(const struct loader_options *options, struct error *err)
{
    const struct loader_contrastive *contrastive = &options->contrastive;
    BUG_UNLESS(options->batch > 0 && options->image_size > 0 && contrastive->anchors >= 0);
    BUG_UNLESS(contrastive->anchors == 0 || (contrastive->positives > 0 && contrastive->negatives > 0));
    if (options->drop_last && options->dataset->count < (size_t)options->batch)
        return error_set(err, "the %s split has %zu samples, fewer than a batch of %d", options->dataset->split,
                         options->dataset->count, options->batch);
    return STATUS_OK;
}

/* Bytes of everything in one slot, or, given an arena, its pieces. */
static size_t lay_out_slot(const struct loader *loader, struct slot *slot, struct arena *arena)
{
    size_t batch = (size_t)loader->options.batch, classes = (size_t)loader->options.dataset->class_count;
    size_t faces = (size_t)loader->options.contrastive.anchors * (size_t)loader->drawn;
    struct {
        void *place; /* address of the pointer */
        size_t bytes;
    } pieces[] = {
        {&slot->images, batch * loader->values * sizeof *slot->images},
        {&slot->targets, batch * classes * sizeof *slot->targets},
        {&slot->labels, batch * sizeof *slot->labels},
        {&slot->ids, batch * sizeof *slot->ids},
        {&slot->asked, batch * sizeof *slot->asked},
        {&slot->failures, batch * sizeof *slot->failures},
        {&slot->is_missing, batch * sizeof *slot->is_missing},
        {&slot->faces, faces * loader->values},
        {&slot->face_ids, faces * sizeof *slot->face_ids},
        {&slot->face_labels, faces * sizeof *slot->face_labels},
        {&slot->erased, faces * sizeof *slot->erased},
        {&slot->is_bad_face, faces * sizeof *slot->is_bad_face},
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        sum += arena_rounded(pieces[i].bytes);
        if (arena == NULL) continue;
        void *piece = arena_take(arena, pieces[i].bytes);
        memcpy(pieces[i].place, &piece, sizeof piece);
    }
    return sum;
}

static status plan(struct loader *loader, struct error *err)
{
    const struct loader_options *options = &loader->options;
    size_t count = options->dataset->count, side = (size_t)options->image_size;
    size_t faces = (size_t)options->contrastive.anchors * (size_t)loader->drawn;
    loader->values = side * side * 3;
    loader->slot_count = (options->prefetch < 1 ? 1 : options->prefetch) + 1;
    loader->slots = memory_allocate((size_t)loader->slot_count, sizeof *loader->slots, "the ring of batches", err);
    loader->order = memory_allocate(count, sizeof *loader->order, "the order of an epoch", err);
    loader->is_known_bad = memory_allocate(count, sizeof *loader->is_known_bad, "the list of bad pictures", err);
    loader->is_counted_bad = memory_allocate(count, sizeof *loader->is_counted_bad, "the list of bad pictures", err);
    if (loader->slots == NULL || loader->order == NULL || loader->is_known_bad == NULL ||
        loader->is_counted_bad == NULL)
        return STATUS_FAILED;
    size_t face_bytes = arena_rounded(faces * loader->values * sizeof *loader->faces);
    size_t slot_bytes = lay_out_slot(loader, &loader->slots[0], NULL);
    size_t bytes = size_add(face_bytes, size_multiply(slot_bytes, (size_t)loader->slot_count));
    status result = arena_init(&loader->arena, bytes, "the ring of batches", err);
    if (result != STATUS_OK) return result;
    for (int i = 0; i < loader->slot_count; i++) lay_out_slot(loader, &loader->slots[i], &loader->arena);
    if (faces > 0) loader->faces = arena_take(&loader->arena, face_bytes);
    return picture_cache_init(&loader->cache, count, options->cache_bytes, err);
}

/* How many batches an epoch has, and all. */
static void count_batches(struct loader *loader)
{
    const struct loader_options *options = &loader->options;
    uint64_t count = options->dataset->count, batch = (uint64_t)options->batch;
    loader->batches = options->drop_last ? count / batch : (count + batch - 1) / batch;
    loader->end = UINT64_MAX;
    if (options->end_epoch == 0) return;
    uint64_t epochs = options->end_epoch > options->start_epoch ? options->end_epoch - options->start_epoch : 0;
    uint64_t all = epochs * loader->batches;
    loader->end = all > options->start_batch ? all - options->start_batch : 0;
}

static status start_workers(struct loader *loader, struct error *err)
{
    int workers = loader->options.workers > 0 ? loader->options.workers : threads_available();
    loader->threads = memory_allocate((size_t)workers, sizeof *loader->threads, "the loader's threads", err);
    loader->workspaces = memory_allocate((size_t)workers, sizeof *loader->workspaces, "the loader's threads", err);
    if (loader->threads == NULL || loader->workspaces == NULL) return STATUS_FAILED;
    for (int i = 0; i < workers; i++) {
        status result = picture_workspace_init(&loader->workspaces[i], loader->options.image_size, err);
        struct worker *worker = memory_allocate(1, sizeof *worker, "a loader's thread", err);
        bool started = false;
        if (result == STATUS_OK && worker != NULL) {
            *worker = (struct worker){loader, &loader->workspaces[i]};
            started = pthread_create(&loader->threads[i], NULL, run_worker, worker) == 0;
            if (!started) error_set(err, "thread %d of %d for loading pictures cannot be started", i + 1, workers);
        }
        if (!started) {
            memory_free(worker);
            picture_workspace_free(&loader->workspaces[i]);
            return STATUS_FAILED;
        }
        loader->thread_count = i + 1;
    }
    return STATUS_OK;
}

status loader_create(struct loader **loader, const struct loader_options *options, struct error *err)
{
    *loader = NULL;
    status result = check_options(options, err);
    if (result != STATUS_OK) return result;
    struct loader *made = memory_allocate(1, sizeof *made, "the loader", err);
    if (made == NULL) return STATUS_FAILED;
    made->options = *options;
    made->drawn = 1 + options->contrastive.positives + options->contrastive.negatives;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->ready, NULL);
    result = sampler_init(&made->sampler, options->dataset, options->order, options->seed, err);
    if (result == STATUS_OK) result = plan(made, err);
    if (result == STATUS_OK) {
        count_batches(made);
        result = start_workers(made, err);
    }
    if (result != STATUS_OK)
        loader_free(made);
    else
        *loader = made;
    return result;
}

void loader_free(struct loader *loader)
{
    if (loader == NULL) return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->thread_count; i++) {
        pthread_join(loader->threads[i], NULL);
        picture_workspace_free(&loader->workspaces[i]);
    }
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->ready);
    pthread_mutex_destroy(&loader->lock);
    picture_cache_free(&loader->cache);
    sampler_free(&loader->sampler);
    arena_free(&loader->arena);
    memory_free(loader->slots);
    memory_free(loader->order);
    memory_free(loader->is_known_bad);
    memory_free(loader->is_counted_bad);
    memory_free(loader->threads);
    memory_free(loader->workspaces);
    memory_free(loader);
}

uint64_t loader_batches_per_epoch(const struct loader *loader)
{
    return loader->batches;
}

size_t loader_bytes(const struct loader *loader)
{
    return loader->arena.size + atomic_load(&loader->cache.used);
}
