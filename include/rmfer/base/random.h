/* Random numbers as a function of a key, never of a thread, a machine or what was drawn elsewhere.
 *
 * A stream is keyed by (seed, a, b): for example (seed, epoch, sample id) for an augmentation or (seed, step,
 * operation) for dropout. Streams of different keys are independent; the same key gives the same numbers. */
#ifndef RMFER_BASE_RANDOM_H
#define RMFER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_stream {
    uint64_t state[4]; /* xoshiro256** */
};

/* Names what a stream is for, so that two uses with equal numbers do not share one. */
enum random_purpose {
    RANDOM_INITIALISE = 1,
    RANDOM_SAMPLER,
    RANDOM_AUGMENT,
    RANDOM_DROPOUT,
    RANDOM_DROP_PATH,
    RANDOM_SPLIT,
    RANDOM_CONTRASTIVE,
    RANDOM_SYNTHESIS,
    RANDOM_SUBSET,
    RANDOM_TEST,
    RANDOM_BOOTSTRAP,
    RANDOM_METHOD, /* what a method draws in a step: shares, partners, turns */
};

struct random_stream random_stream(uint64_t seed, enum random_purpose purpose, uint64_t a, uint64_t b);

uint64_t random_bits(struct random_stream *stream);

/* Uniform in [0, 1), 53 bits. */
double random_uniform(struct random_stream *stream);

/* Uniform in [low, high). */
double random_between(struct random_stream *stream, double low, double high);

/* Uniform in 0 .. bound-1 without bias; bound > 0. */
uint64_t random_below(struct random_stream *stream, uint64_t bound);

/* Standard normal (Box-Muller). */
double random_normal(struct random_stream *stream);

/* Fisher-Yates shuffle of `count` indices. */
void random_shuffle(struct random_stream *stream, int64_t *items, size_t count);

#endif
