/* The draw, its pictures, and the checkpoints' scores of it; one checkpoint in memory at a time. */
#include "rmfer/rmset/attention.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/config/config.h"
#include "rmfer/data/augment.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/resize.h"
#include "rmfer/method/candidates.h"
#include "rmfer/method/rmfer.h"

#include <inttypes.h>
#include <string.h>

void rmset_attention_free(struct rmset_attention *attention)
{
    size_t faces = attention->faces == NULL ? 0 : 1 + attention->positives + attention->negatives;
    for (size_t i = 0; i < faces; i++) {
        text_free(&attention->faces[i].path);
        image_free(&attention->faces[i].picture);
    }
    for (size_t i = 0; attention->views != NULL && i < attention->view_count; i++) {
        memory_free(attention->views[i].similarities);
        memory_free(attention->views[i].weights);
        memory_free(attention->views[i].kept);
    }
    memory_free(attention->faces);
    memory_free(attention->views);
    text_free(&attention->video);
    *attention = (struct rmset_attention){0};
}

/* ---- the draw ---------------------------------------------------------------------------------------------------- */

/* A video's name may hold colons, so the numbers are taken from the end. */
static status parse_anchor(const char *anchor, struct text *video, uint32_t *frame, uint32_t *face, struct error *err)
{
    int64_t numbers[2];
    status result = text_append_format(video, err, "%s", anchor);
    if (result != STATUS_OK) return result;
    for (int i = 1; i >= 0; i--) {
        char *colon = strrchr(video->bytes, ':');
        if (colon == NULL || !text_to_integer(colon + 1, &numbers[i]) || numbers[i] < 0 || numbers[i] > UINT32_MAX)
            return error_set_usage(err, "--anchor %s: VIDEO:FRAME:FACE is needed, as index.csv has them", anchor);
        *colon = '\0';
        video->length = (size_t)(colon - video->bytes);
    }
    *frame = (uint32_t)numbers[0];
    *face = (uint32_t)numbers[1];
    return STATUS_OK;
}

static status open_index(const struct rmset_attention_options *options, const struct config *config, int64_t every,
                         struct rmset_index **index, struct error *err)
{
    char *csv = path_join(options->folder, "index.csv", err);
    *index = NULL;
    if (csv == NULL) return STATUS_FAILED;
    const struct rmset_options wanted = {
        .csv = csv,
        .every = every,
        .fraction = 1,
        .near = config->acl.near,
        .far = config->acl.far,
        .grouping = GROUPING_MOMENTS,
        .allow_outside = config->rmset.allow_outside,
    };
    status result = rmset_index_open(index, &wanted, err);
    memory_free(csv);
    return result;
}

/* ---- the output -------------------------------------------------------------------------------------------------- */

static status check_faces(const struct rmset_index *index, const char *out, struct error *err)
{
    struct text path = {0};
    int64_t offset;
    status result = STATUS_OK;
    for (uint64_t row = 0; row < rmset_index_faces(index) && result == STATUS_OK; row++) {
        result = rmset_index_path(index, row, &path, &offset, err);
        if (result == STATUS_OK) result = file_check_output(out, text_string(&path), err);
    }
    text_free(&path);
    return result;
}

/* No face of the set, drawn or not, nor a checkpoint goes under the sheet. Whoever writes elsewhere does not wait for
 * a look at every row. */
static status check_out(const struct rmset_attention_options *options, const struct config *config, struct error *err)
{
    struct rmset_index *index = NULL;
    status result = STATUS_OK;
    for (size_t i = 0; i < options->checkpoint_count && result == STATUS_OK; i++)
        result = file_check_output(options->out, options->checkpoints[i], err);
    if (result == STATUS_OK && options->out != NULL) result = atomic_file_try(options->out, err);
    if (result != STATUS_OK || options->out == NULL || !file_exists(options->out)) return result;
    if (!config->rmset.allow_outside && !path_is_below(options->out, options->folder)) return STATUS_OK;
    result = open_index(options, config, 1, &index, err);
    if (result == STATUS_OK) result = check_faces(index, options->out, err);
    rmset_index_close(index);
    return result;
}

/* ---- the draw's pictures ----------------------------------------------------------------------------------------- */

