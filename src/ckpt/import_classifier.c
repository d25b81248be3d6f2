/* The classifier of an import: rows go where their class names are, or stay fresh. No order is guessed at. */
#include "ckpt/import_loading.h"

#include "ckpt/checkpoint_metadata.h"
#include "ckpt/import_classes.h"
#include "rmfer/base/memory.h"

#include <string.h>

/* ---- class names ---- */

void source_classes_free(struct source_classes *classes)
{
    memory_free(classes->text);
    memory_free(classes->list);
}

static status classes_of_metadata(struct source_classes *classes, const char *said, size_t outputs, struct error *err)
{
    size_t count;
    classes->text = memory_copy_string(said, err);
    if (classes->text == NULL) return STATUS_FAILED;
    status result = checkpoint_split_classes(classes->text, &classes->list, &count, err);
    if (result != STATUS_OK) return error_add_context(err, "metadata " METADATA_CLASSES);
    if (count != outputs) return STATUS_OK;
    classes->names = classes->list;
    classes->count = count;
    classes->origin = "the file says";
    return STATUS_OK;
}

status import_source_classes(const struct loading *loading, const struct import_linear *linear,
                             struct source_classes *classes)
{
    const struct import_options *options = loading->options;
    const size_t outputs = linear->weight->shape[0];
    *classes = (struct source_classes){0};
    if (options->source_class_count > 0) {
        if (options->source_class_count != outputs)
            return error_set_usage(loading->err, "%s: %zu class names for a classifier of %zu outputs",
                                   loading->source->paths[0], options->source_class_count, outputs);
        *classes = (struct source_classes){options->source_classes, outputs, "as given", NULL, NULL};
        return STATUS_OK;
    }
    const char *said = import_source_metadata(loading->source, METADATA_CLASSES);
    if (said != NULL) return classes_of_metadata(classes, said, outputs, loading->err);
    /* HSEmotion publishes whole modules; nothing else with 7 or 8 outputs is guessed at. */
    if (linear->weight->in_module && classes_of_hsemotion(outputs) != NULL)
        *classes = (struct source_classes){classes_of_hsemotion(outputs), outputs,
                                           "alphabetical, as in HSEmotion's modules", NULL, NULL};
    return STATUS_OK;
}

/* ---- the classifier ---- */

/* Copies row rows[i] of the file's layer to output i; without rows, all of them as they are. */
static status copy_rows(struct loading *loading, const struct import_linear *from, struct linear_indices to,
                        const size_t *rows)
{
    struct parameters *all = &loading->model->parameters;
    size_t outputs = from->weight->shape[0], features = from->weight->shape[1];
    float *weight = memory_allocate(size_multiply(outputs, features), sizeof *weight, "a classifier", loading->err);
    float *bias = memory_allocate(outputs, sizeof *bias, "a classifier", loading->err);
    if (weight != NULL && bias != NULL) {
        real *to_weight = parameter_write(all, &all->items[to.weight]);
        real *to_bias = parameter_write(all, &all->items[to.bias]);
        tensor_read_floats(from->weight, weight);
        tensor_read_floats(from->bias, bias);
        for (size_t i = 0; i < all->items[to.bias].count; i++) {
            size_t row = rows == NULL ? i : rows[i];
            memcpy(to_weight + i * features, weight + row * features, features * sizeof *weight);
            to_bias[i] = bias[row];
        }
        import_mark_used(loading, from->weight);
        import_mark_used(loading, from->bias);
    }
    memory_free(weight);
    memory_free(bias);
    return weight != NULL && bias != NULL ? STATUS_OK : STATUS_FAILED;
}

