/* What is inside a file of weights, as text for people. Nothing is printed here. */
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ckpt/weights.h"

#include <string.h>

enum { TENSORS_LISTED = 2000 };

/* Tensors by the part of their names that says what they are for, in the order they are told in. */
static const struct tensor_group {
    const char *title, *prefixes[6];
} groups[] = {
    {"backbone", {"conv_stem.", "bn1.", "blocks.", "conv_head.", "bn2."}},
    {"valence, arousal", {"va."}},
    {"classifier", {"classifier."}},
    {"averaged weights", {CHECKPOINT_AVERAGE}},
    {"optimizer state", {CHECKPOINT_OPTIMIZER}},
    {"method's state", {CHECKPOINT_METHOD}},
    {"trainer's state", {CHECKPOINT_TRAINER}},
    {"heads of training", {""}}, /* everything else */
};

enum { GROUPS = sizeof groups / sizeof groups[0] };

static size_t group_of(const struct tensor *tensor)
{
    for (size_t i = 0; i + 1 < GROUPS; i++)
        for (const char *const *prefix = groups[i].prefixes; *prefix != NULL; prefix++)
            if (strncmp(tensor->name, *prefix, strlen(*prefix)) == 0) return i;
    return GROUPS - 1;
}

static status describe_groups(const struct safetensors *file, struct text *out, struct error *err)
{
    size_t counts[GROUPS] = {0}, elements[GROUPS] = {0};
    for (size_t i = 0; i < file->count; i++) {
        size_t group = group_of(&file->tensors[i]);
        counts[group]++;
        elements[group] += file->tensors[i].count;
    }
    status result = text_append_format(out, err, "tensors\n");
    for (size_t i = 0; result == STATUS_OK && i < GROUPS; i++)
        if (counts[i] > 0)
            result = text_append_format(out, err, "  %-18s %5zu tensors %11zu numbers\n", groups[i].title, counts[i],
                                        elements[i]);
    return result;
}

static status describe_line(struct text *out, const char *title, const char *value, struct error *err)
{
    if (value[0] == '\0') return STATUS_OK;
    return text_append_format(out, err, "%-12s %s\n", title, value);
}

static status describe_classes(const struct checkpoint_info *info, struct text *out, struct error *err)
{
    status result = text_append_format(out, err, "%-12s %zu:", "classes", info->class_count);
    for (size_t i = 0; result == STATUS_OK && i < info->class_count; i++)
        result = text_append_format(out, err, "%s %s", i == 0 ? "" : ",", info->classes[i]);
    return result == STATUS_OK ? text_append(out, "\n", 1, err) : result;
}

/* The configuration, each line indented. */
static status describe_config(const char *config, struct text *out, struct error *err)
{
    if (config[0] == '\0') return STATUS_OK;
    status result = text_append_format(out, err, "configuration\n");
    while (result == STATUS_OK && *config != '\0') {
        size_t length = strcspn(config, "\n");
        result = text_append_format(out, err, "  %.*s\n", (int)length, config);
        config += length + (config[length] == '\n');
    }
    return result;
}

status checkpoint_describe(const struct checkpoint *checkpoint, const char *accuracy, struct text *out,
                           struct error *err)
{
    const struct checkpoint_info *info = &checkpoint->info;
    status result = text_append_format(out, err, "%-12s %s\n", "checkpoint", checkpoint->path);
    if (result == STATUS_OK) result = describe_line(out, "network", info->arch, err);
    if (result == STATUS_OK) result = describe_classes(info, out, err);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "%-12s %d x %d, %s\n", "image", info->image_size, info->image_size,
                                    info->resize[0] == '\0' ? "filter not said" : info->resize);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "%-12s %.9g %.9g %.9g\n%-12s %.9g %.9g %.9g\n", "mean", info->mean[0],
                                    info->mean[1], info->mean[2], "std", info->std[0], info->std[1], info->std[2]);
    if (result == STATUS_OK)
        result = text_append_format(out, err, "%-12s epoch %.4g, step %lld\n", "trained", info->epoch,
                                    (long long)info->step);
    if (result == STATUS_OK) result = describe_line(out, "by", info->arithmetic, err);
    if (result == STATUS_OK) result = describe_line(out, "selected on", info->selected_on, err);
    if (result == STATUS_OK) result = describe_line(out, "accuracy", accuracy, err);
    if (result == STATUS_OK) result = describe_line(out, "metrics", info->metrics, err);
    if (result == STATUS_OK && info->temperature > 0)
        result = text_append_format(out, err, "%-12s %.4g, fitted on the validation split\n", "temperature",
                                    info->temperature);
    if (result == STATUS_OK && info->untrained)
        result = text_append_format(out, err,
                                    "the classifier is fresh and random: to start a training from, not to "
                                    "predict with\n");
    if (result == STATUS_OK && info->folded)
        result = text_append_format(out, err, "batch-norm was folded before import: for evaluation only\n");
    if (result == STATUS_OK) result = describe_groups(&checkpoint->file, out, err);
    if (result == STATUS_OK) result = describe_config(info->config, out, err);
    if (out->length > 0) text_make_lines_printable(out->bytes); /* foreign text must not reach a terminal as it is */
    return result;
}

status weights_describe(const struct weight_set *set, struct text *out, struct error *err)
{
    char name[256], shape[TENSOR_SHAPE_TEXT];
    size_t in_modules = 0;
    for (size_t i = 0; i < set->count; i++) in_modules += set->tensors[i].in_module;
    status result = text_append_format(out, err, "%s, %zu tensors%s\n", weights_format_name(set->format), set->count,
                                       in_modules == 0            ? ""
                                       : in_modules == set->count ? ", a whole pickled module"
                                                                  : ", some of a whole pickled module");
    for (size_t i = 0; result == STATUS_OK && i < set->count && i < TENSORS_LISTED; i++) {
        const struct tensor *tensor = &set->tensors[i];
        result = text_append_format(out, err, "  %-60s %-5s %s\n", tensor_name_text(name, sizeof name, tensor->name),
                                    tensor_type_name(tensor->type),
                                    tensor_shape_text(shape, sizeof shape, tensor->rank, tensor->shape));
    }
    if (result == STATUS_OK && set->count > TENSORS_LISTED)
        result = text_append_format(out, err, "  ... and %zu more\n", set->count - TENSORS_LISTED);
    return result;
}
