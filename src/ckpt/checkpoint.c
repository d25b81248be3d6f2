/* Native checkpoints written and read: tensors by the registry's names, everything else by rmfer.* in the metadata. */
#include "rmfer/ckpt/checkpoint.h"

#include "ckpt/checkpoint_metadata.h"
#include "ckpt/safetensors_checksum.h"
#include "rmfer/base/half.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/weights.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(real) == sizeof(float), "checkpoints hold float32");

struct checkpoint_info checkpoint_info_defaults(const struct architecture *architecture)
{
    return (struct checkpoint_info){.arch = architecture->name,
                                    .image_size = architecture->image_size,
                                    .mean = {0.485, 0.456, 0.406},
                                    .std = {0.229, 0.224, 0.225},
                                    .resize = "bilinear",
                                    .selected_on = "",
                                    .method = "",
                                    .arithmetic = "",
                                    .config = "",
                                    .metrics = ""};
}

bool checkpoint_info_set_input(struct checkpoint_info *info, int image_size, const double mean[3], const double std[3])
{
    bool differs = image_size != info->image_size;
    for (size_t i = 0; i < 3; i++) differs |= mean[i] != info->mean[i] || std[i] != info->std[i];
    bool was_measured = differs && (info->metrics[0] != '\0' || info->temperature > 0);
    info->image_size = image_size;
    memmove(info->mean, mean, sizeof info->mean);
    memmove(info->std, std, sizeof info->std);
    if (was_measured) {
        info->metrics = "";
        info->temperature = 0;
    }
    return was_measured;
}

/* ---- writing ---- */

static struct tensor tensor_of_parameter(const struct parameters *parameters, const struct parameter *entry)
{
    struct tensor tensor = {.name = entry->name, .type = TENSOR_F32};
    BUG_UNLESS(tensor_set_shape(&tensor, entry->rank, entry->shape));
    tensor.data = (const uint8_t *)parameter_values(parameters, entry);
    return tensor;
}

/* PyTorch's batch-norm counts its batches in a buffer, num_batches_tracked. The count only matters where the momentum
 * is a cumulative average, which is never so here; it is written all the same, because load_state_dict(strict=True)
 * and with it timm and torchvision ask for every buffer. Reading passes over it. */
static status add_counter(struct tensor *tensor, struct text *name, const struct parameter *variance,
                          const int64_t *step, struct error *err)
{
    size_t stem = strlen(variance->name) - strlen("running_var");
    *tensor = (struct tensor){.type = TENSOR_I64, .data = (const uint8_t *)step};
    BUG_UNLESS(tensor_set_shape(tensor, 0, NULL));
    return text_append_format(name, err, "%.*snum_batches_tracked", (int)stem, variance->name);
}

struct tensor_list {
    struct tensor *items;
    struct text *names; /* of the counters */
    size_t count, name_count;
};

static void tensor_list_free(struct tensor_list *list)
{
    for (size_t i = 0; i < list->name_count; i++) text_free(&list->names[i]);
    memory_free(list->names);
    memory_free(list->items);
}

/* Parameters in registry order, each batch-norm's counter behind its running variance, then the extra tensors. */
static status list_tensors(struct tensor_list *list, const struct model *model, const struct tensor *extra,
                           size_t extra_count, const int64_t *step, struct error *err)
{
    const struct parameters *all = &model->parameters;
    list->items = memory_allocate(2 * all->count + extra_count, sizeof *list->items, "a checkpoint", err);
    list->names = memory_allocate(all->count, sizeof *list->names, "a checkpoint", err);
    if (list->items == NULL || list->names == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        list->items[list->count++] = tensor_of_parameter(all, entry);
        if (!parameter_is_running_variance(entry)) continue;
        struct tensor *counter = &list->items[list->count++];
        struct text *name = &list->names[list->name_count++];
        status result = add_counter(counter, name, entry, step, err);
        if (result != STATUS_OK) return result;
        counter->name = text_string(name);
    }
    for (size_t i = 0; i < extra_count; i++) list->items[list->count++] = extra[i];
    return STATUS_OK;
}

/* Lets the weights of a list point at their halves in `halves`, which has room for all of the model's values. */
static status narrow_tensors(struct tensor_list *list, uint16_t *halves, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct tensor *tensor = &list->items[i];
        if (tensor->type != TENSOR_F32 || tensor->rank < 2) continue;
        if (!half_from_floats((const float *)(const void *)tensor->data, tensor->count, halves))
            return error_set(err, "tensor '%s' holds what float16 cannot", tensor->name);
        tensor->type = TENSOR_F16;
        tensor->data = (const uint8_t *)halves;
        halves += tensor->count;
    }
    return STATUS_OK;
}

