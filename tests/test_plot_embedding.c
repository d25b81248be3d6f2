/* Multidimensional scaling against NumPy on fixed data (scripts/golden_embedding.py), its stress from round to round,
 * what has no plane of its own, and clouds brought onto each other. */
#include "rmfer/plot/embedding.h"

#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 60, DIMENSIONS = 8 };

static double distances[POINTS * POINTS], positions[2 * POINTS], room[2 * POINTS], history[EMBEDDING_ROUNDS + 1];
static real features[POINTS * DIMENSIONS];

static void make_features(void)
{
    struct error err = {0};
    uint64_t key = golden_key("embedding");
    for (size_t i = 0; i < POINTS * DIMENSIONS; i++)
        features[i] = (real)(golden_uniform(key, i) + (i % DIMENSIONS == 0 ? (double)(i / DIMENSIONS % 3) : 0));
    assert_int_equal(embedding_distances(features, POINTS, DIMENSIONS, distances, &err), STATUS_OK);
}

static void assert_near(const float *expected, const double *got, size_t count, double bound)
{
    for (size_t i = 0; i < count; i++) assert_true(fabs((double)expected[i] - got[i]) <= bound);
}

static void equals_numpy(void **state)
{
    (void)state;
    struct error err = {0};
    size_t count;
    double values[2];
    struct golden *golden = golden_open("tests/golden/embedding.safetensors");
    assert_non_null(golden);
    make_features();
    assert_int_equal(embedding_classical(distances, POINTS, positions, values, &err), STATUS_OK);
    assert_near(golden_tensor(golden, "values", &count), values, 2, 1e-6 * values[0]);
    assert_near(golden_tensor(golden, "classical", &count), positions, 2 * POINTS, 1e-6);
    const float *stress = golden_tensor(golden, "stress", &count);
    assert_true(fabs(embedding_stress(distances, POINTS, positions) - (double)stress[0]) < 1e-6);
    size_t rounds = embedding_refine(distances, POINTS, positions, room, history);
    assert_int_equal(rounds, golden_integer(golden, "rounds"));
    assert_true(fabs(history[rounds] - (double)stress[1]) < 1e-6);
    assert_near(golden_tensor(golden, "refined", &count), positions, 2 * POINTS, 1e-5);
    golden_close(golden);
}

static void stress_never_rises(void **state)
{
    (void)state;
    make_features();
    for (size_t i = 0; i < 2 * POINTS; i++) positions[i] = 10 * golden_uniform(golden_key("anywhere"), i);
    size_t rounds = embedding_refine(distances, POINTS, positions, room, history);
    assert_true(rounds > 5);
    for (size_t r = 0; r < rounds; r++) assert_true(history[r + 1] <= history[r]);
    assert_true(history[rounds] < 0.5 * history[0]);
    assert_true(fabs(embedding_stress(distances, POINTS, positions) - history[rounds]) < 1e-12);
}

/* Points of a plane come back as they were, but for a turn. */
static void keeps_a_plane(void **state)
{
    (void)state;
    struct error err = {0};
    double plane[2 * POINTS];
    for (size_t i = 0; i < 2 * POINTS; i++) plane[i] = golden_uniform(golden_key("plane"), i);
    for (size_t i = 0; i < POINTS * POINTS; i++) {
        const double *a = plane + 2 * (i / POINTS), *b = plane + 2 * (i % POINTS);
        distances[i] = sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]));
    }
    assert_int_equal(embedding_classical(distances, POINTS, positions, NULL, &err), STATUS_OK);
    assert_true(embedding_stress(distances, POINTS, positions) < 1e-7);
    embedding_normalise(plane, POINTS);
    embedding_normalise(positions, POINTS);
    embedding_align(plane, positions, POINTS);
    for (size_t i = 0; i < 2 * POINTS; i++) assert_true(fabs(plane[i] - positions[i]) < 1e-6);
    for (size_t i = 0; i < POINTS; i++) room[2 * i] = plane[2 * i], room[2 * i + 1] = -plane[2 * i + 1];
    embedding_align(plane, room, POINTS);
    for (size_t i = 0; i < 2 * POINTS; i++) assert_true(fabs(plane[i] - room[i]) < 1e-9);
}

static void bears_degenerate_clouds(void **state)
{
    (void)state;
    struct error err = {0};
    const real same[3 * 2] = {1, 1, 2, 2, 3, 3}; /* one direction: all equal once their length is one */
    assert_int_equal(embedding_distances(same, 3, 2, distances, &err), STATUS_OK);
    assert_int_equal(embedding_classical(distances, 3, positions, NULL, &err), STATUS_OK);
    embedding_refine(distances, 3, positions, room, NULL);
    embedding_normalise(positions, 3);
    for (size_t i = 0; i < 6; i++) assert_true(fabs(positions[i]) < 1e-6);
    assert_true(embedding_stress(distances, 3, positions) >= 0);
    const real two[2 * 2] = {1, 0, 0, 5};
    assert_int_equal(embedding_distances(two, 2, 2, distances, &err), STATUS_OK);
    assert_int_equal(embedding_classical(distances, 2, positions, NULL, &err), STATUS_OK);
    assert_true(fabs(hypot(positions[0] - positions[2], positions[1] - positions[3]) - sqrt(2)) < 1e-7);
    assert_int_equal(embedding_classical(distances, 1, positions, NULL, &err), STATUS_OK);
    assert_true(positions[0] == 0 && positions[1] == 0);
    assert_int_equal(embedding_refine(distances, 1, positions, room, NULL), 0);
    const real zero[2 * 2] = {0, 0, 0, 1};
    assert_int_equal(embedding_distances(zero, 2, 2, distances, &err), STATUS_OK);
    assert_true(fabs(distances[1] - 1) < 1e-9);
}

static void refuses_what_is_no_number(void **state)
{
    (void)state;
    struct error err = {0};
    const real bad[2 * 2] = {1, 0, (real)NAN, 1};
    assert_int_equal(embedding_distances(bad, 2, 2, distances, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "picture 1"));
}

static void measures_distances_from_centres(void **state)
{
    (void)state;
    double cloud[2 * 5] = {0, 0, 2, 0, 5, 1, 5, 3, 90, 90}, centres[2 * 3];
    const int32_t labels[5] = {0, 0, 1, 1, -1};
    assert_true(fabs(embedding_centres(cloud, labels, 5, 3, centres) - 1) < 1e-12);
    assert_true(fabs(centres[0] - 1) < 1e-12 && fabs(centres[3] - 2) < 1e-12 && isnan(centres[4]));
    assert_true(isnan(embedding_centres(cloud, labels + 4, 1, 3, centres)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_numpy),
        cmocka_unit_test(stress_never_rises),
        cmocka_unit_test(keeps_a_plane),
        cmocka_unit_test(bears_degenerate_clouds),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(measures_distances_from_centres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
