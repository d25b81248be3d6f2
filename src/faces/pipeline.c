/* The ring of pictures and its workers. Picture n is at home in slots[n % slot_count]; numbers are given out under
 * input_lock, so that they follow the inputs; the assigning step waits for its number's turn. Nobody waits for
 * anything but a lower number or the receiver, so that there is no circle of waiting. */
#include "rmfer/faces/pipeline.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <pthread.h>

enum { MOST_WORKERS = 256 };

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_READY };

struct face_pipeline {
    struct face_inputs *inputs;
    struct face_pipeline_settings settings;
    pthread_mutex_t input_lock; /* who holds it may ask the inputs and give out numbers */
    pthread_mutex_t lock;       /* of everything below */
    pthread_cond_t changed;
    struct face_picture *slots;
    enum slot_state *states;
    size_t slot_count;
    uint64_t taken, assigned, received, released; /* numbers given out, assigned, received and released so far */
    size_t bytes;                                 /* counted for pictures that wait */
    struct face_times times;
    bool ended, stopping;
    pthread_t workers[MOST_WORKERS];
    int worker_count;
};

/* ---- one picture ------------------------------------------------------------------------------------------------- */

static void drop_faces(struct face_picture *picture)
{
    for (size_t i = 0; picture->files != NULL && i < picture->face_count; i++) memory_free(picture->files[i].bytes);
    memory_free(picture->files);
    memory_free(picture->faces);
    memory_free(picture->ids);
    memory_free(picture->crops);
    picture->files = NULL;
    picture->faces = NULL;
    picture->ids = NULL;
    picture->crops = NULL;
    picture->face_count = 0;
}

static void free_picture(struct face_picture *picture)
{
    drop_faces(picture);
    face_input_free(&picture->input);
    *picture = (struct face_picture){0};
}

/* A video's frames come decoded, a folder's and a pipe's pictures do not. */
static status read_image(const struct face_pipeline_settings *settings, struct face_input *input, struct error *err)
{
    if (input->image.rgb != NULL) return STATUS_OK;
    struct image_options options = {.most_pixels = settings->most_pixels};
    if (input->bytes == NULL) return image_read(input->path, &options, &input->image, err);
    status result = image_decode(input->bytes, input->size, &options, &input->image, err);
    memory_free(input->bytes);
    input->bytes = NULL;
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", input->path);
}

/* Waits until all pictures before this one have been assigned; false when the pipeline stops. */
static bool wait_for_turn(struct face_pipeline *pipeline, uint64_t number)
{
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->stopping && pipeline->assigned != number) pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    bool goes_on = !pipeline->stopping;
    pthread_mutex_unlock(&pipeline->lock);
    return goes_on;
}

static void wait_to_find(struct face_pipeline *pipeline, uint64_t number)
{
    const struct face_steps *steps = &pipeline->settings.steps;
    if (steps->waits == NULL) return;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->stopping && pipeline->assigned != number && steps->waits(steps->context))
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    pthread_mutex_unlock(&pipeline->lock);
}

static status assign(struct face_pipeline *pipeline, struct face_picture *picture, struct error *err)
{
    const struct face_steps *steps = &pipeline->settings.steps;
    if (steps->assign == NULL) return STATUS_OK;
    if (!wait_for_turn(pipeline, picture->number)) return error_set(err, "stopped");
    status result = steps->assign(steps->tracker, picture, err);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->assigned++;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
    return result;
}

/* Waits until there is room for the picture's faces; the picture that is wanted next never waits. */
static void wait_for_room(struct face_pipeline *pipeline, struct face_picture *picture)
{
    const struct face_steps *steps = &pipeline->settings.steps;
    const struct image *image = &picture->input.image;
    picture->bytes = steps->cut_bytes(steps->context, picture);
    if (pipeline->settings.keep_image) picture->bytes += (size_t)image->width * (size_t)image->height * 3;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->stopping && pipeline->bytes + picture->bytes > pipeline->settings.budget &&
           picture->number != pipeline->received)
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    pipeline->bytes += picture->bytes;
    pthread_mutex_unlock(&pipeline->lock);
}

static void add_times(struct face_pipeline *pipeline, const struct face_times *times)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->times.find += times->find;
    pipeline->times.cut += times->cut;
    pthread_mutex_unlock(&pipeline->lock);
}

struct face_times face_pipeline_times(struct face_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    struct face_times times = pipeline->times;
    pthread_mutex_unlock(&pipeline->lock);
    return times;
}

