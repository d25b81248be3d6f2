/* Passes through the backbone: two at once are as two one after the other, one that only scores gives the same features
 * in a fraction of the memory, and weights are packed once for each change of them. */
#include "support/engine_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/base/threads.h"
#include "rmfer/nn/backbone.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4, SIDE = 48 };

/* A model with a backbone over it, and pictures. */
struct passes {
    struct engine_case engine;
    struct backbone *backbone;
    size_t features, image;
};

static real *take(size_t count)
{
    real *taken = memory_allocate(count, sizeof *taken, "a test's room", NULL);
    assert_non_null(taken);
    return taken;
}

static void start(struct passes *p)
{
    threads_set(2);
    engine_start(&p->engine, true, (struct train_step_shape){.image_size = SIDE, .batch = 2 * ROWS});
    assert_int_equal(backbone_create(&p->backbone, &p->engine.model, ROWS, SIDE, NULL), STATUS_OK);
    p->features = (size_t)p->engine.model.architecture.features;
    p->image = (size_t)SIDE * SIDE * 3;
}

static void stop(struct passes *p)
{
    backbone_free(p->backbone);
    engine_stop(&p->engine);
}

static struct backbone_pass *pass_of(struct passes *p, enum pass_kind kind, int rows)
{
    struct backbone_pass *pass;
    assert_int_equal(backbone_pass_create(&pass, p->backbone, kind, rows, NULL), STATUS_OK);
    return pass;
}

/* Teacher and student, or two batches: forward of both, then backward of both. */
static void test_two_passes_live_at_once(void **state)
{
    (void)state;
    struct passes p;
    start(&p);
    struct parameters *all = &p.engine.model.parameters;
    struct backbone_pass *first = pass_of(&p, PASS_TRAINS, ROWS), *second = pass_of(&p, PASS_TRAINS, ROWS - 1);
    struct forward_options options = {.drop_path = 0.4, .seed = 3};
    size_t count = ROWS * p.features;
    real *features = take(count), *apart = take(all->value_count), *upstream = take(count);
    for (size_t i = 0; i < count; i++) upstream[i] = (real)((double)(i % 17) - 8) / 8;
    const real *others = p.engine.images + ROWS * p.image;

    parameters_zero_gradients(all);
    backbone_forward(first, &options, p.engine.images, ROWS, features);
    backbone_backward(first, upstream);
    backbone_forward(second, &options, others, ROWS - 1, features);
    backbone_backward(second, upstream);
    memcpy(apart, all->gradients, all->value_count * sizeof *apart);

    parameters_zero_gradients(all);
    backbone_forward(first, &options, p.engine.images, ROWS, features);
    backbone_forward(second, &options, others, ROWS - 1, features);
    backbone_backward(first, upstream);
    backbone_backward(second, upstream);
    assert_memory_equal(apart, all->gradients, all->value_count * sizeof *apart);

    backbone_pass_free(first);
    backbone_pass_free(second);
    memory_free(features);
    memory_free(apart);
    memory_free(upstream);
    stop(&p);
}

static void check_scoring(enum storage storage)
{
    struct passes p;
    start(&p);
    backbone_store(p.backbone, storage);
    struct backbone_pass *trains = pass_of(&p, PASS_TRAINS, ROWS), *scores = pass_of(&p, PASS_SCORES, 2 * ROWS);
    struct forward_options options = {.drop_path = 0.4, .seed = 3};
    size_t bytes = ROWS * p.features * sizeof(real);
    real *wanted = take(ROWS * p.features), *got = take(ROWS * p.features);
    backbone_forward(trains, &options, p.engine.images, ROWS, wanted);
    backbone_forward(scores, &options, p.engine.images, ROWS, got);
    assert_memory_equal(wanted, got, bytes);
    /* And after other rows went through it. */
    real *others = take(2 * ROWS * p.features);
    backbone_forward(scores, &options, p.engine.images, 2 * ROWS, others);
    backbone_forward(scores, &options, p.engine.images, ROWS, got);
    assert_memory_equal(wanted, got, bytes);
    /* For twice the rows. */
    assert_true(backbone_pass_map_bytes(scores) < 2 * backbone_pass_map_bytes(trains));
    backbone_pass_free(trains);
    backbone_pass_free(scores);
    memory_free(wanted);
    memory_free(got);
    memory_free(others);
    stop(&p);
}

