/* One outcome for all: what failed somewhere failed everywhere, and is told once, with its rank and its machine. */
#include "dist/dist_internal.h"

#include <string.h>

/* The first rank that is marked; -1 = none. */
static int first_marked(struct dist *dist, bool own)
{
    unsigned char mark = own;
    dist_gather(dist, (size_t)dist->place.size, 1, &mark, dist->marks);
    for (int r = 0; r < dist->place.size; r++)
        if (dist->marks[r]) return r;
    return -1;
}

status dist_agree(struct dist *dist, status own, struct error *err)
{
    if (!dist_is_many(dist)) return own;
    int first = first_marked(dist, own != STATUS_OK);
    if (first < 0) return STATUS_OK;
    struct error told = *err;
    told.code = own;
    transport_broadcast(dist->transport, first, &told, sizeof told);
    told.message[sizeof told.message - 1] = '\0';
    *err = told;
    if (strncmp(err->message, "rank ", 5) == 0) return err->code; /* agreed on before, on the way up */
    return error_add_context(err, "rank %d of %d on %s", first, dist->place.size, dist->hosts[first]);
}

status dist_same(struct dist *dist, const char *what, const void *own, size_t bytes, struct error *err)
{
    unsigned char first_ones[MOST_SAME_BYTES];
    if (!dist_is_many(dist)) return STATUS_OK;
    BUG_UNLESS(bytes <= sizeof first_ones);
    memcpy(first_ones, own, bytes);
    transport_broadcast(dist->transport, 0, first_ones, bytes);
    int other = first_marked(dist, memcmp(first_ones, own, bytes) != 0);
    if (other < 0) return STATUS_OK;
    return error_set(err, "%s of rank %d on %s and of rank 0 on %s differ", what, other, dist->hosts[other],
                     dist->hosts[0]);
}
