/* The classifier of an import: rows go where their class names are, or stay fresh. No order is guessed at. */
#include "ckpt/import_loading.h"

#include "ckpt/checkpoint_metadata.h"
#include "ckpt/import_classes.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/expressions.h"

#include <string.h>

/* ---- class names ---- */

void source_classes_free(struct source_classes *classes)
{
    memory_free(classes->text);
    memory_free(classes->list);
}

/* The file that the classifier is of. */
static size_t classifier_file(const struct loading *loading)
{
    return import_source_file(loading->source, loading->classifier.weight);
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

/* What was given for another file: a preset's names with a file that says its own, or has other outputs. */
static void note_other_names(const struct loading *loading, size_t outputs)
{
    const struct import_options *options = loading->options;
    const struct source_classes *classes = &loading->classes;
    if (options->source_class_count == 0) return;
    if (options->source_class_count != outputs)
        import_note(loading->report, "model.init_classes names %zu outputs, the file has %zu: passed over",
                    options->source_class_count, outputs);
    for (size_t i = 0; options->source_class_count == outputs && i < classes->count; i++) {
        if (classes_are_same(options->source_classes[i], classes->names[i])) continue;
        import_note(loading->report,
                    "warning: model.init_classes is passed over: it calls output %zu %s, the file itself %s", i,
                    options->source_classes[i], classes->names[i]);
        return;
    }
}

/* HSEmotion publishes whole modules of timm's; nothing else with 7 or 8 outputs is guessed at. */
static void classes_of_module(struct loading *loading, size_t outputs)
{
    enum naming naming = loading->source->match.naming;
    bool is_timm = naming == NAMING_TIMM || naming == NAMING_SEQUENTIAL || naming == NAMING_SEQUENTIAL_WITH_ACTIVATIONS;
    if (!loading->classifier.weight->in_module || !is_timm) return;
    if (classes_of_hsemotion(outputs) != NULL)
        loading->classes = (struct source_classes){classes_of_hsemotion(outputs), outputs,
                                                   "alphabetical, as in HSEmotion's modules", NULL, NULL};
    if (outputs == HSEMOTION_WITH_AFFECT)
        import_note(loading->report,
                    "%d outputs: in HSEmotion's modules the first 8 are the expressions in alphabetical "
                    "order, the last two valence and arousal",
                    HSEMOTION_WITH_AFFECT);
}

static status read_classes(struct loading *loading)
{
    const struct import_options *options = loading->options;
    const size_t outputs = loading->classifier.weight->shape[0];
    const char *said = import_source_metadata(loading->source, classifier_file(loading), METADATA_CLASSES);
    if (said != NULL) {
        status result = classes_of_metadata(&loading->classes, said, outputs, loading->err);
        if (result != STATUS_OK)
            return error_add_context(loading->err, "%s", loading->source->paths[classifier_file(loading)]);
    }
    note_other_names(loading, outputs);
    if (loading->classes.names != NULL) return STATUS_OK;
    if (options->source_class_count == outputs)
        loading->classes.names = options->source_classes, loading->classes.origin = "as given";
    else if (said == NULL)
        classes_of_module(loading, outputs);
    loading->classes.count = loading->classes.names == NULL ? 0 : outputs;
    return STATUS_OK;
}

status import_read_classifier(struct loading *loading, size_t features)
{
    import_find_classifier(loading->source, features, &loading->classifier, loading->why_none);
    const struct tensor *weight = loading->classifier.weight;
    if (weight == NULL) return STATUS_OK;
    loading->report->source_outputs = (int)weight->shape[0];
    if (weight->shape[0] > IMPORT_MOST_OUTPUTS)
        return error_set(loading->err, "%s: a classifier of %zu outputs",
                         loading->source->paths[classifier_file(loading)], weight->shape[0]);
    return read_classes(loading);
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
        if (from->bias != NULL) tensor_read_floats(from->bias, bias); /* zeros otherwise, as allocated */
        for (size_t i = 0; i < all->items[to.bias].count; i++) {
            size_t row = rows == NULL ? i : rows[i];
            memcpy(to_weight + i * features, weight + row * features, features * sizeof *weight);
            to_bias[i] = bias[row];
        }
        import_mark_used(loading, from->weight);
        if (from->bias != NULL) import_mark_used(loading, from->bias);
    }
    memory_free(weight);
    memory_free(bias);
    return weight != NULL && bias != NULL ? STATUS_OK : STATUS_FAILED;
}

/* Loads f_FER, and f_IAL where the file has it, by the same rows. */
static status copy_classifiers(struct loading *loading, const size_t *rows)
{
    if (loading->classifier.bias == NULL) import_note(loading->report, "classifier: it has no bias: zeros");
    status result = copy_rows(loading, &loading->classifier, loading->model->fer, rows);
    if (result != STATUS_OK || !loading->model->has_heads) return result;
    struct import_linear ial = {import_source_find(loading->source, "ial.classifier.weight"),
                                import_source_find(loading->source, "ial.classifier.bias")};
    const struct tensor *fer = loading->classifier.weight;
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
static status load_by_name(struct loading *loading)
{
    const struct import_options *options = loading->options;
    const struct source_classes *classes = &loading->classes;
    size_t outputs = classes->count, count = options->class_count;
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
        result = copy_classifiers(loading, rows);
    }
    memory_free(rows);
    return result;
}

static status choose_rows(struct loading *loading)
{
    size_t outputs = loading->classifier.weight->shape[0], wanted = (size_t)loading->model->classes;
    if (loading->classes.names != NULL && loading->options->class_count > 0) return load_by_name(loading);
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
    return copy_classifiers(loading, NULL);
}

status import_load_classifier(struct loading *loading)
{
    const struct import_linear *classifier = &loading->classifier;
    loading->report->classifier = IMPORT_CLASSIFIER_FRESH;
    if (classifier->weight == NULL) {
        import_note(loading->report, "classifier: fresh, as %s", loading->why_none);
    } else {
        import_mark_used(loading, classifier->weight); /* understood, whatever becomes of it */
        if (classifier->bias != NULL) import_mark_used(loading, classifier->bias);
        status result = choose_rows(loading);
        if (result != STATUS_OK) return result;
    }
    if (loading->report->classifier == IMPORT_CLASSIFIER_FRESH && loading->model->has_heads)
        model_copy_classifier_to_ial(loading->model);
    return STATUS_OK;
}
