/* Jumps are counted, not deviations: a person who leaves and comes back makes two of them, however long they are away,
 * while a film makes one at every cut. The rectangle is the one of the largest sum when places with many jumps count
 * +1 and the others are a loss (Bentley's largest sum, row by row). */
#include "rmset/removal_area.h"

#include "rmfer/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_PLACES_ASIDE = 480,
    LEAST_JUMP = 20,    /* 8-bit steps, mean over the channels: more than noise and compression */
    LEAST_PICTURES = 8, /* fewer say nothing */
    BINS = 256,
    CAUTIOUS_LOSS = 3,  /* a rectangle must be full at three quarters and more ... */
    BOLD_LOSS = 1,      /* ... or at half and more */
    EDGE_SHARE = 8,     /* an edge may be moved by this part of the rectangle's side */
    SMALLEST_SHARE = 50 /* of the picture; smaller areas are no film */
};
static const double CLEAN = 0.97;      /* so full is a rectangle that needs no second look */
static const double NEW_LAYOUT = 0.75; /* of the places jump at once */
static const double LEAST_FULLNESS = 0.6;

void area_search_free(struct area_search *search)
{
    memory_free(search->reference);
    memory_free(search->present);
    memory_free(search->jumps);
    *search = (struct area_search){0};
}

void area_search_restart(struct area_search *search)
{
    if (search->jumps != NULL)
        memset(search->jumps, 0, (size_t)search->columns * (size_t)search->rows * sizeof *search->jumps);
    search->pictures = 0;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static status begin(struct area_search *search, const struct image *image, struct error *err)
{
    int longer = image->width > image->height ? image->width : image->height;
    search->width = image->width;
    search->height = image->height;
    search->factor = (longer + MOST_PLACES_ASIDE - 1) / MOST_PLACES_ASIDE;
    search->columns = image->width / search->factor;
    search->rows = image->height / search->factor;
    if (search->columns < 1 || search->rows < 1)
        return error_set(err, "a frame of %d x %d pixels", image->width, image->height);
    size_t places = (size_t)search->columns * (size_t)search->rows;
    search->reference = memory_allocate(places, 3, "the search for the film", err);
    search->present = memory_allocate(places, 3, "the search for the film", err);
    search->jumps = memory_allocate(places, sizeof *search->jumps, "the search for the film", err);
    return search->reference != NULL && search->present != NULL && search->jumps != NULL ? STATUS_OK : STATUS_FAILED;
}

/* The mean colour of every place. */
static void reduce(struct area_search *search, const struct image *image)
{
    int factor = search->factor;
    unsigned pixels = (unsigned)(factor * factor);
    uint8_t *to = search->present;
    for (int row = 0; row < search->rows; row++)
        for (int column = 0; column < search->columns; column++, to += 3) {
            unsigned sum[3] = {0};
            for (int y = 0; y < factor; y++) {
                const uint8_t *from = image->rgb + 3 * ((size_t)(row * factor + y) * (size_t)image->width +
                                                        (size_t)(column * factor));
                for (int x = 0; x < 3 * factor; x += 3)
                    for (int c = 0; c < 3; c++) sum[c] += from[x + c];
            }
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(sum[c] / pixels);
        }
}

static int difference(const uint8_t *a, const uint8_t *b)
{
    return (abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2])) / 3;
}

status area_search_add(struct area_search *search, const struct image *image, bool *is_new_layout, struct error *err)
{
    *is_new_layout = false;
    if (search->jumps == NULL) {
        status result = begin(search, image, err);
        if (result != STATUS_OK) return result;
    }
    if (image->width != search->width || image->height != search->height)
        return error_set(err, "frames of different sizes, %d x %d and %d x %d", search->width, search->height,
                         image->width, image->height);
    size_t places = (size_t)search->columns * (size_t)search->rows, jumped = 0;
    reduce(search, image);
    if (search->pictures == 0) memcpy(search->reference, search->present, 3 * places);
    for (size_t i = 0; i < places; i++)
        jumped += difference(search->reference + 3 * i, search->present + 3 * i) > LEAST_JUMP;
    *is_new_layout = (double)jumped > NEW_LAYOUT * (double)places;
    if (*is_new_layout) return STATUS_OK;
    for (size_t i = 0; i < places; i++) {
        int jump = difference(search->reference + 3 * i, search->present + 3 * i);
        if (jump <= LEAST_JUMP) continue;
        search->jumps[i] += (float)jump;
        memcpy(search->reference + 3 * i, search->present + 3 * i, 3);
    }
    search->pictures++;
    return STATUS_OK;
}

