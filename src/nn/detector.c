/* The detector's weights, checked and packed; and finding the faces of a picture of any size. */
#include "rmfer/nn/detector.h"

#include "nn/detector_internal.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/plan.h"
#include "rmfer/base/threads.h"

#include <math.h>

static const size_t head_channels[DETECTOR_HEADS] = {1, 1, 4, 10};
static const size_t head_first[DETECTOR_HEADS] = {CELL_CLASS, CELL_OBJECT, CELL_BOX, CELL_LANDMARKS};

/* Padded pixels of the largest picture that the network is run on: its maps then take about 1.3 GB. */
enum { MOST_NETWORK_PIXELS = 1 << 24 };

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static status check_unit(const struct detector_unit_weights *unit, const char *name, int index, size_t input,
                         struct error *err)
{
    if (unit->input == input && unit->output >= 1 && unit->output <= DETECTOR_MOST_CHANNELS) return STATUS_OK;
    return error_set(err, "unit %d of the %s takes %zu channels and gives %zu; %zu come in: not YuNet", index, name,
                     unit->input, unit->output, input);
}

/* The units in front of each level; what comes down from the next level is added, so it must have as many channels.
 */
static status check_levels(const struct detector_weights *weights, struct error *err)
{
    static const int sources[DETECTOR_LEVELS] = {6, 8, 10};
    status result = STATUS_OK;
    for (int level = 0; level < DETECTOR_LEVELS && result == STATUS_OK; level++) {
        size_t input = weights->backbone[sources[level]].output;
        result = check_unit(&weights->lateral[level], "neck", level, input, err);
        if (result == STATUS_OK && level > 0 && weights->lateral[level].output != weights->lateral[level - 1].input)
            result = error_set(err, "the neck's levels have different channel counts: not YuNet");
        if (result == STATUS_OK)
            result = check_unit(&weights->shared[level], "head", level, weights->lateral[level].output, err);
        for (int head = 0; head < DETECTOR_HEADS && result == STATUS_OK; head++) {
            const struct detector_unit_weights *unit = &weights->heads[level][head];
            result = check_unit(unit, "head", head, weights->shared[level].output, err);
            if (result == STATUS_OK && unit->output != head_channels[head])
                result = error_set(err, "head %d has %zu outputs instead of %zu: not YuNet", head, unit->output,
                                   head_channels[head]);
        }
    }
    return result;
}

static status check_weights(const struct detector_weights *weights, struct error *err)
{
    size_t channels = weights->stem_output;
    if (channels < 1 || channels > DETECTOR_MOST_CHANNELS)
        return error_set(err, "the first convolution has %zu outputs: not YuNet", channels);
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) {
        status result = check_unit(&weights->backbone[i], "backbone", i, channels, err);
        if (result != STATUS_OK) return result;
        channels = weights->backbone[i].output;
    }
    return check_levels(weights, err);
}

static void place_unit(const struct kernels *kernels, struct detector_unit *unit, size_t input, size_t output,
                       struct plan *plan)
{
    unit->input = input;
    unit->output = output;
    unit->pointwise = plan_reals(plan, kernels_packed_size(kernels, input, output));
    unit->pointwise_bias = plan_reals(plan, output);
    unit->depthwise = plan_reals(plan, DETECTOR_TAPS * output);
    unit->depthwise_bias = plan_reals(plan, output);
}

static void place(struct detector *detector, const struct detector_weights *weights, struct plan *plan)
{
    const struct kernels *kernels = detector->kernels;
    detector->stem_output = weights->stem_output;
    detector->stem = plan_reals(plan, kernels_packed_size(kernels, DETECTOR_STEM_PATCH, weights->stem_output));
    detector->stem_bias = plan_reals(plan, weights->stem_output);
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++)
        place_unit(kernels, &detector->backbone[i], weights->backbone[i].input, weights->backbone[i].output, plan);
    for (int i = 0; i < DETECTOR_LEVELS; i++) {
        place_unit(kernels, &detector->lateral[i], weights->lateral[i].input, weights->lateral[i].output, plan);
        place_unit(kernels, &detector->shared[i], weights->shared[i].input, weights->shared[i].output, plan);
        place_unit(kernels, &detector->heads[i], weights->shared[i].output, CELL_CHANNELS, plan);
    }
}

