/* Pictures by path, on threads of their own. */
#include "data/loader_pictures.h"
#include "data/parallel.h"
#include "rmfer/base/threads.h"
#include "rmfer/data/loader.h"

#include <string.h>

struct picture_list {
    const char *const *paths;
    const struct picture_format *format;
    float *images;
    struct error *errors;
    atomic_size_t bad;
};

static void load_range(void *context, size_t begin, size_t end)
{
    struct picture_list *list = context;
    const struct picture_format *format = list->format;
    static const struct image_box whole = {0};
    size_t values = (size_t)format->image_size * (size_t)format->image_size * 3;
    struct picture_workspace workspace;
    struct error no_workspace = {0};
    status ready = picture_workspace_init(&workspace, format->image_size, &no_workspace);
    for (size_t i = begin; i < end; i++) {
        struct error problem = no_workspace;
        float *out = list->images + i * values;
        if (ready == STATUS_OK &&
            picture_from_path(list->paths[i], &whole, format->resize, &workspace, &problem) == STATUS_OK) {
            picture_normalise(&workspace.pixels, format->mean, format->std, NULL, out);
        } else {
            memset(out, 0, values * sizeof *out);
            atomic_fetch_add(&list->bad, 1);
        }
        if (list->errors != NULL) list->errors[i] = problem;
    }
    picture_workspace_free(&workspace);
}

void loader_load_pictures(const char *const *paths, size_t count, const struct picture_format *format, int workers,
                          float *images, struct error *errors, size_t *bad)
{
    struct picture_list list = {.paths = paths, .format = format, .images = images, .errors = errors};
    parallel_run(count, workers > 0 ? workers : threads_get(), load_range, &list);
    *bad = atomic_load(&list.bad);
}