/* ---- places that change enough ----------------------------------------------------------------------------------- */

/* Otsu's threshold between two kinds of values 0 .. most: the one with the largest variance between the kinds. */
static double two_kinds(const float *values, size_t count, double most)
{
    double bins[BINS] = {0}, total = 0, below = 0, sum_below = 0, best = -1, threshold = 0;
    for (size_t i = 0; i < count; i++) {
        int bin = (int)((double)values[i] / most * (BINS - 1));
        bins[bin]++;
        total += bin;
    }
    for (int bin = 0; bin < BINS - 1; bin++) {
        below += bins[bin];
        sum_below += bin * bins[bin];
        double above = (double)count - below;
        if (below == 0 || above == 0) continue;
        double apart = sum_below / below - (total - sum_below) / above, variance = below * above * apart * apart;
        if (variance > best) best = variance, threshold = (bin + 1) * most / (BINS - 1);
    }
    return threshold;
}

/* 1 where a place changes as the film does. Roots, so that the film's brightest corners are not a kind of their own. */
static status mark_busy(const struct area_search *search, int8_t *busy, struct error *err)
{
    size_t places = (size_t)search->columns * (size_t)search->rows;
    float *roots = memory_allocate(places, sizeof *roots, "the search for the film", err);
    double most = 0;
    if (roots == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < places; i++) {
        roots[i] = sqrtf(search->jumps[i]);
        most = fmax(most, (double)roots[i]);
    }
    double threshold = most > 0 ? two_kinds(roots, places, most) : 1;
    for (size_t i = 0; i < places; i++) busy[i] = (double)roots[i] >= threshold;
    memory_free(roots);
    return STATUS_OK;
}

/* ---- rectangles -------------------------------------------------------------------------------------------------- */

/* In places; right and bottom are behind the last. */
struct rectangle {
    int left, top, right, bottom;
};

static double area_of(struct rectangle of)
{
    return (double)(of.right - of.left) * (of.bottom - of.top);
}

/* The share of busy places in it; 0 in an empty one. */
static double fullness(const struct area_search *search, const int8_t *busy, struct rectangle in)
{
    double count = 0;
    for (int y = in.top; y < in.bottom; y++)
        for (int x = in.left; x < in.right; x++) count += busy[(size_t)y * (size_t)search->columns + (size_t)x];
    return area_of(in) > 0 ? count / area_of(in) : 0;
}

/* The columns left .. right - 1 with the largest sum. */
static int64_t best_columns(const int32_t *sums, int columns, int *left, int *right)
{
    int64_t best = 0, here = 0;
    int begin = 0;
    *left = *right = 0;
    for (int x = 0; x < columns; x++) {
        if (here <= 0) here = 0, begin = x;
        here += sums[x];
        if (here > best) best = here, *left = begin, *right = x + 1;
    }
    return best;
}

/* The rectangle of the largest (busy places - loss * quiet places). */
static status best_rectangle(const struct area_search *search, const int8_t *busy, int loss,
                             struct rectangle *rectangle, struct error *err)
{
    int64_t best = 0;
    size_t columns = (size_t)search->columns;
    *rectangle = (struct rectangle){0};
    int32_t *sums = memory_allocate(columns, sizeof *sums, "the search for the film", err);
    if (sums == NULL) return STATUS_FAILED;
    for (int top = 0; top < search->rows; top++) {
        memset(sums, 0, columns * sizeof *sums);
        for (int y = top; y < search->rows; y++) {
            int left, right;
            for (size_t x = 0; x < columns; x++) sums[x] += busy[(size_t)y * columns + x] ? 1 : -loss;
            int64_t sum = best_columns(sums, search->columns, &left, &right);
            if (sum > best) best = sum, *rectangle = (struct rectangle){left, top, right, y + 1};
        }
    }
    memory_free(sums);
    return STATUS_OK;
}

