/* The classifier among a source's tensors: by the names that programs give it, else the only layer that can be it. A
 * hidden layer is no classifier, so that a head of several layers is told, not taken apart. */
#include "ckpt/import_linear.h"

#include <stdio.h>
#include <string.h>

static const char ending[] = "weight";
enum { ENDING_LENGTH = sizeof ending - 1 };

struct search {
    const struct import_source *source;
    size_t features;
    bool beside; /* look in files without a backbone only */
    char *reason;
    size_t reason_length;
};

/* Sides of 1 at the end are a convolution's. */
static bool is_matrix(const struct tensor *tensor)
{
    for (int i = 2; i < tensor->rank; i++)
        if (tensor->shape[i] != 1) return false;
    return tensor->rank >= 2;
}

static bool is_looked_at(const struct search *search, const struct tensor *tensor)
{
    const struct import_source *source = search->source;
    return !search->beside || !source->has_backbone[import_source_file(source, tensor)];
}

/* The layer whose weight that is (NULL is none), if it is one on the features. A bias of another file is not its. */
static bool read_linear(const struct search *search, const struct tensor *weight, struct import_linear *linear)
{
    const struct import_source *source = search->source;
    char name[2 * FOREIGN_NAME_BYTES];
    if (weight == NULL || !is_matrix(weight) || weight->shape[0] == 0 || weight->shape[1] != search->features ||
        !is_looked_at(search, weight))
        return false;
    snprintf(name, sizeof name, "%.*sbias", (int)(strlen(weight->name) - ENDING_LENGTH), weight->name);
    const struct tensor *bias = tensor_find_sorted(source->tensors, source->count, name);
    if (bias != NULL && import_source_file(source, bias) != import_source_file(source, weight)) bias = NULL;
    *linear = (struct import_linear){weight, bias};
    return bias == NULL || (bias->rank == 1 && bias->shape[0] == weight->shape[0]);
}

/* LAYER.weight behind a prefix; "" as the layer for a file that is one linear module. */
static bool find_named(const struct search *search, const char *prefix, const char *layer, struct import_linear *linear)
{
    char name[2 * FOREIGN_NAME_BYTES];
    snprintf(name, sizeof name, "%s%s%sweight", prefix, layer, layer[0] == '\0' ? "" : ".");
    return read_linear(search, tensor_find_sorted(search->source->tensors, search->source->count, name), linear);
}

/* ---- what keeps a layer from being the classifier ---- */

static void list_layer(struct search *search, const struct tensor *weight)
{
    char name[TENSOR_NAME_TEXT], shape[TENSOR_SHAPE_TEXT];
    size_t at = search->reason_length, left = IMPORT_REASON_BYTES - at;
    int length = snprintf(search->reason + at, left, "%s '%s' %s", strchr(search->reason, '\'') == NULL ? "" : ",",
                          tensor_name_text(name, sizeof name, weight->name),
                          tensor_shape_text(shape, sizeof shape, weight->rank, weight->shape));
    search->reason_length += (size_t)length < left ? (size_t)length : left - 1;
}

static void begin_reason(struct search *search, const char *text)
{
    search->reason_length = (size_t)snprintf(search->reason, IMPORT_REASON_BYTES, "%s", text);
}

static bool is_weight(const struct tensor *tensor)
{
    size_t length = strlen(tensor->name);
    if (length < ENDING_LENGTH || strcmp(tensor->name + length - ENDING_LENGTH, ending) != 0) return false;
    return length == ENDING_LENGTH || tensor->name[length - ENDING_LENGTH - 1] == '.';
}

/* Letters of the name in front of the layer's own: "head." of "head.fc.weight". */
static size_t container_length(const struct tensor *weight)
{
    size_t length = strlen(weight->name) - ENDING_LENGTH;
    if (length > 0) length--; /* the dot */
    while (length > 0 && weight->name[length - 1] != '.') length--;
    return length;
}

/* The first layer from `at` on that belongs to the same head as `weight`: in a container of its own any, as an
 * nn.Sequential has them, beside the backbone one that takes its outputs. NULL when there is no more. */
static const struct tensor *next_of_head(const struct import_source *source, const struct tensor *weight, size_t at)
{
    size_t container = container_length(weight), file = import_source_file(source, weight);
    bool is_contained = strncmp(source->match.prefix, weight->name, container) != 0;
    for (; at < source->count; at++) {
        const struct tensor *other = &source->tensors[at];
        if (other == weight || other->rank != 2 || !is_weight(other)) continue;
        if (import_source_file(source, other) != file || strncmp(other->name, weight->name, container) != 0) continue;
        if (is_contained || other->shape[1] == weight->shape[0]) return other;
    }
    return NULL;
}

