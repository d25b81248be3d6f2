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

/* What a layer of a block is for; timm numbers layers differently in blocks without expansion. */
enum role {
    ROLE_EXPAND,
    ROLE_EXPAND_BN,
    ROLE_DEPTHWISE,
    ROLE_DEPTHWISE_BN,
    ROLE_SQUEEZE,
    ROLE_EXCITE,
    ROLE_PROJECT,
    ROLE_PROJECT_BN,
    ROLE_COUNT
};

static const char *const timm_roles[ROLE_COUNT] = {"conv_pw",        "bn1",      "conv_dw", "bn2", "se.conv_reduce",
                                                   "se.conv_expand", "conv_pwl", "bn3"};
static const char *const timm_roles_without_expansion[ROLE_COUNT] = {
    NULL, NULL, "conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"};
static const char *const lukemelas_roles[ROLE_COUNT] = {"_expand_conv", "_bn0",       "_depthwise_conv", "_bn1",
                                                        "_se_reduce",   "_se_expand", "_project_conv",   "_bn2"};
/* torchvision: "block.POSITION.PART"; positions are one less without expansion. */
static const struct {
    int position;
    const char *part;
} torchvision_roles[ROLE_COUNT] = {{0, "0"},   {0, "1"},   {1, "0"}, {1, "1"},
                                   {2, "fc1"}, {2, "fc2"}, {3, "0"}, {3, "1"}};

/* "LAYER.TENSOR" of a block: the role, and where the tensor's name begins. */
static bool find_role(const char *rest, bool has_expansion, enum role *role, const char **tensor)
{
    const char *const *roles = has_expansion ? timm_roles : timm_roles_without_expansion;
    for (int i = 0; i < ROLE_COUNT; i++) {
        size_t length = roles[i] == NULL ? 0 : strlen(roles[i]);
        if (length == 0 || strncmp(rest, roles[i], length) != 0 || rest[length] != '.') continue;
        *role = (enum role)i;
        *tensor = rest + length + 1;
        return true;
    }
    return false;
}

/* The layers outside of blocks, in every naming. */
static const struct {
    const char *ours;
    const char *names[NAMING_COUNT];
} outer_layers[] = {
    {"conv_stem.", {"conv_stem.", "features.0.0.", "_conv_stem.", "0.", "0."}},
    {"bn1.", {"bn1.", "features.0.1.", "_bn0.", "1.", "1."}},
    {"conv_head.", {"conv_head.", "features.8.0.", "_conv_head.", "4.", "3."}},
    {"bn2.", {"bn2.", "features.8.1.", "_bn1.", "5.", "4."}},
};

static bool outer_name(char name[FOREIGN_NAME_BYTES], enum naming naming, const char *ours)
{
    for (size_t i = 0; i < sizeof outer_layers / sizeof outer_layers[0]; i++) {
        size_t length = strlen(outer_layers[i].ours);
        if (strncmp(ours, outer_layers[i].ours, length) != 0) continue;
        snprintf(name, FOREIGN_NAME_BYTES, "%s%s", outer_layers[i].names[naming], ours + length);
        return true;
    }
    return false;
}

/* The running number of block (stage, index), or -1. */
static int block_number(const struct architecture *architecture, int stage, int index)
{
    for (int i = 0; i < architecture->block_count; i++)
        if (architecture->blocks[i].stage == stage && architecture->blocks[i].index == index) return i;
    return -1;
}

bool naming_foreign(char name[FOREIGN_NAME_BYTES], enum naming naming, const struct architecture *architecture,
                    const char *ours)
{
    int stage, index, rest_at = 0;
    if (outer_name(name, naming, ours)) return true;
    if (sscanf(ours, "blocks.%d.%d.%n", &stage, &index, &rest_at) != 2 || rest_at == 0) return false;
    int number = block_number(architecture, stage, index);
    if (number < 0) return false;
    bool has_expansion = architecture->blocks[number].has_expansion;
    enum role role;
    const char *tensor;
    if (!find_role(ours + rest_at, has_expansion, &role, &tensor)) return false;
    switch (naming) {
    case NAMING_TORCHVISION:
        snprintf(name, FOREIGN_NAME_BYTES, "features.%d.%d.block.%d.%s.%s", stage + 1, index,
                 torchvision_roles[role].position - !has_expansion, torchvision_roles[role].part, tensor);
        return true;
    case NAMING_LUKEMELAS:
        snprintf(name, FOREIGN_NAME_BYTES, "_blocks.%d.%s.%s", number, lukemelas_roles[role], tensor);
        return true;
    case NAMING_SEQUENTIAL_WITH_ACTIVATIONS:
    case NAMING_SEQUENTIAL:
        snprintf(name, FOREIGN_NAME_BYTES, "%d.%s", naming == NAMING_SEQUENTIAL ? 2 : 3, ours + strlen("blocks."));
        return true;
    case NAMING_TIMM:
    case NAMING_COUNT: break;
    }
    snprintf(name, FOREIGN_NAME_BYTES, "%s", ours);
    return true;
}

/* ---- finding a backbone ---- */

/* Two names that a backbone of each naming has: the stem, and the first depthwise convolution. The last part counts
 * blocks: each has exactly one name that ends so. */
static const struct {
    const char *stem, *depthwise, *head, *block_ending;
} signatures[NAMING_COUNT] = {
    {"conv_stem.weight", "blocks.0.0.conv_dw.weight", "conv_head.weight", ".conv_dw.weight"},
    {"features.0.0.weight", "features.1.0.block.0.0.weight", "features.8.0.weight", ".fc1.weight"},
    {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_conv_head.weight", "._depthwise_conv.weight"},
    {"0.weight", "3.0.0.conv_dw.weight", "4.weight", ".conv_dw.weight"},
    {"0.weight", "2.0.0.conv_dw.weight", "3.weight", ".conv_dw.weight"},
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

static bool is_averaged(const char *prefix)
{
    return strstr(prefix, "ema") != NULL;
}

static bool is_better(const struct naming_match *a, const struct naming_match *b)
{
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

bool naming_find(struct naming_match *match, const struct tensor *tensors, size_t count, const char *wanted,
                 size_t *candidates)
{
    *candidates = 0;
    for (size_t i = 0; i < count; i++) {
        for (int naming = 0; naming < NAMING_COUNT; naming++) {
            struct naming_match found;
            if (!is_stem(&found, (enum naming)naming, &tensors[i], tensors, count)) continue;
            if (wanted != NULL && strcmp(found.prefix, wanted) != 0) continue;
            if (*candidates == 0 || is_better(&found, match)) *match = found;
            *candidates += 1;
        }
    }
    return *candidates > 0;
}

struct backbone_size naming_size(const struct naming_match *match, const struct tensor *tensors, size_t count)
{
    struct backbone_size size = {0};
    size_t prefix_length = strlen(match->prefix);
    const char *ending = signatures[match->naming].block_ending;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(tensors[i].name);
        if (strncmp(tensors[i].name, match->prefix, prefix_length) != 0 || length < strlen(ending)) continue;
        size.blocks += strcmp(tensors[i].name + length - strlen(ending), ending) == 0;
    }
    const struct tensor *stem = find_with_prefix(tensors, count, match->prefix, signatures[match->naming].stem);
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
