/* Which pictures a row's numbers are about: the split, and the data set where the runs tell. */
#ifndef PLOT_EVALUATED_ON_H
#define PLOT_EVALUATED_ON_H

#include "rmfer/plot/run.h"

struct evaluated_on {
    const char *split, *dataset; /* borrowed from the runs; "" = not known */
    char text[96];               /* "valid split of ferplus"; empty where nothing is known */
};

/* Of all runs of a name; runs without an evaluation tell nothing. A usage error where two differ: they have no mean.
 */
status evaluated_on_of(const struct run_group *group, struct evaluated_on *on, struct error *err) MUST_CHECK;

/* What is not known may be the same. */
bool evaluated_on_same(const struct evaluated_on *a, const struct evaluated_on *b);

#endif
