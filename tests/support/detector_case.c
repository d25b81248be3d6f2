/* Detectors whose answers are known, and their ONNX files. */
#include "support/detector_case.h"

#include "rmfer/base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double square_landmarks[FACE_LANDMARKS][2] = {
    {-0.235, -0.172}, {0.235, -0.172}, {0, 0.103}, {-0.205, 0.318}, {0.205, 0.318}};

static float *numbers(struct detector_case *c, size_t count)
{
    float *values = calloc(count, sizeof *values);
    if (values == NULL) abort();
    c->numbers[c->number_count++] = values;
    return values;
}

static float *random_numbers(struct detector_case *c, struct random_stream *stream, size_t count, double scale)
{
    float *values = numbers(c, count);
    for (size_t i = 0; i < count; i++) values[i] = (float)random_between(stream, -scale, scale);
    return values;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static void random_unit(struct detector_case *c, struct random_stream *stream, struct detector_unit_weights *unit,
                        size_t input, size_t output)
{
    unit->input = input;
    unit->output = output;
    unit->pointwise = random_numbers(c, stream, input * output, sqrt(6.0 / (double)input));
    unit->pointwise_bias = random_numbers(c, stream, output, 0.3);
    unit->depthwise = random_numbers(c, stream, 9 * output, 0.7);
    unit->depthwise_bias = random_numbers(c, stream, output, 0.3);
}

static const size_t head_outputs[DETECTOR_HEADS] = {1, 1, 4, 10};

void detector_case_random(struct detector_case *c, uint64_t seed)
{
    static const size_t channels[DETECTOR_BACKBONE_UNITS] = {5, 7, 9, 17, 12, 20, 33, 8, 11, 16, 13};
    static const int sources[DETECTOR_LEVELS] = {6, 8, 10};
    struct random_stream stream = random_stream(seed, RANDOM_TEST, 0, 0);
    *c = (struct detector_case){0};
    struct detector_weights *w = &c->weights;
    w->stem_output = 6;
    w->stem = random_numbers(c, &stream, 27 * 6, 0.01);
    w->stem_bias = random_numbers(c, &stream, 6, 0.3);
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++)
        random_unit(c, &stream, &w->backbone[i], i == 0 ? 6 : channels[i - 1], channels[i]);
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        size_t input = channels[sources[level]], down = level > 0 ? channels[sources[level - 1]] : 10;
        random_unit(c, &stream, &w->lateral[level], input, down);
        random_unit(c, &stream, &w->shared[level], down, 14);
        for (int head = 0; head < DETECTOR_HEADS; head++)
            random_unit(c, &stream, &w->heads[level][head], 14, head_outputs[head]);
    }
}

/* y = weight * x + bias, one channel to `output` equal ones: only the middle tap of the 3x3 is there. */
static void plain_unit(struct detector_case *c, struct detector_unit_weights *unit, size_t output, double weight)
{
    unit->input = 1;
    unit->output = output;
    float *pointwise = numbers(c, output), *depthwise = numbers(c, 9 * output), *bias = numbers(c, output);
    for (size_t o = 0; o < output; o++) {
        pointwise[o] = (float)weight;
        depthwise[9 * o + 4] = 1;
    }
    unit->pointwise = pointwise;
    unit->pointwise_bias = numbers(c, output);
    unit->depthwise = depthwise;
    unit->depthwise_bias = bias;
}

static void set_bias(struct detector_unit_weights *unit, size_t output, double value)
{
    ((float *)unit->depthwise_bias)[output] = (float)value;
}

/* The stem is the mean of a 3x3 neighbourhood as 0 .. 1, the backbone hands the largest of them on, and the heads of
 * stride 8 turn a bright cell into a face. The coarser levels see nothing. */
