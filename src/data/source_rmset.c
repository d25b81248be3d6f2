/* An RMset as a source of pictures: draws of ACL, single faces, moments. */
#include "rmfer/data/picture_source.h"

#include <inttypes.h>

/* Rows of an index fit 63 bits: they are counted in a file of at least one byte a row. */
static void draws_to_ids(int64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) BUG_UNLESS(ids[i] >= 0);
}

/* Other attempts are the draws behind those of the batch. */
static uint64_t draw_number(const struct batch_place *place, uint64_t group, uint64_t attempt)
{
    return group + place->groups * attempt;
}

static status draw_candidates(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt,
                              int64_t *ids, struct error *err)
{
    const struct rmset_source *source = context;
    size_t positives = (size_t)source->positives, negatives = (size_t)source->negatives;
    status result = rmset_index_draw(source->index, source->seed, place->step, draw_number(place, group, attempt),
                                     positives, negatives, (uint64_t *)ids, err);
    if (result == STATUS_OK) draws_to_ids(ids, 1 + positives + negatives);
    return result;
}

enum candidate_kind { ANCHOR, POSITIVE, NEGATIVE };

static int kind_of_candidate(void *context, int row)
{
    const struct rmset_source *source = context;
    return row == 0 ? ANCHOR : row <= source->positives ? POSITIVE : NEGATIVE;
}

static status draw_face(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                        struct error *err)
{
    const struct rmset_source *source = context;
    status result = rmset_index_draw_face(source->index, source->seed, place->step, draw_number(place, group, attempt),
                                          (uint64_t *)ids, err);
    if (result == STATUS_OK) draws_to_ids(ids, 1);
    return result;
}

static status next_face(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                        struct error *err)
{
    const struct rmset_source *source = context;
    if (attempt > 0) return error_set(err, "a face that is met in order has no other in its place");
    ids[0] = (int64_t)rmset_index_chosen_row(source->index, place->index * place->groups + group);
    return STATUS_OK;
}

static status draw_moment(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt,
                          int64_t *ids, struct error *err)
{
    const struct rmset_source *source = context;
    bool returns = source->returns && group % 2 == 1;
    size_t persons = (size_t)source->persons;
    uint64_t first[MOST_RMSET_DRAWS], number = draw_number(place, group, attempt);
    status result = rmset_index_draw_moment(source->index, source->seed, place->step,
                                            returns ? draw_number(place, group - 1, 0) : number, persons,
                                            returns ? first : (uint64_t *)ids, err);
    if (result == STATUS_OK && returns)
        result = rmset_index_draw_return(source->index, source->seed, place->step, number, persons, first,
                                         (uint64_t *)ids, err);
    if (result == STATUS_OK) draws_to_ids(ids, (size_t)source->persons);
    return result;
}

static status read_picture(void *context, int64_t id, struct encoded_picture *picture, struct error *err)
{
    const struct rmset_source *source = context;
    *picture = (struct encoded_picture){0};
    return rmset_index_read(source->index, (uint64_t)id, &picture->bytes, &picture->size, err);
}

static status append_name(void *context, int64_t id, struct text *name, struct error *err)
{
    const struct rmset_source *source = context;
    struct text path = {0};
    int64_t offset;
    status result = rmset_index_path(source->index, (uint64_t)id, &path, &offset, err);
    if (result == STATUS_OK) result = text_append_format(name, err, "%s", text_string(&path));
    if (result == STATUS_OK && offset >= 0) result = text_append_format(name, err, "#%" PRId64, offset);
    text_free(&path);
    return result;
}

/* What the three have in common. An epoch of one that leads has as many rows as there are faces. */
static struct picture_source common(struct rmset_source *source, int group)
{
    return (struct picture_source){
        .context = source,
        .group = group,
        .groups = rmset_index_chosen_faces(source->index) / (uint64_t)group,
        .read = read_picture,
        .name = append_name,
    };
}

struct picture_source rmset_draws(struct rmset_source *source)
{
    struct picture_source draws = common(source, 1 + source->positives + source->negatives);
    draws.what = "contrastive pictures";
    draws.key = 8;
    draws.draw = draw_candidates;
    draws.kind = kind_of_candidate;
    return draws;
}

struct picture_source rmset_faces(struct rmset_source *source)
{
    struct picture_source faces = common(source, 1);
    faces.what = "RMset faces";
    faces.key = 9;
    faces.draw = draw_face;
    return faces;
}

struct picture_source rmset_in_order(struct rmset_source *source)
{
    struct picture_source faces = rmset_faces(source);
    faces.key = 11;
    faces.draw = next_face;
    return faces;
}

struct picture_source rmset_moments(struct rmset_source *source)
{
    struct picture_source moments = common(source, source->persons);
    moments.what = "faces of moments";
    moments.key = 10;
    moments.draw = draw_moment;
    return moments;
}
