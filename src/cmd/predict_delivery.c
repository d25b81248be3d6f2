/* Rounds: each process packs the records of as many pictures as the others do, whatever their places, so that nobody
 * waits for one that has more files' worth of work in front of it. Rank 0 keeps those that come early, and writes a
 * record once no process can send one of a lower place. Who is far ahead while much is kept there sits rounds out. */
#include "cmd/predict_delivery.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"

#include <stdint.h>
#include <string.h>

enum { RECORDS_A_ROUND = 64, ROUND_BYTES = 32 << 20, MOST_KEPT_BYTES = 256 << 20 };

/* In front of a packed record: labels, features, path, target, lines and picture follow, filled up to eight bytes. */
struct packed_head {
    uint64_t bytes, place, file, face_count, path_bytes, target_bytes, lines_bytes, picture_bytes;
    int64_t frame;
    double share;
    uint32_t is_frame, has_features;
    struct error error;
};

/* What a process says of a round. */
struct round_head {
    uint64_t bytes;   /* of its records */
    uint64_t reached; /* it will send no lower place; SIZE_MAX: none at all */
};

struct bytes {
    char *base;
    size_t begin, end, capacity; /* used: base[begin .. end) */
};

struct predict_delivery {
    struct predict_output *output;
    struct dist *dist; /* NULL or of one process: no rounds */
    size_t feature_count, count;
    uint64_t reached;
    uint64_t kept; /* bytes at rank 0 behind the last round */
    struct bytes packed;
    /* [size] */
    struct round_head *heads;
    size_t *sizes;
    struct bytes *queues; /* at rank 0 */
    struct bytes arrived; /* at rank 0 */
};

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static status make_room(struct bytes *bytes, size_t more, struct error *err)
{
    if (bytes->begin > 0) memmove(bytes->base, bytes->base + bytes->begin, bytes->end - bytes->begin);
    bytes->end -= bytes->begin;
    bytes->begin = 0;
    size_t wanted = size_add(bytes->end, more);
    if (wanted <= bytes->capacity) return STATUS_OK;
    size_t capacity = wanted > 2 * bytes->capacity ? wanted : 2 * bytes->capacity;
    char *base = memory_grow(bytes->base, bytes->end, capacity, 1, "results on their way", err);
    if (base == NULL) return STATUS_FAILED;
    bytes->base = base;
    bytes->capacity = capacity;
    return STATUS_OK;
}