/* Rows first .. first + output of a unit from foreign weights; `rows` holds the joined [output,input] until packing.
 */
static void copy_unit(struct detector_unit *unit, const struct detector_unit_weights *from, size_t first, real *rows)
{
    for (size_t o = 0; o < from->output; o++) {
        for (size_t i = 0; i < from->input; i++)
            rows[(first + o) * unit->input + i] = (real)from->pointwise[o * from->input + i];
        for (size_t t = 0; t < DETECTOR_TAPS; t++)
            unit->depthwise[t * unit->output + first + o] = (real)from->depthwise[o * DETECTOR_TAPS + t];
        unit->pointwise_bias[first + o] = (real)from->pointwise_bias[o];
        unit->depthwise_bias[first + o] = (real)from->depthwise_bias[o];
    }
}

static void pack_unit(const struct detector *detector, struct detector_unit *unit, const real *rows)
{
    kernels_pack(detector->kernels, unit->input, unit->output, rows, 1, unit->input, unit->pointwise);
}

static void load_unit(const struct detector *detector, struct detector_unit *unit,
                      const struct detector_unit_weights *from, real *rows)
{
    copy_unit(unit, from, 0, rows);
    pack_unit(detector, unit, rows);
}

/* The file's taps are [output][blue, green, red][row][column]; pictures are red, green, blue. */
static void load_stem(struct detector *detector, const struct detector_weights *weights, real *taps)
{
    size_t n = weights->stem_output;
    for (size_t o = 0; o < n; o++) {
        for (size_t position = 0; position < 9; position++)
            for (size_t color = 0; color < 3; color++)
                taps[(position * 3 + color) * n + o] = (real)weights
                                                           ->stem[o * DETECTOR_STEM_PATCH + (2 - color) * 9 + position];
        detector->stem_bias[o] = (real)weights->stem_bias[o];
    }
    kernels_pack(detector->kernels, DETECTOR_STEM_PATCH, n, taps, n, 1, detector->stem);
}

/* Numbers of the largest matrix before packing. */
static size_t largest_matrix(const struct detector *detector)
{
    size_t most = DETECTOR_STEM_PATCH * detector->stem_output;
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++)
        most = most > detector->backbone[i].input * detector->backbone[i].output
                   ? most
                   : detector->backbone[i].input * detector->backbone[i].output;
    for (int i = 0; i < DETECTOR_LEVELS; i++) {
        const struct detector_unit *units[] = {&detector->lateral[i], &detector->shared[i], &detector->heads[i]};
        for (int j = 0; j < 3; j++)
            most = most > units[j]->input * units[j]->output ? most : units[j]->input * units[j]->output;
    }
    return most;
}

static status load(struct detector *detector, const struct detector_weights *weights, struct error *err)
{
    real *scratch = memory_allocate(largest_matrix(detector), sizeof *scratch, "the detector's weights", err);
    if (scratch == NULL) return STATUS_FAILED;
    load_stem(detector, weights, scratch);
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++)
        load_unit(detector, &detector->backbone[i], &weights->backbone[i], scratch);
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        load_unit(detector, &detector->lateral[level], &weights->lateral[level], scratch);
        load_unit(detector, &detector->shared[level], &weights->shared[level], scratch);
        for (int head = 0; head < DETECTOR_HEADS; head++)
            copy_unit(&detector->heads[level], &weights->heads[level][head], head_first[head], scratch);
        pack_unit(detector, &detector->heads[level], scratch);
    }
    memory_free(scratch);
    return STATUS_OK;
}

status detector_create(struct detector **out, const struct detector_weights *weights, struct error *err)
{
    *out = NULL;
    status result = check_weights(weights, err);
    if (result != STATUS_OK) return result;
    struct detector *detector = memory_allocate(1, sizeof *detector, "the detector", err);
    if (detector == NULL) return STATUS_FAILED;
    detector->kernels = kernels_best();
    struct plan plan = {0};
    place(detector, weights, &plan);
    detector->memory = memory_allocate(plan.used, 1, "the detector's weights", err);
    result = detector->memory == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) {
        plan = (struct plan){detector->memory, 0};
        place(detector, weights, &plan);
        result = load(detector, weights, err);
    }
    if (result == STATUS_OK)
        *out = detector;
    else
        detector_free(detector);
    return result;
}

