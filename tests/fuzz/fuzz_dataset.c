/* Lists of data sets from hostile bytes (two files, parted by a zero byte; the first byte chooses the kind): what is
 * read has labels and targets in their ranges, and can be described. */
#define _GNU_SOURCE
#include "fuzz/support/page.h"
#include "fuzz/support/scratch_folder.h"
#include "rmfer/base/log.h"
#include "rmfer/data/dataset.h"

#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Kinds, and under which names they look for their lists. */
static const struct {
    const char *kind, *settings, *lists[2];
} kinds[] = {
    {"affectnet", "", {"training.csv", "validation.csv"}},
    {"rafdb", "", {"basic/EmoLabel/list_patition_label.txt", "train_labels.csv"}},
    {"ferplus", "", {"fer2013.csv", "fer2013new.csv"}},
    {"csv", "train = train.csv\nnumbers = 0-based\n", {"train.csv", "test.csv"}},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct config configs[KINDS];

static void release(void)
{
    for (int k = 0; k < KINDS; k++) config_free(&configs[k]);
}

static void prepare(void)
{
    char text[160], path[96];
    struct error err = {0};
    if (scratch_place[0] != '\0') return;
    log_set_level(LOG_QUIET);
    for (int k = 0; k < KINDS; k++) {
        snprintf(text, sizeof text, "[data]\nkind = %s\nroot = %s\non_error = skip\nmax_bad = 1\n%s", kinds[k].kind,
                 kinds[k].kind, kinds[k].settings);
        if (config_parse(&configs[k], text, "fuzz.ini", scratch_folder(), NULL, 0, &err) != STATUS_OK) {
            fprintf(stderr, "%s\n", err.message);
            abort();
        }
        snprintf(path, sizeof path, "%s/%s", scratch_folder(), kinds[k].kind);
        mkdir(path, 0700);
    }
    static const char *const folders[] = {"basic", "basic/EmoLabel", "basic/Image", "basic/Image/aligned"};
    static const char *const pictures[] = {"affectnet/a.jpg", "csv/a.jpg",
                                           "rafdb/basic/Image/aligned/train_a_aligned.jpg"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/rafdb/%s", scratch_folder(), folders[i]);
        mkdir(path, 0700);
    }
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++) { /* there, which is all that is looked at */
        snprintf(path, sizeof path, "%s/%s", scratch_folder(), pictures[i]);
        scratch_write(path, "x", 1);
    }
    atexit(release);
}

static void write_lists(int kind, const uint8_t *bytes, size_t size)
{
    char path[128];
    for (int i = 0; i < 2; i++) {
        const uint8_t *end = i == 0 && size > 0 ? memchr(bytes, '\0', size) : NULL;
        size_t length = end == NULL ? size : (size_t)(end - bytes);
        snprintf(path, sizeof path, "%s/%s/%s", scratch_folder(), kinds[kind].kind, kinds[kind].lists[i]);
        unlink(path);
        if (i == 0 || length > 0) scratch_write(path, bytes, length);
        bytes += end == NULL ? length : length + 1;
        size -= end == NULL ? length : length + 1;
    }
}

static void check(const struct dataset *dataset)
{
    struct error err = {0};
    struct text described = {0};
    for (size_t i = 0; i < dataset->count; i++) {
        float target[64] = {0}, sum = 0;
        if (dataset->samples[i].label < -1 || dataset->samples[i].label >= dataset->class_count) abort();
        if (dataset_path(dataset, i)[0] == '\0' || dataset->class_count > 64) abort();
        dataset_target(dataset, i, target);
        for (int c = 0; c < dataset->class_count; c++) sum += target[c];
        if (!(sum > 0.999f && sum < 1.001f) && dataset->samples[i].label >= 0) abort();
    }
    if (dataset_describe(dataset, &described, &err) != STATUS_OK) abort();
    text_free(&described);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum dataset_split splits[] = {SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST};
    prepare();
    if (size == 0) return 0;
    int kind = bytes[0] % KINDS;
    write_lists(kind, bytes + 1, size - 1);
    for (size_t s = 0; s < sizeof splits / sizeof splits[0]; s++) {
        struct dataset dataset;
        struct error err = {0};
        if (dataset_open(&dataset, &configs[kind].data, splits[s], &err) == STATUS_OK)
            check(&dataset);
        else if (err.message[0] == '\0')
            abort();
        dataset_free(&dataset);
    }
    return 0;
}