static status write_checkpoint(const char *path, const struct model *model, const struct checkpoint_info *info,
                               const struct tensor *extra, size_t extra_count, uint16_t *halves, struct error *err)
{
    BUG_UNLESS(info->class_count == (size_t)model->classes);
    struct tensor_list list = {0};
    struct metadata_list metadata = {0};
    status result = list_tensors(&list, model, extra, extra_count, &info->step, err);
    if (result == STATUS_OK && halves != NULL) {
        result = narrow_tensors(&list, halves, err);
        if (result != STATUS_OK) error_add_context(err, "%s", path);
    }
    if (result == STATUS_OK) result = metadata_from_info(&metadata, model->architecture.name, info, err);
    if (result == STATUS_OK)
        result = safetensors_write(path, list.items, list.count, metadata.items, metadata.count, err);
    metadata_list_free(&metadata);
    tensor_list_free(&list);
    return result;
}

status checkpoint_write(const char *path, const struct model *model, const struct checkpoint_info *info,
                        const struct tensor *extra, size_t extra_count, struct error *err)
{
    return write_checkpoint(path, model, info, extra, extra_count, NULL, err);
}

status checkpoint_write_narrow(const char *path, const struct model *model, const struct checkpoint_info *info,
                               struct error *err)
{
    uint16_t *halves = memory_allocate(model->parameters.value_count, sizeof *halves, "a checkpoint", err);
    if (halves == NULL) return STATUS_FAILED;
    status result = write_checkpoint(path, model, info, NULL, 0, halves, err);
    memory_free(halves);
    return result;
}

status checkpoint_write_temperature(const char *path, const struct checkpoint *checkpoint, double temperature,
                                    struct error *err)
{
    const struct safetensors *file = &checkpoint->file;
    struct text number = {0};
    size_t count = 0;
    struct safetensors_metadata *metadata = memory_allocate(file->metadata_count + 1, sizeof *metadata,
                                                            "a checkpoint's metadata", err);
    if (metadata == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < file->metadata_count; i++) {
        const char *key = file->metadata[i].key;
        bool is_rewritten = strcmp(key, METADATA_TEMPERATURE) == 0 || strcmp(key, CHECKSUM_HEADER) == 0 ||
                            strcmp(key, CHECKSUM_TENSORS) == 0;
        if (!is_rewritten) metadata[count++] = file->metadata[i];
    }
    status result = metadata_append_real(&number, temperature, err);
    metadata[count++] = (struct safetensors_metadata){METADATA_TEMPERATURE, text_string(&number)};
    if (result == STATUS_OK) result = safetensors_write(path, file->tensors, file->count, metadata, count, err);
    text_free(&number);
    memory_free(metadata);
    return result;
}

/* ---- reading ---- */

static status read_classes(struct checkpoint *checkpoint, struct error *err)
{
    const char *text = safetensors_metadata_value(&checkpoint->file, METADATA_CLASSES);
    if (text == NULL) return error_set(err, "metadata " METADATA_CLASSES " is missing");
    checkpoint->class_text = memory_copy_string(text, err);
    if (checkpoint->class_text == NULL) return STATUS_FAILED;
    struct checkpoint_info *info = &checkpoint->info;
    status result = checkpoint_split_classes(checkpoint->class_text, &checkpoint->names, &info->class_count, err);
    info->classes = checkpoint->names;
    if (result != STATUS_OK) return error_add_context(err, "metadata " METADATA_CLASSES);
    const struct tensor *weight = safetensors_find(&checkpoint->file, "classifier.weight");
    if (weight == NULL || weight->rank != 2) return error_set(err, "tensor 'classifier.weight' is missing");
    if (weight->shape[0] != info->class_count)
        return error_set(err, "metadata " METADATA_CLASSES " has %zu names, the classifier %zu outputs",
                         info->class_count, weight->shape[0]);
    return STATUS_OK;
}

/* Weights of other programs, and files that are none: what they are says more than what safetensors misses. */
static status open_file(struct safetensors *file, const char *path, struct error *err)
{
    struct mapped_file mapping;
    *file = (struct safetensors){0};
    status result = file_load(&mapping, path, err);
    if (result != STATUS_OK) return result;
    const char *trouble;
    if (!weights_are_foreign(&mapping, &trouble))
        result = safetensors_parse(file, mapping.bytes, mapping.size, path, err);
    else if (trouble != NULL)
        result = error_set(err, "%s: %s", path, trouble);
    else
        result = error_set(err, "%s: not a checkpoint of rmfer; 'rmfer import %s -o FILE.safetensors' makes one", path,
                           path);
    if (result == STATUS_OK)
        file->file = mapping;
    else
        file_unmap(&mapping);
    return result;
}

