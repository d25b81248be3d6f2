/* An RMset as a source of contrastive pictures. */
#include "rmfer/data/loader.h"
#include "rmfer/data/rmset_index.h"

#include <inttypes.h>

static status draw(void *context, uint64_t step, uint64_t anchor, uint64_t *ids, struct error *err)
{
    const struct rmset_source *source = context;
    return rmset_index_draw(source->index, source->seed, step, anchor, source->positives, source->negatives, ids,
                            err);
}

static status read_picture(void *context, uint64_t id, uint8_t **bytes, size_t *size, struct error *err)
{
    const struct rmset_source *source = context;
    return rmset_index_read(source->index, id, bytes, size, err);
}

static status append_name(void *context, uint64_t id, struct text *name, struct error *err)
{
    const struct rmset_source *source = context;
    struct text path = {0};
    int64_t offset;
    status result = rmset_index_path(source->index, id, &path, &offset, err);
    if (result == STATUS_OK) result = text_append_format(name, err, "%s", text_string(&path));
    if (result == STATUS_OK && offset >= 0) result = text_append_format(name, err, "#%" PRId64, offset);
    text_free(&path);
    return result;
}

struct contrastive_source rmset_contrastive_source(struct rmset_source *source)
{
    return (struct contrastive_source){source, draw, read_picture, append_name};
}