static status read_face(const struct rmset_index *index, uint64_t row, struct attention_face *face, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int64_t offset = -1;
    face->who = rmset_index_face(index, row);
    status result = rmset_index_path(index, row, &face->path, &offset, err);
    if (result == STATUS_OK && offset >= 0) result = text_append_format(&face->path, err, "#%" PRId64, offset);
    if (result == STATUS_OK) result = rmset_index_read(index, row, &bytes, &size, err);
    if (result == STATUS_OK) {
        result = image_decode(bytes, size, NULL, &face->picture, err);
        if (result != STATUS_OK) result = error_add_context(err, "%s", text_string(&face->path));
    }
    memory_free(bytes);
    return result;
}

static status draw_faces(struct rmset_attention *attention, const struct rmset_index *index, uint64_t anchor,
                         uint64_t seed, struct error *err)
{
    size_t count = 1 + attention->positives + attention->negatives;
    uint64_t *rows = memory_allocate(count, sizeof *rows, "the candidates", err);
    attention->faces = memory_allocate(count, sizeof *attention->faces, "the candidates", err);
    status result = rows == NULL || attention->faces == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK)
        result = rmset_index_draw_for(index, anchor, seed, attention->positives, attention->negatives, rows, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        result = read_face(index, rows[i], &attention->faces[i], err);
    memory_free(rows);
    return result;
}

