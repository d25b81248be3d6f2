/* Values of pickles: made, collected, and found in dictionaries. */
#ifndef RMFER_CKPT_PICKLE_VALUES_H
#define RMFER_CKPT_PICKLE_VALUES_H

#include "ckpt/pickle.h"

/* A new value of that kind in the pool, NULL and an error when it is full. */
struct pickle_value *pickle_new(struct pool *pool, enum pickle_kind kind, struct error *err) MUST_CHECK;

/* Adds an item; grows by doubling. */
status pickle_items_add(struct pool *pool, struct pickle_items *list, struct pickle_value *item,
                        struct error *err) MUST_CHECK;

/* The value of a string key of a dictionary, NULL when there is none or `dict` is no dictionary. */
struct pickle_value *pickle_dict_find(const struct pickle_value *dict, const char *key);

#endif
