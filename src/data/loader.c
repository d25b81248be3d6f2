/* A ring of batches. Workers take pictures in order, batch after batch; the consumer gets batches in order. One lock
 * guards who does what; pixels are written without it, because each picture has one writer.
 *
 * Who may touch a slot: while its batch is being made, the workers, each its own picture; once every picture is done,
 * the worker that finished last (repairs); then the consumer, until it asks for the next batch. */
#include "rmfer/data/loader.h"
#include "data/loader_pictures.h"
#include "data/parallel.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum {
    MOST_ATTEMPTS = 32,     /* draws in place of an unreadable picture */
    MOST_ANCHOR_DRAWS = 16, /* in place of an anchor that cannot be used */
    NAMED_BAD_PICTURES = 20,
    FEWEST_DRAWN = 1000, /* contrastive pictures before max_bad can be exceeded by a few */
};

/* Tells contrastive augmentations from labelled ones, whose streams are keyed by epochs. */
static const uint64_t CONTRASTIVE_KEY = UINT64_C(1) << 63;

struct slot {
    uint64_t epoch, index; /* the batch in it */
    int pictures, anchors; /* asked for */
    int tasks, done;
    bool is_ready;
    float *images;            /* [batch,H,W,3] */
    float *targets;           /* [batch,class_count] */
    int32_t *labels;          /* [batch] */
    int64_t *ids;             /* [batch], the samples that are there */
    int64_t *asked;           /* [batch], the samples that the epoch's order names */
    uint8_t *failures;        /* [batch], unreadable pictures met before the one that is there */
    bool *is_missing;         /* [batch], nothing is there */
    uint8_t *faces;           /* [anchors, drawn, H,W,3] */
    uint64_t *face_ids;       /* [anchors, drawn] */
    struct pixel_box *erased; /* [anchors, drawn] */
    bool *is_bad_face;        /* [anchors, drawn] */
    size_t bad_faces;
    struct error unreadable; /* of the first unreadable picture by place */
    int unreadable_task;
    struct error error; /* the batch could not be made */
};

struct loader {
    struct loader_options options;
    struct sampler sampler;
    struct picture_cache cache;
    struct arena arena;
    struct slot *slots;
    int slot_count;
    int drawn;                  /* pictures of one anchor: 1 + positives + negatives */
    size_t values;              /* floats of one picture */
    uint64_t batches;           /* of an epoch */
    uint64_t end;               /* batches to make in all */
    float *faces;               /* [anchors, drawn, H,W,3], the delivered ones */
    atomic_uchar *is_known_bad; /* [count], named in the log already */
    bool *is_counted_bad;       /* [count], the consumer's */
    size_t bad, bad_faces, drawn_faces;
    double waited;
    atomic_int named;

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop, is_preparing;
    uint64_t released;  /* batches that the consumer is done with */
    uint64_t delivered; /* batches that the consumer has asked for */
    uint64_t making;    /* the batch that pictures are taken from now */
    int next_task;      /* of it; 0 = the batch is not prepared yet */
    int64_t *order;     /* [count], ids of order_epoch */
    uint64_t order_epoch;
    bool has_order;

    pthread_t *threads;
    struct picture_workspace *workspaces;
    int thread_count;
};

struct worker {
    struct loader *loader;
    struct picture_workspace *workspace;
};

/* ---- one picture --------------------------------------------------------------------------------------------------
 */

static void name_bad_picture(struct loader *loader, const char *message)
{
    if (atomic_fetch_add(&loader->named, 1) < NAMED_BAD_PICTURES)
        log_warning("unreadable picture: %s", message);
    else
        log_verbose("unreadable picture: %s", message);
}

static void remember_unreadable(struct loader *loader, struct slot *slot, int task, const struct error *problem)
{
    pthread_mutex_lock(&loader->lock);
    if (slot->unreadable.code == STATUS_OK || task < slot->unreadable_task) {
        slot->unreadable = *problem;
        slot->unreadable_task = task;
    }
    pthread_mutex_unlock(&loader->lock);
}

