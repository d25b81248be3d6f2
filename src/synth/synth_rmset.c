/* The drawn RMset: mashups of a few persons who react to the same moments. Nearby frames look alike, a person's looks
 * change from moment to moment, and most faces show the moment's expression. The last video is packed in a shard. */
#include "synth/synth_internal.h"
#include "synth/synth_reactions.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/tar_writer.h"

#include <string.h>

/* A moment lasts 12 recorded frames, every third one of the video: 36 frames, more than d' = 30. */
enum {
    FRAMES_A_MOMENT = 12,
    FRAME_STEP = 3,
    MOMENTS = 5,
    FRAMES = FRAMES_A_MOMENT * MOMENTS,
    FACES_A_VIDEO = 200,
    FEWEST_PERSONS = 4,
    PANELS_A_ROW = 3,
    PANEL_SIDE = 320, /* of the imagined video, pixels */
};
struct mashup {
    const struct synth_options *options;
    size_t video;
    int persons;
    bool packed;
    uint8_t **bytes; /* [FRAMES * persons] encoded pictures when packed */
    size_t *sizes;
};

static int persons_of(const struct synth_options *options, size_t video)
{
    struct random_stream stream = random_stream(options->seed, RANDOM_SYNTHESIS, 204, video);
    return FEWEST_PERSONS + (int)random_below(&stream, 3);
}

static status draw_face(const struct mashup *mashup, int person, int frame, struct image *image, struct error *err)
{
    int side = (int)mashup->options->size;
    struct synth_scene scene = {mashup->options->seed, mashup->video, mashup->persons, FRAMES, FRAMES_A_MOMENT};
    struct image_box square = {0, 0, side, side};
    return synth_scene_draw(&scene, person, frame, &square, side, side, image, err);
}

static void face_name(const struct mashup *mashup, int person, int frame, char name[64])
{
    snprintf(name, 64, "mashup%03zu/%05d_%d.jpg", mashup->video, frame * FRAME_STEP, person);
}

static status face_task(const void *context, size_t index, struct error *err)
{
    const struct mashup *mashup = context;
    int frame = (int)(index / (size_t)mashup->persons), person = (int)(index % (size_t)mashup->persons);
    char name[64], path[SYNTH_PATH_BYTES];
    struct image image = {0};
    face_name(mashup, person, frame, name);
    status result = synth_path(path, err, "%s/rmset/%s", mashup->options->folder, name);
    if (result == STATUS_OK) result = draw_face(mashup, person, frame, &image, err);
    if (result == STATUS_OK)
        result = mashup->packed
                     ? image_encode_jpeg(&image, SYNTH_JPEG_QUALITY, &mashup->bytes[index], &mashup->sizes[index], err)
                     : image_write_jpeg(path, &image, SYNTH_JPEG_QUALITY, err);
    image_free(&image);
    return result;
}

/* Where the person's panel shows the face, as an index of real videos would say. */
static void print_row(const struct mashup *mashup, int person, int frame, const char *path, FILE *list)
{
    int x = person % PANELS_A_ROW * PANEL_SIDE + PANEL_SIDE / 4,
        y = person / PANELS_A_ROW * PANEL_SIDE + PANEL_SIDE / 4;
    fprintf(list, "mashup%03zu,%d,%d,%s,%d,%d,%d,%d,0.99\n", mashup->video, frame * FRAME_STEP, person, path, x, y,
            PANEL_SIDE / 2, PANEL_SIDE / 2);
}

static status write_files(const struct mashup *mashup, FILE *list, struct error *err)
{
    status result = synth_folder(err, "%s/rmset/mashup%03zu", mashup->options->folder, mashup->video);
    if (result == STATUS_OK) result = synth_run(face_task, mashup, (size_t)(FRAMES * mashup->persons), err);
    if (result != STATUS_OK) return result;
    for (int frame = 0; frame < FRAMES; frame++)
        for (int person = 0; person < mashup->persons; person++) {
            char name[64];
            face_name(mashup, person, frame, name);
            print_row(mashup, person, frame, name, list);
        }
    return STATUS_OK;
}

static status pack(const struct mashup *mashup, FILE *shard, FILE *list, struct error *err)
{
    status result = STATUS_OK;
    for (int frame = 0; frame < FRAMES; frame++)
        for (int person = 0; person < mashup->persons && result == STATUS_OK; person++) {
            char name[64], path[96];
            uint64_t place;
            size_t index = (size_t)(frame * mashup->persons + person);
            face_name(mashup, person, frame, name);
            result = tar_write_member(shard, name, mashup->bytes[index], mashup->sizes[index], &place, err);
            snprintf(path, sizeof path, "shards/mashup%03zu.tar#%llu", mashup->video, (unsigned long long)place);
            print_row(mashup, person, frame, path, list);
        }
    return result == STATUS_OK ? tar_write_end(shard, err) : result;
}

static status write_shard(struct mashup *mashup, FILE *list, struct error *err)
{
    size_t count = (size_t)(FRAMES * mashup->persons);
    struct atomic_file shard = {0};
    mashup->bytes = memory_allocate(count, sizeof *mashup->bytes, "drawn faces", err);
    mashup->sizes = memory_allocate(count, sizeof *mashup->sizes, "drawn faces", err);
    status result = mashup->bytes == NULL || mashup->sizes == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) result = synth_folder(err, "%s/rmset/shards", mashup->options->folder);
    if (result == STATUS_OK) result = synth_run(face_task, mashup, count, err);
    if (result == STATUS_OK)
        result = synth_list(&shard, err, "%s/rmset/shards/mashup%03zu.tar", mashup->options->folder, mashup->video);
    if (result == STATUS_OK) result = pack(mashup, shard.stream, list, err);
    if (result == STATUS_OK) result = atomic_file_commit(&shard, err);
    atomic_file_abandon(&shard);
    for (size_t i = 0; mashup->bytes != NULL && i < count; i++) memory_free(mashup->bytes[i]);
    memory_free(mashup->bytes);
    memory_free(mashup->sizes);
    return result;
}

status synth_write_rmset(const struct synth_options *options, struct error *err)
{
    struct atomic_file list = {0};
    size_t videos = (size_t)options->faces / FACES_A_VIDEO + 2;
    status result = synth_folder(err, "%s/rmset", options->folder);
    if (result == STATUS_OK) result = synth_list(&list, err, "%s/rmset/index.csv", options->folder);
    if (result != STATUS_OK) return result;
    fprintf(list.stream, "video,frame,face,path,x,y,w,h,score\n");
    for (size_t video = 0; video < videos && result == STATUS_OK; video++) {
        struct mashup mashup = {.options = options, .video = video, .persons = persons_of(options, video)};
        mashup.packed = video + 1 == videos;
        result = mashup.packed ? write_shard(&mashup, list.stream, err) : write_files(&mashup, list.stream, err);
    }
    if (result == STATUS_OK) return atomic_file_commit(&list, err);
    atomic_file_abandon(&list);
    return result;
}
