/* A data set as a source of pictures: the sampler's order, and samples by their place in the data set. */
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/picture_source.h"

#include <string.h>

/* Keeps the rounds of a stream that does not lead apart from the epochs of one that does. */
static const uint64_t ROUND_KEY = UINT64_C(1) << 63;

/* Position `position` of round `round`: an epoch, or a walk through all samples. */
struct round_place {
    uint64_t round, position;
};

static struct round_place place_in_round(const struct dataset_source *source, const struct batch_place *place,
                                         uint64_t row)
{
    if (source->leads) return (struct round_place){place->epoch, place->index * place->groups + row};
    uint64_t walked = place->step * place->groups + row;
    return (struct round_place){ROUND_KEY | walked / source->sampler.count, walked % source->sampler.count};
}

static status draw(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                   struct error *err)
{
    (void)err;
    struct dataset_source *source = context;
    struct round_place at = place_in_round(source, place, group);
    if (attempt > 0) {
        *ids = sampler_replacement(&source->sampler, at.round, at.position, attempt);
        return STATUS_OK;
    }
    if (!source->has_order || source->round != at.round) {
        sampler_epoch(&source->sampler, at.round, source->order);
        source->round = at.round;
        source->has_order = true;
    }
    *ids = source->order[at.position];
    return STATUS_OK;
}

static status read_picture(void *context, int64_t id, struct encoded_picture *picture, struct error *err)
{
    const struct dataset *dataset = ((struct dataset_source *)context)->dataset;
    const struct dataset_sample *sample = &dataset->samples[id];
    *picture = (struct encoded_picture){.box = sample->box};
    if (sample->pixels == NO_PIXELS)
        return picture_file_read(dataset_path(dataset, (size_t)id), &picture->bytes, &picture->size, err);
    picture->gray = dataset->pixels + sample->pixels;
    return STATUS_OK;
}

static status append_name(void *context, int64_t id, struct text *name, struct error *err)
{
    const char *path = dataset_path(((struct dataset_source *)context)->dataset, (size_t)id);
    return text_append(name, path, strlen(path), err);
}

static int32_t label_of(void *context, int64_t id)
{
    return ((struct dataset_source *)context)->dataset->samples[id].label;
}

static void write_target(void *context, int64_t id, float *target)
{
    dataset_target(((struct dataset_source *)context)->dataset, (size_t)id, target);
}

static void write_affect(void *context, int64_t id, float affect[2])
{
    memcpy(affect, ((struct dataset_source *)context)->dataset->affect + 2 * id, 2 * sizeof *affect);
}

status dataset_source_init(struct dataset_source *source, const struct dataset *dataset, enum sampler_order order,
                           uint64_t seed, bool leads, struct error *err)
{
    *source = (struct dataset_source){.dataset = dataset, .leads = leads};
    status result = sampler_init(&source->sampler, dataset, order, seed, err);
    if (result != STATUS_OK) return result;
    source->order = memory_allocate(dataset->count, sizeof *source->order, "the order of an epoch", err);
    if (source->order != NULL) return STATUS_OK;
    dataset_source_free(source);
    return STATUS_FAILED;
}

void dataset_source_free(struct dataset_source *source)
{
    sampler_free(&source->sampler);
    memory_free(source->order);
    *source = (struct dataset_source){0};
}

struct picture_source dataset_picture_source(struct dataset_source *source)
{
    const struct dataset *dataset = source->dataset;
    return (struct picture_source){
        .context = source,
        .what = source->leads ? "pictures" : "unlabelled pictures",
        .group = 1,
        .groups = dataset->count,
        .samples = dataset->count,
        .left_out = dataset->unreadable,
        .class_count = dataset->class_count,
        .by_epoch = source->leads,
        .key = source->leads ? 0 : 1,
        .draw = draw,
        .read = read_picture,
        .name = append_name,
        .label = label_of,
        .target = dataset->class_count > 0 ? write_target : NULL,
        .affect = dataset->affect != NULL ? write_affect : NULL,
    };
}
