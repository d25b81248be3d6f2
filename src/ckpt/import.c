/* Foreign tensors into a model: the network is recognised, every name mapped, every shape checked, and what was left
 * over or missing is told. */
#include "rmfer/ckpt/import.h"

#include "ckpt/checkpoint_metadata.h"
#include "ckpt/import_classes.h"
#include "ckpt/import_loading.h"
#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { NAMED_IN_MESSAGES = 3 };

void import_report_free(struct import_report *report)
{
    for (size_t i = 0; i < report->class_count; i++) memory_free(report->class_names[i]);
    memory_free(report->class_names);
    text_free(&report->notes);
    *report = (struct import_report){0};
}

/* ---- tensors into the model ---- */

/* Equal shapes; sides of 1 at the end may be there or not (a squeeze as a linear layer or as a 1x1 convolution). */
static bool shape_fits(const struct tensor *tensor, const struct parameter *entry)
{
    int given = tensor->rank, wanted = entry->rank;
    while (given > 0 && tensor->shape[given - 1] == 1) given--;
    while (wanted > 0 && entry->shape[wanted - 1] == 1) wanted--;
    if (given != wanted) return false;
    for (int i = 0; i < given; i++)
        if (tensor->shape[i] != entry->shape[i]) return false;
    return true;
}

static void load_entry(struct loading *loading, const struct parameter *entry, const struct tensor *tensor)
{
    tensor_read_floats(tensor, parameter_write(&loading->model->parameters, entry));
    import_mark_used(loading, tensor);
}

/* Adds what is wrong with an entry to a list for one message. */
static status list_misfit(struct text *list, size_t already, const struct parameter *entry, const struct tensor *tensor,
                          struct error *err)
{
    char given[TENSOR_SHAPE_TEXT], wanted[TENSOR_SHAPE_TEXT];
    const char *separator = already == 0 ? "" : ", ";
    if (already >= NAMED_IN_MESSAGES) return STATUS_OK;
    if (tensor == NULL) return text_append_format(list, err, "%s'%s' is missing", separator, entry->name);
    return text_append_format(list, err, "%s'%s' is %s instead of %s", separator, entry->name,
                              tensor_shape_text(given, sizeof given, tensor->rank, tensor->shape),
                              tensor_shape_text(wanted, sizeof wanted, entry->rank, entry->shape));
}

/* Nothing is loaded unless the whole backbone fits. */
static status check_backbone(struct loading *loading)
{
    const struct model *model = loading->model;
    struct text list = {0};
    struct layers layers;
    size_t misfits = 0;
    status result = STATUS_OK;
    layers_describe(&layers, &model->architecture, model->architecture.image_size);
    for (size_t i = 0; result == STATUS_OK && i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        if (entry->group != GROUP_BACKBONE) continue;
        const struct tensor *tensor = import_source_backbone(loading->source, &layers, entry->name);
        if (tensor != NULL && shape_fits(tensor, entry)) continue;
        result = list_misfit(&list, misfits++, entry, tensor, loading->err);
    }
    if (result == STATUS_OK && misfits > 0)
        result = error_set(loading->err, "%s: does not fit %s: %s (%zu tensors in all)",
                           loading->source->paths[loading->source->backbone], model->architecture.name,
                           text_string(&list), misfits);
    text_free(&list);
    return result;
}

static status load_backbone(struct loading *loading)
{
    const struct model *model = loading->model;
    struct layers layers;
    status result = check_backbone(loading);
    if (result != STATUS_OK) return result;
    layers_describe(&layers, &model->architecture, model->architecture.image_size);
    for (size_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        if (entry->group != GROUP_BACKBONE) continue;
        load_entry(loading, entry, import_source_backbone(loading->source, &layers, entry->name));
    }
    return STATUS_OK;
}

/* ---- the heads ---- */

