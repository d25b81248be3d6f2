/* Orders of an epoch: a shuffle, or draws with replacement that give every class the same share. */
#include "rmfer/data/sampler.h"
#include "rmfer/base/memory.h"

/* Ids grouped by label; a class without samples takes no place. */
static status group_by_class(struct sampler *sampler, const struct dataset *dataset, struct error *err)
{
    size_t classes = (size_t)dataset->class_count, placed = 0;
    sampler->by_class = memory_allocate(sampler->count, sizeof *sampler->by_class, "the sampler", err);
    sampler->class_begin = memory_allocate(classes + 1, sizeof *sampler->class_begin, "the sampler", err);
    if (sampler->by_class == NULL || sampler->class_begin == NULL) return STATUS_FAILED;
    for (size_t class = 0; class < classes; class ++) {
        size_t begin = placed;
        for (size_t i = 0; i < sampler->count; i++)
            if (dataset->samples[i].label == (int32_t) class) sampler->by_class[placed++] = (int64_t)i;
        if (placed > begin) sampler->class_begin[++sampler->used_classes] = placed;
    }
    if (placed == sampler->count) return STATUS_OK;
    return error_set(err, "the class-balanced sampler needs labels: %zu of %zu samples have none",
                     sampler->count - placed, sampler->count);
}

status sampler_init(struct sampler *sampler, const struct dataset *dataset, enum sampler_order order, uint64_t seed,
                    struct error *err)
{
    *sampler = (struct sampler){.order = order, .seed = seed, .count = dataset->count};
    if (dataset->count == 0) return error_set(err, "the %s split has no samples", dataset->split);
    if (order != ORDER_BALANCED) return STATUS_OK;
    status result = group_by_class(sampler, dataset, err);
    if (result != STATUS_OK) sampler_free(sampler);
    return result;
}

void sampler_free(struct sampler *sampler)
{
    memory_free(sampler->by_class);
    memory_free(sampler->class_begin);
    *sampler = (struct sampler){0};
}

/* Weight 1 / count(class) for every sample is: a class uniformly, then one of its samples uniformly. */
static int64_t draw_balanced(const struct sampler *sampler, struct random_stream *stream)
{
    size_t class = (size_t)random_below(stream, sampler->used_classes);
    size_t begin = sampler->class_begin[class], end = sampler->class_begin[class + 1];
    return sampler->by_class[begin + random_below(stream, end - begin)];
}

void sampler_epoch(const struct sampler *sampler, uint64_t epoch, int64_t *ids)
{
    uint64_t drawn = sampler->order == ORDER_MIXED ? 0 : epoch;
    struct random_stream stream = random_stream(sampler->seed, RANDOM_SAMPLER, drawn, 0);
    for (size_t i = 0; i < sampler->count; i++)
        ids[i] = sampler->order == ORDER_BALANCED ? draw_balanced(sampler, &stream) : (int64_t)i;
    if (sampler->order == ORDER_SHUFFLE || sampler->order == ORDER_MIXED) random_shuffle(&stream, ids, sampler->count);
}

int64_t sampler_replacement(const struct sampler *sampler, uint64_t epoch, uint64_t position, uint64_t attempt)
{
    struct random_stream stream = random_stream(sampler->seed, RANDOM_SAMPLER, epoch, position + 1);
    int64_t id = 0;
    for (uint64_t i = 0; i < attempt; i++)
        id = sampler->order == ORDER_BALANCED ? draw_balanced(sampler, &stream)
                                              : (int64_t)random_below(&stream, sampler->count);
    return id;
}
