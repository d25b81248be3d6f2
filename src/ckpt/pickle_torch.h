/* The classes and functions of torch.save's pickles that are understood, built from data. Used by pickle.c. */
#ifndef RMFER_CKPT_PICKLE_TORCH_H
#define RMFER_CKPT_PICKLE_TORCH_H

#include "ckpt/pickle.h"

/* What calling `callable` (of any kind) with `arguments` stands for: a tensor, a dictionary, or an inert object. */
struct pickle_value *pickle_call(struct pool *pool, const struct pickle_value *callable, struct pickle_value *arguments,
                                 struct error *err) MUST_CHECK;

/* What a persistent id stands for: ("storage", type, key, device, count[, view]), or None for something else. */
struct pickle_value *pickle_persistent(struct pool *pool, const struct pickle_value *id, struct error *err) MUST_CHECK;

#endif
