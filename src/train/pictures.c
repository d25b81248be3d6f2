/* Opening what the streams of a plan ask for, and keeping batches where a step meets them twice. */
#include "pictures.h"

#include "loader_peers.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/plan.h"

#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

/* With eval.select = test everything but the test split is learned, as published work does. */
static status open_data(struct pictures *pictures, const struct config *config, struct error *err)
{
    bool by_test = config->eval.select == SELECT_TEST;
    status result = dataset_open(&pictures->training, &config->data, by_test ? SPLIT_TRAIN_WHOLE : SPLIT_TRAIN, err);
    if (result != STATUS_OK) return result;
    result = dataset_open(&pictures->selection, &config->data, by_test ? SPLIT_TEST : SPLIT_VALID, err);
    if (result != STATUS_OK) return error_add_context(err, "eval.select = %s", by_test ? "test" : "valid");
    if (pictures->training.count < (size_t)config->train.batch)
        return error_set(err, "%s: the training split has %zu pictures, fewer than train.batch = %lld",
                         config->data.root, pictures->training.count, (long long)config->train.batch);
    if (config->va.weight > 0 && dataset_affect_count(&pictures->training) == 0)
        return error_set(
            err,
            "%s: va.weight = %g, but no training picture of this data set has valence and arousal (AffectNet's "
            "lists have them, and data.kind = csv with columns valence and arousal)",
            config->data.root, config->va.weight);
    return STATUS_OK;
}

/* What data.labelled left without a label. */
static status open_unlabelled(struct pictures *pictures, const struct config *config, struct error *err)
{
    bool by_test = config->eval.select == SELECT_TEST;
    status result = dataset_open(&pictures->unlabelled, &config->data,
                                 by_test ? SPLIT_TRAIN_WHOLE_UNLABELLED : SPLIT_UNLABELLED, err);
    if (result == STATUS_OK && pictures->unlabelled.count == 0)
        result = error_set(err,
                           "%s: every training picture is labelled, but train.method = %s learns from unlabelled "
                           "ones too (data.labelled says how many keep their label)",
                           config->data.root, config->train.method);
    return result;
}

static status open_rmset(struct pictures *pictures, const struct config *config, struct error *err)
{
    char *csv = path_join(config->rmset.root, config->rmset.index, err);
    if (csv == NULL) return STATUS_FAILED;
    struct rmset_options options = {
        .csv = csv,
        .every = config->rmset.every,
        .fraction = config->rmset.fraction,
        .seed = (uint64_t)config->rmset.seed,
        .near = config->acl.near,
        .far = config->acl.far,
        .grouping = config->rmset.grouping,
        .allow_outside = config->rmset.allow_outside,
    };
    status result = rmset_index_open(&pictures->index, &options, err);
    memory_free(csv);
    return result;
}

/* Where the index is missing it is built once, and all of a machine map the same file: first rank 0, then one process
 * of each machine (which finds it, where the folder is common), then the rest. Every process comes here, also with a
 * failure. */
static status open_rmset_in_turn(struct pictures *pictures, const struct run_plan *plan, status result,
                                 struct error *err)
{
    if (!dist_is_many(plan->dist)) return result == STATUS_OK ? open_rmset(pictures, plan->config, err) : result;
    int own = dist_rank(plan->dist) == 0 ? 0 : dist_rank_on_host(plan->dist) == 0 ? 1 : 2;
    for (int turn = 0; turn < 3; turn++) {
        if (turn == own && result == STATUS_OK) result = open_rmset(pictures, plan->config, err);
        result = dist_agree(plan->dist, result, err);
    }
    return result;
}

static status check_anchors(const struct pictures *pictures, const struct config *config, struct error *err)
{
    if (rmset_index_has_anchors(pictures->index)) return STATUS_OK;
    return error_set(err,
                     "%s/%s: no face has both a positive (another person within acl.near frames) and a negative (the "
                     "same person more than acl.far frames away)",
                     config->rmset.root, config->rmset.index);
}

/* That a frame shows enough persons is known now, not when the stream begins. */
static status check_moments(const struct pictures *pictures, const struct stream_request *request, struct error *err)
{
    uint64_t rows[MOST_RMSET_DRAWS];
    BUG_UNLESS(request->persons <= MOST_RMSET_DRAWS);
    return rmset_index_draw_moment(pictures->index, 0, 0, 0, (size_t)request->persons, rows, err);
}

