/* The phases of a run as a table: which losses are on, who learns how fast, from which epoch to which (METHOD).
 *
 * Rates. Phase 1: the backbone and f_FER learn at train.lr, the projection H and f_IAL at train.lr_ial. Phase 2: all
 * four at train.lr_contrastive with train.phase2_lr = contrastive, as before with `same`. A schedule's factor
 * multiplies every one of them, through both phases. A group that no loss of a phase reaches is frozen, so that
 * weight decay does not shrink it: f_IAL without IAL, H without IAL and ACL, the backbone with freeze_backbone. */
#ifndef RMFER_TRAIN_PHASES_H
#define RMFER_TRAIN_PHASES_H

#include "rmfer/config/config.h"
#include "rmfer/train/optimizer.h"

#include <stdint.h>

struct phase {
    int number;                      /* 1, or 2 with ACL */
    uint64_t first_epoch, end_epoch; /* epochs first .. end - 1 */
    double ial_weight, acl_weight;   /* lambda 1 and 2; 0 = the loss is off */
    struct optimizer_rates rates;    /* before the schedule's factor */
};

enum { MOST_PHASES = 2 };
struct phase_table {
    struct phase phases[MOST_PHASES];
    size_t count;
};

struct phase_table phase_table_of(const struct config *config);

/* The phase of an epoch; the last one for epochs beyond the end. */
const struct phase *phase_table_at(const struct phase_table *table, uint64_t epoch);

#endif
