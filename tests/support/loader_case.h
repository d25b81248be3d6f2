/* What the tests of the loader do over and over: make one, take its next batch, sum up bytes. */
#ifndef TESTS_SUPPORT_LOADER_CASE_H
#define TESTS_SUPPORT_LOADER_CASE_H

#include "rmfer/data/loader.h"

/* Both fail the test, with the message, where the loader fails. */
struct loader *loader_case_made(const struct loader_options *options);
struct batch loader_case_next(struct loader *loader);

/* FNV-1a over bytes, going on from `hash`; LOADER_CASE_HASH is where it begins. */
#define LOADER_CASE_HASH UINT64_C(14695981039346656037)
uint64_t loader_case_hash(uint64_t hash, const void *bytes, size_t size);

#endif