static void prepare(struct face_pipeline *pipeline, struct face_picture *picture, struct face_worker *worker)
{
    const struct face_steps *steps = &pipeline->settings.steps;
    struct error *err = &picture->input.error;
    status result = err->code;
    struct face_times times = {0};
    wait_to_find(pipeline, picture->number);
    if (result == STATUS_OK) result = read_image(&pipeline->settings, &picture->input, err);
    bool is_read = result == STATUS_OK;
    double begin = clock_seconds();
    if (result == STATUS_OK) result = steps->find(steps->context, picture, worker, err);
    times.find = clock_seconds() - begin;
    status assigned = assign(pipeline, picture, err);
    if (result == STATUS_OK) result = assigned;
    if (result == STATUS_OK) {
        wait_for_room(pipeline, picture);
        begin = clock_seconds();
        result = steps->cut(steps->context, picture, worker, err);
        times.cut = clock_seconds() - begin;
    }
    add_times(pipeline, &times);
    picture->step_failed = is_read && result != STATUS_OK;
    if (result != STATUS_OK) drop_faces(picture);
    if (!pipeline->settings.keep_image) image_free(&picture->input.image);
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* Waits for the next number's place and takes it; false when the pipeline stops. */
static bool wait_for_place(struct face_pipeline *pipeline, uint64_t *number)
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
static struct face_picture *take(struct face_pipeline *pipeline)
{
    struct face_picture *picture = NULL;
    uint64_t number;
    pthread_mutex_lock(&pipeline->input_lock);
    if (wait_for_place(pipeline, &number)) {
        picture = &pipeline->slots[number % pipeline->slot_count];
        picture->number = number;
        bool found = face_inputs_next(pipeline->inputs, &picture->input);
        pthread_mutex_lock(&pipeline->lock);
        if (found) {
            pipeline->states[number % pipeline->slot_count] = SLOT_TAKEN;
            pipeline->taken++;
        } else {
            pipeline->ended = true;
            picture = NULL;
        }
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->lock);
    }
    pthread_mutex_unlock(&pipeline->input_lock);
    return picture;
}

static void *work(void *argument)
{
    struct face_pipeline *pipeline = argument;
    struct face_worker worker = {0};
    struct face_picture *picture;
    while ((picture = take(pipeline)) != NULL) {
        prepare(pipeline, picture, &worker);
        pthread_mutex_lock(&pipeline->lock);
        pipeline->states[picture->number % pipeline->slot_count] = SLOT_READY;
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->lock);
    }
    detector_workspace_free(&worker.detector);
    crop_workspace_free(&worker.crop);
    return NULL;
}

size_t face_pipeline_bytes(const struct face_pipeline_settings *settings, size_t pixels)
{
    size_t picture = size_multiply(pixels, 3), working = size_multiply((size_t)settings->workers, picture);
    size_t waiting = settings->keep_image ? size_multiply(settings->ahead, picture) : 0;
    return size_add(working, waiting < settings->budget ? waiting : settings->budget);
}

status face_pipeline_create(struct face_pipeline **out, struct face_inputs *inputs,
                            const struct face_pipeline_settings *settings, struct error *err)
{
    *out = NULL;
    struct face_pipeline *pipeline = memory_allocate(1, sizeof *pipeline, "the pipeline", err);
    if (pipeline == NULL) return STATUS_FAILED;
    pthread_cond_init(&pipeline->changed, NULL);
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_mutex_init(&pipeline->input_lock, NULL);
    pipeline->inputs = inputs;
    pipeline->settings = *settings;
    pipeline->slot_count = settings->ahead < 1 ? 1 : settings->ahead;
    int wanted = settings->workers < 1 ? 1 : settings->workers > MOST_WORKERS ? MOST_WORKERS : settings->workers;
    pipeline->slots = memory_allocate(pipeline->slot_count, sizeof *pipeline->slots, "the pipeline", err);
    pipeline->states = memory_allocate(pipeline->slot_count, sizeof *pipeline->states, "the pipeline", err);
    status result = pipeline->slots == NULL || pipeline->states == NULL ? STATUS_FAILED : STATUS_OK;
    static const char *const name = "a thread that reads pictures";
    if (result == STATUS_OK) result = thread_start(&pipeline->workers[0], work, pipeline, name, err);
    pipeline->worker_count = result == STATUS_OK;
    while (result == STATUS_OK && pipeline->worker_count < wanted &&
           thread_start(&pipeline->workers[pipeline->worker_count], work, pipeline, name, NULL) == STATUS_OK)
        pipeline->worker_count++; /* the first is enough */
    if (result == STATUS_OK)
        *out = pipeline;
    else
        face_pipeline_free(pipeline);
    return result;
}

void face_pipeline_free(struct face_pipeline *pipeline)
{
    if (pipeline == NULL) return;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->stopping = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
    face_inputs_stop(pipeline->inputs); /* which a worker may be waiting for */
    for (int i = 0; i < pipeline->worker_count; i++) pthread_join(pipeline->workers[i], NULL);
    for (size_t i = 0; pipeline->slots != NULL && i < pipeline->slot_count; i++) free_picture(&pipeline->slots[i]);
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_mutex_destroy(&pipeline->input_lock);
    memory_free(pipeline->slots);
    memory_free(pipeline->states);
    memory_free(pipeline);
}

/* ---- the receiving end ------------------------------------------------------------------------------------------- */

struct face_picture *face_pipeline_receive(struct face_pipeline *pipeline)
{
    struct face_picture *picture = NULL;
    pthread_mutex_lock(&pipeline->lock);
    BUG_UNLESS(pipeline->received - pipeline->released < pipeline->slot_count);
    size_t at = pipeline->received % pipeline->slot_count;
    while (!(pipeline->received < pipeline->taken && pipeline->states[at] == SLOT_READY) &&
           !(pipeline->ended && pipeline->received == pipeline->taken))
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    if (pipeline->received < pipeline->taken) {
        picture = &pipeline->slots[at];
        pipeline->received++;
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return picture;
}

void face_pipeline_release(struct face_pipeline *pipeline)
{
    BUG_UNLESS(pipeline->released < pipeline->received);
    size_t at = pipeline->released % pipeline->slot_count;
    size_t bytes = pipeline->slots[at].bytes;
    free_picture(&pipeline->slots[at]);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->states[at] = SLOT_FREE;
    pipeline->released++;
    pipeline->bytes -= bytes;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}