static void test_scoring_gives_the_bits_of_training(void **state)
{
    (void)state;
    check_scoring(STORAGE_REAL);
    check_scoring(STORAGE_BFLOAT16);
    check_scoring(STORAGE_FLOAT16);
}

/* ---- maps stored narrow ------------------------------------------------------------------------------------------ */

/* Features and the backbone's gradients of the same step with another storage. */
static void step_stored(struct passes *p, enum storage storage, real *features, real *gradients)
{
    struct parameters *all = &p->engine.model.parameters;
    struct forward_options options = {.drop_path = 0.4, .seed = 3};
    real *upstream = take(ROWS * p->features);
    for (size_t i = 0; i < ROWS * p->features; i++) upstream[i] = (real)((double)(i % 17) - 8) / 8;
    backbone_store(p->backbone, storage);
    struct backbone_pass *pass = pass_of(p, PASS_TRAINS, ROWS);
    parameters_zero_gradients(all);
    backbone_forward(pass, &options, p->engine.images, ROWS, features);
    backbone_backward(pass, upstream);
    memcpy(gradients, all->gradients, all->value_count * sizeof *gradients);
    backbone_pass_free(pass);
    memory_free(upstream);
}

/* |a - b| / |b| */
static double apart(const real *a, const real *b, size_t count)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        length += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / length);
}

/* How far rounding the kept maps may move a gradient, by a disturbance of the same size that is not rounding. A number
 * of a kept map y = sum of w x is off by at most u of itself (u = 2^-11 in float16, 2^-8 in bfloat16). Weights that are
 * each off by a factor 1 + u e, e even in -1 .. 1, disturb it by sum of w x u e, whose mean square is u^2 / 3 times the
 * sum of (w x)^2: as much as rounding that were even in -u .. u, and more than rounding, which is off by less than u
 * over most of a power of two. And a weight's error is the same at every pixel, where roundings are independent and
 * average out. So gradients at such weights are farther off than those of rounded maps. */
static void disturb_weights(struct passes *p, double unit)
{
    struct parameters *all = &p->engine.model.parameters;
    struct random_stream stream = random_stream(11, RANDOM_TEST, 0, 0);
    real *values = parameters_write(all, GROUP_BACKBONE);
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        if (entry->is_buffer || entry->group != GROUP_BACKBONE || entry->rank != 4) continue;
        for (size_t j = 0; j < entry->count; j++)
            values[entry->offset + j] *= (real)(1 + unit * random_between(&stream, -1, 1));
    }
}

/* Of gradients with weights that are off by `unit`, from `exact`; the weights are as before afterwards. */
static double disturbed_apart(struct passes *p, double unit, const real *exact)
{
    struct parameters *all = &p->engine.model.parameters;
    real *weights = take(all->value_count), *got = take(all->value_count), *features = take(ROWS * p->features);
    memcpy(weights, all->values, all->value_count * sizeof *weights);
    disturb_weights(p, unit);
    step_stored(p, STORAGE_REAL, features, got);
    memcpy(parameters_write(all, GROUP_BACKBONE), weights, all->value_count * sizeof *weights);
    double off = apart(got, exact, all->value_count);
    memory_free(weights);
    memory_free(got);
    memory_free(features);
    return off;
}

