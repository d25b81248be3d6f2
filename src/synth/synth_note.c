/* The note in a drawn folder. The layouts have the names of the real data sets' own files, so that nothing is drawn
 * over what does not say that it was drawn, nor fewer pictures into more. */
#include "synth/synth_internal.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static const char NOTE_NAME[] = "drawn.txt", NOTE_BEGINNING[] = "Drawn by rmfer synth, which may draw over it.\n";
enum { LONGEST_NOTE = 256 };

/* A folder that is not there has nothing in it. */
static status find_content(const char *folder, bool *found, struct error *err)
{
    *found = false;
    DIR *stream = opendir(folder);
    if (stream == NULL && (errno == ENOENT || errno == ENOTDIR)) return STATUS_OK;
    if (stream == NULL) return error_set_errno(err, "%s", folder);
    status result = STATUS_OK;
    errno = 0;
    for (struct dirent *entry; !*found && (entry = readdir(stream)) != NULL; errno = 0)
        *found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (!*found && errno != 0) result = error_set_errno(err, "%s", folder);
    closedir(stream);
    return result;
}

/* How many `what` the note tells of; -1 where there is no note, or one of something else. */
static int64_t noted_count(const char *note, const char *what)
{
    uint8_t *bytes = NULL;
    size_t size, beginning = strlen(NOTE_BEGINNING), length = strlen(what);
    int64_t count = -1;
    if (file_read(note, LONGEST_NOTE, &bytes, &size, NULL) != STATUS_OK) return -1;
    char *text = (char *)bytes;
    if (strncmp(text, NOTE_BEGINNING, beginning) == 0 && strncmp(text + beginning, what, length) == 0 &&
        text[beginning + length] == ' ' && !text_to_integer(text_trim(text + beginning + length), &count))
        count = -1;
    memory_free(bytes);
    return count;
}

status synth_check_folder(const char *folder, const char *what, int64_t count, struct error *err)
{
    char note[SYNTH_PATH_BYTES];
    bool found;
    status result = synth_path(note, err, "%s/%s", folder, NOTE_NAME);
    if (result != STATUS_OK) return result;
    atomic_file_remove_stale(note);
    result = find_content(folder, &found, err);
    if (result != STATUS_OK || !found) return result;
    int64_t there = noted_count(note, what);
    if (there < 0)
        return error_set_usage(err,
                               "%s: holds files that synth has not drawn (there is no %s that says so), and would be "
                               "drawn over: name another folder",
                               folder, NOTE_NAME);
    if (there > count)
        return error_set_usage(err,
                               "%s: was drawn of %" PRId64 " %s, of which fewer (%" PRId64
                               ") would leave some: remove it, or "
                               "name another folder",
                               folder, there, what, count);
    return STATUS_OK;
}

status synth_note_folder(const char *folder, const char *what, int64_t count, struct error *err)
{
    char note[SYNTH_PATH_BYTES];
    struct text text = {0};
    status result = folder_create(folder, err);
    if (result == STATUS_OK) result = synth_path(note, err, "%s/%s", folder, NOTE_NAME);
    if (result == STATUS_OK) result = text_append_format(&text, err, "%s%s %" PRId64 "\n", NOTE_BEGINNING, what, count);
    if (result == STATUS_OK) result = atomic_file_write_text(note, text_string(&text), err);
    text_free(&text);
    return result;
}