/* Loads sample `id`; false when it cannot be read. What is known to be bad is not tried again. */
static bool load_sample(struct loader *loader, struct slot *slot, int task, int64_t id,
                        struct picture_workspace *workspace)
{
    const struct loader_options *options = &loader->options;
    atomic_uchar *known = &loader->is_known_bad[id];
    if (options->on_error == ON_ERROR_SKIP && atomic_load(known) != 0) return false;
    struct error problem = {0};
    if (picture_of_sample(options->dataset, (size_t)id, options->resize, &loader->cache, workspace, &problem) ==
        STATUS_OK)
        return true;
    text_make_printable(problem.message);
    if (atomic_exchange(known, 1) == 0) name_bad_picture(loader, problem.message);
    remember_unreadable(loader, slot, task, &problem);
    return false;
}

static void normalise(const struct loader_options *options, const uint8_t *rgb, const double mean[3],
                      const double std[3], const struct pixel_box *erased, float *out)
{
    float means[3], deviations[3];
    for (int c = 0; c < 3; c++) {
        means[c] = (float)mean[c];
        deviations[c] = (float)std[c];
    }
    image_normalise(rgb, options->image_size, options->image_size, means, deviations, erased, out);
}

static void make_picture(struct loader *loader, struct slot *slot, int task, struct picture_workspace *workspace)
{
    const struct loader_options *options = &loader->options;
    uint64_t position = slot->index * (uint64_t)options->batch + (uint64_t)task;
    int64_t id = slot->asked[task];
    int failures = 0;
    bool found = load_sample(loader, slot, task, id, workspace);
    while (!found && options->replace_bad && failures < MOST_ATTEMPTS) {
        failures++;
        id = sampler_replacement(&loader->sampler, slot->epoch, position, (uint64_t)failures);
        found = load_sample(loader, slot, task, id, workspace);
    }
    slot->failures[task] = (uint8_t)(failures + !found);
    slot->is_missing[task] = !found;
    if (!found) return;
    slot->ids[task] = id;
    slot->labels[task] = options->dataset->samples[id].label;
    size_t classes = (size_t)options->dataset->class_count;
    if (classes > 0) dataset_target(options->dataset, (size_t)id, slot->targets + (size_t)task * classes);
    struct pixel_box erased = {0};
    struct error problem = {0};
    struct random_stream stream = random_stream(options->seed, RANDOM_AUGMENT, slot->epoch, position);
    if (options->augment != NULL && augment_apply(&workspace->pixels, options->augment, &stream, &workspace->augment,
                                                  &erased, &problem) != STATUS_OK)
        log_warning("%s", problem.message);
    normalise(options, workspace->pixels.rgb, options->mean, options->std, &erased,
              slot->images + (size_t)task * loader->values);
}

/* ---- contrastive pictures -----------------------------------------------------------------------------------------
 */

/* The number of a batch over all epochs: what contrastive draws are keyed by. */
static uint64_t step_of(const struct loader *loader, const struct slot *slot)
{
    return slot->epoch * loader->batches + slot->index;
}

static bool make_face(struct loader *loader, struct slot *slot, int face, struct picture_workspace *workspace)
{
    const struct loader_contrastive *contrastive = &loader->options.contrastive;
    const struct contrastive_source *source = &contrastive->source;
    static const struct image_box whole = {0};
    struct error problem = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint64_t id = slot->face_ids[face];
    status result = source->read(source->context, id, &bytes, &size, &problem);
    if (result == STATUS_OK)
        result = picture_from_bytes(bytes, size, &whole, loader->options.resize, workspace, &problem);
    memory_free(bytes);
    struct random_stream stream =
        random_stream(loader->options.seed, RANDOM_AUGMENT, CONTRASTIVE_KEY | step_of(loader, slot), (uint64_t)face);
    slot->erased[face] = (struct pixel_box){0};
    if (result == STATUS_OK && contrastive->augment != NULL)
        result = augment_apply(&workspace->pixels, contrastive->augment, &stream, &workspace->augment,
                               &slot->erased[face], &problem);
    slot->is_bad_face[face] = result != STATUS_OK;
    if (result == STATUS_OK) {
        memcpy(slot->faces + (size_t)face * loader->values, workspace->pixels.rgb, loader->values);
        return true;
    }
    struct text name = {0};
    if (source->name(source->context, id, &name, NULL) == STATUS_OK && strstr(problem.message, name.bytes) == NULL)
        error_add_context(&problem, "%s", name.bytes);
    text_free(&name);
    text_make_printable(problem.message);
    name_bad_picture(loader, problem.message);
    remember_unreadable(loader, slot, slot->pictures + face, &problem);
    return false;
}

