/* One film of an RMset: built into a folder of its own; what is known of it afterwards. */
#ifndef RMFER_SRC_RMSET_FILM_H
#define RMFER_SRC_RMSET_FILM_H

#include "rmfer/rmset/build.h"

/* Adds `other` to `sums`. */
void pixel_sums_add(struct pixel_sums *sums, const struct pixel_sums *other);

/* What film.ini holds. Zeroed is empty. */
struct film_facts {
    char *settings, *areas; /* owned */
    double rate;
    uint64_t frames, faces, persons;
    struct pixel_sums sums;
};

void film_facts_free(struct film_facts *facts);
status film_facts_read(struct film_facts *facts, const char *path, struct error *err) MUST_CHECK;

/* Refuses what film.ini could not be read with again; known before a film is built. */
status film_facts_check_length(const char *settings, const char *areas, struct error *err) MUST_CHECK;
status film_facts_write(const struct film_facts *facts, const char *path, struct error *err) MUST_CHECK;

struct film_job {
    const struct rmset_build_options *options;
    const char *path;             /* the film */
    const char *name;             /* in the lists */
    const char *folder;           /* to write into, empty */
    const char *settings, *areas; /* for film.ini */
    struct rmset_notes *notes;
    struct rmset_progress *progress;
    struct rmset_times *times; /* added to */
};

/* Fills the folder and `facts`. */
status film_build(const struct film_job *job, struct film_facts *facts, struct error *err) MUST_CHECK;

#endif
