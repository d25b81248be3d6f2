/* An RMset out of a labelled set: each moment of a mashup has one expression, and each of its faces, a different
 * picture of the set, shows it with a given probability. What "the same person at another moment" means is lost: the
 * pictures are of different people. */
#include "synth/synth_internal.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/dataset.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/resize.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* The pictures of one class in a seeded order, dealt out like cards; when all are out they are shuffled again. */
struct deck {
    int64_t *cards; /* samples */
    size_t count, next;
};

struct simulation {
    const struct synth_mashup_options *options;
    struct dataset faces; /* with true labels; only `usable` ones are dealt */
    bool *usable, *dealt; /* [faces.count] */
    size_t usable_count;
    struct deck *decks; /* [faces.class_count] */
    struct random_stream stream;
    int64_t *present; /* [persons], the pictures of the present moment */
    struct synth_mashup_counts counts;
    int64_t agreeing;
};

/* ---- which pictures ---------------------------------------------------------------------------------------------- */

/* Marks the pictures that also stand in `part`: both come from the same lists, read in the same order. Rows tell them
 * apart where one picture stands in several, paths where the pictures of a folder have no rows. */
static void mark_common(struct simulation *work, const struct dataset *part)
{
    size_t at = 0;
    for (size_t i = 0; i < work->faces.count && at < part->count; i++) {
        const struct dataset_sample *a = &work->faces.samples[i], *b = &part->samples[at];
        if (a->list != b->list || a->row != b->row) continue;
        if (strcmp(dataset_path(&work->faces, i), dataset_path(part, at)) != 0) continue;
        work->usable[i] = true;
        at++;
    }
    work->usable_count = at;
}

static status open_faces(struct simulation *work, struct error *err)
{
    const struct config *config = work->options->source;
    struct config_data labelled = config->data;
    bool whole = config->eval.select == SELECT_TEST;
    labelled.labelled = 0; /* everything, with its label */
    status result = dataset_open(&work->faces, &labelled, whole ? SPLIT_TRAIN_WHOLE : SPLIT_TRAIN, err);
    if (result != STATUS_OK) return result;
    size_t count = work->faces.count;
    work->usable = memory_allocate(count, sizeof *work->usable, "the faces", err);
    work->dealt = memory_allocate(count, sizeof *work->dealt, "the faces", err);
    if (work->usable == NULL || work->dealt == NULL) return STATUS_FAILED;
    if (config->data.labelled == 0) {
        memset(work->usable, true, count);
        work->usable_count = count;
        return STATUS_OK;
    }
    struct dataset rest = {0};
    result = dataset_open(&rest, &config->data, whole ? SPLIT_TRAIN_WHOLE_UNLABELLED : SPLIT_UNLABELLED, err);
    if (result == STATUS_OK) mark_common(work, &rest);
    if (result == STATUS_OK && work->usable_count != rest.count)
        result = error_set(err, "%s: the lists changed while they were read", config->data.root);
    dataset_free(&rest);
    return result;
}

static status make_decks(struct simulation *work, struct error *err)
{
    size_t classes = (size_t)work->faces.class_count;
    work->decks = memory_allocate(classes, sizeof *work->decks, "the faces", err);
    if (work->decks == NULL) return STATUS_FAILED;
    for (size_t class = 0; class < classes; class ++) {
        struct deck *deck = &work->decks[class];
        deck->cards = memory_allocate(work->faces.class_counts[class], sizeof *deck->cards, "the faces", err);
        if (deck->cards == NULL) return STATUS_FAILED;
        for (size_t i = 0; i < work->faces.count; i++)
            if (work->usable[i] && work->faces.samples[i].label == (int)class) deck->cards[deck->count++] = (int64_t)i;
        deck->next = deck->count; /* shuffled before the first deal */
    }
    return STATUS_OK;
}

/* ---- dealing ----------------------------------------------------------------------------------------------------- */

/* A class, as likely as its share of the pictures; never `other_than` unless it is alone. */
static int draw_class(struct simulation *work, int other_than)
{
    size_t total = 0;
    for (int class = 0; class < work->faces.class_count; class ++)
        if (class != other_than) total += work->decks[class].count;
    if (total == 0) return other_than;
    uint64_t at = random_below(&work->stream, total);
    for (int class = 0;; class ++) {
        if (class == other_than) continue;
        if (at < work->decks[class].count) return class;
        at -= work->decks[class].count;
    }
}

