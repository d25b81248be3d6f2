/* FERPlus: the pair fer2013.csv (pixels) and fer2013new.csv (votes), whose rows belong together by their number, or
 * the folders FER2013Train, FER2013Valid and FER2013Test with a label.csv each. */
#include "data/dataset_reader.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/csv.h"
#include "rmfer/data/votes.h"

#include <stdio.h>
#include <string.h>

enum { PIXELS = PIXEL_SIDE * PIXEL_SIDE, MOST_VOTES = 1000, MOST_OUTPUTS = 64 };

/* The last ten fields from `first` on. */
static status parse_votes(const struct csv_reader *csv, size_t first, int votes[VOTE_COLUMNS], struct error *err)
{
    if (csv->field_count < first + VOTE_COLUMNS)
        return error_set(err, "%s:%zu: %zu fields, votes are the %d after the first %zu", csv->name, csv->line,
                         csv->field_count, VOTE_COLUMNS, first);
    for (size_t i = 0; i < VOTE_COLUMNS; i++) {
        const char *field = csv_field(csv, first + i);
        double value;
        if (!text_to_real(field, &value) || value < 0 || value > MOST_VOTES || value != (int)value)
            return error_set(err, "%s:%zu: '%.40s' is not a number of votes", csv->name, csv->line, field);
        votes[i] = (int)value;
    }
    return STATUS_OK;
}

/* The expression with the largest target, the first in the votes' order on ties. */
static enum expression winner_of(const double target[EXPRESSION_COUNT])
{
    enum expression winner = votes_expression(0);
    for (int column = 1; column < EXPRESSION_COUNT; column++)
        if (target[votes_expression(column)] > target[winner]) winner = votes_expression(column);
    return winner;
}

/* Votes to a target over the outputs and the label that won; CLASS_DROPPED when the row is left out for *reason. A
 * row that an expression without an output has won is none of the classes'. */
static int label_of_votes(const struct dataset_reader *reader, const int votes[VOTE_COLUMNS], float *target,
                          const char **reason)
{
    double of_expression[EXPRESSION_COUNT], sum = 0;
    *reason = "without enough votes for one expression, or won by unknown or NF";
    if (!votes_target(votes, reader->options->votes, of_expression)) return CLASS_DROPPED;
    *reason = "of a class that data.classes does not name";
    int label = reader->output_of[winner_of(of_expression)];
    if (label < 0) return CLASS_DROPPED;
    memset(target, 0, (size_t)reader->dataset->class_count * sizeof *target);
    for (int i = 0; i < EXPRESSION_COUNT; i++)
        if (reader->output_of[i] >= 0) sum += of_expression[i];
    for (int i = 0; i < EXPRESSION_COUNT; i++)
        if (reader->output_of[i] >= 0) target[reader->output_of[i]] = (float)(of_expression[i] / sum);
    return label;
}

/* Fills the row's label and target; *keep is false (and a note made) when it is left out. */
static status label_row(struct dataset_reader *reader, const int votes[VOTE_COLUMNS], float *target,
                        struct dataset_row *row, bool *keep, struct error *err)
{
    const char *reason;
    row->label = label_of_votes(reader, votes, target, &reason);
    row->target = reader->options->votes == VOTES_PROBABILITY ? target : NULL;
    *keep = row->label >= 0;
    return *keep ? STATUS_OK : reader_leave_out(reader, reason, row->row, row->name, err);
}

/* ---- the pair of lists ------------------------------------------------------------------------------------------- */

/* 2,304 numbers of 0..255 separated by blanks. */
static bool parse_pixels(const char *text, uint8_t pixels[PIXELS])
{
    for (size_t i = 0; i < PIXELS; i++) {
        while (*text == ' ') text++;
        if (*text < '0' || *text > '9') return false;
        int value = 0;
        for (; *text >= '0' && *text <= '9'; text++) {
            value = value * 10 + (*text - '0');
            if (value > 255) return false;
        }
        pixels[i] = (uint8_t)value;
    }
    while (*text == ' ') text++;
    return *text == '\0';
}

struct pair {
    struct csv_reader pixels, votes;
    size_t pixel_column, usage_column; /* of fer2013.csv: emotion,pixels,Usage */
};

