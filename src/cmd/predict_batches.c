/* Batches of predict: filled in the order of the pictures, whatever the time. */
#include "cmd/predict_batches.h"

#include "rmfer/base/memory.h"
#include "rmfer/data/augment.h"
#include "rmfer/nn/inference.h"

#include <stdio.h>
#include <string.h>

/* A face of a picture that waits for its batch: waiting[item], its face-th. */
struct face_reference {
    size_t item, face;
};

struct predict_batches {
    struct batch_settings settings;
    struct model model;
    struct inference *inference;
    size_t side, classes, features;
    float mean[3], std[3];
    /* The batch: normalised faces, whose they are, and the network's answers. */
    struct face_reference *references;
    real *images, *logits, *feature_rows;
    real *mirrored_logits, *mirrored_features; /* with flip */
    real *affect, *mirrored_affect;            /* valence and arousal, where the network has a head for them */
    size_t batch_count;
    /* Pictures received and not yet written, oldest first. */
    struct predict_item *waiting;
    size_t waiting_count, waiting_limit, waiting_bytes;
};

/* ---- setting up -------------------------------------------------------------------------------------------------- */

static status reserve(struct predict_batches *batches, struct error *err)
{
    size_t batch = batches->settings.batch, side = batches->side;
    batches->waiting_limit = PICTURES_A_FACE * batch;
    batches->references = memory_allocate(batch, sizeof *batches->references, "a batch", err);
    batches->waiting = memory_allocate(batches->waiting_limit, sizeof *batches->waiting, "the pictures", err);
    batches->images = memory_allocate(batch * 3 * side, side * sizeof(real), "a batch of faces", err);
    batches->logits = memory_allocate(2 * batch * batches->classes, sizeof(real), "a batch's results", err);
    batches->feature_rows = memory_allocate(2 * batch * batches->features, sizeof(real), "a batch's features", err);
    batches->affect = memory_allocate(2 * batch * AFFECT_DIMENSIONS, sizeof(real), "a batch's results", err);
    if (batches->references == NULL || batches->waiting == NULL || batches->images == NULL || batches->logits == NULL ||
        batches->feature_rows == NULL || batches->affect == NULL)
        return STATUS_FAILED;
    batches->mirrored_logits = batches->logits + batch * batches->classes;
    batches->mirrored_features = batches->feature_rows + batch * batches->features;
    batches->mirrored_affect = batches->affect + batch * AFFECT_DIMENSIONS;
    return STATUS_OK;
}

status predict_batches_create(struct predict_batches **out, const struct batch_settings *settings, struct error *err)
{
    struct predict_batches *batches = *out = memory_allocate(1, sizeof *batches, "the batches", err);
    if (batches == NULL) return STATUS_FAILED;
    const struct checkpoint_info *info = &settings->checkpoint->info;
    batches->settings = *settings;
    batches->side = (size_t)info->image_size;
    batches->classes = info->class_count;
    for (int i = 0; i < 3; i++) {
        batches->mean[i] = (float)info->mean[i];
        batches->std[i] = (float)info->std[i];
    }
    status result = checkpoint_create_model(settings->checkpoint, false, &batches->model, err);
    if (result != STATUS_OK) return result;
    const struct architecture *architecture = &batches->model.architecture;
    batches->features = (size_t)architecture->features;
    result = inference_create(&batches->inference, architecture, batches->model.classes, (int)settings->batch,
                              info->image_size, err);
    if (result == STATUS_OK) result = memory_commit(0, "the network (--batch says how much)", err);
    if (result != STATUS_OK) return result;
    inference_load(batches->inference, &batches->model);
    return reserve(batches, err);
}

static void free_item(struct predict_item *item)
{
    memory_free(item->logits);
    memory_free(item->features);
    memory_free(item->affect);
    *item = (struct predict_item){0};
}

void predict_batches_free(struct predict_batches *batches)
{
    if (batches == NULL) return;
    for (size_t i = 0; i < batches->waiting_count; i++) free_item(&batches->waiting[i]);
    inference_free(batches->inference);
    model_free(&batches->model);
    memory_free(batches->references);
    memory_free(batches->waiting);
    memory_free(batches->images);
    memory_free(batches->logits);
    memory_free(batches->feature_rows);
    memory_free(batches->affect);
    memory_free(batches);
}

size_t predict_batches_features(const struct predict_batches *batches)
{
    return batches->features;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Mirrors every image of the batch in place, left to right. */
static void mirror_images(struct predict_batches *batches)
{
    size_t side = batches->side, rows = batches->batch_count * side;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < (int64_t)rows; row++) {
        real *pixels = batches->images + (size_t)row * side * 3;
        for (size_t left = 0, right = side - 1; left < right; left++, right--)
            for (size_t c = 0; c < 3; c++) {
                real kept = pixels[3 * left + c];
                pixels[3 * left + c] = pixels[3 * right + c];
                pixels[3 * right + c] = kept;
            }
    }
}

static void average(real *values, const real *others, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = (values[i] + others[i]) / 2;
}

