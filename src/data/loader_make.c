/* Making the pictures of a batch: labelled ones, contrastive ones, and what takes the place of those that cannot be
 * read. Everything drawn here is keyed by the picture's place, so that it does not matter who makes it. */
#include "data/loader_internal.h"
#include "rmfer/base/log.h"

#include <string.h>

enum {
    MOST_ATTEMPTS = 32,     /* draws in place of an unreadable picture */
    MOST_ANCHOR_DRAWS = 16, /* in place of an anchor that cannot be used */
    NAMED_BAD_PICTURES = 20,
};

/* Tells contrastive augmentations from labelled ones, whose streams are keyed by epochs. */
static const uint64_t CONTRASTIVE_KEY = UINT64_C(1) << 63;

/* ---- one picture ---------------------------------------------------------------------------------------------- */

static void name_bad_picture(struct loader *loader, const char *message)
{
    if (atomic_fetch_add(&loader->named, 1) < NAMED_BAD_PICTURES)
        log_warning("unreadable picture: %s", message);
    else
        log_verbose("unreadable picture: %s", message);
}

static void remember_unreadable(struct loader *loader, struct slot *slot, int task, const struct error *problem)
{
    pthread_mutex_lock(&loader->lock);
    if (slot->unreadable.code == STATUS_OK || task < slot->unreadable_task) {
        slot->unreadable = *problem;
        slot->unreadable_task = task;
    }
    pthread_mutex_unlock(&loader->lock);
}

/* Loads sample `id`; false when it cannot be read. What is known to be bad is not tried again. */
static bool load_sample(struct loader *loader, struct slot *slot, int task, int64_t id,
                        struct picture_workspace *workspace)
{
    const struct loader_options *options = &loader->options;
    atomic_uchar *known = &loader->is_known_bad[id];
    if (options->on_error == ON_ERROR_SKIP && atomic_load(known) != 0) return false;
    struct error problem = {0};
    if (picture_of_sample(options->dataset, (size_t)id, options->resize, &loader->cache, workspace, &problem) ==
        STATUS_OK)
        return true;
    text_make_printable(problem.message);
    if (atomic_exchange(known, 1) == 0) name_bad_picture(loader, problem.message);
    remember_unreadable(loader, slot, task, &problem);
    return false;
}

void loader_normalise(int image_size, const uint8_t *rgb, const double mean[3], const double std[3],
                      const struct pixel_box *erased, float *out)
{
    float means[3], deviations[3];
    for (int c = 0; c < 3; c++) {
        means[c] = (float)mean[c];
        deviations[c] = (float)std[c];
    }
    image_normalise(rgb, image_size, image_size, means, deviations, erased, out);
}

void loader_make_picture(struct loader *loader, struct slot *slot, int task, struct picture_workspace *workspace)
{
    const struct loader_options *options = &loader->options;
    uint64_t position = slot->index * (uint64_t)options->batch + (uint64_t)task;
    int64_t id = slot->asked[task];
    int failures = 0;
    bool found = load_sample(loader, slot, task, id, workspace);
    while (!found && options->replace_bad && failures < MOST_ATTEMPTS) {
        failures++;
        id = sampler_replacement(&loader->sampler, slot->epoch, position, (uint64_t)failures);
        found = load_sample(loader, slot, task, id, workspace);
    }
    slot->failures[task] = (uint8_t)(failures + !found);
    slot->is_missing[task] = !found;
    if (!found) return;
    slot->ids[task] = id;
    slot->labels[task] = options->dataset->samples[id].label;
    size_t classes = (size_t)options->dataset->class_count;
    if (classes > 0) dataset_target(options->dataset, (size_t)id, slot->targets + (size_t)task * classes);
    struct pixel_box erased = {0};
    struct error problem = {0};
    struct random_stream stream = random_stream(options->seed, RANDOM_AUGMENT, slot->epoch, position);
    if (options->augment != NULL && augment_apply(&workspace->pixels, options->augment, &stream, &workspace->augment,
                                                  &erased, &problem) != STATUS_OK)
        log_warning("%s", problem.message);
    loader_normalise(options->image_size, workspace->pixels.rgb, options->mean, options->std, &erased,
                     slot->images + (size_t)task * loader->values);
}

/* ---- contrastive pictures ------------------------------------------------------------------------------------- */