static const char *usage_of_part(enum dataset_part part)
{
    return part == PART_TRAIN ? "Training" : part == PART_VALID ? "PublicTest" : "PrivateTest";
}

/* Steps over the header of each list where there is one. */
static status start_pair(struct pair *pair, bool *more, struct error *err)
{
    bool more_votes;
    status result = csv_next(&pair->pixels, more, err);
    if (result == STATUS_OK) result = csv_next(&pair->votes, &more_votes, err);
    if (result != STATUS_OK) return result;
    int pixel_column = csv_find(&pair->pixels, "pixels"), usage_column = csv_find(&pair->pixels, "Usage");
    pair->pixel_column = pixel_column < 0 ? 1 : (size_t)pixel_column;
    pair->usage_column = usage_column < 0 ? 2 : (size_t)usage_column;
    if (*more && pixel_column >= 0) result = csv_next(&pair->pixels, more, err);
    if (result == STATUS_OK && more_votes && csv_find(&pair->votes, "Usage") >= 0)
        result = csv_next(&pair->votes, &more_votes, err);
    if (result == STATUS_OK && *more != more_votes)
        return error_set(err, "%s and %s: one has no rows", pair->pixels.name, pair->votes.name);
    return result;
}

static status add_pair(struct dataset_reader *reader, const struct pair *pair, struct error *err)
{
    const char *usage = csv_field(&pair->votes, 0), *name = csv_field(&pair->votes, 1);
    if (strcmp(usage, csv_field(&pair->pixels, pair->usage_column)) != 0)
        return error_set(err, "%s:%zu and %s:%zu: rows that belong together are of different usage ('%.20s', '%.20s')",
                         pair->pixels.name, pair->pixels.line, path_name(pair->votes.name), pair->votes.line,
                         csv_field(&pair->pixels, pair->usage_column), usage);
    if (strcmp(usage, usage_of_part(reader->part)) != 0) return STATUS_OK;
    char place[64];
    snprintf(place, sizeof place, "%s:%zu", path_name(pair->pixels.name), pair->pixels.line);
    struct dataset_row row = {.folder = reader->options->root, .name = place, .row = pair->votes.line};
    if (name[0] == '\0') return reader_leave_out(reader, "without an image name", row.row, place, err);
    int votes[VOTE_COLUMNS];
    float target[MOST_OUTPUTS];
    bool keep;
    status result = parse_votes(&pair->votes, 2, votes, err);
    if (result == STATUS_OK) result = label_row(reader, votes, target, &row, &keep, err);
    if (result != STATUS_OK || !keep) return result;
    uint8_t pixels[PIXELS];
    if (!parse_pixels(csv_field(&pair->pixels, pair->pixel_column), pixels))
        return error_set(err, "%s:%zu: the pixels are not %d numbers of 0 to 255", pair->pixels.name, pair->pixels.line,
                         PIXELS);
    return reader_add_pixels(reader, &row, pixels, err);
}

static status read_pairs(struct dataset_reader *reader, struct pair *pair, struct error *err)
{
    bool more, more_votes;
    status result = start_pair(pair, &more, err);
    while (result == STATUS_OK && more) {
        result = add_pair(reader, pair, err);
        if (result == STATUS_OK) result = csv_next(&pair->pixels, &more, err);
        if (result == STATUS_OK) result = csv_next(&pair->votes, &more_votes, err);
        if (result == STATUS_OK && more != more_votes)
            result = error_set(err,
                               "%s and %s: the one has more rows than the other, but rows belong together by number",
                               pair->pixels.name, path_name(pair->votes.name));
    }
    return result;
}

static status read_lists(struct dataset_reader *reader, const char *pixels, const char *votes, struct error *err)
{
    struct pair pair = {0};
    status result = reader_begin_list(reader, votes, err);
    if (result == STATUS_OK) result = csv_open(&pair.pixels, pixels, CSV_COMMA, err);
    if (result == STATUS_OK) result = csv_open(&pair.votes, votes, CSV_COMMA, err);
    if (result == STATUS_OK) result = read_pairs(reader, &pair, err);
    csv_close(&pair.pixels);
    csv_close(&pair.votes);
    return result;
}

/* ---- the folders ------------------------------------------------------------------------------------------------- */

