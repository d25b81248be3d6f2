/* Whole runs of the trainer on a few drawn faces: losses with weight 0 leave no trace in any bit, the averages and
 * the checkpoint's tensors are what they should be, a lack of memory is an error and nothing worse. */
#include "rmfer/train/trainer.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "support/drawn_faces.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder;

static const char BASE[] = "[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nimage_size = 32\n"
                           "normalize = imagenet\nworkers = 1\n"
                           "[model]\narch = tf_efficientnet_b0\ndropout = 0.2\ndrop_path = 0.2\n"
                           "[train]\noptimizer = adamw\nlr = 1e-3\nlr_ial = 1e-3\nlr_contrastive = 1e-3\n"
                           "weight_decay = 0.1\nbatch = 8\nepochs = 2\nwarmup_epochs = 1\nmax_steps = 10\n"
                           "[acl]\nn_pos = 3\nn_neg = 3\n"
                           "[rmset]\nroot = faces/rmset\n"
                           "[eval]\nevery = 10\nbatch = 16\n";

static int draw_faces(void **state)
{
    (void)state;
    folder = drawn_faces_make();
    return 0;
}

static int remove_faces(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

enum { MOST_OVERRIDES = 11 };

/* Trains with BASE and the overrides (NULL-terminated) into folder/name. */
static status run(const char *name, const char *const *overrides, bool resume, struct training_summary *summary,
                  struct error *err)
{
    struct config config;
    const char *all[MOST_OVERRIDES + 1];
    char out[256];
    size_t count = 0;
    snprintf(out, sizeof out, "output.dir=%s", scratch_path(folder, name));
    all[count++] = out;
    for (size_t i = 0; overrides[i] != NULL; i++) all[count++] = overrides[i];
    status result = config_parse(&config, BASE, "base.ini", folder, all, count, err);
    struct trainer_options options = {.config = &config, .resume = resume};
    if (result == STATUS_OK) result = trainer_run(&options, summary, err);
    config_free(&config);
    return result;
}

static void train(const char *name, const char *const *overrides)
{
    struct error err = {0};
    struct training_summary summary;
    if (run(name, overrides, false, &summary, &err) != STATUS_OK) fail_msg("%s: %s", name, err.message);
    assert_int_equal(summary.end, TRAINING_COMPLETE);
    assert_int_equal(summary.steps, 10);
}

static void open_checkpoint(struct checkpoint *checkpoint, const char *name, const char *file)
{
    struct error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_path(folder, name), file);
    if (checkpoint_open(checkpoint, path, &err) != STATUS_OK) fail_msg("%s", err.message);
}

static void open_last(struct checkpoint *checkpoint, const char *name)
{
    open_checkpoint(checkpoint, name, "last.safetensors");
}

/* Every tensor of this file has the same bytes in both runs. */
static void assert_same_bits_of(const char *file, const char *a, const char *b)
{
    struct checkpoint first, second;
    open_checkpoint(&first, a, file);
    open_checkpoint(&second, b, file);
    assert_int_equal(first.file.count, second.file.count);
    for (size_t i = 0; i < first.file.count; i++) {
        const struct tensor *tensor = &first.file.tensors[i];
        const struct tensor *other = safetensors_find(&second.file, tensor->name);
        assert_non_null(other);
        size_t bytes = tensor->count * tensor_type_size(tensor->type);
        if (memcmp(tensor->data, other->data, bytes) != 0) fail_msg("%s: %s differs from %s", tensor->name, a, b);
    }
    checkpoint_close(&first);
    checkpoint_close(&second);
}

/* Optimizer state too. */
static void assert_same_bits(const char *a, const char *b)
{
    assert_same_bits_of("last.safetensors", a, b);
}

