/* The table of phases: adding a row, finding the row of an epoch. */
#include "rmfer/method/phases.h"

struct phase *phase_table_add(struct phase_table *table, int number, int64_t first_epoch, int64_t end_epoch)
{
    if (first_epoch >= end_epoch) return NULL;
    BUG_UNLESS(table->count < MOST_PHASES);
    struct phase *phase = &table->phases[table->count++];
    *phase = (struct phase){.number = number, .first_epoch = (uint64_t)first_epoch, .end_epoch = (uint64_t)end_epoch};
    return phase;
}

const struct phase *phase_table_at(const struct phase_table *table, uint64_t epoch)
{
    size_t at = 0;
    while (at + 1 < table->count && epoch >= table->phases[at].end_epoch) at++;
    return &table->phases[at];
}
