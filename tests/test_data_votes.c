/* FERPlus's vote rules: rows worked out by hand, and the published counts over the official table where it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/data/csv.h"
#include "rmfer/data/votes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NONE = -1 };

/* Columns: neutral happiness surprise sadness anger disgust fear contempt unknown NF. */
static const struct {
    int votes[VOTE_COLUMNS];
    int argmax, majority;                 /* winning expression or NONE */
    double probability[EXPRESSION_COUNT]; /* by expression; all 0 = dropped */
} cases[] = {
    /* Single votes go; 4 of the 9 left is no majority; 4 + 3 of 9 is three quarters, so that the 2 go too. */
    {{4, 0, 0, 1, 3, 2, 0, 0, 0, 0},
     EXPRESSION_NEUTRAL,
     NONE,
     {[EXPRESSION_NEUTRAL] = 4. / 7, [EXPRESSION_ANGER] = 3. / 7}},
    {{0, 10, 0, 0, 0, 0, 0, 0, 0, 0}, EXPRESSION_HAPPINESS, EXPRESSION_HAPPINESS, {[EXPRESSION_HAPPINESS] = 1}},
    {{6, 0, 1, 1, 0, 0, 0, 0, 2, 0}, EXPRESSION_NEUTRAL, EXPRESSION_NEUTRAL, {[EXPRESSION_NEUTRAL] = 1}},
    /* A tie: the first wins argmax, neither has a majority, both are kept. */
    {{0, 0, 5, 5, 0, 0, 0, 0, 0, 0},
     EXPRESSION_SURPRISE,
     NONE,
     {[EXPRESSION_SURPRISE] = .5, [EXPRESSION_SADNESS] = .5}},
    /* Exactly half is no majority. */
    {{0, 4, 0, 0, 0, 0, 4, 0, 0, 0}, EXPRESSION_HAPPINESS, NONE, {[EXPRESSION_HAPPINESS] = .5, [EXPRESSION_FEAR] = .5}},
    /* Won by unknown, won by NF. */
    {{2, 0, 0, 0, 0, 0, 0, 0, 8, 0}, NONE, NONE, {0}},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 10}, NONE, NONE, {0}},
    /* Unknown comes second and is dropped, which leaves more than half of the votes, or not. */
    {{0, 0, 6, 0, 0, 0, 0, 0, 4, 0}, EXPRESSION_SURPRISE, EXPRESSION_SURPRISE, {[EXPRESSION_SURPRISE] = 1}},
    {{0, 0, 4, 0, 2, 0, 0, 0, 4, 0}, EXPRESSION_SURPRISE, NONE, {0}},
    /* Four emotions in a tie are too many. */
    {{2, 2, 2, 2, 0, 0, 0, 0, 0, 0}, EXPRESSION_NEUTRAL, NONE, {0}},
    /* Nothing but single votes. */
    {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, EXPRESSION_NEUTRAL, NONE, {0}},
    {{0}, NONE, NONE, {0}}, /* a row of a table of one's own, which nobody voted on */
    {{0, 0, 0, 0, 0, 0, 0, 9, 1, 0}, EXPRESSION_CONTEMPT, EXPRESSION_CONTEMPT, {[EXPRESSION_CONTEMPT] = 1}},
};

static int winner(const double target[EXPRESSION_COUNT])
{
    for (int i = 0; i < EXPRESSION_COUNT; i++)
        if (target[i] == 1.0) return i;
    return NONE;
}

static void test_rules_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double target[EXPRESSION_COUNT];
        bool kept = votes_target(cases[i].votes, VOTES_ARGMAX, target);
        assert_int_equal(kept ? winner(target) : NONE, cases[i].argmax);
        kept = votes_target(cases[i].votes, VOTES_MAJORITY, target);
        assert_int_equal(kept ? winner(target) : NONE, cases[i].majority);
        double wanted = 0;
        for (int e = 0; e < EXPRESSION_COUNT; e++) wanted += cases[i].probability[e];
        kept = votes_target(cases[i].votes, VOTES_PROBABILITY, target);
        if (kept != (wanted > 0)) fail_msg("case %zu: %s", i, kept ? "kept" : "dropped");
        for (int e = 0; e < EXPRESSION_COUNT && kept; e++)
            assert_true(fabs(target[e] - cases[i].probability[e]) < 1e-12);
    }
}

static void test_published_counts(void **state)
{
    (void)state;
    const char *material = getenv("RMFER_TEST_MATERIAL");
    char path[512];
    snprintf(path, sizeof path, "%s/data/fer2013new.csv", material == NULL ? "../shared" : material);
    if (!file_exists(path)) {
        printf("skipped: test_published_counts: %s is not there\n", path);
        skip();
    }
    static const char *const usages[] = {"Training", "PublicTest", "PrivateTest"};
    size_t counts[3][3] = {{0}};
    struct csv_reader csv;
    struct error err = {0};
    bool found = true;
    assert_int_equal(csv_open(&csv, path, CSV_COMMA, &err), STATUS_OK);
    assert_int_equal(csv_next(&csv, &found, &err), STATUS_OK);
    while (csv_next(&csv, &found, &err) == STATUS_OK && found) {
        int usage = 0, votes[VOTE_COLUMNS];
        while (strcmp(usages[usage], csv_field(&csv, 0)) != 0) assert_true(++usage < 3);
        for (size_t i = 0; i < VOTE_COLUMNS; i++) votes[i] = atoi(csv_field(&csv, 2 + i));
        if (csv_field(&csv, 1)[0] == '\0') continue;
        double target[EXPRESSION_COUNT];
        for (int rule = VOTES_ARGMAX; rule <= VOTES_PROBABILITY; rule++)
            counts[rule][usage] += votes_target(votes, (enum config_votes)rule, target);
    }
    assert_int_equal(err.code, STATUS_OK);
    csv_close(&csv);
    static const size_t wanted[3][3] = {{28389, 3553, 3546}, {25060, 3199, 3153}, {27956, 3505, 3505}};
    for (int rule = 0; rule < 3; rule++)
        for (int usage = 0; usage < 3; usage++) assert_int_equal(counts[rule][usage], wanted[rule][usage]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_by_hand),
        cmocka_unit_test(test_published_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
