/* From a sample to pixels of the network's size: reading, decoding, cropping, resizing, and remembering the result.
 */
#ifndef DATA_LOADER_PICTURES_H
#define DATA_LOADER_PICTURES_H

#include "rmfer/data/augment.h"
#include "rmfer/data/dataset.h"
#include "rmfer/data/resize.h"

#include <stdatomic.h>

/* One thread's buffers. Zeroed is empty. */
struct picture_workspace {
    struct resize_workspace resize;
    struct augment_workspace augment;
    struct image pixels; /* [side, side, 3] */
};

status picture_workspace_init(struct picture_workspace *workspace, int side, struct error *err) MUST_CHECK;
void picture_workspace_free(struct picture_workspace *workspace);

/* Decodes `size` bytes and brings `box` (width 0 = the whole picture) to workspace->pixels. */
status picture_from_bytes(const uint8_t *bytes, size_t size, const struct image_box *box, enum config_resize filter,
                          struct picture_workspace *workspace, struct error *err) MUST_CHECK;

/* The same from a path. */
status picture_from_path(const char *path, const struct image_box *box, enum config_resize filter,
                         struct picture_workspace *workspace, struct error *err) MUST_CHECK;

struct cached_picture;

/* Decoded pictures of a data set, kept as they come until `limit` bytes are used. Any number of threads. */
struct picture_cache {
    _Atomic(struct cached_picture *) *pictures; /* [count], NULL = not kept; NULL when nothing is cached at all */
    size_t count, limit;
    atomic_size_t used;
};

status picture_cache_init(struct picture_cache *cache, size_t count, size_t limit, struct error *err) MUST_CHECK;
void picture_cache_free(struct picture_cache *cache);

/* Brings a sample to workspace->pixels, out of the cache where it can. */
status picture_of_sample(const struct dataset *dataset, size_t sample, enum config_resize filter,
                         struct picture_cache *cache, struct picture_workspace *workspace,
                         struct error *err) MUST_CHECK;

#endif
