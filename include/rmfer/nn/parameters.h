/* The registry of parameters: every tensor a model learns or keeps, named once.
 *
 * Initialisation, freezing, optimizer state, weight decay, gradient sums and checkpoint names follow from it. Values
 * and gradients are one slab each, in registry order; every tensor has PyTorch's layout (OIHW, [out, in]). Running
 * statistics of batch-norm are entries too, in a slab of their own (they have no gradient). */
#ifndef RMFER_NN_PARAMETERS_H
#define RMFER_NN_PARAMETERS_H

#include "rmfer/base/error.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parameter_group {
    GROUP_BACKBONE,   /* f_Feat */
    GROUP_FER,        /* the expression classifier, and the head for affect beside it */
    GROUP_PROJECTION, /* H */
    GROUP_IAL,        /* the attention classifier */
    GROUP_METHOD,     /* heads that a method adds */
    GROUP_COUNT
};

struct parameter {
    char name[64]; /* timm's name, e.g. "blocks.2.1.conv_pw.weight" */
    size_t shape[4];
    int rank;
    size_t count;  /* product of the shape */
    size_t offset; /* in reals, into `values` and `gradients`, or into `buffers` */
    enum parameter_group group;
    bool is_buffer; /* running_mean, running_var: no gradient, in `buffers` */
    bool decays;    /* weight decay applies: weights of convolutions and linear layers, not batch-norm nor biases */
};

/* How often the slabs were written, for whoever keeps something made of their numbers (packed weights, folded
 * batch-norm). It lies with the slabs, so that copies of the struct below see the same. */
struct parameters_history {
    unsigned long birth; /* no two slabs of a process that ever lay in one place have the same; never 0 */
    uint64_t value_writes[GROUP_COUNT], buffer_writes;
};

struct parameters {
    struct parameter *items;
    size_t count, capacity;
    const real *values;  /* [value_count], parameter tensors back to back; written through parameters_write alone */
    real *gradients;     /* [value_count]; NULL without_gradients */
    const real *buffers; /* [buffer_count]; written through parameters_write_buffers alone */
    size_t value_count, buffer_count;
    struct parameters_history *history; /* NULL: a view of numbers that somebody else writes */
    struct arena arena;                 /* owns the slabs and their history */
    bool without_gradients;             /* set before parameters_allocate: nothing is learned */
};

/* Adds an entry while a model is being built. Returns its index. */
status parameters_add(struct parameters *parameters, struct parameter entry, size_t *index,
                      struct error *err) MUST_CHECK;

/* Allocates the slabs once every entry is known. */
status parameters_allocate(struct parameters *parameters, struct error *err) MUST_CHECK;
void parameters_free(struct parameters *parameters);

/* The entry of that name, NULL when there is none. */
const struct parameter *parameters_find(const struct parameters *parameters, const char *name);

/* Where an entry's numbers are: in `values`, or in `buffers` for a buffer. */
const real *parameter_values(const struct parameters *parameters, const struct parameter *entry);

/* The same for writing: what was made of the entry's numbers before is stale from here on. Asked for anew for each
 * change: what somebody makes of the numbers between two writes through a pointer that was kept would not be noticed.
 */
real *parameter_write(struct parameters *parameters, const struct parameter *entry);

/* The whole slab of values, for writing the entries of one group; and the slab of buffers. */
real *parameters_write(struct parameters *parameters, enum parameter_group group);
real *parameters_write_buffers(struct parameters *parameters);

/* Which numbers a group's values, or the buffers, are: equal stamps, equal numbers. A zeroed stamp equals none, and
 * neither does that of a view. */
struct parameters_stamp {
    const struct parameters_history *history;
    unsigned long birth;
    uint64_t writes;
};

struct parameters_stamp parameters_stamp(const struct parameters *parameters, enum parameter_group group);
struct parameters_stamp parameters_stamp_buffers(const struct parameters *parameters);
bool parameters_stamps_equal(struct parameters_stamp a, struct parameters_stamp b);

bool parameter_name_ends_with(const struct parameter *entry, const char *ending);
/* Whether it is a batch-norm's running variance, by its name. */
bool parameter_is_running_variance(const struct parameter *entry);

/* The first parameter or running statistic that holds a NaN, an infinity or a negative variance, *why in words; NULL
 * when there is none. */
const struct parameter *parameters_find_unusable(const struct parameters *parameters, const char **why);

/* NULL for a buffer. */
real *parameter_gradients(const struct parameters *parameters, const struct parameter *entry);

/* Sets every gradient to zero. */
void parameters_zero_gradients(struct parameters *parameters);

#endif