/* Once the index is open. */
static status check_draws(const struct pictures *pictures, const struct run_plan *plan, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < plan->stream_count && result == STATUS_OK; i++) {
        enum stream_source source = plan->streams[i].source;
        if (source == STREAM_RMSET_DRAWS) result = check_anchors(pictures, plan->config, err);
        if (source == STREAM_RMSET_MOMENTS) result = check_moments(pictures, &plan->streams[i], err);
    }
    return result;
}

status pictures_open(struct pictures *pictures, const struct run_plan *plan, struct error *err)
{
    bool wants_unlabelled = false, wants_rmset = false;
    for (size_t i = 0; i < plan->stream_count; i++) {
        wants_unlabelled = wants_unlabelled || plan->streams[i].source == STREAM_UNLABELLED;
        wants_rmset = wants_rmset || stream_is_rmset(plan->streams[i].source);
    }
    status result = open_data(pictures, plan->config, err);
    if (result == STATUS_OK && wants_unlabelled) result = open_unlabelled(pictures, plan->config, err);
    if (wants_rmset) result = open_rmset_in_turn(pictures, plan, result, err);
    if (result == STATUS_OK) result = check_draws(pictures, plan, err);
    return dist_agree(plan->dist, result, err);
}

/* ---- the loader ---- */

static status init_orders(struct pictures *pictures, const struct config *config, struct error *err)
{
    enum sampler_order order = config->data.sampler == SAMPLER_BALANCED ? ORDER_BALANCED : ORDER_SHUFFLE;
    uint64_t seed = (uint64_t)config->train.seed;
    status result = dataset_source_init(&pictures->labelled_order, &pictures->training, order, seed, true, err);
    if (result == STATUS_OK && pictures->unlabelled.count > 0)
        result = dataset_source_init(&pictures->unlabelled_order, &pictures->unlabelled, ORDER_SHUFFLE, seed, false,
                                     err);
    return result;
}

static struct picture_source source_of(struct pictures *pictures, const struct run_plan *plan, size_t stream)
{
    const struct config *config = plan->config;
    const struct stream_request *request = &plan->streams[stream];
    struct rmset_source *rmset = &pictures->rmset[stream];
    *rmset = (struct rmset_source){.index = pictures->index,
                                   .seed = (uint64_t)config->train.seed,
                                   .positives = (int)config->acl.n_pos,
                                   .negatives = (int)config->acl.n_neg,
                                   .persons = request->persons,
                                   .returns = request->returns};
    switch (request->source) {
    case STREAM_LABELLED: return dataset_picture_source(&pictures->labelled_order);
    case STREAM_UNLABELLED: return dataset_picture_source(&pictures->unlabelled_order);
    case STREAM_RMSET_DRAWS: return rmset_draws(rmset);
    case STREAM_RMSET_FACES: return rmset_faces(rmset);
    case STREAM_RMSET_MOMENTS: return rmset_moments(rmset);
    }
    return (struct picture_source){0};
}

/* Whose rows of a stream are made here: every process makes its own, all of them where they are few or mixed. */
static const struct stream_share *set_share(struct pictures *pictures, const struct run_plan *plan, size_t at,
                                            int group)
{
    const struct machines *machines = dist_machines(plan->dist);
    size_t rows = (size_t)plan->streams[at].rows;
    pictures->shares[at] = plan->method->mixes_pictures ? stream_share_mixed(machines, rows)
                                                        : stream_share_of(machines, rows, (size_t)group);
    return &pictures->shares[at];
}

static struct loader_stream stream_of(struct pictures *pictures, const struct run_plan *plan, size_t at)
{
    const struct config *config = plan->config;
    const struct stream_request *request = &plan->streams[at];
    bool rmset = stream_is_rmset(request->source);
    bool augments = config->augment.enabled && (!rmset || config->rmset.augment);
    struct picture_source source = source_of(pictures, plan, at);
    const struct stream_share *share = set_share(pictures, plan, at, source.group);
    struct loader_stream stream = {
        .source = source,
        .rows = (int)(share->is_parted ? share->own : share->part.rows),
        .first_row = (int)(share->is_parted ? share->first : 0),
        .batch_rows = request->rows,
        .first_epoch = request->first_epoch,
        .views = request->view_count,
        .augment = &config->augment,
    };
    for (int v = 0; v < request->view_count; v++)
        stream.kinds[v] = request->views[v] == VIEW_PLAIN && !augments ? VIEW_AS_IS : request->views[v];
    memcpy(stream.mean, rmset ? config->rmset.mean : config->data.mean, sizeof stream.mean);
    memcpy(stream.std, rmset ? config->rmset.std : config->data.std, sizeof stream.std);
    return stream;
}

