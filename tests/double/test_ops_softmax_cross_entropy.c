/* Cross-entropy in all its settings by central differences and by its formula; large logits; the count of right
 * answers. */
#include "double/support/gradient.h"
#include "rmfer/ops/softmax_cross_entropy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

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

/* By the formula: the sum over images and classes of -w t log softmax, over n or, where targets are labels, over the
 * weights of the classes hit. */
static double entropy_by_definition(const struct entropy_case *c)
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
            if (targets[j] == 1) divisor += weight;
        }
    }
    return total / (s->soft_targets ? (double)s->n : divisor);
}

static void check_cross_entropy(struct workbench *bench)
{
    struct entropy_case c = {.setup = {.n = PICK(bench, 1, 2, 7), .classes = PICK(bench, 1, 2, 7, 8, 13)}};
    size_t count = c.setup.n * c.setup.classes;
    c.setup.soft_targets = workbench_below(bench, 2) != 0;
    bool spread = c.setup.soft_targets &&
                  workbench_below(bench, 2) != 0; /* else they happen to be certain, all of them */
    if (workbench_below(bench, 2)) c.setup.label_smoothing = 0.1;
    real *weights = workbench_zeros(bench, c.setup.classes);
    for (size_t j = 0; j < c.setup.classes; j++) weights[j] = (real)random_between(&bench->random, 0.2, 3);
    if (workbench_below(bench, 2)) c.setup.class_weights = weights;
    c.logits = workbench_normal(bench, count, 0, 2);
    c.targets = workbench_zeros(bench, count);
    draw_targets(bench, c.setup.n, c.setup.classes, spread, c.targets);
    real *dlogits = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {
        .operation = "cross-entropy", .loss = entropy_loss, .setup = &c, .scale = 0.7, .samples = 20};
    double loss = cross_entropy(&c.setup, c.logits, c.targets, 0.7, dlogits);
    assert_true(fabs(loss - entropy_by_definition(&c)) < EXACT * (1 + fabs(loss)));
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

static void test_cross_entropy(void **state)
{
    (void)state;
    workbench_trials(check_cross_entropy, 1000, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy_of_large_logits),
        cmocka_unit_test(test_count_correct_takes_the_first_of_equals),
        cmocka_unit_test(test_cross_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
