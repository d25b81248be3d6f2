/* How other programs name the tensors of an EfficientNet, and what such a set of names tells of the network. */
#ifndef RMFER_CKPT_NAMES_H
#define RMFER_CKPT_NAMES_H

#include "rmfer/ckpt/tensor.h"
#include "rmfer/nn/layers.h"

enum naming {
    NAMING_TIMM,        /* conv_stem, bn1, blocks.S.I.conv_pw ..., conv_head, bn2, classifier: ours too */
    NAMING_TORCHVISION, /* features.0.0, features.S.I.block.J.K ..., classifier.1 */
    NAMING_LUKEMELAS,   /* _conv_stem, _bn0, _blocks.N._expand_conv ..., _fc */
    NAMING_SEQUENTIAL_WITH_ACTIVATIONS, /* nn.Sequential over timm's children: 0 stem, 1 bn, 2 act, 3 blocks, 4, 5 */
    NAMING_SEQUENTIAL,                  /* the same of newer timm, whose batch-norm has the activation: 0 1 2 3 4 */
    NAMING_COUNT
};

enum { FOREIGN_NAME_BYTES = 256 };

/* "timm" ... */
const char *naming_title(enum naming naming);

/* The name that `naming` gives to our backbone tensor `ours` ("blocks.2.1.conv_pw.weight"), without any prefix; false
 * when none of the layers has it. */
bool naming_foreign(char name[FOREIGN_NAME_BYTES], enum naming naming, const struct layers *layers, const char *ours);

/* One backbone found in a list of tensors. */
struct naming_match {
    enum naming naming;
    char prefix[FOREIGN_NAME_BYTES]; /* "" or something ending in '.' */
};

/* Finds a backbone among tensors sorted by name: with the prefix `wanted` (its last dot may be missing) when it is not
 * NULL; otherwise those with running statistics before others, then averaged weights ("ema"), then the shortest prefix.
 * *candidates is how many there were; false when none. */
bool naming_find(struct naming_match *match, const struct tensor *tensors, size_t count, const char *wanted,
                 size_t *candidates);

/* The prefixes of all that there are, for messages: "'', 'ema.'", cut to `size`; "" when there is none. */
void naming_list_prefixes(char *list, size_t size, const struct tensor *tensors, size_t count);

/* The first convolution's weight of a match; NULL when it is not there. */
const struct tensor *naming_stem(const struct naming_match *match, const struct tensor *tensors, size_t count);

/* What the tensors of a match say of its size. */
struct backbone_size {
    size_t stem, blocks, features;
};

struct backbone_size naming_size(const struct naming_match *match, const struct tensor *tensors, size_t count);

/* The architecture of that size in the wanted flavour; false when it is none of B0 to B3. */
bool naming_architecture(struct architecture *architecture, const struct backbone_size *size, bool same_padding);

#endif