/* METHOD's ablation rows: what is off has no say, whatever its other settings are. */
static void test_losses_of_weight_0_leave_no_trace(void **state)
{
    (void)state;
    static const char *const baseline[] = {"ial.weight=0", "acl.weight=0", "rmset.root=", NULL};
    static const char *const off[] = {
        "ial.weight=0",  "acl.weight=0",     "ial.temperature=0.1",   "ial.self_mask=none",
        "acl.anchors=4", "train.lr_ial=0.5", "train.warmup_epochs=0", NULL};
    static const char *const no_rmset[] = {"ial.weight=0", "acl.weight=7", "rmset.fraction=0", NULL};
    train("baseline", baseline);
    train("off", off);
    train("no_rmset", no_rmset);
    assert_same_bits("baseline", "off");
    assert_same_bits("baseline", "no_rmset");
}

static void test_losses_of_another_weight_do(void **state)
{
    (void)state;
    static const char *const ial[] = {"acl.weight=0", NULL};
    static const char *const both[] = {NULL};
    struct checkpoint checkpoint, other;
    train("ial", ial);
    train("both", both);
    open_last(&checkpoint, "ial");
    open_last(&other, "both");
    const struct tensor *first = checkpoint_tensor(&checkpoint, "ial.projection.0.weight");
    const struct tensor *second = checkpoint_tensor(&other, "ial.projection.0.weight");
    assert_memory_not_equal(first->data, second->data, first->count * sizeof(float));
    /* Steps by group: f_IAL learned in all ten. */
    const struct tensor *steps = checkpoint_tensor(&checkpoint, "optimizer.group_steps");
    assert_non_null(steps);
    for (size_t group = 0; group < 4; group++) assert_true(tensor_element(steps, group) >= 10);
    checkpoint_close(&checkpoint);
    checkpoint_close(&other);
}

/* SAM with a step too short to change any weight is its base optimizer: both passes meet the same pictures and masks,
 * kept ones of accumulated batches too, and running statistics move once. */
static void test_sam_meets_the_same_batches_twice(void **state)
{
    (void)state;
    static const char *const base[] = {"acl.weight=0", "train.accumulate=3", "train.clip_norm=1", "train.epochs=4",
                                       NULL};
    static const char *const sam[] = {
        "acl.weight=0",        "train.accumulate=3",   "train.clip_norm=1",   "train.epochs=4",
        "train.optimizer=sam", "train.sam_base=adamw", "train.sam_rho=1e-30", NULL};
    static const char *const real_sam[] = {"acl.weight=0",
                                           "train.accumulate=3",
                                           "train.clip_norm=1",
                                           "train.epochs=4",
                                           "train.optimizer=sam",
                                           "train.sam_base=adamw",
                                           NULL};
    struct checkpoint short_step, long_step;
    train("base", base);
    train("sam", sam);
    train("real_sam", real_sam);
    assert_same_bits("base", "sam");
    open_last(&short_step, "sam");
    open_last(&long_step, "real_sam");
    const struct tensor *a = checkpoint_tensor(&short_step, "conv_stem.weight");
    const struct tensor *b = checkpoint_tensor(&long_step, "conv_stem.weight");
    assert_memory_not_equal(a->data, b->data, a->count * sizeof(float));
    checkpoint_close(&short_step);
    checkpoint_close(&long_step);
}

static void test_a_frozen_backbone_stays(void **state)
{
    (void)state;
    static const char *const none[] = {"train.freeze_backbone=true", "acl.weight=0", "train.lr=0", "train.lr_ial=0",
                                       NULL};
    static const char *const frozen[] = {"train.freeze_backbone=true", "acl.weight=0", NULL};
    struct checkpoint before, after;
    train("unmoved", none);
    train("frozen", frozen);
    open_last(&before, "unmoved");
    open_last(&after, "frozen");
    static const char *const stay[] = {"conv_stem.weight", "bn1.running_mean", "blocks.2.0.conv_dw.weight",
                                       "conv_head.weight"};
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        const struct tensor *a = checkpoint_tensor(&before, stay[i]), *b = checkpoint_tensor(&after, stay[i]);
        assert_memory_equal(a->data, b->data, a->count * sizeof(float));
    }
    const struct tensor *a = checkpoint_tensor(&before, "classifier.weight");
    const struct tensor *b = checkpoint_tensor(&after, "classifier.weight");
    assert_memory_not_equal(a->data, b->data, a->count * sizeof(float));
    checkpoint_close(&before);
    checkpoint_close(&after);
}

