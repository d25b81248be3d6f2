/* From a sample to pixels of the network's size: reading, decoding, cropping, resizing, and remembering the result.
 */
#ifndef DATA_LOADER_PICTURES_H
#define DATA_LOADER_PICTURES_H

#include "rmfer/data/augment.h"
#include "rmfer/data/picture_room.h"
#include "rmfer/data/picture_source.h"
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

struct cached_picture;

/* Decoded pictures of a source, kept as they come until `limit` bytes are used. Any number of threads. */
struct picture_cache {
    struct picture_room
        *room; /* borrowed: they are there, from first_entry on, and what follows is unused; NULL = own memory */
    size_t first_entry;
    _Atomic(struct cached_picture *) *pictures; /* [count], NULL = not kept; NULL when nothing is cached at all */
    size_t count, limit;
    atomic_size_t *used; /* bytes, of all caches that share the limit; borrowed */
};

/* Caches nothing when `count` or `limit` is 0. */
status picture_cache_init(struct picture_cache *cache, size_t count, size_t limit, atomic_size_t *used,
                          struct error *err) MUST_CHECK;
/* The same in a room of several processes. */
void picture_cache_share(struct picture_cache *cache, size_t count, struct picture_room *room);
void picture_cache_free(struct picture_cache *cache);

/* The most that one cached picture takes, for a network's input of `side` x `side`. */
size_t cached_picture_bytes(size_t side);

/* Brings a source's picture to workspace->pixels, out of the cache where it can. */
status picture_of_source(const struct picture_source *source, int64_t id, enum config_resize filter,
                         struct picture_cache *cache, struct picture_workspace *workspace,
                         struct error *err) MUST_CHECK;

/* Bytes to floats [height,width,3], (x / 255 - mean) / std; 0 inside `erased` (may be NULL). */
void picture_normalise(const struct image *pixels, const double mean[3], const double std[3],
                       const struct pixel_box *erased, float *out);

#endif
