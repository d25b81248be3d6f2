/* What the processes of a machine have in common: decoded pictures, of which each is decoded once whoever asks for it,
 * also when two ask at the same time, when there is no room left, when who was to make one has died; and the mapped
 * RMset index. That memory has no name anywhere, and counts once. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "many/support/shared_case.h"

#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/data/image.h"
#include "rmfer/data/loader.h"
#include "rmfer/data/picture_room.h"
#include "rmfer/data/rmset_index.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SAMPLES = 96, SIDE = 24, BATCH = 8, EPOCHS = 3, REALS = SIDE * SIDE * 3 };

/* ---- a source that counts what it is asked to read ---- */

static atomic_size_t reads;

/* Half a batch further each epoch, so that what one process had another one gets. */
static status draw(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                   struct error *err)
{
    (void)context, (void)err;
    ids[0] = (int64_t)(((place->index * place->groups + group) * 7 + attempt * 11 + place->epoch * (BATCH / 2 * 7)) %
                       SAMPLES);
    return STATUS_OK;
}

/* Every so many pictures one more is none. */
static int64_t broken_ones;

/* Picture 5 is none. */
static status read_one(void *context, int64_t id, struct encoded_picture *picture, struct error *err)
{
    (void)context;
    uint8_t rgb[SIDE * SIDE * 3];
    struct image image = {rgb, SIDE, SIDE};
    *picture = (struct encoded_picture){0};
    if (id == 5 || (broken_ones > 0 && id % broken_ones == 0))
        return error_set(err, "picture %lld is none", (long long)id);
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)((size_t)id * 31 + i * i % 251);
    atomic_fetch_add(&reads, 1);
    return image_encode_png(&image, &picture->bytes, &picture->size, err);
}

static status name_one(void *context, int64_t id, struct text *name, struct error *err)
{
    (void)context;
    return text_append_format(name, err, "picture %lld", (long long)id);
}

static struct loader_options options_of(struct picture_room *room, int first, int rows)
{
    struct loader_options options = {.stream_count = 1,
                                     .image_size = SIDE,
                                     .workers = 2,
                                     .prefetch = 2,
                                     .max_bad = 0.1,
                                     .on_error = ON_ERROR_SKIP,
                                     .end_epoch = EPOCHS,
                                     .drop_last = true,
                                     .replace_bad = true,
                                     .room = room};
    options.streams[0] = (struct loader_stream){.source = {.what = "pictures",
                                                           .group = 1,
                                                           .groups = SAMPLES,
                                                           .samples = SAMPLES,
                                                           .by_epoch = true,
                                                           .draw = draw,
                                                           .read = read_one,
                                                           .name = name_one},
                                                .rows = rows,
                                                .first_row = first,
                                                .batch_rows = BATCH,
                                                .views = 1,
                                                .kinds = {VIEW_AS_IS},
                                                .std = {1, 1, 1}};
    return options;
}

static void give_up(const struct error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* The sum of all pictures' values in three epochs. */
static double run(struct picture_room *room, int first, int rows)
{
    struct loader *loader;
    struct batch batch;
    struct loader_options options = options_of(room, first, rows);
    double sum = 0;
    struct error err = {0};
    if (loader_create(&loader, &options, &err) != STATUS_OK) give_up(&err);
    for (uint64_t i = 0; i < EPOCHS * loader_batches_per_epoch(loader); i++) {
        if (loader_next(loader, &batch, &err) != STATUS_OK) give_up(&err);
        for (size_t j = 0; j < (size_t)batch.streams[0].rows * REALS; j++)
            sum += (double)batch.streams[0].images[0][j] * (double)(1 + j % 97 + i);
    }
    loader_free(loader);
    return sum;
}

/* ---- the room ---- */

static struct picture_room *enter(struct many *many, size_t bytes)
{
    struct picture_room *room = NULL;
    struct shared_memory_key key = {0};
    struct error err = {0};
    bool is_first = dist_rank_on_host(many->dist) == 0;
    status result = is_first ? picture_room_create(&room, &key, SAMPLES, bytes, &err) : STATUS_OK;
    dist_broadcast_on_host(many->dist, &key, sizeof key);
    if (!is_first) result = picture_room_join(&room, &key, SAMPLES, &err);
    many_check(many, "a room for all", result == STATUS_OK);
    if (result != STATUS_OK) exit(1);
    return room;
}

/* Machines have as many processes each. Every process asks for rows first .. first + rows - 1 of each batch: what it
 * sees, and what all have read. */
static void check_read(struct many *many, const char *name, size_t bytes, int first, int rows, double most_reads)
{
    struct picture_room *room = enter(many, bytes);
    double wanted = run(NULL, first, rows);
    atomic_store(&reads, 0);
    dist_barrier(many->dist);
    double seen = run(room, first, rows), all = (double)atomic_load(&reads);
    dist_sum(many->dist, &all, 1);
    double machines = (double)dist_size(many->dist) / dist_size_on_host(many->dist);
    many_check(many, name, seen == wanted && all >= SAMPLES - 1 && all <= machines * most_reads);
    picture_room_free(room);
}

static void check_once(struct many *many)
{
    struct range own = threads_share(BATCH, dist_rank(many->dist), dist_size(many->dist));
    size_t ample = (size_t)SAMPLES * (REALS + 64);
    check_read(many, "each picture is decoded once, each process its rows", ample, (int)own.begin,
               (int)(own.end - own.begin), SAMPLES - 1);
    check_read(many, "each picture is decoded once, all want all at once", ample, 0, BATCH, SAMPLES - 1);
    check_read(many, "a full room is no failure", 10 * REALS, 0, BATCH, INFINITY);
}

/* A limit of this process's files stands for a machine that has no memory left. */
static void check_no_memory(struct many *many)
{
    struct rlimit before, small;
    struct picture_room *room = enter(many, 1 << 22);
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &before) != 0) exit(1);
    small = (struct rlimit){.rlim_cur = 20 * REALS, .rlim_max = before.rlim_max};
    double wanted = run(NULL, 0, BATCH);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0) exit(1);
    atomic_store(&reads, 0);
    double seen = run(room, 0, BATCH);
    many_check(many, "without memory pictures are decoded again", seen == wanted && atomic_load(&reads) > SAMPLES / 2);
    many_check(many, "and nothing more is kept", picture_room_place(room, 1) == NULL);
    if (setrlimit(RLIMIT_FSIZE, &before) != 0) exit(1);
    picture_room_free(room);
}

