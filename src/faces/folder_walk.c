/* A folder's tree is walked lazily: a stack of listed folders, from the one that was opened to the one being read. */
#include "faces/folder_walk.h"

#include "rmfer/base/file.h"
#include "rmfer/base/folder_list.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/image.h"
#include "rmfer/data/video.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FOLDER_DEPTH = 64 };

/* A listed folder. */
struct level {
    char *path, *below; /* of the folder; `below` is "" for the one that was opened */
    struct folder_list list;
    size_t next; /* in it */
};

struct folder_walk {
    struct level levels[MOST_FOLDER_DEPTH + 1];
    size_t depth;         /* levels in use */
    const char *left_out; /* a folder, or NULL; borrowed */
};

static void level_free(struct level *level)
{
    folder_list_free(&level->list);
    memory_free(level->path);
    memory_free(level->below);
    *level = (struct level){0};
}

/* Takes `path` and `below` over where it works. */
static status enter(struct folder_walk *walk, char *path, char *below, struct error *err)
{
    struct level *level = &walk->levels[walk->depth];
    *level = (struct level){.path = path, .below = below};
    status result = folder_list_read(&level->list, path, err);
    walk->depth += result == STATUS_OK;
    return result;
}

status folder_walk_open(struct folder_walk **out, const char *folder, struct error *err)
{
    struct folder_walk *walk = *out = memory_allocate(1, sizeof *walk, "a folder's names", err);
    if (walk == NULL) return STATUS_FAILED;
    char *path = memory_copy_string(folder, err), *below = memory_copy_string("", err);
    status result = path == NULL || below == NULL ? STATUS_FAILED : enter(walk, path, below, err);
    if (result != STATUS_OK) {
        memory_free(path);
        memory_free(below);
        folder_walk_close(walk);
        *out = NULL;
    }
    return result;
}

void folder_walk_close(struct folder_walk *walk)
{
    if (walk == NULL) return;
    while (walk->depth > 0) level_free(&walk->levels[--walk->depth]);
    memory_free(walk);
}

double folder_walk_share(const struct folder_walk *walk, double inner)
{
    double share = 0, one = 1; /* entry's share of the whole, level by level */
    for (size_t i = 0; i < walk->depth; i++) {
        const struct level *level = &walk->levels[i];
        if (level->list.count == 0) continue;
        one /= (double)level->list.count;
        if (level->next > 0) share += one * (double)(level->next - 1);
    }
    return share + one * inner;
}

void folder_walk_leave_out(struct folder_walk *walk, const char *folder)
{
    walk->left_out = folder;
}

/* A link to a folder is not one: it may lead back to where we are. What went away since it was listed is nothing. */
static status find_folder(const char *path, bool *is_folder, struct error *err)
{
    struct stat info;
    *is_folder = false;
    if (lstat(path, &info) != 0) return errno == ENOENT ? STATUS_OK : error_set_errno(err, "%s", path);
    *is_folder = S_ISDIR(info.st_mode);
    return STATUS_OK;
}

/* Goes into the folder `path` where that is what it is. */
static status enter_folder(struct folder_walk *walk, char *path, char *below, bool *is_entered, struct error *err)
{
    bool is_folder;
    *is_entered = false;
    status result = find_folder(path, &is_folder, err);
    if (result != STATUS_OK || !is_folder) return result;
    if (walk->depth > MOST_FOLDER_DEPTH) return error_set(err, "%s: folders in folders, too deep", path);
    if (access(path, R_OK | X_OK) != 0) return error_set_errno(err, "%s", path);
    result = enter(walk, path, below, err);
    *is_entered = result == STATUS_OK;
    return result;
}

/* The name that follows in the folder being read or in those around it; NULL behind the last. */
static const char *next_name(struct folder_walk *walk)
{
    while (walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];
        if (level->next < level->list.count) return level->list.names[level->next++];
        level_free(level);
        walk->depth--;
    }
    return NULL;
}

status folder_walk_next(struct folder_walk *walk, char **path, char **below, bool *found, struct error *err)
{
    *found = false;
    for (const char *name; (name = next_name(walk)) != NULL;) {
        const struct level *level = &walk->levels[walk->depth - 1];
        *path = path_join(level->path, name, err);
        *below = path_join(level->below, name, err);
        bool is_entered = false, is_named = *path != NULL && *below != NULL;
        bool is_left_out = is_named && walk->left_out != NULL && folder_is_same(walk->left_out, *path);
        status result = is_named ? STATUS_OK : STATUS_FAILED;
        if (is_named && !is_left_out) result = enter_folder(walk, *path, *below, &is_entered, err);
        if (is_entered) continue;
        bool is_wanted = !is_left_out && (image_kind_of_name(name) != IMAGE_UNKNOWN || video_is_named(name));
        *found = is_named && (result != STATUS_OK || is_wanted);
        if (*found) return result;
        memory_free(*path);
        memory_free(*below);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}
