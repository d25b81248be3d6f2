/* Opens the files of an import, joins their tensors, and collects what each says of its network: names, metadata,
 * class lists. */
#include "ckpt/import_source.h"

#include "ckpt/checkpoint_metadata.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lists of tensors, and the batch-norms made for folded graphs. */
static const size_t POOL_LIMIT = (size_t)256 << 20;

/* ---- opening ---- */

/* Tensors of all files in one sorted list. Of equal names the one of a file without a backbone comes first, as that
 * file was given for what it has beside one, then that of the earlier file. */
struct numbered {
    struct tensor tensor;
    size_t place;
};

static int compare_numbered(const void *a, const void *b)
{
    const struct numbered *left = a, *right = b;
    int order = strcmp(left->tensor.name, right->tensor.name);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static bool has_backbone(const struct weight_set *set)
{
    struct naming_match match;
    size_t candidates;
    return naming_find(&match, set->tensors, set->count, NULL, &candidates);
}

static status merge(struct import_source *source, struct error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < source->set_count; i++) total += source->sets[i].count;
    struct numbered *all = pool_take(&source->pool, total, sizeof *all, err);
    source->tensors = pool_take(&source->pool, total, sizeof *source->tensors, err);
    source->is_beside = pool_take(&source->pool, total, sizeof *source->is_beside, err);
    if (all == NULL || source->tensors == NULL || source->is_beside == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < source->set_count; i++) {
        size_t place = has_backbone(&source->sets[i]) ? MOST_SOURCES + i : i;
        for (size_t j = 0; j < source->sets[i].count; j++)
            all[at++] = (struct numbered){source->sets[i].tensors[j], place};
    }
    if (total > 0) qsort(all, total, sizeof *all, compare_numbered);
    source->count = 0;
    for (size_t i = 0; i < total; i++) {
        if (i > 0 && strcmp(all[i].tensor.name, all[i - 1].tensor.name) == 0) continue;
        source->is_beside[source->count] = all[i].place < MOST_SOURCES;
        source->tensors[source->count++] = all[i].tensor;
    }
    source->found = total;
    return STATUS_OK;
}

static status no_backbone(const struct import_source *source, const char *prefix, struct error *err)
{
    const char *path = source->paths[0];
    if (prefix != NULL) return error_set_usage(err, "%s: no backbone with the prefix '%s'", path, prefix);
    if (source->count == 0) return error_set(err, "%s: no tensors in it", path);
    char name[TENSOR_NAME_TEXT];
    tensor_name_text(name, sizeof name, source->tensors[0].name);
    return error_set(err, "%s: no EfficientNet backbone among its %zu tensors (the first is '%s')", path, source->count,
                     name);
}

/* Our own checkpoints may hold the weights' moving average and optimizer state beside the network, which has no prefix
 * there. The average is what evaluation judges, so it is what a new run starts from. */
static const char *wanted_prefix(const struct import_source *source, const char *prefix)
{
    if (prefix != NULL || import_source_metadata(source, METADATA_FORMAT) == NULL) return prefix;
    bool has_average = tensor_find_sorted(source->tensors, source->count, CHECKPOINT_AVERAGE "conv_stem.weight") !=
                       NULL;
    return has_average ? CHECKPOINT_AVERAGE : "";
}

static status find_network(struct import_source *source, const char *prefix, struct error *err)
{
    for (size_t i = 0; i < source->set_count; i++) {
        if (source->sets[i].format != WEIGHTS_ONNX) continue;
        if (source->set_count > 1)
            return error_set_usage(err, "%s: ONNX is imported alone, not with other files", source->paths[i]);
        source->onnx = &source->sets[i].onnx;
        status result = onnx_graph_facts(source->onnx, &source->onnx_facts, err);
        return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", source->paths[i]);
    }
    const char *wanted = wanted_prefix(source, prefix);
    if (naming_find(&source->match, source->tensors, source->count, wanted, &source->candidates)) return STATUS_OK;
    return no_backbone(source, prefix, err);
}

status import_source_open(struct import_source *source, const char *const *paths, size_t path_count, const char *prefix,
                          struct error *err)
{
    *source = (struct import_source){.pool = pool_with_limits(POOL_LIMIT, SIZE_MAX)};
    if (path_count > MOST_SOURCES) return error_set_usage(err, "more than %d files", MOST_SOURCES);
    for (size_t i = 0; i < path_count; i++) {
        status result = weights_read(&source->sets[i], paths[i], err);
        if (result != STATUS_OK) return result;
        source->paths[source->set_count++] = paths[i];
    }
    const char *folded = import_source_metadata(source, METADATA_FOLDED);
    source->folded = folded != NULL && strcmp(folded, "true") == 0;
    status result = merge(source, err);
    return result == STATUS_OK ? find_network(source, prefix, err) : result;
}

void import_source_free(struct import_source *source)
{
    for (size_t i = 0; i < source->set_count; i++) weights_free(&source->sets[i]);
    pool_free(&source->pool);
    source->set_count = 0;
}

