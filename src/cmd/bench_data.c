/* Each thread takes every picture through the functions that the loader's workers call, with buffers of its own; the
 * files' bytes are in memory, so that no disk is measured. A part's time is what the processor spent on it in a thread;
 * how many pictures all threads make together by the clock is told beside it. What the loader adds (its ring, its
 * cache) is left out. */
#include "cmd/bench_data.h"
#include "cmd/bench_runs.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/json_writer.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/config/config.h"
#include "rmfer/data/augment.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/resize.h"
#include "rmfer/synth/synth.h"

#include <stdio.h>
#include <string.h>

enum { DRAWN = 32, DRAWN_SIDE = 256, DRAWN_QUALITY = 92 };

enum part { PART_DECODE, PART_RESIZE, PART_AUGMENT, PART_NORMALISE, PARTS };
static const char *const PART_NAMES[PARTS] = {"decode", "resize", "augment", "normalise"};

struct encoded {
    const char *name; /* borrowed; NULL = drawn */
    uint8_t *bytes;
    size_t size;
};

/* One thread's buffers and what it found in the present run. */
struct data_worker {
    struct image pixels;
    struct resize_workspace resize;
    struct augment_workspace augment;
    float *normalised;
    double seconds[PARTS]; /* of all pictures */
    status result;
    struct error error;
};

struct data_bench {
    struct config config;
    struct encoded *pictures;
    struct data_worker *workers;
    size_t count;
    int threads, image_size, runs;
    size_t bytes, pixels;                        /* of all pictures */
    double milliseconds[PARTS][BENCH_MOST_RUNS]; /* of one picture on one thread, mean over pictures and threads */
    double whole[BENCH_MOST_RUNS];               /* the parts' sum */
    double pictures_per_second[BENCH_MOST_RUNS]; /* of all threads */
};

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static status draw_picture(uint64_t number, struct encoded *out, struct error *err)
{
    struct synth_identity identity = synth_identity(1, number);
    struct synth_view view = synth_view(1, number);
    struct synth_look look = synth_look((enum expression)(number % EXPRESSION_COUNT), 1, number);
    struct image_box square = {0, 0, DRAWN_SIDE, DRAWN_SIDE};
    struct image image;
    status result = synth_draw(&identity, &view, &look, &square, DRAWN_SIDE, DRAWN_SIDE, &image, err);
    if (result == STATUS_OK) result = image_encode_jpeg(&image, DRAWN_QUALITY, &out->bytes, &out->size, err);
    image_free(&image);
    return result;
}

