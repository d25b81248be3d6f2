/* What is cached is what takes less room: the decoded picture when it is smaller than the network's input (48 x 48
 * faces for 260 x 260 input), otherwise the resized one. Either way the pixels delivered are the same. */
#include "data/loader_pictures.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"

#include <string.h>

struct cached_picture {
    int width, height; /* of the picture; the network's side when it was resized */
    bool is_resized;
    uint8_t rgb[]; /* [height, width, 3] */
};

status picture_workspace_init(struct picture_workspace *workspace, int side, struct error *err)
{
    *workspace = (struct picture_workspace){0};
    return image_create(&workspace->pixels, side, side, err);
}

void picture_workspace_free(struct picture_workspace *workspace)
{
    resize_workspace_free(&workspace->resize);
    augment_workspace_free(&workspace->augment);
    image_free(&workspace->pixels);
}

static status bring_to_size(const struct image *image, const struct image_box *box, enum config_resize filter,
                            struct picture_workspace *workspace, struct error *err)
{
    struct image *to = &workspace->pixels;
    return image_resize_into(image, box->width > 0 ? box : NULL, filter, to->width, to->height, to->rgb,
                             &workspace->resize, err);
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

status picture_cache_init(struct picture_cache *cache, size_t count, size_t limit, atomic_size_t *used,
                          struct error *err)
{
    *cache = (struct picture_cache){.count = count, .limit = limit, .used = used};
    if (limit == 0 || count == 0) return STATUS_OK;
    cache->pictures = memory_allocate(count, sizeof *cache->pictures, "the cache of pictures", err);
    return cache->pictures == NULL ? STATUS_FAILED : STATUS_OK;
}

void picture_cache_free(struct picture_cache *cache)
{
    for (size_t i = 0; cache->pictures != NULL && i < cache->count; i++) memory_free(atomic_load(&cache->pictures[i]));
    memory_free(cache->pictures);
    cache->pictures = NULL;
    cache->count = 0;
}

void picture_cache_share(struct picture_cache *cache, size_t count, struct picture_room *room)
{
    *cache = (struct picture_cache){.room = room, .first_entry = picture_room_entries(room, count)};
}

static void write_picture(struct cached_picture *kept, const struct image *image, size_t pixels, bool is_resized)
{
    kept->width = image->width;
    kept->height = image->height;
    kept->is_resized = is_resized;
    memcpy(kept->rgb, image->rgb, pixels);
}

size_t cached_picture_bytes(size_t side)
{
    return size_add(sizeof(struct cached_picture), size_multiply(size_multiply(side, side), 3));
}

/* Keeps a copy while there is room. Without memory for it nothing is lost but time. */
static void keep_picture(struct picture_cache *cache, size_t sample, const struct image *image, bool is_resized)
{
    size_t pixels = (size_t)image->width * (size_t)image->height * 3, bytes = sizeof(struct cached_picture) + pixels;
    if (cache->room != NULL) {
        struct cached_picture *place = picture_room_place(cache->room, bytes);
        if (place != NULL) write_picture(place, image, pixels, is_resized);
        picture_room_give(cache->room, cache->first_entry + sample, place);
        return;
    }
    if (cache->pictures == NULL) return;
    if (atomic_fetch_add(cache->used, bytes) + bytes > cache->limit) {
        atomic_fetch_sub(cache->used, bytes);
        return;
    }
    struct cached_picture *kept = memory_allocate(bytes, 1, "a cached picture", NULL), *none = NULL;
    if (kept != NULL) {
        write_picture(kept, image, pixels, is_resized);
        if (atomic_compare_exchange_strong(&cache->pictures[sample], &none, kept)) return;
    }
    /* Another thread was faster, or there was no memory. */
    memory_free(kept);
    atomic_fetch_sub(cache->used, bytes);
}

static status use_cached(const struct cached_picture *kept, enum config_resize filter,
                         struct picture_workspace *workspace, struct error *err)
{
    struct image *to = &workspace->pixels;
    if (kept->is_resized) {
        memcpy(to->rgb, kept->rgb, (size_t)to->width * (size_t)to->height * 3);
        return STATUS_OK;
    }
    struct image image = {(uint8_t *)(uintptr_t)kept->rgb, kept->width, kept->height}; /* only read */
    return image_resize_into(&image, NULL, filter, to->width, to->height, to->rgb, &workspace->resize, err);
}

/* ---- of a source ------------------------------------------------------------------------------------------------- */

/* Pixels that the source holds itself. */
static status from_gray(const uint8_t *gray, enum config_resize filter, struct picture_workspace *workspace,
                        struct error *err)
{
    uint8_t rgb[PIXEL_SIDE * PIXEL_SIDE * 3 + 1];
    for (size_t i = 0; i < (size_t)PIXEL_SIDE * PIXEL_SIDE; i++) memset(rgb + 3 * i, gray[i], 3);
    struct image image = {rgb, PIXEL_SIDE, PIXEL_SIDE};
    struct image *to = &workspace->pixels;
    return image_resize_into(&image, NULL, filter, to->width, to->height, to->rgb, &workspace->resize, err);
}

/* `keeps`: into the cache, too; a shared one has asked for it. */
static status from_encoded(const struct encoded_picture *picture, int64_t id, enum config_resize filter, bool keeps,
                           struct picture_cache *cache, struct picture_workspace *workspace, struct error *err)
{
    const struct image_box *box = &picture->box;
    struct image image, *to = &workspace->pixels;
    status result = image_decode(picture->bytes, picture->size, NULL, &image, err);
    if (result == STATUS_OK) result = bring_to_size(&image, box, filter, workspace, err);
    if (result == STATUS_OK && keeps) {
        bool is_smaller = (int64_t)image.width * image.height < (int64_t)to->width * to->height;
        bool keep_source = is_smaller && box->width == 0;
        keep_picture(cache, (size_t)id, keep_source ? &image : to, !keep_source);
    }
    image_free(&image);
    return result;
}

/* *is_kept: whether the cache has it now. */
static status make_picture(const struct picture_source *source, int64_t id, enum config_resize filter, bool keeps,
                           struct picture_cache *cache, struct picture_workspace *workspace, bool *is_kept,
                           struct error *err)
{
    struct encoded_picture picture;
    *is_kept = false;
    status result = source->read(source->context, id, &picture, err);
    if (result != STATUS_OK) return result;
    if (picture.bytes == NULL) return from_gray(picture.gray, filter, workspace, err);
    result = from_encoded(&picture, id, filter, keeps, cache, workspace, err);
    *is_kept = result == STATUS_OK;
    memory_free(picture.bytes);
    return result;
}

/* Whoever was asked for a picture answers, also where there is none. */
static status of_room(const struct picture_source *source, int64_t id, enum config_resize filter,
                      struct picture_cache *cache, struct picture_workspace *workspace, struct error *err)
{
    const void *kept;
    bool is_kept;
    size_t entry = cache->first_entry + (size_t)id;
    enum room_answer answer = picture_room_ask(cache->room, entry, &kept);
    if (answer == ROOM_HAS) return use_cached(kept, filter, workspace, err);
    status result = make_picture(source, id, filter, answer == ROOM_ASKS, cache, workspace, &is_kept, err);
    if (answer == ROOM_ASKS && !is_kept) picture_room_give(cache->room, entry, NULL);
    return result;
}

status picture_of_source(const struct picture_source *source, int64_t id, enum config_resize filter,
                         struct picture_cache *cache, struct picture_workspace *workspace, struct error *err)
{
    if (cache->room != NULL) return of_room(source, id, filter, cache, workspace, err);
    struct cached_picture *kept = cache->pictures == NULL ? NULL : atomic_load(&cache->pictures[id]);
    bool is_kept;
    if (kept != NULL) return use_cached(kept, filter, workspace, err);
    return make_picture(source, id, filter, true, cache, workspace, &is_kept, err);
}

void picture_normalise(const struct image *pixels, const double mean[3], const double std[3],
                       const struct pixel_box *erased, float *out)
{
    float means[3], deviations[3];
    for (int c = 0; c < 3; c++) {
        means[c] = (float)mean[c];
        deviations[c] = (float)std[c];
    }
    image_normalise(pixels->rgb, pixels->width, pixels->height, means, deviations, erased, out);
}
