/* Head pose in closed form: a 2 x 3 affine map, its polar decomposition, and the angles of the rotation it holds. */
#include "rmfer/faces/pose.h"

#include <math.h>
#include <string.h>

static const double EYE_DISTANCES_BEFORE_EYES[FACE_LANDMARKS] = {
    [LANDMARK_NOSE] = 0.636, [LANDMARK_RIGHT_MOUTH] = 0.130, [LANDMARK_LEFT_MOUTH] = 0.130};

void head_pose_template(double points[FACE_LANDMARKS][3])
{
    double distance = crop_template[LANDMARK_LEFT_EYE][0] - crop_template[LANDMARK_RIGHT_EYE][0];
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        points[i][0] = crop_template[i][0];
        points[i][1] = crop_template[i][1];
        points[i][2] = -EYE_DISTANCES_BEFORE_EYES[i] * distance;
    }
}

/* Takes the points' mean away; `points` is [FACE_LANDMARKS, columns]. */
static void centre(double *points, int columns)
{
    for (int j = 0; j < columns; j++) {
        double mean = 0;
        for (int i = 0; i < FACE_LANDMARKS; i++) mean += points[i * columns + j] / FACE_LANDMARKS;
        for (int i = 0; i < FACE_LANDMARKS; i++) points[i * columns + j] -= mean;
    }
}

/* The inverse of a symmetric matrix by its cofactors. The template's is far from singular. */
static void invert_symmetric(double m[3][3], double inverse[3][3])
{
    double determinant = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
            inverse[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
            if (i == 0) determinant += m[0][j] * inverse[0][j];
        }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) inverse[i][j] /= determinant;
}

/* A = (sum y x^T)(sum x x^T)^-1 for template points x and landmarks y about their means. */
static void fit_affine(const double (*landmarks)[2], double affine[2][3])
{
    double x[FACE_LANDMARKS][3], y[FACE_LANDMARKS][2], between[2][3] = {{0}}, within[3][3] = {{0}}, inverse[3][3];
    head_pose_template(x);
    memcpy(y, landmarks, sizeof y);
    centre(x[0], 3);
    centre(y[0], 2);
    for (int p = 0; p < FACE_LANDMARKS; p++)
        for (int j = 0; j < 3; j++) {
            for (int i = 0; i < 2; i++) between[i][j] += y[p][i] * x[p][j];
            for (int i = 0; i < 3; i++) within[i][j] += x[p][i] * x[p][j];
        }
    invert_symmetric(within, inverse);
    memset(affine, 0, 2 * sizeof *affine);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++) affine[i][j] += between[i][k] * inverse[k][j];
}

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The two orthonormal rows nearest to A's: (A A^T)^-1/2 A, where the root of a symmetric 2 x 2 matrix M is
 * (M + sqrt(det M) I) / sqrt(trace M + 2 sqrt(det M)). */
static bool nearest_rotation(double affine[2][3], double rotation[3][3])
{
    double a = dot(affine[0], affine[0]), b = dot(affine[0], affine[1]), c = dot(affine[1], affine[1]);
    double determinant = a * c - b * b;
    if (!(determinant > 1e-6 * a * c) || !isfinite(determinant)) return false;
    double root = sqrt(determinant), scale = 1 / (root * sqrt(a + c + 2 * root));
    const double inverse[2][2] = {{(c + root) * scale, -b * scale}, {-b * scale, (a + root) * scale}};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) rotation[i][j] = inverse[i][0] * affine[0][j] + inverse[i][1] * affine[1][j];
    for (int j = 0; j < 3; j++) {
        int k = (j + 1) % 3, l = (j + 2) % 3;
        rotation[2][j] = rotation[0][k] * rotation[1][l] - rotation[0][l] * rotation[1][k];
    }
    return true;
}

bool head_pose_fit(const double (*landmarks)[2], struct head_pose *pose)
{
    static const double degrees = 57.29577951308232;
    double affine[2][3], r[3][3];
    fit_affine(landmarks, affine);
    if (!nearest_rotation(affine, r)) return false;
    /* r = Rz(roll) Ry(yaw) Rx(pitch) with y down and z away from the camera. */
    pose->yaw = degrees * asin(fmax(-1, fmin(1, r[2][0])));
    pose->pitch = degrees * atan2(-r[2][1], r[2][2]);
    pose->roll = degrees * atan2(r[1][0], r[0][0]);
    return true;
}