/* A layer that was found, unless its head has others. */
static void settle(struct search *search, const struct import_linear *found, struct import_linear *linear)
{
    const struct import_source *source = search->source;
    const struct tensor *other = next_of_head(source, found->weight, 0);
    if (other == NULL) {
        *linear = *found;
        return;
    }
    begin_reason(search, "a head of several layers is not read:");
    list_layer(search, found->weight);
    for (; other != NULL; other = next_of_head(source, found->weight, (size_t)(other - source->tensors) + 1))
        list_layer(search, other);
}

/* ---- the search ---- */

/* Whether that is a layer on the features behind a prefix, whatever its name. As many outputs as features may be a
 * hidden layer and are one, but rmfer's own projection is known. */
static bool is_layer_behind(const struct search *search, const char *prefix, const struct tensor *weight,
                            struct import_linear *linear)
{
    size_t length = strlen(prefix);
    if (weight->rank != 2 || !is_weight(weight) || strncmp(weight->name, prefix, length) != 0) return false;
    return strncmp(weight->name + length, "ial.", 4) != 0 && read_linear(search, weight, linear);
}

/* Such layers with a bias or without; the last in *linear. */
static size_t count_layers(const struct search *search, const char *prefix, bool biased, struct import_linear *linear)
{
    const struct import_source *source = search->source;
    size_t found = 0;
    for (size_t i = 0; i < source->count; i++) {
        struct import_linear candidate;
        if (!is_layer_behind(search, prefix, &source->tensors[i], &candidate)) continue;
        if ((candidate.bias != NULL) != biased) continue;
        *linear = candidate;
        found++;
    }
    return found;
}

static void list_layers(struct search *search, const char *prefix)
{
    const struct import_source *source = search->source;
    begin_reason(search, "several layers stand on the features:");
    for (size_t i = 0; i < source->count; i++) {
        struct import_linear candidate;
        if (is_layer_behind(search, prefix, &source->tensors[i], &candidate)) list_layer(search, candidate.weight);
    }
}

/* The only layer on the features, behind the backbone's prefix or else anywhere. */
static void find_only(struct search *search, struct import_linear *linear)
{
    const char *prefixes[] = {search->source->match.prefix, ""};
    for (size_t p = 0; p < 2; p++) {
        struct import_linear found;
        size_t count = count_layers(search, prefixes[p], true, &found);
        if (count == 0) count = count_layers(search, prefixes[p], false, &found);
        if (count > 1) {
            list_layers(search, prefixes[p]);
            return;
        }
        if (count == 1 && found.weight->shape[0] != search->features) {
            settle(search, &found, linear);
            return;
        }
    }
}

/* Leaves both *linear and the reason empty where nothing looks like a classifier. */
static void find(struct search *search, struct import_linear *linear)
{
    /* timm, with a Sequential put in its place (HSEmotion's training code), torchvision, lukemelas, and others. */
    static const char *const layers[] = {"classifier", "classifier.0", "classifier.1", "_fc",     "_fc.0",
                                         "_fc.1",      "fc",           "fc.1",         "head.fc", "head"};
    const char *prefixes[] = {search->source->match.prefix, ""};
    struct import_linear found;
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
            if (!find_named(search, prefixes[p], layers[i], &found)) continue;
            settle(search, &found, linear);
            return;
        }
    }
    if (find_named(search, "", "", &found))
        settle(search, &found, linear);
    else
        find_only(search, linear);
}

/* A backbone's file mostly has a classifier too, of ImageNet's classes: one in a file of its own goes before it. */
void import_find_classifier(const struct import_source *source, size_t features, struct import_linear *linear,
                            char reason[IMPORT_REASON_BYTES])
{
    struct search search = {.source = source, .features = features, .reason = reason};
    *linear = (struct import_linear){0};
    reason[0] = '\0';
    search.beside = source->set_count > 1;
    find(&search, linear);
    if (linear->weight != NULL || reason[0] != '\0') return;
    search.beside = false;
    if (source->set_count > 1) find(&search, linear);
    if (linear->weight == NULL && reason[0] == '\0')
        snprintf(reason, IMPORT_REASON_BYTES, "%s",
                 source->unread_head[0] == '\0' ? "the file has none" : source->unread_head);
}
