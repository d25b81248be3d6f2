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
    source->files = pool_take(&source->pool, total, sizeof *source->files, err);
    if (all == NULL || source->tensors == NULL || source->files == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < source->set_count; i++) {
        source->has_backbone[i] = has_backbone(&source->sets[i]);
        size_t place = source->has_backbone[i] ? MOST_SOURCES + i : i;
        for (size_t j = 0; j < source->sets[i].count; j++)
            all[at++] = (struct numbered){source->sets[i].tensors[j], place};
    }
    if (total > 0) qsort(all, total, sizeof *all, compare_numbered);
    source->count = 0;
    for (size_t i = 0; i < total; i++) {
        if (i > 0 && strcmp(all[i].tensor.name, all[i - 1].tensor.name) == 0) continue;
        source->files[source->count] = all[i].place % MOST_SOURCES;
        source->tensors[source->count++] = all[i].tensor;
    }
    source->found = total;
    return STATUS_OK;
}

static status no_backbone(const struct import_source *source, const char *prefix, struct error *err)
{
    const char *path = source->paths[0];
    if (prefix != NULL && source->prefixes[0] != '\0')
        return error_set_usage(err, "%s: no backbone with the prefix '%s'; there are %s", path, prefix,
                               source->prefixes);
    if (source->count == 0) return error_set(err, "%s: no tensors in it", path);
    char name[TENSOR_NAME_TEXT];
    tensor_name_text(name, sizeof name, source->tensors[0].name);
    return error_set(err, "%s%s: no EfficientNet backbone among %zu tensors (the first is '%s')", path,
                     source->set_count > 1 ? " and the files after it" : "", source->count, name);
}

/* Our own checkpoints may hold the weights' moving average and optimizer state beside the network, which has no prefix
 * there. The average is what evaluation judges, so it is what a new run starts from. */
static const char *wanted_prefix(const struct import_source *source, const char *prefix)
{
    bool is_ours = false;
    for (size_t i = 0; i < source->set_count; i++)
        if (source->has_backbone[i] && import_source_metadata(source, i, METADATA_FORMAT) != NULL) is_ours = true;
    if (prefix != NULL || !is_ours) return prefix;
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
    naming_list_prefixes(source->prefixes, sizeof source->prefixes, source->tensors, source->count);
    if (!naming_find(&source->match, source->tensors, source->count, wanted, &source->candidates))
        return no_backbone(source, prefix, err);
    source->backbone = import_source_file(source, naming_stem(&source->match, source->tensors, source->count));
    return STATUS_OK;
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
    status result = merge(source, err);
    if (result == STATUS_OK) result = find_network(source, prefix, err);
    if (result != STATUS_OK) return result;
    const char *folded = import_source_metadata(source, source->backbone, METADATA_FOLDED);
    source->folded = folded != NULL && strcmp(folded, "true") == 0;
    return STATUS_OK;
}

void import_source_free(struct import_source *source)
{
    for (size_t i = 0; i < source->set_count; i++) weights_free(&source->sets[i]);
    pool_free(&source->pool);
    source->set_count = 0;
}

/* ---- what the files say ---- */

size_t import_source_file(const struct import_source *source, const struct tensor *tensor)
{
    return source->onnx != NULL ? 0 : source->files[tensor - source->tensors];
}

const char *import_source_metadata(const struct import_source *source, size_t file, const char *key)
{
    const struct weight_set *set = &source->sets[file];
    return set->format == WEIGHTS_SAFETENSORS ? safetensors_metadata_value(&set->safetensors, key)
           : set->format == WEIGHTS_ONNX      ? onnx_property_value(&set->onnx, key)
                                              : NULL;
}

/* The file that holds the backbone where it is a module, for what modules tell. */
static const struct weight_set *module_set(const struct import_source *source)
{
    const struct weight_set *set = &source->sets[source->backbone];
    return set->bn_epsilon > 0 ? set : NULL;
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
    const char *said = import_source_metadata(source, source->backbone, METADATA_ARCH);
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
        return error_set(err, "%s: %zu convolutions, %zu features: none of EfficientNet B0 to B3",
                         source->paths[source->backbone], source->onnx_facts.convolutions, source->onnx_facts.features);
    struct backbone_size size = naming_size(&source->match, source->tensors, source->count);
    return error_set(err, "%s: %zu blocks, %zu stem channels, %zu features: none of EfficientNet B0 to B3",
                     source->paths[source->backbone], size.blocks, size.stem, size.features);
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
                           source->paths[source->backbone], architecture->name, architecture->name + strlen("tf_"));
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
                     source->paths[source->backbone], architecture->name, held.blocks, onnx ? "convolutions" : "blocks",
                     held.stem, held.features, wanted.blocks, wanted.stem, wanted.features);
}

status import_source_read_graph(struct import_source *source, const struct architecture *architecture,
                                struct error *err)
{
    if (source->onnx == NULL) return STATUS_OK;
    source->match = (struct naming_match){.naming = NAMING_TIMM};
    struct onnx_weights weights;
    status result = onnx_graph_weights(&weights, source->onnx, architecture, &source->pool, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", source->paths[0]);
    source->tensors = weights.tensors;
    source->count = weights.count;
    source->folded = source->folded || weights.folded;
    memcpy(source->unread_head, weights.unread, sizeof source->unread_head);
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