static void test_lack_of_memory_is_an_error(void **state)
{
    (void)state;
    static const char *const overrides[] = {"train.max_steps=1", "train.ema_decay=0.9", "train.optimizer=sam",
                                            "train.accumulate=2", NULL};
    int failures = 0;
    for (long countdown = 1; countdown < 4000; countdown += 1 + countdown / 4) {
        struct error err = {0};
        struct training_summary summary;
        char name[32];
        snprintf(name, sizeof name, "memory%ld", countdown);
        memory_fail_after(countdown);
        status result = run(name, overrides, false, &summary, &err);
        memory_fail_after(0);
        if (result == STATUS_OK) continue; /* a worker may do without: the picture is replaced */
        assert_true(err.message[0] != '\0');
        failures++;
    }
    assert_true(failures > 10);
}

/* Puts another number into a tensor of folder/name/last.safetensors, with checksums that are right. */
static void forge(const char *name, const char *tensor_name, const void *element, size_t size)
{
    struct error err = {0};
    struct safetensors file;
    char path[256];
    snprintf(path, sizeof path, "%s/last.safetensors", scratch_path(folder, name));
    if (safetensors_open(&file, path, &err) != STATUS_OK) fail_msg("%s", err.message);
    struct tensor *tensors = file.tensors;
    size_t metadata = 0; /* the old checksums left out */
    for (size_t i = 0; i < file.metadata_count; i++)
        if (strncmp(file.metadata[i].key, "rmfer.checksum", 14) != 0) file.metadata[metadata++] = file.metadata[i];
    for (size_t i = 0; i < file.count; i++) {
        if (strcmp(tensors[i].name, tensor_name) != 0) continue;
        size_t bytes = tensors[i].count * tensor_type_size(tensors[i].type);
        uint8_t *changed = memory_allocate(bytes, 1, "a tensor", &err);
        assert_non_null(changed);
        memcpy(changed, tensors[i].data, bytes);
        memcpy(changed, element, size);
        tensors[i].data = changed;
        status result = safetensors_write(path, tensors, file.count, file.metadata, metadata, &err);
        if (result != STATUS_OK) fail_msg("%s", err.message);
        memory_free(changed);
        safetensors_close(&file);
        return;
    }
    fail_msg("%s has no %s", path, tensor_name);
}

/* What a method remembers may be forged: a place in MoCo's queue far behind its end would be written to. */
static void test_forged_memories_are_refused(void **state)
{
    (void)state;
    static const uint64_t far = UINT64_C(1) << 40, just_behind = 8;
    static const float none = NAN, two = 2;
    static const double infinite = INFINITY;
    static const struct {
        const char *method, *tensor;
        const void *element;
        size_t size;
    } forged[] = {{"moco", "method.queue_next", &far, sizeof far},
                  {"moco", "method.queue_next", &just_behind, sizeof just_behind},
                  {"moco", "method.queue", &none, sizeof none},
                  {"moco", "optimizer.first_moment.conv_stem.weight", &none, sizeof none},
                  {"consensus", "method.labels", &two, sizeof two},
                  {"consensus", "method.labels", &none, sizeof none},
                  {"consensus", "ema.conv_stem.weight", &infinite, sizeof infinite}};
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        struct error err = {0};
        struct training_summary summary;
        char method[32], name[32];
        snprintf(method, sizeof method, "train.method=%s", forged[i].method);
        snprintf(name, sizeof name, "forged%zu", i);
        const char *overrides[] = {method,
                                   "train.max_steps=1",
                                   "moco.queue=8",
                                   "data.labelled=30",
                                   "acl.weight=0",
                                   "ial.weight=0",
                                   "data.sampler=shuffle",
                                   "train.ema_decay=0.9",
                                   "output.checkpoint_every=1",
                                   "train.warmup_epochs=0",
                                   NULL};
        if (run(name, overrides, false, &summary, &err) != STATUS_OK) fail_msg("%s: %s", method, err.message);
        forge(name, forged[i].tensor, forged[i].element, forged[i].size);
        overrides[1] = "train.max_steps=2";
        assert_int_equal(run(name, overrides, true, &summary, &err), STATUS_FAILED);
        if (strstr(err.message, forged[i].tensor) == NULL)
            fail_msg("%s is not named: %s", forged[i].tensor, err.message);
    }
}