static bool is_present(const struct simulation *work, int64_t picture, int64_t persons)
{
    for (int64_t i = 0; i < persons; i++)
        if (work->present[i] == picture) return true;
    return false;
}

/* The deck's next picture that the moment does not show yet; -1 when it shows all of them. */
static int64_t deal(struct simulation *work, int class, int64_t persons)
{
    struct deck *deck = &work->decks[class];
    for (size_t tries = 0; tries < 2 * deck->count; tries++) {
        if (deck->next == deck->count) {
            random_shuffle(&work->stream, deck->cards, deck->count);
            deck->next = 0;
        }
        int64_t picture = deck->cards[deck->next++];
        if (!is_present(work, picture, persons)) return picture;
    }
    /* A shuffle in between may have hidden the last free ones. */
    for (size_t i = 0; i < deck->count; i++)
        if (!is_present(work, deck->cards[i], persons)) return deck->cards[i];
    return -1;
}

/* One person's picture; where a class has no more, any other does. There are more pictures than persons. */
static int64_t draw_picture(struct simulation *work, int expression, int64_t person)
{
    int class = expression;
    if (random_uniform(&work->stream) >= work->options->agreement) class = draw_class(work, expression);
    int64_t picture = deal(work, class, person);
    for (int other = 0; picture < 0 && other < work->faces.class_count; other++) picture = deal(work, other, person);
    BUG_UNLESS(picture >= 0);
    work->agreeing += work->faces.samples[picture].label == expression;
    work->dealt[picture] = true;
    return picture;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* "faces/0000017.png": PNG for pixels of a list, JPEG for what is cut out, otherwise as the file is called. */
static void face_name(const struct simulation *work, size_t sample, char name[64])
{
    const struct dataset_sample *face = &work->faces.samples[sample];
    bool png = face->pixels != NO_PIXELS;
    if (!png && face->box.width <= 0) png = text_ends_with_ignoring_case(dataset_path(&work->faces, sample), ".png");
    snprintf(name, 64, "faces/%07zu.%s", sample, png ? "png" : "jpg");
}

static status write_pixels(const struct simulation *work, size_t sample, const char *path, struct error *err)
{
    const uint8_t *gray = work->faces.pixels + work->faces.samples[sample].pixels;
    struct image image = {0};
    status result = image_create(&image, PIXEL_SIDE, PIXEL_SIDE, err);
    for (size_t i = 0; result == STATUS_OK && i < PIXEL_SIDE * PIXEL_SIDE; i++) memset(image.rgb + 3 * i, gray[i], 3);
    if (result == STATUS_OK) result = image_write_png(path, &image, err);
    image_free(&image);
    return result;
}

static status write_cut(const struct simulation *work, size_t sample, const char *path, struct error *err)
{
    const struct image_box *box = &work->faces.samples[sample].box;
    struct image whole = {0}, cut = {0};
    int width = (int)fmin(fmax(round(box->width), 1), IMAGE_LARGEST_SIDE);
    int height = (int)fmin(fmax(round(box->height), 1), IMAGE_LARGEST_SIDE);
    status result = image_read(dataset_path(&work->faces, sample), NULL, &whole, err);
    if (result == STATUS_OK) result = image_resize(&whole, box, RESIZE_BILINEAR, width, height, &cut, err);
    if (result == STATUS_OK) result = image_write_jpeg(path, &cut, SYNTH_JPEG_QUALITY, err);
    image_free(&whole);
    image_free(&cut);
    return result;
}

static status copy_file(const struct simulation *work, size_t sample, const char *path, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    status result = picture_file_read(dataset_path(&work->faces, sample), &bytes, &size, err);
    if (result == STATUS_OK) result = atomic_file_write_bytes(path, bytes, size, err);
    memory_free(bytes);
    return result;
}

static status write_face(const void *context, size_t sample, struct error *err)
{
    const struct simulation *work = context;
    char name[64], path[SYNTH_PATH_BYTES];
    face_name(work, sample, name);
    status result = synth_path(path, err, "%s/%s", work->options->folder, name);
    if (result != STATUS_OK) return result;
    if (!work->dealt[sample]) {
        if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK; /* of an earlier drawing */
        return error_set_errno(err, "%s: cannot be removed", path);
    }
    if (work->faces.samples[sample].pixels != NO_PIXELS) return write_pixels(work, sample, path, err);
    if (work->faces.samples[sample].box.width > 0) return write_cut(work, sample, path, err);
    return copy_file(work, sample, path, err);
}

/* ---- the lists --------------------------------------------------------------------------------------------------- */

/* What is written row by row: what training reads, and beside it the truth. */
struct mashup_lists {
    struct atomic_file index, truth;
};

static void write_moment(struct simulation *work, int64_t video, int64_t moment, const struct mashup_lists *lists)
{
    int64_t frame = moment * (work->options->source->acl.far + 1);
    int expression = draw_class(work, -1);
    for (int64_t person = 0; person < work->options->persons; person++) {
        char name[64];
        int64_t picture = draw_picture(work, expression, person);
        work->present[person] = picture;
        face_name(work, (size_t)picture, name);
        fprintf(lists->index.stream, "mashup%06lld,%lld,%lld,%s\n", (long long)video, (long long)frame,
                (long long)person, name);
        fprintf(lists->truth.stream, "%s,%s,%s\n", name, work->faces.classes[work->faces.samples[picture].label],
                work->faces.classes[expression]);
        work->counts.rows++;
    }
}

static void write_videos(struct simulation *work, const struct mashup_lists *lists)
{
    fprintf(lists->index.stream, "video,frame,face,path\n");
    fprintf(lists->truth.stream, "path,expression,moment\n");
    for (int64_t video = 0; video < work->counts.videos; video++)
        for (int64_t moment = 0; moment < work->options->moments; moment++) write_moment(work, video, moment, lists);
}

static status check_sizes(struct simulation *work, struct error *err)
{
    const struct synth_mashup_options *options = work->options;
    int64_t faces = options->persons * options->moments;
    if ((int64_t)work->usable_count < options->persons)
        return error_set_usage(err, "--persons %lld: the set has only %zu faces to use", (long long)options->persons,
                               work->usable_count);
    if (options->moments * (options->source->acl.far + 1) > UINT32_MAX)
        return error_set_usage(err, "--moments %lld: too many, they are acl.far + 1 = %lld frames apart",
                               (long long)options->moments, (long long)options->source->acl.far + 1);
    work->counts.videos = options->videos > 0 ? options->videos : ((int64_t)work->usable_count + faces - 1) / faces;
    return STATUS_OK;
}

static status write_rmset(struct simulation *work, struct error *err)
{
    struct mashup_lists lists = {0};
    const char *folder = work->options->folder;
    int64_t sources = (int64_t)work->faces.count;
    status result = synth_check_folder(folder, "source faces", sources, err);
    if (result == STATUS_OK) result = synth_note_folder(folder, "source faces", sources, err);
    if (result == STATUS_OK) result = synth_folder(err, "%s/faces", folder);
    if (result == STATUS_OK) result = synth_list(&lists.index, err, "%s/index.csv", folder);
    if (result == STATUS_OK) result = synth_list(&lists.truth, err, "%s/truth.csv", folder);
    if (result == STATUS_OK) write_videos(work, &lists);
    if (result == STATUS_OK) result = synth_run(write_face, work, work->faces.count, err);
    if (result == STATUS_OK) result = atomic_file_commit(&lists.truth, err);
    if (result == STATUS_OK) result = atomic_file_commit(&lists.index, err);
    atomic_file_abandon(&lists.index);
    atomic_file_abandon(&lists.truth);
    return result;
}

static void free_simulation(struct simulation *work)
{
    for (int i = 0; work->decks != NULL && i < work->faces.class_count; i++) memory_free(work->decks[i].cards);
    memory_free(work->decks);
    memory_free(work->usable);
    memory_free(work->dealt);
    memory_free(work->present);
    dataset_free(&work->faces);
}

status synth_mashup(const struct synth_mashup_options *options, struct synth_mashup_counts *counts, struct error *err)
{
    struct simulation work = {.options = options};
    work.stream = random_stream(options->seed, RANDOM_SYNTHESIS, 300, 0);
    status result = open_faces(&work, err);
    if (result == STATUS_OK) result = check_sizes(&work, err);
    if (result == STATUS_OK) result = make_decks(&work, err);
    work.present = memory_allocate((size_t)options->persons, sizeof *work.present, "the faces", err);
    if (result == STATUS_OK && work.present == NULL) result = STATUS_FAILED;
    if (result == STATUS_OK) result = write_rmset(&work, err);
    for (size_t i = 0; i < work.faces.count && result == STATUS_OK; i++) work.counts.sources += work.dealt[i];
    if (work.counts.rows > 0) work.counts.agreeing = (double)work.agreeing / (double)work.counts.rows;
    *counts = work.counts;
    free_simulation(&work);
    return result;
}
