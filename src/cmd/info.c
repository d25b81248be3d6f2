/* rmfer info: the layers of an architecture, or what is inside a checkpoint. */
#include "rmfer/dist/gradients.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/file.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/info.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/cmd/saved.h"
#include "rmfer/method/rmfer_step.h"
#include "rmfer/nn/layers.h"

#include <stdio.h>
#include <string.h>

/* NULL and 0 where an option was not given. */
struct info_request {
    int64_t image_size, batch, classes;
    const char *saved;
};

static void print_layer(const struct layer *layer, int batch, enum storage storage)
{
    size_t saved = (layer->saved_reals - layer->saved_map) * sizeof(real) + layer->saved_map * storage_bytes(storage);
    char shape[32], operation[32] = "-";
    snprintf(shape, sizeof shape, "%zux%zux%zu", layer->side_out, layer->side_out, layer->output);
    if (layer->kernel > 1)
        snprintf(operation, sizeof operation, "%dx%d/%d", layer->kernel, layer->kernel, layer->stride);
    printf("%-22s %-7s %-14s %10zu %12.2f %10.1f\n", layer->name, operation, shape, layer->parameters,
           layer->multiply_adds * 1e-6, (double)saved * batch / 1048576.0);
}

/* Parameters that are learned, of the groups up to `last`. */
static size_t count_parameters(const struct model *model, enum parameter_group last)
{
    size_t total = 0;
    for (size_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        if (!entry->is_buffer && entry->group <= last) total += entry->count;
    }
    return total;
}

static void print_memory(struct model *model, int batch, int image_size, enum storage storage)
{
    struct train_step *step = NULL;
    struct train_step_shape shape = {.image_size = image_size, .batch = batch, .saved = storage};
    struct error err = {0};
    /* Whoever asks what training takes is not refused where it is too much. */
    if (train_step_create(&step, model, &shape, &err) != STATUS_OK) {
        printf("training memory, batch %d: %s\n", batch, err.message);
        return;
    }
    printf("training memory, batch %d: %.1f MiB saved for backward (maps as %s), %.1f MiB scratch\n", batch,
           (double)train_step_saved_bytes(step) / 1048576.0, saved_name(storage),
           (double)train_step_scratch_bytes(step) / 1048576.0);
    train_step_free(step);
}

/* What a step sends between processes, where training is shared out over several. */
static void print_sums(const struct model *model)
{
    size_t count = count_parameters(model, GROUP_BACKBONE);
    printf("over several processes: %.1f MiB of gradients a step are summed, in %zu pieces of at most %.1f MiB\n",
           (double)(count * sizeof(real)) / 1048576.0, (count + GRADIENT_PIECE_REALS - 1) / GRADIENT_PIECE_REALS,
           (double)(GRADIENT_PIECE_REALS * sizeof(real)) / 1048576.0);
}

static status print_architecture(const char *name, int image_size, int batch, int classes, enum storage storage,
                                 struct error *err)
{
    struct architecture architecture;
    struct layers layers;
    status result = architecture_find(&architecture, name, err);
    if (result != STATUS_OK) return result;
    if (image_size == 0) image_size = architecture.image_size;
    struct model model;
    result = model_create(&model, &architecture, classes, true, err);
    if (result != STATUS_OK) return result;
    layers_describe(&layers, &architecture, image_size);
    double multiply_adds = 0;
    printf("%s at %dx%d, %s padding, batch-norm eps %g\n\n", architecture.name, image_size, image_size,
           architecture.same_padding ? "SAME" : "symmetric", architecture.bn_epsilon);
    printf("%-22s %-7s %-14s %10s %12s %10s\n", "layer", "window", "output", "parameters", "M mult-adds", "MiB saved");
    for (size_t i = 0; i < layers.count; i++) {
        multiply_adds += layers.items[i].multiply_adds;
        print_layer(&layers.items[i], batch, storage);
    }
    printf("\nbackbone: %zu parameters, %.3f G multiply-adds an image forward\n",
           count_parameters(&model, GROUP_BACKBONE), multiply_adds * 1e-9);
    printf("with f_FER, projection head and f_IAL for %d classes: %zu parameters\n", classes,
           count_parameters(&model, GROUP_IAL));
    print_sums(&model);
    print_memory(&model, batch, image_size, storage);
    model_free(&model);
    return result;
}

/* What a name stands for that is neither file nor folder: one with a slash or a full stop is no architecture's. */
static status print_named(const char *name, const struct info_request *request, struct error *err)
{
    if (strpbrk(name, "/.") != NULL) return error_set(err, "%s: no such file or folder", name);
    enum storage storage = STORAGE_REAL;
    status result = request->saved == NULL ? STATUS_OK : saved_find(request->saved, &storage, err);
    if (result != STATUS_OK) return result;
    int batch = request->batch == 0 ? 16 : (int)request->batch,
        classes = request->classes == 0 ? 8 : (int)request->classes;
    return print_architecture(name, (int)request->image_size, batch, classes, storage, err);
}

static status print_model_in_the_box(struct error *err)
{
    const char *path = NULL;
    struct text found = {0};
    status result = lookup_checkpoint("rmfer info needs an ARCH or a CHECKPOINT", &path, &found, err);
    if (result == STATUS_OK) result = info_checkpoint(path, err);
    text_free(&found);
    return result;
}

static status print(const struct option_list *words, const struct info_request *request, struct error *err)
{
    if (words->count > 1) return error_set_usage(err, "info takes one architecture or checkpoint");
    const char *name = words->count == 0 ? NULL : words->items[0];
    if (name != NULL && !file_exists(name) && !folder_exists(name)) return print_named(name, request, err);
    if (request->image_size != 0 || request->batch != 0 || request->classes != 0 || request->saved != NULL)
        return error_set_usage(
            err, "--image-size, --batch, --saved and --classes are for an ARCH: what is in a file is in it");
    return name == NULL ? print_model_in_the_box(err) : info_checkpoint(name, err);
}

int command_info(int argc, char **argv)
{
    struct info_request request = {0};
    struct option options[] = {
        {"image-size", OPTION_INTEGER, &request.image_size, "N", "input side in pixels (default: the architecture's)",
         SMALLEST_IMAGE, LARGEST_IMAGE, 0},
        {"batch", OPTION_INTEGER, &request.batch, "N", "images of a batch for the memory figures (16)", 1, 4096, 0},
        {"saved", OPTION_STRING, &request.saved, "TYPE",
         "train.saved for these figures: float32, bfloat16 or float16 (float32)", 0, 0, 0},
        {"classes", OPTION_INTEGER, &request.classes, "N", "classes for the parameter count (8)", 2, 1000, 0},
    };
    struct command_line line = {
        .usage = "rmfer info [ARCH [option]... | CHECKPOINT | RUN_DIR]",
        .description =
            "Prints the layers of an architecture (tf_efficientnet_b0 to b3, efficientnet_b0 to b3) with their\n"
            "shapes, parameters, multiply-adds and memory, or what is inside a checkpoint, the checkpoints of a\n"
            "run folder, or another program's file of weights (.pt, .pth, .safetensors, .onnx). Without any, the\n"
            "model in the box ($RMFER_MODEL names another).",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = print(&line.positional, &request, &err);
    options_free(&line);
    return command_finish(result, &err);
}