uint64_t loader_step_of(const struct loader *loader, const struct slot *slot)
{
    return slot->epoch * loader->batches + slot->index;
}

bool loader_make_face(struct loader *loader, struct slot *slot, int face, struct picture_workspace *workspace)
{
    const struct loader_contrastive *contrastive = &loader->options.contrastive;
    const struct contrastive_source *source = &contrastive->source;
    static const struct image_box whole = {0};
    struct error problem = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint64_t id = (uint64_t)slot->face_ids[face];
    status result = source->read(source->context, id, &bytes, &size, &problem);
    if (result == STATUS_OK)
        result = picture_from_bytes(bytes, size, &whole, loader->options.resize, workspace, &problem);
    memory_free(bytes);
    struct random_stream stream = random_stream(loader->options.seed, RANDOM_AUGMENT,
                                                CONTRASTIVE_KEY | loader_step_of(loader, slot), (uint64_t)face);
    slot->erased[face] = (struct pixel_box){0};
    if (result == STATUS_OK && contrastive->augment != NULL)
        result = augment_apply(&workspace->pixels, contrastive->augment, &stream, &workspace->augment,
                               &slot->erased[face], &problem);
    slot->is_bad_face[face] = result != STATUS_OK;
    if (result == STATUS_OK) {
        memcpy(slot->faces + (size_t)face * loader->values, workspace->pixels.rgb, loader->values);
        return true;
    }
    struct text name = {0};
    if (source->name(source->context, id, &name, NULL) == STATUS_OK && strstr(problem.message, name.bytes) == NULL)
        error_add_context(&problem, "%s", name.bytes);
    text_free(&name);
    text_make_printable(problem.message);
    name_bad_picture(loader, problem.message);
    remember_unreadable(loader, slot, slot->pictures + face, &problem);
    return false;
}

/* Gives the bad faces of one group (positives, negatives) the next good one's picture. False when none is good. */
static bool fill_group(struct loader *loader, struct slot *slot, int first, int count)
{
    for (int i = 0; i < count; i++) {
        if (!slot->is_bad_face[first + i]) continue;
        int step = 1;
        while (step < count && slot->is_bad_face[first + (i + step) % count]) step++;
        if (step >= count) return false;
        int from = first + (i + step) % count, to = first + i;
        memcpy(slot->faces + (size_t)to * loader->values, slot->faces + (size_t)from * loader->values,
               loader->values);
        slot->face_ids[to] = slot->face_ids[from];
        slot->erased[to] = slot->erased[from];
    }
    return true;
}

static bool repair_anchor(struct loader *loader, struct slot *slot, int anchor)
{
    const struct loader_contrastive *contrastive = &loader->options.contrastive;
    int first = anchor * loader->drawn, positives = contrastive->positives;
    if (slot->is_bad_face[first]) return false;
    return fill_group(loader, slot, first + 1, positives) &&
           fill_group(loader, slot, first + 1 + positives, contrastive->negatives);
}

void loader_repair_faces(struct loader *loader, struct slot *slot, struct picture_workspace *workspace)
{
    const struct contrastive_source *source = &loader->options.contrastive.source;
    for (int anchor = 0; anchor < slot->anchors && slot->error.code == STATUS_OK; anchor++) {
        for (int i = 0; i < loader->drawn; i++) slot->bad_faces += slot->is_bad_face[anchor * loader->drawn + i];
        bool usable = repair_anchor(loader, slot, anchor);
        for (int draw = 1; !usable && draw <= MOST_ANCHOR_DRAWS && slot->error.code == STATUS_OK; draw++) {
            uint64_t key = (uint64_t)anchor + (uint64_t)slot->anchors * (uint64_t)draw;
            int first = anchor * loader->drawn;
            if (source->draw(source->context, loader_step_of(loader, slot), key, (uint64_t *)(slot->face_ids + first),
                             &slot->error) != STATUS_OK)
                return;
            for (int i = 0; i < loader->drawn; i++)
                slot->bad_faces += !loader_make_face(loader, slot, first + i, workspace);
            usable = repair_anchor(loader, slot, anchor);
        }
        if (!usable)
            error_set(&slot->error, "%d draws of an anchor in a row cannot be read; the first: %s", MOST_ANCHOR_DRAWS,
                      slot->unreadable.message);
    }
}
