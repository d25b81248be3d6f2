/* The table of phases: when each begins, its weights, its rates, what is frozen. */
#include "rmfer/method/method.h"
#include "rmfer/method/rmfer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-12)) fail_msg("%.17g is not %.17g", actual, expected);
}

static struct phase_table table_of(const char *const *overrides, size_t count)
{
    struct error err = {0};
    struct config config;
    if (config_defaults(&config, overrides, count, &err) != STATUS_OK) fail_msg("%s", err.message);
    struct phase_table table = {0};
    method_find("rmfer")->phases(&config, &table);
    config_free(&config);
    return table;
}

static void test_the_recipe_has_two_phases(void **state)
{
    (void)state;
    struct phase_table table = table_of(NULL, 0);
    assert_int_equal(table.count, 2);
    const struct phase *first = phase_table_at(&table, 0), *second = phase_table_at(&table, 5);
    assert_ptr_equal(first, phase_table_at(&table, 4));
    assert_ptr_equal(second, phase_table_at(&table, 1000));
    assert_int_equal(first->number, 1);
    assert_int_equal(second->number, 2);
    near(first->weights[RMFER_IAL], 1.2);
    near(first->weights[RMFER_ACL], 0);
    near(second->weights[RMFER_IAL], 1.2);
    near(second->weights[RMFER_ACL], 1);
    near(first->rates.learning_rate[GROUP_BACKBONE], 1e-4);
    near(first->rates.learning_rate[GROUP_FER], 1e-4);
    near(first->rates.learning_rate[GROUP_PROJECTION], 6e-6);
    near(first->rates.learning_rate[GROUP_IAL], 6e-6);
    for (int group = 0; group < GROUP_METHOD; group++) {
        near(second->rates.learning_rate[group], 2e-6);
        assert_false(first->rates.frozen[group] || second->rates.frozen[group]);
    }
}

static void test_rates_may_stay_in_phase_2(void **state)
{
    (void)state;
    static const char *const overrides[] = {"train.phase2_lr=same"};
    struct phase_table table = table_of(overrides, 1);
    near(phase_table_at(&table, 5)->rates.learning_rate[GROUP_BACKBONE], 1e-4);
    near(phase_table_at(&table, 5)->rates.learning_rate[GROUP_IAL], 6e-6);
}

static void test_what_no_loss_reaches_is_frozen(void **state)
{
    (void)state;
    static const char *const baseline[] = {"ial.weight=0", "acl.weight=0", "train.freeze_backbone=true"};
    struct phase_table table = table_of(baseline, 3);
    assert_int_equal(table.count, 2);
    assert_int_equal(table.phases[1].end_epoch, 20);
    assert_true(table.phases[0].rates.frozen[GROUP_BACKBONE]);
    assert_false(table.phases[0].rates.frozen[GROUP_FER]);
    assert_true(table.phases[0].rates.frozen[GROUP_PROJECTION]);
    assert_true(table.phases[0].rates.frozen[GROUP_IAL]);
    static const char *const only_acl[] = {"ial.weight=0"};
    table = table_of(only_acl, 1);
    assert_int_equal(table.count, 2);
    assert_true(table.phases[0].rates.frozen[GROUP_PROJECTION]);
    assert_false(table.phases[1].rates.frozen[GROUP_PROJECTION]);
    assert_true(table.phases[1].rates.frozen[GROUP_IAL]);
}

static void test_phases_of_no_length_are_not_there(void **state)
{
    (void)state;
    static const char *const at_once[] = {"train.warmup_epochs=0"}, *const never[] = {"train.warmup_epochs=20"},
                             *const empty[] = {"rmset.fraction=0"};
    struct phase_table table = table_of(at_once, 1);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.phases[0].number, 2);
    table = table_of(never, 1);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.phases[0].number, 1);
    table = table_of(empty, 1);
    assert_int_equal(table.count, 2);
    near(table.phases[1].weights[RMFER_ACL], 0);
}

/* Two rows of the ablation differ in the weights of their losses and in nothing else. */
static void test_a_weight_of_0_changes_no_epoch_and_no_rate(void **state)
{
    (void)state;
    static const char *const off[] = {"acl.weight=0"};
    struct phase_table full = table_of(NULL, 0), row = table_of(off, 1);
    assert_int_equal(row.count, full.count);
    for (size_t i = 0; i < full.count; i++) {
        const struct phase *a = &full.phases[i], *b = &row.phases[i];
        assert_int_equal(a->number, b->number);
        assert_int_equal(a->first_epoch, b->first_epoch);
        assert_int_equal(a->end_epoch, b->end_epoch);
        assert_memory_equal(&a->rates, &b->rates, sizeof a->rates);
        near(b->weights[RMFER_ACL], 0);
        near(b->weights[RMFER_IAL], a->weights[RMFER_IAL]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_recipe_has_two_phases),
        cmocka_unit_test(test_rates_may_stay_in_phase_2),
        cmocka_unit_test(test_what_no_loss_reaches_is_frozen),
        cmocka_unit_test(test_phases_of_no_length_are_not_there),
        cmocka_unit_test(test_a_weight_of_0_changes_no_epoch_and_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