/* Whether at least half of the places changed at all. */
static bool is_restless(const struct area_search *search, struct rectangle in)
{
    double count = 0;
    for (int y = in.top; y < in.bottom; y++)
        for (int x = in.left; x < in.right; x++)
            count += search->jumps[(size_t)y * (size_t)search->columns + (size_t)x] > 0;
    return 2 * count >= area_of(in);
}

enum side { SIDE_LEFT, SIDE_TOP, SIDE_RIGHT, SIDE_BOTTOM };

/* The n-th line of places outside of that side. */
static struct rectangle line_outside(struct rectangle of, enum side side, int n)
{
    switch (side) {
    case SIDE_LEFT: return (struct rectangle){of.left - n - 1, of.top, of.left - n, of.bottom};
    case SIDE_TOP: return (struct rectangle){of.left, of.top - n - 1, of.right, of.top - n};
    case SIDE_RIGHT: return (struct rectangle){of.right + n, of.top, of.right + n + 1, of.bottom};
    default: return (struct rectangle){of.left, of.bottom + n, of.right, of.bottom + n + 1};
    }
}

/* How far the side moves out: over what changes at all, where that comes to an end nearby; where it does not, a
 * restless neighbour lies there and the side stays. */
static int reach(const struct area_search *search, struct rectangle of, enum side side)
{
    const int room[] = {of.left, of.top, search->columns - of.right, search->rows - of.bottom};
    bool is_across = side == SIDE_LEFT || side == SIDE_RIGHT;
    int most = (is_across ? of.right - of.left : of.bottom - of.top) / EDGE_SHARE + 1;
    for (int n = 0; n < room[side]; n++) {
        if (!is_restless(search, line_outside(of, side, n))) return n;
        if (n == most) return 0;
    }
    return room[side];
}

/* Dark edges of the film change less than its middle, so the rectangle may be too small. */
static struct rectangle with_edges(const struct area_search *search, struct rectangle of)
{
    return (struct rectangle){of.left - reach(search, of, SIDE_LEFT), of.top - reach(search, of, SIDE_TOP),
                              of.right + reach(search, of, SIDE_RIGHT), of.bottom + reach(search, of, SIDE_BOTTOM)};
}

status area_search_find(const struct area_search *search, struct image_box *area, bool *found, struct error *err)
{
    struct rectangle rectangle;
    *found = false;
    if (search->pictures < LEAST_PICTURES) return STATUS_OK;
    size_t places = (size_t)search->columns * (size_t)search->rows;
    int8_t *busy = memory_allocate(places, 1, "the search for the film", err);
    if (busy == NULL) return STATUS_FAILED;
    status result = mark_busy(search, busy, err);
    if (result == STATUS_OK) result = best_rectangle(search, busy, CAUTIOUS_LOSS, &rectangle, err);
    if (result == STATUS_OK && fullness(search, busy, rectangle) < CLEAN)
        result = best_rectangle(search, busy, BOLD_LOSS, &rectangle, err);
    if (result == STATUS_OK) {
        *found = fullness(search, busy, rectangle) >= LEAST_FULLNESS &&
                 area_of(rectangle) * SMALLEST_SHARE >= (double)places;
        rectangle = with_edges(search, rectangle);
        int factor = search->factor;
        *area = (struct image_box){rectangle.left * factor, rectangle.top * factor,
                                   (rectangle.right - rectangle.left) * factor,
                                   (rectangle.bottom - rectangle.top) * factor};
        if (rectangle.right == search->columns) area->width = search->width - area->x;
        if (rectangle.bottom == search->rows) area->height = search->height - area->y;
    }
    memory_free(busy);
    return result;
}
