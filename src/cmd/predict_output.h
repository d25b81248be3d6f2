/* Results of `rmfer predict`: a table, JSON lines or CSV on standard output, pictures with boxes, a file of features.
 */
#ifndef RMFER_CMD_PREDICT_OUTPUT_H
#define RMFER_CMD_PREDICT_OUTPUT_H

#include "rmfer/faces/pipeline.h"

/* A picture with the network's answers. */
struct predict_item {
    struct face_picture *picture; /* of the pipeline */
    float *logits;                /* [face_count, classes] */
    float *features;              /* [face_count, D], or NULL */
    float *affect;                /* [face_count, 2] valence and arousal, NULL where the network has no head for them */
    size_t classified;            /* faces that have their answer */
};

enum output_kind { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV };

struct output_settings {
    enum output_kind kind;
    const char *const *classes; /* borrowed */
    size_t class_count, feature_count;
    size_t top, annotated_top; /* expressions a face: in the table, on pictures */
    bool affect;               /* the network tells valence and arousal */
    bool pose;                 /* the head's, where there are landmarks */
    bool embedding;            /* each face's features in its JSON */
    bool tracks;               /* faces of videos have ids */
    double smooth;             /* seconds of a track that are averaged; 0 = none */
    double temperature;        /* probabilities are softmax(logits / temperature) */
    int name_width;            /* columns of the table's first column */
    const char *annotate;      /* folder, or NULL */
    bool force;                /* its files may take the place of others */
    const char *features;      /* file, or NULL */
    bool writes;               /* false: another process does */
};

struct predict_output;

/* Makes the folder and opens the file of features, where it is this process that writes. */
status predict_output_create(struct predict_output **output, const struct output_settings *settings,
                             struct error *err) MUST_CHECK;

/* What is to be written of one picture: made by the process that read it, written by the one that writes. */
struct predict_record {
    struct face_input input; /* without pixels and bytes */
    size_t face_count;
    const size_t *labels;  /* [face_count], the likeliest class of each */
    const float *features; /* [face_count, feature_count], or NULL */
    const char *lines;     /* for standard output */
    size_t lines_length;
    const uint8_t *picture; /* with --annotate, encoded; or NULL */
    size_t picture_size;
};

/* The record of one picture whose faces are all classified, which points into `output` and `item` until the next one.
 */
status predict_output_render(struct predict_output *output, struct predict_item *item, struct predict_record *record,
                             struct error *err) MUST_CHECK;

/* Writes it; records come in the order of the pictures. A usage error where the picture is the file of features. */
status predict_output_put(struct predict_output *output, const struct predict_record *record,
                          struct error *err) MUST_CHECK;

/* Completes the file of features; an error too when standard output could not be written. */
status predict_output_finish(struct predict_output *output, struct error *err) MUST_CHECK;

void predict_output_free(struct predict_output *output);

struct output_counts {
    size_t files, pictures, faces,
        unreadable;       /* a video is a file of many pictures; unreadable ones count nowhere else */
    const size_t *labels; /* [class_count]: faces whose likeliest class it is; of the output */
};
struct output_counts predict_output_counts(const struct predict_output *output);

/* A face's expressions, the likeliest first. */
struct ranked_class {
    size_t index;
    double probability;
};

/* Pictures with their faces drawn in, below `folder` (src/cmd/predict_annotate.c). */
struct annotation {
    const char *folder;
    const char *const *classes;
    size_t class_count, top;
    bool force;              /* to take the place of files that are there */
    struct used_names *used; /* names given so far, so that two pictures of one name do not meet; written to */
};
struct used_names;
status used_names_create(struct used_names **names, struct error *err) MUST_CHECK;
void used_names_free(struct used_names *names);

/* Draws the faces of an item on its picture and encodes that; `ranked` is [face_count, class_count], `bytes` the
 * caller's. */
status annotation_encode(const struct annotation *annotation, struct predict_item *item,
                         const struct ranked_class *ranked, uint8_t **bytes, size_t *size,
                         struct error *err) MUST_CHECK;

/* Writes an encoded picture under a name that no other has. */
status annotation_write(const struct annotation *annotation, const struct face_input *input, const uint8_t *bytes,
                        size_t size, struct error *err) MUST_CHECK;

/* Rows of float32 in NumPy's format, as they come; the header gets its number of rows at the end. */
struct npy_rows;
status npy_rows_open(struct npy_rows **rows, const char *path, size_t columns, struct error *err) MUST_CHECK;
status npy_rows_append(struct npy_rows *rows, const float *values, size_t count, struct error *err) MUST_CHECK;
status npy_rows_finish(struct npy_rows *rows, struct error *err) MUST_CHECK;
void npy_rows_free(struct npy_rows *rows);

#endif
