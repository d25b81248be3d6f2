/* Foreign weights into a model: which network a file holds, its names mapped to ours, its classes permuted by name.
 *
 * Understood are the key names of timm, torchvision, lukemelas' EfficientNet-PyTorch and nn.Sequential backbones (the
 * RMFER authors' own files), with any prefix in front, and the Conv nodes of an ONNX graph in their order. Our own
 * checkpoints are files with timm's names. */
#ifndef RMFER_CKPT_IMPORT_H
#define RMFER_CKPT_IMPORT_H

#include "rmfer/base/text.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/nn/model.h"

struct import_options {
    const char *architecture; /* NULL: what the file looks like */
    /* Names of the file's outputs in their order, for import_into_model, where the file does not name them itself and
     * has as many (the notes tell); none: what is known of such files. */
    const char *const *source_classes;
    size_t source_class_count;
    /* Names of the model's outputs in their order; none: the source's. */
    const char *const *classes;
    size_t class_count;
    const char *prefix; /* the part of the names in front of the backbone's; NULL: found */
    bool for_training;  /* weights with folded batch-norm are an error */
};

/* What happened to the classifier. */
enum import_classifier {
    IMPORT_CLASSIFIER_COPIED,   /* rows as they are */
    IMPORT_CLASSIFIER_PERMUTED, /* rows chosen by class name */
    IMPORT_CLASSIFIER_FRESH,    /* the model's own initial values stay */
};

struct import_report {
    char architecture[32];
    size_t found;       /* tensors in the file */
    size_t mapped;      /* of them, loaded into the model */
    size_t passed_over; /* of them, known and of no use: optimizer state, counters of batches */
    size_t unexpected;  /* of them, not understood */
    size_t missing;     /* tensors of the model that the file does not have: heads, the classifier */
    enum import_classifier classifier;
    int source_outputs; /* rows of the file's classifier, 0 when it has none */
    bool folded;        /* batch-norm was folded into the convolutions: for evaluation only */
    struct text notes;  /* for people: one line a fact, the flavour and why among them */
    /* Names of the model's outputs in their order; "class_0" ... when nobody knows. */
    char **class_names;
    size_t class_count;
};

void import_report_free(struct import_report *report);

/* Loads the weights of a file (any format of weights.h) into an existing, initialised model of fixed architecture and
 * classes, for `model.init`: what the file lacks keeps its initial value, except that f_IAL becomes a copy of f_FER.
 * Rows of the classifier go where their class names are in options->classes; when a name is not among the source's,
 * or the source's order is not known, the whole classifier stays fresh and the notes say so. An incomplete backbone
 * or another shape is an error that names the first tensors. The report is valid after a failure too; free it. */
status import_into_model(struct model *model, const char *path, const struct import_options *options,
                         struct import_report *report, struct error *err) MUST_CHECK;

/* Creates a model for the files' network (without heads unless they are there) and loads it, for `rmfer import`. More
 * than one path: their tensors together, as backbone and classifier may be files of their own. `info` gets what the
 * files say about image size, mean and std; its strings and classes point into the report or are constants. */
status import_create_model(struct model *model, const char *const *paths, size_t path_count,
                           const struct import_options *options, struct import_report *report,
                           struct checkpoint_info *info, struct error *err) MUST_CHECK;

#endif
