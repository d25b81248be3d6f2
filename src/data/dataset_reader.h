/* What the readers of the different kinds share: where they put rows, and what they leave out. */
#ifndef DATA_DATASET_READER_H
#define DATA_DATASET_READER_H

#include "rmfer/data/dataset.h"
#include "rmfer/data/expressions.h"

#include <stdint.h>

enum dataset_part { PART_TRAIN, PART_VALID, PART_TEST };

/* Answers of reader_class_of_name besides an output. */
enum { CLASS_UNKNOWN = -1, CLASS_DROPPED = -2 };

struct dataset_reader {
    struct dataset *dataset;
    const struct config_data *options;
    enum dataset_part part;
    bool only_asks; /* whether the part exists is all that is asked: *exists is set, rows need not be read */
    int output_of[EXPRESSION_COUNT]; /* CLASS_DROPPED where data.classes leaves the expression out */
    uint32_t list;                   /* the list or folder that rows come from now */
    /* Places by (path, box), open addressing; 0 = free, otherwise sample + 1. */
    size_t *seen;
    size_t seen_capacity;
};

/* One row of a list. */
struct dataset_row {
    const char *folder, *name; /* the picture: folder/name */
    size_t row;                /* line of the list, from 1 */
    int label;                 /* output */
    struct image_box box;      /* width 0 = none */
    const float *target;       /* [class_count] or NULL */
    const float *affect;       /* valence and arousal or NULL */
};

/* Reads the rows of `reader->part` into the data set; *exists is false (and nothing read) when the set has no such
 * part. */
typedef status (*dataset_read)(struct dataset_reader *reader, bool *exists, struct error *err);

status affectnet_read(struct dataset_reader *reader, bool *exists, struct error *err) MUST_CHECK;
status rafdb_read(struct dataset_reader *reader, bool *exists, struct error *err) MUST_CHECK;
status ferplus_read(struct dataset_reader *reader, bool *exists, struct error *err) MUST_CHECK;
status folder_read(struct dataset_reader *reader, bool *exists, struct error *err) MUST_CHECK;
status csv_list_read(struct dataset_reader *reader, bool *exists, struct error *err) MUST_CHECK;

/* Later rows come from `path`. */
status reader_begin_list(struct dataset_reader *reader, const char *path, struct error *err) MUST_CHECK;

/* Adds a sample. A picture that was already listed with the same box is left out with a note. */
status reader_add(struct dataset_reader *reader, const struct dataset_row *row, struct error *err) MUST_CHECK;

/* The same of a file that a folder holds, whatever else people and systems put there: left out with a note where its
 * name is none of a picture or, for `dropped`, where its label is no output. */
status reader_add_entry(struct dataset_reader *reader, const struct dataset_row *row, const char *dropped,
                        struct error *err) MUST_CHECK;

/* A list's box, grown by data.crop_margin; none (width 0) where it has no area. */
struct image_box reader_box(const struct dataset_reader *reader, double x, double y, double width, double height);

/* Adds a sample whose PIXEL_SIDE^2 gray pixels are given. */
status reader_add_pixels(struct dataset_reader *reader, const struct dataset_row *row, const uint8_t *pixels,
                         struct error *err) MUST_CHECK;

/* A list's valence or arousal in `value`, -1 to 1; NaN for -2, with which AffectNet says that there is none. False
 * where it is something else. */
bool reader_affect(double number, float *value);

/* Counts a row that is not a sample, under its reason. */
status reader_leave_out(struct dataset_reader *reader, const char *reason, size_t row, const char *name,
                        struct error *err) MUST_CHECK;

/* The output of a class by name (or another word for it), CLASS_DROPPED for an expression that data.classes does not
 * name, CLASS_UNKNOWN otherwise. */
int reader_class_of_name(const struct dataset_reader *reader, const char *name);

/* The output that a class's number stands for, as data.numbers says (dataset_numbers.c); CLASS_UNKNOWN for what is no
 * number or none of that data set's, CLASS_DROPPED for an expression that data.classes does not name. */
int reader_class_of_number(const struct dataset_reader *reader, enum config_numbers numbers, const char *text);

/* How many places 0-based and 1-based numbers may name: data.classes', whatever the outputs are. */
size_t reader_places(const struct dataset_reader *reader);

/* Which class a folder's name or a list's number became, for the data set's description: nobody should have to trust an
 * order. `label` is an output or CLASS_DROPPED. */
status reader_note_mapping(struct dataset_reader *reader, const char *name, int label, struct error *err) MUST_CHECK;

/* RAF-DB's labels 1 to 7; EXPRESSION_COUNT for other numbers. */
enum expression rafdb_expression(int64_t label);

/* root/name, with `wanted` (data.train and the like, may be "") in place of `name`. The caller frees. */
char *reader_path(const struct dataset_reader *reader, const char *wanted, const char *name, struct error *err);

/* data.train, data.valid or data.test, as the part says; "" when not given. */
const char *reader_wanted(const struct dataset_reader *reader);

/* Which samples a split keeps: keep[i] of all samples is set. See dataset_split.c. */
status split_choose(const struct dataset *dataset, const struct config_data *options, enum dataset_split split,
                    bool valid_is_share, bool *keep, struct error *err) MUST_CHECK;

/* Removes the samples that are not kept. */
void dataset_keep(struct dataset *dataset, const bool *keep);

/* Leaves pictures of kinds that this build does not read out, with a note. Once the split is chosen: which kinds are
 * read must not change it. */
status dataset_leave_out_unread(struct dataset *dataset, struct error *err) MUST_CHECK;

/* Counts labels again. */
void dataset_count_classes(struct dataset *dataset);

#endif
