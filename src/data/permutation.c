/* A Feistel network over the smallest even number of bits that hold `count`: every round keeps one half and changes the
 * other by a function of it, so that the whole can be undone, that is, meets every number once. What falls beyond the
 * count is sent through again until it does not (cycle walking, Black and Rogaway 2002); at least a quarter of the
 * numbers are below the count, so that this ends soon. */
#include "data/permutation.h"

#include "rmfer/base/random.h"

struct permutation permutation_of(uint64_t count, uint64_t seed)
{
    struct permutation permutation = {.count = count, .half_bits = 1};
    while (permutation.half_bits < 32 && (count - 1) >> (2 * permutation.half_bits) != 0) permutation.half_bits++;
    permutation.half_mask = (UINT64_C(1) << permutation.half_bits) - 1;
    struct random_stream stream = random_stream(seed, RANDOM_SUBSET, 2, count);
    for (int i = 0; i < PERMUTATION_ROUNDS; i++) permutation.keys[i] = random_bits(&stream);
    return permutation;
}

/* SplitMix64's last steps: every bit of the result depends on every bit given. */
static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t permutation_at(const struct permutation *permutation, uint64_t place)
{
    uint64_t mask = permutation->half_mask;
    do {
        uint64_t left = place >> permutation->half_bits, right = place & mask;
        for (int i = 0; i < PERMUTATION_ROUNDS; i++) {
            uint64_t changed = left ^ (mixed(right + permutation->keys[i]) & mask);
            left = right;
            right = changed;
        }
        place = left << permutation->half_bits | right;
    } while (place >= permutation->count);
    return place;
}
