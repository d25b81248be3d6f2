/* The detector's network over one picture. A unit's 1x1 convolution goes row by row into a ring of three padded rows
 * that stays in cache, where the 3x3 convolution reads it: only the units' outputs are maps in memory. */
#include "nn/detector_internal.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/plan.h"
#include "rmfer/base/threads.h"

#include <string.h>

/* A map [height, width, channels]; its channels are those of the unit that wrote it. */
struct map {
    size_t height, width;
    real *values;
};

enum { UNSCALED_SIDE = 1920 }; /* of a film's frame, for planning */

/* One picture on its way through the network. */
struct pass {
    const struct detector *detector;
    int threads;
    struct map maps[2]; /* where units write in turns */
    struct map levels[DETECTOR_LEVELS], cells[DETECTOR_LEVELS];
    size_t scratch_reals; /* of one thread */
    real *scratch;
};

/* y[i][c] = y[i][c] + bias[c], cut off below zero where asked for. */
static void add_bias(real *y, size_t pixels, size_t channels, const real *bias, bool rectify)
{
    for (size_t i = 0; i < pixels; i++, y += channels) {
        if (rectify)
            for (size_t c = 0; c < channels; c++) y[c] = y[c] + bias[c] > 0 ? y[c] + bias[c] : 0;
        else
            for (size_t c = 0; c < channels; c++) y[c] += bias[c];
    }
}

static void run_rows(const struct pass *pass, size_t rows,
                     void (*run)(const void *task, struct range rows, real *scratch), const void *task)
{
    int teams = (size_t)pass->threads < rows ? pass->threads : (int)rows;
#pragma omp parallel for schedule(static, 1) num_threads(teams)
    for (int team = 0; team < teams; team++)
        run(task, threads_share(rows, team, teams), pass->scratch + (size_t)team * pass->scratch_reals);
}

/* ---- the stem: 3x3, stride 2, padding 1 -------------------------------------------------------------------------- */

struct stem_task {
    const struct detector *detector;
    const uint8_t *rgb;
    size_t width, height; /* of the picture; the map is half of the padded size */
    struct map out;
};

/* Row `row` (counted with one row of padding above) as numbers, with one pixel of zeros in front and zeros behind. */
static void load_picture_row(const struct stem_task *task, size_t row, real *to, size_t pixels)
{
    memset(to, 0, pixels * 3 * sizeof *to);
    if (row == 0 || row > task->height) return;
    const uint8_t *from = task->rgb + (row - 1) * task->width * 3;
    for (size_t i = 0; i < task->width * 3; i++) to[3 + i] = (real)from[i];
}

static size_t picture_scratch_reals(size_t columns)
{
    return 3 * (2 * columns + 2) * 3 + columns * DETECTOR_STEM_PATCH;
}

static void run_stem(const void *opaque, struct range rows, real *scratch)
{
    const struct stem_task *task = opaque;
    const struct detector *detector = task->detector;
    size_t columns = task->out.width, pixels = 2 * columns + 2, n = detector->stem_output;
    real *patches = scratch + 3 * pixels * 3;
    for (size_t y = rows.begin; y < rows.end; y++) {
        for (size_t ky = 0; ky < 3; ky++) {
            real *row = scratch + ky * pixels * 3;
            load_picture_row(task, 2 * y + ky, row, pixels);
            for (size_t x = 0; x < columns; x++)
                memcpy(patches + x * DETECTOR_STEM_PATCH + ky * 9, row + x * 6, 9 * sizeof *row);
        }
        real *out = task->out.values + y * columns * n;
        detector->kernels->gemm(columns, n, DETECTOR_STEM_PATCH, patches, DETECTOR_STEM_PATCH, detector->stem, out, n,
                                false);
        add_bias(out, columns, n, detector->stem_bias, true);
    }
}

/* ---- units ------------------------------------------------------------------------------------------------------- */

struct unit_task {
    const struct detector *detector;
    const struct detector_unit *unit;
    struct map in, out;
    bool rectify;
};

static size_t unit_scratch_reals(const struct detector_unit *unit, size_t width)
{
    return 4 * (width + 2) * unit->output; /* the ring of three rows, and one row of zeros */
}

