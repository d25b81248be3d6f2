/* Windows are pictures of their own to the detector; what two of them show is one face. */
#include "rmset/film_windows.h"

#include "rmfer/base/memory.h"
#include "rmfer/data/resize.h"
#include "rmfer/faces/crops.h"
#include "rmfer/faces/tracks.h"

#include <math.h>
#include <stdlib.h>

enum {
    WINDOW_SIDE = 128, /* a face of a third of it is found with every weight of the detector's middle level */
    CLOSE_SIZE = 2048, /* a whole picture is searched at its own size up to here: larger ones have larger faces */
};
static const double WINDOW_FACES = 3;

status film_windows_set(struct film_windows *windows, const struct image_box *boxes, size_t count, struct error *err)
{
    windows->boxes = memory_allocate(count, sizeof *windows->boxes, "the windows", err);
    if (windows->boxes == NULL) return STATUS_FAILED;
    windows->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct image_box *box = &boxes[i];
        double side = ceil(WINDOW_FACES * fmax(box->width, box->height));
        windows->boxes[i] = (struct image_box){floor(box->x + box->width / 2 - side / 2),
                                               floor(box->y + box->height / 2 - side / 2), side, side};
    }
    return STATUS_OK;
}

void film_windows_free(struct film_windows *windows)
{
    memory_free(windows->boxes);
    *windows = (struct film_windows){0};
}

/* ---- several lists of faces to one ------------------------------------------------------------------------------- */

static status append_faces(struct face_picture *picture, const struct detected_face *faces, size_t count,
                           struct error *err)
{
    size_t before = picture->face_count;
    struct detected_face *all = memory_grow(picture->faces, before, before + count, sizeof *all, "the faces", err);
    if (all == NULL) return STATUS_FAILED;
    picture->faces = all;
    for (size_t i = 0; i < count; i++) all[before + i] = faces[i];
    picture->face_count += count;
    return STATUS_OK;
}

/* Better scores first; of equal ones by place, so that the order of windows does not matter. */
static int compare_faces(const void *a, const void *b)
{
    const struct detected_face *x = a, *y = b;
    const struct image_box *p = &x->shape.box, *q = &y->shape.box;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (p->y != q->y) return p->y < q->y ? -1 : 1;
    return p->x < q->x ? -1 : p->x > q->x;
}

static void choose_faces(struct face_picture *picture, const struct detector_options *detection)
{
    size_t kept = 0;
    if (picture->face_count > 0) qsort(picture->faces, picture->face_count, sizeof *picture->faces, compare_faces);
    for (size_t i = 0; i < picture->face_count; i++) {
        const struct image_box *box = &picture->faces[i].shape.box;
        if (box->width < detection->min_face || box->height < detection->min_face) continue;
        if (!face_is_covered(&picture->faces[i], picture->faces, kept, detection->overlap))
            picture->faces[kept++] = picture->faces[i];
    }
    picture->face_count = kept;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* The part of the window that lies in the picture; false where none does. */
static bool clip(const struct image_box *window, const struct image *image, struct image_box *part)
{
    double left = fmax(window->x, 0), top = fmax(window->y, 0);
    double right = fmin(window->x + window->width, image->width);
    double bottom = fmin(window->y + window->height, image->height);
    *part = (struct image_box){left, top, right - left, bottom - top};
    return right - left >= 1 && bottom - top >= 1;
}

static void move_face(struct detected_face *face, const struct image_box *part, double across, double down)
{
    struct image_box *box = &face->shape.box;
    *box = (struct image_box){part->x + box->x * across, part->y + box->y * down, box->width * across,
                              box->height * down};
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        face->shape.landmarks[i][0] = part->x + face->shape.landmarks[i][0] * across;
        face->shape.landmarks[i][1] = part->y + face->shape.landmarks[i][1] * down;
    }
}

static status find_in_window(const struct image_box *part, const struct detector *detector,
                             const struct detector_options *detection, struct face_picture *picture,
                             struct face_worker *worker, struct error *err)
{
    struct image view = {0};
    struct detected_face *faces = NULL;
    size_t count = 0;
    double scale = fmin(1, WINDOW_SIDE / fmax(part->width, part->height));
    int width = (int)fmax(1, round(part->width * scale)), height = (int)fmax(1, round(part->height * scale));
    status result = image_resize(&picture->input.image, part, RESIZE_BILINEAR, width, height, &view, err);
    if (result == STATUS_OK) result = detector_find(detector, &worker->detector, &view, detection, &faces, &count, err);
    for (size_t i = 0; i < count; i++) move_face(&faces[i], part, part->width / width, part->height / height);
    if (result == STATUS_OK) result = append_faces(picture, faces, count, err);
    memory_free(faces);
    image_free(&view);
    return result;
}

status film_windows_find(const struct film_windows *windows, const struct detector *detector,
                         const struct detector_options *detection, struct face_picture *picture,
                         struct face_worker *worker, struct error *err)
{
    struct detector_options own = *detection;
    status result = STATUS_OK;
    own.detect_size = 0;
    own.min_face = 0; /* in pixels of the picture, not of the window */
    picture->is_detected = true;
    for (size_t i = 0; i < windows->count && result == STATUS_OK; i++) {
        struct image_box part;
        if (clip(&windows->boxes[i], &picture->input.image, &part))
            result = find_in_window(&part, detector, &own, picture, worker, err);
    }
    choose_faces(picture, detection);
    return result;
}

status film_find_closely(const struct detector *detector, const struct detector_options *detection,
                         struct face_picture *picture, struct face_worker *worker, struct error *err)
{
    struct detector_options own = *detection;
    struct detected_face *faces = NULL;
    size_t count = 0;
    status result = face_find(detector, detection, picture, worker, err);
    if (detection->detect_size == 0) return result;
    own.detect_size = CLOSE_SIZE;
    if (result == STATUS_OK)
        result = detector_find(detector, &worker->detector, &picture->input.image, &own, &faces, &count, err);
    if (result == STATUS_OK) result = append_faces(picture, faces, count, err);
    memory_free(faces);
    choose_faces(picture, detection);
    return result;
}

int film_windows_largest_size(const struct detector_options *detection)
{
    bool is_closest = detection->detect_size == 0 || detection->detect_size > CLOSE_SIZE;
    return is_closest ? detection->detect_size : CLOSE_SIZE;
}