static void put(struct bytes *bytes, const void *from, size_t size)
{
    if (size > 0) memcpy(bytes->base + bytes->end, from, size);
    bytes->end += size;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static size_t features_bytes(const struct predict_delivery *delivery, uint64_t face_count, bool has_features)
{
    return has_features ? (size_t)face_count * delivery->feature_count * sizeof(float) : 0;
}

static status pack(struct predict_delivery *delivery, const struct predict_record *record, struct error *err)
{
    const struct face_input *input = &record->input;
    bool has_features = record->features != NULL && record->face_count > 0;
    struct packed_head head = {.place = input->place,
                               .file = input->file,
                               .face_count = record->face_count,
                               .path_bytes = strlen(input->path) + 1,
                               .target_bytes = strlen(input->target) + 1,
                               .lines_bytes = record->lines_length,
                               .picture_bytes = record->picture_size,
                               .frame = input->frame,
                               .share = input->share,
                               .is_frame = input->is_frame,
                               .has_features = has_features,
                               .error = input->error};
    size_t labels = record->face_count * sizeof *record->labels,
           features = features_bytes(delivery, head.face_count, has_features);
    size_t used = sizeof head + labels + features + head.path_bytes + head.target_bytes + head.lines_bytes +
                  head.picture_bytes;
    head.bytes = (used + 7) / 8 * 8;
    status result = make_room(&delivery->packed, head.bytes, err);
    if (result != STATUS_OK) return result;
    put(&delivery->packed, &head, sizeof head);
    put(&delivery->packed, record->labels, labels);
    put(&delivery->packed, record->features, features);
    put(&delivery->packed, input->path, head.path_bytes);
    put(&delivery->packed, input->target, head.target_bytes);
    put(&delivery->packed, record->lines, head.lines_bytes);
    put(&delivery->packed, record->picture, head.picture_bytes);
    put(&delivery->packed, "\0\0\0\0\0\0\0", head.bytes - used);
    delivery->reached = head.place;
    delivery->count++;
    return STATUS_OK;
}

/* The record in front of a queue, which points into it. */
static struct predict_record unpack(const struct predict_delivery *delivery, const struct bytes *queue)
{
    const struct packed_head *head = (const void *)(queue->base + queue->begin);
    char *at = queue->base + queue->begin + sizeof *head;
    struct predict_record record = {.face_count = (size_t)head->face_count, .labels = (const void *)at};
    record.input = (struct face_input){.place = head->place,
                                       .file = head->file,
                                       .frame = head->frame,
                                       .share = head->share,
                                       .is_frame = head->is_frame != 0,
                                       .error = head->error};
    at += head->face_count * sizeof *record.labels;
    if (head->has_features != 0) record.features = (const void *)at;
    at += features_bytes(delivery, head->face_count, head->has_features != 0);
    record.input.path = at;
    at += head->path_bytes;
    record.input.target = at;
    at += head->target_bytes;
    record.lines = at;
    record.lines_length = head->lines_bytes;
    at += head->lines_bytes;
    record.picture = (const void *)at;
    record.picture_size = head->picture_bytes;
    return record;
}

/* ---- rank 0 ------------------------------------------------------------------------------------------------------ */

/* What arrived, each process's to its queue. */
static status sort_arrived(struct predict_delivery *delivery, struct error *err)
{
    size_t at = 0;
    for (int r = 0; r < dist_size(delivery->dist); r++) {
        status result = make_room(&delivery->queues[r], delivery->sizes[r], err);
        if (result != STATUS_OK) return result;
        put(&delivery->queues[r], delivery->arrived.base + at, delivery->sizes[r]);
        at += delivery->sizes[r];
    }
    return STATUS_OK;
}

/* The process whose first kept record is the next one to be written; -1 where that is not known yet. */
static int find_next(const struct predict_delivery *delivery)
{
    uint64_t lowest = UINT64_MAX, coming = UINT64_MAX;
    int next = -1;
    for (int r = 0; r < dist_size(delivery->dist); r++) {
        const struct bytes *queue = &delivery->queues[r];
        if (queue->begin == queue->end) {
            if (delivery->heads[r].reached < coming) coming = delivery->heads[r].reached;
            continue;
        }
        uint64_t place = ((const struct packed_head *)(const void *)(queue->base + queue->begin))->place;
        if (next >= 0 && place >= lowest) continue;
        lowest = place;
        next = r;
    }
    return next >= 0 && lowest < coming ? next : -1;
}

static status write_ready(struct predict_delivery *delivery, struct error *err)
{
    status result = STATUS_OK;
    for (int next; result == STATUS_OK && (next = find_next(delivery)) >= 0;) {
        struct bytes *queue = &delivery->queues[next];
        struct predict_record record = unpack(delivery, queue);
        result = predict_output_put(delivery->output, &record, err);
        queue->begin += ((const struct packed_head *)(const void *)(queue->base + queue->begin))->bytes;
    }
    delivery->kept = 0;
    for (int r = 0; r < dist_size(delivery->dist); r++)
        delivery->kept += delivery->queues[r].end - delivery->queues[r].begin;
    return result;
}

/* The others send without being asked again, so that this must not fail halfway. */
static void make_room_for_all(struct predict_delivery *delivery)
{
    struct error err = {0};
    size_t all = 0;
    for (int r = 0; r < dist_size(delivery->dist); r++) all = size_add(all, delivery->sizes[r]);
    if (make_room(&delivery->arrived, all, &err) == STATUS_OK) return;
    log_error("%s", err.message);
    dist_abort(delivery->dist, STATUS_FAILED);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

/* Everybody's records to rank 0, which writes those whose turn it is; `own` is what became of this process so far. */
static status exchange(struct predict_delivery *delivery, status own, struct error *err)
{
    struct dist *dist = delivery->dist;
    struct round_head head = {delivery->packed.end, delivery->reached};
    dist_gather(dist, (size_t)dist_size(dist), sizeof head, &head, delivery->heads);
    for (int r = 0; r < dist_size(dist); r++) delivery->sizes[r] = (size_t)delivery->heads[r].bytes;
    if (dist_rank(dist) == 0) make_room_for_all(delivery);
    dist_collect(dist, delivery->sizes, delivery->packed.base, delivery->arrived.base);
    delivery->packed.end = delivery->count = 0;
    if (dist_rank(dist) == 0) {
        struct error failed = {0};
        status written = sort_arrived(delivery, &failed);
        if (written == STATUS_OK) written = write_ready(delivery, &failed);
        if (written != STATUS_OK && own == STATUS_OK) {
            *err = failed;
            own = written;
        }
    }
    dist_broadcast(dist, &delivery->kept, sizeof delivery->kept);
    return dist_agree(dist, own, err);
}

static bool is_far_ahead(const struct predict_delivery *delivery)
{
    if (delivery->kept < MOST_KEPT_BYTES) return false;
    for (int r = 0; r < dist_size(delivery->dist); r++)
        if (delivery->heads[r].reached < delivery->reached) return true;
    return false;
}

static bool has_ended(const struct predict_delivery *delivery)
{
    for (int r = 0; r < dist_size(delivery->dist); r++)
        if (delivery->heads[r].reached != UINT64_MAX) return false;
    return true;
}

status predict_delivery_create(struct predict_delivery **out, struct predict_output *output, size_t feature_count,
                               struct dist *dist, struct error *err)
{
    struct predict_delivery *delivery = *out = memory_allocate(1, sizeof *delivery, "results on their way", err);
    if (delivery == NULL) return STATUS_FAILED;
    *delivery = (struct predict_delivery){.output = output, .dist = dist, .feature_count = feature_count};
    if (!dist_is_many(dist)) return STATUS_OK;
    size_t size = (size_t)dist_size(dist);
    delivery->reached = (uint64_t)dist_rank(dist); /* its first place */
    delivery->heads = memory_allocate(size, sizeof *delivery->heads, "results on their way", err);
    delivery->sizes = memory_allocate(size, sizeof *delivery->sizes, "results on their way", err);
    delivery->queues = memory_allocate(size, sizeof *delivery->queues, "results on their way", err);
    bool is_made = delivery->heads != NULL && delivery->sizes != NULL && delivery->queues != NULL;
    return is_made ? STATUS_OK : STATUS_FAILED;
}

void predict_delivery_free(struct predict_delivery *delivery)
{
    if (delivery == NULL) return;
    for (int r = 0; delivery->queues != NULL && r < dist_size(delivery->dist); r++)
        memory_free(delivery->queues[r].base);
    memory_free(delivery->queues);
    memory_free(delivery->heads);
    memory_free(delivery->sizes);
    memory_free(delivery->packed.base);
    memory_free(delivery->arrived.base);
    memory_free(delivery);
}

status predict_delivery_add(struct predict_delivery *delivery, struct predict_item *item, struct error *err)
{
    struct predict_record record;
    status result = predict_output_render(delivery->output, item, &record, err);
    if (result != STATUS_OK) return result;
    if (!dist_is_many(delivery->dist)) return predict_output_put(delivery->output, &record, err);
    result = pack(delivery, &record, err);
    if (result != STATUS_OK || (delivery->count < RECORDS_A_ROUND && delivery->packed.end < ROUND_BYTES)) return result;
    do result = exchange(delivery, STATUS_OK, err);
    while (result == STATUS_OK && is_far_ahead(delivery));
    return result;
}

status predict_delivery_finish(struct predict_delivery *delivery, status own, struct error *err)
{
    if (!dist_is_many(delivery->dist)) return own;
    if (own == STATUS_OK) delivery->reached = UINT64_MAX;
    status result;
    do result = exchange(delivery, own, err);
    while (result == STATUS_OK && !has_ended(delivery));
    return result;
}
