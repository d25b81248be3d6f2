/* One film through the faces pipeline: mask and find (any worker), track (in order), cut and encode (any worker),
 * write (this thread, in order). */
#include "rmset/film.h"

#include "rmset/film_settings.h"
#include "rmset/film_windows.h"
#include "rmset/film_writer.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/faces/crops.h"
#include "rmfer/faces/pipeline.h"
#include "rmfer/faces/scene_cuts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_BUDGET = 256 << 20, FULL_HD = 1080 };
static const double CORRECTION_OVERLAP = 0.3; /* a corrected box means the found face that it overlaps so much */

/* Sums over all faces, in whatever order: they are whole numbers. */
struct shared_sums {
    pthread_mutex_t lock;
    struct pixel_sums sums;
};

struct film_work {
    const struct film_job *job;
    struct face_tracker tracker;
    bool has_begun;               /* the present scene has its references */
    bool is_first;                /* it is the first scene, which the corrections are about */
    bool is_partial;              /* the film could not be read to its end */
    struct scene_samples samples; /* of the frame before */
    int64_t last_frame;           /* its number, -1 = there is none */
    struct image_box *ignored;    /* room for all areas; NULL without cuts */
    struct shared_sums *shared;
    struct film_windows windows; /* read by other threads once has_windows says so */
    atomic_bool has_windows;
};

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* With windows: closely, until a frame has shown the persons; then only about them. */
static status look_for_faces(const struct film_work *work, struct face_picture *picture, struct face_worker *worker,
                             struct error *err)
{
    const struct rmset_build_options *options = work->job->options;
    if (!options->windows) return face_find(options->detector, &options->detection, picture, worker, err);
    if (atomic_load(&work->has_windows))
        return film_windows_find(&work->windows, options->detector, &options->detection, picture, worker, err);
    if (picture->input.frame < options->first_frame) return STATUS_OK; /* it begins nothing */
    return film_find_closely(options->detector, &options->detection, picture, worker, err);
}

/* A frame is looked at once it is known whether one before it has shown the persons. */
static bool waits_for_windows(const void *context)
{
    const struct film_work *work = context;
    return work->job->options->windows && !atomic_load(&work->has_windows);
}

/* Without the film's faces, and those of a list of which no pixel lies in the picture: they would be tracked, and
 * make no file. */
static void keep_cuttable(const struct film_work *work, struct face_picture *picture)
{
    const struct rmset_crop *crop = &work->job->options->crop;
    size_t kept = 0;
    for (size_t i = 0; i < picture->face_count; i++) {
        const struct image_box *box = &picture->faces[i].shape.box;
        if (!rmset_notes_hide(work->job->notes, picture->input.frame, box) &&
            rmset_crop_exists(&picture->input.image, box, crop))
            picture->faces[kept++] = picture->faces[i];
    }
    picture->face_count = kept;
}

static status find_faces(const void *context, struct face_picture *picture, struct face_worker *worker,
                         struct error *err)
{
    const struct film_work *work = context;
    const struct rmset_notes *notes = work->job->notes;
    int64_t frame = picture->input.frame;
    rmset_notes_mask(notes, frame, &picture->input.image);
    status result;
    if (notes->has_detections) {
        picture->is_detected = true;
        result = rmset_notes_detections(notes, frame, &picture->faces, &picture->face_count, err);
    } else {
        result = look_for_faces(work, picture, worker, err);
    }
    if (result != STATUS_OK) return result;
    keep_cuttable(work, picture);
    return STATUS_OK;
}

/* ---- tracking ---------------------------------------------------------------------------------------------------- */

/* The found box, or what a correction says instead of it. */
static bool is_removed(const struct rmset_notes *notes, const struct image_box *box)
{
    for (size_t i = 0; i < notes->correction_count; i++)
        if (box_overlap(&notes->corrections[i].box, box) >= CORRECTION_OVERLAP) return true;
    return false;
}