static void check_refusals(struct many *many)
{
    struct picture_room *room, *joined;
    struct shared_memory_key key;
    const void *kept;
    struct error err = {0};
    if (picture_room_create(&room, &key, SAMPLES, 1 << 16, &err) != STATUS_OK) exit(1);
    struct shared_memory_key other = key, input = key;
    other.token++;
    input.file = 0;
    many_check(many, "the wrong memory is refused",
               picture_room_join(&joined, &other, SAMPLES, &err) != STATUS_OK && joined == NULL &&
                   strstr(err.message, "is not the memory") != NULL);
    many_check(many, "what is no memory is refused", picture_room_join(&joined, &input, SAMPLES, NULL) != STATUS_OK);
    many_check(many, "too many entries are refused",
               picture_room_join(&joined, &key, SIZE_MAX / 16, NULL) != STATUS_OK);
    many_check(many, "asked", picture_room_ask(room, 3, &kept) == ROOM_ASKS);
    many_check(many, "who never answers is not waited for", picture_room_ask(room, 3, &kept) == ROOM_FULL);
    picture_room_give(room, 3, NULL);
    many_check(many, "asked again", picture_room_ask(room, 3, &kept) == ROOM_ASKS);
    picture_room_free(room);
}

/* ---- what cannot be read ---- */

static void gather(void *context, size_t units, size_t bytes, const void *own, void *all)
{
    dist_gather(context, units, bytes, own, all);
}

/* The batch at which there is too much that cannot be read, -1 = none; what is said of it into `told`. */
static int64_t batch_of_refusal(struct many *many, const struct loader_options *options, struct error *told)
{
    struct loader *loader;
    struct batch batch;
    int64_t refused = -1;
    if (loader_create(&loader, options, told) != STATUS_OK) give_up(told);
    for (uint64_t i = 0; i < EPOCHS * loader_batches_per_epoch(loader) && refused < 0; i++) {
        status result = loader_next(loader, &batch, told);
        if (options->peers.size > 1) result = dist_agree(many->dist, result, told);
        if (result != STATUS_OK) refused = (int64_t)i;
    }
    loader_free(loader);
    return refused;
}

/* Against one process that reads whole batches. 12 of 96 are none: of a source that remembers them each counts once,
 * whoever meets it in whichever epoch, so that 12 may be allowed; of one that does not, all that are drawn count. */
static void check_bad(struct many *many, const char *what, uint64_t samples, double max_bad, bool is_refused)
{
    struct range own = threads_share(BATCH, dist_rank(many->dist), dist_size(many->dist));
    struct loader_options alone = options_of(NULL, 0, BATCH),
                          shared = options_of(NULL, (int)own.begin, (int)(own.end - own.begin));
    struct error of_one = {0}, of_all = {0};
    shared.peers = (struct loader_peers){dist_size(many->dist), many->dist, gather};
    alone.streams[0].source.samples = shared.streams[0].source.samples = samples;
    alone.max_bad = shared.max_bad = max_bad;
    broken_ones = 9;
    int64_t wanted = batch_of_refusal(many, &alone, &of_one), seen = batch_of_refusal(many, &shared, &of_all);
    broken_ones = 0;
    many_check(many, what, (wanted >= 0) == is_refused && seen == wanted);
    const char *counts = strstr(of_all.message, " of 96 pictures");
    many_check(many, what,
               !is_refused || samples == 0 || (counts != NULL && strstr(of_one.message, counts - 2) != NULL));
}

