/* rmfer export: a checkpoint for other programs. */
#include "rmfer/ckpt/export.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/cmd/untrained.h"
#include "rmfer/config/config.h"

struct export_arguments {
    const char *output;
    int64_t image_size;
    bool with_preprocess, narrow, allow_untrained;
};

static status write_output(const struct export_arguments *arguments, const struct model *model,
                           const struct checkpoint_info *info, struct error *err)
{
    const struct export_options options = {.with_preprocess = arguments->with_preprocess};
    if (text_ends_with_ignoring_case(arguments->output, ".onnx"))
        return export_onnx(arguments->output, model, info, &options, err);
    return export_safetensors(arguments->output, model, info, arguments->narrow, err);
}

static status convert(const struct export_arguments *arguments, const char *path, struct error *err)
{
    struct checkpoint checkpoint;
    struct model model;
    struct text portable = {0}; /* folders of this machine mean nothing elsewhere, and are nobody's business */
    status result = checkpoint_open(&checkpoint, path, err);
    if (result != STATUS_OK) return result;
    struct checkpoint_info info = checkpoint.info;
    result = config_without_paths(info.config, &portable, err);
    info.config = text_string(&portable);
    if (arguments->image_size != 0 && checkpoint_info_set_input(&info, (int)arguments->image_size, info.mean, info.std))
        log_warning("%s: the checkpoint's accuracy and temperature are of pictures of another size, and left out",
                    arguments->output);
    /* Heads are not exported, so they are not read either. */
    if (result == STATUS_OK) result = untrained_refuse(&checkpoint, arguments->allow_untrained, err);
    if (result == STATUS_OK) result = checkpoint_create_model(&checkpoint, false, &model, err);
    if (result == STATUS_OK) {
        result = write_output(arguments, &model, &info, err);
        if (result == STATUS_OK)
            log_info("%s: %s, %zu classes, %d x %d", arguments->output, info.arch, info.class_count, info.image_size,
                     info.image_size);
        model_free(&model);
    }
    checkpoint_close(&checkpoint);
    text_free(&portable);
    return result;
}

static status run(const struct export_arguments *arguments, const struct command_line *line, struct error *err)
{
    if (line->positional.count > 1) return error_set_usage(err, "rmfer export takes one CHECKPOINT (see --help)");
    if (arguments->output == NULL) return error_set_usage(err, "rmfer export needs -o FILE.onnx or FILE.safetensors");
    bool onnx = text_ends_with_ignoring_case(arguments->output, ".onnx");
    if (!onnx && !text_ends_with_ignoring_case(arguments->output, ".safetensors"))
        return error_set_usage(err, "-o %s: the name must end in .onnx or .safetensors", arguments->output);
    if (!onnx && arguments->with_preprocess) return error_set_usage(err, "--with-preprocess is for .onnx only");
    if (onnx && arguments->narrow) return error_set_usage(err, "--half is for .safetensors only");
    const char *checkpoint = line->positional.count == 1 ? line->positional.items[0] : NULL;
    struct text found = {0};
    status result = lookup_checkpoint("rmfer export needs a CHECKPOINT", &checkpoint, &found, err);
    if (result == STATUS_OK) result = file_check_output(arguments->output, checkpoint, err);
    if (result == STATUS_OK) result = convert(arguments, checkpoint, err);
    text_free(&found);
    return result;
}

int command_export(int argc, char **argv)
{
    struct export_arguments arguments = {0};
    const struct option options[] = {
        {"output", OPTION_STRING, &arguments.output, "FILE", "what to write: .onnx or .safetensors", 0, 0, 'o'},
        {"with-preprocess", OPTION_FLAG, &arguments.with_preprocess, NULL,
         "ONNX input is uint8 RGB [N,H,W,3], normalised inside (default: float [N,3,H,W], normalised outside)", 0, 0,
         0},
        {"half", OPTION_FLAG, &arguments.narrow, NULL,
         ".safetensors: weights as float16 (batch-norm and biases stay float32)", 0, 0, 0},
        {"allow-untrained", OPTION_FLAG, &arguments.allow_untrained, NULL,
         "export a network whose classifier is fresh and random", 0, 0, 0},
        {"image-size", OPTION_INTEGER, &arguments.image_size, "N", "side of the input (default: the checkpoint's)",
         SMALLEST_IMAGE, LARGEST_IMAGE, 0},
    };
    struct command_line line = {
        .usage = "rmfer export [CHECKPOINT] -o FILE.{onnx,safetensors} [option]...",
        .description =
            "Writes the backbone and the expression classifier for other programs: ONNX (opset 13, batch-norm\n"
            "folded, any batch size, output 'logits', and 'valence_arousal' where the checkpoint tells them) or\n"
            "safetensors with timm's names. Without CHECKPOINT the model in the box is taken ($RMFER_MODEL names another).",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run(&arguments, &line, &err);
    options_free(&line);
    return command_finish(result, &err);
}