static void test_narrow_maps_give_near_gradients(void **state)
{
    (void)state;
    static const struct {
        enum storage storage;
        const char *name;
        double unit;
    } narrow[] = {{STORAGE_FLOAT16, "float16", 0x1p-11}, {STORAGE_BFLOAT16, "bfloat16", 0x1p-8}};
    struct passes p;
    start(&p);
    size_t count = p.engine.model.parameters.value_count;
    real *features = take(ROWS * p.features), *gradients = take(count);
    real *near = take(ROWS * p.features), *got = take(count), *again = take(count);
    step_stored(&p, STORAGE_REAL, features, gradients);
    double off[2];
    for (size_t i = 0; i < 2; i++) {
        step_stored(&p, narrow[i].storage, near, got);
        double bound = disturbed_apart(&p, narrow[i].unit, gradients), moved = apart(near, features, ROWS * p.features);
        off[i] = apart(got, gradients, count);
        print_message("%s: features %.1e, gradients %.1e off; weights off by as much: %.1e\n", narrow[i].name, moved,
                      off[i], bound);
        assert_true(moved > 0 && off[i] > 0 && off[i] < bound);
        step_stored(&p, narrow[i].storage, near, again);
        assert_memory_equal(got, again, count * sizeof *got);
    }
    /* It is rounding that moves them: eight times the unit, about eight times as far. */
    assert_true(off[1] > 4 * off[0] && off[1] < 16 * off[0]);
    memory_free(features);
    memory_free(gradients);
    memory_free(near);
    memory_free(got);
    memory_free(again);
    stop(&p);
}

/* A stem whose weights are a million times too large: more than float16 holds, and bfloat16's range is float's. */
static void test_what_float16_cannot_hold_is_seen(void **state)
{
    (void)state;
    struct passes p;
    start(&p);
    struct parameters *all = &p.engine.model.parameters;
    size_t count = ROWS * p.features;
    real *features = take(count), *gradients = take(all->value_count);
    real *weight = parameters_write(all, GROUP_BACKBONE);
    for (size_t i = 0; i < all->items[0].count; i++) weight[all->items[0].offset + i] *= 1e6f;
    step_stored(&p, STORAGE_FLOAT16, features, gradients);
    assert_true(!isfinite(features[0]));
    step_stored(&p, STORAGE_BFLOAT16, features, gradients);
    for (size_t i = 0; i < count; i++) assert_true(isfinite(features[i]));
    memory_free(features);
    memory_free(gradients);
    stop(&p);
}

/* Of the maps before batch-norm, half. */
static void test_memory_is_what_the_layers_say(void **state)
{
    (void)state;
    struct passes p;
    struct layers layers;
    start(&p);
    layers_describe(&layers, &p.engine.model.architecture, SIDE);
    size_t numbers = 0, bytes[3], rest[3];
    for (size_t i = 0; i < layers.count; i++) numbers += ROWS * layers.items[i].saved_map;
    for (size_t storage = 0; storage < 3; storage++) {
        backbone_store(p.backbone, (enum storage)storage);
        struct backbone_pass *pass = pass_of(&p, PASS_TRAINS, ROWS);
        bytes[storage] = backbone_pass_map_bytes(pass);
        rest[storage] = backbone_pass_scratch_bytes(pass);
        backbone_pass_free(pass);
    }
    print_message("maps: %zu bytes, %zu of them half as many; else %zu and %zu\n", bytes[0], numbers * sizeof(real),
                  rest[0], rest[2]);
    assert_true(bytes[0] - bytes[2] <= numbers * 2 && bytes[0] - bytes[2] > numbers * 2 - (size_t)layers.count * 64);
    assert_int_equal(bytes[1], bytes[2]);
    stop(&p);
}