status checkpoint_open(struct checkpoint *checkpoint, const char *path, struct error *err)
{
    *checkpoint = (struct checkpoint){0};
    status result = open_file(&checkpoint->file, path, err);
    if (result != STATUS_OK) return result;
    result = metadata_read_info(&checkpoint->info, &checkpoint->file, err);
    if (result == STATUS_OK) result = read_classes(checkpoint, err);
    if (result != STATUS_OK) error_add_context(err, "%s", path);
    if (result == STATUS_OK) {
        checkpoint->path = memory_copy_string(path, err);
        if (checkpoint->path == NULL) result = STATUS_FAILED;
    }
    if (result != STATUS_OK) checkpoint_close(checkpoint);
    return result;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    memory_free(checkpoint->path);
    memory_free(checkpoint->class_text);
    memory_free(checkpoint->names);
    safetensors_close(&checkpoint->file);
    *checkpoint = (struct checkpoint){0};
}

bool checkpoint_has_heads(const struct checkpoint *checkpoint)
{
    return safetensors_find(&checkpoint->file, "ial.classifier.weight") != NULL;
}

bool checkpoint_has_affect(const struct checkpoint *checkpoint)
{
    return safetensors_find(&checkpoint->file, "va.weight") != NULL;
}

const struct tensor *checkpoint_tensor(const struct checkpoint *checkpoint, const char *name)
{
    return safetensors_find(&checkpoint->file, name);
}

/* What does not fit, for one message: the first names and how many there are. */
struct mismatches {
    struct text text;
    size_t count;
};

enum { MISMATCHES_NAMED = 3 };

static status note_mismatch(struct mismatches *list, const struct parameter *entry, const struct tensor *tensor,
                            struct error *err)
{
    char wanted[TENSOR_SHAPE_TEXT], given[TENSOR_SHAPE_TEXT];
    if (list->count++ >= MISMATCHES_NAMED) return STATUS_OK;
    const char *separator = list->count == 1 ? "" : "; ";
    if (tensor == NULL) return text_append_format(&list->text, err, "%s'%s' is missing", separator, entry->name);
    return text_append_format(&list->text, err, "%s'%s' is %s, the model's %s", separator, entry->name,
                              tensor_shape_text(given, sizeof given, tensor->rank, tensor->shape),
                              tensor_shape_text(wanted, sizeof wanted, entry->rank, entry->shape));
}

/* The tensor of a parameter: the weights that training goes on with, or with CHECKPOINT_AVERAGE their average. */
static const struct tensor *tensor_of(const struct checkpoint *checkpoint, const struct parameter *entry,
                                      const char *prefix)
{
    char name[sizeof CHECKPOINT_AVERAGE + sizeof entry->name];
    snprintf(name, sizeof name, "%s%s", prefix, entry->name);
    return checkpoint_tensor(checkpoint, name);
}

static status compare_tensors(const struct checkpoint *checkpoint, const struct model *model, const char *prefix,
                              struct mismatches *list, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        const struct tensor *tensor = tensor_of(checkpoint, entry, prefix);
        if (tensor == NULL || !tensor_has_shape(tensor, entry->rank, entry->shape))
            result = note_mismatch(list, entry, tensor, err);
    }
    return result;
}

static status load_model(const struct checkpoint *checkpoint, struct model *model, const char *prefix,
                         struct error *err)
{
    struct mismatches list = {0};
    status result = compare_tensors(checkpoint, model, prefix, &list, err);
    if (result == STATUS_OK && list.count > 0)
        result = error_set(err, "%s: does not fit %s: %s (%zu in all)", checkpoint->path, model->architecture.name,
                           text_string(&list.text), list.count);
    text_free(&list.text);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        tensor_read_floats(tensor_of(checkpoint, entry, prefix), parameter_write(&model->parameters, entry));
    }
    const char *why;
    const struct parameter *entry = parameters_find_unusable(&model->parameters, &why);
    if (entry != NULL) return error_set(err, "%s: %s holds %s", checkpoint->path, entry->name, why);
    return STATUS_OK;
}

status checkpoint_load_model(const struct checkpoint *checkpoint, struct model *model, struct error *err)
{
    return load_model(checkpoint, model, "", err);
}

status checkpoint_create_model(const struct checkpoint *checkpoint, bool with_heads, struct model *model,
                               struct error *err)
{
    struct architecture architecture;
    *model = (struct model){0};
    status result = architecture_find(&architecture, checkpoint->info.arch, err);
    if (result != STATUS_OK) {
        /* The name stands in a file, not on the command line. */
        if (err != NULL) err->code = STATUS_FAILED;
        return error_add_context(err, "%s: metadata " METADATA_ARCH, checkpoint->path);
    }
    const struct model_heads heads = {
        .attention = with_heads, .affect = checkpoint_has_affect(checkpoint), .without_gradients = true};
    result = model_create_with(model, &architecture, (int)checkpoint->info.class_count, &heads, err);
    bool has_average = checkpoint_tensor(checkpoint, CHECKPOINT_AVERAGE "conv_stem.weight") != NULL;
    if (result == STATUS_OK) result = load_model(checkpoint, model, has_average ? CHECKPOINT_AVERAGE : "", err);
    if (result != STATUS_OK) model_free(model);
    return result;
}