void detector_case_squares(struct detector_case *c)
{
    *c = (struct detector_case){0};
    struct detector_weights *w = &c->weights;
    float *stem = numbers(c, 27);
    for (int i = 0; i < 27; i++) stem[i] = 1.0f / (27 * 255);
    w->stem_output = 1;
    w->stem = stem;
    w->stem_bias = numbers(c, 1);
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) plain_unit(c, &w->backbone[i], 1, 1);
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        plain_unit(c, &w->lateral[level], 1, level == 0);
        plain_unit(c, &w->shared[level], 1, 1);
        for (int head = 0; head < DETECTOR_HEADS; head++)
            plain_unit(c, &w->heads[level][head], head_outputs[head], head <= HEAD_OBJECT && level == 0 ? 40 : 0);
        set_bias(&w->heads[level][HEAD_CLASS], 0, -20);
        set_bias(&w->heads[level][HEAD_OBJECT], 0, -20);
    }
    const double middle = 0.5, cell = 8;
    set_bias(&w->heads[0][HEAD_BOX], 0, middle);
    set_bias(&w->heads[0][HEAD_BOX], 1, middle);
    set_bias(&w->heads[0][HEAD_BOX], 2, log(SQUARE_FACE_WIDTH / cell));
    set_bias(&w->heads[0][HEAD_BOX], 3, log(SQUARE_FACE_HEIGHT / cell));
    for (size_t i = 0; i < FACE_LANDMARKS; i++)
        for (size_t j = 0; j < 2; j++)
            set_bias(&w->heads[0][HEAD_LANDMARKS], 2 * i + j,
                     middle + square_landmarks[i][j] * SQUARE_FACE_WIDTH / cell);
}

void detector_case_free(struct detector_case *c)
{
    for (size_t i = 0; i < c->number_count; i++) free(c->numbers[i]);
    *c = (struct detector_case){0};
}