/* acl.scoring_bn = train: a batch of an anchor and its candidates is scored, never taken back. */
static void test_candidates_do_not_multiply_what_is_saved(void **state)
{
    (void)state;
    enum { MANY = 50 };
    struct architecture architecture;
    struct model model;
    struct train_step *none, *many;
    assert_int_equal(architecture_find(&architecture, "tf_efficientnet_b0", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 3, true, NULL), STATUS_OK);
    struct train_step_shape shape = {.image_size = 64, .batch = 8};
    assert_int_equal(train_step_create(&none, &model, &shape, NULL), STATUS_OK);
    shape.anchors = 1;
    shape.positives = shape.negatives = MANY;
    shape.kept_share = 0.02;
    shape.scoring_with_batch_statistics = true;
    assert_int_equal(train_step_create(&many, &model, &shape, NULL), STATUS_OK);
    size_t saved = train_step_saved_bytes(none), drawn = 1 + 2 * MANY;
    size_t before = saved + train_step_scratch_bytes(none);
    size_t after = train_step_saved_bytes(many) + train_step_scratch_bytes(many);
    print_message("planned: %zu bytes without candidates, %zu with %zu of them; an image saves %zu for backward\n",
                  before, after, drawn, saved / 8);
    assert_int_equal(train_step_saved_bytes(many), saved);
    assert_true(after - before < drawn * (saved / 8) / 2);
    train_step_free(none);
    train_step_free(many);
    model_free(&model);
}

static void test_weights_are_packed_once_for_a_change(void **state)
{
    (void)state;
    struct passes p;
    start(&p);
    struct model *model = &p.engine.model;
    struct backbone_pass *pass = pass_of(&p, PASS_TRAINS, ROWS), *scores = pass_of(&p, PASS_SCORES, ROWS);
    struct forward_options options = {.bn_momentum = 0.1};
    real *features = take(ROWS * p.features);
    assert_int_equal(backbone_packs(p.backbone), 0);
    for (int i = 0; i < 3; i++) {
        backbone_forward(pass, &options, p.engine.images, ROWS, features);
        backbone_forward(scores, &options, p.engine.images, ROWS, features);
    }
    assert_int_equal(backbone_packs(p.backbone), 1);
    /* The heads are not the backbone's. */
    parameters_write(&model->parameters, GROUP_FER);
    backbone_forward(pass, &options, p.engine.images, ROWS, features);
    assert_int_equal(backbone_packs(p.backbone), 1);
    engine_write_values(model);
    backbone_forward(scores, &options, p.engine.images, ROWS, features);
    backbone_forward(pass, &options, p.engine.images, ROWS, features);
    assert_int_equal(backbone_packs(p.backbone), 2);
    backbone_pass_free(pass);
    backbone_pass_free(scores);
    memory_free(features);
    stop(&p);
}

/* A phase-2 pass packs once for the network that trains and once for the one that scores; a frozen backbone never
 * again. */
static void test_a_step_packs_once_for_each_network(void **state)
{
    (void)state;
    struct engine_case c;
    threads_set(2);
    engine_start(&c, true, engine_shape(true));
    for (uint64_t step = 0; step < 3; step++) {
        size_t before = train_step_packs(c.step);
        engine_step(&c, step);
        assert_int_equal(train_step_packs(c.step), before + 2);
        engine_step(&c, step); /* the same weights again */
        assert_int_equal(train_step_packs(c.step), before + 2);
        engine_descend(&c.model, 0.01);
    }
    c.objective.freeze_backbone = true;
    engine_step(&c, 3);
    size_t before = train_step_packs(c.step);
    for (uint64_t step = 4; step < 7; step++) {
        parameters_write(&c.model.parameters, GROUP_FER);
        parameters_write(&c.model.parameters, GROUP_IAL);
        engine_step(&c, step);
    }
    assert_int_equal(train_step_packs(c.step), before);
    engine_stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_passes_live_at_once),
        cmocka_unit_test(test_scoring_gives_the_bits_of_training),
        cmocka_unit_test(test_narrow_maps_give_near_gradients),
        cmocka_unit_test(test_what_float16_cannot_hold_is_seen),
        cmocka_unit_test(test_memory_is_what_the_layers_say),
        cmocka_unit_test(test_candidates_do_not_multiply_what_is_saved),
        cmocka_unit_test(test_weights_are_packed_once_for_a_change),
        cmocka_unit_test(test_a_step_packs_once_for_each_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
