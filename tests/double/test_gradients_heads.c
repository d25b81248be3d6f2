/* The heads' operations by central differences: linear layers, dropout, cross-entropy in all its settings, unit rows,
 * attention with its three masks, the contrastive loss. */
#include "double/support/gradient.h"
#include "rmfer/ops/attention.h"
#include "rmfer/ops/contrastive.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/dropout.h"
#include "rmfer/ops/linear.h"
#include "rmfer/ops/softmax_cross_entropy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRIALS = 40 };

static const double EXACT = 1e-11;

/* ---- products and linear layers
 * ------------------------------------------------------------------------------------- */

static void check_product(struct workbench *bench)
{
    struct product p = {.m = PICK(bench, 1, 2, 7, 16), .n = PICK(bench, 1, 3, 8, 17), .k = PICK(bench, 1, 2, 9, 130)};
    p.transpose_a = workbench_below(bench, 2) != 0;
    p.transpose_b = workbench_below(bench, 2) != 0;
    p.accumulate = workbench_below(bench, 2) != 0;
    real *a = workbench_normal(bench, p.m * p.k, 0, 1), *b = workbench_normal(bench, p.k * p.n, 0, 1);
    real *c = workbench_normal(bench, p.m * p.n, 0, 1), *wanted = workbench_copy(bench, c, p.m * p.n);
    for (size_t i = 0; i < p.m; i++)
        for (size_t j = 0; j < p.n; j++) {
            double total = p.accumulate ? (double)wanted[i * p.n + j] : 0;
            for (size_t l = 0; l < p.k; l++)
                total += (double)(p.transpose_a ? a[l * p.m + i] : a[i * p.k + l]) *
                         (double)(p.transpose_b ? b[j * p.k + l] : b[l * p.n + j]);
            wanted[i * p.n + j] = (real)total;
        }
    product_run(&bench->context, p, a, b, c);
    assert_near("product", wanted, c, p.m * p.n, EXACT);
}

struct linear_case {
    struct workbench *bench;
    struct linear layer;
    size_t n;
    real *x, *weight, *bias, *y, *out_weights, *factors;
};

/* Dropout before the layer, as f_FER has it. */
static double linear_loss(void *setup)
{
    struct linear_case *c = setup;
    size_t used = c->bench->arena.used;
    real *x = workbench_copy(c->bench, c->x, c->n * c->layer.input);
    dropout_apply(c->n * c->layer.input, c->factors, x);
    linear_forward(&c->bench->context, &c->layer, c->n, x, c->y);
    c->bench->arena.used = used;
    return weighted_sum(c->y, c->out_weights, c->n * c->layer.output);
}

static void check_linear(struct workbench *bench)
{
    struct linear_case c = {.bench = bench, .n = PICK(bench, 1, 2, 5)};
    size_t input = PICK(bench, 1, 3, 16, 33), output = PICK(bench, 1, 2, 8, 21);
    c.x = workbench_normal(bench, c.n * input, 0, 1);
    c.weight = workbench_normal(bench, input * output, 0, 1);
    c.bias = workbench_normal(bench, output, 0, 1);
    c.y = workbench_zeros(bench, c.n * output);
    c.out_weights = workbench_normal(bench, c.n * output, 0, 1);
    c.factors = workbench_zeros(bench, c.n * input);
    dropout_factors(&bench->random, 0.3, c.n * input, c.factors);
    real *dweight = workbench_normal(bench, input * output, 0, 1), *dbias = workbench_normal(bench, output, 0, 1);
    real *weight_before = workbench_copy(bench, dweight, input * output);
    real *bias_before = workbench_copy(bench, dbias, output);
    c.layer = (struct linear){input, output, c.weight, c.bias, dweight, dbias};
    struct gradient_check check = {.operation = "linear behind dropout", .loss = linear_loss, .setup = &c};
    real *x = workbench_copy(bench, c.x, c.n * input), *dx = workbench_normal(bench, c.n * input, 0, 1);
    dropout_apply(c.n * input, c.factors, x);
    linear_backward(&bench->context, &c.layer, c.n, x, c.out_weights, dx);
    dropout_apply(c.n * input, c.factors, dx);
    assert_gradient(bench, &check, "x", c.x, dx, NULL, c.n * input);
    assert_gradient(bench, &check, "weight", c.weight, dweight, weight_before, input * output);
    assert_gradient(bench, &check, "bias", c.bias, dbias, bias_before, output);
    /* Where dx is not wanted the rest is the same. */
    real *again = workbench_copy(bench, weight_before, input * output);
    c.layer.dweight = again;
    linear_backward(&bench->context, &c.layer, c.n, x, c.out_weights, NULL);
    assert_near("weight gradient without dx", dweight, again, input * output, EXACT);
}

