/* One step of the learner that fails: the running statistics, which its first pass has moved by then, are put back,
 * and nothing else has changed, nor has what any method remembers. A look at pictures that a signal ends. A step along
 * which nothing pulls. What a window's means count. Which share of a run a step is. */
#include "train/learner.h"

#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/synth/synth.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char BASE[] = "[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nimage_size = 32\n"
                           "normalize = imagenet\nworkers = 1\n[model]\narch = tf_efficientnet_b0\n"
                           "[train]\noptimizer = adamw\nbatch = 8\n[acl]\nweight = 0\n[rmset]\nroot = faces/rmset\n";

/* A learner on drawn faces, at its first step. */
struct beginning {
    char *folder;
    struct config config;
    struct run_plan plan;
    struct pictures pictures;
    struct learner learner;
};

static void must(status result, const struct error *err)
{
    if (result != STATUS_OK) fail_msg("%s", err->message);
}

static void begin(struct beginning *b, const char *const *overrides, size_t count)
{
    struct error err = {0};
    *b = (struct beginning){.folder = scratch_make()};
    struct synth_options faces = {.folder = scratch_path(b->folder, "faces"), .faces = 72, .size = 32, .seed = 1};
    assert_int_equal(synth_write(&faces, &err), STATUS_OK);
    assert_int_equal(config_parse(&b->config, BASE, "base.ini", b->folder, overrides, count, &err), STATUS_OK);
    must(run_plan_init(&b->plan, &b->config, NULL, &err), &err);
    must(pictures_open(&b->pictures, &b->plan, &err), &err);
    run_plan_count(&b->plan, b->pictures.training.count);
    must(learner_create(&b->learner, &b->plan, &b->pictures, false, &err), &err);
    must(pictures_start(&b->pictures, &b->plan, 0, &err), &err);
}

static void end(struct beginning *b)
{
    learner_free(&b->learner);
    pictures_free(&b->pictures);
    config_free(&b->config);
    scratch_remove(b->folder);
}

static size_t memory_bytes(const struct method_memory *memory)
{
    size_t bytes = memory->type == MEMORY_F32 ? sizeof(float) : 8;
    for (int i = 0; i < memory->rank; i++) bytes *= memory->shape[i];
    return bytes;
}

static void test_a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct beginning b;
    struct error err = {0};
    struct run_state run = {0};
    struct learner_failure failure;
    begin(&b, NULL, 0);
    struct parameters *all = &b.learner.model.parameters;
    size_t values = all->value_count * sizeof(real), buffers = all->buffer_count * sizeof(real);
    parameter_write(all, &all->items[b.learner.model.fer.weight])[0] = NAN; /* behind every batch-norm */
    real *values_before = memory_allocate(1, values, "a copy", &err),
         *buffers_before = memory_allocate(1, buffers, "a copy", &err);
    memcpy(values_before, all->values, values);
    memcpy(buffers_before, all->buffers, buffers);
    assert_int_equal(learner_step(&b.learner, &b.plan, &b.pictures, &run, &failure, &err), STATUS_FAILED);
    assert_true(failure.happened && failure.is_loss && failure.count == 1 && failure.batches->streams[0].rows == 8);
    assert_memory_equal(buffers_before, all->buffers, buffers);
    assert_memory_equal(values_before, all->values, values);
    assert_int_equal(run.position.step, 0);
    assert_true(run.window.batches == 0);
    memory_free(values_before);
    memory_free(buffers_before);
    end(&b);
}

/* What `method` remembers is, after a step that fails, as the step before left it: a run goes on from there. The step
 * fails at its first batch's loss, by when guesses and keys have been made of it. */
