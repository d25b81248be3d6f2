/* The second network of MoCo and BYOL: a moving average of the student with heads and all, that looks at pictures with
 * the batch's own statistics, as the student does, and is never descended along. Its decay is the method's own, unlike
 * that of the average that is evaluated (train.ema_decay). */
#ifndef RMFER_METHOD_MOMENTUM_TEACHER_H
#define RMFER_METHOD_MOMENTUM_TEACHER_H

#include "rmfer/method/method.h"
#include "rmfer/method/weight_average.h"
#include "rmfer/nn/backbone.h"

struct momentum_teacher {
    struct weight_average average;
    struct model model; /* the student's, with the average's numbers: heads bind to it */
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct arena arena;
    real *images, *features; /* [rows,H,W,3], [rows,D] */
    size_t rows, image_reals, values, buffers;
    bool is_rounded; /* false until the numbers that resuming may have written are taken up */
};

enum { TEACHER_MEMORIES = 2 };

/* Starts as the student is. */
status momentum_teacher_init(struct momentum_teacher *teacher, struct model *student, size_t rows, int image_size,
                             struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void momentum_teacher_free(struct momentum_teacher *teacher);

/* Where picture `row` belongs. */
real *momentum_teacher_image(struct momentum_teacher *teacher, size_t row);
/* Features [rows,D] of all pictures. */
const real *momentum_teacher_forward(struct momentum_teacher *teacher, const struct method_step *step);
/* teacher := decay * teacher + (1 - decay) * student. */
void momentum_teacher_update(struct momentum_teacher *teacher, const struct model *student, double decay);

/* Writes TEACHER_MEMORIES of them. */
size_t momentum_teacher_memories(struct momentum_teacher *teacher, struct method_memory *memories);
struct method_bytes momentum_teacher_bytes(const struct momentum_teacher *teacher);

#endif
