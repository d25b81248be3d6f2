/* One pass over the film: every frame that is looked at goes to the search for the film's window, some of them are
 * kept, scaled, for the sheet. Drawing comes last, when the areas are known. */
#include "rmfer/rmset/preview.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/faces/inputs.h"
#include "rmset/film_path.h"
#include "rmset/preview_sheet.h"
#include "rmset/removal_area.h"

enum { LOOKED_AT = 240 };

struct look {
    const struct rmset_preview_options *options;
    struct rmset_preview *preview;
    struct rmset_notes notes; /* given */
    struct area_search search;
    int64_t layout_from, last_frame; /* where the present layout begins at the latest; the last frame looked at */
    struct preview_tile *tiles;
    size_t tile_count, looked_at, expected;
    struct detector_workspace workspace;
};

void rmset_preview_free(struct rmset_preview *preview)
{
    image_free(&preview->sheet);
    rmset_notes_free(&preview->suggested);
    *preview = (struct rmset_preview){0};
}

/* ---- the film's window ------------------------------------------------------------------------------------------- */

/* The area of the layout that ends with frame `to`. */
static status end_layout(struct look *look, int64_t to, struct error *err)
{
    struct rmset_area area = {.from = look->layout_from, .to = to};
    bool found;
    status result = area_search_find(&look->search, &area.box, &found, err);
    area_search_restart(&look->search);
    return result == STATUS_OK && found ? rmset_notes_append_area(&look->preview->suggested, &area, err) : result;
}

