/* Films are opened as inputs of any kind are (faces/inputs.h), which would also follow patterns and lists. */
#include "rmset/film_path.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static status find_list(const char *folder, const char *name, bool *there, struct error *err)
{
    char *path = path_join(folder, name, err);
    status result = path == NULL ? STATUS_FAILED : file_find(path, there, err);
    memory_free(path);
    return result;
}

/* A list may stand beside frames; an RMset has both. */
static status refuse_set(const char *folder, struct error *err)
{
    bool has_index = false, has_videos = false;
    status result = find_list(folder, "index.csv", &has_index, err);
    if (result == STATUS_OK) result = find_list(folder, "videos.csv", &has_videos, err);
    if (result != STATUS_OK || !has_index || !has_videos) return result;
    return error_set(err, "%s: an RMset, not a film (rmset preview --anchor VIDEO:FRAME:FACE shows what is in it)",
                     folder);
}

status film_path_check(const char *path, struct error *err)
{
    struct stat facts;
    if (strcmp(path, "-") == 0) return error_set(err, "-: a film is a file or a folder of frames, not standard input");
    if (stat(path, &facts) != 0) {
        if (errno != ENOENT || strpbrk(path, "*?[") == NULL) return error_set_errno(err, "%s", path);
        return error_set(err, "%s: there is no such file; a pattern is left to the shell, without quotes", path);
    }
    if (S_ISDIR(facts.st_mode)) return refuse_set(path, err);
    if (!S_ISREG(facts.st_mode)) return error_set(err, "%s: neither a file nor a folder of frames", path);
    return STATUS_OK;
}