/* The references of a scene: its first frame's faces, with the corrections, in reading order. */
static status begin_scene(struct film_work *work, const struct face_picture *picture, struct error *err)
{
    const struct rmset_notes *notes = work->job->notes;
    size_t added = work->is_first ? notes->correction_count : 0, count = 0;
    struct image_box *boxes = memory_allocate(picture->face_count + added, sizeof *boxes, "the first frame's faces",
                                              err);
    if (boxes == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < picture->face_count; i++)
        if (!work->is_first || !is_removed(notes, &picture->faces[i].shape.box))
            boxes[count++] = picture->faces[i].shape.box;
    for (size_t i = 0; i < added; i++)
        if (!notes->corrections[i].is_removal) boxes[count++] = notes->corrections[i].box;
    boxes_in_reading_order(boxes, count);
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        result = face_tracker_begin(&work->tracker, &boxes[i], picture->input.frame, err);
    work->has_begun = count > 0;
    work->is_first = work->is_first && !work->has_begun;
    if (work->has_begun && work->job->options->windows && result == STATUS_OK) {
        result = film_windows_set(&work->windows, boxes, count, err);
        atomic_store(&work->has_windows, result == STATUS_OK);
    }
    memory_free(boxes);
    return result;
}

static bool is_active(const struct rmset_area *area, int64_t frame)
{
    return frame >= area->from && frame <= area->to;
}

/* What is blackened in one of two frames cannot be compared. Other times' areas do not count. */
static void note_cut(struct film_work *work, const struct face_picture *picture)
{
    const struct rmset_notes *notes = work->job->notes;
    int64_t frame = picture->input.frame, before = work->last_frame;
    size_t count = 0;
    for (size_t i = 0; i < notes->area_count; i++)
        if (is_active(&notes->areas[i], frame) || is_active(&notes->areas[i], before))
            work->ignored[count++] = notes->areas[i].box;
    work->last_frame = frame;
    if (!scene_cut_seen(&work->samples, &picture->input.image, work->ignored, count) || !work->has_begun) return;
    face_tracker_cut(&work->tracker, frame);
    work->has_begun = false;
}

/* Keeps the faces that have an id, sorted by it. */
static void keep_known(struct face_picture *picture)
{
    size_t kept = 0;
    for (size_t i = 0; i < picture->face_count; i++) {
        if (picture->ids[i] < 0) continue;
        struct detected_face face = picture->faces[i];
        int64_t id = picture->ids[i];
        size_t at = kept++;
        for (; at > 0 && picture->ids[at - 1] > id; at--) {
            picture->ids[at] = picture->ids[at - 1];
            picture->faces[at] = picture->faces[at - 1];
        }
        picture->ids[at] = id;
        picture->faces[at] = face;
    }
    picture->face_count = kept;
}

static status track_faces(void *tracker, struct face_picture *picture, struct error *err)
{
    struct film_work *work = tracker;
    if (picture->input.error.code != STATUS_OK) return STATUS_OK;
    if (picture->input.frame < work->job->options->first_frame) {
        picture->face_count = 0;
        return STATUS_OK;
    }
    if (work->job->options->cuts) note_cut(work, picture);
    status result = work->has_begun ? STATUS_OK : begin_scene(work, picture, err);
    picture->ids = memory_allocate(picture->face_count, sizeof *picture->ids, "the faces' numbers", err);
    if (result != STATUS_OK || picture->ids == NULL) return STATUS_FAILED;
    result = face_tracker_match(&work->tracker, picture->input.frame, picture->faces, picture->face_count, picture->ids,
                                err);
    if (result == STATUS_OK) keep_known(picture);
    return result;
}

/* ---- cutting ----------------------------------------------------------------------------------------------------- */

static size_t cut_bytes(const void *context, const struct face_picture *picture)
{
    const struct film_work *work = context;
    size_t bytes = 0;
    for (size_t i = 0; i < picture->face_count; i++) {
        struct image_box square = rmset_crop_square(&picture->faces[i].shape.box, work->job->options->crop.margin);
        bytes = size_add(bytes, (size_t)(square.width * square.height)); /* JPEG takes less than a byte a pixel */
    }
    return bytes;
}

static void add_pixels(struct pixel_sums *sums, const struct image *image)
{
    size_t pixels = (size_t)image->width * (size_t)image->height;
    sums->count += pixels;
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++) {
            uint64_t value = image->rgb[3 * i + (size_t)c];
            sums->sum[c] += value;
            sums->squares[c] += value * value;
        }
}

