/* Drawn persons who react to the same moments: most of them show a moment's expression, their heads move slowly. */
#include "synth/synth_reactions.h"

#include "rmfer/base/random.h"

#include <math.h>

/* Numbers of persons and looks start here, far from the labelled layouts' (see synth.c). */
#define SCENE_NUMBERS (UINT64_C(1) << 40)
static const double AGREEMENT = .85;
enum { MOST_PERSONS = 64 };

static struct random_stream stream_of(const struct synth_scene *scene, uint64_t use, uint64_t number)
{
    return random_stream(scene->seed, RANDOM_SYNTHESIS, 200 + use, scene->video << 20 | number);
}

static uint64_t number_of(const struct synth_scene *scene, int within)
{
    return SCENE_NUMBERS + (scene->video << 20) + (uint64_t)within;
}

/* No expression comes twice before each has come once. */
static enum expression moment_expression(const struct synth_scene *scene, int moment)
{
    struct random_stream stream = stream_of(scene, 0, 0);
    int64_t order[EXPRESSION_COUNT];
    for (int i = 0; i < EXPRESSION_COUNT; i++) order[i] = i;
    random_shuffle(&stream, order, EXPRESSION_COUNT);
    return (enum expression)order[moment % EXPRESSION_COUNT];
}

enum expression synth_scene_expression(const struct synth_scene *scene, int person, int frame)
{
    int moment = frame / scene->frames_a_moment;
    struct random_stream stream = stream_of(scene, 1, (uint64_t)(moment * MOST_PERSONS + person));
    if (random_uniform(&stream) < AGREEMENT) return moment_expression(scene, moment);
    return (enum expression)random_below(&stream, EXPRESSION_COUNT);
}

/* A head moves slowly around where its person holds it. */
static struct synth_view view_at(const struct synth_scene *scene, int person, int frame)
{
    struct synth_view view = synth_view(scene->seed, number_of(scene, person));
    struct random_stream stream = stream_of(scene, 2, (uint64_t)person);
    float at = (float)frame / (float)scene->frames * 6.2831853f;
    float phase[3];
    for (int i = 0; i < 3; i++) phase[i] = (float)random_between(&stream, 0, 6.2831853);
    view.rotation += .08f * sinf(2 * at + phase[0]);
    view.shift_x += .05f * sinf(3 * at + phase[1]);
    view.yaw += .4f * sinf(2 * at + phase[2]);
    view.noise_seed += (uint64_t)frame;
    return view;
}

status synth_scene_draw(const struct synth_scene *scene, int person, int frame, const struct image_box *square,
                        int width, int height, struct image *image, struct error *err)
{
    int moment = frame / scene->frames_a_moment;
    struct synth_identity identity = synth_identity(scene->seed, number_of(scene, person));
    struct synth_view view = view_at(scene, person, frame);
    struct synth_look look = synth_look(synth_scene_expression(scene, person, frame), scene->seed,
                                        number_of(scene, moment * MOST_PERSONS + person));
    return synth_draw(&identity, &view, &look, square, width, height, image, err);
}

struct image_box synth_scene_face(const struct synth_scene *scene, int person, int frame,
                                  const struct image_box *square)
{
    enum { HAIRLINE_PERCENT = 75 }; /* of the half head above its centre */
    struct synth_identity identity = synth_identity(scene->seed, number_of(scene, person));
    struct synth_view view = view_at(scene, person, frame);
    double half_head = square->width / SYNTH_SQUARE_HALF_HEADS * view.scale;
    double x = square->x + square->width / 2 + view.shift_x * half_head;
    double y = square->y + square->height / 2 + view.shift_y * half_head;
    double half_width = identity.face_width * half_head, above = half_head * HAIRLINE_PERCENT / 100;
    return (struct image_box){x - half_width, y - above, 2 * half_width, above + half_head};
}