static void check_what_is_remembered(const char *method)
{
    char train_method[64];
    const char *settings[] = {train_method,          "train.batch=4",    "train.warmup_epochs=0",
                              "train.ema_decay=0.9", "data.labelled=32", "data.sampler=shuffle",
                              "moco.queue=10"};
    struct beginning b;
    struct error err = {0};
    struct run_state run = {0};
    struct learner_failure failure;
    struct method_memory memories[MOST_MEMORIES];
    void *before[MOST_MEMORIES];
    bool interrupted;
    snprintf(train_method, sizeof train_method, "train.method=%s", method);
    begin(&b, settings, sizeof settings / sizeof settings[0]);
    struct parameters *all = &b.learner.model.parameters;
    must(learner_begin_epoch(&b.learner, &b.plan, &b.pictures, &run, NULL, &interrupted, &err), &err);
    assert_false(interrupted);
    must(learner_step(&b.learner, &b.plan, &b.pictures, &run, &failure, &err), &err);
    size_t count = b.plan.method->memories == NULL ? 0 : b.plan.method->memories(b.learner.self, memories);
    for (size_t i = 0; i < count; i++) {
        before[i] = memory_allocate(1, memory_bytes(&memories[i]), "a copy", &err);
        memcpy(before[i], memories[i].data, memory_bytes(&memories[i]));
    }
    parameter_write(all, &all->items[b.learner.model.fer.weight])[0] = NAN;
    assert_int_equal(learner_step(&b.learner, &b.plan, &b.pictures, &run, &failure, &err), STATUS_FAILED);
    assert_true(failure.happened);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(before[i], memories[i].data, memory_bytes(&memories[i])) != 0)
            fail_msg("%s: a failed step moved %s", method, memories[i].name);
        memory_free(before[i]);
    }
    end(&b);
}

static void test_a_step_that_fails_moves_no_memory(void **state)
{
    (void)state;
    size_t count;
    const struct method *const *methods = method_table(&count);
    for (size_t i = 0; i < count; i++) check_what_is_remembered(methods[i]->name);
}

/* A signal ends the method's look at pictures before `epoch`: no error, and what it remembers is as before the look. */
static void check_a_look_is_stopped(const char *method, int64_t epoch)
{
    char train_method[64];
    const char *settings[] = {train_method,          "train.batch=4",    "train.warmup_epochs=0",
                              "train.ema_decay=0.9", "data.labelled=32", "adacm.floor=0"};
    struct beginning b;
    struct error err = {0};
    struct run_state run = {0};
    struct method_memory memories[MOST_MEMORIES];
    unsigned char *before[MOST_MEMORIES];
    static const volatile sig_atomic_t told = 1;
    bool interrupted;
    snprintf(train_method, sizeof train_method, "train.method=%s", method);
    begin(&b, settings, sizeof settings / sizeof settings[0]);
    run.position.step = epoch * (int64_t)b.plan.steps_per_epoch;
    size_t count = b.plan.method->memories(b.learner.self, memories), moved = 0;
    for (size_t i = 0; i < count; i++) {
        before[i] = memory_allocate(1, memory_bytes(&memories[i]), "a copy", &err);
        memcpy(before[i], memories[i].data, memory_bytes(&memories[i]));
    }
    must(learner_begin_epoch(&b.learner, &b.plan, &b.pictures, &run, &told, &interrupted, &err), &err);
    assert_true(interrupted && err.code == STATUS_OK);
    for (size_t i = 0; i < count; i++) assert_memory_equal(before[i], memories[i].data, memory_bytes(&memories[i]));
    must(learner_begin_epoch(&b.learner, &b.plan, &b.pictures, &run, NULL, &interrupted, &err), &err);
    assert_false(interrupted);
    for (size_t i = 0; i < count; i++) {
        moved += memcmp(before[i], memories[i].data, memory_bytes(&memories[i])) != 0;
        memory_free(before[i]);
    }
    if (moved == 0) fail_msg("%s: a look that nothing stops moves nothing", method);
    end(&b);
}

static void test_a_look_at_pictures_can_be_stopped(void **state)
{
    (void)state;
    check_a_look_is_stopped("consensus", 0);
    check_a_look_is_stopped("adacm", 1);
}

/* Nothing pulls: the step is made, counted as such, and moves no weight. */
static void test_a_step_of_zero_gradients_is_noticed(void **state)
{
    (void)state;
    static const char *const idle[] = {"train.class_weights=list", "train.class_weight_values=0,0,0,0,0,0,0,0",
                                       "ial.weight=0"};
    struct beginning b;
    struct error err = {0};
    struct run_state run = {0};
    struct learner_failure failure;
    begin(&b, idle, sizeof idle / sizeof idle[0]);
    const struct parameters *all = &b.learner.model.parameters;
    size_t values = all->value_count * sizeof(real);
    real *before = memory_allocate(1, values, "a copy", &err);
    memcpy(before, all->values, values);
    assert_int_equal(learner_step(&b.learner, &b.plan, &b.pictures, &run, &failure, &err), STATUS_OK);
    assert_int_equal(b.learner.zero_gradient_steps, 1);
    assert_int_equal(run.position.step, 1);
    assert_memory_equal(before, all->values, values);
    memory_free(before);
    end(&b);
}

