/* rmfer rmset preview: a contact sheet of a film, or of an anchor of an RMset and its candidates. */
#include "cmd/rmset.h"
#include "cmd/rmset_attention.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/text.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/rmset/preview.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { JPEG_QUALITY = 90 };

struct preview_command {
    const char *out, *detector;
    struct option_list areas;
    struct rmset_preview_options preview;
    double min_score;
    int64_t detect_size, frames_given;
    struct text found; /* the detector's path, where it was not named */
    /* Of an anchor: */
    const char *anchor;
    struct option_list checkpoints, settings;
    bool json;
};

static bool is_png_name(const char *path)
{
    return text_ends_with_ignoring_case(path, ".png");
}

/* By its name PNG or JPEG; another name may be a slip that would cost somebody a video. */
static status check_out(const char *out, struct error *err)
{
    if (out == NULL || is_png_name(out) || text_ends_with_ignoring_case(out, ".jpg") ||
        text_ends_with_ignoring_case(out, ".jpeg"))
        return STATUS_OK;
    return error_set_usage(err, "-o %s: a name that ends in .jpg or .png is needed", out);
}

/* -o, else NAME.preview.jpg in the present folder. */
static status choose_out(const char *out, const char *film, struct text *path, struct error *err)
{
    if (out != NULL) return text_append_format(path, err, "%s", out);
    struct rmset_stem stem = rmset_film_stem(film);
    return text_append_format(path, err, "%.*s.preview.jpg", (int)(stem.end - stem.begin), film + stem.begin);
}

static status write_picture(const char *path, const struct image *image, struct error *err)
{
    return is_png_name(path) ? image_write_png(path, image, err) : image_write_jpeg(path, image, JPEG_QUALITY, err);
}

/* The lines of NAME.film.csv, and the same as options. */
static status print_suggestion(const struct rmset_preview *preview, struct error *err)
{
    const struct rmset_notes *suggested = &preview->suggested;
    struct text areas = {0};
    if (suggested->area_count == 0) {
        printf("no area stands out as the film's place; read its numbers off the grid\n");
        return STATUS_OK;
    }
    printf("suggested, as lines of NAME.film.csv:\nx,y,w,h,from,to\n");
    for (size_t i = 0; i < suggested->area_count; i++) {
        const struct rmset_area *area = &suggested->areas[i];
        printf("%g,%g,%g,%g,%" PRId64 ",", area->box.x, area->box.y, area->box.width, area->box.height, area->from);
        if (area->to < INT64_MAX) printf("%" PRId64, area->to);
        putchar('\n');
    }
    status result = rmset_notes_print_areas(suggested, &areas, err);
    if (result != STATUS_OK) return result;
    printf("or as options:\n");
    char *rest = NULL;
    for (char *area = strtok_r(areas.bytes, " ", &rest); area != NULL; area = strtok_r(NULL, " ", &rest))
        printf("--remove %s\n", area);
    text_free(&areas);
    return STATUS_OK;
}

static status read_detector(struct preview_command *command, struct detector **detector, struct error *err)
{
    struct rmset_preview_options *options = &command->preview;
    *detector = NULL;
    if (options->detections != NULL) return STATUS_OK;
    options->lists_first = command->detector == NULL;
    status result = lookup_detector(&command->detector, &command->found, err);
    if (result == STATUS_OK && command->detector != NULL) result = detector_read(detector, command->detector, err);
    options->detector = *detector;
    return result;
}

static status preview_film(struct preview_command *command, const char *film, struct error *err)
{
    struct rmset_preview preview = {0};
    struct detector *detector = NULL;
    struct text out = {0};
    command->preview.detection = detector_options_defaults();
    command->preview.asks_detector = command->detect_size >= 0;
    if (command->min_score >= 0)
        command->preview.detection.min_score = command->preview.list_score = command->min_score;
    if (command->detect_size >= 0) command->preview.detection.detect_size = (int)command->detect_size;
    command->preview.areas = command->areas.items;
    command->preview.area_count = command->areas.count;
    status result = check_out(command->out, err);
    if (result == STATUS_OK) result = choose_out(command->out, film, &out, err);
    command->preview.out = text_string(&out);
    if (result == STATUS_OK) result = file_check_output(command->preview.out, command->preview.detections, err);
    if (result == STATUS_OK) result = read_detector(command, &detector, err);
    if (result == STATUS_OK) result = file_check_output(command->preview.out, command->detector, err);
    if (result == STATUS_OK) result = atomic_file_try(command->preview.out, err);
    if (result == STATUS_OK) result = rmset_preview_make(&preview, film, &command->preview, err);
    if (result == STATUS_OK) result = write_picture(text_string(&out), &preview.sheet, err);
    if (result == STATUS_OK) {
        text_print_name(text_string(&out), stdout);
        printf("\n");
        result = print_suggestion(&preview, err);
    }
    rmset_preview_free(&preview);
    detector_free(detector);
    text_free(&out);
    return result;
}

/* ---- an anchor --------------------------------------------------------------------------------------------------- */

static status choose_sheet_name(const char *out, const struct rmset_attention *attention, struct text *path,
                                struct error *err)
{
    const struct rmset_face *anchor = &attention->faces[0].who;
    if (out != NULL) return text_append_format(path, err, "%s", out);
    return text_append_format(path, err, "%s-%" PRIu32 "-%" PRIu32 ".preview.jpg",
                              path_name(text_string(&attention->video)), anchor->frame, anchor->person);
}