/* The share that is dropped, the factor of what stays, and the same key giving the same draw. */
static void test_dropout_factors(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static real factors[COUNT], again[COUNT];
    struct random_stream stream = random_stream(5, RANDOM_DROPOUT, 1, 0), other = stream;
    dropout_factors(&stream, 0.25, COUNT, factors);
    dropout_factors(&other, 0.25, COUNT, again);
    assert_memory_equal(factors, again, sizeof factors);
    int dropped = 0;
    for (int i = 0; i < COUNT; i++) {
        dropped += factors[i] == 0;
        if (factors[i] != 0) assert_true(fabs((double)factors[i] - 4.0 / 3) < 1e-12);
    }
    /* Five standard deviations of a binomial draw. */
    assert_true(abs(dropped - COUNT / 4) < 5 * 62);
    dropout_factors(&stream, 0, COUNT, factors);
    for (int i = 0; i < COUNT; i++) assert_true(factors[i] == 1);
}

/* ---- cross-entropy
 * -------------------------------------------------------------------------------------------------- */

struct entropy_case {
    struct cross_entropy setup;
    real *logits, *targets;
};

static double entropy_loss(void *setup)
{
    struct entropy_case *c = setup;
    return cross_entropy(&c->setup, c->logits, c->targets, 1, NULL);
}

static void draw_targets(struct workbench *bench, size_t n, size_t classes, bool soft, real *targets)
{
    for (size_t i = 0; i < n; i++) {
        double total = 0;
        for (size_t j = 0; j < classes; j++) {
            double drawn = soft ? random_uniform(&bench->random) : 0;
            targets[i * classes + j] = (real)drawn;
            total += drawn;
        }
        for (size_t j = 0; soft && j < classes; j++) targets[i * classes + j] /= (real)total;
        if (!soft) targets[i * classes + workbench_below(bench, classes)] = 1;
    }
}

/* By the formula: the sum over images and classes of -w t log softmax, over n or over the weights of the classes hit.
 */
static double entropy_by_definition(const struct entropy_case *c, bool soft)
{
    const struct cross_entropy *s = &c->setup;
    double total = 0, divisor = 0;
    for (size_t i = 0; i < s->n; i++) {
        const real *logits = c->logits + i * s->classes, *targets = c->targets + i * s->classes;
        double sum = 0;
        for (size_t j = 0; j < s->classes; j++) sum += exp((double)logits[j]);
        for (size_t j = 0; j < s->classes; j++) {
            double weight = s->class_weights == NULL ? 1 : (double)s->class_weights[j];
            double target = (1 - s->label_smoothing) * (double)targets[j] + s->label_smoothing / (double)s->classes;
            total -= weight * target * ((double)logits[j] - log(sum));
            if (!soft && targets[j] == 1) divisor += weight;
        }
    }
    return total / (soft ? (double)s->n : divisor);
}