/* The 1x1 convolution of one input row into its place of the ring; the pixels beside it are zero already. */
static void load_unit_row(const struct unit_task *task, size_t row, real *ring)
{
    const struct detector_unit *unit = task->unit;
    size_t width = task->in.width, n = unit->output;
    real *to = ring + (row % 3) * (width + 2) * n + n;
    for (size_t x = 0; x < width; x++) memcpy(to + x * n, unit->pointwise_bias, n * sizeof *to);
    task->detector->kernels->gemm(width, n, unit->input, task->in.values + row * width * unit->input, unit->input,
                                  unit->pointwise, to, n, true);
}

static void run_unit_rows(const void *opaque, struct range rows, real *scratch)
{
    const struct unit_task *task = opaque;
    const struct detector_unit *unit = task->unit;
    size_t width = task->in.width, height = task->in.height, n = unit->output, row_reals = (width + 2) * n;
    size_t loaded = rows.begin > 0 ? rows.begin - 1 : 0;
    memset(scratch, 0, 4 * row_reals * sizeof *scratch);
    for (size_t y = rows.begin; y < rows.end; y++) {
        const real *inputs[3];
        for (; loaded < height && loaded < y + 2; loaded++) load_unit_row(task, loaded, scratch);
        for (size_t ky = 0; ky < 3; ky++) {
            bool inside = y + ky >= 1 && y + ky - 1 < height;
            inputs[ky] = scratch + (inside ? (y + ky - 1) % 3 : 3) * row_reals;
        }
        real *out = task->out.values + y * width * n;
        task->detector->kernels->depthwise(3, 1, width, n, out, n, inputs, n, unit->depthwise, n);
        add_bias(out, width, n, unit->depthwise_bias, task->rectify);
    }
}

static void run_unit(const struct pass *pass, const struct detector_unit *unit, struct map in, struct map *out,
                     bool rectify)
{
    out->height = in.height;
    out->width = in.width;
    struct unit_task task = {pass->detector, unit, in, *out, rectify};
    run_rows(pass, in.height, run_unit_rows, &task);
}

/* ---- between units ----------------------------------------------------------------------------------------------- */

struct pool_task {
    struct map in, out;
    size_t channels;
};

static void run_pool_rows(const void *opaque, struct range rows, real *scratch)
{
    const struct pool_task *task = opaque;
    size_t n = task->channels, in_row = task->in.width * n;
    (void)scratch;
    for (size_t y = rows.begin; y < rows.end; y++)
        for (size_t x = 0; x < task->out.width; x++) {
            const real *from = task->in.values + 2 * y * in_row + 2 * x * n;
            real *to = task->out.values + (y * task->out.width + x) * n;
            for (size_t c = 0; c < n; c++) {
                real above = from[c] > from[n + c] ? from[c] : from[n + c];
                real below = from[in_row + c] > from[in_row + n + c] ? from[in_row + c] : from[in_row + n + c];
                to[c] = above > below ? above : below;
            }
        }
}

/* The largest of 2x2; sides are even by the picture's padding. */
static void run_pool(const struct pass *pass, size_t channels, struct map in, struct map *out)
{
    out->height = in.height / 2;
    out->width = in.width / 2;
    struct pool_task task = {in, *out, channels};
    run_rows(pass, out->height, run_pool_rows, &task);
}

/* fine += coarse, each pixel of coarse standing for 2x2. */
static void add_coarser(struct map fine, struct map coarse, size_t channels)
{
    for (size_t y = 0; y < fine.height; y++)
        for (size_t x = 0; x < fine.width; x++) {
            const real *from = coarse.values + ((y / 2) * coarse.width + x / 2) * channels;
            real *to = fine.values + (y * fine.width + x) * channels;
            for (size_t c = 0; c < channels; c++) to[c] += from[c];
        }
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static bool is_level(int unit)
{
    return unit == 6 || unit == 8 || unit == 10;
}

static bool is_pooled(int unit)
{
    return unit == 0 || unit == 4 || unit == 6 || unit == 8;
}

/* Maps' sizes for a padded picture, and room for them. */
static void place_pass(struct pass *pass, size_t width, size_t height, struct plan *plan)
{
    const struct detector *d = pass->detector;
    size_t most = width / 2 * (height / 2) * d->stem_output, w = width / 2, h = height / 2;
    size_t scratch = picture_scratch_reals(w), level = 0;
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) {
        const struct detector_unit *unit = &d->backbone[i];
        size_at_least(&most, w * h * unit->output);
        size_at_least(&scratch, unit_scratch_reals(unit, w));
        if (is_level(i)) {
            pass->levels[level] = (struct map){h, w, plan_reals(plan, w * h * unit->output)};
            pass->cells[level] = (struct map){h, w, plan_reals(plan, w * h * CELL_CHANNELS)};
            size_at_least(&most, w * h * d->lateral[level].output);
            size_at_least(&most, w * h * d->shared[level].output);
            size_at_least(&scratch, unit_scratch_reals(&d->lateral[level], w));
            size_at_least(&scratch, unit_scratch_reals(&d->shared[level], w));
            size_at_least(&scratch, unit_scratch_reals(&d->heads[level], w));
            level++;
        }
        if (is_pooled(i)) w /= 2, h /= 2;
    }
    for (int i = 0; i < 2; i++) pass->maps[i].values = plan_reals(plan, most);
    pass->scratch_reals = arena_rounded(scratch * sizeof(real)) / sizeof(real);
    pass->scratch = plan_reals(plan, (size_t)pass->threads * pass->scratch_reals);
}

