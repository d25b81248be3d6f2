#include "trainer_internal.h"

#include <math.h>
#include <string.h>

uint64_t trainer_epoch(const struct trainer *t, uint64_t step)
{
    return step / t->steps_per_epoch;
}

double trainer_epochs_done(const struct trainer *t, uint64_t steps)
{
    return (double)steps / (double)t->steps_per_epoch;
}

uint64_t trainer_first_batch(const struct trainer *t, uint64_t step)
{
    return step % t->steps_per_epoch * (uint64_t)t->config->train.accumulate;
}

/* Batches of the step: `accumulate`, fewer at an epoch's end. */
static size_t group_size(const struct trainer *t, uint64_t step)
{
    uint64_t left = t->batches_per_epoch - trainer_first_batch(t, step), most = (uint64_t)t->config->train.accumulate;
    return (size_t)(left < most ? left : most);
}

/* The next batch of the loader. */
static status next_batch(struct trainer *t, struct step_batch *out, struct error *err)
{
    struct batch batch;
    status result = loader_next(t->loader, &batch, err);
    if (result != STATUS_OK) return result;
    int fewest = t->objective.self_mask == SELF_MASK_EXCLUDE && t->config->ial.weight > 0 ? 2 : 1;
    const struct batch_stream *labelled = &batch.streams[0], *contrastive = &batch.streams[1];
    if (labelled->rows < fewest)
        return error_set(err, "batch %llu of epoch %llu has only %d readable pictures",
                         (unsigned long long)batch.index, (unsigned long long)batch.epoch, labelled->rows);
    *out = (struct step_batch){
        .n = labelled->rows,
        .anchors = contrastive->rows > 0 ? contrastive->rows / contrastive->group : 0,
        .number = batch.epoch * t->batches_per_epoch + batch.index,
        .images = labelled->images[0],
        .targets = labelled->targets,
        .contrastive_images = contrastive->images[0],
        .ids = labelled->ids,
        .contrastive_ids = contrastive->ids,
    };
    return STATUS_OK;
}

/* Copies a batch into the store and points it there, so that it outlives the next call of the loader. */
static void keep_batch(struct trainer *t, size_t place, struct step_batch *batch)
{
    struct batch_store *store = &t->store;
    size_t side = (size_t)t->config->data.image_size, image = side * side * 3, n = (size_t)batch->n;
    size_t drawn = (size_t)batch->anchors * (size_t)(1 + t->config->acl.n_pos + t->config->acl.n_neg);
    memcpy(store->images[place], batch->images, n * image * sizeof(real));
    memcpy(store->targets[place], batch->targets, n * (size_t)t->model.classes * sizeof(real));
    memcpy(store->ids[place], batch->ids, n * sizeof *batch->ids);
    batch->images = store->images[place];
    batch->targets = store->targets[place];
    batch->ids = store->ids[place];
    if (drawn == 0) return;
    memcpy(store->contrastive_images[place], batch->contrastive_images, drawn * image * sizeof(real));
    memcpy(store->contrastive_ids[place], batch->contrastive_ids, drawn * sizeof *batch->contrastive_ids);
    batch->contrastive_images = store->contrastive_images[place];
    batch->contrastive_ids = store->contrastive_ids[place];
}

/* Forward and backward of one batch. */
static void run_batch(struct trainer *t, const struct objective *objective, const struct step_batch *batch,
                      struct step_losses *losses)
{
    struct labelled_batch labelled = {batch->n, batch->images, batch->targets};
    struct contrastive_batch contrastive = {batch->anchors, batch->contrastive_images};
    train_step_run(t->step, objective, &labelled, batch->anchors > 0 ? &contrastive : NULL,
                   (uint64_t)t->config->train.seed, batch->number, losses);
}

static void add_to_window(struct loss_window *window, const struct step_batch *batch,
                          const struct step_losses *losses)
{
    window->batches++;
    window->images += batch->n;
    window->total += losses->total;
    window->fer += losses->fer;
    window->ial += losses->ial;
    window->acl += losses->acl;
    window->correct_fer += losses->correct_fer;
    window->correct_ial += losses->correct_ial;
    window->same_class_similarity += losses->same_class_similarity;
    window->different_class_similarity += losses->different_class_similarity;
}

/* What stays the same in both of SAM's passes. */
struct pass {
    struct objective objective;
    struct optimizer_rates rates;
    size_t batches;
    struct step_batch *group; /* [batches] when they are kept, else only the last one, in [0] */
};