/* A batch without a pair of one kind has no similarity of that kind, and none of 0: it does not count in the mean. */
static void test_batches_without_a_pair_do_not_count(void **state)
{
    (void)state;
    enum { SAME_CLASS = 2, DIFFERENT_CLASS = 3, STEPS = 30 };
    static const char *const of_two[] = {"train.batch=2", "data.sampler=shuffle"};
    struct beginning b;
    struct error err = {0};
    struct run_state run = {0};
    struct learner_failure failure;
    begin(&b, of_two, sizeof of_two / sizeof of_two[0]);
    assert_string_equal(b.plan.method->figures[SAME_CLASS].name, "same_class_similarity");
    assert_string_equal(b.plan.method->figures[DIFFERENT_CLASS].name, "different_class_similarity");
    double same = 0, different = 0;
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(learner_step(&b.learner, &b.plan, &b.pictures, &run, &failure, &err), STATUS_OK);
        const int32_t *labels = b.learner.batch.streams[0].labels;
        *(labels[0] == labels[1] ? &same : &different) += 1;
        assert_true(run.window.figure_counts[SAME_CLASS] == same);
        assert_true(run.window.figure_counts[DIFFERENT_CLASS] == different);
    }
    assert_true(same > 0 && different > 0);
    enum { FER, IAL, ACL };
    assert_string_equal(b.plan.method->terms[ACL].name, "acl");
    assert_true(run.window.term_batches[FER] == STEPS && run.window.term_batches[ACL] == 0); /* it is off */
    end(&b);
}

/* A run that train.max_steps ends sooner has fewer steps, not other ones: shares of it are of those it has. One that
 * it does not end has, to the bit, the shares that its epochs say. */
static void test_shares_of_a_run_are_of_its_own_steps(void **state)
{
    (void)state;
    enum { SAMPLES = 1234, STEPS_AN_EPOCH = SAMPLES / 8 };
    for (int64_t epochs = 2; epochs < 40; epochs++)
        for (int64_t warmup = 1; warmup < epochs; warmup++) {
            struct error err = {0};
            struct config config;
            struct run_plan plan;
            char all_epochs[32], first[32];
            const char *overrides[] = {"train.method=rmfer", "train.batch=8", all_epochs, first, "train.max_steps=20"};
            snprintf(all_epochs, sizeof all_epochs, "train.epochs=%d", (int)epochs);
            snprintf(first, sizeof first, "train.warmup_epochs=%d", (int)warmup);
            for (size_t count = 4; count <= 5; count++) {
                assert_int_equal(config_defaults(&config, overrides, count, &err), STATUS_OK);
                assert_int_equal(run_plan_init(&plan, &config, NULL, &err), STATUS_OK);
                run_plan_count(&plan, SAMPLES);
                double steps = count == 5 ? 20 : (double)(epochs * STEPS_AN_EPOCH);
                uint64_t second = (uint64_t)(warmup * STEPS_AN_EPOCH);
                assert_true(run_plan_phase_begin(&plan, second - 1) == 0);
                assert_true(run_plan_phase_begin(&plan, second) == (double)second / steps);
                assert_true(count == 5 || run_plan_phase_begin(&plan, second) == (double)warmup / (double)epochs);
                assert_true(run_plan_progress(&plan, 5) == 5 / steps);
                config_free(&config);
            }
        }
}

int main(void)
{
    log_set_level(LOG_QUIET);
    threads_set(1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_step_that_fails_changes_nothing),
                                       cmocka_unit_test(test_a_step_that_fails_moves_no_memory),
                                       cmocka_unit_test(test_a_look_at_pictures_can_be_stopped),
                                       cmocka_unit_test(test_a_step_of_zero_gradients_is_noticed),
                                       cmocka_unit_test(test_batches_without_a_pair_do_not_count),
                                       cmocka_unit_test(test_shares_of_a_run_are_of_its_own_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