/* H, all four tensors or none. */
static void load_projection(struct loading *loading)
{
    const struct model *model = loading->model;
    if (!model->has_heads) return;
    const size_t indices[] = {model->projection_first.weight, model->projection_first.bias,
                              model->projection_second.weight, model->projection_second.bias};
    const struct tensor *tensors[4];
    for (size_t i = 0; i < 4; i++) {
        const struct parameter *entry = &model->parameters.items[indices[i]];
        tensors[i] = import_source_find(loading->source, entry->name);
        if (tensors[i] != NULL && tensor_has_shape(tensors[i], entry->rank, entry->shape)) continue;
        import_note(loading->report, "projection head H: fresh, as the file has none%s",
                    tensors[i] == NULL ? "" : " of its shape");
        loading->report->missing += 4;
        return;
    }
    for (size_t i = 0; i < 4; i++) load_entry(loading, &model->parameters.items[indices[i]], tensors[i]);
}

/* Weight and bias of the head for affect, both or none. */
static void load_affect(struct loading *loading)
{
    const struct model *model = loading->model;
    if (!model->has_affect) return;
    const struct parameter *weight = &model->parameters.items[model->affect.weight];
    const struct parameter *bias = &model->parameters.items[model->affect.bias];
    const struct tensor *from[] = {import_source_find(loading->source, weight->name),
                                   import_source_find(loading->source, bias->name)};
    if (from[0] != NULL && from[1] != NULL && tensor_has_shape(from[0], weight->rank, weight->shape) &&
        tensor_has_shape(from[1], bias->rank, bias->shape)) {
        load_entry(loading, weight, from[0]);
        load_entry(loading, bias, from[1]);
        return;
    }
    import_note(loading->report, "head for valence and arousal: fresh, as the file has none%s",
                from[0] == NULL || from[1] == NULL ? "" : " of its shape");
    loading->report->missing += 2;
}

/* What was learned beside the classifier and would be lost, is said. */
static void note_affect_left_behind(struct loading *loading)
{
    if (!loading->model->has_affect && import_source_find(loading->source, "va.weight") != NULL)
        import_note(loading->report, "head for valence and arousal: left behind (va.weight > 0 takes and trains it)");
}

/* ---- the report ---- */

/* Known, and of no use to a model: counters, optimizer state, averaged copies, what stands outside the network's
 * prefix, the heads of training in a model without them, a classifier beside the one that was taken; whatever else
 * rmfer's own checkpoints have. */
static bool is_passed_over(const struct loading *loading, const struct tensor *tensor)
{
    static const char *const prefixes[] = {
        "optimizer", CHECKPOINT_AVERAGE, CHECKPOINT_METHOD, CHECKPOINT_TRAINER, "ial.", "va."};
    static const char another[] = "classifier.";
    const struct import_source *source = loading->source;
    const char *prefix = source->match.prefix, *name = tensor->name;
    if (import_source_metadata(source, import_source_file(source, tensor), METADATA_FORMAT) != NULL) return true;
    if (strncmp(name, prefix, strlen(prefix)) != 0) return true;
    if (text_ends_with_ignoring_case(name, "num_batches_tracked")) return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name + strlen(prefix), prefixes[i], strlen(prefixes[i])) == 0) return true;
    return loading->classifier.weight != NULL && strncmp(name + strlen(prefix), another, sizeof another - 1) == 0;
}

static void count_tensors(struct loading *loading)
{
    struct import_report *report = loading->report;
    const struct import_source *source = loading->source;
    char names[256] = "";
    for (size_t i = 0; i < source->count; i++) {
        char name[64];
        if (loading->used[i]) {
            report->mapped++;
        } else if (is_passed_over(loading, &source->tensors[i])) {
            report->passed_over++;
        } else {
            size_t length = strlen(names);
            if (report->unexpected++ < NAMED_IN_MESSAGES)
                snprintf(names + length, sizeof names - length, "%s'%s'", length == 0 ? "" : ", ",
                         tensor_name_text(name, sizeof name, source->tensors[i].name));
        }
    }
    if (report->unexpected > 0)
        import_note(report, "not understood: %s%s (%zu in all)", names,
                    report->unexpected > NAMED_IN_MESSAGES ? " ..." : "", report->unexpected);
}