/* ---- what the files say ---- */

const char *import_source_metadata(const struct import_source *source, const char *key)
{
    for (size_t i = 0; i < source->set_count; i++) {
        const struct weight_set *set = &source->sets[i];
        const char *value = set->format == WEIGHTS_SAFETENSORS ? safetensors_metadata_value(&set->safetensors, key)
                            : set->format == WEIGHTS_ONNX      ? onnx_property_value(&set->onnx, key)
                                                               : NULL;
        if (value != NULL) return value;
    }
    return NULL;
}

/* The file that holds the backbone, for what modules tell. */
static const struct weight_set *module_set(const struct import_source *source)
{
    for (size_t i = 0; i < source->set_count; i++)
        if (source->sets[i].bn_epsilon > 0) return &source->sets[i];
    return NULL;
}

/* Names that people give to files: tf_efficientnet_b2_ns-00306e48.pth, enet_b2_8.pt (HSEmotion); the other flavour:
 * efficientnet_b2_ra-bcdf34b7.pth. -1 for other names. */
static int padding_of_names(const struct import_source *source)
{
    for (size_t i = 0; i < source->set_count; i++) {
        const char *name = path_name(source->paths[i]);
        if (strstr(name, "tf_efficientnet") != NULL || strncmp(name, "enet_b", 6) == 0) return 1;
        if (strncmp(name, "efficientnet_b", 14) == 0) return 0;
    }
    return -1;
}

/* The architecture that the metadata name; false when they name none that is known. */
static bool stated_architecture(const struct import_source *source, struct architecture *architecture)
{
    const char *said = import_source_metadata(source, METADATA_ARCH);
    return said != NULL && architecture_find(architecture, said, NULL) == STATUS_OK;
}

int import_source_padding(const struct import_source *source, const char **reason)
{
    struct architecture stated;
    const struct weight_set *module = module_set(source);
    if (stated_architecture(source, &stated)) {
        *reason = "the file says so";
        return stated.same_padding;
    }
    if (source->onnx != NULL) {
        *reason = "the graph's pads say so";
        return source->onnx_facts.same_padding;
    }
    if (module != NULL && module->has_same_convolutions) {
        *reason = "the pickled module has Conv2dSame layers";
        return 1;
    }
    if (module != NULL) {
        *reason = "the pickled module's batch-norm epsilon says so";
        return fabs(module->bn_epsilon - 1e-3) < 1e-6;
    }
    if (source->match.naming == NAMING_LUKEMELAS || source->match.naming == NAMING_TORCHVISION) {
        *reason = "networks with these names are";
        return source->match.naming == NAMING_LUKEMELAS;
    }
    int named = padding_of_names(source);
    *reason = named >= 0 ? "the file's name says so" : "nothing in the file tells";
    return named;
}

static bool architecture_of_size(const struct import_source *source, struct architecture *architecture, bool same)
{
    if (source->onnx != NULL) return onnx_graph_architecture(architecture, &source->onnx_facts, same);
    struct backbone_size size = naming_size(&source->match, source->tensors, source->count);
    return naming_architecture(architecture, &size, same);
}

static status unknown_size(const struct import_source *source, struct error *err)
{
    if (source->onnx != NULL)
        return error_set(err, "%s: %zu convolutions, %zu features: none of EfficientNet B0 to B3", source->paths[0],
                         source->onnx_facts.convolutions, source->onnx_facts.features);
    struct backbone_size size = naming_size(&source->match, source->tensors, source->count);
    return error_set(err, "%s: %zu blocks, %zu stem channels, %zu features: none of EfficientNet B0 to B3",
                     source->paths[0], size.blocks, size.stem, size.features);
}

status import_source_architecture(const struct import_source *source, struct architecture *architecture,
                                  const char **reason, struct error *err)
{
    if (stated_architecture(source, architecture)) {
        *reason = "the file says so";
        return STATUS_OK;
    }
    int same = import_source_padding(source, reason);
    if (!architecture_of_size(source, architecture, same != 0)) return unknown_size(source, err);
    if (same >= 0) return STATUS_OK;
    /* Both flavours have the same tensors, and the wrong one moves probabilities by more than half. */
    return error_set_usage(err,
                           "%s: nothing in it tells whether it is %s (SAME padding, TensorFlow's weights) or %s "
                           "(symmetric padding, PyTorch's own): --arch says which",
                           source->paths[0], architecture->name, architecture->name + strlen("tf_"));
}

status import_source_check_size(const struct import_source *source, const struct architecture *architecture,
                                struct error *err)
{
    bool onnx = source->onnx != NULL;
    struct backbone_size held,
        wanted = {(size_t)architecture->stem, (size_t)architecture->block_count, (size_t)architecture->features};
    if (onnx) {
        held = (struct backbone_size){source->onnx_facts.stem, source->onnx_facts.convolutions,
                                      source->onnx_facts.features};
        wanted.blocks = onnx_graph_convolutions(architecture);
    } else {
        held = naming_size(&source->match, source->tensors, source->count);
    }
    if (held.stem == wanted.stem && held.blocks == wanted.blocks && held.features == wanted.features) return STATUS_OK;
    return error_set(err, "%s: does not fit %s: %zu %s, %zu stem channels and %zu features instead of %zu, %zu and %zu",
                     source->paths[0], architecture->name, held.blocks, onnx ? "convolutions" : "blocks", held.stem,
                     held.features, wanted.blocks, wanted.stem, wanted.features);
}

