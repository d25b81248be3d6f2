/* acl.scoring = cached: what is remembered is, to the bit, what the copied weights make of a face, whichever faces it
 * was drawn with; the copy is renewed when it is due; a step that renews every time is the fresh one; and a cache that
 * was made anew from what a checkpoint holds goes on with the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "method/scoring_cache.h"
#include "rmfer/base/memory.h"
#include "rmfer/nn/inference.h"
#include "support/engine_case.h"

#include <string.h>

enum { FACES = 18, DRAWN = 9 };

static struct scoring_cache *cache_of(const struct engine_case *c, uint64_t refresh)
{
    struct scoring_cache *cache;
    assert_int_equal(scoring_cache_create(&cache, &c->model, FACES, DRAWN, c->shape.image_size, refresh, NULL),
                     STATUS_OK);
    return cache;
}

static size_t width(const struct engine_case *c)
{
    return (size_t)c->model.architecture.features;
}

/* Pictures of the faces `ids` out of the case's 18, and their features by the cache. */
static size_t draw(const struct engine_case *c, struct scoring_cache *cache, const int64_t *ids, size_t n,
                   real *features)
{
    size_t image = (size_t)(c->shape.image_size * c->shape.image_size) * 3;
    real *images = memory_allocate(n * image, sizeof *images, "a draw", NULL);
    assert_non_null(images);
    for (size_t i = 0; i < n; i++)
        memcpy(images + i * image, c->contrastive_images + (size_t)ids[i] * image, image * sizeof *images);
    size_t computed = scoring_cache_features(cache, images, ids, n, features);
    memory_free(images);
    return computed;
}

/* What the present weights make of all faces, one at a time. */
static real *fresh_features(const struct engine_case *c)
{
    size_t image = (size_t)(c->shape.image_size * c->shape.image_size) * 3, d = width(c);
    real *features = memory_allocate(FACES * d, sizeof *features, "features", NULL);
    struct inference *inference;
    assert_non_null(features);
    assert_int_equal(inference_create(&inference, &c->model.architecture, c->model.classes, 1, c->shape.image_size,
                                      NULL),
                     STATUS_OK);
    inference_load(inference, &c->model);
    for (size_t i = 0; i < FACES; i++)
        inference_run(inference, c->contrastive_images + i * image, 1, features + i * d, NULL);
    inference_free(inference);
    return features;
}

static void assert_features(const real *given, const real *all, const int64_t *ids, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) assert_memory_equal(given + i * d, all + (size_t)ids[i] * d, d * sizeof *given);
}

static const int64_t FIRST[DRAWN] = {0, 3, 4, 5, 6, 7, 8, 9, 10}, SECOND[DRAWN] = {3, 11, 4, 12, 13, 0, 14, 14, 1};

static void test_a_face_is_computed_once(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    struct scoring_cache *cache = cache_of(&c, 2);
    real *old = fresh_features(&c), *given = memory_allocate(DRAWN * width(&c), sizeof *given, "features", NULL);
    scoring_cache_begin(cache, &c.model);
    assert_int_equal(draw(&c, cache, FIRST, DRAWN, given), DRAWN);
    assert_features(given, old, FIRST, DRAWN, width(&c));
    engine_step(&c, 0);
    engine_descend(&c.model, 0.05);
    scoring_cache_end(cache);
    scoring_cache_begin(cache, &c.model); /* two steps old at most: the old weights, for new faces too */
    assert_int_equal(draw(&c, cache, SECOND, DRAWN, given), 5); /* 14 once, though it is drawn twice */
    assert_features(given, old, SECOND, DRAWN, width(&c));
    assert_int_equal(draw(&c, cache, SECOND, DRAWN, given), 0);
    assert_features(given, old, SECOND, DRAWN, width(&c));
    scoring_cache_end(cache);
    scoring_cache_begin(cache, &c.model); /* now by the new ones */
    real *new = fresh_features(&c);
    assert_memory_not_equal(new, old, width(&c) * sizeof *new);
    assert_int_equal(draw(&c, cache, SECOND, DRAWN, given), DRAWN - 1);
    assert_features(given, new, SECOND, DRAWN, width(&c));
    memory_free(new);
    memory_free(old);
    memory_free(given);
    scoring_cache_free(cache);
    engine_stop(&c);
}

/* With train.accumulate a step has several batches, all of which are scored by one copy; a step that scores nothing
 * ages nothing. */
