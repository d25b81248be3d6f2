/* One room of decoded pictures for all processes of a machine that learn from the same data: what one has decoded the
 * others take. First come, first kept, until it is full. Two that want a picture at the same time decode it once: the
 * second one waits for the first. What pictures look like is the loader's affair. */
#ifndef RMFER_DATA_PICTURE_ROOM_H
#define RMFER_DATA_PICTURE_ROOM_H

#include "rmfer/base/shared_memory.h"

struct picture_room;

/* For `entries` pictures of at most `bytes` bytes in all; `key` is for the processes that join. */
status picture_room_create(struct picture_room **room, struct shared_memory_key *key, size_t entries, size_t bytes,
                           struct error *err) MUST_CHECK;
status picture_room_join(struct picture_room **room, const struct shared_memory_key *key, size_t entries,
                         struct error *err) MUST_CHECK;
void picture_room_free(struct picture_room *room); /* NULL is fine */

/* Takes the next `count` entries for a source; every process takes the same ones in the same order. Returns the first.
 */
size_t picture_room_entries(struct picture_room *room, size_t count);

enum room_answer {
    ROOM_HAS,  /* *kept is it */
    ROOM_ASKS, /* the caller makes it, then gives it (picture_room_give) or gives up */
    ROOM_FULL, /* the caller makes it for itself */
};
/* Any number of threads of any process. Waits while another one makes it, but not for one that has died. */
enum room_answer picture_room_ask(struct picture_room *room, size_t entry, const void **kept);

/* Where `bytes` can be written; NULL where there is no room (any more). */
void *picture_room_place(struct picture_room *room, size_t bytes);
/* What was written is there for all; `written` NULL = it was not made, and who asks next may try. */
void picture_room_give(struct picture_room *room, size_t entry, const void *written);

/* Bytes in use, of all processes. */
size_t picture_room_bytes(const struct picture_room *room);

#endif
