/* Inference: the backbone, f_FER and the head for affect with batch-norm folded into the convolutions, in memory
 * planned once.
 *
 * Used by predict, by evaluation during training, and for scoring ACL candidates. */
#ifndef RMFER_NN_INFERENCE_H
#define RMFER_NN_INFERENCE_H

#include "rmfer/nn/model.h"

struct inference;
struct layer_time; /* rmfer/nn/backbone.h */

/* Plans memory for at most `batch` images of `image_size` x `image_size`. The model is read by inference_load only. */
status inference_create(struct inference **inference, const struct architecture *architecture, int classes, int batch,
                        int image_size, struct error *err) MUST_CHECK;
void inference_free(struct inference *inference);

/* Folds and packs the model's present weights and running statistics, those that changed since they were loaded last;
 * call again after they changed. */
void inference_load(struct inference *inference, const struct model *model);

/* images [n,H,W,3] normalised RGB, n <= batch; features [n,D] and logits [n,E] are written, either may be NULL. */
void inference_run(struct inference *inference, const real *images, int n, real *features, real *logits);

/* Valence and arousal [n,2] of the pictures of the last inference_run, whose features must still be there where they
 * were written. The loaded model has the head. */
void inference_affect(struct inference *inference, real *affect);

/* From now on the seconds of every layer are added to `times` [layers.count] (as forward); NULL stops that. A block's
 * expansion and depthwise convolution are one loop: their time is the depthwise convolution's. */
void inference_profile(struct inference *inference, struct layer_time *times);

/* How often weights were packed. */
size_t inference_packs(const struct inference *inference);

/* Bytes reserved: activations, folded weights. */
size_t inference_bytes(const struct inference *inference);

#endif