static struct loader_options options_of(const struct config *config)
{
    const struct config_data *data = &config->data;
    return (struct loader_options){
        .seed = (uint64_t)config->train.seed,
        .image_size = (int)data->image_size,
        .resize = data->resize,
        .workers = (int)data->workers,
        .prefetch = (int)data->prefetch,
        .on_error = data->on_error,
        .max_bad = data->max_bad,
    };
}

/* ---- one cache a machine ---- */

/* Pictures that the loader's streams remember. */
static size_t samples_of(const struct pictures *pictures, const struct run_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->stream_count; i++) {
        enum stream_source source = plan->streams[i].source;
        if (source == STREAM_LABELLED) count = size_add(count, pictures->training.count);
        if (source == STREAM_UNLABELLED) count = size_add(count, pictures->unlabelled.count);
    }
    return count;
}

/* The first process of a machine makes it, the others join. */
static status enter_room(struct pictures *pictures, const struct run_plan *plan, size_t bytes, struct error *err)
{
    bool is_first = dist_rank_on_host(plan->dist) == 0;
    size_t entries = samples_of(pictures, plan);
    struct shared_memory_key key = {0};
    status result = STATUS_OK;
    if (is_first) result = picture_room_create(&pictures->room, &key, entries, bytes, err);
    dist_broadcast_on_host(plan->dist, &key, sizeof key);
    return is_first ? result : picture_room_join(&pictures->room, &key, entries, err);
}

status pictures_share_cache(struct pictures *pictures, const struct run_plan *plan, status result, struct error *err)
{
    size_t bytes = (size_t)plan->config->data.cache << 20;
    pictures->cache_bytes = bytes;
    if (!dist_is_many(plan->dist)) return result;
    result = dist_agree(plan->dist, result, err);
    if (result != STATUS_OK || bytes == 0) return result;
    struct error why = {0};
    status entered = dist_size_on_host(plan->dist) > 1 ? enter_room(pictures, plan, bytes, &why) : STATUS_OK;
    if (dist_agree(plan->dist, entered, &why) == STATUS_OK) return STATUS_OK;
    picture_room_free(pictures->room);
    pictures->room = NULL;
    pictures->cache_bytes = bytes / (size_t)dist_size_on_host(plan->dist);
    log_warning("decoded pictures are not shared by the processes of a machine, each keeps its part of data.cache: %s",
                why.message);
    return STATUS_OK;
}

static status start_loader(struct pictures *pictures, const struct run_plan *plan, uint64_t step, struct error *err)
{
    struct loader_options options = options_of(plan->config);
    options.drop_last = options.replace_bad = true;
    options.cache_bytes = pictures->cache_bytes;
    options.room = pictures->room;
    options.peers = loader_peers_of(plan->dist);
    options.start_epoch = run_plan_epoch(plan, step);
    options.start_batch = run_plan_first_batch(plan, step);
    status result = init_orders(pictures, plan->config, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < plan->stream_count; i++) options.streams[i] = stream_of(pictures, plan, i);
    options.stream_count = (int)plan->stream_count;
    result = loader_create(&pictures->loader, &options, err);
    if (result == STATUS_OK) BUG_UNLESS(loader_batches_per_epoch(pictures->loader) == plan->batches_per_epoch);
    return result;
}

/* ---- rows of all processes ---- */

/* What memory is planned for. */
struct planned_pictures {
    struct pictures *pictures;
    const struct run_plan *plan;
};

static void place_joined(void *self, struct plan *memory)
{
    const struct planned_pictures *planned = self;
    struct pictures *pictures = planned->pictures;
    const struct run_plan *plan = planned->plan;
    size_t classes = (size_t)pictures->training.class_count;
    for (size_t s = 0; s < plan->stream_count; s++) {
        struct joined_rows *joined = &pictures->joined[s];
        size_t rows = (size_t)plan->streams[s].rows;
        if (!pictures->shares[s].is_parted) continue;
        joined->targets = plan_reals(memory, rows * classes);
        joined->labels = plan_take(memory, rows, sizeof *joined->labels);
        joined->ids = plan_take(memory, rows, sizeof *joined->ids);
        joined->affect = plan_reals(memory, pictures->training.affect != NULL ? 2 * rows : 0);
    }
}