static status get_pictures(struct data_bench *bench, const struct option_list *paths, struct error *err)
{
    bench->count = paths->count > 0 ? paths->count : DRAWN;
    bench->pictures = memory_allocate(bench->count, sizeof *bench->pictures, "the pictures", err);
    if (bench->pictures == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    for (size_t i = 0; i < bench->count && result == STATUS_OK; i++) {
        struct encoded *each = &bench->pictures[i];
        if (paths->count > 0) each->name = paths->items[i];
        result = paths->count > 0 ? picture_file_read(paths->items[i], &each->bytes, &each->size, err)
                                  : draw_picture(i, each, err);
        bench->bytes += each->size;
    }
    return result;
}

/* ---- one picture's way ------------------------------------------------------------------------------------------- */

static void lap(struct data_worker *worker, enum part part, double *since)
{
    double now = clock_thread_seconds();
    worker->seconds[part] += now - *since;
    *since = now;
}

static status take_picture(const struct data_bench *bench, struct data_worker *worker, size_t index, uint64_t draw)
{
    const struct config_data *data = &bench->config.data;
    const struct encoded *picture = &bench->pictures[index];
    struct random_stream stream = random_stream(1, RANDOM_TEST, draw, index);
    struct image image, *pixels = &worker->pixels;
    struct pixel_box erased;
    float mean[3], std[3];
    for (int c = 0; c < 3; c++) mean[c] = (float)data->mean[c], std[c] = (float)data->std[c];
    double since = clock_thread_seconds();
    status result = image_decode(picture->bytes, picture->size, NULL, &image, &worker->error);
    if (result != STATUS_OK)
        return error_add_context(&worker->error, "%s", picture->name != NULL ? picture->name : "a drawn picture");
    lap(worker, PART_DECODE, &since);
    result = image_resize_into(&image, NULL, data->resize, pixels->width, pixels->height, pixels->rgb, &worker->resize,
                               &worker->error);
    lap(worker, PART_RESIZE, &since);
    image_free(&image);
    if (result == STATUS_OK)
        result = augment_apply(pixels, &bench->config.augment, &stream, &worker->augment, &erased, &worker->error);
    lap(worker, PART_AUGMENT, &since);
    if (result != STATUS_OK) return result;
    image_normalise(pixels->rgb, pixels->width, pixels->height, mean, std, &erased, worker->normalised);
    lap(worker, PART_NORMALISE, &since);
    return STATUS_OK;
}

/* Threads begin at different pictures, as the loader's do. */
static void take_all(const struct data_bench *bench, struct data_worker *worker, size_t first, uint64_t draw)
{
    memset(worker->seconds, 0, sizeof worker->seconds);
    worker->result = STATUS_OK;
    for (size_t i = 0; i < bench->count && worker->result == STATUS_OK; i++)
        worker->result = take_picture(bench, worker, (first + i) % bench->count, draw);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* The team may be smaller than was asked for; bench->threads is what it was. */
static status run_once(struct data_bench *bench, int run, struct error *err)
{
    double start = clock_seconds();
#pragma omp parallel for schedule(static, 1) num_threads(bench->threads)
    for (int worker = 0; worker < bench->threads; worker++)
        take_all(bench, &bench->workers[worker], (size_t)worker * bench->count / (size_t)bench->threads, (uint64_t)run);
    double seconds = clock_seconds() - start;
    for (int worker = 0; worker < bench->threads; worker++) {
        if (bench->workers[worker].result == STATUS_OK) continue;
        *err = bench->workers[worker].error;
        return STATUS_FAILED;
    }
    double pictures = (double)bench->count * bench->threads;
    bench->pictures_per_second[run] = pictures / seconds;
    bench->whole[run] = 0;
    for (int part = 0; part < PARTS; part++) {
        double sum = 0;
        for (int worker = 0; worker < bench->threads; worker++) sum += bench->workers[worker].seconds[part];
        bench->milliseconds[part][run] = 1e3 * sum / pictures;
        bench->whole[run] += bench->milliseconds[part][run];
    }
    return STATUS_OK;
}

static void sort_runs(struct data_bench *bench)
{
    size_t runs = (size_t)bench->runs;
    for (int part = 0; part < PARTS; part++) bench_sort_times(bench->milliseconds[part], runs);
    bench_sort_times(bench->whole, runs);
    bench_sort_times(bench->pictures_per_second, runs);
}

/* The first run grows the buffers and is not counted: its place is taken by the next. */
static status measure(struct data_bench *bench, struct error *err)
{
    status result = run_once(bench, 0, err);
    for (int run = 0; run < bench->runs && result == STATUS_OK; run++) result = run_once(bench, run, err);
    sort_runs(bench);
    return result;
}

static status prepare(struct data_bench *bench, const struct option_list *paths, struct error *err)
{
    status result = config_defaults(&bench->config, NULL, 0, err);
    if (result == STATUS_OK) result = get_pictures(bench, paths, err);
    if (result != STATUS_OK) return result;
    bench->workers = memory_allocate((size_t)bench->threads, sizeof *bench->workers, "the threads' buffers", err);
    if (bench->workers == NULL) return STATUS_FAILED;
    size_t values = (size_t)bench->image_size * (size_t)bench->image_size * 3;
    for (int i = 0; i < bench->threads && result == STATUS_OK; i++) {
        struct data_worker *worker = &bench->workers[i];
        result = image_create(&worker->pixels, bench->image_size, bench->image_size, err);
        if (result != STATUS_OK) break;
        worker->normalised = memory_allocate(values, sizeof(float), "a normalised picture", err);
        if (worker->normalised == NULL) result = STATUS_FAILED;
    }
    return result;
}

static void release(struct data_bench *bench)
{
    for (int i = 0; bench->workers != NULL && i < bench->threads; i++) {
        image_free(&bench->workers[i].pixels);
        resize_workspace_free(&bench->workers[i].resize);
        augment_workspace_free(&bench->workers[i].augment);
        memory_free(bench->workers[i].normalised);
    }
    for (size_t i = 0; bench->pictures != NULL && i < bench->count; i++) memory_free(bench->pictures[i].bytes);
    memory_free(bench->workers);
    memory_free(bench->pictures);
    config_free(&bench->config);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static double median(const struct data_bench *bench, const double *sorted)
{
    return sorted[bench->runs / 2];
}

static void print_table(const struct data_bench *bench)
{
    double whole = median(bench, bench->whole);
    printf("%-12s %14s %12s\n", "part", "ms a picture", "share");
    for (int part = 0; part < PARTS; part++) {
        double each = median(bench, bench->milliseconds[part]);
        printf("%-12s %14.3f %10.0f %%\n", PART_NAMES[part], each, 100 * each / whole);
    }
    printf("%-12s %14.3f\n\n%zu pictures of %.1f KB to %dx%d, %d threads, %d runs, medians\n", "all", whole,
           bench->count, 1e-3 * (double)bench->bytes / (double)bench->count, bench->image_size, bench->image_size,
           bench->threads, bench->runs);
    printf("%.0f pictures/s a core; %.0f of all threads\n", 1e3 / whole, median(bench, bench->pictures_per_second));
}

static status print_json(const struct data_bench *bench, struct error *err)
{
    struct text out = {0};
    struct json_writer json = json_writer(&out, err);
    json_open(&json, '{');
    json_string_member(&json, "mode", "data");
    json_integer_member(&json, "image_size", bench->image_size);
    json_integer_member(&json, "pictures", (int64_t)bench->count);
    json_integer_member(&json, "bytes", (int64_t)bench->bytes);
    json_integer_member(&json, "threads", bench->threads);
    json_real_member(&json, "pictures_per_s_per_core", 1e3 / median(bench, bench->whole));
    json_real_member(&json, "pictures_per_s", median(bench, bench->pictures_per_second));
    json_name(&json, "ms_per_picture");
    json_open(&json, '{');
    for (int part = 0; part < PARTS; part++)
        json_real_member(&json, PART_NAMES[part], median(bench, bench->milliseconds[part]));
    json_real_member(&json, "all", median(bench, bench->whole));
    json_close(&json, '}');
    json_close(&json, '}');
    if (json.result == STATUS_OK) puts(text_string(&out));
    text_free(&out);
    return json.result;
}

status bench_data(const struct option_list *paths, int image_size, int runs, bool json, struct error *err)
{
    struct data_bench *bench = memory_allocate(1, sizeof *bench, "the benchmark", err);
    if (bench == NULL) return STATUS_FAILED;
    bench->threads = threads_get();
    bench->runs = runs;
    bench->image_size = image_size == 0 ? 260 : image_size;
    status result = prepare(bench, paths, err);
    if (result == STATUS_OK) result = measure(bench, err);
    if (result == STATUS_OK && json)
        result = print_json(bench, err);
    else if (result == STATUS_OK)
        print_table(bench);
    release(bench);
    memory_free(bench);
    return result;
}
