/* Drawn mashup videos: a grid of panels, each a person who reacts, beside a window that shows the film they watch.
 *
 * What makes real mashups hard is in them, with the truth written beside: the film moves, cuts and shows faces of its
 * own; a person comes late; a panel shows nobody for a while; and in the last video the whole layout changes at a
 * cut. Beside NAME.mp4 stand NAME.truth.csv (frame, person, expression, box), NAME.detections.csv (what a perfect
 * detector would find, the film's faces too) and NAME.film.csv (where the film is, and when). */
#include "synth/synth_internal.h"
#include "synth/synth_reactions.h"

#include "rmfer/base/random.h"
#include "rmfer/data/draw.h"
#include "rmfer/data/video_writer.h"

#include <math.h>
#include <string.h>

enum {
    CELL = 128, /* side of a panel, pixels */
    MOST_PANELS = 16,
    FRAMES = 192,
    FRAMES_A_MOMENT = 36, /* more than d' = 30 */
    FRAMES_A_SCENE = 40,  /* of the film */
    FRAMES_A_SECOND = 24,
    FRAMES_AT_ONCE = 16, /* drawn in parallel, then encoded in order */
    FIRST_VIDEO = 1000,  /* scene numbers, far from the drawn RMset's */
    FILM_FACES = 40,     /* numbers of the film's persons within their scene */
};

struct cells {
    int x, y, width, height; /* in cells */
};

/* One of the drawn videos. In frames away_from .. away_to - 1 `away` is not there, before late_from `late` is not. */
struct mashup_plan {
    const char *name;
    int columns, rows;
    struct cells film[2]; /* before and after the cut in the middle; equal where there is none */
    bool is_rearranged;
    int late, late_from, away, away_from, away_to; /* persons; -1 = nobody */
};

static const struct mashup_plan PLANS[SYNTH_MOST_VIDEOS] = {
    {"mashup0", 3, 3, {{1, 1, 1, 1}, {1, 1, 1, 1}}, false, 5, 40, 2, 90, 140},
    {"mashup1", 4, 2, {{2, 0, 2, 2}, {2, 0, 2, 2}}, false, 1, 60, -1, 0, 0},
    {"mashup2", 3, 3, {{0, 0, 2, 2}, {1, 1, 2, 2}}, true, -1, 0, 3, 20, 60},
};

struct drawing {
    const struct mashup_plan *plan;
    struct synth_scene scene;
    int first_frame;
    struct image frames[FRAMES_AT_ONCE];
};

static bool is_film(const struct cells *film, int x, int y)
{
    return x >= film->x && x < film->x + film->width && y >= film->y && y < film->y + film->height;
}

static const struct cells *film_of(const struct mashup_plan *plan, int frame)
{
    return &plan->film[frame >= FRAMES / 2];
}

static int panels_of(const struct mashup_plan *plan)
{
    return plan->columns * plan->rows - plan->film[0].width * plan->film[0].height;
}

/* The cell of panel `panel`, counted in reading order around the film. */
static struct image_box panel_box(const struct mashup_plan *plan, int frame, int panel)
{
    int seen = 0;
    for (int y = 0; y < plan->rows; y++)
        for (int x = 0; x < plan->columns; x++)
            if (!is_film(film_of(plan, frame), x, y) && seen++ == panel)
                return (struct image_box){x * CELL, y * CELL, CELL, CELL};
    BUG_UNLESS(!"a panel beyond the grid");
    return (struct image_box){0};
}

/* Who sits in a panel: everybody moves on by one at the cut that rearranges. */
static int person_at(const struct mashup_plan *plan, int frame, int panel)
{
    return plan->is_rearranged && frame >= FRAMES / 2 ? (panel + 1) % panels_of(plan) : panel;
}

