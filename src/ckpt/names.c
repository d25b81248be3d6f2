/* The patterns of other programs' tensor names, and the counts of blocks and channels that tell which network it is. */
#include "ckpt/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *naming_title(enum naming naming)
{
    static const char *const titles[NAMING_COUNT] = {
        "timm's names",
        "torchvision's names",
        "lukemelas' names",
        "an nn.Sequential of timm's layers",
        "an nn.Sequential of timm's layers",
    };
    return titles[naming];
}

/* ---- one name ---- */

/* What other programs call the parts of a block. torchvision: "block.POSITION.PART", positions are one less without
 * expansion. */
static const struct inner_names {
    enum layer_role role;
    enum layer_part part;
    int position;
    const char *torchvision, *lukemelas;
} inner_names[] = {
    {ROLE_EXPAND, PART_CONVOLUTION, 0, "0", "_expand_conv"},
    {ROLE_EXPAND, PART_NORM, 0, "1", "_bn0"},
    {ROLE_DEPTHWISE, PART_CONVOLUTION, 1, "0", "_depthwise_conv"},
    {ROLE_DEPTHWISE, PART_NORM, 1, "1", "_bn1"},
    {ROLE_GATE, PART_REDUCE, 2, "fc1", "_se_reduce"},
    {ROLE_GATE, PART_EXPAND, 2, "fc2", "_se_expand"},
    {ROLE_PROJECT, PART_CONVOLUTION, 3, "0", "_project_conv"},
    {ROLE_PROJECT, PART_NORM, 3, "1", "_bn2"},
};

/* What they call the layers outside of blocks, in every naming. */
static const struct outer_names {
    enum layer_role role;
    enum layer_part part;
    const char *names[NAMING_COUNT];
} outer_names[] = {
    {ROLE_STEM, PART_CONVOLUTION, {"conv_stem", "features.0.0", "_conv_stem", "0", "0"}},
    {ROLE_STEM, PART_NORM, {"bn1", "features.0.1", "_bn0", "1", "1"}},
    {ROLE_HEAD, PART_CONVOLUTION, {"conv_head", "features.8.0", "_conv_head", "4", "3"}},
    {ROLE_HEAD, PART_NORM, {"bn2", "features.8.1", "_bn1", "5", "4"}},
};

static const struct inner_names *find_inner(enum layer_role role, enum layer_part part)
{
    size_t i = 0;
    while (inner_names[i].role != role || inner_names[i].part != part) i++;
    return &inner_names[i];
}

static const struct outer_names *find_outer(enum layer_role role, enum layer_part part)
{
    size_t i = 0;
    while (outer_names[i].role != role || outer_names[i].part != part) i++;
    return &outer_names[i];
}

/* The layer and the tensor that we call `ours`. */
static bool find_tensor(const struct layers *layers, const char *ours, const struct layer **layer,
                        struct layer_tensor *tensor)
{
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    for (size_t i = 0; i < layers->count; i++) {
        const struct layer *row = &layers->items[i];
        if (strncmp(ours, row->name, strlen(row->name)) != 0 && strncmp(ours, row->norm, strlen(row->norm)) != 0)
            continue;
        size_t count = layer_tensors(row, tensors);
        for (size_t t = 0; t < count; t++) {
            if (strcmp(tensors[t].name, ours) != 0) continue;
            *layer = row;
            *tensor = tensors[t];
            return true;
        }
    }
    return false;
}

static bool has_expansion(const struct layers *layers, int block)
{
    for (size_t i = 0; i < layers->count; i++)
        if (layers->items[i].block == block && layers->items[i].role == ROLE_EXPAND) return true;
    return false;
}

