/* Words to checkpoints and their names. */
#include "cmd/checkpoint_word.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <string.h>

/* The last `parts` parts of a path, from a copy without slashes at the end. */
static char *tail_of(const char *path, int parts, struct error *err)
{
    char *copy = memory_copy_string(path, err);
    if (copy == NULL) return NULL;
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--) copy[n - 1] = '\0';
    const char *begin = copy + strlen(copy);
    for (; begin > copy; begin--)
        if (begin[-1] == '/' && --parts == 0) break;
    char *tail = memory_copy_string(begin, err);
    memory_free(copy);
    return tail;
}

/* The checkpoint of a run folder. */
static char *in_folder(const char *folder, struct error *err)
{
    char *best = path_join(folder, "best_overall.safetensors", err);
    if (best == NULL || file_exists(best)) return best;
    memory_free(best);
    return path_join(folder, "last.safetensors", err);
}

status checkpoint_word_read(struct checkpoint_word *checkpoint, const char *word, struct error *err)
{
    const char *equals = strchr(word, '='),
               *path = equals == NULL || file_exists(word) || folder_exists(word) ? word : equals + 1;
    *checkpoint = (struct checkpoint_word){0};
    bool is_folder = folder_exists(path);
    checkpoint->path = is_folder ? in_folder(path, err) : memory_copy_string(path, err);
    if (path == word) {
        checkpoint->name = tail_of(path, is_folder ? 1 : 2, err);
    } else {
        checkpoint->name = memory_copy_string(word, err);
        if (checkpoint->name != NULL) checkpoint->name[equals - word] = '\0';
    }
    return checkpoint->path == NULL || checkpoint->name == NULL ? STATUS_FAILED : STATUS_OK;
}

void checkpoint_word_free(struct checkpoint_word *checkpoint)
{
    memory_free(checkpoint->path);
    memory_free(checkpoint->name);
    *checkpoint = (struct checkpoint_word){0};
}
