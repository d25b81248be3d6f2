/* From the cells of the three levels to boxes: scores, decoding, non-maximum suppression. */
#include "nn/detector_internal.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Of more candidates only the best are looked at, as OpenCV does; it also bounds the work of a hostile picture. */
enum { MOST_CANDIDATES = 5000 };

/* Weights of a foreign file may give anything; boxes beyond this many pixels are no faces. */
static const double LARGEST_SIDE = 1e6;

struct candidate {
    double score;
    uint32_t level, cell;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* A cell's score is the geometric mean of the two probabilities. */
static double cell_score(const real *cell)
{
    return sqrt(sigmoid((double)cell[CELL_CLASS]) * sigmoid((double)cell[CELL_OBJECT]));
}

/* Better scores first; of equal ones, finer levels and upper left cells. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    if (left->level != right->level) return left->level < right->level ? -1 : 1;
    return left->cell < right->cell ? -1 : left->cell > right->cell;
}

static size_t cell_count(const struct detector_cells *cells)
{
    return cells->rows * cells->columns;
}

/* Lists cells with a score above `min_score` (none with NaN), best first; `list` NULL only counts. */
static size_t list_candidates(const struct detector_cells cells[DETECTOR_LEVELS], double min_score,
                              struct candidate *list)
{
    size_t count = 0;
    for (uint32_t level = 0; level < DETECTOR_LEVELS; level++)
        for (size_t i = 0; i < cell_count(&cells[level]); i++) {
            double score = cell_score(cells[level].values + i * CELL_CHANNELS);
            if (!(score > min_score)) continue;
            if (list != NULL) list[count] = (struct candidate){score, level, (uint32_t)i};
            count++;
        }
    if (list != NULL) qsort(list, count, sizeof *list, compare_candidates);
    return count;
}

/* Centres and landmarks are offsets from the cell's corner in strides, sides are logarithms of strides. */
static bool decode_face(const struct detector_cells cells[DETECTOR_LEVELS], const struct candidate *candidate,
                        struct detected_face *face)
{
    const struct detector_cells *own = &cells[candidate->level];
    const real *cell = own->values + (size_t)candidate->cell * CELL_CHANNELS;
    double stride = (double)(8u << candidate->level);
    double column = (double)(candidate->cell % own->columns), row = (double)(candidate->cell / own->columns);
    const real *box = cell + CELL_BOX, *points = cell + CELL_LANDMARKS;
    double width = exp((double)box[2]) * stride, height = exp((double)box[3]) * stride;
    double x = (column + (double)box[0]) * stride - width / 2, y = (row + (double)box[1]) * stride - height / 2;
    face->score = candidate->score;
    face->shape.box = (struct image_box){x, y, width, height};
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        face->shape.landmarks[i][0] = (column + (double)points[2 * i]) * stride;
        face->shape.landmarks[i][1] = (row + (double)points[2 * i + 1]) * stride;
        if (!(fabs(face->shape.landmarks[i][0]) < LARGEST_SIDE && fabs(face->shape.landmarks[i][1]) < LARGEST_SIDE))
            return false;
    }
    return width > 0 && height > 0 && width < LARGEST_SIDE && height < LARGEST_SIDE && fabs(x) < LARGEST_SIDE &&
           fabs(y) < LARGEST_SIDE;
}

double box_overlap(const struct image_box *a, const struct image_box *b)
{
    double width = fmin(a->x + a->width, b->x + b->width) - fmax(a->x, b->x);
    double height = fmin(a->y + a->height, b->y + b->height) - fmax(a->y, b->y);
    if (!(width > 0) || !(height > 0)) return 0;
    double both = width * height;
    return both / (a->width * a->height + b->width * b->height - both);
}

bool face_is_covered(const struct detected_face *face, const struct detected_face *better, size_t count, double overlap)
{
    for (size_t i = 0; i < count; i++)
        if (box_overlap(&face->shape.box, &better[i].shape.box) > overlap) return true;
    return false;
}

status detector_decode(const struct detector_cells cells[DETECTOR_LEVELS], double min_score, double overlap,
                       struct detected_face **faces, size_t *count, struct error *err)
{
    *faces = NULL;
    *count = 0;
    size_t candidates = list_candidates(cells, min_score, NULL);
    struct candidate *list = memory_allocate(candidates, sizeof *list, "the detector's candidates", err);
    if (list == NULL) return STATUS_FAILED;
    list_candidates(cells, min_score, list);
    if (candidates > MOST_CANDIDATES) candidates = MOST_CANDIDATES;
    *faces = memory_allocate(candidates, sizeof **faces, "the faces", err);
    for (size_t i = 0; *faces != NULL && i < candidates; i++) {
        struct detected_face *face = &(*faces)[*count];
        if (decode_face(cells, &list[i], face) && !face_is_covered(face, *faces, *count, overlap)) (*count)++;
    }
    memory_free(list);
    return *faces == NULL ? STATUS_FAILED : STATUS_OK;
}
