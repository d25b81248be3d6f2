/* The copy is a weight average whose decay is 0. */
#include "method/scoring_cache.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/plan.h"
#include "rmfer/method/weight_average.h"
#include "rmfer/nn/inference.h"
#include "rmfer/ops/stem.h"

#include <string.h>

struct scoring_cache {
    struct weight_average copy;
    struct model model; /* the student with the copy's numbers */
    struct inference *inference;
    struct arena arena;
    real *features;       /* [faces,D] */
    unsigned char *known; /* [faces], 1 = its feature is there */
    size_t faces, drawn, d, image_reals;
    uint64_t refresh;
    uint64_t age;   /* steps that have ended with this copy; 0 = none, or it was never made */
    bool is_used;   /* in this step */
    bool is_loaded; /* the network has the copy: not yet after resuming */
};

static void place(void *self, struct plan *plan)
{
    struct scoring_cache *cache = self;
    cache->features = plan_reals(plan, size_multiply(cache->faces, cache->d));
    cache->known = plan_take(plan, cache->faces, sizeof *cache->known);
}

static status create_parts(struct scoring_cache *cache, const struct model *student, int image_size, struct error *err)
{
    status result = weight_average_init(&cache->copy, &student->parameters, err);
    if (result != STATUS_OK) return result;
    cache->model = weight_average_view(&cache->copy, student);
    result = inference_create(&cache->inference, &student->architecture, student->classes, (int)cache->drawn,
                              image_size, err);
    if (result != STATUS_OK) return result;
    result = plan_arena_reserve(&cache->arena, place, cache, "the cache of scored faces", err);
    if (result != STATUS_OK)
        return error_add_context(err,
                                 "acl.scoring = cached: %zu faces of %zu bytes each (acl.scoring = fresh keeps none)",
                                 cache->faces, cache->d * sizeof(real));
    return STATUS_OK;
}

status scoring_cache_create(struct scoring_cache **out, const struct model *student, size_t faces, size_t drawn,
                            int image_size, uint64_t refresh, struct error *err)
{
    *out = NULL;
    struct scoring_cache *cache = memory_allocate(1, sizeof *cache, "the cache of scored faces", err);
    if (cache == NULL) return STATUS_FAILED;
    cache->faces = faces;
    cache->drawn = drawn;
    cache->d = (size_t)student->architecture.features;
    cache->image_reals = (size_t)image_size * (size_t)image_size * STEM_INPUT;
    cache->refresh = refresh;
    status result = create_parts(cache, student, image_size, err);
    if (result != STATUS_OK)
        scoring_cache_free(cache);
    else
        *out = cache;
    return result;
}

void scoring_cache_free(struct scoring_cache *cache)
{
    if (cache == NULL) return;
    inference_free(cache->inference);
    weight_average_free(&cache->copy);
    arena_free(&cache->arena);
    memory_free(cache);
}

void scoring_cache_begin(struct scoring_cache *cache, const struct model *student)
{
    bool is_due = cache->age == 0 || cache->age >= cache->refresh;
    if (is_due && !cache->is_used) {
        weight_average_update(&cache->copy, &student->parameters, 0);
        cache->age = 0;
        cache->is_loaded = false;
    }
    cache->is_used = true;
    if (cache->is_loaded) return;
    weight_average_round(&cache->copy, &cache->model.parameters);
    inference_load(cache->inference, &cache->model);
    memset(cache->known, 0, cache->faces);
    cache->is_loaded = true;
}

/* A checkpoint is written between two steps: what it needs to know of them is the age. */
void scoring_cache_end(struct scoring_cache *cache)
{
    cache->age += cache->is_used;
    cache->is_used = false;
}

/* How many faces from the first on are not known yet; they are known from now on, so that a face drawn twice counts
 * once. */
static size_t take_unknown(struct scoring_cache *cache, const int64_t *ids, size_t n)
{
    size_t count = 0;
    for (; count < n && !cache->known[ids[count]]; count++) cache->known[ids[count]] = 1;
    return count;
}

/* A face's feature has the same bits whichever faces go through the network with it: so it does not hang on which of
 * them were known already, which resuming changes. */
size_t scoring_cache_features(struct scoring_cache *cache, const real *images, const int64_t *ids, size_t n,
                              real *features)
{
    size_t d = cache->d, computed = 0;
    BUG_UNLESS(n <= cache->drawn && cache->is_loaded);
    for (size_t i = 0; i < n; i++) BUG_UNLESS(ids[i] >= 0 && (size_t)ids[i] < cache->faces);
    for (size_t i = 0; i < n;) {
        size_t unknown = take_unknown(cache, ids + i, n - i), end = i + unknown;
        if (unknown > 0)
            inference_run(cache->inference, images + i * cache->image_reals, (int)unknown, features + i * d, NULL);
        computed += unknown;
        for (; i < end; i++) memcpy(cache->features + (size_t)ids[i] * d, features + i * d, d * sizeof *features);
        for (; i < n && cache->known[ids[i]]; i++)
            memcpy(features + i * d, cache->features + (size_t)ids[i] * d, d * sizeof *features);
    }
    return computed;
}

size_t scoring_cache_memories(struct scoring_cache *cache, struct method_memory *memories)
{
    const struct parameters *all = &cache->model.parameters;
    memories[0] = (struct method_memory){
        "scoring_values", MEMORY_F64, 1, {all->value_count}, .data = cache->copy.values};
    memories[1] = (struct method_memory){
        "scoring_buffers", MEMORY_F64, 1, {all->buffer_count}, .data = cache->copy.buffers};
    memories[2] = (struct method_memory){"scoring_age", MEMORY_U64, 1, {1}, .data = &cache->age};
    return SCORING_CACHE_MEMORIES;
}

size_t scoring_cache_bytes(const struct scoring_cache *cache)
{
    return cache->copy.arena.size + cache->arena.size + inference_bytes(cache->inference);
}
