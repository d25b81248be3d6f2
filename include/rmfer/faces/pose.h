/* Which way a head is turned, from five landmarks: rough, for sorting and leaving out, not for measuring.
 *
 * Five points and no camera allow a scaled orthographic projection of a mean face, no more. On points projected from
 * heads turned by up to 45 degrees whose proportions vary as people's do (4 % of the distance between the eyes) and
 * whose landmarks are off by 2 % of it, yaw and pitch are off by 4 degrees on average and roll by 2; a person's own
 * proportions make most of that, so that it stays the same from frame to frame. What depends on depth rests on the tip
 * of the nose alone. Beyond about 60 degrees the detector's own landmarks are guesses. */
#ifndef RMFER_FACES_POSE_H
#define RMFER_FACES_POSE_H

#include "rmfer/data/crop.h"

/* Degrees; all 0 looks straight into the camera. The head is turned by pitch first, then yaw, then roll. */
struct head_pose {
    double yaw;   /* -90 .. 90; above 0: turned to the picture's right, the person's own left */
    double pitch; /* -180 .. 180; above 0: looking up */
    double roll;  /* -180 .. 180; above 0: tilted clockwise in the picture */
};

/* The landmarks of a mean face in widths of the detector's box: x to the picture's right, y down, z away from the
 * camera. x and y are those of crop_template; the depths are those of MediaPipe's canonical face model (Lugaresi et al.
 * 2019, canonical_face_model.obj, vertices 33, 133, 1 and 61) in its distances between the eyes' centres: the tip of
 * the nose 0.636, the corners of the mouth 0.130 before the eyes. */
void head_pose_template(double points[FACE_LANDMARKS][3]);

/* The pose whose scaled orthographic projection of the template fits the landmarks: the affine map with the least
 * squares, and the nearest to it that is a rotation (DeMenthon and Davis 1995, "Model-based object pose in 25 lines of
 * code", where this is the first step; nearest by the polar decomposition). False when the landmarks lie on a line. */
bool head_pose_fit(const double (*landmarks)[2], struct head_pose *pose);

#endif
