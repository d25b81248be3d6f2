/* Counting what could not be read, here and in the other processes of a batch, and when it is too much. */
#include "data/loader_internal.h"

#include <string.h>

enum { FEWEST_DRAWN = 1000 }; /* pictures of a source that remembers none, before max_bad can be exceeded by a few */
enum { IDS_AT_ONCE = 32 };    /* told to the other processes in one message */

/* A stream's rows are parted: other processes make the others. */
static bool is_shared_out(const struct loader *loader, int stream)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    return loader->options.peers.size > 1 && options->rows < loader_batch_rows(options);
}

/* ---- what this process met --------------------------------------------------------------------------------------- */

/* Finds different unreadable samples by going over a batch's draws again, in order: what is found is then a function
 * of the batches delivered, not of which worker met a picture first. */
static status find_samples(struct loader *loader, const struct slot *slot, int stream, struct error *err)
{
    struct stream *of = &loader->streams[stream];
    const struct picture_source *source = &of->options->source;
    const struct slot_stream *rows = &slot->streams[stream];
    struct batch_place place = loader_place_of(loader, slot, stream);
    for (int row = 0; row < rows->rows; row++) {
        for (uint64_t failure = 0; failure < rows->failures[row]; failure++) {
            int64_t id = rows->asked[row];
            if (failure > 0 && source->draw(source->context, &place, loader_group_of(loader, stream, row), failure, &id,
                                            err) != STATUS_OK)
                return STATUS_FAILED;
            if (of->badness[id] != NOT_MET) continue;
            of->badness[id] = MET;
            of->met_ids[of->met.samples++] = id;
        }
    }
    return STATUS_OK;
}

static status find(struct loader *loader, const struct slot *slot, int stream, struct error *err)
{
    struct stream *of = &loader->streams[stream];
    const struct slot_stream *rows = &slot->streams[stream];
    of->met = (struct unreadable_met){0};
    if (of->options->source.samples > 0) return find_samples(loader, slot, stream, err);
    of->met.bad = rows->bad;
    of->met.drawn = rows->drawn;
    return STATUS_OK;
}

/* What ends the run whatever others have met. */
static status check_own(struct loader *loader, const struct slot *slot, struct error *err)
{
    if (slot->error.code != STATUS_OK) return error_set(err, "%s", slot->error.message);
    for (int i = 0; i < loader->options.stream_count; i++) {
        const struct error *unreadable = &slot->streams[i].unreadable;
        if (loader->options.on_error == ON_ERROR_FAIL && unreadable->code != STATUS_OK)
            return error_set(err, "%s (data.on_error = skip goes on without such pictures)", unreadable->message);
    }
    status result = STATUS_OK;
    for (int i = 0; i < loader->options.stream_count && result == STATUS_OK; i++) result = find(loader, slot, i, err);
    return result;
}

/* ---- what all have met ------------------------------------------------------------------------------------------- */

/* Processes meet the same sample in different epochs, so that it is counted once by its id. */
static void count_sample(struct stream *of, int64_t id)
{
    if (of->badness[id] == COUNTED) return;
    of->badness[id] = COUNTED;
    of->bad++;
    of->last_bad = id;
    of->has_new = true;
}

/* `most` = the most samples that a process has to tell. */
static void count_samples_of_all(struct loader *loader, struct stream *of, size_t most)
{
    const struct loader_peers *peers = &loader->options.peers;
    for (size_t at = 0; at < most; at += IDS_AT_ONCE) {
        int64_t own[IDS_AT_ONCE];
        for (size_t i = 0; i < IDS_AT_ONCE; i++) own[i] = at + i < of->met.samples ? of->met_ids[at + i] : -1;
        peers->gather(peers->context, (size_t)peers->size, sizeof own, own, loader->ids_of_all);
        for (size_t i = 0; i < (size_t)peers->size * IDS_AT_ONCE; i++)
            if (loader->ids_of_all[i] >= 0) count_sample(of, loader->ids_of_all[i]);
    }
}

static void add_draws(struct stream *of, const struct unreadable_met *met)
{
    of->bad += met->bad;
    of->drawn += met->drawn;
}

static void count_own(struct stream *of)
{
    for (size_t i = 0; i < of->met.samples; i++) count_sample(of, of->met_ids[i]);
    add_draws(of, &of->met);
}