static status create_joined(struct pictures *pictures, const struct run_plan *plan, struct error *err)
{
    struct planned_pictures planned = {pictures, plan};
    return plan_arena_init(&pictures->joined_arena, place_joined, &planned, "labels of all processes", err);
}

/* Labels, targets and ids of everybody's rows; the pictures stay where they are. */
static void join_stream(struct pictures *pictures, const struct run_plan *plan, size_t at, struct batch_stream *stream)
{
    const struct stream_share *share = &pictures->shares[at];
    struct joined_rows *joined = &pictures->joined[at];
    size_t group = share->part.group, units = share->part.rows / group;
    if (!share->is_parted || stream->rows == 0) return;
    dist_gather(plan->dist, units, group * sizeof *joined->labels, stream->labels, joined->labels);
    dist_gather(plan->dist, units, group * sizeof *joined->ids, stream->ids, joined->ids);
    if (stream->targets != NULL) {
        size_t bytes = group * (size_t)pictures->training.class_count * sizeof(real);
        dist_gather(plan->dist, units, bytes, stream->targets, joined->targets);
        stream->targets = joined->targets;
    }
    if (stream->affect != NULL) {
        dist_gather(plan->dist, units, group * 2 * sizeof(real), stream->affect, joined->affect);
        stream->affect = joined->affect;
    }
    stream->labels = joined->labels;
    stream->ids = joined->ids;
    stream->rows = (int)share->part.rows;
}

/* The loader's next batch as all see it; a process that cannot read ends all. */
static status next_joined(struct pictures *pictures, const struct run_plan *plan, struct batch *batch,
                          struct error *err)
{
    status result = loader_next(pictures->loader, batch, err);
    if (!dist_is_many(plan->dist)) return result;
    result = dist_agree(plan->dist, result, err);
    for (size_t s = 0; s < plan->stream_count && result == STATUS_OK; s++)
        join_stream(pictures, plan, s, &batch->streams[s]);
    return result;
}

/* ---- batches that are kept ---- */

/* Rows of a stream whose pictures are here. */
static size_t rows_here(const struct stream_share *share)
{
    return share->is_parted ? share->own : share->part.rows;
}

static void place_stream(struct batch_stream *stream, const struct stream_request *request,
                         const struct stream_share *share, size_t image_reals, size_t classes, bool with_affect,
                         struct plan *memory)
{
    size_t rows = (size_t)request->rows;
    for (int v = 0; v < request->view_count; v++)
        stream->images[v] = plan_reals(memory, size_multiply(rows_here(share), image_reals));
    if (!stream_is_rmset(request->source)) stream->targets = plan_reals(memory, rows * classes);
    if (with_affect && request->source == STREAM_LABELLED) stream->affect = plan_reals(memory, rows * 2);
    stream->labels = plan_take(memory, rows, sizeof *stream->labels);
    stream->ids = plan_take(memory, rows, sizeof *stream->ids);
}

static void place_batches(void *self, struct plan *memory)
{
    const struct planned_pictures *planned = self;
    struct pictures *pictures = planned->pictures;
    const struct run_plan *plan = planned->plan;
    struct batch_store *store = &pictures->store;
    size_t classes = (size_t)pictures->training.class_count;
    size_t side = (size_t)plan->config->data.image_size;
    for (size_t b = 0; b < store->count; b++)
        for (size_t s = 0; s < plan->stream_count; s++)
            place_stream(&store->batches[b].streams[s], &plan->streams[s], &pictures->shares[s], side * side * 3,
                         classes, store->with_affect, memory);
}

static status create_store(struct pictures *pictures, const struct run_plan *plan, struct error *err)
{
    struct batch_store *store = &pictures->store;
    size_t count = run_plan_most_batches(plan);
    if (!plan->sharpness_aware || count < 2) return STATUS_OK;
    store->batches = memory_allocate(count, sizeof *store->batches, "kept batches", err);
    if (store->batches == NULL) return STATUS_FAILED;
    store->count = count;
    store->with_affect = pictures->training.affect != NULL;
    struct planned_pictures planned = {pictures, plan};
    return plan_arena_init(&store->arena, place_batches, &planned, "the batches that SAM meets twice", err);
}