static void check_cross_entropy(struct workbench *bench)
{
    struct entropy_case c = {.setup = {.n = PICK(bench, 1, 2, 7), .classes = PICK(bench, 1, 2, 7, 8, 13)}};
    size_t count = c.setup.n * c.setup.classes;
    bool soft = workbench_below(bench, 2) != 0;
    if (workbench_below(bench, 2)) c.setup.label_smoothing = 0.1;
    real *weights = workbench_zeros(bench, c.setup.classes);
    for (size_t j = 0; j < c.setup.classes; j++) weights[j] = (real)random_between(&bench->random, 0.2, 3);
    if (workbench_below(bench, 2)) c.setup.class_weights = weights;
    c.logits = workbench_normal(bench, count, 0, 2);
    c.targets = workbench_zeros(bench, count);
    draw_targets(bench, c.setup.n, c.setup.classes, soft, c.targets);
    /* One class alone is certain: a soft target of it is one-hot. */
    if (c.setup.classes == 1) soft = false;
    real *dlogits = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {
        .operation = "cross-entropy", .loss = entropy_loss, .setup = &c, .scale = 0.7, .samples = 20};
    double loss = cross_entropy(&c.setup, c.logits, c.targets, 0.7, dlogits);
    assert_true(fabs(loss - entropy_by_definition(&c, soft)) < EXACT * (1 + fabs(loss)));
    assert_gradient(bench, &check, "logits", c.logits, dlogits, NULL, count);
}

/* Logits so large that their exponentials are not numbers any more. */
static void test_cross_entropy_of_large_logits(void **state)
{
    (void)state;
    real logits[3] = {5000, 4000, -5000}, targets[3] = {0, 1, 0}, dlogits[3];
    struct cross_entropy setup = {.n = 1, .classes = 3};
    assert_true(fabs(cross_entropy(&setup, logits, targets, 1, dlogits) - 1000) < 1e-9);
    assert_true(dlogits[0] == 1 && dlogits[1] == -1 && dlogits[2] == 0);
    logits[1] = (real)NAN;
    assert_true(isnan(cross_entropy(&setup, logits, targets, 1, dlogits)));
}

static void test_count_correct_takes_the_first_of_equals(void **state)
{
    (void)state;
    const real logits[] = {1, 1, 0, /**/ 0, 2, 1, /**/ -1, -2, -1}, targets[] = {1, 0, 0, /**/ 0, 1, 0, /**/ 0, 0, 1};
    assert_int_equal(count_correct(3, 3, logits, targets), 2);
}

/* ---- unit rows and attention
 * ---------------------------------------------------------------------------------------- */

struct unit_case {
    size_t n, d;
    real *z, *unit, *norm, *out_weights;
};

static double unit_loss(void *setup)
{
    struct unit_case *c = setup;
    unit_rows_forward(c->n, c->d, c->z, c->unit, c->norm);
    return weighted_sum(c->unit, c->out_weights, c->n * c->d);
}

static void check_unit_rows(struct workbench *bench)
{
    struct unit_case c = {.n = PICK(bench, 1, 3), .d = PICK(bench, 1, 2, 7, 32)};
    size_t count = c.n * c.d;
    c.z = workbench_normal(bench, count, 0.5, 1);
    c.unit = workbench_zeros(bench, count);
    c.norm = workbench_zeros(bench, c.n);
    c.out_weights = workbench_normal(bench, count, 0, 1);
    real *dz = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {.operation = "unit rows", .loss = unit_loss, .setup = &c};
    unit_loss(&c);
    for (size_t i = 0; i < c.n; i++)
        assert_true(fabs(weighted_sum(c.unit + i * c.d, c.unit + i * c.d, c.d) - 1) < EXACT);
    unit_rows_backward(c.n, c.d, c.unit, c.norm, c.out_weights, dz);
    assert_gradient(bench, &check, "z", c.z, dz, NULL, count);
}

/* A row of zeros is guarded, not divided by. */
static void test_unit_rows_of_nothing(void **state)
{
    (void)state;
    real z[2] = {0, 0}, unit[2], norm[1], dunit[2] = {1, 2}, dz[2];
    unit_rows_forward(1, 2, z, unit, norm);
    assert_true(unit[0] == 0 && unit[1] == 0 && norm[0] == 1e-8);
    unit_rows_backward(1, 2, unit, norm, dunit, dz);
    assert_true(fabs(dz[0] - 1e8) < 1 && fabs(dz[1] - 2e8) < 1);
}

