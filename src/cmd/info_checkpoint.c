/* rmfer info FILE or RUN_DIR: what is inside checkpoints and other files of weights. */
#include "rmfer/cmd/info.h"

#include "cmd/stored_accuracy.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ckpt/weights.h"

#include <math.h>
#include <stdio.h>

/* Nothing where the checkpoint carries no evaluation. */
static status describe_accuracy(const struct checkpoint_info *info, struct text *out, struct error *err)
{
    struct stored_accuracy stored;
    status result = stored_accuracy(info, &stored, err);
    if (result != STATUS_OK || isnan(stored.overall)) return result;
    return text_append_format(
        out, err, "overall %.2f%% [%.2f%%, %.2f%%], average %.2f%% [%.2f%%, %.2f%%], %llu pictures of the %s split",
        100 * stored.overall, 100 * stored.overall_interval.low, 100 * stored.overall_interval.high,
        100 * stored.average, 100 * stored.average_interval.low, 100 * stored.average_interval.high,
        (unsigned long long)stored.pictures, stored.split);
}

/* What is known of it stands in `out` also where its accuracy cannot be read. */
static status describe_native(const char *path, struct text *out, struct error *err)
{
    struct checkpoint checkpoint;
    status result = checkpoint_open(&checkpoint, path, err);
    if (result != STATUS_OK) return result;
    struct text accuracy = {0};
    struct error unreadable = {0};
    status readable = describe_accuracy(&checkpoint.info, &accuracy, &unreadable);
    result = checkpoint_describe(&checkpoint, text_string(&accuracy), out, err);
    if (result == STATUS_OK && readable != STATUS_OK) result = error_set(err, "%s: %s", path, unreadable.message);
    text_free(&accuracy);
    checkpoint_close(&checkpoint);
    return result;
}

static status describe_file(const char *path, struct text *out, struct error *err)
{
    struct weight_set set;
    status result = weights_read(&set, path, err);
    if (result != STATUS_OK) return result;
    bool native = set.format == WEIGHTS_SAFETENSORS &&
                  safetensors_metadata_value(&set.safetensors, METADATA_FORMAT) != NULL;
    if (!native) result = weights_describe(&set, out, err);
    weights_free(&set);
    return native ? describe_native(path, out, err) : result;
}

static status print_file(const char *path, struct error *err)
{
    struct text out = {0};
    status result = describe_file(path, &out, err);
    text_print_lines(&out, stdout);
    text_free(&out);
    return result;
}

/* The checkpoints that a run writes, those that are there; of several that cannot be read the first is told. */
static status print_run(const char *folder, struct error *err)
{
    static const char *const names[] = {"best_overall.safetensors", "best_average.safetensors", "last.safetensors"};
    size_t printed = 0;
    status result = STATUS_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = path_join(folder, names[i], err);
        if (path == NULL) return STATUS_FAILED;
        if (file_exists(path)) {
            if (printed++ > 0) putchar('\n');
            if (print_file(path, err) != STATUS_OK) result = STATUS_FAILED;
        }
        memory_free(path);
    }
    if (result == STATUS_OK && printed == 0)
        return error_set(err, "%s: no checkpoint in this folder (last.safetensors, best_overall.safetensors, ...)",
                         folder);
    return result;
}

status info_checkpoint(const char *path, struct error *err)
{
    return folder_exists(path) ? print_run(path, err) : print_file(path, err);
}
