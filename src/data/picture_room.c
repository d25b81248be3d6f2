/* Layout: the memory's own head, the room's, a place for every entry, then pictures one behind the other. A place is a
 * byte's number in the memory, or what is going on with it. */
#include "rmfer/data/picture_room.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/memory.h"

#include <stdatomic.h>
#include <time.h>

enum { NOBODY, BEING_MADE }; /* no picture has such a place */
enum { ALIGNMENT = 16, PAUSE_NANOSECONDS = 200000 };
static const double PATIENCE = 2; /* seconds: many times the decoding of the largest picture */

struct room_head {
    _Atomic uint64_t used; /* bytes given out, from the memory's beginning on; more than its size when full */
    _Atomic uint64_t is_full;
};

struct picture_room {
    struct shared_memory memory;
    struct room_head *head;
    _Atomic uint64_t *places; /* [entries] */
    size_t entries, taken;
};

static size_t head_bytes(size_t entries)
{
    size_t bytes = size_add(SHARED_MEMORY_HEAD + sizeof(struct room_head), size_multiply(entries, sizeof(uint64_t)));
    return size_add(bytes, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void find_parts(struct picture_room *room, size_t entries)
{
    room->head = (void *)(room->memory.base + SHARED_MEMORY_HEAD);
    room->places = (void *)(room->head + 1);
    room->entries = entries;
}

status picture_room_create(struct picture_room **out, struct shared_memory_key *key, size_t entries, size_t bytes,
                           struct error *err)
{
    size_t reserved = head_bytes(entries);
    *key = (struct shared_memory_key){0};
    struct picture_room *room = *out = memory_allocate(1, sizeof *room, "the pictures of a machine", err);
    if (room == NULL) return STATUS_FAILED;
    status result = shared_memory_create(&room->memory, key, size_add(reserved, bytes), reserved, err);
    if (result != STATUS_OK) {
        picture_room_free(room);
        *out = NULL;
        return result;
    }
    find_parts(room, entries);
    atomic_store(&room->head->used, reserved);
    return STATUS_OK;
}

status picture_room_join(struct picture_room **out, const struct shared_memory_key *key, size_t entries,
                         struct error *err)
{
    struct picture_room *room = *out = memory_allocate(1, sizeof *room, "the pictures of a machine", err);
    if (room == NULL) return STATUS_FAILED;
    status result = shared_memory_join(&room->memory, key, err);
    if (result == STATUS_OK && room->memory.size < head_bytes(entries))
        result = error_set(err, "the pictures of a machine: %zu pictures do not fit", entries);
    if (result == STATUS_OK) {
        find_parts(room, entries);
        return STATUS_OK;
    }
    picture_room_free(room);
    *out = NULL;
    return result;
}

void picture_room_free(struct picture_room *room)
{
    if (room == NULL) return;
    shared_memory_free(&room->memory);
    memory_free(room);
}

size_t picture_room_entries(struct picture_room *room, size_t count)
{
    size_t first = room->taken;
    BUG_UNLESS(count <= room->entries - room->taken);
    room->taken += count;
    return first;
}

enum room_answer picture_room_ask(struct picture_room *room, size_t entry, const void **kept)
{
    _Atomic uint64_t *place = &room->places[entry];
    double begin = 0;
    for (;;) {
        uint64_t at = atomic_load(place), nobody = NOBODY;
        if (at > BEING_MADE) {
            *kept = room->memory.base + at;
            return ROOM_HAS;
        }
        if (atomic_load(&room->head->is_full)) return ROOM_FULL;
        if (at == NOBODY && atomic_compare_exchange_strong(place, &nobody, BEING_MADE)) return ROOM_ASKS;
        if (begin == 0)
            begin = clock_seconds();
        else if (clock_seconds() - begin > PATIENCE)
            return ROOM_FULL;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
    }
}

void *picture_room_place(struct picture_room *room, size_t bytes)
{
    bytes = size_add(bytes, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (atomic_load(&room->head->is_full) || bytes > room->memory.size) return NULL;
    uint64_t at = atomic_fetch_add(&room->head->used, bytes);
    if (at <= room->memory.size - bytes && shared_memory_reserve(&room->memory, (size_t)at, bytes))
        return room->memory.base + at;
    atomic_store(&room->head->is_full, 1);
    return NULL;
}

void picture_room_give(struct picture_room *room, size_t entry, const void *written)
{
    uint64_t at = written == NULL ? NOBODY : (uint64_t)((const char *)written - room->memory.base);
    atomic_store(&room->places[entry], at);
}

size_t picture_room_bytes(const struct picture_room *room)
{
    uint64_t used = atomic_load(&room->head->used);
    return used < room->memory.size ? (size_t)used : room->memory.size;
}