static status draw(struct rmset_attention *attention, const struct rmset_attention_options *options,
                   const struct config *config, struct error *err)
{
    struct rmset_index *index = NULL;
    uint32_t frame = 0, face = 0;
    uint64_t anchor = 0;
    attention->near = config->acl.near;
    attention->far = config->acl.far;
    attention->positives = (size_t)config->acl.n_pos;
    attention->negatives = (size_t)config->acl.n_neg;
    status result = parse_anchor(options->anchor, &attention->video, &frame, &face, err);
    if (result == STATUS_OK) result = open_index(options, config, config->rmset.every, &index, err);
    if (result == STATUS_OK)
        result = rmset_index_find(index, text_string(&attention->video), frame, face, &anchor, err);
    if (result == STATUS_OK) result = draw_faces(attention, index, anchor, options->seed, err);
    rmset_index_close(index);
    return result;
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static status read_config(const struct rmset_attention_options *options, const struct checkpoint *checkpoint,
                          struct config *config, struct error *err)
{
    const char *stored = checkpoint == NULL ? "" : checkpoint->info.config;
    if (stored[0] == '\0') return config_defaults(config, options->settings, options->setting_count, err);
    return config_parse_foreign(config, stored, checkpoint->path, options->settings, options->setting_count, err);
}

static status check_heads(const struct checkpoint *checkpoint, const struct config *config, struct error *err)
{
    if (!checkpoint_has_heads(checkpoint))
        return error_set(err, "%s: has no projection head, which attention needs (train.method = rmfer trains one)",
                         checkpoint->path);
    bool knows = checkpoint->info.config[0] != '\0';
    bool by_acl = config_has_acl(config) &&
                  config->acl.loss != ACL_LOSS_MUTUAL; /* mutual has a projection of its own */
    if (knows && config->ial.weight == 0 && !by_acl)
        log_warning(
            "%s: neither IAL nor ACL has trained its projection head (ial.weight, acl.weight): its attention is that "
            "of random weights",
            checkpoint->path);
    return STATUS_OK;
}

/* The draw as the network's input, [faces, side, side, 3]: as training reads it but for augmentation. */
static status make_input(const struct rmset_attention *attention, const struct checkpoint_info *info,
                         const struct config *config, real **images, struct error *err)
{
    size_t count = 1 + attention->positives + attention->negatives, side = (size_t)info->image_size;
    struct resize_workspace workspace = {0};
    enum config_resize filter;
    float mean[3], std[3];
    for (int c = 0; c < 3; c++) {
        mean[c] = (float)(info->config[0] == '\0' ? info->mean[c] : config->rmset.mean[c]);
        std[c] = (float)(info->config[0] == '\0' ? info->std[c] : config->rmset.std[c]);
    }
    uint8_t *rgb = memory_allocate(side * side, 3, "a candidate", err);
    *images = memory_allocate(size_multiply(count, side * side * 3), sizeof **images, "the candidates", err);
    status result = rgb == NULL || *images == NULL ? STATUS_FAILED : resize_filter_find(info->resize, &filter, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        result = image_resize_into(&attention->faces[i].picture, NULL, filter, (int)side, (int)side, rgb, &workspace,
                                   err);
        if (result == STATUS_OK)
            image_normalise(rgb, (int)side, (int)side, mean, std, NULL, *images + i * side * side * 3);
    }
    resize_workspace_free(&workspace);
    memory_free(rgb);
    return result;
}

static status keep_scores(const struct rmset_attention *attention, struct attention_of *view,
                          const struct candidate_scores *scores, struct error *err)
{
    size_t count = attention->positives + attention->negatives;
    view->similarities = memory_allocate(count, sizeof *view->similarities, "the scores", err);
    view->weights = memory_allocate(count, sizeof *view->weights, "the scores", err);
    view->kept = memory_allocate(count, sizeof *view->kept, "the scores", err);
    if (view->similarities == NULL || view->weights == NULL || view->kept == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < count; i++) {
        view->similarities[i] = (double)scores->similarities[i];
        view->weights[i] = (double)scores->attention[i];
    }
    for (size_t i = 0; i < scores->kept_positives + scores->kept_negatives; i++)
        view->kept[scores->chosen[i] + (i < scores->kept_positives ? 0 : attention->positives)] = true;
    return STATUS_OK;
}

static status score_with(const struct rmset_attention *attention, const struct checkpoint *checkpoint,
                         const struct config *config, double kept_share, struct attention_of *view, struct error *err)
{
    struct model model = {0};
    struct candidate_scorer *scorer = NULL;
    real *images = NULL;
    const struct candidate_setup setup = {
        .image_size = checkpoint->info.image_size,
        .positives = attention->positives,
        .negatives = attention->negatives,
        .kept_share = kept_share,
        .batch_statistics = config->acl.scoring_bn == SCORING_BN_TRAIN,
        .temperature = config->ial.temperature,
        .self_mask = self_mask_of(config->ial.self_mask),
    };
    status result = checkpoint_create_model(checkpoint, true, &model, err);
    if (result == STATUS_OK) result = make_input(attention, &checkpoint->info, config, &images, err);
    if (result == STATUS_OK) result = candidate_scorer_create(&scorer, &model, &setup, err);
    if (result == STATUS_OK) {
        struct candidate_scores scores = candidate_scorer_run(scorer, images);
        result = keep_scores(attention, view, &scores, err);
    }
    candidate_scorer_free(scorer);
    model_free(&model);
    memory_free(images);
    return result;
}

/* The first checkpoint is opened twice, so that nothing is scored before the draw is known to exist. */
static status score(struct rmset_attention *attention, const struct rmset_attention_options *options, double kept_share,
                    struct error *err)
{
    attention->views = memory_allocate(options->checkpoint_count, sizeof *attention->views, "the scores", err);
    if (attention->views == NULL) return STATUS_FAILED;
    attention->view_count = options->checkpoint_count;
    status result = STATUS_OK;
    for (size_t i = 0; i < options->checkpoint_count && result == STATUS_OK; i++) {
        struct checkpoint checkpoint;
        struct config config = {0};
        attention->views[i].checkpoint = options->checkpoints[i];
        result = checkpoint_open(&checkpoint, options->checkpoints[i], err);
        if (result != STATUS_OK) break;
        result = read_config(options, &checkpoint, &config, err);
        if (result == STATUS_OK) result = check_heads(&checkpoint, &config, err);
        if (result == STATUS_OK)
            result = score_with(attention, &checkpoint, &config, kept_share, &attention->views[i], err);
        config_free(&config);
        checkpoint_close(&checkpoint);
    }
    return result;
}

/* The configuration that says what is drawn and kept. */
static status read_first_config(const struct rmset_attention_options *options, struct config *config, struct error *err)
{
    struct checkpoint checkpoint = {0};
    status result = STATUS_OK;
    if (options->checkpoint_count > 0) result = checkpoint_open(&checkpoint, options->checkpoints[0], err);
    if (result == STATUS_OK)
        result = read_config(options, options->checkpoint_count > 0 ? &checkpoint : NULL, config, err);
    checkpoint_close(&checkpoint);
    return result;
}

status rmset_attention_make(struct rmset_attention *attention, const struct rmset_attention_options *options,
                            struct error *err)
{
    struct config config = {0};
    *attention = (struct rmset_attention){0};
    if (options->checkpoint_count > MOST_ATTENTION_CHECKPOINTS)
        return error_set_usage(err, "%zu checkpoints: at most %d fit one sheet", options->checkpoint_count,
                               (int)MOST_ATTENTION_CHECKPOINTS);
    status result = read_first_config(options, &config, err);
    if (result == STATUS_OK) result = check_out(options, &config, err);
    if (result == STATUS_OK) result = draw(attention, options, &config, err);
    if (result == STATUS_OK && options->checkpoint_count > 0) result = score(attention, options, config.acl.gamma, err);
    config_free(&config);
    if (result != STATUS_OK) rmset_attention_free(attention);
    return result;
}
