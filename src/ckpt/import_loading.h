/* Loading a source into a model: what the parts of an import share. */
#ifndef RMFER_CKPT_IMPORT_LOADING_H
#define RMFER_CKPT_IMPORT_LOADING_H

#include "ckpt/import_linear.h"
#include "rmfer/ckpt/import.h"

enum { IMPORT_MOST_OUTPUTS = 1 << 14 };

/* The names of a classifier's outputs, and who says so. */
struct source_classes {
    const char *const *names; /* NULL when nobody knows */
    size_t count;
    const char *origin;
    char *text; /* owned */
    const char **list;
};

struct loading {
    struct model *model;
    struct import_source *source;
    const struct import_options *options;
    struct import_report *report;
    struct import_linear classifier;    /* of the source */
    char why_none[IMPORT_REASON_BYTES]; /* where it has none */
    struct source_classes classes;      /* the classifier's */
    bool *used;                         /* for each tensor of the source: it is in the model now */
    struct error *err;
};

/* One line of the report. Without memory for it the import goes on: notes are for people. */
PRINTF_LIKE(2, 3) void import_note(struct import_report *report, const char *format, ...);

/* The tensor is in the model, or at least understood. */
void import_mark_used(struct loading *loading, const struct tensor *tensor);

/* Finds the source's classifier and what its outputs are called: as its file says, as given, or as is known of such
 * files. */
status import_read_classifier(struct loading *loading, size_t features) MUST_CHECK;
void source_classes_free(struct source_classes *classes);

/* Loads f_FER and f_IAL out of it, and says in the report what became of them. */
status import_load_classifier(struct loading *loading) MUST_CHECK;

#endif
