/* The phases of a run as a table: which term weighs how much and who learns how fast, from which epoch to which.
 *
 * A method makes its table (method.h). A row is never left out because its terms weigh 0: it keeps its epochs and its
 * rates, so that two runs which differ in a weight differ in nothing else. */
#ifndef RMFER_METHOD_PHASES_H
#define RMFER_METHOD_PHASES_H

#include "rmfer/nn/rates.h"

#include <stddef.h>
#include <stdint.h>

enum { MOST_TERMS = 8, MOST_PHASES = 4 };

struct phase {
    int number;                      /* from 1 */
    uint64_t first_epoch, end_epoch; /* epochs first .. end - 1 */
    double weights[MOST_TERMS];      /* of the method's terms, in its order; 0 = the term is off */
    struct optimizer_rates rates;    /* before the schedule's factor */
};

struct phase_table {
    struct phase phases[MOST_PHASES];
    size_t count;
};

/* The phase of an epoch; the last one for epochs beyond the end. */
const struct phase *phase_table_at(const struct phase_table *table, uint64_t epoch);

/* Adds a row of number `number` unless it has no epoch. Returns it, NULL when there is none. */
struct phase *phase_table_add(struct phase_table *table, int number, int64_t first_epoch, int64_t end_epoch);

#endif
