/* The drawing of one face: layers of simple shapes, each a signed distance, blended with antialiased edges.
 *
 * A pixel's place is turned into the head's coordinates (half heads, y down), so that shapes are written once,
 * upright and centred. Distances to curved shapes are first-order: exact near the edge, which is where they matter.
 */
#include "rmfer/synth/synth.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <math.h>
#include <string.h>

/* ---- chance ------------------------------------------------------------------------------------------------------ */

enum { STREAM_IDENTITY = 1, STREAM_VIEW, STREAM_LOOK, STREAM_NOISE };

static struct random_stream stream_of(uint64_t seed, uint64_t use, uint64_t number)
{
    return random_stream(seed, RANDOM_SYNTHESIS, use, number);
}

static float between(struct random_stream *stream, double low, double high)
{
    return (float)random_between(stream, low, high);
}

static struct synth_colour mix(struct synth_colour a, struct synth_colour b, float share)
{
    return (struct synth_colour){a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share, a.b + (b.b - a.b) * share};
}

static struct synth_colour random_colour(struct random_stream *stream, double low, double high)
{
    return (struct synth_colour){between(stream, low, high), between(stream, low, high), between(stream, low, high)};
}

static struct synth_colour random_hair(struct random_stream *stream)
{
    static const struct synth_colour kinds[] = {
        {.08f, .06f, .05f}, {.22f, .13f, .07f}, {.40f, .24f, .12f},
        {.72f, .56f, .30f}, {.50f, .18f, .08f}, {.6f, .6f, .6f},
    };
    struct synth_colour chosen = kinds[random_below(stream, sizeof kinds / sizeof kinds[0])];
    return mix(chosen, random_colour(stream, 0, 1), .08f);
}

struct synth_identity synth_identity(uint64_t seed, uint64_t number)
{
    static const struct synth_colour pale = {.96f, .80f, .69f}, dark = {.47f, .31f, .22f};
    static const struct synth_colour brown = {.25f, .15f, .08f}, blue = {.30f, .45f, .60f}, red = {.70f, .25f, .25f};
    struct random_stream stream = stream_of(seed, STREAM_IDENTITY, number);
    struct synth_identity who = {0};
    who.skin = mix(mix(pale, dark, (float)random_uniform(&stream)), random_colour(&stream, .3, .8), .06f);
    who.hair = random_hair(&stream);
    who.iris = mix(brown, blue, (float)random_uniform(&stream));
    who.lips = mix(who.skin, red, between(&stream, .5, .9));
    who.clothes = random_colour(&stream, .1, .9);
    who.face_width = between(&stream, .70, .84);
    who.jaw = between(&stream, .02, .20);
    who.eye_distance = between(&stream, .31, .38);
    who.eye_size = between(&stream, .15, .19);
    who.eye_height = between(&stream, -.20, -.10);
    who.brow_thickness = between(&stream, .035, .06);
    who.brow_height = between(&stream, .22, .28);
    who.nose_length = between(&stream, .28, .40);
    who.nose_width = between(&stream, .08, .14);
    who.mouth_width = between(&stream, .30, .38);
    who.mouth_height = between(&stream, .50, .58);
    who.lip_thickness = between(&stream, .025, .045);
    who.hairline = between(&stream, -.72, -.50);
    who.hair_wave = between(&stream, -.12, .12);
    who.hair_length = random_uniform(&stream) < .5 ? between(&stream, .3, 1) : 0;
    who.bald = random_uniform(&stream) < .1;
    who.glasses = random_uniform(&stream) < .15;
    return who;
}

struct synth_view synth_view(uint64_t seed, uint64_t number)
{
    struct random_stream stream = stream_of(seed, STREAM_VIEW, number);
    struct synth_view view = {0};
    view.shift_x = between(&stream, -.08, .08);
    view.shift_y = between(&stream, -.08, .08);
    view.rotation = (float)random_normal(&stream) * .08f;
    view.scale = between(&stream, .92, 1.08);
    view.yaw = between(&stream, -1, 1);
    view.light_x = between(&stream, -1, 1);
    view.light_y = between(&stream, -1, .3);
    view.brightness = between(&stream, .80, 1.08);
    view.warmth = between(&stream, -.06, .06);
    view.background[0] = random_colour(&stream, .1, .95);
    view.background[1] = mix(view.background[0], random_colour(&stream, .1, .95), .5f);
    view.noise = between(&stream, .004, .014);
    view.noise_seed = random_bits(&stream);
    return view;
}