/* The name of a block's tensor; torchvision counts the stem among its stages. */
static void name_inner(char name[FOREIGN_NAME_BYTES], enum naming naming, const struct layers *layers,
                       const struct layer *layer, const struct layer_tensor *tensor)
{
    const struct inner_names *inner = find_inner(layer->role, tensor->part);
    switch (naming) {
    case NAMING_TORCHVISION:
        snprintf(name, FOREIGN_NAME_BYTES, "features.%d.%d.block.%d.%s.%s", layer->stage + 1, layer->index,
                 inner->position - !has_expansion(layers, layer->block), inner->torchvision, tensor->kind);
        return;
    case NAMING_LUKEMELAS:
        snprintf(name, FOREIGN_NAME_BYTES, "_blocks.%d.%s.%s", layer->block, inner->lukemelas, tensor->kind);
        return;
    case NAMING_SEQUENTIAL_WITH_ACTIVATIONS:
    case NAMING_SEQUENTIAL:
        snprintf(name, FOREIGN_NAME_BYTES, "%d.%s", naming == NAMING_SEQUENTIAL ? 2 : 3,
                 tensor->name + strlen("blocks."));
        return;
    case NAMING_TIMM:
    case NAMING_COUNT: break;
    }
    snprintf(name, FOREIGN_NAME_BYTES, "%s", tensor->name);
}

bool naming_foreign(char name[FOREIGN_NAME_BYTES], enum naming naming, const struct layers *layers, const char *ours)
{
    const struct layer *layer;
    struct layer_tensor tensor;
    if (!find_tensor(layers, ours, &layer, &tensor)) return false;
    if (layer->block >= 0)
        name_inner(name, naming, layers, layer, &tensor);
    else
        snprintf(name, FOREIGN_NAME_BYTES, "%s.%s", find_outer(layer->role, tensor.part)->names[naming], tensor.kind);
    return true;
}

/* ---- finding a backbone ---- */

/* Two names that a backbone of each naming has: the stem, and the first depthwise convolution. The last parts count
 * blocks: each has exactly one name that begins and ends so. */
static const struct {
    const char *stem, *depthwise, *head, *block_beginning, *block_ending;
} signatures[NAMING_COUNT] = {
    {"conv_stem.weight", "blocks.0.0.conv_dw.weight", "conv_head.weight", "blocks.", ".conv_dw.weight"},
    {"features.0.0.weight", "features.1.0.block.0.0.weight", "features.8.0.weight", "features.", ".fc1.weight"},
    {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_conv_head.weight", "_blocks.",
     "._depthwise_conv.weight"},
    {"0.weight", "3.0.0.conv_dw.weight", "4.weight", "3.", ".conv_dw.weight"},
    {"0.weight", "2.0.0.conv_dw.weight", "3.weight", "2.", ".conv_dw.weight"},
};

static const struct tensor *find_with_prefix(const struct tensor *tensors, size_t count, const char *prefix,
                                             const char *name)
{
    char whole[2 * FOREIGN_NAME_BYTES];
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    return tensor_find_sorted(tensors, count, whole);
}

/* Whether `name` is PREFIX + `ending` with a prefix that is empty or ends in a dot; gives the prefix's length. */
static bool has_ending(const char *name, const char *ending, size_t *prefix_length)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    if (length < ending_length || strcmp(name + length - ending_length, ending) != 0) return false;
    *prefix_length = length - ending_length;
    return *prefix_length == 0 || name[*prefix_length - 1] == '.';
}

/* Whether "ema" is one of the words of the prefix: "ema.", "model_ema.", "state_dict_ema.". */
static bool is_averaged(const char *prefix)
{
    static const char separators[] = "._";
    for (const char *word = prefix; *word != '\0'; word += strspn(word, separators)) {
        size_t length = strcspn(word, separators);
        if (length == 3 && strncmp(word, "ema", length) == 0) return true;
        word += length;
    }
    return false;
}

/* Whether the running statistics are there: what keeps an average of its own may have the parameters only. */
static bool is_complete(const struct naming_match *match, const struct tensor *tensors, size_t count)
{
    char name[FOREIGN_NAME_BYTES];
    snprintf(name, sizeof name, "%s.running_mean", find_outer(ROLE_STEM, PART_NORM)->names[match->naming]);
    return find_with_prefix(tensors, count, match->prefix, name) != NULL;
}

static bool is_better(const struct naming_match *a, const struct naming_match *b, const struct tensor *tensors,
                      size_t count)
{
    bool is_a_complete = is_complete(a, tensors, count);
    if (is_a_complete != is_complete(b, tensors, count)) return is_a_complete;
    if (is_averaged(a->prefix) != is_averaged(b->prefix)) return is_averaged(a->prefix);
    return strlen(a->prefix) < strlen(b->prefix);
}

