/* Looking things up in an ONNX model by their names. */
#include "rmfer/ckpt/onnx_model.h"

#include <string.h>

const struct tensor *onnx_initializer(const struct onnx_model *model, const char *name)
{
    return tensor_find_sorted(model->initializers, model->initializer_count, name);
}

const struct onnx_attribute *onnx_attribute_find(const struct onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->attribute_count; i++)
        if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
    return NULL;
}

int64_t onnx_attribute_integer(const struct onnx_node *node, const char *name, int64_t otherwise)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, name);
    return attribute == NULL ? otherwise : attribute->integer;
}

const char *onnx_property_value(const struct onnx_model *model, const char *key)
{
    for (size_t i = 0; i < model->property_count; i++)
        if (strcmp(model->properties[i].key, key) == 0) return model->properties[i].value;
    return NULL;
}
