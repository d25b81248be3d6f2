/* A true checkpoint of a small network, changed where the input says (three bytes a change: where in its header, by
 * what) and without the checksums that would refuse it: opened, described, made a model of, loaded into one, as eval
 * and --resume do. */
#define _GNU_SOURCE
#include "fuzz/support/memory_file.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t *whole;
static size_t whole_size, header_size;
static struct model model;

static void release(void)
{
    memory_free(whole);
    model_free(&model);
}

/* Other readers pass names over that they do not know, and so does this one. */
static void rename_checksums(void)
{
    static const char name[] = "rmfer.checksum";
    for (size_t i = 0; i + sizeof name < header_size; i++)
        if (memcmp(whole + i, name, sizeof name - 1) == 0) whole[i] = 'x';
}

static void prepare(void)
{
    char path[] = "/tmp/rmfer-fuzz-XXXXXX";
    struct architecture architecture;
    struct error err = {0};
    if (whole != NULL) return;
    log_set_level(LOG_QUIET);
    atexit(release);
    int made = mkstemp(path);
    if (made < 0 || architecture_find(&architecture, "tiny_tf_16_1", &err) != STATUS_OK) abort();
    static const char *const names[] = {"Neutral", "Happiness", "Anger"};
    struct checkpoint_info info = checkpoint_info_defaults(&architecture);
    info.classes = names;
    info.class_count = 3;
    info.config = "[train]\nbatch = 8\n";
    if (model_create(&model, &architecture, 3, true, &err) != STATUS_OK) abort();
    model_initialise(&model, 1);
    if (checkpoint_write(path, &model, &info, NULL, 0, &err) != STATUS_OK) abort();
    if (file_read(path, 64 << 20, &whole, &whole_size, &err) != STATUS_OK) abort();
    unlink(path);
    close(made);
    uint64_t length;
    memcpy(&length, whole, sizeof length);
    header_size = sizeof length + (size_t)length;
    rename_checksums();
}

static void use_checkpoint(const struct checkpoint *checkpoint)
{
    struct error err = {0};
    struct text text = {0};
    struct model other = {0};
    if (checkpoint_describe(checkpoint, "", &text, &err) != STATUS_OK && err.message[0] == '\0') abort();
    text_free(&text);
    err = (struct error){0};
    if (checkpoint_create_model(checkpoint, checkpoint_has_heads(checkpoint), &other, &err) == STATUS_OK)
        model_free(&other);
    else if (err.message[0] == '\0')
        abort();
    err = (struct error){0};
    if (checkpoint_load_model(checkpoint, &model, &err) != STATUS_OK && err.message[0] == '\0') abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[MEMORY_FILE_PATH];
    struct checkpoint checkpoint;
    struct error err = {0};
    prepare();
    uint8_t *changed = malloc(whole_size);
    if (changed == NULL) abort();
    memcpy(changed, whole, whole_size);
    for (size_t i = 0; i + 2 < size; i += 3)
        changed[(size_t)(bytes[i] << 8 | bytes[i + 1]) % header_size] = bytes[i + 2];
    int descriptor = memory_file(changed, whole_size);
    memory_file_path(descriptor, path);
    if (checkpoint_open(&checkpoint, path, &err) == STATUS_OK) {
        use_checkpoint(&checkpoint);
        checkpoint_close(&checkpoint);
    } else if (err.message[0] == '\0')
        abort();
    free(changed);
    close(descriptor);
    return 0;
}
