/* How fast each group of parameters learns: what a phase says and an optimizer follows. */
#ifndef RMFER_NN_RATES_H
#define RMFER_NN_RATES_H

#include "rmfer/nn/parameters.h"

/* What may change from step to step. A frozen group keeps its values and its state, and no norm counts it. */
struct optimizer_rates {
    double learning_rate[GROUP_COUNT];
    bool frozen[GROUP_COUNT];
};

#endif