static status preview_anchor(const struct preview_command *command, const char *set, int64_t seed, struct error *err)
{
    struct rmset_attention attention = {0};
    struct image sheet = {0};
    struct text out = {0};
    const struct rmset_attention_options options = {
        .folder = set,
        .anchor = command->anchor,
        .out = command->out,
        .checkpoints = command->checkpoints.items,
        .checkpoint_count = command->checkpoints.count,
        .settings = command->settings.items,
        .setting_count = command->settings.count,
        .seed = seed < 0 ? 0 : (uint64_t)seed,
    };
    status result = check_out(command->out, err);
    if (result == STATUS_OK) result = rmset_attention_make(&attention, &options, err);
    if (result == STATUS_OK) result = choose_sheet_name(command->out, &attention, &out, err);
    if (result == STATUS_OK) result = rmset_attention_sheet(&attention, &sheet, err);
    if (result == STATUS_OK) result = write_picture(text_string(&out), &sheet, err);
    if (result == STATUS_OK) log_info("%s", text_string(&out));
    if (result == STATUS_OK) result = rmset_attention_print(&attention, command->json, err);
    rmset_attention_free(&attention);
    image_free(&sheet);
    text_free(&out);
    return result;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* Options of the other kind of preview would be passed over in silence. */
static status check_kind(const struct preview_command *command, struct error *err)
{
    bool of_anchor = command->checkpoints.count > 0 || command->settings.count > 0 || command->json;
    bool of_film = command->areas.count > 0 || command->detector != NULL || command->min_score >= 0 ||
                   command->detect_size >= 0 || command->preview.detections != NULL || command->frames_given >= 0;
    if (command->preview.detections != NULL && command->detect_size >= 0)
        return error_set_usage(err, "--detect-size is about the detector: not with --detections");
    if (command->anchor == NULL && of_anchor)
        return error_set_usage(err, "--checkpoint, --set and --json need --anchor VIDEO:FRAME:FACE");
    if (command->anchor != NULL && of_film)
        return error_set_usage(err,
                               "--anchor looks into an RMset: --frames, --remove and what concerns the detector are "
                               "for a video");
    return STATUS_OK;
}

static status preview(struct preview_command *command, const struct command_line *line, struct error *err)
{
    const struct option_list *words = &line->positional;
    if (words->count != 1)
        return error_set_usage(err, "rmset preview takes one video or folder of frames, or an RMset");
    status result = check_kind(command, err);
    if (result != STATUS_OK) return result;
    if (command->frames_given >= 0) command->preview.frames = command->frames_given;
    if (command->anchor != NULL)
        result = preview_anchor(command, words->items[0], line->seed, err);
    else
        result = preview_film(command, words->items[0], err);
    if (result == STATUS_OK && fflush(stdout) != 0) return error_set_errno(err, "standard output cannot be written");
    return result;
}

static const char description[] =
    "VIDEO: draws a sheet of frames spread over it, with a grid of pixels and numbers, the faces that are found (grey\n"
    "in a removal area), the removal areas given by --remove or NAME.film.csv, and a suggested one: the rectangle in\n"
    "which everything moves and cuts while the layout around it stays. It is also printed, to be pasted into\n"
    "NAME.film.csv or behind --remove. Look at the picture: a panel whose camera moves can be taken for the film.\n"
    "DIR --anchor VIDEO:FRAME:FACE: draws that face of an RMset with candidates P (others at its moment) and N (itself,\n"
    "far away), drawn as training does (--seed; acl.n_pos, n_neg, near, far, gamma by --set, else as the first\n"
    "checkpoint was trained). Each --checkpoint adds every candidate's attention and cosine similarity and frames what it\n"
    "keeps, P_imp and N_imp, in its colour. The numbers are printed too.";

int command_rmset_preview(int argc, char **argv)
{
    struct preview_command command = {.min_score = -1,
                                      .detect_size = -1,
                                      .frames_given = -1,
                                      .preview = {.frames = 12, .most_pixels = IMAGE_MOST_PIXELS}};
    struct option options[] = {
        {"out", OPTION_STRING, &command.out, "FILE", "the picture, JPEG or PNG (NAME.preview.jpg)", 0, 0, 'o'},
        {"frames", OPTION_INTEGER, &command.frames_given, "N", "frames on the sheet (12)", 1, 60, 0},
        {"remove", OPTION_REPEATED, &command.areas, "X,Y,W,H[@FROM-TO]", "show this area as given", 0, 0, 0},
        {"detector", OPTION_STRING, &command.detector, "FILE",
         "YuNet's ONNX file, or none (default: yunet.onnx where 'make detector' puts it, or $RMFER_DETECTOR)", 0, 0, 0},
        {"min-score", OPTION_REAL, &command.min_score, "S", "faces below this score are left out (0.85; of a list 0)",
         0, 1, 0},
        {"detect-size", OPTION_INTEGER, &command.detect_size, "N",
         "scale a longer side down to N to find faces (640; 0 = never)", 0, 4096, 0},
        {"detections", OPTION_STRING, &command.preview.detections, "FILE", "faces found by another detector", 0, 0, 0},
        {"anchor", OPTION_STRING, &command.anchor, "VIDEO:FRAME:FACE", "a face of the RMset DIR with its candidates", 0,
         0, 0},
        {"checkpoint", OPTION_REPEATED, &command.checkpoints, "FILE", "score the candidates; up to 7 times", 0, 0, 0},
        {"set", OPTION_REPEATED, &command.settings, "SECTION.KEY=VALUE", "change a setting of the checkpoints", 0, 0,
         0},
        {"json", OPTION_FLAG, &command.json, NULL, "print the numbers as JSON", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer rmset preview VIDEO [-o FILE] [--frames N] [--detector FILE]\n"
                 "       rmfer rmset preview DIR --anchor VIDEO:FRAME:FACE [--checkpoint FILE]... [-o FILE] [--json]",
        .description = description,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = preview(&command, &line, &err);
    options_free(&line);
    text_free(&command.found);
    return command_finish(result, &err);
}