/* Copies `bytes` to a place of the store, whose numbers are const for everybody else. */
static void keep(const void *place, const void *from, size_t bytes)
{
    if (place != NULL && from != NULL && bytes > 0) memcpy((void *)(uintptr_t)place, from, bytes);
}

static void keep_stream(struct batch_stream *kept, const struct batch_stream *from, size_t pictures_here,
                        size_t image_reals, size_t classes)
{
    size_t rows = (size_t)from->rows, here = from->rows > 0 ? pictures_here : 0;
    for (int v = 0; v < from->views; v++) keep(kept->images[v], from->images[v], here * image_reals * sizeof(real));
    keep(kept->targets, from->targets, rows * classes * sizeof(real));
    keep(kept->affect, from->affect, rows * 2 * sizeof(real));
    keep(kept->labels, from->labels, rows * sizeof *from->labels);
    keep(kept->ids, from->ids, rows * sizeof *from->ids);
    kept->rows = from->rows;
    kept->group = from->group;
    kept->views = from->views;
}

status pictures_next(struct pictures *pictures, const struct run_plan *plan, size_t place, struct batch *batch,
                     struct error *err)
{
    status result = next_joined(pictures, plan, batch, err);
    if (result != STATUS_OK) return result;
    BUG_UNLESS(batch->streams[0].rows == plan->streams[0].rows); /* what cannot be read is replaced, or an error */
    if (pictures->store.count == 0) return STATUS_OK;
    size_t side = (size_t)plan->config->data.image_size, classes = (size_t)pictures->training.class_count;
    struct batch *kept = &pictures->store.batches[place];
    kept->epoch = batch->epoch;
    kept->index = batch->index;
    kept->stream_count = batch->stream_count;
    for (int s = 0; s < batch->stream_count; s++)
        keep_stream(&kept->streams[s], &batch->streams[s], rows_here(&pictures->shares[s]), side * side * 3, classes);
    *batch = *kept;
    return STATUS_OK;
}

/* ---- a walk over pictures ---- */

static struct loader_options walk_options(const struct run_plan *plan, enum pictures_of what, uint64_t epoch)
{
    const struct config *config = plan->config;
    struct loader_options options = options_of(config);
    struct loader_stream *stream = &options.streams[0];
    const double *mean = what == PICTURES_OF_RMSET ? config->rmset.mean : config->data.mean,
                 *std = what == PICTURES_OF_RMSET ? config->rmset.std : config->data.std;
    *stream = (struct loader_stream){.rows = plan->streams[0].rows, .views = 1, .augment = &config->augment};
    if (plan->method->walk_view != NULL) stream->kinds[0] = plan->method->walk_view(config);
    memcpy(stream->mean, mean, sizeof stream->mean);
    memcpy(stream->std, std, sizeof stream->std);
    options.prefetch = 1;
    options.start_epoch = epoch; /* what views are drawn for */
    options.end_epoch = epoch + 1;
    options.stream_count = 1;
    return options;
}

static status start_walk(struct pictures_walk *walk, const struct pictures *pictures, enum pictures_of what,
                         struct loader_options *options, struct error *err)
{
    const struct dataset *dataset = what == PICTURES_OF_SELECTION ? &pictures->selection : &pictures->training;
    if (what == PICTURES_OF_RMSET) {
        walk->rmset = (struct rmset_source){.index = pictures->index};
        options->streams[0].source = rmset_in_order(&walk->rmset);
        return loader_create(&walk->loader, options, err);
    }
    status result = dataset_source_init(&walk->order, dataset, ORDER_SEQUENTIAL, 0, true, err);
    if (result != STATUS_OK) return result;
    options->streams[0].source = dataset_picture_source(&walk->order);
    return loader_create(&walk->loader, options, err);
}

static uint64_t pictures_to_see(const struct pictures *pictures, enum pictures_of what)
{
    switch (what) {
    case PICTURES_OF_TRAINING: return pictures->training.count;
    case PICTURES_OF_SELECTION: return pictures->selection.count;
    case PICTURES_OF_RMSET: return rmset_index_chosen_faces(pictures->index);
    }
    return 0;
}

