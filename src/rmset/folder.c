/* Lists are put together from the films' own, in order of names, so that they do not depend on the order of building.
 */
#include "rmset/folder.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/folder_list.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/rmset_index.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 16 };

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A finished film has a film.ini. */
static status is_finished(const char *folder, const char *name, bool *finished, struct error *err)
{
    struct text path = {0};
    status result = text_append_format(&path, err, "%s/%s/film.ini", folder, name);
    if (result == STATUS_OK) result = file_find(text_string(&path), finished, err);
    text_free(&path);
    return result;
}

/* The finished films, in text order: what is built from the lists depends on it. */
static status list_films(struct folder_list *films, const char *folder, struct error *err)
{
    status result = folder_list_read(films, folder, err);
    size_t found = films->count;
    films->count = 0;
    for (size_t i = 0; i < found && result == STATUS_OK; i++) {
        const char *name = films->names[i];
        bool finished = false;
        result = is_finished(folder, name, &finished, err);
        if (finished) films->names[films->count++] = name;
    }
    if (films->count > 0) qsort(films->names, films->count, sizeof *films->names, compare_names);
    return result;
}

status folder_remove_flat(const char *folder, struct error *err)
{
    DIR *stream = opendir(folder);
    if (stream == NULL) return errno == ENOENT ? STATUS_OK : error_set_errno(err, "%s", folder);
    status result = STATUS_OK;
    for (struct dirent *entry; result == STATUS_OK && (entry = readdir(stream)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(stream), entry->d_name, 0) != 0)
            result = error_set_errno(err, "%s/%s: cannot be removed", folder, entry->d_name);
    }
    closedir(stream);
    if (result == STATUS_OK && rmdir(folder) != 0) result = error_set_errno(err, "%s: cannot be removed", folder);
    return result;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* A list that ends before its size was not read to its end. */
static status check_read(FILE *in, const char *path, struct error *err)
{
    struct stat facts;
    if (ferror(in) || fstat(fileno(in), &facts) != 0) return error_set_errno(err, "%s", path);
    off_t at = ftello(in);
    if (at == facts.st_size) return STATUS_OK;
    return error_set(err, "%s: ended after %lld of %lld bytes", path, (long long)at, (long long)facts.st_size);
}

static status append_file(FILE *out, const char *folder, const char *film, const char *name, struct error *err)
{
    struct text path = {0};
    status result = text_append_format(&path, err, "%s/%s/%s", folder, film, name);
    FILE *in = result == STATUS_OK ? fopen(text_string(&path), "rbe") : NULL;
    if (result == STATUS_OK && in == NULL) result = error_set_errno(err, "%s", text_string(&path));
    char *buffer = result == STATUS_OK ? memory_allocate(COPY_BYTES, 1, "a list", err) : NULL;
    if (result == STATUS_OK && buffer == NULL) result = STATUS_FAILED;
    for (size_t got; result == STATUS_OK && (got = fread(buffer, 1, COPY_BYTES, in)) > 0;)
        if (fwrite(buffer, 1, got, out) != got) result = error_set_errno(err, "%s/%s: cannot be written", folder, name);
    if (result == STATUS_OK) result = check_read(in, text_string(&path), err);
    if (in != NULL) fclose(in);
    memory_free(buffer);
    text_free(&path);
    return result;
}

bool set_is_list_name(const char *name)
{
    static const char *const lists[] = {"videos.csv", "tracks.csv", "statistics.ini"};
    bool is_list = strncmp(name, "index.csv", strlen("index.csv")) == 0; /* or the binary index of one */
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) is_list |= strcmp(name, lists[i]) == 0;
    return is_list;
}

/* What is written over all films; none is put in its place before all of them are whole. */
enum { INDEX, TRACKS, VIDEOS, STATISTICS, LISTS };

static status open_list(struct atomic_file *file, const char *folder, const char *name, const char *header,
                        struct error *err)
{
    char *path = path_join(folder, name, err);
    if (path == NULL) return STATUS_FAILED;
    atomic_file_remove_stale(path);
    status result = atomic_file_open(file, path, err);
    if (result == STATUS_OK) fputs(header, file->stream);
    memory_free(path);
    return result;
}

/* A list put together from the films' lists `part`. */
static status join_lists(struct atomic_file *file, const char *folder, const struct folder_list *films,
                         const char *part, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < films->count && result == STATUS_OK; i++)
        result = append_file(file->stream, folder, films->names[i], part, err);
    return result;
}

