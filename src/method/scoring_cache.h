/* acl.scoring = cached: features of RMset faces remembered for the scoring of candidates, so that an anchor costs
 * little more than its kept samples. An extension: the published method scores with the present weights (acl.scoring =
 * fresh).
 *
 * Faces are scored by a copy of the backbone that is `refresh` steps old at most. A feature is computed when its face
 * is drawn for the first time after the copy was renewed, and kept until the next renewal; it is a function of the copy
 * and the picture alone. So a checkpoint needs the copy and its age, not the features: a run that goes on makes them
 * again, bit by bit the same. What is projected and compared is done anew with the present H in every step. */
#ifndef METHOD_SCORING_CACHE_H
#define METHOD_SCORING_CACHE_H

#include "rmfer/method/method.h"

struct scoring_cache;

/* Room for `faces` features (float32; memory is spent on faces that were drawn only) and a network for `drawn` rows. */
status scoring_cache_create(struct scoring_cache **cache, const struct model *student, size_t faces, size_t drawn,
                            int image_size, uint64_t refresh, struct error *err) MUST_CHECK;
void scoring_cache_free(struct scoring_cache *cache); /* accepts NULL */

/* A batch of a step of `student` begins: renews the copy where it is due, before the step's first batch. */
void scoring_cache_begin(struct scoring_cache *cache, const struct model *student);
/* The step has moved the weights: the copy is a step older, where it was used. */
void scoring_cache_end(struct scoring_cache *cache);

/* features [n,D] of pictures [n,H,W,3] of the faces `ids` (0 .. faces-1), n <= drawn. Returns how many went through the
 * network. */
size_t scoring_cache_features(struct scoring_cache *cache, const real *images, const int64_t *ids, size_t n,
                              real *features);

enum { SCORING_CACHE_MEMORIES = 3 };
size_t scoring_cache_memories(struct scoring_cache *cache, struct method_memory *memories);

size_t scoring_cache_bytes(const struct scoring_cache *cache);

#endif
