/* rmfer bench: the speed of training and inference on this machine, beside the multiply-add peak of the same run. */
#include "cmd/bench_data.h"
#include "cmd/bench_kernels.h"
#include "cmd/bench_roofline.h"
#include "cmd/bench_runs.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/json_writer.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/base/threads.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/cmd/saved.h"
#include "rmfer/kern/kernels.h"
#include "rmfer/nn/layers.h"
#include "rmfer/nn/inference.h"
#include "rmfer/method/rmfer_step.h"

#include <stdio.h>
#include <string.h>

struct bench {
    bool train;
    struct architecture architecture;
    int image_size, batch, runs;
    enum storage saved; /* training: of maps before batch-norm */
    struct model model;
    struct train_step *step;
    struct inference *inference;
    real *images, *targets, *features; /* inference writes its logits where training reads targets */
    struct layers layers;
    struct layer_time times[LAYER_MOST];
    double milliseconds[BENCH_MOST_RUNS]; /* of a batch */
    double peak_gflops;
    struct roofline *roofline; /* NULL = not asked for */
};

enum { BENCH_CLASSES = 8 };

/* All threads at once, the best of several runs: what the processor can do. */
static double measure_peak(void)
{
    const struct kernels *kernels = kernels_best();
    double best = 0;
    for (int run = 0; run < 5; run++) {
        double operations = 0, start = clock_team_seconds(threads_get());
#pragma omp parallel reduction(+ : operations)
        operations += kernels->multiply_add_loop(4000000);
        double rate = operations / (clock_team_seconds(threads_get()) - start) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}

static status fill_inputs(struct bench *bench, struct error *err)
{
    size_t pixels = (size_t)bench->image_size * (size_t)bench->image_size * 3, batch = (size_t)bench->batch;
    bench->images = memory_allocate(size_multiply(pixels, batch), sizeof(real), "the images", err);
    bench->targets = memory_allocate(batch * BENCH_CLASSES, sizeof(real), "the targets", err);
    bench->features = memory_allocate(batch * (size_t)bench->architecture.features, sizeof(real), "the features", err);
    if (bench->images == NULL || bench->targets == NULL || bench->features == NULL) return STATUS_FAILED;
    struct random_stream stream = random_stream(1, RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < pixels * batch; i++) bench->images[i] = (real)random_between(&stream, -2, 2);
    for (size_t i = 0; i < batch; i++) bench->targets[i * BENCH_CLASSES + i % BENCH_CLASSES] = 1;
    return STATUS_OK;
}

static status prepare(struct bench *bench, struct error *err)
{
    status result = model_create(&bench->model, &bench->architecture, BENCH_CLASSES, bench->train, err);
    if (result == STATUS_OK) model_initialise(&bench->model, 1);
    if (result == STATUS_OK) result = fill_inputs(bench, err);
    if (result == STATUS_OK && bench->train) {
        struct train_step_shape shape = {.image_size = bench->image_size, .batch = bench->batch, .saved = bench->saved};
        result = train_step_create(&bench->step, &bench->model, &shape, err);
        if (result == STATUS_OK) train_step_profile(bench->step, bench->times);
    } else if (result == STATUS_OK) {
        result = inference_create(&bench->inference, &bench->architecture, BENCH_CLASSES, bench->batch,
                                  bench->image_size, err);
        if (result == STATUS_OK) {
            inference_load(bench->inference, &bench->model);
            inference_profile(bench->inference, bench->times);
        }
    }
    if (result == STATUS_OK) result = memory_commit(0, "the benchmark (--batch and --image-size say how much)", err);
    layers_describe(&bench->layers, &bench->architecture, bench->image_size);
    return result;
}

static void release(struct bench *bench)
{
    train_step_free(bench->step);
    inference_free(bench->inference);
    memory_free(bench->images);
    memory_free(bench->targets);
    memory_free(bench->features);
    memory_free(bench->roofline);
    model_free(&bench->model);
}

static void run_once(struct bench *bench)
{
    if (!bench->train) {
        inference_run(bench->inference, bench->images, bench->batch, bench->features, bench->targets);
        return;
    }
    struct objective objective = objective_defaults();
    objective.ial_weight = 0;
    struct labelled_batch batch = {.n = bench->batch, .images = bench->images, .targets = bench->targets};
    struct step_losses losses;
    parameters_zero_gradients(&bench->model.parameters);
    train_step_run(bench->step, &objective, &batch, NULL, 1, 0, &losses);
}

static void measure(struct bench *bench)
{
    run_once(bench); /* the first run touches the caches and wakes the threads */
    memset(bench->times, 0, sizeof bench->times);
    for (int run = 0; run < bench->runs; run++) {
        double start = clock_team_seconds(threads_get());
        run_once(bench);
        bench->milliseconds[run] = 1e3 * (clock_team_seconds(threads_get()) - start);
    }
    bench_sort_times(bench->milliseconds, (size_t)bench->runs);
    bench->peak_gflops = measure_peak();
}

static status measure_roofline(struct bench *bench, struct error *err)
{
    bench->roofline = memory_allocate(1, sizeof *bench->roofline, "the roofline", err);
    if (bench->roofline == NULL) return STATUS_FAILED;
    bench->roofline->peaks.multiply_adds = 0.5e9 * bench->peak_gflops;
    roofline_of(bench->roofline, &bench->layers, bench->times, (double)bench->runs * bench->batch, bench->train);
    return machine_peaks_measure(&bench->roofline->peaks, err);
}

struct figures {
    double median, least, most; /* milliseconds an image */
    double images_per_second, gflops;
};

/* Training counts three multiply-adds for each of the forward pass: data and weight gradients. The first layer has no
 * data gradient. */
static double multiply_adds_of(const struct bench *bench, const struct layer *layer)
{
    return layer->multiply_adds * (!bench->train ? 1 : layer->role == ROLE_STEM ? 2 : 3);
}

static struct figures figures_of(const struct bench *bench)
{
    double multiply_adds = 0;
    for (size_t i = 0; i < bench->layers.count; i++) multiply_adds += multiply_adds_of(bench, &bench->layers.items[i]);
    struct figures f;
    f.median = bench->milliseconds[bench->runs / 2] / bench->batch;
    f.least = bench->milliseconds[0] / bench->batch;
    f.most = bench->milliseconds[bench->runs - 1] / bench->batch;
    f.images_per_second = 1e3 / f.median;
    f.gflops = 2e-9 * multiply_adds * f.images_per_second;
    return f;
}

static double layer_milliseconds(const struct bench *bench, double total)
{
    return 1e3 * total / bench->runs / bench->batch;
}

static void write_layer(struct json_writer *json, const struct bench *bench, size_t index)
{
    const struct layer *layer = &bench->layers.items[index];
    json_open(json, '{');
    json_string_member(json, "name", layer->name);
    json_real_member(json, "multiply_adds", layer->multiply_adds);
    json_real_member(json, "forward_ms", layer_milliseconds(bench, bench->times[index].forward));
    if (bench->train) json_real_member(json, "backward_ms", layer_milliseconds(bench, bench->times[index].backward));
    json_close(json, '}');
}

static status print_json(const struct bench *bench, struct figures f, struct error *err)
{
    struct text out = {0};
    struct json_writer json = json_writer(&out, err);
    json_open(&json, '{');
    json_string_member(&json, "mode", bench->train ? "train" : "infer");
    json_string_member(&json, "arch", bench->architecture.name);
    json_integer_member(&json, "image_size", bench->image_size);
    json_integer_member(&json, "batch", bench->batch);
    json_integer_member(&json, "threads", threads_get());
    json_string_member(&json, "saved", saved_name(bench->saved));
    json_string_member(&json, "kernels", kernels_best()->name);
    json_real_member(&json, "images_per_s", f.images_per_second);
    json_name(&json, "ms_per_image");
    json_open(&json, '{');
    json_real_member(&json, "median", f.median);
    json_real_member(&json, "min", f.least);
    json_real_member(&json, "max", f.most);
    json_close(&json, '}');
    json_real_member(&json, "gflops", f.gflops);
    json_real_member(&json, "peak_gflops", bench->peak_gflops);
    json_real_member(&json, "efficiency", f.gflops / bench->peak_gflops);
    json_real_member(&json, "peak_rss_mb", (double)memory_peak_resident() / 1048576.0);
    json_name(&json, "layers");
    json_open(&json, '[');
    for (size_t i = 0; i < bench->layers.count; i++) write_layer(&json, bench, i);
    json_close(&json, ']');
    if (bench->roofline != NULL) roofline_write(bench->roofline, &json);
    json_close(&json, '}');
    if (json.result == STATUS_OK) puts(text_string(&out));
    text_free(&out);
    return json.result;
}

static void print_training_layers(const struct bench *bench)
{
    printf("%-22s %12s %12s %12s %10s\n", "layer", "M mult-adds", "forward ms", "backward ms", "GFLOP/s");
    for (size_t i = 0; i < bench->layers.count; i++) {
        const struct layer *layer = &bench->layers.items[i];
        double forward = layer_milliseconds(bench, bench->times[i].forward);
        double backward = layer_milliseconds(bench, bench->times[i].backward);
        printf("%-22s %12.2f %12.3f %12.3f %10.1f\n", layer->name, layer->multiply_adds * 1e-6, forward, backward,
               2e-6 * multiply_adds_of(bench, layer) / (forward + backward));
    }
}

/* An expansion stands with the depthwise convolution whose loop it is a part of. */
static void print_inference_layers(const struct bench *bench)
{
    double expansion = 0;
    printf("%-22s %12s %12s %10s\n", "layer", "M mult-adds", "ms", "GFLOP/s");
    for (size_t i = 0; i < bench->layers.count; i++) {
        const struct layer *layer = &bench->layers.items[i];
        double milliseconds = layer_milliseconds(bench, bench->times[i].forward);
        double multiply_adds = layer->multiply_adds + expansion;
        expansion = layer->role == ROLE_EXPAND ? layer->multiply_adds : 0;
        if (layer->role == ROLE_EXPAND) continue;
        printf("%-22s %12.2f %12.3f %10.1f\n", layer->name, multiply_adds * 1e-6, milliseconds,
               2e-6 * multiply_adds / milliseconds);
    }
}

static void print_table(const struct bench *bench, struct figures f)
{
    if (bench->roofline != NULL)
        roofline_print(bench->roofline);
    else if (bench->train)
        print_training_layers(bench);
    else
        print_inference_layers(bench);
    if (bench->roofline == NULL) putchar('\n');
    printf("%s %s at %d, batch %d, %d threads, %s kernels, %d runs", bench->train ? "training" : "inference of",
           bench->architecture.name, bench->image_size, bench->batch, threads_get(), kernels_best()->name, bench->runs);
    if (bench->train) printf(", maps kept as %s", saved_name(bench->saved));
    putchar('\n');
    printf("%.2f images/s; %.2f ms an image (median; %.2f to %.2f)\n", f.images_per_second, f.median, f.least, f.most);
    printf("%.1f of %.1f GFLOP/s (%.0f %%); peak memory %.0f MiB\n", f.gflops, bench->peak_gflops,
           100 * f.gflops / bench->peak_gflops, (double)memory_peak_resident() / 1048576.0);
}

/* The command line; NULL and 0 where an option was not given. */
struct bench_request {
    const char *mode, *arch, *saved;
    int64_t image_size, batch, runs;
    bool json, roofline;
};

/* Options of another mode would be passed over in silence. */
static status check_mode(const struct bench_request *request, bool is_network, bool is_data, struct error *err)
{
    const struct {
        const char *name;
        bool is_given, is_of_mode;
    } options[] = {
        {"arch", request->arch != NULL, is_network},
        {"batch", request->batch != 0, is_network},
        {"saved", request->saved != NULL, is_network},
        {"roofline", request->roofline, is_network},
        {"image-size", request->image_size != 0, is_network || is_data},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].is_given && !options[i].is_of_mode)
            return error_set_usage(err, "--mode %s has no --%s", request->mode, options[i].name);
    return STATUS_OK;
}

