/* Words to checkpoints, and these to the sheet that rmset/ draws. */
#include "cmd/plot_anchor.h"

#include "cmd/checkpoint_word.h"

#include "rmfer/rmset/attention.h"

enum { JPEG_QUALITY = 90 };

static bool has_picture_name(const char *path)
{
    return text_ends_with_ignoring_case(path, ".png") || text_ends_with_ignoring_case(path, ".jpg") ||
           text_ends_with_ignoring_case(path, ".jpeg");
}

static status draw(const struct plot_anchor *figure, const char *const *checkpoints, size_t count, struct error *err)
{
    const struct rmset_attention_options options = {
        .folder = figure->folder,
        .anchor = figure->anchor,
        .out = figure->out,
        .checkpoints = checkpoints,
        .checkpoint_count = count,
        .settings = figure->settings->items,
        .setting_count = figure->settings->count,
        .seed = figure->seed,
    };
    struct rmset_attention attention = {0};
    struct image sheet = {0};
    status result = rmset_attention_make(&attention, &options, err);
    if (result == STATUS_OK) result = rmset_attention_sheet(&attention, &sheet, err);
    if (result == STATUS_OK)
        result = text_ends_with_ignoring_case(figure->out, ".png")
                     ? image_write_png(figure->out, &sheet, err)
                     : image_write_jpeg(figure->out, &sheet, JPEG_QUALITY, err);
    if (result == STATUS_OK) {
        text_print_name(figure->out, stdout);
        printf("\n");
    }
    rmset_attention_free(&attention);
    image_free(&sheet);
    return result;
}

status plot_anchor(const struct plot_anchor *figure, const char *const *words, size_t count, struct error *err)
{
    struct checkpoint_word checkpoints[MOST_ATTENTION_CHECKPOINTS] = {{0}};
    const char *paths[MOST_ATTENTION_CHECKPOINTS] = {NULL};
    if (figure->folder == NULL || figure->anchor == NULL)
        return error_set_usage(err, "--rmset DIR and --anchor VIDEO:FRAME:FACE belong together");
    if (figure->out == NULL || !has_picture_name(figure->out))
        return error_set_usage(err, "the sheet of an anchor shows pictures: -o FILE.jpg or FILE.png is needed");
    if (count > MOST_ATTENTION_CHECKPOINTS)
        return error_set_usage(err, "the sheet of an anchor compares at most %d checkpoints",
                               MOST_ATTENTION_CHECKPOINTS);
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        result = checkpoint_word_read(&checkpoints[i], words[i], err);
        paths[i] = checkpoints[i].path;
    }
    if (result == STATUS_OK) result = draw(figure, paths, count, err);
    for (size_t i = 0; i < count; i++) checkpoint_word_free(&checkpoints[i]);
    return result;
}