/* ---- ONNX: a protocol buffer written by hand --------------------------------------------------------------------- */

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static void put(struct bytes *out, const void *data, size_t size)
{
    if (out->size + size > out->capacity) {
        out->capacity = 2 * (out->size + size);
        out->data = realloc(out->data, out->capacity);
        if (out->data == NULL) abort();
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void put_varint(struct bytes *out, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(out, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_integer(struct bytes *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_bytes(struct bytes *out, unsigned field, const void *data, size_t size)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    put(out, data, size);
}

static void put_string(struct bytes *out, unsigned field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

static void put_message(struct bytes *out, unsigned field, struct bytes *message)
{
    put_bytes(out, field, message->data, message->size);
    free(message->data);
    *message = (struct bytes){0};
}

/* What is being written: values are numbered, as exporters do. */
struct writer {
    struct bytes graph;
    enum detector_spoiling spoil;
    int values;
};

static void put_attribute(struct bytes *node, const char *name, int64_t value, int times)
{
    struct bytes attribute = {0};
    put_string(&attribute, 1, name);
    if (times == 1) put_integer(&attribute, 3, (uint64_t)value);
    for (int i = 0; i < times && times > 1; i++) put_integer(&attribute, 8, (uint64_t)value);
    put_integer(&attribute, 20, times == 1 ? 2 : 7);
    put_message(node, 5, &attribute);
}

static void put_initializer(struct writer *w, const char *name, const size_t *shape, int rank, const float *values)
{
    struct bytes tensor = {0};
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        put_integer(&tensor, 1, shape[i]);
        count *= shape[i];
    }
    put_integer(&tensor, 2, 1);
    put_string(&tensor, 8, name);
    put_bytes(&tensor, 9, values, count * sizeof *values);
    put_message(&w->graph, 5, &tensor);
}

/* A node of one output, which gets the next number; returns it. */
static int put_node(struct writer *w, const char *kind, const int *inputs, int count, struct bytes *attributes)
{
    struct bytes node = {0};
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", inputs[i]);
        put_string(&node, 1, name);
    }
    snprintf(name, sizeof name, "%d", ++w->values);
    put_string(&node, 2, name);
    put_string(&node, 4, kind);
    if (attributes != NULL) {
        put(&node, attributes->data, attributes->size);
        free(attributes->data);
    }
    put_message(&w->graph, 1, &node);
    return w->values;
}

static int put_simple(struct writer *w, const char *kind, int input)
{
    return put_node(w, kind, &input, 1, NULL);
}

struct layer {
    size_t output, input, kernel; /* input of one group */
    int stride;
    const float *weight, *bias;
    bool is_spoiled;
};

static int put_convolution(struct writer *w, int input, const struct layer *layer)
{
    struct bytes attributes = {0};
    char name[32];
    int weight = ++w->values, bias = ++w->values;
    bool depthwise = layer->input == 1 && layer->kernel == 3;
    size_t shape[4] = {layer->output, layer->input, layer->kernel, layer->kernel};
    enum detector_spoiling spoil = layer->is_spoiled ? w->spoil : DETECTOR_WHOLE;
    snprintf(name, sizeof name, "%d", weight);
    put_initializer(w, name, shape, 4, layer->weight);
    snprintf(name, sizeof name, "%d", bias);
    if (spoil != DETECTOR_WITHOUT_BIAS) put_initializer(w, name, shape, 1, layer->bias);
    put_attribute(&attributes, "group", depthwise ? (int64_t)layer->output : 1, 1);
    put_attribute(&attributes, "strides", spoil == DETECTOR_WITH_STRIDE ? 2 : layer->stride, 2);
    put_attribute(&attributes, "pads", spoil == DETECTOR_WITH_PADDING ? 0 : (int64_t)layer->kernel / 2, 4);
    const char *kind = spoil == DETECTOR_QUANTISED ? "QLinearConv" : "Conv";
    return put_node(w, kind, (int[]){input, weight, bias}, 3, &attributes);
}

static int put_unit(struct writer *w, int input, const struct detector_unit_weights *unit, bool spoiled)
{
    struct layer first = {unit->output, unit->input, 1, 1, unit->pointwise, unit->pointwise_bias, false};
    struct layer second = {unit->output, 1, 3, 1, unit->depthwise, unit->depthwise_bias, spoiled};
    return put_convolution(w, put_convolution(w, input, &first), &second);
}

/* Levels 8, 16, 32 as numbers of values. */
static void put_backbone(struct writer *w, const struct detector_weights *weights, int levels[DETECTOR_LEVELS])
{
    struct layer stem = {weights->stem_output, 3, 3, 2, weights->stem, weights->stem_bias, false};
    int value = put_simple(w, "Relu", put_convolution(w, 0, &stem)), level = 0;
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) {
        value = put_simple(w, "Relu", put_unit(w, value, &weights->backbone[i], i == 3));
        if (i == 6 || i == 8 || i == 10) levels[level++] = value;
        bool pools = i == 0 || i == 4 || i == 6 || i == 8;
        if (pools && !(i == 4 && w->spoil == DETECTOR_WITHOUT_POOL)) value = put_simple(w, "MaxPool", value);
    }
}

static void put_heads(struct writer *w, const struct detector_weights *weights, int level, int value)
{
    static const char *const names[DETECTOR_HEADS] = {"cls", "obj", "bbox", "kps"};
    for (int head = 0; head < DETECTOR_HEADS; head++) {
        if (level == 1 && head == HEAD_LANDMARKS && w->spoil == DETECTOR_WITHOUT_OUTPUT) continue;
        struct bytes node = {0};
        char name[32], input[32];
        int last = put_simple(w, "Transpose", put_unit(w, value, &weights->heads[level][head], false));
        if (head <= HEAD_OBJECT) last = put_simple(w, "Reshape", last);
        snprintf(input, sizeof input, "%d", last);
        snprintf(name, sizeof name, "%s_%d", names[head], 8 << level);
        put_string(&node, 1, input);
        put_string(&node, 2, name);
        put_string(&node, 4, head <= HEAD_OBJECT ? "Sigmoid" : "Reshape");
        put_message(&w->graph, 1, &node);
    }
}

uint8_t *detector_case_onnx(const struct detector_case *c, enum detector_spoiling spoil, size_t *size)
{
    struct writer w = {.spoil = spoil};
    struct bytes model = {0}, opset = {0};
    int levels[DETECTOR_LEVELS], from_above = 0;
    put_backbone(&w, &c->weights, levels);
    for (int level = DETECTOR_LEVELS - 1; level >= 0; level--) {
        int source = levels[spoil == DETECTOR_WRONG_LEVEL && level == 0 ? 1 : level];
        if (level < DETECTOR_LEVELS - 1) {
            int pair[2] = {source, put_simple(&w, "Resize", from_above)};
            source = put_node(&w, "Add", pair, 2, NULL);
        }
        from_above = put_simple(&w, "Relu", put_unit(&w, source, &c->weights.lateral[level], false));
        int shared = put_simple(&w, "Relu", put_unit(&w, from_above, &c->weights.shared[level], false));
        put_heads(&w, &c->weights, level, shared);
    }
    put_integer(&opset, 2, 11);
    put_integer(&model, 1, 7);
    put_message(&model, 8, &opset);
    put_message(&model, 7, &w.graph);
    *size = model.size;
    return model.data;
}