/* Gives the bad faces of one group (positives, negatives) the next good one's picture. False when none is good. */
static bool fill_group(struct loader *loader, struct slot *slot, int first, int count)
{
    for (int i = 0; i < count; i++) {
        if (!slot->is_bad_face[first + i]) continue;
        int step = 1;
        while (step < count && slot->is_bad_face[first + (i + step) % count]) step++;
        if (step >= count) return false;
        int from = first + (i + step) % count, to = first + i;
        memcpy(slot->faces + (size_t)to * loader->values, slot->faces + (size_t)from * loader->values,
               loader->values);
        slot->face_ids[to] = slot->face_ids[from];
        slot->erased[to] = slot->erased[from];
    }
    return true;
}

static bool repair_anchor(struct loader *loader, struct slot *slot, int anchor)
{
    const struct loader_contrastive *contrastive = &loader->options.contrastive;
    int first = anchor * loader->drawn, positives = contrastive->positives;
    if (slot->is_bad_face[first]) return false;
    return fill_group(loader, slot, first + 1, positives) &&
           fill_group(loader, slot, first + 1 + positives, contrastive->negatives);
}

/* Makes anchors with unreadable pictures usable: candidates are replaced by others of their kind, and an anchor that
 * cannot be read by other draws of the same step. */
static void repair_faces(struct loader *loader, struct slot *slot, struct picture_workspace *workspace)
{
    const struct contrastive_source *source = &loader->options.contrastive.source;
    for (int anchor = 0; anchor < slot->anchors && slot->error.code == STATUS_OK; anchor++) {
        for (int i = 0; i < loader->drawn; i++) slot->bad_faces += slot->is_bad_face[anchor * loader->drawn + i];
        bool usable = repair_anchor(loader, slot, anchor);
        for (int draw = 1; !usable && draw <= MOST_ANCHOR_DRAWS && slot->error.code == STATUS_OK; draw++) {
            uint64_t key = (uint64_t)anchor + (uint64_t)slot->anchors * (uint64_t)draw;
            int first = anchor * loader->drawn;
            if (source->draw(source->context, step_of(loader, slot), key, slot->face_ids + first, &slot->error) !=
                STATUS_OK)
                return;
            for (int i = 0; i < loader->drawn; i++) slot->bad_faces += !make_face(loader, slot, first + i, workspace);
            usable = repair_anchor(loader, slot, anchor);
        }
        if (!usable)
            error_set(&slot->error, "%d draws of an anchor in a row cannot be read; the first: %s", MOST_ANCHOR_DRAWS,
                      slot->unreadable.message);
    }
}

/* ---- batches ------------------------------------------------------------------------------------------------------
 */

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
    for (int anchor = 0; anchor < slot->anchors && slot->error.code == STATUS_OK; anchor++) {
        const struct contrastive_source *source = &options->contrastive.source;
        uint64_t *ids = slot->face_ids + anchor * loader->drawn;
        if (source->draw(source->context, step_of(loader, slot), (uint64_t)anchor, ids, &slot->error) != STATUS_OK)
            error_set(&slot->error, "the contrastive pictures cannot be drawn");
    }
    slot->tasks = slot->error.code == STATUS_OK ? slot->pictures + slot->anchors * loader->drawn : 0;
    slot->done = 0;
}

