/* The order of an epoch's samples, a function of (seed, epoch) alone (ORDER_MIXED: of the seed): resuming at any
 * position is exact. */
#ifndef RMFER_DATA_SAMPLER_H
#define RMFER_DATA_SAMPLER_H

#include "rmfer/base/error.h"
#include "rmfer/base/random.h"
#include "rmfer/data/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum sampler_order {
    ORDER_BALANCED,   /* with replacement, weight 1 / count(class): every class that has samples is equally likely */
    ORDER_SHUFFLE,    /* each sample once */
    ORDER_MIXED,      /* each sample once, in an order that has nothing of the list's and is the same in every epoch */
    ORDER_SEQUENTIAL, /* as listed */
};

/* Borrows the data set; holds its samples sorted by class. */
struct sampler {
    enum sampler_order order;
    uint64_t seed;
    size_t count;
    int64_t *by_class;   /* [count], ids grouped by label */
    size_t *class_begin; /* [used_classes + 1] */
    size_t used_classes;
};

/* Fails when there is no sample, or with ORDER_BALANCED when one has no label. */
status sampler_init(struct sampler *sampler, const struct dataset *dataset, enum sampler_order order, uint64_t seed,
                    struct error *err) MUST_CHECK;
void sampler_free(struct sampler *sampler);

/* Fills ids[count] for an epoch. */
void sampler_epoch(const struct sampler *sampler, uint64_t epoch, int64_t *ids);

/* Another sample in place of an unreadable one: the `attempt`-th draw (from 1) for `position` of the epoch. */
int64_t sampler_replacement(const struct sampler *sampler, uint64_t epoch, uint64_t position, uint64_t attempt);

#endif