static void note_file(const struct loading *loading)
{
    const struct import_source *source = loading->source;
    const char *path = source->paths[source->backbone];
    const char *format = weights_format_name(source->sets[source->backbone].format);
    if (source->onnx != NULL) {
        import_note(loading->report, "%s: %s, %zu initializers, the graph's convolutions in their order", path, format,
                    source->found);
    } else {
        const char *prefix = source->match.prefix;
        const struct tensor *stem = naming_stem(&source->match, source->tensors, source->count);
        import_note(loading->report, "%s: %s%s, %zu tensors, %s%s%s%s", path, format,
                    stem != NULL && stem->in_module ? ", a whole module" : "", source->found,
                    naming_title(source->match.naming), prefix[0] == '\0' ? "" : " behind '", prefix,
                    prefix[0] == '\0' ? "" : "'");
        if (strcmp(prefix, CHECKPOINT_AVERAGE) == 0 &&
            import_source_metadata(source, source->backbone, METADATA_FORMAT) != NULL)
            import_note(loading->report, "weights: their moving average, which evaluation takes too (--prefix '' takes "
                                         "the weights that training went on with)");
        else if (source->candidates > 1)
            import_note(loading->report,
                        "%zu sets of weights are there, behind %s; this one was taken (--prefix chooses "
                        "another)",
                        source->candidates, source->prefixes);
    }
}

/* Tensors that stand in more than one of the files. */
static void note_equal_names(const struct import_source *source, struct import_report *report)
{
    size_t more = source->onnx == NULL ? source->found - source->count : 0;
    if (more > 0)
        import_note(report,
                    "%zu tensors stand in more than one file: those of a file without a backbone were taken, else the "
                    "first file's",
                    more);
}

static const char *padding_title(bool same)
{
    return same ? "SAME padding, batch-norm eps 1e-3" : "symmetric padding, batch-norm eps 1e-5";
}

static void note_flavour(const struct loading *loading, bool decided, const char *reason)
{
    const struct architecture *architecture = &loading->model->architecture;
    if (!decided) {
        import_note(loading->report, "network: %s (%s): %s", architecture->name,
                    padding_title(architecture->same_padding), reason);
        return;
    }
    int same = import_source_padding(loading->source, &reason);
    import_note(loading->report, "network: %s (%s), as asked for", architecture->name,
                padding_title(architecture->same_padding));
    if (same >= 0 && (same == 1) != architecture->same_padding)
        import_note(loading->report, "warning: the file's network has %s: %s", padding_title(same == 1), reason);
}

/* ---- all of it ---- */

/* The file that an entry of the model was loaded from. */
static const char *path_of_entry(const struct loading *loading, const struct parameter *entry)
{
    const struct import_source *source = loading->source;
    const struct parameter *items = loading->model->parameters.items;
    const struct linear_indices fer = loading->model->fer;
    bool is_classifier = entry == &items[fer.weight] || entry == &items[fer.bias];
    const struct tensor *tensor = is_classifier ? loading->classifier.weight : import_source_find(source, entry->name);
    bool is_elsewhere = entry->group != GROUP_BACKBONE && tensor != NULL;
    return source->paths[is_elsewhere ? import_source_file(source, tensor) : source->backbone];
}

/* What trained to NaN, or was damaged, would predict or train on in silence. */
static status check_values(struct loading *loading)
{
    const char *why;
    const struct parameter *entry = parameters_find_unusable(&loading->model->parameters, &why);
    if (entry == NULL) return STATUS_OK;
    return error_set(loading->err, "%s: %s holds %s", path_of_entry(loading, entry), entry->name, why);
}

/* What a file that was of no use has to offer: its first matrix, else its first tensor. */
static status refuse_file(const struct loading *loading, size_t file)
{
    const struct import_source *source = loading->source;
    const struct weight_set *set = &source->sets[file];
    char name[TENSOR_NAME_TEXT], shape[TENSOR_SHAPE_TEXT];
    if (set->count == 0) return error_set(loading->err, "%s: no tensors in it", source->paths[file]);
    if (source->has_backbone[file])
        return error_set(loading->err, "%s: nothing in it was used: the backbone was taken from %s",
                         source->paths[file], source->paths[source->backbone]);
    size_t shown = 0;
    while (shown < set->count && set->tensors[shown].rank != 2) shown++;
    const struct tensor *tensor = &set->tensors[shown < set->count ? shown : 0];
    return error_set(loading->err, "%s: nothing in it was used: '%s' is %s, the network has %d features%s%s",
                     source->paths[file], tensor_name_text(name, sizeof name, tensor->name),
                     tensor_shape_text(shape, sizeof shape, tensor->rank, tensor->shape),
                     loading->model->architecture.features, loading->why_none[0] == '\0' ? "" : "; ",
                     loading->why_none);
}

