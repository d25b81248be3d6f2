/* The step that the losses about class centres share (center.c, island.c, dacl.c): cross-entropy and a pull of each
 * feature to its class's centre.
 *
 *   L = CE(labelled) + w (1/2n) sum_i a_i (f_i - c_{y_i})^2,  the square number by number
 *   c_j moves by -rate ( sum over y_i = j of (c_j - f_i) / (1 + n_j)  [+ repulsion / (E - 1) times half island_loss's
 * slope] )
 *
 * with a = 1, or (attention) the sigmoid of a small head of f. Centres start at 0, are no parameters and have no weight
 * decay; they follow the features of a step's pictures after the weights have moved. Features are those before dropout.
 */
#ifndef RMFER_METHOD_CENTERS_H
#define RMFER_METHOD_CENTERS_H

#include "method/semi_supervised.h"

enum { CENTERS_TERM = TERM_FER + 1, CENTERS_TERM_ISLAND };

struct centers_options {
    double rate;
    double repulsion; /* 0: centres do not push each other, there is no term of it */
    bool attends;
};

status centers_check(const struct config *config, struct error *err);
void centers_phases(const struct config *config, double weight, struct phase_table *table);
size_t centers_streams(const struct config *config, struct stream_request *requests);
/* The attention's head. */
size_t centers_attention_head(const struct config *config, size_t features, struct parameter *entries);

status centers_create(void **self, const struct method_setup *setup, struct centers_options options, struct error *err);
void centers_free(void *self);
void centers_step(void *self, const struct method_step *step, struct step_outcome *outcome);
void centers_after_update(void *self, double progress);
size_t centers_memories(void *self, struct method_memory *memories);
struct method_bytes centers_bytes(const void *self);

extern const struct method_figure centers_figures[1]; /* accuracy */

#endif