static status plan_pass(struct pass *pass, struct detector_workspace *workspace, size_t width, size_t height,
                        struct error *err)
{
    struct plan plan = {0};
    place_pass(pass, width, height, &plan);
    if (plan.used > workspace->map_capacity) {
        memory_free(workspace->maps);
        workspace->map_capacity = 0;
        workspace->maps = memory_allocate(plan.used, 1, "the detector's maps", err);
        if (workspace->maps == NULL) return STATUS_FAILED;
        workspace->map_capacity = plan.used;
    }
    plan = (struct plan){(char *)workspace->maps, 0};
    place_pass(pass, width, height, &plan);
    return STATUS_OK;
}

/* Fills the levels; the maps in between go from one of the two to the other. */
static void run_backbone(struct pass *pass)
{
    const struct detector *d = pass->detector;
    struct map *from = &pass->maps[0], *to = &pass->maps[1];
    int level = 0;
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) {
        struct map *out = is_level(i) ? &pass->levels[level++] : to;
        run_unit(pass, &d->backbone[i], *from, out, true);
        if (is_pooled(i)) { /* back into the unit's own input */
            run_pool(pass, d->backbone[i].output, *out, from);
        } else {
            to = from;
            from = out;
        }
    }
}

/* From the coarsest level down: neck, then heads. */
static void run_levels(struct pass *pass)
{
    const struct detector *d = pass->detector;
    for (int level = DETECTOR_LEVELS - 1; level >= 0; level--) {
        struct map *neck = &pass->maps[0], *head = &pass->maps[1];
        run_unit(pass, &d->lateral[level], pass->levels[level], neck, true);
        if (level > 0) add_coarser(pass->levels[level - 1], *neck, d->lateral[level].output);
        run_unit(pass, &d->shared[level], *neck, head, true);
        run_unit(pass, &d->heads[level], *head, &pass->cells[level], false);
    }
}

size_t detector_workspace_bytes(const struct detector *detector, int detect_size, int threads)
{
    struct plan plan = {0};
    struct pass pass = {.detector = detector, .threads = threads};
    size_t side = detect_size > 0 ? (size_t)detect_size : UNSCALED_SIDE;
    place_pass(&pass, detector_padded(side), detector_padded(side), &plan);
    return size_add(plan.used, 3 * side * side);
}

status detector_forward(const struct detector *detector, struct detector_workspace *workspace, const uint8_t *rgb,
                        size_t width, size_t height, int threads, struct detector_cells cells[DETECTOR_LEVELS],
                        struct error *err)
{
    struct pass pass = {.detector = detector, .threads = threads};
    size_t padded_width = detector_padded(width), padded_height = detector_padded(height);
    status result = plan_pass(&pass, workspace, padded_width, padded_height, err);
    if (result != STATUS_OK) return result;
    pass.maps[0].height = padded_height / 2;
    pass.maps[0].width = padded_width / 2;
    struct stem_task stem = {detector, rgb, width, height, pass.maps[0]};
    run_rows(&pass, padded_height / 2, run_stem, &stem);
    run_backbone(&pass);
    run_levels(&pass);
    for (int i = 0; i < DETECTOR_LEVELS; i++)
        cells[i] = (struct detector_cells){pass.cells[i].height, pass.cells[i].width, pass.cells[i].values};
    return STATUS_OK;
}
