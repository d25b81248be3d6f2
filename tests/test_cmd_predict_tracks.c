/* predict's smoothing over a track: the mean of the last seconds, and what ends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/predict_tracks.h"

static const float TOLERANCE = 1e-6f;

/* Of one class, over a second. */
static struct track_smoother *new_smoother(void)
{
    struct error err = {0};
    struct track_smoother *smoother;
    if (track_smoother_create(&smoother, 1, 1, &err) != STATUS_OK) fail_msg("%s", err.message);
    return smoother;
}

/* The mean of one class that a face of `track` gets. */
static float smoothed(struct track_smoother *smoother, uint64_t file, int64_t track, double time, double probability)
{
    struct error err = {0};
    if (track_smoother_apply(smoother, file, track, time, &probability, &err) != STATUS_OK) fail_msg("%s", err.message);
    return (float)probability;
}

static void a_mean_is_over_a_track_and_its_last_seconds(void **state)
{
    (void)state;
    struct track_smoother *smoother = new_smoother();
    assert_float_equal(smoothed(smoother, 0, 0, 0, 0.2), 0.2f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 1, 0, 0.9), 0.9f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 0.5, 0.4), 0.3f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 1.25, 0.8), 0.6f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 1, 0, 1.25, 0.1), 0.1f, TOLERANCE);
    for (int i = 0; i < 1000; i++) /* what is too old makes room */
        assert_float_equal(smoothed(smoother, 1, 0, 3 + i * 0.75, i % 2), i == 0 ? 0 : 0.5f, TOLERANCE);
    track_smoother_free(smoother);
}

/* Streams that were spliced together: what is of another time is not the last seconds, whichever way the clock was put.
 */
static void a_clock_that_was_put_back_starts_anew(void **state)
{
    (void)state;
    struct track_smoother *smoother = new_smoother();
    assert_float_equal(smoothed(smoother, 0, 0, 0, 0.2), 0.2f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 9.5, 0.4), 0.4f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 10, 0.6), 0.5f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 9.9, 0.1), 0.1f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 0, 0.2), 0.2f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 0.5, 0.6), 0.4f, TOLERANCE);
    assert_float_equal(smoothed(smoother, 0, 0, 9.5, 0.3), 0.3f, TOLERANCE);
    track_smoother_free(smoother);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_is_over_a_track_and_its_last_seconds),
        cmocka_unit_test(a_clock_that_was_put_back_starts_anew),
    };
    return cmocka_run_group_tests_name("predict's tracks", tests, NULL, NULL);
}