/* Between two frames that are looked at the layout may have changed anywhere: both areas cover that. */
static status search_window(struct look *look, int64_t frame, const struct image *image, struct error *err)
{
    bool is_new;
    status result = area_search_add(&look->search, image, &is_new, err);
    if (result == STATUS_OK && is_new) {
        result = end_layout(look, frame - 1, err);
        look->layout_from = look->last_frame + 1;
        if (result == STATUS_OK) result = area_search_add(&look->search, image, &is_new, err);
    }
    look->last_frame = frame;
    return result;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static status find_faces(struct look *look, const struct face_input *input, struct preview_tile *tile,
                         struct error *err)
{
    const struct rmset_preview_options *options = look->options;
    if (look->notes.has_detections)
        return rmset_notes_detections(&look->notes, input->frame, &tile->faces, &tile->face_count, err);
    if (options->detector == NULL) return STATUS_OK;
    return detector_find(options->detector, &look->workspace, &input->image, &options->detection, &tile->faces,
                         &tile->face_count, err);
}

static status keep_tile(struct look *look, const struct face_input *input, struct error *err)
{
    struct preview_tile *tile = &look->tiles[look->tile_count++];
    tile->frame = input->frame;
    tile->time = input->time;
    status result = preview_tile_scale(tile, &input->image, err);
    return result == STATUS_OK ? find_faces(look, input, tile, err) : result;
}

/* Frame number i of n that are looked at is on the sheet when it is the middle of one of the sheet's equal parts. */
static bool is_on_sheet(const struct look *look)
{
    size_t wanted = (size_t)look->options->frames, n = look->expected;
    if (look->tile_count >= wanted) return false;
    return look->looked_at >= (2 * look->tile_count + 1) * n / (2 * wanted);
}

/* Of a folder a frame that cannot be read is one line, as it is of a build. */
static status read_frame(const struct look *look, struct face_input *input, struct error *err)
{
    struct image_options reading = {.most_pixels = look->options->most_pixels};
    struct error own = {0};
    if (input->error.code != STATUS_OK) {
        *err = input->error;
        return STATUS_FAILED;
    }
    if (input->image.rgb == NULL && image_read(input->path, &reading, &input->image, &own) != STATUS_OK) {
        if (input->is_frame) {
            log_warning("%s; the frame is left out", own.message);
            return STATUS_OK;
        }
        *err = own;
        return STATUS_FAILED;
    }
    return input->is_frame ? STATUS_OK : error_set(err, "%s: a picture, not a film or a folder of frames", input->path);
}

static status take_frame(struct look *look, struct face_input *input, struct error *err)
{
    struct rmset_preview *preview = look->preview;
    status result = read_frame(look, input, err);
    if (result == STATUS_OK && input->image.rgb != NULL) {
        if (preview->width == 0) {
            preview->width = input->image.width;
            preview->height = input->image.height;
            preview->rate = input->frame_rate;
        }
        result = search_window(look, input->frame, &input->image, err);
        if (result == STATUS_OK && is_on_sheet(look)) result = keep_tile(look, input, err);
    }
    look->looked_at++;
    return result;
}

/* Frames in all: as the container says, else counted. None of them, of a folder every one, is where the sheet will
 * go. */
static status count_frames(const struct rmset_preview_options *options, const char *film, int64_t *frames,
                           struct error *err)
{
    struct face_input_options wanted = {
        .every = 1, .most_pixels = options->most_pixels, .folder_of_frames = true, .quiet = true};
    struct face_inputs *inputs;
    struct face_input input;
    bool is_known = false;
    *frames = 0;
    status result = face_inputs_create(&inputs, &film, 1, &wanted, err);
    while (result == STATUS_OK && !is_known && face_inputs_next(inputs, &input)) {
        result = picture_file_check_output(options->out, input.path, err);
        is_known = input.error.code != STATUS_OK || input.frames > 0;
        *frames = input.frames > 0 ? input.frames : *frames + 1;
        face_input_free(&input);
    }
    face_inputs_free(inputs);
    return result;
}

static status look_through(struct look *look, const char *film, struct error *err)
{
    struct rmset_preview *preview = look->preview;
    status result = count_frames(look->options, film, &preview->frames, err);
    if (result != STATUS_OK) return result;
    int64_t every = preview->frames / LOOKED_AT > 1 ? preview->frames / LOOKED_AT : 1;
    struct face_input_options wanted = {
        .every = every, .most_pixels = look->options->most_pixels, .folder_of_frames = true};
    struct face_inputs *inputs;
    struct face_input input;
    look->expected = (size_t)((preview->frames + every - 1) / every);
    look->last_frame = -1;
    result = face_inputs_create(&inputs, &film, 1, &wanted, err);
    while (result == STATUS_OK && face_inputs_next(inputs, &input)) {
        result = take_frame(look, &input, err);
        face_input_free(&input);
    }
    face_inputs_free(inputs);
    return result == STATUS_OK ? end_layout(look, INT64_MAX, err) : result;
}

/* Where no frame could be looked at, the sheet's drawing says so. */
static status check_areas(const struct look *look, const char *film, struct error *err)
{
    const struct rmset_preview *preview = look->preview;
    if (preview->width == 0) return STATUS_OK;
    status result = rmset_notes_warn_outside(&look->notes, film, preview->width, preview->height, err);
    int64_t last = preview->frames - 1 > look->last_frame ? preview->frames - 1 : look->last_frame;
    return result == STATUS_OK ? rmset_notes_warn_late(&look->notes, film, last, err) : result;
}

static void free_look(struct look *look)
{
    for (size_t i = 0; look->tiles != NULL && i < look->tile_count; i++) preview_tile_free(&look->tiles[i]);
    memory_free(look->tiles);
    area_search_free(&look->search);
    detector_workspace_free(&look->workspace);
    rmset_notes_free(&look->notes);
}

status rmset_preview_make(struct rmset_preview *preview, const char *film, const struct rmset_preview_options *options,
                          struct error *err)
{
    struct look look = {.options = options, .preview = preview};
    *preview = (struct rmset_preview){0};
    look.tiles = memory_allocate((size_t)options->frames, sizeof *look.tiles, "the sheet's frames", err);
    status result = look.tiles == NULL ? STATUS_FAILED : film_path_check(film, err);
    for (size_t i = 0; i < options->area_count && result == STATUS_OK; i++)
        result = rmset_notes_add_area(&look.notes, options->areas[i], err);
    if (result == STATUS_OK)
        result = rmset_notes_read(&look.notes, film, options->detections,
                                  options->detector == NULL || options->lists_first, err);
    rmset_notes_leave_out(&look.notes, options->list_score, options->detection.min_face);
    if (result == STATUS_OK && options->asks_detector) rmset_notes_warn_of_detector(&look.notes, film);
    if (result == STATUS_OK) result = look_through(&look, film, err);
    if (result == STATUS_OK) result = check_areas(&look, film, err);
    if (result == STATUS_OK) {
        const struct preview_sheet sheet = {film, preview, &look.notes, look.tiles, look.tile_count};
        result = preview_sheet_draw(&sheet, &preview->sheet, err);
    }
    free_look(&look);
    if (result != STATUS_OK) rmset_preview_free(preview);
    return result;
}
