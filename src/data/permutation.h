/* A seeded order of 0 .. count-1 that is never stored: place i is asked for alone, so that tens of millions of faces
 * can be shuffled without a list of them. It does not know what is shuffled. */
#ifndef RMFER_DATA_PERMUTATION_H
#define RMFER_DATA_PERMUTATION_H

#include <stdint.h>

enum { PERMUTATION_ROUNDS = 6 };

struct permutation {
    uint64_t count, half_mask;
    unsigned half_bits;
    uint64_t keys[PERMUTATION_ROUNDS];
};

/* count > 0. A function of both arguments alone. */
struct permutation permutation_of(uint64_t count, uint64_t seed);

/* Where `place` of 0 .. count-1 goes: different places to different ones. */
uint64_t permutation_at(const struct permutation *permutation, uint64_t place);

#endif