status import_source_read_graph(struct import_source *source, const struct architecture *architecture,
                                struct error *err)
{
    if (source->onnx == NULL) return STATUS_OK;
    source->match = (struct naming_match){.naming = NAMING_TIMM};
    bool folded;
    status result = onnx_graph_tensors(source->onnx, architecture, &source->pool, &source->tensors, &source->count,
                                       &folded, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", source->paths[0]);
    source->folded = source->folded || folded;
    return STATUS_OK;
}

/* ---- tensors ---- */

const struct tensor *import_source_find(const struct import_source *source, const char *name)
{
    char whole[2 * FOREIGN_NAME_BYTES];
    snprintf(whole, sizeof whole, "%s%s", source->match.prefix, name);
    return tensor_find_sorted(source->tensors, source->count, whole);
}

const struct tensor *import_source_backbone(const struct import_source *source, const struct layers *layers,
                                            const char *ours)
{
    char name[FOREIGN_NAME_BYTES];
    if (!naming_foreign(name, source->match.naming, layers, ours)) return NULL;
    return import_source_find(source, name);
}

static bool is_linear(const struct import_linear *linear, size_t features)
{
    if (linear->weight == NULL || linear->bias == NULL) return false;
    return linear->weight->rank == 2 && linear->weight->shape[1] == features && linear->bias->rank == 1 &&
           linear->bias->shape[0] == linear->weight->shape[0] && linear->weight->shape[0] > 0;
}

/* Whether a layer is where the search looks: with `beside`, in files without a backbone only. */
static bool is_looked_at(const struct import_source *source, const struct import_linear *linear, bool beside)
{
    return !beside || source->is_beside[linear->weight - source->tensors];
}

/* LAYER.weight and LAYER.bias behind a prefix; "" as the layer for a file that is one linear module. */
static bool linear_named(const struct import_source *source, bool beside, const char *prefix, const char *layer,
                         size_t features, struct import_linear *linear)
{
    char name[2 * FOREIGN_NAME_BYTES];
    const char *dot = layer[0] == '\0' ? "" : ".";
    snprintf(name, sizeof name, "%s%s%sweight", prefix, layer, dot);
    linear->weight = tensor_find_sorted(source->tensors, source->count, name);
    snprintf(name, sizeof name, "%s%s%sbias", prefix, layer, dot);
    linear->bias = tensor_find_sorted(source->tensors, source->count, name);
    return is_linear(linear, features) && is_looked_at(source, linear, beside);
}

/* The only linear layer from `features` to something else, whatever its name. */
static bool only_linear(const struct import_source *source, bool beside, size_t features, struct import_linear *linear)
{
    static const char ending[] = "weight";
    size_t found = 0;
    for (size_t i = 0; i < source->count; i++) {
        const struct tensor *weight = &source->tensors[i];
        size_t length = strlen(weight->name), stem = length - (sizeof ending - 1);
        if (length < sizeof ending || length >= FOREIGN_NAME_BYTES || strcmp(weight->name + stem, ending) != 0)
            continue;
        char name[FOREIGN_NAME_BYTES + 8];
        snprintf(name, sizeof name, "%.*sbias", (int)stem, weight->name);
        struct import_linear candidate = {weight, tensor_find_sorted(source->tensors, source->count, name)};
        if (!is_linear(&candidate, features) || weight->shape[0] == features) continue;
        if (!is_looked_at(source, &candidate, beside)) continue;
        if (strncmp(weight->name, "ial.", 4) == 0) continue;
        *linear = candidate;
        found++;
    }
    return found == 1;
}

static bool find_linear(const struct import_source *source, bool beside, size_t features, struct import_linear *linear)
{
    /* timm, with a Sequential put in its place (HSEmotion's training code), torchvision, lukemelas, and others. */
    static const char *const layers[] = {"classifier", "classifier.0", "classifier.1", "_fc",     "_fc.0",
                                         "_fc.1",      "fc",           "fc.1",         "head.fc", "head"};
    const char *prefixes[] = {source->match.prefix, ""};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
            if (linear_named(source, beside, prefixes[p], layers[i], features, linear)) return true;
    return linear_named(source, beside, "", "", features, linear) || only_linear(source, beside, features, linear);
}

/* A backbone's file mostly has a classifier too, of ImageNet's classes: one in a file of its own goes before it. */
bool import_source_classifier(const struct import_source *source, size_t features, struct import_linear *linear)
{
    return (source->set_count > 1 && find_linear(source, true, features, linear)) ||
           find_linear(source, false, features, linear);
}