static void count_all(struct loader *loader, int stream)
{
    struct stream *of = &loader->streams[stream];
    size_t most = 0;
    for (size_t r = 0; r < (size_t)loader->options.peers.size; r++) {
        const struct unreadable_met *met = &loader->met_by_all[r * MOST_STREAMS + (size_t)stream];
        if (met->samples > most) most = met->samples;
        add_draws(of, met);
    }
    count_samples_of_all(loader, of, most);
}

/* Every process comes here with every batch, also one that has failed: the others wait for what it met. */
static void count(struct loader *loader)
{
    const struct loader_peers *peers = &loader->options.peers;
    if (peers->size > 1) {
        struct unreadable_met own[MOST_STREAMS] = {{0}};
        for (int i = 0; i < loader->options.stream_count; i++) own[i] = loader->streams[i].met;
        peers->gather(peers->context, (size_t)peers->size, sizeof own, own, loader->met_by_all);
    }
    for (int i = 0; i < loader->options.stream_count; i++) {
        loader->streams[i].has_new = false;
        if (is_shared_out(loader, i))
            count_all(loader, i);
        else
            count_own(&loader->streams[i]);
    }
}

/* ---- too much ---------------------------------------------------------------------------------------------------- */

/* A source that remembers its samples may have so many unreadable ones among them. */
static status check_samples(const struct loader *loader, int stream, struct error *err)
{
    const struct stream *of = &loader->streams[stream];
    const struct picture_source *source = &of->options->source;
    uint64_t all = source->samples + source->left_out, bad = of->bad + source->left_out;
    if (!of->has_new || (double)bad <= loader->options.max_bad * (double)all) return STATUS_OK;
    struct text name = {0};
    status result = source->name(source->context, of->last_bad, &name, err);
    if (result == STATUS_OK)
        result = error_set(err, "%llu of %llu %s cannot be read, more than data.max_bad = %g allows; the last is %s",
                           (unsigned long long)bad, (unsigned long long)all, source->what, loader->options.max_bad,
                           text_string(&name));
    text_free(&name);
    return result;
}

/* Of another, so many of those that were drawn. Said by a process that met one now, as it can name it. */
static status check_draws(const struct loader *loader, const struct slot *slot, int stream, struct error *err)
{
    const struct stream *of = &loader->streams[stream];
    size_t among = of->drawn < FEWEST_DRAWN ? FEWEST_DRAWN : of->drawn;
    if (of->met.bad == 0 || (double)of->bad <= loader->options.max_bad * (double)among) return STATUS_OK;
    return error_set(err, "%zu of %zu %s cannot be read, more than data.max_bad = %g allows; one is %s", of->bad,
                     of->drawn, of->options->source.what, loader->options.max_bad,
                     slot->streams[stream].unreadable.message);
}

status loader_check_unreadable(struct loader *loader, const struct slot *slot, struct error *err)
{
    for (int i = 0; i < loader->options.stream_count; i++) loader->streams[i].met = (struct unreadable_met){0};
    status result = check_own(loader, slot, err);
    if (result == STATUS_OK || loader->options.peers.size > 1) count(loader);
    for (int i = 0; i < loader->options.stream_count && result == STATUS_OK; i++) {
        bool remembers = loader->options.streams[i].source.samples > 0;
        result = remembers ? check_samples(loader, i, err) : check_draws(loader, slot, i, err);
    }
    if (result != STATUS_OK) return result;
    return slot->exhausted.code == STATUS_OK ? STATUS_OK : error_set(err, "%s", slot->exhausted.message);
}

status loader_meet_peers(struct loader *loader, struct error *err)
{
    size_t size = (size_t)loader->options.peers.size;
    if (size <= 1) return STATUS_OK;
    loader->met_by_all = memory_allocate(size * MOST_STREAMS, sizeof *loader->met_by_all, "what all processes met",
                                         err);
    loader->ids_of_all = memory_allocate(size * IDS_AT_ONCE, sizeof *loader->ids_of_all, "what all processes met", err);
    return loader->met_by_all == NULL || loader->ids_of_all == NULL ? STATUS_FAILED : STATUS_OK;
}