void detector_free(struct detector *detector)
{
    if (detector == NULL) return;
    memory_free(detector->memory);
    memory_free(detector);
}

void detector_workspace_free(struct detector_workspace *workspace)
{
    memory_free(workspace->maps);
    memory_free(workspace->rgb);
    resize_workspace_free(&workspace->resize);
    *workspace = (struct detector_workspace){0};
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

struct detector_options detector_options_defaults(void)
{
    return (struct detector_options){.min_score = 0.85, .overlap = 0.3, .detect_size = 640};
}

/* The picture as the network sees it: itself, or scaled down into the workspace. */
struct view {
    const uint8_t *rgb;
    int width, height;
};

static int scaled_side(int side, int longer, int wanted)
{
    int scaled = (int)lround((double)side * wanted / longer);
    return scaled < 1 ? 1 : scaled;
}

static status scale_down(struct detector_workspace *workspace, const struct image *image, int wanted, struct view *view,
                         struct error *err)
{
    int longer = image->width > image->height ? image->width : image->height;
    *view = (struct view){image->rgb, image->width, image->height};
    if (wanted <= 0 || longer <= wanted) return STATUS_OK;
    view->width = scaled_side(image->width, longer, wanted);
    view->height = scaled_side(image->height, longer, wanted);
    size_t bytes = (size_t)view->width * (size_t)view->height * 3;
    if (bytes > workspace->rgb_capacity) {
        memory_free(workspace->rgb);
        workspace->rgb_capacity = 0;
        workspace->rgb = memory_allocate(bytes, 1, "the detector's picture", err);
        if (workspace->rgb == NULL) return STATUS_FAILED;
        workspace->rgb_capacity = bytes;
    }
    view->rgb = workspace->rgb;
    return image_resize_into(image, NULL, RESIZE_BILINEAR, view->width, view->height, workspace->rgb,
                             &workspace->resize, err);
}

static void scale_face(struct detected_face *face, double across, double down)
{
    struct image_box *box = &face->shape.box;
    *box = (struct image_box){box->x * across, box->y * down, box->width * across, box->height * down};
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        face->shape.landmarks[i][0] *= across;
        face->shape.landmarks[i][1] *= down;
    }
}

/* Leaves out faces that are small or too many; returns how many stay. */
static size_t choose_faces(struct detected_face *faces, size_t count, const struct detector_options *options)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct image_box *box = &faces[i].shape.box;
        if (box->width < options->min_face || box->height < options->min_face) continue;
        if (options->max_faces != 0 && kept == options->max_faces) break;
        faces[kept++] = faces[i];
    }
    return kept;
}

status detector_find(const struct detector *detector, struct detector_workspace *workspace, const struct image *image,
                     const struct detector_options *options, struct detected_face **faces, size_t *count,
                     struct error *err)
{
    struct view view;
    struct detector_cells cells[DETECTOR_LEVELS];
    *faces = NULL;
    *count = 0;
    status result = scale_down(workspace, image, options->detect_size, &view, err);
    if (result != STATUS_OK) return result;
    size_t width = (size_t)view.width, height = (size_t)view.height;
    if (detector_padded(width) * detector_padded(height) > MOST_NETWORK_PIXELS)
        return error_set(err,
                         "%zu x %zu pixels are too many for the detector at full size: let a detect size scale "
                         "them down",
                         width, height);
    int threads = options->threads > 0 ? options->threads : threads_get();
    result = detector_forward(detector, workspace, view.rgb, width, height, threads, cells, err);
    if (result != STATUS_OK) return result;
    result = detector_decode(cells, options->min_score, options->overlap, faces, count, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < *count; i++)
        scale_face(&(*faces)[i], (double)image->width / view.width, (double)image->height / view.height);
    *count = choose_faces(*faces, *count, options);
    return STATUS_OK;
}
