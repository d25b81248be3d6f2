/* All films, one after the other: each is finished, or not there. */
#define _GNU_SOURCE /* syncfs, flock */
#include "rmfer/rmset/build.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmset/film_path.h"
#include "rmset/film_settings.h"
#include "rmset/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_NAME = 80 };

/* The film's name in the lists: its stem, with what a list, a path or a terminal may stumble over made "_". */
static void film_name(const char *path, char name[LONGEST_NAME])
{
    struct rmset_stem stem = rmset_film_stem(path);
    size_t whole = stem.end - stem.begin, length = whole < LONGEST_NAME - 1 ? whole : LONGEST_NAME - 1;
    path += stem.begin;
    static const char kept[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    for (size_t i = 0; i < length; i++) name[i] = strchr(kept, path[i]) != NULL ? path[i] : '_';
    name[length] = '\0';
    if (name[0] == '.') name[0] = '_';
}

/* Films of one name would be built into one folder. */
static status same_name(const char *earlier, const char *film, const char *name, struct error *err)
{
    if (strcmp(earlier, film) == 0) return error_set_usage(err, "%s: is given twice", film);
    if (path_is_same(earlier, film))
        return error_set_usage(err, "%s: is given twice, the other time as %s", film, earlier);
    return error_set_usage(err, "%s and %s would both be called %s: rename one of them", earlier, film, name);
}

static status check_names(const char *const *films, size_t count, struct error *err)
{
    char(*names)[LONGEST_NAME] = memory_allocate(count, sizeof *names, "the films' names", err);
    if (names == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        film_name(films[i], names[i]);
        if (set_is_list_name(names[i]))
            result = error_set_usage(err, "%s: would be called %s, as a list of the RMset is: rename it", films[i],
                                     names[i]);
        for (size_t j = 0; j < i && result == STATUS_OK; j++)
            if (strcmp(names[i], names[j]) == 0) result = same_name(films[j], films[i], names[i], err);
    }
    memory_free(names);
    return result;
}

/* ---- what is there already --------------------------------------------------------------------------------------- */

/* The film will be put there: what is no folder is found before hours of work, not behind them. */
static status check_place(const char *folder, struct error *err)
{
    struct stat facts;
    if (lstat(folder, &facts) != 0) return errno == ENOENT ? STATUS_OK : error_set_errno(err, "%s", folder);
    return folder_exists(folder) ? STATUS_OK : error_set(err, "%s: is there, and is no folder of a film", folder);
}

struct film_plan {
    const char *path, *name;
    struct rmset_notes notes;
    struct text settings, areas; /* as film.ini will hold them */
};

static status check_same(const char *folder, const struct film_facts *facts, const struct film_plan *plan,
                         bool keep_partial, struct error *err)
{
    struct text difference = {0};
    status result = film_settings_compare(facts, text_string(&plan->settings), text_string(&plan->areas), keep_partial,
                                          &difference, err);
    if (result == STATUS_OK && difference.length > 0)
        result = error_set(err,
                           "%s: was made of another film or with other settings (%s); remove it, or build into another "
                           "folder",
                           folder, text_string(&difference));
    text_free(&difference);
    return result;
}

/* A finished film stays; *done says so. One that was made otherwise is an error. */
static status look_for(const char *folder, const struct film_plan *plan, bool keep_partial, bool *done,
                       struct error *err)
{
    struct text path = {0};
    struct film_facts facts;
    *done = false;
    status result = check_place(folder, err);
    if (result == STATUS_OK) result = text_append_format(&path, err, "%s/film.ini", folder);
    if (result == STATUS_OK && folder_exists(folder)) {
        result = film_facts_read(&facts, text_string(&path), err);
        *done = result == STATUS_OK;
        if (*done) result = check_same(folder, &facts, plan, keep_partial, err);
        if (*done) film_facts_free(&facts);
    }
    text_free(&path);
    return result;
}

/* ---- one film ---------------------------------------------------------------------------------------------------- */

/* Syncs what was written and gives it its name: from then on it is finished. */
static status put_in_place(const char *part, const char *folder, struct error *err)
{
    int descriptor = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return error_set_errno(err, "%s", part);
    bool synced = syncfs(descriptor) == 0;
    close(descriptor);
    if (!synced) return error_set_errno(err, "%s: cannot be written", part);
    return rename(part, folder) == 0 ? STATUS_OK : error_set_errno(err, "%s: cannot be put in place", folder);
}

struct set_work {
    const struct rmset_build_options *options;
    struct rmset_counts *counts;
    struct rmset_progress progress;
};

static status make_film(struct set_work *work, struct film_plan *plan, const char *folder, struct error *err)
{
    struct text part = {0};
    struct film_facts facts = {0};
    status result = text_append_format(&part, err, "%s/.%s.part", work->options->folder, plan->name);
    if (result == STATUS_OK) result = folder_remove_flat(text_string(&part), err);
    if (result == STATUS_OK) result = folder_create(text_string(&part), err);
    const struct film_job job = {.options = work->options,
                                 .path = plan->path,
                                 .name = plan->name,
                                 .folder = text_string(&part),
                                 .settings = text_string(&plan->settings),
                                 .areas = text_string(&plan->areas),
                                 .notes = &plan->notes,
                                 .progress = &work->progress,
                                 .times = &work->counts->times};
    if (result == STATUS_OK) result = film_build(&job, &facts, err);
    if (result == STATUS_OK) result = put_in_place(text_string(&part), folder, err);
    if (result != STATUS_OK) {
        status removed = folder_remove_flat(text_string(&part), NULL);
        (void)removed; /* what is left goes at the next start */
    }
    film_facts_free(&facts);
    text_free(&part);
    return result;
}

/* Reads what is said about the film, and describes what is to be made of it. */
static status plan_film(struct film_plan *plan, const struct rmset_build_options *options, struct error *err)
{
    struct rmset_notes *notes = &plan->notes;
    status result = film_path_check(plan->path, err);
    for (size_t i = 0; i < options->area_count && result == STATUS_OK; i++)
        result = rmset_notes_add_area(notes, options->areas[i], err);
    if (result == STATUS_OK)
        result = rmset_notes_read(notes, plan->path, options->detections,
                                  options->detector == NULL || options->lists_first, err);
    if (result == STATUS_OK && options->detector == NULL && !notes->has_detections)
        result =
            error_set(err,
                      "%s: neither a detector (--detector FILE, or 'make detector') nor a list of detections beside it",
                      plan->path);
    rmset_notes_leave_out(notes, options->list_score, options->detection.min_face);
    if (result == STATUS_OK && options->asks_detector) rmset_notes_warn_of_detector(notes, plan->path);
    if (result == STATUS_OK) result = film_settings_describe(plan->path, options, notes, &plan->settings, err);
    if (result == STATUS_OK) result = rmset_notes_print_areas(notes, &plan->areas, err);
    if (result != STATUS_OK) return result;
    result = film_facts_check_length(text_string(&plan->settings), text_string(&plan->areas), err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", plan->path);
}

static status build_film(struct set_work *work, const char *film, struct error *err)
{
    const struct rmset_build_options *options = work->options;
    char name[LONGEST_NAME];
    struct film_plan plan = {.path = film, .name = name};
    bool done = false;
    film_name(film, name);
    work->progress.film = name;
    char *folder = path_join(options->folder, name, err);
    status result = folder == NULL ? STATUS_FAILED : plan_film(&plan, options, err);
    if (result == STATUS_OK) result = look_for(folder, &plan, options->keep_partial, &done, err);
    if (result == STATUS_OK && !done) {
        result = make_film(work, &plan, folder, err);
        work->counts->built += result == STATUS_OK;
    }
    rmset_notes_free(&plan.notes);
    text_free(&plan.settings);
    text_free(&plan.areas);
    memory_free(folder);
    return result;
}

/* Two builds in one folder would take each other's films apart. The lock ends with the process. */
static int lock_folder(const char *folder, struct error *err)
{
    char *path = path_join(folder, ".lock", err);
    if (path == NULL) return -1;
    int descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        error_set_errno(err, "%s: cannot be written", path);
    } else if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        error_set(err, "%s: another build works in this folder", folder);
        close(descriptor);
        descriptor = -1;
    }
    memory_free(path);
    return descriptor;
}

status rmset_build(const char *const *films, size_t count, const struct rmset_build_options *options,
                   struct rmset_counts *counts, struct error *err)
{
    struct set_work work = {.options = options, .counts = counts};
    *counts = (struct rmset_counts){.films = count};
    status result = check_names(films, count, err);
    for (size_t i = 0; i < options->area_count && result == STATUS_OK; i++) {
        struct rmset_notes notes = {0};
        result = rmset_notes_add_area(&notes, options->areas[i], err);
        rmset_notes_free(&notes);
    }
    if (result == STATUS_OK) result = folder_create(options->folder, err);
    if (result != STATUS_OK) return result;
    int lock = lock_folder(options->folder, err);
    if (lock < 0) return STATUS_FAILED;
    work.progress.films = count;
    for (size_t i = 0; i < count; i++) {
        struct error own = {0};
        work.progress.film_number = i + 1;
        if (build_film(&work, films[i], &own) == STATUS_OK) continue;
        counts->failed++;
        options->fail(options->context, own.message);
    }
    result = set_write_lists(options->folder, counts, err);
    close(lock);
    return result;
}