/* What each expression does to brows, eyes, mouth and nose (after the usual descriptions of facial actions). */
/* clang-format off */
static const struct synth_look LOOKS[EXPRESSION_COUNT] = {
    /*  brow: raise  slope  curve    one |  eye | mouth: curve  open  width teeth  asymmetry | nose */
    [EXPRESSION_NEUTRAL]   = {0,     0,     .03f,  0,     1,       0,     0,    1,     0,  0,     0},
    [EXPRESSION_HAPPINESS] = { .02f, 0,     .05f,  0,     .75f,    .15f,  .15f, 1.25f, 1,  0,     0},
    [EXPRESSION_SADNESS]   = { .03f,  .18f, 0,     0,     .60f,   -.15f,  0,    .80f,  0,  0,     0},
    [EXPRESSION_SURPRISE]  = { .14f, 0,     .09f,  0,     1.5f,    0,     .26f, .68f,  0,  0,     0},
    [EXPRESSION_FEAR]      = { .10f,  .13f, .01f,  0,     1.45f,  -.06f,  .16f, 1.15f, 1,  0,     0},
    [EXPRESSION_DISGUST]   = {-.06f, -.03f, .01f,  0,     .35f,   -.10f,  .08f, .90f,  0,  0,     1},
    [EXPRESSION_ANGER]     = {-.09f, -.20f, 0,     0,     .85f,   -.03f,  .13f, .85f,  1,  0,     .3f},
    [EXPRESSION_CONTEMPT]  = {0,     0,     .03f,  .15f,  .90f,    .01f,  0,    1,     0,  .24f,  0},
};
/* clang-format on */

enum { LOOK_VALUES = sizeof(struct synth_look) / sizeof(float) };

struct synth_look synth_look(enum expression expression, uint64_t seed, uint64_t number)
{
    struct random_stream stream = stream_of(seed, STREAM_LOOK, number);
    float neutral[LOOK_VALUES], full[LOOK_VALUES], shown[LOOK_VALUES];
    memcpy(neutral, &LOOKS[EXPRESSION_NEUTRAL], sizeof neutral);
    memcpy(full, &LOOKS[expression], sizeof full);
    float intensity = between(&stream, .75, 1.2);
    for (int i = 0; i < LOOK_VALUES; i++)
        shown[i] = neutral[i] + intensity * (full[i] - neutral[i]) + .012f * (float)random_normal(&stream);
    struct synth_look look;
    memcpy(&look, shown, sizeof look);
    look.eye_open = fminf(fmaxf(look.eye_open + .08f * (float)random_normal(&stream), .2f), 1.7f);
    look.mouth_open = fmaxf(look.mouth_open, 0);
    return look;
}

static float within_one(float value)
{
    return fminf(fmaxf(value, -1), 1);
}

/* Weights that put the looks above roughly where people put the expressions (Russell, A circumplex model of affect,
 * 1980): corners of the mouth please, slanted brows, a wrinkled nose and a sneer do not; eyes, mouth and a frown are
 * excited. */
struct synth_affect synth_affect(const struct synth_look *look)
{
    float displeased = 1.2f * fabsf(look->brow_slope) + .3f * look->nose_wrinkle + 1.2f * look->asymmetry;
    float frown = fmaxf(-look->brow_slope, 0);
    return (struct synth_affect){
        .valence = within_one(5 * look->mouth_curve + look->brow_raise - displeased),
        .arousal = within_one(.7f * (look->eye_open - 1) + 1.8f * look->mouth_open + 1.5f * frown),
    };
}

/* ---- distances --------------------------------------------------------------------------------------------------- */

/* A place in the head: turned upright, with the size of a pixel there. */
struct place {
    float x, y, pixel;
};