static struct slot *slot_of(const struct loader *loader, uint64_t number)
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
        struct slot *slot = slot_of(loader, loader->making);
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
            make_picture(loader, slot, task, worker.workspace);
        else
            (void)make_face(loader, slot, task - slot->pictures, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        if (++slot->done < slot->tasks) continue;
        pthread_mutex_unlock(&loader->lock);
        repair_faces(loader, slot, worker.workspace);
        pthread_mutex_lock(&loader->lock);
        finish(loader, slot);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- creating -----------------------------------------------------------------------------------------------------
 */

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

/* ---- delivering ---------------------------------------------------------------------------------------------------
 */

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
        normalise(&loader->options, slot->faces + (size_t)i * loader->values, contrastive->mean, contrastive->std,
                  &slot->erased[i], loader->faces + (size_t)i * loader->values);
}

/* Releases the last batch and waits for the next; NULL behind the last one. */
static struct slot *wait_for_slot(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->released = loader->delivered;
    pthread_cond_broadcast(&loader->work);
    struct slot *slot = loader->delivered < loader->end ? slot_of(loader, loader->delivered) : NULL;
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

status loader_next(struct loader *loader, struct loader_batch *batch, struct error *err)
{
    *batch = (struct loader_batch){.epoch = loader->options.end_epoch};
    struct slot *slot = wait_for_slot(loader);
    if (slot == NULL) return STATUS_OK;
    status result = check_slot(loader, slot, err);
    if (result != STATUS_OK) return result;
    batch->epoch = slot->epoch;
    batch->index = slot->index;
    batch->n = close_gaps(loader, slot);
    batch->images = slot->images;
    batch->targets = loader->options.dataset->class_count > 0 ? slot->targets : NULL;
    batch->labels = slot->labels;
    batch->ids = slot->ids;
    batch->anchors = slot->anchors;
    if (slot->anchors == 0) return STATUS_OK;
    normalise_faces(loader, slot);
    batch->contrastive_images = loader->faces;
    batch->contrastive_ids = slot->face_ids;
    return STATUS_OK;
}

uint64_t loader_batches_per_epoch(const struct loader *loader)
{
    return loader->batches;
}

double loader_wait_seconds(const struct loader *loader)
{
    return loader->waited;
}

size_t loader_bad_pictures(const struct loader *loader)
{
    return loader->bad + loader->bad_faces;
}

size_t loader_bytes(const struct loader *loader)
{
    return loader->arena.size + atomic_load(&loader->cache.used);
}

/* ---- lists of pictures --------------------------------------------------------------------------------------------
 */

struct picture_list {
    const char *const *paths;
    const struct picture_format *format;
    float *images;
    struct error *errors;
    atomic_size_t bad;
};

static void load_range(void *context, size_t begin, size_t end)
{
    struct picture_list *list = context;
    const struct picture_format *format = list->format;
    static const struct image_box whole = {0};
    struct loader_options options = {.image_size = format->image_size};
    size_t values = (size_t)format->image_size * (size_t)format->image_size * 3;
    struct picture_workspace workspace;
    struct error no_workspace = {0};
    status ready = picture_workspace_init(&workspace, format->image_size, &no_workspace);
    for (size_t i = begin; i < end; i++) {
        struct error problem = no_workspace;
        float *out = list->images + i * values;
        if (ready == STATUS_OK &&
            picture_from_path(list->paths[i], &whole, format->resize, &workspace, &problem) == STATUS_OK) {
            normalise(&options, workspace.pixels.rgb, format->mean, format->std, NULL, out);
        } else {
            memset(out, 0, values * sizeof *out);
            atomic_fetch_add(&list->bad, 1);
        }
        if (list->errors != NULL) list->errors[i] = problem;
    }
    picture_workspace_free(&workspace);
}

void loader_load_pictures(const char *const *paths, size_t count, const struct picture_format *format, int workers,
                          float *images, struct error *errors, size_t *bad)
{
    struct picture_list list = {.paths = paths, .format = format, .images = images, .errors = errors};
    parallel_run(count, workers > 0 ? workers : threads_available(), load_range, &list);
    *bad = atomic_load(&list.bad);
}
