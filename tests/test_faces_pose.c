/* Head pose: angles come back from a projected template, signs are what they are called, and errors are as rough as
 * stated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/random.h"
#include "rmfer/faces/pose.h"

#include <math.h>
#include <string.h>

static const double radians = 0.017453292519943295;

/* Turns one axis into the next by an angle. */
static void turn(double point[3], int from, int to, double angle)
{
    double a = point[from], b = point[to];
    point[from] = cos(angle) * a - sin(angle) * b;
    point[to] = sin(angle) * a + cos(angle) * b;
}

/* Pitch, yaw, roll as pose.h has them, one axis after the other: x right, y down, z away. */
static void project(double points[FACE_LANDMARKS][3], const struct head_pose *pose, double scale,
                    double landmarks[FACE_LANDMARKS][2])
{
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        double point[3];
        memcpy(point, points[i], sizeof point);
        turn(point, 2, 1, pose->pitch * radians);
        turn(point, 0, 2, pose->yaw * radians);
        turn(point, 0, 1, pose->roll * radians);
        for (int j = 0; j < 2; j++) landmarks[i][j] = 300 + scale * point[j];
    }
}

static struct head_pose fitted(double points[FACE_LANDMARKS][3], const struct head_pose *pose, double scale)
{
    double landmarks[FACE_LANDMARKS][2];
    struct head_pose found;
    project(points, pose, scale, landmarks);
    assert_true(head_pose_fit((const double(*)[2])landmarks, &found));
    return found;
}

static void known_rotations_come_back(void **state)
{
    (void)state;
    double points[FACE_LANDMARKS][3];
    head_pose_template(points);
    for (double yaw = -80; yaw <= 80; yaw += 20)
        for (double pitch = -60; pitch <= 60; pitch += 15)
            for (double roll = -170; roll <= 170; roll += 34) {
                struct head_pose wanted = {yaw, pitch, roll}, found = fitted(points, &wanted, 5 + fabs(yaw));
                assert_true(fabs(found.yaw - yaw) < 1e-6);
                assert_true(fabs(found.pitch - pitch) < 1e-6);
                assert_true(fabs(found.roll - roll) < 1e-6);
            }
}

/* Said without a rotation matrix: where the nose goes, and which eye is lower. */
static void signs_are_as_named(void **state)
{
    (void)state;
    double frontal[FACE_LANDMARKS][2], moved[FACE_LANDMARKS][2];
    struct head_pose pose;
    for (int i = 0; i < FACE_LANDMARKS; i++)
        for (int j = 0; j < 2; j++) frontal[i][j] = 100 * crop_template[i][j];
    assert_true(head_pose_fit((const double(*)[2])frontal, &pose));
    assert_true(fabs(pose.yaw) + fabs(pose.pitch) + fabs(pose.roll) < 1e-6);
    memcpy(moved, frontal, sizeof moved);
    moved[LANDMARK_NOSE][0] += 8;
    assert_true(head_pose_fit((const double(*)[2])moved, &pose));
    assert_true(pose.yaw > 5 && fabs(pose.pitch) < 1 && fabs(pose.roll) < 5);
    memcpy(moved, frontal, sizeof moved);
    moved[LANDMARK_NOSE][1] -= 8;
    assert_true(head_pose_fit((const double(*)[2])moved, &pose));
    assert_true(pose.pitch > 5 && fabs(pose.yaw) < 1e-6 && fabs(pose.roll) < 1e-6);
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        moved[i][0] = frontal[i][0] * cos(0.3) - frontal[i][1] * sin(0.3);
        moved[i][1] = frontal[i][0] * sin(0.3) + frontal[i][1] * cos(0.3);
    }
    assert_true(moved[LANDMARK_LEFT_EYE][1] > moved[LANDMARK_RIGHT_EYE][1]);
    assert_true(head_pose_fit((const double(*)[2])moved, &pose));
    assert_true(fabs(pose.roll * radians - 0.3) < 1e-6);
}

static double noise(struct random_stream *random, double deviation)
{
    return deviation * random_normal(random);
}

/* The errors that pose.h states, of other people's faces and landmarks that are a little off. */
static void errors_are_as_stated(void **state)
{
    enum { HEADS = 4000 };
    (void)state;
    struct random_stream random = random_stream(5, RANDOM_TEST, 0, 0);
    double mean[3] = {0}, eyes = 0.47;
    for (int h = 0; h < HEADS; h++) {
        double points[FACE_LANDMARKS][3], landmarks[FACE_LANDMARKS][2];
        struct head_pose wanted = {random_between(&random, -45, 45), random_between(&random, -30, 30),
                                   random_between(&random, -30, 30)},
                         found;
        head_pose_template(points);
        for (int i = 0; i < FACE_LANDMARKS; i++)
            for (int j = 0; j < 3; j++) points[i][j] += noise(&random, 0.04 * eyes);
        project(points, &wanted, 1, landmarks);
        for (int i = 0; i < FACE_LANDMARKS; i++)
            for (int j = 0; j < 2; j++) landmarks[i][j] += noise(&random, 0.02 * eyes);
        assert_true(head_pose_fit((const double(*)[2])landmarks, &found));
        mean[0] += fabs(found.yaw - wanted.yaw) / HEADS;
        mean[1] += fabs(found.pitch - wanted.pitch) / HEADS;
        mean[2] += fabs(found.roll - wanted.roll) / HEADS;
    }
    assert_true(mean[0] > 3 && mean[0] < 4.5);
    assert_true(mean[1] > 3 && mean[1] < 4.5);
    assert_true(mean[2] > 1 && mean[2] < 2.5);
}

static void points_on_a_line_have_none(void **state)
{
    (void)state;
    double landmarks[FACE_LANDMARKS][2];
    struct head_pose pose;
    for (int i = 0; i < FACE_LANDMARKS; i++) landmarks[i][0] = landmarks[i][1] = 0;
    assert_false(head_pose_fit((const double(*)[2])landmarks, &pose));
    for (int i = 0; i < FACE_LANDMARKS; i++) landmarks[i][0] = landmarks[i][1] = i;
    assert_false(head_pose_fit((const double(*)[2])landmarks, &pose));
    landmarks[2][0] = NAN;
    assert_false(head_pose_fit((const double(*)[2])landmarks, &pose));
    landmarks[2][0] = 1e300;
    assert_false(head_pose_fit((const double(*)[2])landmarks, &pose));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_rotations_come_back),
        cmocka_unit_test(signs_are_as_named),
        cmocka_unit_test(errors_are_as_stated),
        cmocka_unit_test(points_on_a_line_have_none),
    };
    return cmocka_run_group_tests_name("pose", tests, NULL, NULL);
}