/* Takes a tensor out of folder/name/last.safetensors, as a program wrote it that did not know of it. */
static void forget(const char *name, const char *tensor_name)
{
    struct error err = {0};
    struct safetensors file;
    char path[256];
    size_t count = 0, metadata = 0;
    snprintf(path, sizeof path, "%s/last.safetensors", scratch_path(folder, name));
    if (safetensors_open(&file, path, &err) != STATUS_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < file.metadata_count; i++)
        if (strncmp(file.metadata[i].key, "rmfer.checksum", 14) != 0) file.metadata[metadata++] = file.metadata[i];
    for (size_t i = 0; i < file.count; i++)
        if (strcmp(file.tensors[i].name, tensor_name) != 0) file.tensors[count++] = file.tensors[i];
    assert_int_equal(count + 1, file.count);
    if (safetensors_write(path, file.tensors, count, file.metadata, metadata, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    file.count = count;
    safetensors_close(&file);
}

static void test_a_checkpoint_without_numbers_of_pictures_goes_on(void **state)
{
    (void)state;
    static const char *const part[] = {"acl.weight=0", "train.max_steps=5", NULL};
    static const char *const whole[] = {"acl.weight=0", NULL};
    struct error err = {0};
    struct training_summary summary;
    if (run("older", part, false, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    forget("older", "trainer.data_counts");
    if (run("older", whole, true, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(summary.steps, 10);
}

/* The run goes on at a step whose evaluation the checkpoint does not know, makes it, and fails some steps later, as
 * its rate is far too high: the checkpoint is there still. */
static void test_the_last_good_checkpoint_is_named(void **state)
{
    (void)state;
#define BROKEN                                                                                         \
    "acl.weight=0", "ial.weight=0", "train.optimizer=sgd", "train.lr=1000", "train.schedule=constant", \
        "output.checkpoint_every=100"
    static const int64_t not_evaluated[] = {1, 0}; /* step, evaluated_step */
    static const char *const first[] = {BROKEN, "train.max_steps=1", NULL};
    static const char *const second[] = {BROKEN, "eval.every=0.01", NULL};
#undef BROKEN
    struct error err = {0};
    struct training_summary summary;
    if (run("named", first, false, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    forge("named", "trainer.position", not_evaluated, sizeof not_evaluated);
    assert_int_equal(run("named", second, true, &summary, &err), STATUS_FAILED);
    if (strstr(err.message, "named/last.safetensors, of step 1;") == NULL) fail_msg("%s", err.message);
}

/* A weight so large that the square of what it makes is infinite: a step's loss is a number still, the running variance
 * after it none. */
static void test_numbers_that_are_none_are_not_kept(void **state)
{
    (void)state;
    static const float large = 1e25F;
    static const char *const first[] = {"acl.weight=0", "train.max_steps=1", NULL};
    static const char *const second[] = {"acl.weight=0", "train.max_steps=2", NULL};
    struct error err = {0};
    struct training_summary summary;
    struct checkpoint last;
    if (run("damaged", first, false, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    forge("damaged", "conv_stem.weight", &large, sizeof large);
    assert_int_equal(run("damaged", second, true, &summary, &err), STATUS_FAILED);
    if (strstr(err.message, "bn1.running_var is not finite any more") == NULL ||
        strstr(err.message, "damaged/last.safetensors, of step 1;") == NULL)
        fail_msg("%s", err.message);
    open_checkpoint(&last, "damaged", "last.safetensors");
    assert_int_equal(last.info.step, 1);
    checkpoint_close(&last);
}

/* Training has a batch's own statistics; an evaluation has the running ones, which here make every output NaN. */
static void test_an_evaluation_without_a_loss_is_never_the_best(void **state)
{
    (void)state;
    static const float large = 3e38F, small = 0;
    static const double none[] = {NAN, NAN};
    static const char *const first[] = {"acl.weight=0", "train.max_steps=1", NULL};
    static const char *const second[] = {"acl.weight=0", "train.max_steps=2", NULL};
    struct error err = {0};
    struct training_summary summary;
    if (run("lossless", first, false, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    forge("lossless", "bn1.running_mean", &large, sizeof large);
    forge("lossless", "bn1.running_var", &small, sizeof small);
    forge("lossless", "trainer.best", none, sizeof none);
    if (run("lossless", second, true, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_true(isnan(summary.overall.accuracy) && isnan(summary.average.accuracy));
}

/* A run that fails at one of its best files, as a folder has that name: last.safetensors knows of the best already, and
 * going on writes the file from it, here to the bits of a run that nothing stopped. */
static void test_best_files_never_part_from_the_run(void **state)
{
    (void)state;
    static const char *const once[] = {"acl.weight=0", "train.ema_decay=0.5", "train.max_steps=2",
                                       "output.checkpoint_every=100", NULL};
    static const char *const often[] = {"acl.weight=0", "train.ema_decay=0.5", "eval.every=0.25",
                                        "output.checkpoint_every=100", NULL};
    static const char *const files[] = {"best_overall.safetensors", "best_average.safetensors"};
    struct training_summary summary;
    struct error err = {0};
    if (run("whole", once, false, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
    for (int i = 0; i < 2; i++) {
        char name[32], path[256];
        struct checkpoint last;
        snprintf(name, sizeof name, "parted%d", i);
        snprintf(path, sizeof path, "%s/%s", scratch_path(folder, name), files[i]);
        assert_int_equal(folder_create(path, &err), STATUS_OK);
        assert_int_equal(run(name, often, false, &summary, &err), STATUS_FAILED);
        if (strstr(err.message, files[i]) == NULL) fail_msg("%s", err.message);
        open_checkpoint(&last, name, "last.safetensors");
        assert_int_equal(last.info.step, 2);
        checkpoint_close(&last);
        assert_int_equal(rmdir(path), 0);
        err = (struct error){0};
        if (run(name, once, true, &summary, &err) != STATUS_OK) fail_msg("%s", err.message);
        assert_int_equal(summary.overall.step, 2);
        assert_int_equal(summary.average.step, 2);
        for (int f = 0; f < 2; f++) assert_same_bits_of(files[f], "whole", name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses_of_weight_0_leave_no_trace),
        cmocka_unit_test(test_losses_of_another_weight_do),
        cmocka_unit_test(test_sam_meets_the_same_batches_twice),
        cmocka_unit_test(test_a_frozen_backbone_stays),
        cmocka_unit_test(test_lack_of_memory_is_an_error),
        cmocka_unit_test(test_forged_memories_are_refused),
        cmocka_unit_test(test_a_checkpoint_without_numbers_of_pictures_goes_on),
        cmocka_unit_test(test_the_last_good_checkpoint_is_named),
        cmocka_unit_test(test_numbers_that_are_none_are_not_kept),
        cmocka_unit_test(test_an_evaluation_without_a_loss_is_never_the_best),
        cmocka_unit_test(test_best_files_never_part_from_the_run),
    };
    return cmocka_run_group_tests(tests, draw_faces, remove_faces);
}