/* Whoever gives a file wants something of it. */
static status check_files_used(const struct loading *loading)
{
    const struct import_source *source = loading->source;
    bool is_used[MOST_SOURCES] = {false};
    for (size_t i = 0; i < source->count; i++)
        if (loading->used[i]) is_used[import_source_file(source, &source->tensors[i])] = true;
    for (size_t i = 0; i < source->set_count; i++)
        if (!is_used[i]) return refuse_file(loading, i);
    return STATUS_OK;
}

static status load_model(struct loading *loading)
{
    struct import_report *report = loading->report;
    const struct import_source *source = loading->source;
    snprintf(report->architecture, sizeof report->architecture, "%s", loading->model->architecture.name);
    report->found = source->found;
    report->folded = source->folded;
    if (source->folded) {
        if (loading->options->for_training)
            return error_set(loading->err,
                             "%s: batch-norm is folded into the convolutions, which is for evaluation only; training "
                             "needs the weights before export",
                             source->paths[source->backbone]);
        import_note(report, "batch-norm is folded into the convolutions: for evaluation only, not for training");
    }
    loading->used = memory_allocate(source->count, sizeof *loading->used, "a list of tensors", loading->err);
    if (loading->used == NULL) return STATUS_FAILED;
    status result = load_backbone(loading);
    if (result == STATUS_OK) result = import_load_classifier(loading);
    if (result == STATUS_OK) {
        if (report->classifier == IMPORT_CLASSIFIER_FRESH) report->missing += 2;
        load_projection(loading);
        load_affect(loading);
        note_affect_left_behind(loading);
        count_tensors(loading);
        result = check_files_used(loading);
        if (result == STATUS_OK) result = check_values(loading);
    }
    memory_free(loading->used);
    return result;
}

static status copy_class_names(struct import_report *report, const char *const *names, size_t count, struct error *err)
{
    report->class_names = memory_allocate(count, sizeof *report->class_names, "the class names", err);
    if (report->class_names == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < count; i++) {
        char made[32];
        snprintf(made, sizeof made, "class_%zu", i);
        report->class_names[i] = memory_copy_string(names == NULL ? made : names[i], err);
        if (report->class_names[i] == NULL) return STATUS_FAILED;
        report->class_count++;
    }
    return STATUS_OK;
}

/* Two outputs of one name would get the same row. */
static status check_distinct(const char *key, const char *const *names, size_t count, struct error *err)
{
    const char *twice = classes_find_twice(names, count);
    if (twice == NULL) return STATUS_OK;
    return error_set_usage(err, "%s: '%s' means the same as a name before it", key, twice);
}

status import_into_model(struct model *model, const char *path, const struct import_options *options,
                         struct import_report *report, struct error *err)
{
    BUG_UNLESS(options->class_count == 0 || options->class_count == (size_t)model->classes);
    *report = (struct import_report){0};
    struct import_source source;
    struct loading loading = {.model = model, .source = &source, .options = options, .report = report, .err = err};
    status result = import_source_open(&source, &path, 1, options->prefix, err);
    if (result == STATUS_OK)
        result = check_distinct("model.init_classes", options->source_classes, options->source_class_count, err);
    if (result == STATUS_OK) result = import_source_check_size(&source, &model->architecture, err);
    if (result == STATUS_OK) result = import_source_read_graph(&source, &model->architecture, err);
    if (result == STATUS_OK) {
        note_file(&loading);
        note_flavour(&loading, true, NULL);
        result = import_read_classifier(&loading, (size_t)model->architecture.features);
    }
    if (result == STATUS_OK) result = load_model(&loading);
    if (result == STATUS_OK) result = copy_class_names(report, options->classes, (size_t)model->classes, err);
    source_classes_free(&loading.classes);
    import_source_free(&source);
    return result;
}

/* ---- rmfer import ---- */

/* As many names were given as the file has outputs: they are the outputs' names in their order. A file that has such
 * names itself is believed: the same ones in another order ask for that order, others replace them, which is told. */