static struct place moved(struct place at, float x, float y)
{
    return (struct place){at.x - x, at.y - y, at.pixel};
}

/* Signed distance to an ellipse about the origin, from its implicit function and that function's gradient. */
static float ellipse(struct place at, float half_width, float half_height)
{
    float x = at.x / half_width, y = at.y / half_height;
    float level = sqrtf(x * x + y * y);
    float gx = x / half_width, gy = y / half_height;
    float gradient = sqrtf(gx * gx + gy * gy);
    return gradient < 1e-6f ? -fminf(half_width, half_height) : level * (level - 1) / gradient;
}

/* Signed distance to the stroke along y = middle + curve * t^2 + slope * t, t = x / half_width in -1..1, round ends.
 */
static float stroke(struct place at, float half_width, float curve, float slope, float thickness)
{
    float t = fminf(fmaxf(at.x / half_width, -1), 1);
    float y = curve * t * t + slope * t;
    float steepness = (2 * curve * t + slope) / half_width;
    float across = fabsf(at.y - y) / sqrtf(1 + steepness * steepness);
    float beyond = fmaxf(fabsf(at.x) - half_width, 0);
    return sqrtf(across * across + beyond * beyond) - thickness;
}

/* Share of the pixel that lies inside. */
static float coverage(float distance, float pixel)
{
    return fminf(fmaxf(.5f - distance / pixel, 0), 1);
}

