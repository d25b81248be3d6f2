#include "cmd/predict_pipeline.h"

#include "rmfer/base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { MOST_WORKERS = 256 };

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_READY };

/* Pictures are numbered as they come from the inputs; number n is at home in slots[n % slot_count]. */
struct pipeline {
    struct predict_inputs *inputs;
    struct pipeline_settings settings;
    pthread_mutex_t input_lock; /* who holds it may ask the inputs and give out numbers */
    pthread_mutex_t lock;       /* of everything below */
    pthread_cond_t changed;
    struct predict_item *slots;
    enum slot_state *states;
    size_t slot_count;
    uint64_t taken, received, released; /* numbers given out, received and released so far */
    size_t bytes;                       /* counted for pictures that wait */
    bool ended, stopping;
    pthread_t workers[MOST_WORKERS];
    int worker_count;
};

/* One worker's buffers. */
struct workshop {
    struct detector_workspace detector;
    struct crop_workspace crop;
};

/* ---- one picture
 * --------------------------------------------------------------------------------------------------- */

static status read_image(const struct pipeline_settings *settings, struct predict_input *input, struct error *err)
{
    if (input->is_frame) return STATUS_OK;
    bool may_reduce = settings->detector == NULL && !settings->keep_image;
    struct image_options options = {.most_pixels = settings->most_pixels, .side = may_reduce ? settings->side : 0};
    return image_read(input->path, &options, &input->image, err);
}

static status find_faces(const struct pipeline_settings *settings, struct predict_item *item, struct workshop *shop,
                         struct error *err)
{
    item->face_count = 1;
    if (settings->detector == NULL) return STATUS_OK;
    item->is_detected = true;
    return detector_find(settings->detector, &shop->detector, &item->input.image, &settings->detection, &item->faces,
                         &item->face_count, err);
}

/* The whole picture; one that was decoded at a reduced size may end in pixels that are only partly covered. */
static status crop_whole(const struct pipeline_settings *settings, const struct image *image, uint8_t *rgb,
                         struct workshop *shop, struct error *err)
{
    double scale = 1.0 / (image->reduction > 1 ? image->reduction : 1);
    struct image_box whole = {0, 0, image->full_width * scale, image->full_height * scale};
    return image_resize_into(image, &whole, settings->crop.filter, settings->side, settings->side, rgb,
                             &shop->crop.resize, err);
}

/* Faces of which no pixel lies in the picture are left out. */
static status crop_faces(const struct pipeline_settings *settings, struct predict_item *item, struct workshop *shop,
                         struct error *err)
{
    size_t bytes = (size_t)settings->side * (size_t)settings->side * 3, kept = 0;
    item->crops = memory_allocate(item->face_count, bytes, "the faces", err);
    if (item->crops == NULL) return STATUS_FAILED;
    if (!item->is_detected) return crop_whole(settings, &item->input.image, item->crops, shop, err);
    for (size_t i = 0; i < item->face_count; i++) {
        if (crop_face(&item->input.image, &item->faces[i].shape, &settings->crop, settings->side,
                      item->crops + kept * bytes, &shop->crop, NULL) != STATUS_OK)
            continue;
        item->faces[kept++] = item->faces[i];
    }
    item->face_count = kept;
    return STATUS_OK;
}

static void free_item(struct predict_item *item)
{
    predict_input_free(&item->input);
    memory_free(item->faces);
    memory_free(item->crops);
    memory_free(item->logits);
    memory_free(item->features);
    *item = (struct predict_item){0};
}

/* Waits until there is room for the picture's faces; the picture that is wanted next never waits. */
static void wait_for_room(struct pipeline *pipeline, struct predict_item *item, uint64_t number)
{
    const struct image *image = &item->input.image;
    size_t face = (size_t)pipeline->settings.side * (size_t)pipeline->settings.side * 3;
    item->bytes = item->face_count * face;
    if (pipeline->settings.keep_image) item->bytes += (size_t)image->width * (size_t)image->height * 3;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->stopping && pipeline->bytes + item->bytes > pipeline->settings.budget &&
           number != pipeline->received)
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    pipeline->bytes += item->bytes;
    pthread_mutex_unlock(&pipeline->lock);
}

static void prepare(struct pipeline *pipeline, struct predict_item *item, uint64_t number, struct workshop *shop)
{
    const struct pipeline_settings *settings = &pipeline->settings;
    struct error *err = &item->input.error;
    if (err->code != STATUS_OK) return;
    status result = read_image(settings, &item->input, err);
    if (result == STATUS_OK) result = find_faces(settings, item, shop, err);
    if (result == STATUS_OK) {
        wait_for_room(pipeline, item, number);
        result = crop_faces(settings, item, shop, err);
    }
    if (result != STATUS_OK) item->face_count = 0;
    if (!settings->keep_image) image_free(&item->input.image);
}

/* ---- workers
 * ------------------------------------------------------------------------------------------------------- */

/* Waits for the next number's place and takes it; false when the pipeline stops. */
static bool wait_for_place(struct pipeline *pipeline, uint64_t *number)
{
    pthread_mutex_lock(&pipeline->lock);
    *number = pipeline->taken;
    while (!pipeline->stopping && !pipeline->ended && *number - pipeline->released >= pipeline->slot_count)
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    bool goes_on = !pipeline->stopping && !pipeline->ended;
    pthread_mutex_unlock(&pipeline->lock);
    return goes_on;
}

