/* Where the film that people react to is shown, guessed from pictures spread over a mashup.
 *
 * What is looked for is the rectangle in which everything keeps changing (the film moves and cuts) while the layout
 * around it stays: persons move too, but the walls behind them do not. Where the whole layout changes, a search ends
 * and another begins. It is a suggestion for a person to look at; a panel whose camera moves can fool it. */
#ifndef RMFER_SRC_RMSET_REMOVAL_AREA_H
#define RMFER_SRC_RMSET_REMOVAL_AREA_H

#include "rmfer/data/image.h"

/* Sums over the pictures since the last change of the layout. Zeroed is empty. */
struct area_search {
    int width, height;  /* of the pictures */
    int factor;         /* so many pixels, squared, are one place */
    int columns, rows;  /* of places */
    uint8_t *reference; /* [rows, columns, 3]: a place's colour when it last jumped */
    uint8_t *present;   /* [rows, columns, 3] */
    float *jumps;       /* [rows, columns]: sum of the jumps' sizes, in 8-bit steps */
    size_t pictures;
};

void area_search_free(struct area_search *search);

/* Takes the next picture, all of one size. *is_new_layout: most of it is unlike the one before, so it was not taken;
 * ask for what was found so far, restart, and add it again. */
status area_search_add(struct area_search *search, const struct image *image, bool *is_new_layout,
                       struct error *err) MUST_CHECK;

/* Forgets the pictures, keeps the memory. */
void area_search_restart(struct area_search *search);

/* The area, in whole pixels; *found is false when nothing stands out or too few pictures were taken. */
status area_search_find(const struct area_search *search, struct image_box *area, bool *found,
                        struct error *err) MUST_CHECK;

#endif