static bool is_there(const struct mashup_plan *plan, int frame, int person)
{
    if (person == plan->late && frame < plan->late_from) return false;
    return person != plan->away || frame < plan->away_from || frame >= plan->away_to;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static void copy_into(struct image *canvas, const struct image *part, int x, int y)
{
    for (int row = 0; row < part->height; row++)
        memcpy(canvas->rgb + 3 * ((size_t)(y + row) * (size_t)canvas->width + (size_t)x),
               part->rgb + 3 * (size_t)row * (size_t)part->width, 3 * (size_t)part->width);
}

/* The wall behind a person, without the person. */
static void draw_empty_panel(const struct drawing *drawing, int person, const struct image_box *box,
                             struct image *canvas)
{
    struct synth_view view = synth_view(drawing->scene.seed, drawing->scene.video * MOST_PANELS + (uint64_t)person);
    struct synth_colour wall = view.background[0];
    struct color color = {(uint8_t)(wall.r * 255), (uint8_t)(wall.g * 255), (uint8_t)(wall.b * 255)};
    draw_rectangle(canvas, (int)box->x, (int)box->y, (int)box->width, (int)box->height, color);
}

static status draw_panel(const struct drawing *drawing, int frame, int panel, struct image *canvas, struct error *err)
{
    struct image_box box = panel_box(drawing->plan, frame, panel), square = {0, 0, CELL, CELL};
    int person = person_at(drawing->plan, frame, panel);
    if (!is_there(drawing->plan, frame, person)) {
        draw_empty_panel(drawing, person, &box, canvas);
        return STATUS_OK;
    }
    struct image picture = {0};
    status result = synth_scene_draw(&drawing->scene, person, frame, &square, CELL, CELL, &picture, err);
    if (result == STATUS_OK) copy_into(canvas, &picture, (int)box.x, (int)box.y);
    image_free(&picture);
    return result;
}

/* Every second scene of the film is a close-up. */
static bool film_shows_a_face(int frame)
{
    return frame / FRAMES_A_SCENE % 2 == 1;
}

static struct image_box film_square(const struct cells *film)
{
    double width = film->width * CELL, height = film->height * CELL, side = fmin(width, height);
    return (struct image_box){(width - side) / 2, (height - side) / 2, side, side};
}

static int film_person(int frame)
{
    return FILM_FACES + frame / FRAMES_A_SCENE;
}

/* Discs that cross the window on paths of their scene, before a colour of their scene. */
static void draw_shapes(const struct drawing *drawing, int frame, const struct cells *film, struct image *canvas)
{
    enum { SHAPES = 5 };
    int width = film->width * CELL, height = film->height * CELL, x = film->x * CELL, y = film->y * CELL;
    struct random_stream stream = random_stream(drawing->scene.seed, RANDOM_SYNTHESIS, 300 + drawing->scene.video,
                                                (uint64_t)(frame / FRAMES_A_SCENE));
    struct color wall = {(uint8_t)random_below(&stream, 256), (uint8_t)random_below(&stream, 256),
                         (uint8_t)random_below(&stream, 256)};
    draw_rectangle(canvas, x, y, width, height, wall);
    double time = (double)(frame % FRAMES_A_SCENE) / FRAMES_A_SCENE;
    for (int i = 0; i < SHAPES; i++) {
        double radius = random_between(&stream, .05, .15) * height;
        double from = random_uniform(&stream), to = random_uniform(&stream), along = random_uniform(&stream);
        struct color color = {(uint8_t)random_below(&stream, 256), (uint8_t)random_below(&stream, 256),
                              (uint8_t)random_below(&stream, 256)};
        double u = from + (to - from) * time, v = along + .3 * sin(6.2831853 * time + i) * (1 - along);
        draw_dot(canvas, x + radius + u * (width - 2 * radius),
                 y + radius + fmin(fmax(v, 0), 1) * (height - 2 * radius), radius, color);
    }
}

static status draw_film(const struct drawing *drawing, int frame, struct image *canvas, struct error *err)
{
    const struct cells *film = film_of(drawing->plan, frame);
    if (!film_shows_a_face(frame)) {
        draw_shapes(drawing, frame, film, canvas);
        return STATUS_OK;
    }
    struct image picture = {0};
    struct image_box square = film_square(film);
    status result = synth_scene_draw(&drawing->scene, film_person(frame), frame, &square, film->width * CELL,
                                     film->height * CELL, &picture, err);
    if (result == STATUS_OK) copy_into(canvas, &picture, film->x * CELL, film->y * CELL);
    image_free(&picture);
    return result;
}

/* Task 0 of a frame is the film, the others are the panels: each has pixels of its own. */
static status draw_task(const void *context, size_t index, struct error *err)
{
    const struct drawing *drawing = context;
    size_t tasks = (size_t)panels_of(drawing->plan) + 1, at = index / tasks;
    int frame = drawing->first_frame + (int)at, task = (int)(index % tasks);
    struct image canvas = drawing->frames[at]; /* a view: the pixels are the frame's */
    return task == 0 ? draw_film(drawing, frame, &canvas, err) : draw_panel(drawing, frame, task - 1, &canvas, err);
}

/* ---- the truth --------------------------------------------------------------------------------------------------- */

/* The lists beside a video. */
struct lists {
    struct atomic_file truth, detections, film;
};

static void print_box(FILE *out, const struct image_box *box)
{
    fprintf(out, "%.2f,%.2f,%.2f,%.2f", box->x, box->y, box->width, box->height);
}

static void list_face(const struct drawing *drawing, int frame, int person, const struct image_box *square,
                      FILE *detections, struct image_box *face)
{
    *face = synth_scene_face(&drawing->scene, person, frame, square);
    fprintf(detections, "%d,", frame);
    print_box(detections, face);
    fprintf(detections, ",0.99\n");
}

static void list_frame(const struct drawing *drawing, int frame, struct lists *lists)
{
    const struct mashup_plan *plan = drawing->plan;
    struct image_box face;
    for (int panel = 0; panel < panels_of(plan); panel++) {
        int person = person_at(plan, frame, panel);
        struct image_box square = panel_box(plan, frame, panel);
        if (!is_there(plan, frame, person)) continue;
        list_face(drawing, frame, person, &square, lists->detections.stream, &face);
        fprintf(lists->truth.stream, "%d,%d,%s,", frame, person,
                expression_name(synth_scene_expression(&drawing->scene, person, frame)));
        print_box(lists->truth.stream, &face);
        fputc('\n', lists->truth.stream);
    }
    if (!film_shows_a_face(frame)) return;
    const struct cells *film = film_of(plan, frame);
    struct image_box square = film_square(film);
    square.x += film->x * CELL;
    square.y += film->y * CELL;
    list_face(drawing, frame, film_person(frame), &square, lists->detections.stream, &face);
}

static void list_film(const struct mashup_plan *plan, FILE *out)
{
    fprintf(out, "x,y,w,h,from,to\n");
    for (int half = 0; half < 2; half++) {
        const struct cells *film = &plan->film[half];
        bool whole = !plan->is_rearranged;
        if (whole && half == 1) continue;
        fprintf(out, "%d,%d,%d,%d,%d,%d\n", film->x * CELL, film->y * CELL, film->width * CELL, film->height * CELL,
                half * FRAMES / 2, whole ? FRAMES - 1 : (half + 1) * FRAMES / 2 - 1);
    }
}

static status open_lists(struct lists *lists, const char *folder, const char *name, struct error *err)
{
    status result = synth_list(&lists->truth, err, "%s/mashups/%s.truth.csv", folder, name);
    if (result == STATUS_OK) result = synth_list(&lists->detections, err, "%s/mashups/%s.detections.csv", folder, name);
    if (result == STATUS_OK) result = synth_list(&lists->film, err, "%s/mashups/%s.film.csv", folder, name);
    if (result != STATUS_OK) return result;
    fprintf(lists->truth.stream, "frame,person,expression,x,y,w,h\n");
    fprintf(lists->detections.stream, "frame,x,y,w,h,score\n");
    return STATUS_OK;
}

static status commit_lists(struct lists *lists, struct error *err)
{
    status result = atomic_file_commit(&lists->truth, err);
    if (result == STATUS_OK) result = atomic_file_commit(&lists->detections, err);
    return result == STATUS_OK ? atomic_file_commit(&lists->film, err) : result;
}

static void abandon_lists(struct lists *lists)
{
    atomic_file_abandon(&lists->truth);
    atomic_file_abandon(&lists->detections);
    atomic_file_abandon(&lists->film);
}

/* ---- a video ----------------------------------------------------------------------------------------------------- */

static status draw_frames(struct drawing *drawing, struct video_writer *writer, struct lists *lists, struct error *err)
{
    size_t tasks = (size_t)panels_of(drawing->plan) + 1;
    status result = STATUS_OK;
    for (int first = 0; first < FRAMES && result == STATUS_OK; first += FRAMES_AT_ONCE) {
        drawing->first_frame = first;
        result = synth_run(draw_task, drawing, tasks * FRAMES_AT_ONCE, err);
        for (int i = 0; i < FRAMES_AT_ONCE && result == STATUS_OK; i++) {
            list_frame(drawing, first + i, lists);
            result = video_writer_add(writer, &drawing->frames[i], err);
        }
    }
    return result;
}

static status write_video(const struct synth_options *options, size_t video, struct error *err)
{
    _Static_assert(FRAMES % FRAMES_AT_ONCE == 0, "frames are drawn in whole groups");
    const struct mashup_plan *plan = &PLANS[video];
    struct drawing drawing = {.plan = plan};
    drawing.scene = (struct synth_scene){options->seed, FIRST_VIDEO + video, panels_of(plan), FRAMES, FRAMES_A_MOMENT};
    struct video_writer_options size = {plan->columns * CELL, plan->rows * CELL, FRAMES_A_SECOND};
    struct video_writer *writer = NULL;
    struct lists lists = {0};
    char path[SYNTH_PATH_BYTES];
    status result = synth_path(path, err, "%s/mashups/%s.mp4", options->folder, plan->name);
    for (int i = 0; i < FRAMES_AT_ONCE && result == STATUS_OK; i++)
        result = image_create(&drawing.frames[i], size.width, size.height, err);
    if (result == STATUS_OK) result = open_lists(&lists, options->folder, plan->name, err);
    if (result == STATUS_OK) result = video_writer_create(&writer, path, &size, err);
    if (result == STATUS_OK) result = draw_frames(&drawing, writer, &lists, err);
    if (result == STATUS_OK) result = video_writer_finish(writer, err);
    if (result == STATUS_OK) list_film(plan, lists.film.stream);
    if (result == STATUS_OK) result = commit_lists(&lists, err);
    abandon_lists(&lists);
    video_writer_free(writer);
    for (int i = 0; i < FRAMES_AT_ONCE; i++) image_free(&drawing.frames[i]);
    return result;
}

status synth_write_videos(const struct synth_options *options, int64_t count, struct error *err)
{
    BUG_UNLESS(count >= 0 && count <= SYNTH_MOST_VIDEOS);
    char folder[SYNTH_PATH_BYTES];
    status result = synth_path(folder, err, "%s/mashups", options->folder);
    if (result == STATUS_OK) result = synth_check_folder(folder, "videos", count, err);
    if (result == STATUS_OK) result = synth_note_folder(folder, "videos", count, err);
    for (size_t video = 0; video < (size_t)count && result == STATUS_OK; video++)
        result = write_video(options, video, err);
    return result;
}
