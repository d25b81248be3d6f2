/* Building and freeing the shrunken network of a test. */
#include "support/engine_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static real *random_reals(size_t count, uint64_t key)
{
    real *values = memory_allocate(count, sizeof *values, "a test's numbers", NULL);
    assert_non_null(values);
    struct random_stream stream = random_stream(13, RANDOM_TEST, key, 2);
    for (size_t i = 0; i < count; i++) values[i] = (real)random_normal(&stream);
    return values;
}

/* Batch-norm's scales of 1 and shifts of 0 would hide mistakes. */
static void stir(struct model *model)
{
    struct parameters *all = &model->parameters;
    struct random_stream stream = random_stream(13, RANDOM_TEST, 9, 3);
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].is_buffer) continue;
        real *values = parameter_write(all, &all->items[i]);
        for (size_t j = 0; j < all->items[i].count; j++) values[j] += (real)(0.1 * random_normal(&stream));
    }
    real *buffers = parameters_write_buffers(all);
    for (size_t i = 0; i < all->buffer_count; i++) buffers[i] += (real)(0.3 * random_uniform(&stream));
}

struct train_step_shape engine_shape(bool contrasts)
{
    struct train_step_shape shape = {.image_size = 48, .batch = 6};
    if (contrasts) {
        shape.anchors = 2;
        shape.positives = shape.negatives = 4;
        shape.kept_share = 0.5;
    }
    return shape;
}

void engine_start(struct engine_case *c, bool same_padding, struct train_step_shape shape)
{
    struct architecture architecture;
    *c = (struct engine_case){.shape = shape, .objective = objective_defaults()};
    assert_int_equal(architecture_tiny(&architecture, same_padding, 8, 2, NULL), STATUS_OK);
    assert_int_equal(model_create(&c->model, &architecture, ENGINE_CLASSES, true, NULL), STATUS_OK);
    model_initialise(&c->model, 17);
    stir(&c->model);
    assert_int_equal(train_step_create(&c->step, &c->model, &shape, NULL), STATUS_OK);
    size_t image = (size_t)(shape.image_size * shape.image_size) * 3, batch = (size_t)shape.batch;
    c->images = random_reals(batch * image, 1);
    c->targets = memory_allocate(batch * ENGINE_CLASSES, sizeof *c->targets, "targets", NULL);
    assert_non_null(c->targets);
    for (size_t i = 0; i < batch; i++) c->targets[i * ENGINE_CLASSES + i * 3 % ENGINE_CLASSES] = 1;
    c->labelled = (struct labelled_batch){.n = shape.batch, .images = c->images, .targets = c->targets};
    size_t drawn = (size_t)(shape.anchors * (1 + shape.positives + shape.negatives));
    c->contrastive_images = random_reals(drawn * image, 2);
    c->contrastive = (struct contrastive_batch){.anchors = shape.anchors, .images = c->contrastive_images};
}

void engine_stop(struct engine_case *c)
{
    train_step_free(c->step);
    model_free(&c->model);
    memory_free(c->images);
    memory_free(c->targets);
    memory_free(c->contrastive_images);
}

void engine_step(struct engine_case *c, uint64_t draw)
{
    parameters_zero_gradients(&c->model.parameters);
    train_step_run(c->step, &c->objective, &c->labelled, c->shape.anchors > 0 ? &c->contrastive : NULL, 31, draw,
                   &c->losses);
}

real *engine_write_values(struct model *model)
{
    real *values = NULL;
    for (int group = 0; group < GROUP_COUNT; group++)
        values = parameters_write(&model->parameters, (enum parameter_group)group);
    return values;
}

void engine_descend(struct model *model, double rate)
{
    const struct parameters *all = &model->parameters;
    real *values = engine_write_values(model);
    for (size_t i = 0; i < all->value_count; i++) values[i] -= (real)rate * all->gradients[i];
}

static double length(const real *a, const real *b, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (b == NULL ? 0 : (double)b[i]);
        squares += difference * difference;
    }
    return sqrt(squares);
}

double engine_distance(const real *a, const real *b, size_t count)
{
    double apart = length(a, b, count), size = length(b, NULL, count);
    return apart == 0 ? 0 : apart / size;
}

double engine_gradient_distance(const struct model *a, const struct model *b)
{
    double most = 0, whole = length(b->parameters.gradients, NULL, b->parameters.value_count);
    for (size_t i = 0; i < a->parameters.count; i++) {
        const struct parameter *entry = &a->parameters.items[i];
        if (entry->is_buffer) continue;
        const real *x = a->parameters.gradients + entry->offset, *y = b->parameters.gradients + entry->offset;
        double apart = length(x, y, entry->count), size = length(y, NULL, entry->count);
        double distance = apart / fmax(size, 1e-3 * whole);
        /* NaN must not pass for near. */
        if (!(distance <= most)) most = distance;
    }
    return most;
}

bool all_finite(const real *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

struct objective engine_whole_objective(void)
{
    struct objective objective = objective_defaults();
    objective.dropout = 0.3;
    objective.drop_path = 0.3;
    objective.label_smoothing = 0.1;
    return objective;
}

real *engine_take(size_t count)
{
    void *taken = memory_allocate(count, sizeof(real), "a test's room", NULL);
    assert_non_null(taken);
    return taken;
}

real *engine_copy(const real *values, size_t count)
{
    real *copied = memory_allocate(count, sizeof *copied, "a copy", NULL);
    assert_non_null(copied);
    memcpy(copied, values, count * sizeof *copied);
    return copied;
}
