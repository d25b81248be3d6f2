/* A ring of batches. Workers take rows in order, batch after batch; the consumer gets batches in order. One lock
 * guards who does what; pictures are written without it, because each picture has one writer. */
#include "data/loader_internal.h"
#include "rmfer/base/threads.h"

#include <string.h>

/* A picture of a megapixel with its file, as a worker holds them while it brings the picture to the network's size. */
static const size_t DECODING_BYTES = (size_t)4 << 20;

struct worker {
    struct loader *loader;
    struct picture_workspace *workspace;
};

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* How many rows of a stream are made here for the slot's batch: of the leading one fewer where an epoch's last batch is
 * short. */
static int rows_of(const struct loader *loader, const struct slot *slot, int stream)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    if (slot->place.epoch < options->first_epoch) return 0;
    if (stream > 0) return options->rows;
    uint64_t groups = loader->streams[0].groups, left = options->source.groups - slot->place.index * groups;
    if (left >= groups) return options->rows;
    int here = (int)left * options->source.group - options->first_row;
    return here < 0 ? 0 : here < options->rows ? here : options->rows;
}

/* Writes which pictures the next batch has. Only one worker is here at a time. */
static void prepare(struct loader *loader, struct slot *slot)
{
    uint64_t from_start = loader->options.start_batch + loader->making;
    slot->place.epoch = loader->options.start_epoch + from_start / loader->batches;
    slot->place.index = from_start % loader->batches;
    slot->place.step = slot->place.epoch * loader->batches + slot->place.index;
    slot->error = slot->exhausted = (struct error){0};
    slot->tasks = slot->done = 0;
    for (int stream = 0; stream < loader->options.stream_count && slot->error.code == STATUS_OK; stream++) {
        const struct picture_source *source = &loader->options.streams[stream].source;
        struct slot_stream *rows = &slot->streams[stream];
        struct batch_place place = loader_place_of(loader, slot, stream);
        rows->rows = rows_of(loader, slot, stream);
        rows->unreadable = (struct error){0};
        rows->bad = rows->drawn = 0;
        for (int row = 0; row < rows->rows && slot->error.code == STATUS_OK; row += source->group)
            if (source->draw(source->context, &place, loader_group_of(loader, stream, row / source->group), 0,
                             rows->ids + row, &slot->error) != STATUS_OK)
                error_add_context(&slot->error, "the %s cannot be drawn", source->what);
        memcpy(rows->asked, rows->ids, (size_t)rows->rows * sizeof *rows->asked);
        slot->tasks += rows->rows;
    }
    if (slot->error.code != STATUS_OK) slot->tasks = 0;
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
        bool may_begin = loader->making < loader->end &&
                         loader->making < loader->released + (uint64_t)loader->slot_count;
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

/* Rows are numbered stream after stream. */
static void make_task(struct loader *loader, struct slot *slot, int task, struct picture_workspace *workspace)
{
    int stream = 0;
    for (; task >= slot->streams[stream].rows; stream++) task -= slot->streams[stream].rows;
    (void)loader_make_row(loader, slot, stream, task, workspace);
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
        make_task(loader, slot, task, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        if (++slot->done < slot->tasks) continue;
        pthread_mutex_unlock(&loader->lock);
        loader_repair(loader, slot, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        finish(loader, slot);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- creating ---------------------------------------------------------------------------------------------------- */

static status check_options(const struct loader_options *options, struct error *err)
{
    BUG_UNLESS(options->stream_count > 0 && options->stream_count <= MOST_STREAMS && options->image_size > 0);
    for (int i = 0; i < options->stream_count; i++) {
        const struct loader_stream *stream = &options->streams[i];
        int group = stream->source.group;
        BUG_UNLESS(group > 0 && stream->rows > 0 && stream->rows % group == 0 && stream->first_row % group == 0);
        BUG_UNLESS(stream->first_row + stream->rows <= loader_batch_rows(stream) &&
                   loader_batch_rows(stream) % group == 0);
        BUG_UNLESS(group == 1 || (options->replace_bad && stream->source.samples == 0));
        BUG_UNLESS(stream->views > 0 && stream->views <= MOST_VIEWS && stream->source.key < 16);
        for (int view = 0; view < stream->views; view++)
            BUG_UNLESS(stream->kinds[view] == VIEW_AS_IS || stream->augment != NULL);
    }
    const struct loader_stream *leading = &options->streams[0];
    uint64_t groups = (uint64_t)(loader_batch_rows(leading) / leading->source.group), all = leading->source.groups;
    if (leading->source.groups == 0 || (options->drop_last && all < groups))
        return error_set(err, "there are %llu %s, fewer than a batch of %llu", (unsigned long long)all,
                         leading->source.what, (unsigned long long)groups);
    return STATUS_OK;
}

/* Bytes of a stream's part of a slot, or, given an arena, its pieces. */
static size_t lay_out_rows(const struct loader *loader, int stream, struct slot_stream *out, struct arena *arena)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    size_t rows = (size_t)options->rows, views = (size_t)options->views;
    struct {
        void *place; /* address of the pointer */
        size_t bytes;
    } pieces[] = {
        {&out->pixels, size_multiply(views * rows, loader->values)},
        {&out->erased, views * rows * sizeof *out->erased},
        {&out->ids, rows * sizeof *out->ids},
        {&out->asked, rows * sizeof *out->asked},
        {&out->labels, rows * sizeof *out->labels},
        {&out->targets, rows * (size_t)options->source.class_count * sizeof *out->targets},
        {&out->affect, options->source.affect == NULL ? 0 : 2 * rows * sizeof *out->affect},
        {&out->is_bad, rows * sizeof *out->is_bad},
        {&out->failures, (size_t)loader->streams[stream].groups * sizeof *out->failures},
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        sum = size_add(sum, arena_rounded(pieces[i].bytes));
        if (arena == NULL) continue;
        void *piece = arena_take(arena, pieces[i].bytes);
        memcpy(pieces[i].place, &piece, sizeof piece);
    }
    return sum;
}

/* Bytes of the ring and of what is delivered, or, given an arena, its pieces. */
static size_t lay_out(struct loader *loader, struct arena *arena)
{
    size_t sum = 0;
    for (int i = 0; i < loader->options.stream_count; i++) {
        const struct loader_stream *options = &loader->options.streams[i];
        size_t view = size_multiply((size_t)options->rows, loader->values * sizeof(float));
        for (int j = 0; j < options->views; j++) {
            sum = size_add(sum, arena_rounded(view));
            if (arena != NULL) loader->streams[i].images[j] = arena_take(arena, view);
        }
        for (int j = 0; j < loader->slot_count; j++)
            sum = size_add(sum, lay_out_rows(loader, i, &loader->slots[j].streams[i], arena));
    }
    return sum;
}

/* What is remembered of a source's samples. */
static status remember_samples(struct loader *loader, struct stream *stream, struct error *err)
{
    size_t count = (size_t)stream->options->source.samples;
    if (count == 0) return STATUS_OK;
    stream->is_known_bad = memory_allocate(count, sizeof *stream->is_known_bad, "the list of bad pictures", err);
    stream->badness = memory_allocate(count, sizeof *stream->badness, "the list of bad pictures", err);
    stream->met_ids = memory_allocate(count, sizeof *stream->met_ids, "the list of bad pictures", err);
    if (stream->is_known_bad == NULL || stream->badness == NULL || stream->met_ids == NULL) return STATUS_FAILED;
    if (loader->options.room != NULL) {
        picture_cache_share(&stream->cache, count, loader->options.room);
        return STATUS_OK;
    }
    return picture_cache_init(&stream->cache, count, loader->options.cache_bytes, &loader->cached, err);
}

static status plan(struct loader *loader, struct error *err)
{
    const struct loader_options *options = &loader->options;
    size_t side = (size_t)options->image_size;
    loader->values = side * side * 3;
    loader->slot_count = (options->prefetch < 1 ? 1 : options->prefetch) + 1;
    loader->slots = memory_allocate((size_t)loader->slot_count, sizeof *loader->slots, "the ring of batches", err);
    if (loader->slots == NULL) return STATUS_FAILED;
    for (int i = 0; i < options->stream_count; i++) {
        struct stream *stream = &loader->streams[i];
        stream->options = &options->streams[i];
        stream->groups = (uint64_t)(loader_batch_rows(&options->streams[i]) / options->streams[i].source.group);
        status result = remember_samples(loader, stream, err);
        if (result != STATUS_OK) return result;
    }
    status result = loader_meet_peers(loader, err);
    if (result == STATUS_OK) result = arena_init(&loader->arena, lay_out(loader, NULL), "the ring of batches", err);
    if (result == STATUS_OK) (void)lay_out(loader, &loader->arena);
    return result;
}

/* How many batches an epoch has, and all. */
static void count_batches(struct loader *loader)
{
    const struct loader_options *options = &loader->options;
    uint64_t count = options->streams[0].source.groups, batch = loader->streams[0].groups;
    loader->batches = options->drop_last ? count / batch : (count + batch - 1) / batch;
    loader->end = UINT64_MAX;
    if (options->end_epoch == 0) return;
    uint64_t epochs = options->end_epoch > options->start_epoch ? options->end_epoch - options->start_epoch : 0;
    uint64_t all = epochs * loader->batches;
    loader->end = all > options->start_batch ? all - options->start_batch : 0;
}

static status start_workers(struct loader *loader, struct error *err)
{
    int workers = loader->options.workers > 0 ? loader->options.workers : threads_get();
    loader->threads = memory_allocate((size_t)workers, sizeof *loader->threads, "the loader's threads", err);
    loader->workspaces = memory_allocate((size_t)workers, sizeof *loader->workspaces, "the loader's threads", err);
    if (loader->threads == NULL || loader->workspaces == NULL) return STATUS_FAILED;
    for (int i = 0; i < workers; i++) {
        status result = picture_workspace_init(&loader->workspaces[i], loader->options.image_size, err);
        struct worker *worker = memory_allocate(1, sizeof *worker, "a loader's thread", err);
        if (worker == NULL) result = STATUS_FAILED;
        if (result == STATUS_OK) {
            *worker = (struct worker){loader, &loader->workspaces[i]};
            result = thread_start(&loader->threads[i], run_worker, worker, "a thread that loads pictures", err);
        }
        if (result != STATUS_OK) {
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
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->ready, NULL);
    result = plan(made, err);
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
    for (int i = 0; i < loader->options.stream_count; i++) {
        picture_cache_free(&loader->streams[i].cache);
        memory_free(loader->streams[i].is_known_bad);
        memory_free(loader->streams[i].badness);
        memory_free(loader->streams[i].met_ids);
    }
    memory_free(loader->met_by_all);
    memory_free(loader->ids_of_all);
    arena_free(&loader->arena);
    memory_free(loader->slots);
    memory_free(loader->threads);
    memory_free(loader->workspaces);
    memory_free(loader);
}

uint64_t loader_batches_per_epoch(const struct loader *loader)
{
    return loader->batches;
}

/* In the cache of this process or in that of the machine. */
static size_t cached_bytes(const struct loader *loader)
{
    const struct picture_room *room = loader->options.room;
    return room == NULL ? atomic_load(&loader->cached) : picture_room_bytes(room);
}

size_t loader_bytes(const struct loader *loader)
{
    return loader->arena.size + cached_bytes(loader);
}

size_t loader_bytes_to_come(const struct loader *loader)
{
    size_t limit = loader->options.cache_bytes, cached = cached_bytes(loader), wanted = 0;
    size_t picture = cached_picture_bytes((size_t)loader->options.image_size);
    for (int i = 0; i < loader->options.stream_count; i++)
        wanted = size_add(wanted, size_multiply((size_t)loader->options.streams[i].source.samples, picture));
    if (wanted > limit) wanted = limit;
    size_t decoding = size_multiply((size_t)loader->thread_count, DECODING_BYTES);
    return size_add(wanted > cached ? wanted - cached : 0, decoding);
}