static void check_max_bad(struct many *many)
{
    check_bad(many, "as much may be unreadable as in one process", SAMPLES, 12.0 / SAMPLES, false);
    check_bad(many, "and no more", SAMPLES, 9.0 / SAMPLES, true);
    check_bad(many, "of what was drawn too", 0, 0.015, true);
}

/* ---- what counts once ---- */

/* Bytes of the mappings whose name has this in it: resident, and this process's part of them. */
static void resident(const char *name, double *all, double *own)
{
    char line[512];
    bool counts = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    *all = *own = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        double kilobytes;
        if (strchr(line, '-') != NULL && strstr(line, " kB") == NULL) counts = strstr(line, name) != NULL;
        if (counts && sscanf(line, "Rss: %lf", &kilobytes) == 1) *all += kilobytes;
        if (counts && sscanf(line, "Pss: %lf", &kilobytes) == 1) *own += kilobytes;
    }
    if (file != NULL) fclose(file);
}

static void check_counts_once(struct many *many, const char *what, const char *name)
{
    double all, own, most = 1.0 / dist_size_on_host(many->dist) + 0.1;
    dist_barrier(many->dist);
    resident(name, &all, &own);
    dist_barrier(many->dist);
    if (dist_rank(many->dist) == 0) printf("%s: %.0f KiB resident, of which this process has %.0f\n", what, all, own);
    many_check(many, what, all > 256 && own < most * all);
}

static void check_memory(struct many *many)
{
    enum { BYTES = 1 << 20 };
    struct picture_room *room = enter(many, BYTES + 64);
    const void *kept = NULL;
    char *place = dist_rank_on_host(many->dist) == 0 ? picture_room_place(room, BYTES) : NULL;
    if (place != NULL) memset(place, 7, BYTES);
    if (place != NULL && picture_room_ask(room, 0, &kept) == ROOM_ASKS) picture_room_give(room, 0, place);
    dist_barrier(many->dist);
    long sum = 0;
    bool has = picture_room_ask(room, 0, &kept) == ROOM_HAS;
    for (size_t i = 0; i < BYTES && has; i++) sum += ((const char *)kept)[i];
    many_check(many, "what one has written the others read", sum == 7L * BYTES);
    check_counts_once(many, "decoded pictures count once", "memfd:rmfer");
    picture_room_free(room);
}

static void write_list(const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) exit(1);
    fputs("video,frame,face,path\n", file);
    for (int i = 0; i < 60000; i++) fprintf(file, "v%d,%d,%d,%d.jpg\n", i / 6000, i / 3 % 2000, i % 3, i);
    if (fclose(file) != 0) exit(1);
}

static void check_index(struct many *many)
{
    char folder[64] = "/tmp/rmfer-many-XXXXXX", path[96], built[104];
    struct rmset_index *index;
    bool is_first = dist_rank(many->dist) == 0;
    if (is_first && mkdtemp(folder) == NULL) exit(1);
    dist_broadcast(many->dist, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/index.csv", folder);
    snprintf(built, sizeof built, "%s.index", path);
    struct rmset_options options = {.csv = path, .every = 1, .fraction = 1, .near = 1, .far = 2};
    if (is_first) write_list(path);
    if (is_first && rmset_index_open(&index, &options, NULL) != STATUS_OK) exit(1);
    dist_barrier(many->dist);
    if (!is_first && rmset_index_open(&index, &options, NULL) != STATUS_OK) exit(1);
    uint64_t sum = 0;
    for (uint64_t row = 0; row < rmset_index_faces(index); row++) sum += rmset_index_face(index, row).frame;
    many_check(many, "all read the same index", sum == 60000ull * 1999 / 2);
    check_counts_once(many, "a mapped index counts once", "index.csv.index");
    rmset_index_close(index);
    dist_barrier(many->dist);
    if (is_first && (unlink(path) != 0 || unlink(built) != 0 || rmdir(folder) != 0)) exit(1);
}

int main(void)
{
    struct many many;
    log_set_level(LOG_QUIET);
    many_begin(&many);
    check_once(&many);
    check_no_memory(&many);
    check_refusals(&many);
    check_max_bad(&many);
    check_memory(&many);
    check_index(&many);
    return many_end(&many);
}
