/* Cutting faces out: regions beside the box, similarity transforms by the landmarks, and sampling through them. */
#include "rmfer/data/crop.h"

#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

/* The boxes of the faces that were measured are 1.40 times as high as wide. */
const double crop_template[FACE_LANDMARKS][2] = {
    [LANDMARK_RIGHT_EYE] = {-0.235, -0.172},  [LANDMARK_LEFT_EYE] = {0.235, -0.172},  [LANDMARK_NOSE] = {0, 0.103},
    [LANDMARK_RIGHT_MOUTH] = {-0.205, 0.318}, [LANDMARK_LEFT_MOUTH] = {0.205, 0.318},
};
static const double TEMPLATE_HEIGHT = 1.40;

bool crop_face_exists(const struct image_box *face, int width, int height)
{
    return face->width > 0 && face->height > 0 && face->x < width && face->y < height && face->x + face->width > 0 &&
           face->y + face->height > 0;
}

/* Moves [begin, begin + length] inside of [0, limit] where it fits, then cuts it there. */
static void fit_inside(double *begin, double *length, double limit)
{
    if (*length <= limit) {
        *begin = fmin(fmax(*begin, 0), limit - *length);
    } else {
        *begin = 0;
        *length = limit;
    }
}

static void cut_inside(double *begin, double *length, double limit)
{
    double end = fmin(*begin + *length, limit);
    *begin = fmax(*begin, 0);
    *length = fmax(end - *begin, 0);
}

struct image_box crop_region(enum crop_kind kind, double margin, const struct image_box *box, int width, int height)
{
    if (!crop_face_exists(box, width, height)) return (struct image_box){0};
    struct image_box region = *box;
    region.width *= 1 + margin;
    region.x -= (region.width - box->width) / 2;
    if (kind == CROP_FACE_SQUARE) {
        double side = fmax(region.width, region.height);
        region = (struct image_box){box->x + (box->width - side) / 2, box->y + (box->height - side) / 2, side, side};
        fit_inside(&region.x, &region.width, width);
        fit_inside(&region.y, &region.height, height);
    } else {
        cut_inside(&region.x, &region.width, width);
        cut_inside(&region.y, &region.height, height);
    }
    return region;
}

static void mean_point(const double (*points)[2], int count, double mean[2])
{
    mean[0] = mean[1] = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) mean[j] += points[i][j] / count;
}

/* With the centred points as complex numbers f and t, |(a + ib) f - t|^2 summed is least for
 * a + ib = sum(conj(f) t) / sum(|f|^2). */
bool similarity_fit(const double (*from)[2], const double (*to)[2], int count, struct similarity *transform)
{
    double f0[2], t0[2], real_part = 0, imaginary_part = 0, squares = 0;
    mean_point(from, count, f0);
    mean_point(to, count, t0);
    for (int i = 0; i < count; i++) {
        double fx = from[i][0] - f0[0], fy = from[i][1] - f0[1], tx = to[i][0] - t0[0], ty = to[i][1] - t0[1];
        real_part += fx * tx + fy * ty;
        imaginary_part += fx * ty - fy * tx;
        squares += fx * fx + fy * fy;
    }
    if (!(squares > 0)) return false;
    double a = real_part / squares, b = imaginary_part / squares;
    *transform = (struct similarity){a, b, t0[0] - a * f0[0] + b * f0[1], t0[1] - b * f0[0] - a * f0[1]};
    return true;
}

bool crop_alignment(const struct face_shape *face, double margin, int side, struct similarity *transform)
{
    double points[FACE_LANDMARKS][2], widths = fmax(1 + margin, TEMPLATE_HEIGHT);
    for (int i = 0; i < FACE_LANDMARKS; i++)
        for (int j = 0; j < 2; j++) points[i][j] = (0.5 + crop_template[i][j] / widths) * side;
    if (!similarity_fit((const double(*)[2])points, face->landmarks, FACE_LANDMARKS, transform)) return false;
    double scale = hypot(transform->a, transform->b);
    return scale > 1e-6 && scale < 1e6 && fabs(transform->tx) < 1e7 && fabs(transform->ty) < 1e7;
}

static void apply(const struct similarity *t, double x, double y, double *out_x, double *out_y)
{
    *out_x = t->a * x - t->b * y + t->tx;
    *out_y = t->b * x + t->a * y + t->ty;
}

/* The part of the picture that a side x side crop reads, in whole pixels, at least one of them. */
static struct image_box read_region(const struct similarity *t, int side, int width, int height)
{
    double left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;
    for (int corner = 0; corner < 4; corner++) {
        double x, y;
        apply(t, (corner & 1) * side, (corner >> 1) * side, &x, &y);
        left = fmin(left, x), right = fmax(right, x);
        top = fmin(top, y), bottom = fmax(bottom, y);
    }
    double around = 1 + hypot(t->a, t->b); /* what the filters at the edge still see */
    left = fmin(fmax(floor(left - around), 0), width - 1);
    top = fmin(fmax(floor(top - around), 0), height - 1);
    right = fmin(fmax(ceil(right + around), left + 1), width);
    bottom = fmin(fmax(ceil(bottom + around), top + 1), height);
    return (struct image_box){left, top, right - left, bottom - top};
}

