/* Two walks, one over the validation split for the temperature, one over the RMset. */
#include "method/moment_teacher.h"

#include "method/guesses.h"
#include "method/moment_consensus.h"
#include "rmfer/method/calibration.h"
#include "rmfer/base/plan.h"
#include "rmfer/nn/inference.h"
#include "rmfer/nn/mirror.h"
#include "rmfer/ops/rows.h"

#include <math.h>
#include <string.h>

/* ---- creation ---- */

static void place(void *self, struct plan *plan)
{
    struct moment_teacher *teacher = self;
    teacher->logits = plan_reals(plan, teacher->rows * teacher->classes);
    teacher->known_logits = plan_reals(plan, size_multiply(teacher->most_known, teacher->classes));
    teacher->known_targets = plan_reals(plan, size_multiply(teacher->most_known, teacher->classes));
    if (!teacher->is_both_sided) return;
    teacher->mirrored_images = plan_reals(plan, size_multiply(teacher->rows, teacher->side * teacher->side * 3));
    teacher->mirrored_logits = plan_reals(plan, teacher->rows * teacher->classes);
}

status moment_teacher_init(struct moment_teacher *teacher, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    BUG_UNLESS(setup->average != NULL && setup->rmset != NULL);
    *teacher = (struct moment_teacher){
        .model = setup->average,
        .index = setup->rmset,
        .rows = (size_t)config->train.batch,
        .side = (size_t)config->data.image_size,
        .faces = (size_t)rmset_index_chosen_faces(setup->rmset),
        .classes = (size_t)setup->model->classes,
        .is_both_sided = config->consensus.view == TEACHER_SEES_MIRRORED,
        .most_known = config->consensus.temperature == 0 ? setup->validation_samples : 0,
    };
    status result = plan_arena_init(&teacher->arena, place, teacher, "the teacher of moments", err);
    if (result != STATUS_OK) return result;
    return inference_create(&teacher->inference, &setup->model->architecture, setup->model->classes, (int)teacher->rows,
                            (int)teacher->side, err);
}

void moment_teacher_free(struct moment_teacher *teacher)
{
    inference_free(teacher->inference);
    arena_free(&teacher->arena);
}

size_t moment_teacher_bytes(const struct moment_teacher *teacher)
{
    return teacher->arena.size + inference_bytes(teacher->inference);
}

enum view_kind moment_teacher_view(const struct config *config)
{
    return config->consensus.view == TEACHER_SEES_WEAK ? VIEW_WEAK : VIEW_AS_IS;
}

/* ---- looking ---- */

size_t moment_teacher_number(const struct moment_teacher *teacher, int64_t id)
{
    uint64_t number = 0;
    BUG_UNLESS(rmset_index_chosen_number(teacher->index, (uint64_t)id, &number));
    return (size_t)number;
}

void moment_teacher_load(struct moment_teacher *teacher)
{
    inference_load(teacher->inference, teacher->model);
}

/* logits [rows,classes]: of the pictures, or the means of theirs and of their mirror images'. */
static void look(struct moment_teacher *teacher, const struct batch_stream *rows, real *logits)
{
    size_t n = (size_t)rows->rows;
    inference_run(teacher->inference, rows->images[0], rows->rows, NULL, logits);
    if (!teacher->is_both_sided) return;
    mirror_images(n, teacher->side, rows->images[0], teacher->mirrored_images);
    inference_run(teacher->inference, teacher->mirrored_images, rows->rows, NULL, teacher->mirrored_logits);
    mirror_average(n * teacher->classes, logits, teacher->mirrored_logits);
}

/* ---- the temperature ---- */

status moment_teacher_temperature(struct moment_teacher *teacher, const struct picture_walk *validation,
                                  double *temperature, struct error *err)
{
    struct batch_stream rows;
    size_t classes = teacher->classes, count = 0;
    status result = validation->next(validation->context, &rows, err);
    while (result == STATUS_OK && rows.rows > 0) {
        size_t n = (size_t)rows.rows;
        BUG_UNLESS(n <= teacher->most_known - count);
        look(teacher, &rows, teacher->known_logits + count * classes);
        memcpy(teacher->known_targets + count * classes, rows.targets, n * classes * sizeof(real));
        count += n;
        result = validation->next(validation->context, &rows, err);
    }
    struct scored_rows scored = {
        .logits = teacher->known_logits, .targets = teacher->known_targets, .n = count, .classes = classes};
    if (result != STATUS_OK) return result;
    double nearest = calibration_nearest_temperature(&scored);
    *temperature = isnan(nearest) ? 1 : nearest;
    return STATUS_OK;
}

/* ---- the faces ---- */

/* Faces that the walk left out, as they cannot be read, have rows of 0: they add nothing to the mean, and then get it.
 */
static void fill_unread(const struct moment_teacher *teacher, real *predictions, double *shares)
{
    size_t classes = teacher->classes;
    consensus_mean(teacher->faces, classes, predictions, shares);
    for (size_t i = 0; i < teacher->faces; i++) {
        real *p = predictions + i * classes;
        bool is_read = p[row_largest(classes, p)] > 0;
        for (size_t c = 0; c < classes && !is_read; c++) p[c] = (real)shares[c];
    }
}

status moment_teacher_predict(struct moment_teacher *teacher, const struct picture_walk *faces, double temperature,
                              real *predictions, double *shares, struct error *err)
{
    struct batch_stream rows;
    size_t classes = teacher->classes;
    memset(predictions, 0, teacher->faces * classes * sizeof *predictions);
    status result = faces->next(faces->context, &rows, err);
    while (result == STATUS_OK && rows.rows > 0) {
        look(teacher, &rows, teacher->logits);
        for (size_t i = 0; i < (size_t)rows.rows; i++)
            guesses_softmax(1, classes, teacher->logits + i * classes, temperature,
                            predictions + moment_teacher_number(teacher, rows.ids[i]) * classes);
        result = faces->next(faces->context, &rows, err);
    }
    if (result == STATUS_OK) fill_unread(teacher, predictions, shares);
    return result;
}
