/* The accuracy that a checkpoint carries: of the evaluation that chose its weights (rmfer.metrics), with the 95 %
 * intervals that follow from its confusion, whichever version wrote it. */
#ifndef CMD_STORED_ACCURACY_H
#define CMD_STORED_ACCURACY_H

#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/train/intervals.h"

struct stored_accuracy {
    double overall, average; /* NaN where the checkpoint carries no evaluation, or one that makes no sense */
    struct interval overall_interval, average_interval;
    uint64_t pictures;
    char split[16];
};

/* A failure is one of memory. */
status stored_accuracy(const struct checkpoint_info *info, struct stored_accuracy *accuracy,
                       struct error *err) MUST_CHECK;

#endif