static status cut_faces(const void *context, struct face_picture *picture, struct face_worker *worker,
                        struct error *err)
{
    const struct film_work *work = context;
    const struct rmset_crop *crop = &work->job->options->crop;
    struct pixel_sums sums = {0};
    (void)worker;
    picture->files = memory_allocate(picture->face_count, sizeof *picture->files, "the faces", err);
    if (picture->files == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < picture->face_count; i++) {
        struct image face = {0};
        struct face_file *file = &picture->files[i];
        status result = rmset_crop_cut(&picture->input.image, &picture->faces[i].shape.box, crop, &face, err);
        if (result != STATUS_OK) return result;
        add_pixels(&sums, &face);
        result = image_encode_jpeg(&face, (int)crop->quality, &file->bytes, &file->size, err);
        image_free(&face);
        if (result != STATUS_OK) return result;
    }
    pthread_mutex_lock(&work->shared->lock);
    pixel_sums_add(&work->shared->sums, &sums);
    pthread_mutex_unlock(&work->shared->lock);
    return STATUS_OK;
}

/* ---- the film ---------------------------------------------------------------------------------------------------- */

/* What the size of the film's first frame tells. */
static status warn_of_size(const struct film_job *job, const struct face_input *input, struct error *err)
{
    int width = input->image.width, height = input->image.height;
    if (height <= 0) return STATUS_OK;
    if (height < FULL_HD && width < FULL_HD * 16 / 9)
        log_warning("%s: %d x %d pixels; below 1080p the faces of a mashup are small", job->path, width, height);
    return rmset_notes_warn_outside(job->notes, job->path, width, height, err);
}

static void report(const struct film_job *job, const struct face_picture *picture)
{
    struct rmset_progress *progress = job->progress;
    progress->frame = picture->input.frame;
    progress->frames = picture->input.frames;
    progress->frames_done++;
    progress->faces_done += picture->face_count;
    if (job->options->report != NULL) job->options->report(job->options->context, progress);
}

/* A frame of a folder that cannot be read is one line; a film that cannot be, and faces that cannot be found, followed
 * or cut out (there is no memory), are an error. */
static status take_picture(struct film_work *work, struct film_writer *writer, const struct face_picture *picture,
                           struct film_facts *facts, struct error *err)
{
    const struct film_job *job = work->job;
    const struct face_input *input = &picture->input;
    if (input->error.code != STATUS_OK && !input->is_frame) {
        if (job->options->keep_partial && facts->frames > 0) {
            log_warning("%s; the %" PRIu64 " frames taken before are kept", input->error.message, facts->frames);
            work->is_partial = true;
            return STATUS_OK;
        }
        if (err->code == STATUS_OK) *err = input->error;
        return STATUS_FAILED;
    }
    if (picture->step_failed) {
        if (err->code == STATUS_OK) *err = input->error;
        return error_add_context(err, "%s: frame %" PRId64, job->path, input->frame);
    }
    if (!input->is_frame) return error_set(err, "%s: a picture, not a film or a folder of frames", job->path);
    if (input->error.code != STATUS_OK) {
        log_warning("%s; the frame is left out", input->error.message);
        return STATUS_OK;
    }
    if (facts->frames++ == 0) {
        facts->rate = input->frame_rate;
        status result = warn_of_size(job, input, err);
        if (result != STATUS_OK) return result;
    }
    facts->faces += picture->face_count;
    report(job, picture);
    double begin = clock_seconds();
    status result = film_writer_add(writer, picture, err);
    job->times->write += clock_seconds() - begin;
    return result;
}

static void add_times(const struct film_job *job, struct face_times faces, struct video_times video)
{
    job->times->decode += video.decode;
    job->times->convert += video.convert;
    job->times->find += faces.find;
    job->times->cut += faces.cut;
}

/* Refuses what frames and detector will take where it is more than there is. */
static status require_memory(const struct rmset_build_options *options, const struct face_pipeline_settings *pipeline,
                             struct error *err)
{
    size_t bytes = face_pipeline_bytes(pipeline, (size_t)FULL_HD * FULL_HD * 16 / 9), searching = 0;
    const struct detector_options *detection = &options->detection;
    int largest = options->windows ? film_windows_largest_size(detection) : detection->detect_size;
    if (options->detector != NULL) searching = detector_workspace_bytes(options->detector, largest, detection->threads);
    bytes = size_add(bytes, size_multiply((size_t)options->threads, searching));
    return memory_require(bytes, "rmset build (--detect-size and --threads say how much)", err);
}