/* Whether the tensor is the stem of a backbone of that naming, by its name and that of a depthwise convolution. */
static bool is_stem(struct naming_match *match, enum naming naming, const struct tensor *tensor,
                    const struct tensor *tensors, size_t count)
{
    size_t prefix_length;
    if (tensor->rank != 4 || !has_ending(tensor->name, signatures[naming].stem, &prefix_length)) return false;
    if (prefix_length >= sizeof match->prefix) return false;
    match->naming = naming;
    memcpy(match->prefix, tensor->name, prefix_length);
    match->prefix[prefix_length] = '\0';
    return find_with_prefix(tensors, count, match->prefix, signatures[naming].depthwise) != NULL;
}

/* A prefix may be asked for without its dot. */
static bool is_wanted(const char *prefix, const char *wanted)
{
    size_t length = strlen(wanted);
    if (strncmp(prefix, wanted, length) != 0) return false;
    return prefix[length] == '\0' || (length > 0 && strcmp(prefix + length, ".") == 0);
}

bool naming_find(struct naming_match *match, const struct tensor *tensors, size_t count, const char *wanted,
                 size_t *candidates)
{
    *candidates = 0;
    for (size_t i = 0; i < count; i++) {
        for (int naming = 0; naming < NAMING_COUNT; naming++) {
            struct naming_match found;
            if (!is_stem(&found, (enum naming)naming, &tensors[i], tensors, count)) continue;
            if (wanted != NULL && !is_wanted(found.prefix, wanted)) continue;
            if (*candidates == 0 || is_better(&found, match, tensors, count)) *match = found;
            *candidates += 1;
        }
    }
    return *candidates > 0;
}

void naming_list_prefixes(char *list, size_t size, const struct tensor *tensors, size_t count)
{
    size_t length = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        for (int naming = 0; naming < NAMING_COUNT; naming++) {
            struct naming_match found;
            char name[TENSOR_NAME_TEXT];
            if (length >= size || !is_stem(&found, (enum naming)naming, &tensors[i], tensors, count)) continue;
            length += (size_t)snprintf(list + length, size - length, "%s'%s'", length == 0 ? "" : ", ",
                                       tensor_name_text(name, sizeof name, found.prefix));
        }
    }
}

const struct tensor *naming_stem(const struct naming_match *match, const struct tensor *tensors, size_t count)
{
    return find_with_prefix(tensors, count, match->prefix, signatures[match->naming].stem);
}

struct backbone_size naming_size(const struct naming_match *match, const struct tensor *tensors, size_t count)
{
    struct backbone_size size = {0};
    size_t prefix_length = strlen(match->prefix);
    const char *beginning = signatures[match->naming].block_beginning;
    const char *ending = signatures[match->naming].block_ending;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(tensors[i].name);
        if (strncmp(tensors[i].name, match->prefix, prefix_length) != 0 || length < strlen(ending)) continue;
        /* An optimizer's moments and an average have the same names behind one of their own. */
        if (strncmp(tensors[i].name + prefix_length, beginning, strlen(beginning)) != 0) continue;
        size.blocks += strcmp(tensors[i].name + length - strlen(ending), ending) == 0;
    }
    const struct tensor *stem = naming_stem(match, tensors, count);
    const struct tensor *head = find_with_prefix(tensors, count, match->prefix, signatures[match->naming].head);
    if (stem != NULL && stem->rank == 4) size.stem = stem->shape[0];
    if (head != NULL && head->rank == 4) size.features = head->shape[0];
    return size;
}

bool naming_architecture(struct architecture *architecture, const struct backbone_size *size, bool same_padding)
{
    for (const char *const *name = architecture_names(); *name != NULL; name++) {
        if (architecture_find(architecture, *name, NULL) != STATUS_OK) continue;
        if (architecture->same_padding == same_padding && (size_t)architecture->stem == size->stem &&
            (size_t)architecture->block_count == size->blocks && (size_t)architecture->features == size->features)
            return true;
    }
    return false;
}