static status take_given_names(struct loading *loading)
{
    const struct import_options *options = loading->options;
    struct source_classes *classes = &loading->classes;
    size_t count = options->class_count;
    if (classes->list != NULL && classes->names != NULL) {
        size_t *rows = memory_allocate(count, sizeof *rows, "the classes", loading->err);
        if (rows == NULL) return STATUS_FAILED;
        const char *absent = classes_match(rows, options->classes, count, classes->names, count);
        memory_free(rows);
        if (absent == NULL) return STATUS_OK;
        import_note(loading->report, "warning: the file itself has other names for its outputs, without '%s'", absent);
    }
    classes->names = options->classes;
    classes->count = count;
    classes->origin = "as given";
    return STATUS_OK;
}

/* What the new model's outputs are called: as given, as the file says, or as is known of such files; *count is their
 * number. `options` becomes what load_model needs: the model's classes, none when nobody knows. With names for another
 * number of outputs than the file's, the classifier will be fresh. */
static status plan_classes(struct loading *loading, struct import_options *options, size_t *count)
{
    const struct tensor *weight = loading->classifier.weight;
    size_t outputs = weight == NULL ? 0 : weight->shape[0];
    *count = options->class_count;
    if (options->class_count > 0) return options->class_count == outputs ? take_given_names(loading) : STATUS_OK;
    if (weight == NULL)
        return error_set_usage(loading->err, "%s: no classifier, as %s; --classes names the outputs of a fresh one",
                               loading->source->paths[loading->source->backbone], loading->why_none);
    *count = outputs;
    options->classes = loading->classes.names;
    options->class_count = loading->classes.count;
    return STATUS_OK;
}

static bool source_has_heads(const struct import_source *source)
{
    return import_source_find(source, "ial.classifier.weight") != NULL &&
           import_source_find(source, "ial.projection.0.weight") != NULL;
}

static bool source_has_affect(const struct import_source *source)
{
    return import_source_find(source, "va.weight") != NULL && import_source_find(source, "va.bias") != NULL;
}

/* What the classifier's file says of it. */
static void fill_classifier_info(struct checkpoint_info *info, const struct loading *loading)
{
    const struct import_source *source = loading->source;
    const struct import_report *report = loading->report;
    info->untrained = report->classifier == IMPORT_CLASSIFIER_FRESH;
    if (info->untrained) return;
    size_t file = import_source_file(source, loading->classifier.weight);
    const char *earlier = import_source_metadata(source, file, METADATA_CLASSIFIER);
    info->untrained = earlier != NULL && strcmp(earlier, "fresh") == 0;
    /* A temperature is for these outputs in any order, not for some of them or for others, nor for other features. */
    bool same_outputs = !info->untrained && file == source->backbone &&
                        (size_t)report->source_outputs == report->class_count;
    const char *said = same_outputs ? import_source_metadata(source, file, METADATA_TEMPERATURE) : NULL;
    if (said != NULL && !checkpoint_parse_temperature(said, &info->temperature)) info->temperature = 0;
}

static const char *backbone_says(const struct import_source *source, const char *key)
{
    return import_source_metadata(source, source->backbone, key);
}

/* What a foreign graph says of the pictures it takes. */
static void fill_graph_info(struct checkpoint_info *info, const struct loading *loading)
{
    const struct onnx_facts *facts = &loading->source->onnx_facts;
    if (facts->side >= SMALLEST_IMAGE && facts->side <= LARGEST_IMAGE && facts->side != info->image_size) {
        info->image_size = (int)facts->side;
        import_note(loading->report, "input: %d x %d, as the graph's (--image-size says otherwise)", info->image_size,
                    info->image_size);
    }
    if (facts->prepares && backbone_says(loading->source, METADATA_MEAN) == NULL)
        import_note(loading->report, "warning: the graph computes something of its pictures before the network, which "
                                     "is not read: --mean and --std must say it");
}