/* What an aligned crop samples from: pixels, and how its coordinates come from the picture's. */
struct source {
    const uint8_t *rgb;
    int width, height;
    double left, top, across, down; /* x of the source = (x of the picture - left) * across */
};

static int reduced_side(double pixels, double scale)
{
    double side = ceil(pixels / scale);
    return side < 1 ? 1 : (int)side;
}

/* Sampling at one point a pixel is right only at the picture's own scale; a larger picture is reduced first. */
static status make_source(const struct image *image, const struct similarity *t, enum config_resize filter, int side,
                          struct source *source, struct crop_workspace *work, struct error *err)
{
    double scale = hypot(t->a, t->b);
    *source = (struct source){image->rgb, image->width, image->height, 0, 0, 1, 1};
    if (scale <= 1) return STATUS_OK;
    struct image_box region = read_region(t, side, image->width, image->height);
    int width = reduced_side(region.width, scale), height = reduced_side(region.height, scale);
    size_t bytes = (size_t)width * (size_t)height * 3;
    if (bytes > work->region_capacity) {
        memory_free(work->region);
        work->region_capacity = 0;
        work->region = memory_allocate(bytes, 1, "the aligned face", err);
        if (work->region == NULL) return STATUS_FAILED;
        work->region_capacity = bytes;
    }
    *source = (struct source){work->region,          width, height, region.x, region.y, width / region.width,
                              height / region.height};
    return image_resize_into(image, &region, filter, width, height, work->region, &work->resize, err);
}

/* The two pixels beside a coordinate and the second one's weight; beyond the edge the pixel of the edge repeats. */
static void neighbours(double at, int limit, int *first, int *second, double *weight)
{
    double inside = fmin(fmax(at - 0.5, 0), limit - 1);
    *first = (int)inside;
    *second = *first + 1 < limit ? *first + 1 : *first;
    *weight = inside - *first;
}

static void sample(const struct source *source, double x, double y, uint8_t *rgb)
{
    int x0, x1, y0, y1;
    double wx, wy;
    neighbours((x - source->left) * source->across, source->width, &x0, &x1, &wx);
    neighbours((y - source->top) * source->down, source->height, &y0, &y1, &wy);
    const uint8_t *upper = source->rgb + (size_t)y0 * (size_t)source->width * 3;
    const uint8_t *lower = source->rgb + (size_t)y1 * (size_t)source->width * 3;
    for (int c = 0; c < 3; c++) {
        double above = upper[3 * x0 + c] * (1 - wx) + upper[3 * x1 + c] * wx;
        double below = lower[3 * x0 + c] * (1 - wx) + lower[3 * x1 + c] * wx;
        rgb[c] = (uint8_t)(above * (1 - wy) + below * wy + 0.5);
    }
}

static status crop_aligned(const struct image *image, const struct face_shape *face, const struct crop_options *options,
                           int side, uint8_t *rgb, struct crop_workspace *work, struct error *err)
{
    struct similarity transform;
    struct source source;
    if (!crop_alignment(face, options->margin, side, &transform))
        return error_set(err, "the face's landmarks coincide");
    status result = make_source(image, &transform, options->filter, side, &source, work, err);
    if (result != STATUS_OK) return result;
    for (int v = 0; v < side; v++)
        for (int u = 0; u < side; u++) {
            double x, y;
            apply(&transform, u + 0.5, v + 0.5, &x, &y);
            sample(&source, x, y, rgb + ((size_t)v * (size_t)side + (size_t)u) * 3);
        }
    return STATUS_OK;
}

status crop_face(const struct image *image, const struct face_shape *face, const struct crop_options *options, int side,
                 uint8_t *rgb, struct crop_workspace *workspace, struct error *err)
{
    if (!crop_face_exists(&face->box, image->width, image->height))
        return error_set(err, "the face's box lies outside of the picture");
    if (options->kind == CROP_FACE_ALIGNED) return crop_aligned(image, face, options, side, rgb, workspace, err);
    struct image_box region = crop_region(options->kind, options->margin, &face->box, image->width, image->height);
    return image_resize_into(image, &region, options->filter, side, side, rgb, &workspace->resize, err);
}

void crop_workspace_free(struct crop_workspace *workspace)
{
    resize_workspace_free(&workspace->resize);
    memory_free(workspace->region);
    *workspace = (struct crop_workspace){0};
}

status crop_kind_find(const char *name, enum crop_kind *kind, struct error *err)
{
    static const char *const names[] = {
        [CROP_FACE_SQUARE] = "square", [CROP_FACE_BOX] = "box", [CROP_FACE_ALIGNED] = "aligned"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *kind = (enum crop_kind)i;
        return STATUS_OK;
    }
    return error_set_usage(err, "crop '%s' is not known (square, box, aligned)", name);
}