struct attention_case {
    struct workbench *bench;
    struct attention setup;
    real *unit, *features, *weights, *mixed, *out_weights, *feature_weights;
};

/* Features count in their own right too, as they do for f_FER. */
static double attention_loss(void *setup)
{
    struct attention_case *c = setup;
    size_t count = c->setup.n * c->setup.d;
    attention_forward(&c->bench->context, &c->setup, c->unit, c->features, c->weights, c->mixed);
    return weighted_sum(c->mixed, c->out_weights, count) + weighted_sum(c->features, c->feature_weights, count);
}

static void assert_attention(const struct attention_case *c)
{
    size_t n = c->setup.n, d = c->setup.d;
    real *wanted = workbench_zeros(c->bench, n * n);
    for (size_t i = 0; i < n; i++) {
        double total = 0;
        for (size_t j = 0; j < n; j++) {
            double s = weighted_sum(c->unit + i * d, c->unit + j * d, d);
            if (i == j) s = c->setup.mask == ATTENTION_LITERAL ? 1e-6 : 1;
            double e = i == j && c->setup.mask == ATTENTION_EXCLUDE ? 0 : exp(s / c->setup.temperature);
            wanted[i * n + j] = (real)e;
            total += e;
        }
        for (size_t j = 0; j < n; j++) wanted[i * n + j] /= (real)total;
        if (c->setup.mask == ATTENTION_EXCLUDE) assert_true(c->weights[i * n + i] == 0);
    }
    assert_near("attention", wanted, c->weights, n * n, EXACT);
}

static void check_attention(struct workbench *bench)
{
    static const enum attention_mask masks[] = {ATTENTION_EXCLUDE, ATTENTION_LITERAL, ATTENTION_PLAIN};
    struct attention_case c = {.bench = bench};
    c.setup = (struct attention){.n = PICK(bench, 2, 3, 8), .d = PICK(bench, 1, 5, 17)};
    c.setup.temperature = workbench_below(bench, 2) ? 1 : 0.1;
    c.setup.mask = masks[workbench_below(bench, 3)];
    if (c.setup.mask != ATTENTION_EXCLUDE && workbench_below(bench, 4) == 0) c.setup.n = 1;
    size_t n = c.setup.n, count = n * c.setup.d;
    c.unit = workbench_normal(bench, count, 0, 0.4);
    c.features = workbench_normal(bench, count, 0, 1);
    c.weights = workbench_zeros(bench, n * n);
    c.mixed = workbench_zeros(bench, count);
    c.out_weights = workbench_normal(bench, count, 0, 1);
    c.feature_weights = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {.operation = "attention", .loss = attention_loss, .setup = &c};
    attention_loss(&c);
    real *dunit = workbench_normal(bench, count, 0, 1), *dfeatures = workbench_copy(bench, c.feature_weights, count);
    attention_backward(&bench->context, &c.setup, c.unit, c.features, c.weights, c.out_weights, dunit, dfeatures,
                       workbench_normal(bench, n * n, 0, 1));
    assert_gradient(bench, &check, "unit rows", c.unit, dunit, NULL, count);
    assert_gradient(bench, &check, "features", c.features, dfeatures, NULL, count);
    attention_loss(&c);
    assert_attention(&c);
}

/* ---- the contrastive loss
 * ------------------------------------------------------------------------------------------- */

struct contrastive_case {
    struct workbench *bench;
    struct contrastive setup;
    real *unit, *room;
};

static double contrastive_value(void *setup)
{
    struct contrastive_case *c = setup;
    return contrastive_loss(&c->setup, c->unit, 1, c->room);
}

static double contrastive_by_definition(const struct contrastive_case *c)
{
    double positives = 0, all = 0;
    for (size_t i = 1; i <= c->setup.positives + c->setup.negatives; i++) {
        double e = exp(weighted_sum(c->unit, c->unit + i * c->setup.d, c->setup.d) / c->setup.temperature);
        all += e;
        if (i <= c->setup.positives) positives += e;
    }
    return -log(positives / all);
}