static status bench_network(const struct bench_request *request, struct error *err)
{
    struct bench *bench = memory_allocate(1, sizeof *bench, "the benchmark", err);
    if (bench == NULL) return STATUS_FAILED;
    bench->train = strcmp(request->mode, "train") == 0;
    bench->batch = request->batch == 0 ? 16 : (int)request->batch;
    bench->runs = (int)request->runs;
    const char *arch = request->arch == NULL ? "tf_efficientnet_b2" : request->arch;
    status result = architecture_find(&bench->architecture, arch, err);
    if (result == STATUS_OK && request->saved != NULL) result = saved_find(request->saved, &bench->saved, err);
    if (result == STATUS_OK && !bench->train && bench->saved != STORAGE_REAL)
        result = error_set_usage(err, "--saved is of training: inference keeps no maps");
    bench->image_size = request->image_size == 0 ? bench->architecture.image_size : (int)request->image_size;
    if (result == STATUS_OK) result = prepare(bench, err);
    if (result == STATUS_OK) measure(bench);
    if (result == STATUS_OK && request->roofline) result = measure_roofline(bench, err);
    if (result == STATUS_OK) {
        struct figures f = figures_of(bench);
        if (request->json)
            result = print_json(bench, f, err);
        else
            print_table(bench, f);
    }
    release(bench);
    memory_free(bench);
    return result;
}