status pictures_walk_begin(struct pictures_walk *walk, const struct pictures *pictures, const struct run_plan *plan,
                           enum pictures_of what, uint64_t epoch, const volatile sig_atomic_t *stop, struct error *err)
{
    struct loader_options options = walk_options(plan, what, epoch);
    walk->what = what;
    walk->dist = plan->dist;
    walk->end = options.end_epoch;
    walk->stop = stop;
    walk->count = pictures_to_see(pictures, what);
    walk->is_shown = run_plan_writes(plan);
    walk->line = status_line_begin();
    status result = start_walk(walk, pictures, what, &options, err);
    return dist_agree(plan->dist, result, err);
}

/* Every process comes here, and all hear it together. */
static bool is_told_to_stop(const struct pictures_walk *walk)
{
    return dist_any(walk->dist, walk->stop != NULL && *walk->stop != 0);
}

static void show_walk(struct pictures_walk *walk)
{
    static const char *const names[] = {[PICTURES_OF_TRAINING] = "training pictures",
                                        [PICTURES_OF_SELECTION] = "pictures that choose the best checkpoint",
                                        [PICTURES_OF_RMSET] = "faces of the RMset"};
    char text[128];
    if (!walk->is_shown || walk->count == 0 || !status_line_is_due(&walk->line)) return;
    snprintf(text, sizeof text, "before epoch %llu: %llu of %llu %s looked at", (unsigned long long)walk->end,
             (unsigned long long)walk->seen, (unsigned long long)walk->count, names[walk->what]);
    status_line_show(&walk->line, (double)walk->seen / (double)walk->count, text);
}

status pictures_walk_next(void *context, struct batch_stream *rows, struct error *err)
{
    struct pictures_walk *walk = context;
    struct batch batch;
    walk->is_interrupted = is_told_to_stop(walk);
    if (walk->is_interrupted) return error_set(err, "a look at pictures was stopped");
    show_walk(walk);
    do {
        status result = loader_next(walk->loader, &batch, err);
        if (dist_is_many(walk->dist)) result = dist_agree(walk->dist, result, err);
        if (result != STATUS_OK) return result;
    } while (batch.epoch != walk->end && batch.streams[0].rows == 0); /* every picture of that batch was unreadable */
    *rows = batch.streams[0];
    walk->seen += (uint64_t)rows->rows;
    return STATUS_OK;
}

void pictures_walk_end(struct pictures_walk *walk)
{
    if (walk->is_shown) status_line_hide(&walk->line);
    loader_free(walk->loader);
    dataset_source_free(&walk->order);
    *walk = (struct pictures_walk){0};
}

/* ---- the rest ---- */

status pictures_start(struct pictures *pictures, const struct run_plan *plan, uint64_t step, struct error *err)
{
    status result = start_loader(pictures, plan, step, err);
    if (result == STATUS_OK) result = create_joined(pictures, plan, err);
    return result == STATUS_OK ? create_store(pictures, plan, err) : result;
}

void pictures_free(struct pictures *pictures)
{
    loader_free(pictures->loader);
    picture_room_free(pictures->room);
    dataset_source_free(&pictures->labelled_order);
    dataset_source_free(&pictures->unlabelled_order);
    rmset_index_close(pictures->index);
    dataset_free(&pictures->training);
    dataset_free(&pictures->selection);
    dataset_free(&pictures->unlabelled);
    arena_free(&pictures->store.arena);
    arena_free(&pictures->joined_arena);
    memory_free(pictures->store.batches);
    *pictures = (struct pictures){0};
}

status pictures_name(const struct pictures *pictures, enum stream_source source, int64_t id, struct text *name,
                     struct error *err)
{
    int64_t offset;
    if (stream_is_rmset(source)) return rmset_index_path(pictures->index, (uint64_t)id, name, &offset, err);
    const struct dataset *dataset = source == STREAM_LABELLED ? &pictures->training : &pictures->unlabelled;
    return text_append_format(name, err, "%s", dataset_path(dataset, (size_t)id));
}

size_t pictures_bytes(const struct pictures *pictures)
{
    return loader_bytes(pictures->loader) + pictures->store.arena.size + pictures->joined_arena.size;
}

size_t pictures_bytes_to_come(const struct pictures *pictures)
{
    return loader_bytes_to_come(pictures->loader);
}