static void run_network(struct predict_batches *batches)
{
    int n = (int)batches->batch_count;
    bool affect = batches->model.has_affect;
    inference_run(batches->inference, batches->images, n, batches->feature_rows, batches->logits);
    if (affect) inference_affect(batches->inference, batches->affect);
    if (!batches->settings.flip) return;
    mirror_images(batches);
    inference_run(batches->inference, batches->images, n, batches->mirrored_features, batches->mirrored_logits);
    average(batches->logits, batches->mirrored_logits, batches->batch_count * batches->classes);
    average(batches->feature_rows, batches->mirrored_features, batches->batch_count * batches->features);
    if (!affect) return;
    inference_affect(batches->inference, batches->mirrored_affect);
    average(batches->affect, batches->mirrored_affect, batches->batch_count * AFFECT_DIMENSIONS);
}

/* Gives each picture of the batch its answers. */
static void hand_out(struct predict_batches *batches)
{
    size_t classes = batches->classes, features = batches->features;
    for (size_t i = 0; i < batches->batch_count; i++) {
        struct predict_item *item = &batches->waiting[batches->references[i].item];
        size_t face = batches->references[i].face;
        for (size_t c = 0; c < classes; c++) item->logits[face * classes + c] = (float)batches->logits[i * classes + c];
        for (size_t c = 0; item->features != NULL && c < features; c++)
            item->features[face * features + c] = (float)batches->feature_rows[i * features + c];
        for (size_t c = 0; item->affect != NULL && c < AFFECT_DIMENSIONS; c++)
            item->affect[face * AFFECT_DIMENSIONS + c] = (float)batches->affect[i * AFFECT_DIMENSIONS + c];
        item->classified++;
    }
    batches->batch_count = 0;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

struct run {
    struct predict_batches *batches;
    struct face_pipeline *pipeline;
    struct predict_delivery *delivery;
};

/* Writes the oldest pictures as far as they are done, at once, as who reads along shall not wait for what comes later,
 * and gives their places back. Faces that wait for a batch belong to pictures that are not done, so their references
 * move along. */
static status write_done(const struct run *run, struct error *err)
{
    struct predict_batches *batches = run->batches;
    size_t done = 0;
    status result = STATUS_OK;
    while (result == STATUS_OK && done < batches->waiting_count &&
           batches->waiting[done].classified == batches->waiting[done].picture->face_count) {
        struct predict_item *item = &batches->waiting[done];
        result = predict_delivery_add(run->delivery, item, err);
        batches->waiting_bytes -= item->picture->bytes;
        free_item(item);
        face_pipeline_release(run->pipeline);
        done++;
    }
    if (done > 0) fflush(stdout);
    batches->waiting_count -= done;
    memmove(batches->waiting, batches->waiting + done, batches->waiting_count * sizeof *batches->waiting);
    for (size_t i = 0; i < batches->batch_count; i++) batches->references[i].item -= done;
    return result;
}

static status run_batch(const struct run *run, struct error *err)
{
    if (run->batches->batch_count > 0) {
        run_network(run->batches);
        hand_out(run->batches);
    }
    return write_done(run, err);
}

static status add_face(const struct run *run, const struct face_picture *picture, size_t face, struct error *err)
{
    struct predict_batches *batches = run->batches;
    int side = (int)batches->side;
    size_t pixels = batches->side * batches->side * 3;
    image_normalise(picture->crops + face * pixels, side, side, batches->mean, batches->std, NULL,
                    batches->images + batches->batch_count * pixels);
    batches->references[batches->batch_count++] = (struct face_reference){batches->waiting_count - 1, face};
    return batches->batch_count == batches->settings.batch ? run_batch(run, err) : STATUS_OK;
}

static status add_picture(const struct run *run, struct face_picture *picture, struct error *err)
{
    struct predict_batches *batches = run->batches;
    struct predict_item *item = &batches->waiting[batches->waiting_count++];
    *item = (struct predict_item){.picture = picture};
    batches->waiting_bytes += picture->bytes;
    item->logits = memory_allocate(picture->face_count, batches->classes * sizeof(float), "a picture's results", err);
    if (item->logits == NULL) return STATUS_FAILED;
    if (batches->settings.features) {
        item->features = memory_allocate(picture->face_count, batches->features * sizeof(float), "a picture's features",
                                         err);
        if (item->features == NULL) return STATUS_FAILED;
    }
    if (batches->model.has_affect) {
        item->affect = memory_allocate(picture->face_count, AFFECT_DIMENSIONS * sizeof(float), "a picture's results",
                                       err);
        if (item->affect == NULL) return STATUS_FAILED;
    }
    status result = STATUS_OK;
    size_t faces = picture->face_count; /* the picture is gone once its last face was written */
    for (size_t face = 0; face < faces && result == STATUS_OK; face++) result = add_face(run, picture, face, err);
    return result == STATUS_OK ? write_done(run, err) : result;
}

status predict_batches_run(struct predict_batches *batches, struct face_pipeline *pipeline,
                           struct predict_delivery *delivery, struct error *err)
{
    const struct run run = {batches, pipeline, delivery};
    struct face_picture *picture;
    status result = STATUS_OK;
    while (result == STATUS_OK && (picture = face_pipeline_receive(pipeline)) != NULL) {
        result = add_picture(&run, picture, err);
        bool is_full = batches->waiting_count == batches->waiting_limit ||
                       batches->waiting_bytes > batches->settings.most_bytes;
        if (result == STATUS_OK && is_full) result = run_batch(&run, err);
    }
    return result == STATUS_OK ? run_batch(&run, err) : result;
}