static status write_videos(struct atomic_file *file, const char *folder, const struct folder_list *films,
                           struct rmset_counts *counts, struct pixel_sums *sums, struct error *err)
{
    for (size_t i = 0; i < films->count; i++) {
        struct text path = {0};
        struct film_facts facts = {0};
        status result = text_append_format(&path, err, "%s/%s/film.ini", folder, films->names[i]);
        if (result == STATUS_OK) result = film_facts_read(&facts, text_string(&path), err);
        text_free(&path);
        if (result != STATUS_OK) return result;
        fprintf(file->stream, "%s,%.6g,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",\"%s\"\n", films->names[i], facts.rate,
                facts.frames, facts.faces, facts.persons, facts.areas);
        counts->frames += facts.frames;
        counts->faces += facts.faces;
        counts->persons += facts.persons;
        pixel_sums_add(sums, &facts.sums);
        film_facts_free(&facts);
    }
    return STATUS_OK;
}

/* mean = S / n, variance = Q / n - mean^2, of values in 0 .. 1. */
static void write_statistics(const struct atomic_file *file, const struct pixel_sums *sums)
{
    double mean[3], deviation[3], count = sums->count > 0 ? (double)sums->count : 1;
    for (int c = 0; c < 3; c++) {
        mean[c] = (double)sums->sum[c] / count / 255;
        deviation[c] = sqrt(fmax((double)sums->squares[c] / count / (255.0 * 255.0) - mean[c] * mean[c], 1e-12));
    }
    fprintf(file->stream, "mean = %.8f, %.8f, %.8f\nstd = %.8f, %.8f, %.8f\n", mean[0], mean[1], mean[2], deviation[0],
            deviation[1], deviation[2]);
}

static status open_lists(struct atomic_file lists[LISTS], const char *folder, struct error *err)
{
    static const struct {
        const char *name, *header;
    } kinds[LISTS] = {
        [INDEX] = {"index.csv", "video,frame,face,path,x,y,w,h,score\n"},
        [TRACKS] = {"tracks.csv", "video,face,first,last,faces,end\n"},
        [VIDEOS] = {"videos.csv", "video,fps,frames,faces,persons,removal_areas\n"},
        [STATISTICS] = {"statistics.ini",
                        "# Over all pixels of all faces; training uses it with rmset.normalize = own\n[rmset]\n"},
    };
    status result = STATUS_OK;
    for (int i = 0; i < LISTS && result == STATUS_OK; i++)
        result = open_list(&lists[i], folder, kinds[i].name, kinds[i].header, err);
    return result;
}

static status write_lists(const char *folder, const struct folder_list *films, struct rmset_counts *counts,
                          struct error *err)
{
    struct atomic_file lists[LISTS] = {0};
    struct pixel_sums sums = {0};
    status result = open_lists(lists, folder, err);
    if (result == STATUS_OK) result = write_videos(&lists[VIDEOS], folder, films, counts, &sums, err);
    if (result == STATUS_OK) result = join_lists(&lists[INDEX], folder, films, "rows.csv", err);
    if (result == STATUS_OK) result = join_lists(&lists[TRACKS], folder, films, "tracks.csv", err);
    if (result == STATUS_OK) write_statistics(&lists[STATISTICS], &sums);
    for (int i = 0; i < LISTS && result == STATUS_OK; i++) result = atomic_file_commit(&lists[i], err);
    for (int i = 0; i < LISTS; i++) atomic_file_abandon(&lists[i]);
    return result;
}

/* Opening makes the binary index. */
static status make_index(const char *folder, struct error *err)
{
    char *csv = path_join(folder, "index.csv", err);
    if (csv == NULL) return STATUS_FAILED;
    struct rmset_index *index;
    struct rmset_options options = {.csv = csv, .every = 1, .fraction = 1, .near = 3, .far = 30};
    status result = rmset_index_open(&index, &options, err);
    if (result == STATUS_OK) rmset_index_close(index);
    memory_free(csv);
    return result;
}

status set_write_lists(const char *folder, struct rmset_counts *counts, struct error *err)
{
    struct folder_list films;
    status result = list_films(&films, folder, err);
    if (result == STATUS_OK && films.count == 0) result = error_set(err, "%s: no film could be built", folder);
    if (result == STATUS_OK) result = write_lists(folder, &films, counts, err);
    if (result == STATUS_OK) result = make_index(folder, err);
    folder_list_free(&films);
    return result;
}
