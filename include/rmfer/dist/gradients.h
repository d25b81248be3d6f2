/* A slab of gradients summed over processes, piece by piece, while backward goes on.
 *
 * A backward pass makes gradients final from the slab's end to its beginning. As soon as a piece is final it is sent:
 * each process gets its share of everybody's piece, adds the shares up in order of rank, in double, and sends the sum
 * to all: 2 (n - 1) / n of the slab's bytes a process, as the best of the libraries' ways, and the same bits each time.
 * Nobody waits before dist_gradients_finish; what is on its way is pushed on whenever more becomes final. */
#ifndef RMFER_DIST_GRADIENTS_H
#define RMFER_DIST_GRADIENTS_H

#include "rmfer/base/real.h"
#include "rmfer/dist/dist.h"

struct dist_gradients;

/* Numbers of one piece: 1 MiB of floats. */
enum { GRADIENT_PIECE_REALS = 1 << 18 };

/* For slab [count], in pieces of `piece` numbers; both `dist` and slab are borrowed. NULL where there is one process.
 */
status dist_gradients_create(struct dist_gradients **gradients, struct dist *dist, real *slab, size_t count,
                             size_t piece, struct error *err) MUST_CHECK;
void dist_gradients_free(struct dist_gradients *gradients);

/* Numbers from `begin` to the last call's will not change any more. NULL is fine. */
void dist_gradients_final(struct dist_gradients *gradients, size_t begin);

/* Sums what is left and waits for all of it; the slab is then whole, and the next sum may begin. NULL is fine. */
void dist_gradients_finish(struct dist_gradients *gradients);

/* The same where a sum was begun, and nothing where none was: for a step that is given up. NULL is fine. */
void dist_gradients_give_up(struct dist_gradients *gradients);

/* The machines of `dist`, whose gradients_final goes to these gradients; NULL of NULL. */
const struct machines *dist_gradients_machines(const struct dist_gradients *gradients);

/* Seconds so far: from the first piece sent to the last one there, and of them spent waiting in dist_gradients_finish.
 * What is not waited for was hidden behind the backward pass. */
struct dist_gradients_times {
    double under_way, waited;
    size_t sums, bytes; /* whole slabs; sent by this process */
};
struct dist_gradients_times dist_gradients_times(const struct dist_gradients *gradients);

/* Memory of what is on its way. NULL is fine. */
size_t dist_gradients_bytes(const struct dist_gradients *gradients);

#endif
