/* Where the model in the box and the detector lie: beside the program in its source folder, with the user's data, or
 * installed. Nothing is searched for beyond these places. */
#include "rmfer/cmd/lookup.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RMFER_PREFIX
#define RMFER_PREFIX "/usr/local"
#endif

struct sought {
    const char *what, *variable, *name;
    bool with_user_data;
};

static const struct sought SOUGHT[] = {
    [LOOKUP_MODEL] = {"model", "RMFER_MODEL", "ferplus-b0.safetensors", false},
    [LOOKUP_DETECTOR] = {"detector", "RMFER_DETECTOR", "yunet.onnx", true},
};

/* The folder of the running program; false where the system does not tell. */
static bool program_folder(char folder[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (length <= 0 || length >= PATH_MAX - 1) return false;
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    return true;
}

/* Replaces *path by folder/between/name; empties it again when no file is there. */
static status try_place(struct text *path, const char *folder, const char *between, const char *name, struct error *err)
{
    text_free(path);
    status result = text_append_format(path, err, "%s%s%s", folder, between, name);
    if (result == STATUS_OK && !file_exists(text_string(path))) text_free(path);
    return result;
}

static status try_user_data(struct text *path, const char *name, struct error *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data != NULL && data[0] == '/') return try_place(path, data, "/rmfer/", name, err);
    if (home == NULL || home[0] != '/') return STATUS_OK;
    return try_place(path, home, "/.local/share/rmfer/", name, err);
}

static status find_file(const struct sought *sought, struct text *path, struct error *err)
{
    char folder[PATH_MAX];
    status result = STATUS_OK;
    bool known = program_folder(folder);
    if (known) result = try_place(path, folder, "/models/", sought->name, err);
    if (result == STATUS_OK && path->length == 0 && sought->with_user_data)
        result = try_user_data(path, sought->name, err);
    if (result == STATUS_OK && path->length == 0 && known)
        result = try_place(path, folder, "/../share/rmfer/", sought->name, err);
    if (result == STATUS_OK && path->length == 0)
        result = try_place(path, RMFER_PREFIX, "/share/rmfer/", sought->name, err);
    return result;
}

status lookup_file(enum lookup_kind kind, struct text *path, struct error *err)
{
    const struct sought *sought = &SOUGHT[kind];
    const char *named = getenv(sought->variable);
    status result;
    if (named != NULL && named[0] != '\0')
        result = text_append_format(path, err, "%s", named);
    else
        result = find_file(sought, path, err);
    if (result == STATUS_OK && path->length > 0 && strcmp(text_string(path), LOOKUP_NONE) != 0)
        log_info("%s: %s", sought->what, text_string(path));
    return result;
}

status lookup_checkpoint(const char *needed, const char **checkpoint, struct text *found, struct error *err)
{
    if (*checkpoint != NULL) return STATUS_OK;
    status result = lookup_file(LOOKUP_MODEL, found, err);
    if (result != STATUS_OK) return result;
    if (found->length == 0)
        return error_set_usage(err,
                               "%s: neither $RMFER_MODEL nor %s, beside the program or in "
                               "%s/share/rmfer, is there",
                               needed, SOUGHT[LOOKUP_MODEL].name, RMFER_PREFIX);
    *checkpoint = text_string(found);
    return STATUS_OK;
}

status lookup_detector(const char **detector, struct text *found, struct error *err)
{
    status result = *detector == NULL ? lookup_file(LOOKUP_DETECTOR, found, err) : STATUS_OK;
    if (result != STATUS_OK) return result;
    if (*detector == NULL && found->length > 0) *detector = text_string(found);
    if (*detector != NULL && strcmp(*detector, LOOKUP_NONE) == 0) *detector = NULL;
    return STATUS_OK;
}