/* Loads f_FER, and f_IAL where the file has it, by the same rows. */
static status copy_classifiers(struct loading *loading, const struct import_linear *linear, const size_t *rows)
{
    status result = copy_rows(loading, linear, loading->model->fer, rows);
    if (result != STATUS_OK || !loading->model->has_heads) return result;
    struct import_linear ial = {import_source_find(loading->source, "ial.classifier.weight"),
                                import_source_find(loading->source, "ial.classifier.bias")};
    const struct tensor *fer = linear->weight;
    bool fits = ial.weight != NULL && ial.bias != NULL && tensor_has_shape(ial.weight, 2, fer->shape) &&
                tensor_has_shape(ial.bias, 1, fer->shape);
    if (fits) return copy_rows(loading, &ial, loading->model->ial, rows);
    model_copy_classifier_to_ial(loading->model);
    import_note(loading->report, "f_IAL: a copy of f_FER, as the file has none");
    return STATUS_OK;
}

static bool is_identity(const size_t *rows, size_t count, size_t outputs)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i] != i) return false;
    return count == outputs;
}

/* The model's classes by name out of the file's. A class that the file does not have leaves the classifier fresh:
 * part of its rows trained and part random would favour the trained ones. */
static status load_by_name(struct loading *loading, const struct import_linear *linear,
                           const struct source_classes *classes)
{
    const struct import_options *options = loading->options;
    size_t outputs = linear->weight->shape[0], count = options->class_count;
    size_t *rows = memory_allocate(count, sizeof *rows, "the classes", loading->err);
    if (rows == NULL) return STATUS_FAILED;
    const char *absent = classes_match(rows, options->classes, count, classes->names, classes->count);
    status result = STATUS_OK;
    if (absent != NULL) {
        import_note(loading->report, "classifier: fresh, as the file's %zu outputs (%s) have no '%s'", outputs,
                    classes->origin, absent);
    } else {
        bool identity = is_identity(rows, count, outputs);
        loading->report->classifier = identity ? IMPORT_CLASSIFIER_COPIED : IMPORT_CLASSIFIER_PERMUTED;
        import_note(loading->report, "classifier: %s; the file's class order: %s",
                    identity ? "rows in the file's order" : "rows reordered by class name", classes->origin);
        result = copy_classifiers(loading, linear, rows);
    }
    memory_free(rows);
    return result;
}

static status choose_rows(struct loading *loading, const struct import_linear *linear,
                          const struct source_classes *classes)
{
    size_t outputs = linear->weight->shape[0], wanted = (size_t)loading->model->classes;
    if (classes->names != NULL && loading->options->class_count > 0) return load_by_name(loading, linear, classes);
    if (outputs != wanted) {
        import_note(loading->report, "classifier: fresh, as the file's has %zu outputs and the model %zu", outputs,
                    wanted);
        return STATUS_OK;
    }
    if (loading->options->class_count > 0) {
        import_note(loading->report, "classifier: fresh, as nobody says in which order the file's %zu classes stand",
                    outputs);
        return STATUS_OK;
    }
    loading->report->classifier = IMPORT_CLASSIFIER_COPIED;
    import_note(loading->report, "classifier: %zu outputs in the file's order", outputs);
    return copy_classifiers(loading, linear, NULL);
}

status import_load_classifier(struct loading *loading)
{
    struct import_linear linear;
    loading->report->classifier = IMPORT_CLASSIFIER_FRESH;
    if (!import_source_classifier(loading->source, (size_t)loading->model->architecture.features, &linear)) {
        import_note(loading->report, "classifier: fresh, as the file has none");
    } else if (linear.weight->shape[0] > IMPORT_MOST_OUTPUTS) {
        return error_set(loading->err, "%s: a classifier of %zu outputs", loading->source->paths[0],
                         linear.weight->shape[0]);
    } else {
        struct source_classes classes;
        loading->report->source_outputs = (int)linear.weight->shape[0];
        import_mark_used(loading, linear.weight); /* understood, whatever becomes of it */
        import_mark_used(loading, linear.bias);
        status result = import_source_classes(loading, &linear, &classes);
        if (result == STATUS_OK) result = choose_rows(loading, &linear, &classes);
        source_classes_free(&classes);
        if (result != STATUS_OK) return result;
    }
    if (loading->report->classifier == IMPORT_CLASSIFIER_FRESH && loading->model->has_heads)
        model_copy_classifier_to_ial(loading->model);
    return STATUS_OK;
}