static status run_bench(const struct bench_request *request, const struct option_list *pictures, struct error *err)
{
    const char *mode = request->mode;
    bool is_data = strcmp(mode, "data") == 0, is_kernels = strcmp(mode, "kernels") == 0;
    bool is_network = strcmp(mode, "train") == 0 || strcmp(mode, "infer") == 0;
    if (!is_data && !is_kernels && !is_network)
        return error_set_usage(err, "--mode %s: unknown (train, infer, kernels, data)", mode);
    status result = check_mode(request, is_network, is_data, err);
    if (result != STATUS_OK) return result;
    if (is_data) return bench_data(pictures, (int)request->image_size, (int)request->runs, request->json, err);
    if (pictures->count != 0) return error_set_usage(err, "bench takes no arguments but pictures for --mode data");
    if (is_kernels) return bench_kernels((int)request->runs, request->json, err);
    return bench_network(request, err);
}

int command_bench(int argc, char **argv)
{
    struct bench_request request = {.mode = "train", .runs = 7};
    struct option options[] = {
        {"mode", OPTION_STRING, &request.mode, "train|infer|kernels|data", "what to time (train)", 0, 0, 0},
        {"arch", OPTION_STRING, &request.arch, "ARCH", "train, infer: the network (tf_efficientnet_b2)", 0, 0, 0},
        {"image-size", OPTION_INTEGER, &request.image_size, "N", "input side in pixels (the architecture's; data: 260)",
         32, 4096, 0},
        {"batch", OPTION_INTEGER, &request.batch, "N", "train, infer: images of a batch (16)", 1, 4096, 0},
        {"runs", OPTION_INTEGER, &request.runs, "N", "counted runs after one warm-up (7)", 1, BENCH_MOST_RUNS, 0},
        {"saved", OPTION_STRING, &request.saved, "TYPE", "train: maps kept as float32, bfloat16 or float16 (float32)",
         0, 0, 0},
        {"roofline", OPTION_FLAG, &request.roofline, NULL,
         "train, infer: each block beside the machine's multiply-adds, SiLU and bandwidth", 0, 0, 0},
        {"json", OPTION_FLAG, &request.json, NULL, "one JSON object", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer bench [--mode train|infer|kernels] [--arch ARCH] [--image-size N] [--batch N] [--saved TYPE]\n"
                 "                   [--roofline] [--json]\n"
                 "       rmfer bench --mode data [--image-size N] [--json] [PICTURE]...",
        .description =
            "Times forward and backward of the network with random weights and pictures (train: with batch\n"
            "statistics and cross-entropy, no optimizer; infer: batch-norm folded), layer by layer, beside\n"
            "the multiply-add peak of all threads measured in the same run. kernels: every inner loop of this\n"
            "processor beside its plain C, which must give the same numbers. data: pictures from their bytes\n"
            "to the network's input, part by part (drawn JPEGs of 256x256 where none is named).",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run_bench(&request, &line.positional, &err);
    options_free(&line);
    return command_finish(result, &err);
}