static void blend(struct synth_colour *under, struct synth_colour top, float share)
{
    if (share > 0) *under = mix(*under, top, share);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

struct face {
    const struct synth_identity *who;
    const struct synth_view *view;
    const struct synth_look *look;
};

static struct synth_colour shaded(struct synth_colour colour, float factor)
{
    return (struct synth_colour){colour.r * factor, colour.g * factor, colour.b * factor};
}

/* The face's outline narrows towards the chin. */
static float head(const struct face *face, struct place at, float grown)
{
    float chin = fmaxf(at.y, 0);
    float narrowing = 1 - face->who->jaw * chin * chin;
    struct place widened = {at.x / fmaxf(narrowing, .5f), at.y, at.pixel};
    return ellipse(widened, face->who->face_width * grown, grown);
}

static void draw_behind(const struct face *face, struct place at, struct synth_colour *colour)
{
    const struct synth_identity *who = face->who;
    if (!who->bald) {
        float width = who->face_width * (1.12f + .15f * who->hair_length), height = 1.05f + .45f * who->hair_length;
        blend(colour, shaded(who->hair, .8f), coverage(ellipse(moved(at, 0, height - 1.12f), width, height), at.pixel));
    }
    float neck = fmaxf(fabsf(at.x) - .30f, .6f - at.y);
    blend(colour, shaded(who->skin, .78f), coverage(neck, at.pixel));
    blend(colour, who->clothes, coverage(ellipse(moved(at, 0, 1.95f), 1.25f, .75f), at.pixel));
}

static void draw_skin(const struct face *face, struct place at, struct synth_colour *colour)
{
    const struct synth_identity *who = face->who;
    const struct synth_view *view = face->view;
    struct place side = {fabsf(at.x), at.y, at.pixel};
    float light = 1 + .18f * (view->light_x * at.x / who->face_width + view->light_y * at.y) -
                  .10f * (at.x * at.x / (who->face_width * who->face_width) + at.y * at.y);
    struct synth_colour skin = shaded(who->skin, light);
    blend(colour, shaded(skin, .9f), coverage(ellipse(moved(side, who->face_width, -.02f), .10f, .19f), at.pixel));
    blend(colour, skin, coverage(head(face, at, 1), at.pixel));
}

static void draw_hair(const struct face *face, struct place at, struct synth_colour *colour)
{
    const struct synth_identity *who = face->who;
    if (who->bald) return;
    float line = who->hairline + who->hair_wave * at.x / who->face_width + .25f * at.x * at.x;
    float distance = fmaxf(head(face, at, 1.07f), at.y - line);
    blend(colour, shaded(who->hair, 1 - .15f * at.x * face->view->light_x), coverage(distance, at.pixel));
}

static void draw_nose(const struct face *face, struct place at, struct synth_colour *colour)
{
    const struct synth_identity *who = face->who;
    float tip = who->eye_height + .08f + who->nose_length;
    struct synth_colour shadow = shaded(who->skin, .55f);
    blend(colour, shadow, .9f * coverage(stroke(moved(at, 0, tip), who->nose_width, -.05f, 0, .018f), at.pixel));
    struct place bridge = {at.y - (tip + who->eye_height) / 2, at.x - .03f, at.pixel};
    blend(colour, shadow, .35f * coverage(stroke(bridge, who->nose_length / 2, .02f, 0, .015f), at.pixel));
    float wrinkle = fminf(fmaxf(face->look->nose_wrinkle, 0), 1);
    if (wrinkle < .05f) return;
    struct place side = {fabsf(at.x) - .16f, at.y - tip + .02f, at.pixel};
    blend(colour, shadow, wrinkle * coverage(stroke(side, .06f, -.04f, .07f, .014f), at.pixel));
    for (int i = 0; i < 2; i++) {
        struct place fold = moved(at, 0, who->eye_height + .02f + .07f * (float)i);
        blend(colour, shadow, wrinkle * coverage(stroke(fold, .07f, .02f, 0, .010f), at.pixel));
    }
}

static void draw_eye(const struct face *face, struct place at, struct synth_colour *colour)
{
    static const struct synth_colour white = {.96f, .96f, .95f}, black = {.03f, .03f, .03f};
    const struct synth_identity *who = face->who;
    float open = face->look->eye_open;
    float width = who->eye_size, height = who->eye_size * .55f * open;
    float lids = ellipse(at, width, height);
    float inside = coverage(lids, at.pixel);
    struct place pupil = moved(at, .02f * face->view->yaw, 0);
    blend(colour, white, inside);
    blend(colour, who->iris, fminf(inside, coverage(ellipse(pupil, width * .48f, width * .48f), at.pixel)));
    blend(colour, black, fminf(inside, coverage(ellipse(pupil, width * .22f, width * .22f), at.pixel)));
    float lash = fmaxf(fabsf(lids) - .014f, at.y - .01f);
    blend(colour, shaded(who->skin, .25f), coverage(lash, at.pixel));
    if (!who->glasses) return;
    float rim = fabsf(ellipse(at, .23f, .20f)) - .016f;
    blend(colour, black, .85f * coverage(rim, at.pixel));
}

/* `side` is -1 on the picture's left, 1 on its right. */
static void draw_brow(const struct face *face, struct place at, float side, struct synth_colour *colour)
{
    const struct synth_identity *who = face->who;
    const struct synth_look *look = face->look;
    float raise = who->brow_height + look->brow_raise + (side > 0 ? look->one_brow : 0);
    struct place outwards = {at.x * side, at.y + raise, at.pixel};
    /* The inner end is at negative x; a positive slope lowers the outer end. */
    float distance = stroke(outwards, .19f, look->brow_curve, look->brow_slope, who->brow_thickness);
    struct synth_colour brow = who->bald ? shaded(who->skin, .35f) : shaded(who->hair, .7f);
    blend(colour, brow, .95f * coverage(distance, at.pixel));
}

static void draw_eyes(const struct face *face, struct place at, struct synth_colour *colour)
{
    for (int i = -1; i <= 1; i += 2) {
        float side = (float)i;
        struct place eye = moved(at, side * face->who->eye_distance, face->who->eye_height);
        if (fabsf(eye.x) > .35f || fabsf(eye.y) > .6f) continue;
        draw_eye(face, eye, colour);
        draw_brow(face, eye, side, colour);
    }
}

static void draw_mouth(const struct face *face, struct place at, struct synth_colour *colour)
{
    static const struct synth_colour inside = {.28f, .05f, .06f}, teeth = {.95f, .94f, .90f};
    const struct synth_identity *who = face->who;
    const struct synth_look *look = face->look;
    struct place mouth = moved(at, 0, who->mouth_height);
    float width = who->mouth_width * look->mouth_width;
    if (fabsf(mouth.x) > width + .1f || fabsf(mouth.y) > .5f) return;
    float t = fminf(fmaxf(mouth.x / width, -1), 1), lift = look->asymmetry * fmaxf(t, 0) * fmaxf(t, 0);
    /* The corners rise by the curve; the middle falls a little, so that the mouth stays where it is. */
    struct place lips = moved(mouth, 0, look->mouth_curve * .4f - lift);
    float opening = look->mouth_open;
    /* Of the opening, 0.3 are above the closed mouth's line and the rest is below. */
    struct place upper_lip = moved(lips, 0, -.3f * opening), lower_lip = moved(lips, 0, opening);
    float upper = stroke(upper_lip, width, .3f * opening - look->mouth_curve, 0, who->lip_thickness);
    float lower = stroke(lower_lip, width, -opening - look->mouth_curve, 0, who->lip_thickness);
    float upper_y = (.3f * opening - look->mouth_curve) * t * t - .3f * opening;
    float lower_y = opening - (opening + look->mouth_curve) * t * t;
    float gap = fmaxf(fmaxf(upper_y - lips.y, lips.y - lower_y), fabsf(mouth.x) - width);
    blend(colour, inside, coverage(gap, at.pixel));
    float bite = fmaxf(gap, lips.y - (upper_y + .5f * (lower_y - upper_y)));
    blend(colour, teeth, fminf(fmaxf(look->teeth, 0), 1) * coverage(bite, at.pixel));
    blend(colour, shaded(who->lips, .85f), coverage(fminf(upper, lower), at.pixel));
    blend(colour, inside,
          .8f * coverage(stroke(lips, width, -look->mouth_curve, 0, .018f), at.pixel) * coverage(opening - .03f, .03f));
}

/* ---- the picture ------------------------------------------------------------------------------------------------- */

static struct synth_colour draw_place(const struct face *face, struct place at, float height)
{
    const struct synth_view *view = face->view;
    struct synth_colour colour = mix(view->background[0], view->background[1], height);
    draw_behind(face, at, &colour);
    draw_skin(face, at, &colour);
    if (head(face, at, 1.15f) < 0) {
        struct place turned = moved(at, .13f * view->yaw, 0);
        draw_nose(face, turned, &colour);
        draw_mouth(face, turned, &colour);
        draw_eyes(face, turned, &colour);
        draw_hair(face, at, &colour);
    }
    return colour;
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(fminf(fmaxf(value, 0), 1) * 255 + .5f);
}

static void store(const struct synth_view *view, struct synth_colour colour, struct random_stream *noise, uint8_t *rgb)
{
    float grain = view->noise * (float)random_normal(noise);
    rgb[0] = to_byte(colour.r * view->brightness * (1 + view->warmth) + grain);
    rgb[1] = to_byte(colour.g * view->brightness + grain);
    rgb[2] = to_byte(colour.b * view->brightness * (1 - view->warmth) + grain);
}

status synth_draw(const struct synth_identity *identity, const struct synth_view *view, const struct synth_look *look,
                  const struct image_box *square, int width, int height, struct image *image, struct error *err)
{
    status result = image_create(image, width, height, err);
    if (result != STATUS_OK) return result;
    const struct face face = {identity, view, look};
    struct random_stream noise = stream_of(view->noise_seed, STREAM_NOISE, 0);
    float pixel = (float)SYNTH_SQUARE_HALF_HEADS / (float)square->width / view->scale;
    float centre_x = (float)(square->x + square->width / 2), centre_y = (float)(square->y + square->height / 2);
    float cosine = cosf(view->rotation), sine = sinf(view->rotation);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float u = ((float)x + .5f - centre_x) * pixel - view->shift_x;
            float v = ((float)y + .5f - centre_y) * pixel - view->shift_y;
            struct place at = {cosine * u + sine * v, cosine * v - sine * u, pixel};
            struct synth_colour colour = draw_place(&face, at, (float)y / (float)height);
            store(view, colour, &noise, image->rgb + 3 * ((size_t)y * (size_t)width + (size_t)x));
        }
    return STATUS_OK;
}
