/* What the files of this room share. */
#ifndef DIST_DIST_INTERNAL_H
#define DIST_DIST_INTERNAL_H

#include "dist/transport.h"
#include "rmfer/dist/dist.h"

struct dist {
    struct transport *transport;
    struct transport_place place;
    struct machines machines;
    char (*hosts)[HOST_BYTES]; /* [size] */
    unsigned char *marks;      /* [size], room */
    /* After dist_share_cores: of this process; that its machine's processes have between them; of each process. */
    int cores, host_cores, threads;
    double *room; /* [room_count], what other processes send */
    size_t room_count;
};

/* sums [count] = the rows of room [size][count], added in order. */
void dist_add_in_order(const struct dist *dist, size_t count, const double *room, double *sums);

#endif
