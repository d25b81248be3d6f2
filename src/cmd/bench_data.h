/* rmfer bench --mode data: from a picture's bytes to the network's input, part by part. */
#ifndef RMFER_SRC_CMD_BENCH_DATA_H
#define RMFER_SRC_CMD_BENCH_DATA_H

#include "rmfer/base/error.h"
#include "rmfer/cmd/options.h"

#include <stdbool.h>

/* Times decoding, resizing (bicubic), augmentation (the defaults of [augment]) and normalisation of the pictures named
 * by `paths`, or of drawn JPEGs of 256x256 where there are none, at `image_size`. Prints a table, or one JSON object.
 * Fails where a picture cannot be read. */
status bench_data(const struct option_list *paths, int image_size, int runs, bool json, struct error *err) MUST_CHECK;

#endif
