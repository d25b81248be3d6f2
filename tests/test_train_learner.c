/* One step of the learner that fails: the running statistics, which its first pass has moved by then, are put back, and
 * nothing else has changed. */
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
                           "[train]\noptimizer = adamw\nbatch = 8\n[acl]\nweight = 0\n";

static void test_a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    struct config config;
    struct run_plan plan;
    struct pictures pictures = {0};
    struct learner learner;
    struct run_state run = {0};
    struct learner_failure failure;
    struct synth_options faces = {.folder = scratch_path(folder, "faces"), .faces = 72, .size = 32, .seed = 1};
    assert_int_equal(synth_write(&faces, &err), STATUS_OK);
    assert_int_equal(config_parse(&config, BASE, "base.ini", folder, NULL, 0, &err), STATUS_OK);
    assert_int_equal(run_plan_init(&plan, &config, &err), STATUS_OK);
    assert_int_equal(pictures_open(&pictures, &plan, &err), STATUS_OK);
    run_plan_count(&plan, pictures.training.count);
    assert_int_equal(learner_create(&learner, &plan, &pictures, false, &err), STATUS_OK);
    assert_int_equal(pictures_start(&pictures, &plan, 0, &err), STATUS_OK);
    struct parameters *all = &learner.model.parameters;
    size_t values = all->value_count * sizeof(real), buffers = all->buffer_count * sizeof(real);
    parameter_write(all, &all->items[learner.model.fer.weight])[0] = NAN; /* behind every batch-norm */
    real *values_before = memory_allocate(1, values, "a copy", &err), *buffers_before = memory_allocate(1, buffers, "a copy", &err);
    memcpy(values_before, all->values, values);
    memcpy(buffers_before, all->buffers, buffers);
    assert_int_equal(learner_step(&learner, &plan, &pictures, &run, &failure, &err), STATUS_FAILED);
    assert_true(failure.happened && failure.is_loss && failure.count == 1 && failure.batches->streams[0].rows == 8);
    assert_memory_equal(buffers_before, all->buffers, buffers);
    assert_memory_equal(values_before, all->values, values);
    assert_int_equal(run.position.step, 0);
    assert_true(run.window.batches == 0);
    memory_free(values_before);
    memory_free(buffers_before);
    learner_free(&learner);
    pictures_free(&pictures);
    config_free(&config);
    scratch_remove(folder);
}

int main(void)
{
    log_set_level(LOG_QUIET);
    threads_set(1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_step_that_fails_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