static void fill_normalisation(struct checkpoint_info *info, const struct loading *loading)
{
    const char *mean = backbone_says(loading->source, METADATA_MEAN),
               *std = backbone_says(loading->source, METADATA_STD);
    double triple[3];
    bool mean_is_good = mean != NULL && checkpoint_parse_mean(mean, triple);
    if (mean_is_good) memcpy(info->mean, triple, sizeof triple);
    bool std_is_good = std != NULL && checkpoint_parse_std(std, triple);
    if (std_is_good) memcpy(info->std, triple, sizeof triple);
    if ((mean != NULL && !mean_is_good) || (std != NULL && !std_is_good))
        import_note(loading->report,
                    "warning: the file's own normalisation is none that a network can have, and is left "
                    "out: --mean and --std must say it");
}

static void fill_info(struct checkpoint_info *info, const struct loading *loading)
{
    const struct import_source *source = loading->source;
    const struct import_report *report = loading->report;
    *info = checkpoint_info_defaults(&loading->model->architecture);
    info->arch = report->architecture;
    info->classes = (const char *const *)report->class_names;
    info->class_count = report->class_count;
    info->folded = report->folded;
    fill_classifier_info(info, loading);
    if (source->onnx != NULL) fill_graph_info(info, loading);
    int64_t image_size;
    const char *said = backbone_says(source, METADATA_IMAGE_SIZE);
    if (said != NULL && text_to_integer(said, &image_size) && image_size >= SMALLEST_IMAGE &&
        image_size <= LARGEST_IMAGE)
        info->image_size = (int)image_size;
    fill_normalisation(info, loading);
    said = backbone_says(source, METADATA_RESIZE);
    if (said != NULL && strcmp(said, "bicubic") == 0) info->resize = "bicubic";
}

/* Fills a new model and tells what is known of it. */
static status load_created(struct loading *loading, size_t class_count, struct checkpoint_info *info)
{
    const char *const *classes = loading->options->classes;
    model_initialise(loading->model, 0);
    status result = load_model(loading);
    if (result == STATUS_OK) result = copy_class_names(loading->report, classes, class_count, loading->err);
    if (result != STATUS_OK) return result;
    fill_info(info, loading);
    if (classes == NULL) import_note(loading->report, "the outputs' names are not known: --classes names them");
    return STATUS_OK;
}

/* With the source open: decides the network and its classes, creates the model and loads it. */
static status create_model(struct loading *loading, struct checkpoint_info *info)
{
    struct architecture architecture;
    struct import_options options = *loading->options;
    const char *reason = "";
    size_t count = 0;
    struct error *err = loading->err;
    loading->options = &options;
    status result = check_distinct("--classes", options.classes, options.class_count, err);
    if (result == STATUS_OK)
        result = options.architecture != NULL
                     ? architecture_find(&architecture, options.architecture, err)
                     : import_source_architecture(loading->source, &architecture, &reason, err);
    if (result == STATUS_OK) result = import_source_check_size(loading->source, &architecture, err);
    if (result == STATUS_OK) result = import_source_read_graph(loading->source, &architecture, err);
    if (result == STATUS_OK) {
        note_file(loading);
        note_equal_names(loading->source, loading->report);
        result = import_read_classifier(loading, (size_t)architecture.features);
    }
    if (result == STATUS_OK) result = plan_classes(loading, &options, &count);
    const struct model_heads heads = {.attention = source_has_heads(loading->source),
                                      .affect = source_has_affect(loading->source),
                                      .without_gradients = true};
    if (result == STATUS_OK) result = model_create_with(loading->model, &architecture, (int)count, &heads, err);
    if (result == STATUS_OK) {
        note_flavour(loading, options.architecture != NULL, reason);
        result = load_created(loading, count, info);
        if (result != STATUS_OK) model_free(loading->model);
    }
    source_classes_free(&loading->classes);
    return result;
}

status import_create_model(struct model *model, const char *const *paths, size_t path_count,
                           const struct import_options *options, struct import_report *report,
                           struct checkpoint_info *info, struct error *err)
{
    *report = (struct import_report){0};
    *model = (struct model){0};
    struct import_source source;
    struct loading loading = {.model = model, .source = &source, .options = options, .report = report, .err = err};
    status result = import_source_open(&source, paths, path_count, options->prefix, err);
    if (result == STATUS_OK) result = create_model(&loading, info);
    import_source_free(&source);
    return result;
}