/* The next input into its place; NULL when there is none left. */
static struct predict_item *take(struct pipeline *pipeline, uint64_t *number)
{
    struct predict_item *item = NULL;
    pthread_mutex_lock(&pipeline->input_lock);
    if (wait_for_place(pipeline, number)) {
        item = &pipeline->slots[*number % pipeline->slot_count];
        bool found = predict_inputs_next(pipeline->inputs, &item->input);
        pthread_mutex_lock(&pipeline->lock);
        if (found) {
            pipeline->states[*number % pipeline->slot_count] = SLOT_TAKEN;
            pipeline->taken++;
        } else {
            pipeline->ended = true;
            item = NULL;
        }
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->lock);
    }
    pthread_mutex_unlock(&pipeline->input_lock);
    return item;
}

static void *work(void *argument)
{
    struct pipeline *pipeline = argument;
    struct workshop shop = {0};
    struct predict_item *item;
    uint64_t number;
    while ((item = take(pipeline, &number)) != NULL) {
        prepare(pipeline, item, number, &shop);
        pthread_mutex_lock(&pipeline->lock);
        pipeline->states[number % pipeline->slot_count] = SLOT_READY;
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->lock);
    }
    detector_workspace_free(&shop.detector);
    crop_workspace_free(&shop.crop);
    return NULL;
}

/* Waits are measured with the clock that nobody sets. */
static void init_locks(struct pipeline *pipeline)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pipeline->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_mutex_init(&pipeline->input_lock, NULL);
}

status pipeline_create(struct pipeline **out, struct predict_inputs *inputs, const struct pipeline_settings *settings,
                       struct error *err)
{
    *out = NULL;
    struct pipeline *pipeline = memory_allocate(1, sizeof *pipeline, "the pipeline", err);
    if (pipeline == NULL) return STATUS_FAILED;
    init_locks(pipeline);
    pipeline->inputs = inputs;
    pipeline->settings = *settings;
    pipeline->slot_count = settings->ahead;
    pipeline->slots = memory_allocate(settings->ahead, sizeof *pipeline->slots, "the pipeline", err);
    pipeline->states = memory_allocate(settings->ahead, sizeof *pipeline->states, "the pipeline", err);
    status result = pipeline->slots == NULL || pipeline->states == NULL ? STATUS_FAILED : STATUS_OK;
    int wanted = settings->workers < MOST_WORKERS ? settings->workers : MOST_WORKERS;
    while (result == STATUS_OK && pipeline->worker_count < wanted) {
        if (pthread_create(&pipeline->workers[pipeline->worker_count], NULL, work, pipeline) != 0) break;
        pipeline->worker_count++;
    }
    if (result == STATUS_OK && pipeline->worker_count == 0)
        result = error_set(err, "no thread could be started to read pictures");
    if (result == STATUS_OK)
        *out = pipeline;
    else
        pipeline_free(pipeline);
    return result;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL) return;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->stopping = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
    for (int i = 0; i < pipeline->worker_count; i++) pthread_join(pipeline->workers[i], NULL);
    for (size_t i = 0; pipeline->slots != NULL && i < pipeline->slot_count; i++) free_item(&pipeline->slots[i]);
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_mutex_destroy(&pipeline->input_lock);
    memory_free(pipeline->slots);
    memory_free(pipeline->states);
    memory_free(pipeline);
}

/* ---- the receiving end
 * --------------------------------------------------------------------------------------------- */

static struct timespec later(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)seconds;
    at.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (at.tv_nsec >= 1000000000L) {
        at.tv_nsec -= 1000000000L;
        at.tv_sec++;
    }
    return at;
}

static bool is_ready(const struct pipeline *pipeline)
{
    return pipeline->received < pipeline->taken &&
           pipeline->states[pipeline->received % pipeline->slot_count] == SLOT_READY;
}

enum pipeline_event pipeline_receive(struct pipeline *pipeline, double patience, struct predict_item **item)
{
    enum pipeline_event event = PIPELINE_ITEM;
    struct timespec until = later(patience > 0 ? patience : 0);
    pthread_mutex_lock(&pipeline->lock);
    while (event == PIPELINE_ITEM && !is_ready(pipeline)) {
        if (pipeline->ended && pipeline->received == pipeline->taken)
            event = PIPELINE_ENDED;
        else if (patience < 0)
            pthread_cond_wait(&pipeline->changed, &pipeline->lock);
        else if (pthread_cond_timedwait(&pipeline->changed, &pipeline->lock, &until) == ETIMEDOUT)
            event = is_ready(pipeline) ? PIPELINE_ITEM : PIPELINE_WAITING;
    }
    if (event == PIPELINE_ITEM) {
        *item = &pipeline->slots[pipeline->received % pipeline->slot_count];
        pipeline->received++;
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return event;
}

void pipeline_release(struct pipeline *pipeline)
{
    BUG_UNLESS(pipeline->released < pipeline->received);
    size_t at = pipeline->released % pipeline->slot_count;
    size_t bytes = pipeline->slots[at].bytes;
    free_item(&pipeline->slots[at]);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->states[at] = SLOT_FREE;
    pipeline->released++;
    pipeline->bytes -= bytes;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}