/* The pass at the weights as they are: reads the batches and adds up their gradients. `window` stays the caller's
 * until the whole step is known to be finite. */
static status first_pass(struct trainer *t, struct pass *pass, struct loss_window *window, struct error *err)
{
    for (size_t i = 0; i < pass->batches; i++) {
        struct step_batch *batch = &pass->group[t->store.count > 0 ? i : 0];
        struct step_losses losses;
        status result = next_batch(t, batch, err);
        if (result != STATUS_OK) return result;
        if (t->store.count > 0) keep_batch(t, i, batch);
        run_batch(t, &pass->objective, batch, &losses);
        if (!isfinite(losses.total)) return trainer_report_not_finite(t, &losses, 0, batch, 1, err);
        add_to_window(window, batch, &losses);
    }
    return STATUS_OK;
}

/* SAM's pass, up the slope: the same batches and masks, running statistics left alone. */
static status second_pass(struct trainer *t, struct pass *pass, struct error *err)
{
    struct objective objective = pass->objective;
    objective.bn_momentum = 0;
    for (size_t i = 0; i < pass->batches; i++) {
        struct step_losses losses;
        run_batch(t, &objective, &pass->group[i], &losses);
        if (!isfinite(losses.total)) return trainer_report_not_finite(t, &losses, 0, &pass->group[i], 1, err);
    }
    return STATUS_OK;
}

/* The gradient's length; an error when it is not finite. */
static status gradient_norm(struct trainer *t, const struct pass *pass, double *norm, struct error *err)
{
    *norm = optimizer_gradient_norm(t->optimizer, &pass->rates);
    if (isfinite(*norm)) return STATUS_OK;
    size_t known = t->store.count > 0 ? pass->batches : 1;
    return trainer_report_not_finite(t, NULL, *norm, pass->group, known, err);
}

/* The gradients that the optimizer steps along, and their length: at w, or with SAM up the slope from there. */
static status find_gradients(struct trainer *t, struct pass *pass, struct loss_window *window, double *norm,
                             struct error *err)
{
    parameters_zero_gradients(&t->model.parameters);
    status result = first_pass(t, pass, window, err);
    if (result == STATUS_OK) result = gradient_norm(t, pass, norm, err);
    if (result != STATUS_OK || t->config->train.optimizer != OPTIMIZER_SAM) return result;
    optimizer_sharpen(t->optimizer, &pass->rates, *norm);
    result = second_pass(t, pass, err);
    if (result == STATUS_OK) result = gradient_norm(t, pass, norm, err);
    if (result != STATUS_OK) optimizer_restore(t->optimizer, &pass->rates);
    return result;
}

/* Losses and rates of the phase that the step is in. */
static struct pass pass_of(const struct trainer *t, uint64_t step, struct step_batch *group)
{
    const struct phase *phase = phase_table_at(&t->phases, trainer_epoch(t, step));
    struct pass pass = {t->objective, phase->rates, group_size(t, step), group};
    double factor = schedule_factor(&t->schedule, step);
    for (int i = 0; i < GROUP_COUNT; i++) pass.rates.learning_rate[i] *= factor;
    pass.objective.ial_weight = phase->ial_weight;
    pass.objective.acl_weight = phase->acl_weight;
    pass.objective.gradient_scale = 1 / (double)pass.batches;
    return pass;
}

status trainer_step(struct trainer *t, struct error *err)
{
    uint64_t step = (uint64_t)t->position.step;
    struct pass pass = pass_of(t, step, t->group);
    struct loss_window window = t->window;
    double norm, begin = clock_seconds(), images = window.images;
    status result = find_gradients(t, &pass, &window, &norm, err);
    if (result != STATUS_OK) return result;
    optimizer_step(t->optimizer, &pass.rates, optimizer_clip_factor(norm, t->config->train.clip_norm));
    t->position.step++;
    if (t->has_average)
        weight_average_update(&t->average, &t->model.parameters,
                              weight_average_decay(t->config->train.ema_decay, step + 1));
    window.steps++;
    window.gradient_norm += norm;
    t->window = window;
    double seconds = clock_seconds() - begin;
    t->watch.training_seconds += seconds;
    t->watch.window_seconds += seconds;
    t->watch.images += window.images - images;
    t->watch.window_images += window.images - images;
    return STATUS_OK;
}