/* "(0, 0, 48, 48)": left, top, right, bottom. A box of the whole picture is none. */
static struct image_box parse_box(const struct dataset_reader *reader, const char *text)
{
    double left, top, right, bottom;
    if (sscanf(text, " (%lf , %lf , %lf , %lf )", &left, &top, &right, &bottom) != 4) return (struct image_box){0};
    bool is_whole = left == 0 && top == 0 && right == PIXEL_SIDE && bottom == PIXEL_SIDE;
    return is_whole ? (struct image_box){0} : reader_box(reader, left, top, right - left, bottom - top);
}

/* name, box, ten votes; or without the box. */
static status add_labelled(struct dataset_reader *reader, const struct csv_reader *csv, const char *folder,
                           struct error *err)
{
    bool has_box = csv->field_count >= 2 + VOTE_COLUMNS;
    struct dataset_row row = {.folder = folder, .name = csv_field(csv, 0), .row = csv->line};
    if (row.name[0] == '\0') return reader_leave_out(reader, "without an image name", row.row, "", err);
    int votes[VOTE_COLUMNS];
    float target[MOST_OUTPUTS];
    bool keep;
    status result = parse_votes(csv, has_box ? 2 : 1, votes, err);
    if (result == STATUS_OK) result = label_row(reader, votes, target, &row, &keep, err);
    if (result != STATUS_OK || !keep) return result;
    if (has_box && reader->options->crop == CROP_BOX) row.box = parse_box(reader, csv_field(csv, 1));
    return reader_add(reader, &row, err);
}

static status read_folder(struct dataset_reader *reader, const char *folder, struct error *err)
{
    char *list = path_join(folder, "label.csv", err);
    struct csv_reader csv = {0};
    status result = list == NULL ? STATUS_FAILED : reader_begin_list(reader, list, err);
    if (result == STATUS_OK) result = csv_open(&csv, list, CSV_COMMA, err);
    bool found = false, is_first = true;
    while (result == STATUS_OK && (result = csv_next(&csv, &found, err)) == STATUS_OK && found) {
        bool is_header = is_first && (csv_find(&csv, "neutral") >= 0 || csv_find(&csv, "Image name") >= 0);
        is_first = false;
        if (!is_header) result = add_labelled(reader, &csv, folder, err);
    }
    csv_close(&csv);
    memory_free(list);
    return result;
}

static bool has_lists(const struct dataset_reader *reader, const char *pixels, const char *votes)
{
    if (reader->options->ferplus_layout == FERPLUS_FOLDERS) return false;
    return reader->options->ferplus_layout == FERPLUS_CSV || (file_exists(pixels) && file_exists(votes));
}

static const char
    votes_remark[] = "votes: the folders' label.csv and fer2013new.csv are not the same release, 1,602 rows "
                     "differ; compare results of one layout only";

status ferplus_read(struct dataset_reader *reader, bool *exists, struct error *err)
{
    static const char *const folders[] = {
        [PART_TRAIN] = "FER2013Train", [PART_VALID] = "FER2013Valid", [PART_TEST] = "FER2013Test"};
    if (reader->dataset->class_count > MOST_OUTPUTS)
        return error_set_usage(err, "data.classes: more than %d", MOST_OUTPUTS);
    const char *wanted = reader_wanted(reader), *root = reader->options->root;
    char *folder = reader_path(reader, wanted, folders[reader->part], err);
    char *pixels = path_join(root, "fer2013.csv", err), *votes = path_join(root, "fer2013new.csv", err);
    status result = folder == NULL || pixels == NULL || votes == NULL ? STATUS_FAILED : STATUS_OK;
    bool folder_first = reader->options->ferplus_layout != FERPLUS_CSV && folder != NULL && folder_exists(folder);
    if (result == STATUS_OK && (folder_first || wanted[0] != '\0')) {
        *exists = true;
        reader->dataset->remark = votes_remark;
        if (!reader->only_asks) result = read_folder(reader, folder, err);
    } else if (result == STATUS_OK && has_lists(reader, pixels, votes)) {
        *exists = true;
        reader->dataset->remark = votes_remark;
        if (!reader->only_asks) result = read_lists(reader, pixels, votes, err);
    }
    memory_free(folder);
    memory_free(pixels);
    memory_free(votes);
    return result;
}
