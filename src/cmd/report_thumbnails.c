/* Rows ordered by the probability of the truth; those at the ends read, cut, made small, encoded. */
#include "cmd/report_thumbnails.h"

#include "rmfer/base/memory.h"
#include "rmfer/data/picture_source.h"
#include "rmfer/data/resize.h"
#include "rmfer/plot/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THUMBNAILS = 12, SIDE = 96, QUALITY = 80 };

struct ranked {
    double probability; /* of the true class */
    size_t row;
};

static int by_probability(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = (x->probability > y->probability) - (x->probability < y->probability);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static struct ranked *rank_rows(const struct answers *answers, struct error *err)
{
    struct ranked *ranks = memory_allocate(answers->n + 1, sizeof *ranks, "answers by probability", err);
    if (ranks == NULL) return NULL;
    for (size_t i = 0; i < answers->n; i++) {
        double probability = answers_probability(answers, i, (size_t)answers->labels[i]);
        ranks[i] = (struct ranked){isnan(probability) ? 0 : probability, i};
    }
    qsort(ranks, answers->n, sizeof *ranks, by_probability);
    return ranks;
}

/* 48 gray bytes a row, as a picture. */
static status gray_picture(const uint8_t *gray, struct image *image, struct error *err)
{
    status result = image_create(image, PIXEL_SIDE, PIXEL_SIDE, err);
    for (size_t i = 0; result == STATUS_OK && i < (size_t)PIXEL_SIDE * PIXEL_SIDE; i++)
        memset(image->rgb + 3 * i, gray[i], 3);
    return result;
}

static status make_small(const struct encoded_picture *encoded, struct report_picture *picture, struct error *err)
{
    struct image whole = {0}, small = {0};
    const struct image_box *box = encoded->box.width > 0 ? &encoded->box : NULL;
    status result = encoded->bytes == NULL ? gray_picture(encoded->gray, &whole, err)
                                           : image_decode(encoded->bytes, encoded->size, NULL, &whole, err);
    if (result == STATUS_OK) result = image_resize(&whole, box, RESIZE_BILINEAR, SIDE, SIDE, &small, err);
    if (result == STATUS_OK) result = image_encode_jpeg(&small, QUALITY, &picture->jpeg, &picture->size, err);
    image_free(&whole);
    image_free(&small);
    return result;
}

static status read_picture(const struct picture_source *source, const struct answers *answers, size_t row,
                           struct report_picture *picture, struct error *err)
{
    struct encoded_picture encoded = {0};
    struct text name = {0};
    *picture = (struct report_picture){.row = row};
    picture->confidence = answers_probability(answers, row, (size_t)answers->predicted[row]);
    status result = source->read(source->context, answers->ids[row], &encoded, err);
    if (result == STATUS_OK) result = make_small(&encoded, picture, err);
    if (result == STATUS_OK) result = source->name(source->context, answers->ids[row], &name, err);
    if (result == STATUS_OK) snprintf(picture->name, sizeof picture->name, "%s", path_name(text_string(&name)));
    memory_free(encoded.bytes);
    text_free(&name);
    return result;
}

/* From one end of the ranks; `is_right` says which answers belong into the list. */
static status append_list(const struct picture_source *source, const struct answers *answers,
                          const struct ranked *ranks, bool is_right, const char *heading, struct text *out,
                          struct error *err)
{
    struct report_picture pictures[THUMBNAILS] = {{0}};
    size_t count = 0;
    for (size_t i = 0; i < answers->n && count < THUMBNAILS; i++) {
        size_t row = ranks[is_right ? answers->n - 1 - i : i].row;
        struct error unreadable = {0};
        if ((answers->labels[row] == answers->predicted[row]) != is_right) continue;
        if (read_picture(source, answers, row, &pictures[count], &unreadable) == STATUS_OK)
            count++;
        else
            report_picture_free(&pictures[count]);
    }
    status result = report_pictures(heading, answers, pictures, count, out, err);
    for (size_t i = 0; i < count; i++) report_picture_free(&pictures[i]);
    return result;
}

status report_thumbnails(const struct answers *answers, const struct dataset *dataset, struct text *out,
                         struct error *err)
{
    struct dataset_source order;
    struct ranked *ranks = rank_rows(answers, err);
    if (ranks == NULL) return STATUS_FAILED;
    status result = dataset_source_init(&order, dataset, ORDER_SEQUENTIAL, 0, true, err);
    struct picture_source source = dataset_picture_source(&order);
    if (result == STATUS_OK)
        result = append_list(&source, answers, ranks, true, "Classified best: right, with the largest probability", out,
                             err);
    if (result == STATUS_OK)
        result = append_list(&source, answers, ranks, false,
                             "Classified worst: wrong, with the smallest probability of the label", out, err);
    dataset_source_free(&order);
    memory_free(ranks);
    return result;
}