static status run_film(struct film_work *work, struct face_inputs *inputs, struct film_writer *writer,
                       struct film_facts *facts, struct error *err)
{
    const struct rmset_build_options *options = work->job->options;
    struct face_pipeline *pipeline;
    struct face_picture *picture;
    struct face_pipeline_settings settings = {
        .steps = {.context = work,
                  .find = find_faces,
                  .waits = waits_for_windows,
                  .assign = track_faces,
                  .tracker = work,
                  .cut_bytes = cut_bytes,
                  .cut = cut_faces},
        .most_pixels = options->most_pixels,
        .keep_image = true, /* the receiver looks at its size */
        .workers = options->threads,
        .ahead = 2 * (size_t)options->threads + 2,
        .budget = WAITING_BUDGET,
    };
    status result = require_memory(options, &settings, err);
    if (result == STATUS_OK) result = face_pipeline_create(&pipeline, inputs, &settings, err);
    if (result != STATUS_OK) return result;
    while (result == STATUS_OK && (picture = face_pipeline_receive(pipeline)) != NULL) {
        result = take_picture(work, writer, picture, facts, err);
        if (result == STATUS_OK) face_pipeline_release(pipeline);
    }
    struct face_times times = face_pipeline_times(pipeline);
    face_pipeline_free(pipeline);
    add_times(work->job, times, face_inputs_times(inputs));
    return result;
}

static status finish_film(struct film_work *work, struct film_writer *writer, struct film_facts *facts,
                          struct error *err)
{
    const struct film_job *job = work->job;
    struct text settings = {0};
    facts->sums = work->shared->sums;
    for (size_t i = 0; i < work->tracker.count; i++) facts->persons += work->tracker.tracks[i].faces > 0;
    if (facts->faces == 0)
        return error_set(err, "%s: no faces in its %llu frames", job->path, (unsigned long long)facts->frames);
    status result = rmset_notes_warn_late(job->notes, job->path, job->progress->frame, err);
    if (result == STATUS_OK)
        result = text_append_format(&settings, err, "%s%s", job->settings,
                                    work->is_partial ? FILM_SETTINGS_PARTIAL : "");
    facts->settings = settings.bytes;
    facts->areas = result == STATUS_OK ? memory_copy_string(job->areas, err) : NULL;
    if (facts->areas == NULL) return STATUS_FAILED;
    return film_writer_finish(writer, &work->tracker, facts, err);
}

status film_build(const struct film_job *job, struct film_facts *facts, struct error *err)
{
    const struct rmset_build_options *options = job->options;
    struct shared_sums shared = {.sums = {0}};
    struct film_work work = {
        .job = job,
        .is_first = true,
        .last_frame = -1,
        .shared = &shared,
        .tracker.options = {.overlap = options->overlap, .follow = options->follow, .keep_ended = true}};
    struct face_input_options wanted = {.every = options->every,
                                        .every_seconds = options->every_seconds,
                                        .most_pixels = options->most_pixels,
                                        .threads = options->threads,
                                        .folder_of_frames = true};
    struct face_inputs *inputs = NULL;
    struct film_writer *writer = NULL;
    pthread_mutex_init(&shared.lock, NULL);
    status result = face_inputs_create(&inputs, &job->path, 1, &wanted, err);
    if (result == STATUS_OK && options->cuts) {
        work.ignored = memory_allocate(job->notes->area_count, sizeof *work.ignored, "the removal areas", err);
        if (work.ignored == NULL) result = STATUS_FAILED;
    }
    if (result == STATUS_OK) result = film_writer_create(&writer, job->folder, job->name, options->shard_bytes, err);
    if (result == STATUS_OK) result = run_film(&work, inputs, writer, facts, err);
    if (result == STATUS_OK) result = finish_film(&work, writer, facts, err);
    film_writer_free(writer);
    face_inputs_free(inputs);
    face_tracker_free(&work.tracker);
    film_windows_free(&work.windows);
    memory_free(work.ignored);
    pthread_mutex_destroy(&shared.lock);
    return result;
}
