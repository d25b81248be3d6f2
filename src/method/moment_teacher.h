/* The teacher of moment consensus: the average of the weights, which looks at every face of an RMset and says, at a
 * temperature that fits what is known of the validation split, how probable it finds each expression. What the moments
 * make of that is moment_consensus.h's. */
#ifndef RMFER_METHOD_MOMENT_TEACHER_H
#define RMFER_METHOD_MOMENT_TEACHER_H

#include "rmfer/method/method.h"

struct inference;

struct moment_teacher {
    const struct model *model; /* the average */
    const struct rmset_index *index;
    struct inference *inference;
    struct arena arena;
    size_t rows, side, faces, classes;       /* of a walk's batch, of a picture, of the RMset */
    bool is_both_sided;                      /* consensus.view = mirrored */
    real *logits;                            /* [rows,classes] */
    real *mirrored_images, *mirrored_logits; /* [rows,H,W,3], [rows,classes], where both sides are seen */
    size_t most_known;                       /* rows of the validation split, where the temperature is fitted to it */
    real *known_logits, *known_targets;      /* [most_known,classes] */
};

status moment_teacher_init(struct moment_teacher *teacher, const struct method_setup *setup,
                           struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void moment_teacher_free(struct moment_teacher *teacher);
size_t moment_teacher_bytes(const struct moment_teacher *teacher);

/* How walks see pictures: consensus.view. */
enum view_kind moment_teacher_view(const struct config *config);

/* The number of a chosen face, from the id that batches carry. */
size_t moment_teacher_number(const struct moment_teacher *teacher, int64_t id);

/* Takes up the average as it is now. */
void moment_teacher_load(struct moment_teacher *teacher);

/* The temperature that fits the walk's targets best, or the hottest or coldest that is sought; 1 where no row has
 * any, or logits say nothing. The walk, of at most the validation split's rows, is read to its end. Where
 * consensus.temperature is 0, for which room is kept. */
status moment_teacher_temperature(struct moment_teacher *teacher, const struct picture_walk *validation,
                                  double *temperature, struct error *err) MUST_CHECK;

/* predictions [faces,classes]: probabilities of every face of the walk; shares [classes]: their mean, which faces that
 * the walk leaves out get as theirs. */
status moment_teacher_predict(struct moment_teacher *teacher, const struct picture_walk *faces, double temperature,
                              real *predictions, double *shares, struct error *err) MUST_CHECK;

#endif