static void test_age_counts_steps(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    struct scoring_cache *cache = cache_of(&c, 2);
    struct method_memory memories[SCORING_CACHE_MEMORIES];
    real *given = memory_allocate(DRAWN * width(&c), sizeof *given, "features", NULL);
    assert_int_equal(scoring_cache_memories(cache, memories), SCORING_CACHE_MEMORIES);
    const uint64_t *age = memories[2].data;
    scoring_cache_end(cache);
    assert_int_equal(*age, 0);
    for (int step = 0; step < 4; step++) {
        for (int batch = 0; batch < 3; batch++) {
            scoring_cache_begin(cache, &c.model);
            size_t computed = draw(&c, cache, FIRST, DRAWN, given);
            assert_int_equal(computed, step % 2 == 0 && batch == 0 ? DRAWN : 0);
        }
        scoring_cache_end(cache);
        assert_int_equal(*age, 1 + step % 2);
        scoring_cache_end(cache);
        assert_int_equal(*age, 1 + step % 2);
    }
    memory_free(given);
    scoring_cache_free(cache);
    engine_stop(&c);
}

static void copy_memories(struct scoring_cache *from, struct scoring_cache *to)
{
    struct method_memory a[SCORING_CACHE_MEMORIES], b[SCORING_CACHE_MEMORIES];
    assert_int_equal(scoring_cache_memories(from, a), SCORING_CACHE_MEMORIES);
    assert_int_equal(scoring_cache_memories(to, b), SCORING_CACHE_MEMORIES);
    for (size_t i = 0; i < SCORING_CACHE_MEMORIES; i++) {
        assert_string_equal(a[i].name, b[i].name);
        memcpy(b[i].data, a[i].data, a[i].shape[0] * 8); /* doubles and 64-bit numbers */
    }
}

static void test_going_on_with_what_a_checkpoint_holds(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    struct scoring_cache *straight = cache_of(&c, 3), *resumed = cache_of(&c, 3);
    size_t bytes = DRAWN * width(&c) * sizeof(real);
    real *wanted = memory_allocate(1, bytes, "features", NULL), *given = memory_allocate(1, bytes, "features", NULL);
    scoring_cache_begin(straight, &c.model);
    draw(&c, straight, FIRST, DRAWN, wanted);
    engine_step(&c, 0);
    engine_descend(&c.model, 0.05);
    scoring_cache_end(straight);
    copy_memories(straight, resumed);
    for (int step = 0; step < 4; step++) { /* the third renews */
        const int64_t *ids = step % 2 == 0 ? SECOND : FIRST;
        scoring_cache_begin(straight, &c.model);
        scoring_cache_begin(resumed, &c.model);
        draw(&c, straight, ids, DRAWN, wanted);
        draw(&c, resumed, ids, DRAWN, given);
        assert_memory_equal(given, wanted, bytes);
        engine_step(&c, (uint64_t)step + 1);
        engine_descend(&c.model, 0.05);
        scoring_cache_end(straight);
        scoring_cache_end(resumed);
    }
    memory_free(wanted);
    memory_free(given);
    scoring_cache_free(straight);
    scoring_cache_free(resumed);
    engine_stop(&c);
}

/* Renewed in every step, the cache changes nothing; renewed never, it does. */
static void test_steps_beside_fresh_scoring(void **state)
{
    (void)state;
    int64_t ids[FACES];
    for (int i = 0; i < FACES; i++) ids[i] = i;
    struct engine_case fresh, cached, stale;
    engine_start(&fresh, true, engine_shape(true));
    engine_start(&cached, true, engine_shape(true));
    engine_start(&stale, true, engine_shape(true));
    cached.contrastive.ids = stale.contrastive.ids = ids;
    cached.contrastive.cache = cache_of(&cached, 1);
    stale.contrastive.cache = cache_of(&stale, 1000);
    size_t chosen = train_step_chosen(fresh.step), differ = 0;
    size_t *choices[3];
    struct engine_case *cases[3] = {&fresh, &cached, &stale};
    for (int i = 0; i < 3; i++) {
        choices[i] = memory_allocate(chosen, sizeof *choices[i], "choices", NULL);
        cases[i]->contrastive.choice = choices[i];
    }
    for (uint64_t step = 0; step < 5; step++) {
        for (int i = 0; i < 3; i++) {
            engine_step(cases[i], step);
            engine_descend(&cases[i]->model, 0.3);
            if (cases[i]->contrastive.cache != NULL) scoring_cache_end(cases[i]->contrastive.cache);
        }
        assert_memory_equal(&fresh.losses, &cached.losses, sizeof fresh.losses);
        assert_memory_equal(choices[0], choices[1], chosen * sizeof *choices[0]);
        differ += memcmp(choices[0], choices[2], chosen * sizeof *choices[0]) != 0;
    }
    assert_true(differ > 0);
    for (int i = 0; i < 3; i++) {
        memory_free(choices[i]);
        scoring_cache_free(cases[i]->contrastive.cache);
        engine_stop(cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_face_is_computed_once),
        cmocka_unit_test(test_age_counts_steps),
        cmocka_unit_test(test_going_on_with_what_a_checkpoint_holds),
        cmocka_unit_test(test_steps_beside_fresh_scoring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
