/* 16-bit numbers: every one comes back from its float, roundings go to the nearest with ties to even, and a checkpoint
 * stored narrow is read back as the rounded weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/half.h"
#include "rmfer/ckpt/checkpoint.h"
#include "support/scratch.h"

#include <math.h>
#include <string.h>

static void every_half_comes_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        if ((half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0) continue; /* not a number */
        assert_int_equal(half_from_float(half_to_float((uint16_t)half)), half);
    }
    assert_true((half_from_float(NAN) & 0x7fff) > 0x7c00);
}

/* Between two neighbouring halves: below the middle down, above it up, on it to the even one. */
static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (uint16_t half = 0; half < 0x7bff; half++) {
        float low = half_to_float(half), high = half_to_float((uint16_t)(half + 1)), middle = (low + high) / 2;
        assert_int_equal(half_from_float(nextafterf(middle, low)), half);
        assert_int_equal(half_from_float(nextafterf(middle, high)), half + 1);
        assert_int_equal(half_from_float(middle), half + (half & 1));
        assert_int_equal(half_from_float(-middle), 0x8000 | (half + (half & 1)));
    }
    assert_int_equal(half_from_float(65519.f), 0x7bff);
    assert_int_equal(half_from_float(65520.f), 0x7c00);
    assert_int_equal(half_from_float(1e-40f), 0);
}

/* The same of bfloat16, which has a float's range. */
static void bfloat16_is_the_nearest_upper_half(void **state)
{
    (void)state;
    for (uint32_t upper = 0; upper < 0x7f80; upper++) {
        float low = bfloat16_to_float((uint16_t)upper), high = bfloat16_to_float((uint16_t)(upper + 1));
        assert_int_equal(bfloat16_from_float(low), upper);
        assert_int_equal(bfloat16_from_float(-low), 0x8000 | upper);
        if (upper == 0x7f7f) break; /* infinity has no middle before it */
        float middle = low + (high - low) / 2;
        assert_int_equal(bfloat16_from_float(nextafterf(middle, low)), upper);
        assert_int_equal(bfloat16_from_float(nextafterf(middle, high)), upper + 1);
        assert_int_equal(bfloat16_from_float(middle), upper + (upper & 1));
    }
    assert_int_equal(bfloat16_from_float(INFINITY), 0x7f80);
    assert_int_equal(bfloat16_from_float(3.4e38f), 0x7f80); /* rounds up to infinity, as IEEE 754 has it */
    uint32_t bits = 0x7fffffff;                             /* a NaN that rounding alone would make -0 */
    float value;
    memcpy(&value, &bits, sizeof value);
    assert_true(isnan(bfloat16_to_float(bfloat16_from_float(value))));
}

static void make_model(struct model *model)
{
    struct error err = {0};
    struct architecture architecture;
    assert_int_equal(architecture_find(&architecture, "tiny_tf_8_1", &err), STATUS_OK);
    assert_int_equal(model_create(model, &architecture, 2, false, &err), STATUS_OK);
    model_initialise(model, 5);
}

static void a_narrow_checkpoint_is_its_weights_rounded(void **state)
{
    (void)state;
    static const char *const classes[] = {"Neutral", "Happiness"};
    struct error err = {0};
    struct model model, read;
    struct checkpoint checkpoint;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "narrow.safetensors");
    make_model(&model);
    parameters_write_buffers(&model.parameters)[0] = 1e6f; /* beyond a half, and kept */
    struct checkpoint_info info = checkpoint_info_defaults(&model.architecture);
    info.classes = classes;
    info.class_count = 2;
    if (checkpoint_write_narrow(path, &model, &info, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(checkpoint_open(&checkpoint, path, &err), STATUS_OK);
    assert_int_equal(checkpoint_create_model(&checkpoint, false, &read, &err), STATUS_OK);
    assert_true(read.parameters.buffers[0] == 1e6f);
    for (size_t i = 0; i < model.parameters.count; i++) {
        const struct parameter *entry = &model.parameters.items[i];
        const float *was = parameter_values(&model.parameters, entry), *is = parameter_values(&read.parameters, entry);
        for (size_t j = 0; j < entry->count; j++)
            assert_true(is[j] == (entry->rank < 2 ? was[j] : half_to_float(half_from_float(was[j]))));
    }
    model_free(&read);
    checkpoint_close(&checkpoint);
    parameters_write(&model.parameters, GROUP_BACKBONE)[0] = 1e5f;
    assert_int_equal(checkpoint_write_narrow(path, &model, &info, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "conv_stem.weight"));
    model_free(&model);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(bfloat16_is_the_nearest_upper_half),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(a_narrow_checkpoint_is_its_weights_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
