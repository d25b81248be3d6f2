/* The way of a picture's results to who writes them: straight there with one process; with several in rounds to rank 0,
 * which brings them back into the order of the inputs. */
#ifndef RMFER_CMD_PREDICT_DELIVERY_H
#define RMFER_CMD_PREDICT_DELIVERY_H

#include "cmd/predict_output.h"
#include "rmfer/dist/dist.h"

struct predict_delivery;

/* Borrows `output`; `dist` may be NULL. `feature_count` floats a face go along where features are asked for. */
status predict_delivery_create(struct predict_delivery **delivery, struct predict_output *output, size_t feature_count,
                               struct dist *dist, struct error *err) MUST_CHECK;
void predict_delivery_free(struct predict_delivery *delivery);

/* One picture whose faces are all classified; each process gives its own in their order. With several processes it may
 * wait for the others, and fails where one of them has failed. */
status predict_delivery_add(struct predict_delivery *delivery, struct predict_item *item, struct error *err) MUST_CHECK;

/* What is left, until nobody has any more; `own` and `err` are what became of this process's share, a failure of which
 * ends all. Every process comes here, also after predict_delivery_add has failed. */
status predict_delivery_finish(struct predict_delivery *delivery, status own, struct error *err) MUST_CHECK;

#endif