static void check_contrastive(struct workbench *bench)
{
    struct contrastive_case c = {.bench = bench};
    c.setup = (struct contrastive){PICK(bench, 1, 5, 17), PICK(bench, 1, 3), PICK(bench, 1, 5), 1};
    if (workbench_below(bench, 2)) c.setup.temperature = 0.25;
    size_t count = (1 + c.setup.positives + c.setup.negatives) * c.setup.d;
    c.unit = workbench_normal(bench, count, 0, 0.5);
    c.room = workbench_zeros(bench, count);
    real *dunit = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {
        .operation = "contrastive loss", .loss = contrastive_value, .setup = &c, .scale = 1.3, .samples = 12};
    double loss = contrastive_loss(&c.setup, c.unit, 1.3, dunit);
    assert_true(fabs(loss - contrastive_by_definition(&c)) < EXACT * (1 + loss));
    assert_gradient(bench, &check, "unit rows", c.unit, dunit, NULL, count);
}

/* Similarities over a temperature so small that their exponentials are not numbers. */
static void test_contrastive_loss_of_sharp_similarities(void **state)
{
    (void)state;
    real unit[3] = {1, 1, -1}, dunit[3];
    struct contrastive setup = {1, 1, 1, 1e-4};
    assert_true(contrastive_loss(&setup, unit, 1, dunit) == 0);
    unit[1] = -1;
    unit[2] = 1;
    assert_true(fabs(contrastive_loss(&setup, unit, 1, dunit) - 2e4) < 1e-6);
}

/* round(share * drawn), at least one, at most all; the best in order, of equals the lower index first. */
static void test_contrastive_choice(void **state)
{
    (void)state;
    assert_int_equal(contrastive_kept(0.1, 50), 5);
    assert_int_equal(contrastive_kept(0.1, 44), 4);
    assert_int_equal(contrastive_kept(0.1, 45), 5);
    assert_int_equal(contrastive_kept(0.01, 3), 1);
    assert_int_equal(contrastive_kept(2, 3), 3);
    const real anchor[1] = {1}, candidates[6] = {0.5, 0.9, 0.1, 0.9, 0.1, (real)-0.3};
    size_t chosen[6];
    real scores[6];
    contrastive_choose(1, 6, anchor, candidates, false, 3, chosen, scores);
    assert_true(chosen[0] == 1 && chosen[1] == 3 && chosen[2] == 0);
    contrastive_choose(1, 6, anchor, candidates, true, 3, chosen, scores);
    assert_true(chosen[0] == 5 && chosen[1] == 2 && chosen[2] == 4);
    contrastive_choose(1, 6, anchor, candidates, false, 6, chosen, scores);
    assert_true(chosen[3] == 2 && chosen[4] == 4 && chosen[5] == 5);
}

/* ---- the tests
 * ------------------------------------------------------------------------------------------------------ */

static void run_trials(void (*check)(struct workbench *))
{
    struct workbench bench;
    workbench_init(&bench);
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        workbench_start(&bench, 1000 + trial);
        check(&bench);
    }
    workbench_free(&bench);
}

#define TRIAL_TEST(name)                  \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run_trials(check_##name);         \
    }

TRIAL_TEST(product)
TRIAL_TEST(linear)
TRIAL_TEST(cross_entropy)
TRIAL_TEST(unit_rows)
TRIAL_TEST(attention)
TRIAL_TEST(contrastive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_dropout_factors),
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_cross_entropy_of_large_logits),
        cmocka_unit_test(test_count_correct_takes_the_first_of_equals),
        cmocka_unit_test(test_unit_rows),
        cmocka_unit_test(test_unit_rows_of_nothing),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_contrastive),
        cmocka_unit_test(test_contrastive_loss_of_sharp_similarities),
        cmocka_unit_test(test_contrastive_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
