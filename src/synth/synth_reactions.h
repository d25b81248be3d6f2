/* Who reacts, to what, and how a head moves meanwhile: what the drawn RMset and the drawn mashup videos share. Every
 * answer is a function of the scene, the person and the frame. */
#ifndef SYNTH_SYNTH_REACTIONS_H
#define SYNTH_SYNTH_REACTIONS_H

#include "rmfer/synth/synth.h"

struct synth_scene {
    uint64_t seed;
    uint64_t video; /* scenes of other numbers have other persons and moments */
    int persons;
    int frames, frames_a_moment;
};

/* Shows its moment's expression with this probability, else any. */
enum expression synth_scene_expression(const struct synth_scene *scene, int person, int frame);

/* Draws the person at that moment into a new picture; `square` as for synth_draw. */
status synth_scene_draw(const struct synth_scene *scene, int person, int frame, const struct image_box *square,
                        int width, int height, struct image *image, struct error *err) MUST_CHECK;

/* Where that face is: as wide as the head, from the hairline's height to the chin. */
struct image_box synth_scene_face(const struct synth_scene *scene, int person, int frame,
                                  const struct image_box *square);

#endif
