/* xoshiro256** (Blackman and Vigna 2018), its state filled by SplitMix64 from the key. */
#include "rmfer/base/random.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct random_stream random_stream(uint64_t seed, enum random_purpose purpose, uint64_t a, uint64_t b)
{
    uint64_t keys[4] = {seed, (uint64_t)purpose, a, b};
    uint64_t mix = 0;
    /* Each key is mixed through before the next is added, so that (1, 2) and (2, 1) differ. */
    for (int i = 0; i < 4; i++) {
        mix ^= keys[i];
        mix = splitmix(&mix);
    }
    struct random_stream stream;
    for (int i = 0; i < 4; i++) stream.state[i] = splitmix(&mix);
    return stream;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t random_bits(struct random_stream *stream)
{
    uint64_t *s = stream->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double random_uniform(struct random_stream *stream)
{
    return (double)(random_bits(stream) >> 11) * 0x1p-53;
}

double random_between(struct random_stream *stream, double low, double high)
{
    return low + (high - low) * random_uniform(stream);
}

uint64_t random_below(struct random_stream *stream, uint64_t bound)
{
    /* Draws under 2^64 mod bound would favour small results; they are drawn again. */
    uint64_t threshold = (UINT64_C(0) - bound) % bound;
    uint64_t bits;
    do bits = random_bits(stream);
    while (bits < threshold);
    return bits % bound;
}

double random_normal(struct random_stream *stream)
{
    double radius = sqrt(-2.0 * log(1.0 - random_uniform(stream)));
    return radius * cos(6.283185307179586 * random_uniform(stream));
}

void random_shuffle(struct random_stream *stream, int64_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)random_below(stream, i);
        int64_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}
