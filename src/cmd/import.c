/* rmfer import: weights of other programs as a native checkpoint. */
#include "rmfer/ckpt/import.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/config/keys.h"

#include <string.h>

struct import_arguments {
    const char *output, *architecture, *classes, *mean, *std, *prefix;
    int64_t image_size;
};

/* "A,B,C" as a list; both parts are released with memory_free. */
struct name_list {
    char *text;
    const char **names;
    size_t count;
};

static status split_names(struct name_list *list, const char *given, struct error *err)
{
    if (given == NULL) return STATUS_OK;
    list->text = memory_copy_string(given, err);
    if (list->text == NULL) return STATUS_FAILED;
    struct error why = {0};
    if (checkpoint_split_classes(list->text, &list->names, &list->count, &why) != STATUS_OK) {
        if (list->names == NULL) return error_set(err, "--classes: %s", why.message); /* no memory, or too many */
        return error_set_usage(err, "--classes %s: names must be there once each and not be empty", given);
    }
    if (list->count < 2) return error_set_usage(err, "--classes %s: at least two names are needed", given);
    return STATUS_OK;
}

static status read_mean(const char *given, double mean[3], struct error *err)
{
    if (given == NULL || checkpoint_parse_mean(given, mean)) return STATUS_OK;
    return error_set_usage(err, "--mean %s: not three numbers R,G,B from %g to %g", given, -NORMALIZATION_MEAN_MOST,
                           NORMALIZATION_MEAN_MOST);
}

static status read_std(const char *given, double std[3], struct error *err)
{
    if (given == NULL || checkpoint_parse_std(given, std)) return STATUS_OK;
    return error_set_usage(err, "--std %s: not three numbers R,G,B from %g to %g", given, NORMALIZATION_STD_LEAST,
                           NORMALIZATION_STD_MOST);
}

/* What --image-size, --mean and --std say, in place of what the source did. */
static status set_input(const struct import_arguments *arguments, struct checkpoint_info *info, struct error *err)
{
    double mean[3], std[3];
    memcpy(mean, info->mean, sizeof mean);
    memcpy(std, info->std, sizeof std);
    status result = read_mean(arguments->mean, mean, err);
    if (result == STATUS_OK) result = read_std(arguments->std, std, err);
    if (result != STATUS_OK) return result;
    int image_size = arguments->image_size != 0 ? (int)arguments->image_size : info->image_size;
    if (checkpoint_info_set_input(info, image_size, mean, std))
        log_warning("%s: the source's temperature is of other input, and left out", arguments->output);
    return STATUS_OK;
}

static status convert(const struct import_arguments *arguments, const struct option_list *sources,
                      const struct name_list *classes, struct error *err)
{
    struct model model;
    struct checkpoint_info info;
    struct import_report report;
    const struct import_options options = {.architecture = arguments->architecture,
                                           .classes = classes->names,
                                           .class_count = classes->count,
                                           .prefix = arguments->prefix};
    status result = import_create_model(&model, sources->items, sources->count, &options, &report, &info, err);
    log_info_lines("", text_string(&report.notes)); /* facts about the result go where progress goes */
    if (result == STATUS_OK) {
        result = set_input(arguments, &info, err);
        if (result == STATUS_OK) result = checkpoint_write(arguments->output, &model, &info, NULL, 0, err);
        if (result == STATUS_OK)
            log_info(
                "%s: %zu of the model's tensors loaded, %zu fresh; of the file's %zu, %zu are of no use here, %zu not understood",
                arguments->output, report.mapped, report.missing, report.found, report.passed_over, report.unexpected);
        if (result == STATUS_OK && info.untrained)
            log_warning("%s: the classifier is fresh and random: to start a training from (model.init), not to predict "
                        "with",
                        arguments->output);
        model_free(&model);
    }
    import_report_free(&report);
    return result;
}

static status run(const struct import_arguments *arguments, const struct command_line *line, struct error *err)
{
    struct name_list classes = {0};
    double unused[3];
    if (line->positional.count == 0) return error_set_usage(err, "rmfer import needs a SOURCE (see --help)");
    if (arguments->output == NULL) return error_set_usage(err, "rmfer import needs -o FILE.safetensors");
    if (!text_ends_with_ignoring_case(arguments->output, ".safetensors"))
        return error_set_usage(err, "-o %s: the name of a native checkpoint ends in .safetensors", arguments->output);
    status result = STATUS_OK;
    for (size_t i = 0; i < line->positional.count && result == STATUS_OK; i++)
        result = file_check_output(arguments->output, line->positional.items[i], err);
    if (result == STATUS_OK) result = read_mean(arguments->mean, unused, err);
    if (result == STATUS_OK) result = read_std(arguments->std, unused, err);
    if (result == STATUS_OK) result = split_names(&classes, arguments->classes, err);
    if (result == STATUS_OK) result = convert(arguments, &line->positional, &classes, err);
    memory_free(classes.names);
    memory_free(classes.text);
    return result;
}

int command_import(int argc, char **argv)
{
    struct import_arguments arguments = {0};
    const struct option options[] = {
        {"output", OPTION_STRING, &arguments.output, "FILE", "the native checkpoint to write (.safetensors)", 0, 0,
         'o'},
        {"arch", OPTION_STRING, &arguments.architecture, "ARCH",
         "tf_efficientnet_b0 to b3 (SAME padding) or efficientnet_b0 to b3; default: what the file looks like", 0, 0,
         0},
        {"classes", OPTION_STRING, &arguments.classes, "A,B,...",
         "names of the source's outputs in their order; of a source that names them itself, those wanted, in the order wanted",
         0, 0, 0},
        {"image-size", OPTION_INTEGER, &arguments.image_size, "N",
         "side of the input (default: what an ONNX graph says, else 224 b0, 240 b1, 260 b2, 300 b3)", SMALLEST_IMAGE,
         LARGEST_IMAGE, 0},
        {"mean", OPTION_STRING, &arguments.mean, "R,G,B", "normalisation of values in 0..1 (default: ImageNet's)", 0, 0,
         0},
        {"std", OPTION_STRING, &arguments.std, "R,G,B", "the same", 0, 0, 0},
        {"prefix", OPTION_TEXT, &arguments.prefix, "P", "of several sets of weights, the one whose names begin so", 0,
         0, 0},
    };
    struct command_line line = {
        .usage = "rmfer import SOURCE... -o FILE.safetensors [option]...",
        .description = "Turns weights of other programs into a native checkpoint: safetensors, .pt and .pth of "
                       "torch.save (state\n"
                       "dicts, training checkpoints, whole modules; read as data, nothing in them is run) and .onnx, "
                       "with the names\n"
                       "of timm, torchvision or lukemelas' EfficientNet-PyTorch. Backbone and classifier may be "
                       "files of their own.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run(&arguments, &line, &err);
    options_free(&line);
    return command_finish(result, &err);
}
