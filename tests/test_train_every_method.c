/* What the trainer promises of every method, whichever it is: over SAM, accumulated batches and an average of the
 * weights a run that was stopped goes on to the same bits, every term of the loss and every figure stands in the
 * metrics, settings that it cannot use are refused with what mends them, and what moments tell is taken away by the
 * controls. A row of the table of methods is walked without being named here. */
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/method/method.h"
#include "rmfer/train/trainer.h"
#include "support/drawn_faces.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 2 }; /* of an epoch each */

static char *folder, *runs; /* faces; runs of one method */

/* Thresholds so low that a network that knows nothing is sure of something. */
static const char BASE[] = "[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nimage_size = 32\n"
                           "normalize = imagenet\nworkers = 1\nlabelled = 8\nsampler = shuffle\n"
                           "[model]\narch = tf_efficientnet_b0\ndropout = 0.2\n"
                           "[train]\noptimizer = sam\nsam_base = sgd\nlr = 1e-3\nlr_ial = 1e-3\nlr_contrastive = 1e-3\n"
                           "accumulate = 2\nema_decay = 0.9\nbatch = 4\nepochs = 3\nwarmup_epochs = 0\nmax_steps = 2\n"
                           "[acl]\nanchors = 2\nn_pos = 3\nn_neg = 3\n"
                           "[fixmatch]\nthreshold = 0.13\nratio = 1\n"
                           "[uda]\nthreshold = 0.13\nratio = 1\n"
                           "[adacm]\nfloor = 0.2\n"
                           "[moco]\nqueue = 18\n"
                           "[rmset]\nroot = faces/rmset\n"
                           "[eval]\nevery = 3\nbatch = 16\n"
                           "[output]\nlog_every = 1\ncheckpoint_every = 1\n";

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

enum { MOST_OVERRIDES = 6 };

/* Trains `method` with BASE and the overrides (NULL = none, else NULL-terminated) into runs/name, or goes on there. */
static void train(const char *name, const char *method, const char *const *overrides, bool resume)
{
    struct error err = {0};
    struct config config;
    struct training_summary summary;
    const char *all[MOST_OVERRIDES + 2];
    char out[256], train_method[64];
    size_t count = 0;
    snprintf(out, sizeof out, "output.dir=%s", scratch_path(runs, name));
    snprintf(train_method, sizeof train_method, "train.method=%s", method);
    all[count++] = out;
    all[count++] = train_method;
    for (size_t i = 0; overrides != NULL && overrides[i] != NULL; i++) all[count++] = overrides[i];
    status result = config_parse(&config, BASE, "base.ini", folder, all, count, &err);
    struct trainer_options options = {.config = &config, .resume = resume};
    if (result == STATUS_OK) result = trainer_run(&options, &summary, &err);
    config_free(&config);
    if (result != STATUS_OK) fail_msg("%s: %s", name, err.message);
    assert_int_equal(summary.end, TRAINING_COMPLETE);
}

static void open_checkpoint(struct checkpoint *checkpoint, const char *path)
{
    struct error err = {0};
    if (checkpoint_open(checkpoint, scratch_path(runs, path), &err) != STATUS_OK) fail_msg("%s", err.message);
}

/* The first tensor, of optimizer and method too, whose bytes are others in the second checkpoint; "" if there is none.
 */
static const char *first_difference(const char *a, const char *b)
{
    static char name[160];
    struct checkpoint first, second;
    name[0] = '\0';
    open_checkpoint(&first, a);
    open_checkpoint(&second, b);
    assert_int_equal(first.file.count, second.file.count);
    for (size_t i = 0; i < first.file.count && name[0] == '\0'; i++) {
        const struct tensor *tensor = &first.file.tensors[i];
        const struct tensor *other = safetensors_find(&second.file, tensor->name);
        assert_non_null(other);
        if (memcmp(tensor->data, other->data, tensor->count * tensor_type_size(tensor->type)) != 0)
            snprintf(name, sizeof name, "%s", tensor->name);
    }
    checkpoint_close(&first);
    checkpoint_close(&second);
    return name;
}

static void move(const char *from, const char *to)
{
    if (rename(scratch_path(runs, from), scratch_path(runs, to)) != 0) fail_msg("%s to %s", from, to);
}

/* How often `pattern` stands in the text, followed by a number above 0 where `positive` says so. */
static size_t occurrences(const char *text, const char *pattern, bool positive)
{
    size_t count = 0;
    for (const char *at = strstr(text, pattern); at != NULL; at = strstr(at + 1, pattern))
        if (!positive || atof(at + strlen(pattern)) > 0) count++;
    return count;
}

/* Every step's line has a number for each term, and in one of them at least a term that weighs something is one;
 * figures stand where their term weighs something. */
static void check_metrics(const struct method *method, const char *name)
{
    struct error err = {0};
    struct config config;
    struct phase_table table = {0};
    uint8_t *text;
    size_t size;
    char path[256], member[64];
    snprintf(path, sizeof path, "%s/metrics.jsonl", scratch_path(runs, name));
    if (file_read(path, 1 << 20, &text, &size, &err) != STATUS_OK) fail_msg("%s", err.message);
    if (config_parse(&config, BASE, "base.ini", folder, NULL, 0, &err) != STATUS_OK) fail_msg("%s", err.message);
    method->phases(&config, &table);
    const double *weights = phase_table_at(&table, 0)->weights;
    for (size_t i = 0; i < method->term_count; i++) {
        snprintf(member, sizeof member, "\"loss_%s\": ", method->terms[i].name);
        assert_int_equal(occurrences((const char *)text, member, false), STEPS);
        if (weights[i] > 0 && occurrences((const char *)text, member, true) == 0)
            fail_msg("%s: no %s", method->name, member);
    }
    for (size_t i = 0; i < method->figure_count; i++) {
        bool stands = method->figures[i].term < 0 || weights[method->figures[i].term] > 0;
        snprintf(member, sizeof member, "\"%s\": ", method->figures[i].name);
        size_t lines = occurrences((const char *)text, member, false); /* the evaluation's may have it, too */
        if (stands ? lines < STEPS : lines > 0) fail_msg("%s: %zu lines have %s", method->name, lines, member);
    }
    config_free(&config);
    memory_free(text);
}

/* ---- tests ---- */

static void test_every_method_goes_on_to_the_bit(void **state)
{
    (void)state;
    size_t count;
    const struct method *const *methods = method_table(&count);
    for (size_t i = 0; i < count; i++) {
        const char *method = methods[i]->name;
        runs = scratch_make();
        train("run", method, NULL, false);
        check_metrics(methods[i], "run");
        /* As if it had been killed before its last step. */
        move("run/last.safetensors", "straight.safetensors");
        move("run/previous.safetensors", "run/last.safetensors");
        if (*first_difference("run/last.safetensors", "straight.safetensors") == '\0')
            fail_msg("%s: the last step changed nothing", method);
        train("run", method, NULL, true);
        const char *differs = first_difference("run/last.safetensors", "straight.safetensors");
        if (*differs != '\0') fail_msg("%s: %s is not that of a run that never stopped", method, differs);
        scratch_remove(runs);
    }
}

/* The rows of what learns from moments, with the moments taken away: the published loss and pairs of persons.
 * tests/cli_train_moments.sh has the mutual loss and consensus. */
static void test_controls_are_other_runs(void **state)
{
    (void)state;
    static const char *const rows[] = {"rmfer", "simclr", "moco", "byol", "simsiam"};
    static const char *const groupings[] = {"moments", "shuffled", "none"};
    char grouping[40], control[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        runs = scratch_make();
        for (size_t k = 0; k < 3; k++) {
            const char *overrides[] = {"train.optimizer=sgd",
                                       "train.max_steps=1",
                                       "train.ema_decay=0",
                                       "self_supervised.views=moment",
                                       grouping,
                                       NULL};
            snprintf(grouping, sizeof grouping, "rmset.grouping=%s", groupings[k]);
            train(groupings[k], rows[i], overrides, false);
        }
        for (size_t k = 1; k < 3; k++) {
            snprintf(control, sizeof control, "%s/last.safetensors", groupings[k]);
            if (*first_difference("moments/last.safetensors", control) == '\0')
                fail_msg("%s: %s is the same run", rows[i], groupings[k]);
        }
        scratch_remove(runs);
    }
}

/* What `method` says to a setting that it cannot use must name it and tell what mends it. */
static void check_refusal(const struct method *method, const char *setting, const char *names, const char *mends)
{
    struct error err = {0};
    struct config config;
    char train_method[64];
    snprintf(train_method, sizeof train_method, "train.method=%s", method->name);
    const char *overrides[] = {train_method, setting};
    if (config_parse(&config, BASE, "base.ini", folder, overrides, 2, &err) != STATUS_OK) fail_msg("%s", err.message);
    if (method->check(&config, &err) != STATUS_USAGE) fail_msg("%s takes %s", method->name, setting);
    if (strstr(err.message, names) == NULL || strstr(err.message, method->name) == NULL ||
        strstr(err.message, mends) == NULL)
        fail_msg("%s: %s", method->name, err.message);
    config_free(&config);
}

static void test_every_method_says_what_it_needs(void **state)
{
    (void)state;
    size_t count;
    const struct method *const *methods = method_table(&count);
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        struct config config;
        struct stream_request requests[MOST_STREAMS];
        bool unlabelled = false;
        if (strcmp(methods[i]->name, "rmfer") == 0) continue; /* trains a classifier on a frozen network, too */
        check_refusal(methods[i], "train.freeze_backbone=true", "train.freeze_backbone = true", "(set it false)");
        if (config_parse(&config, BASE, "base.ini", folder, NULL, 0, &err) != STATUS_OK) fail_msg("%s", err.message);
        size_t streams = methods[i]->streams(&config, requests);
        for (size_t k = 0; k < streams; k++) unlabelled = unlabelled || requests[k].source == STREAM_UNLABELLED;
        config_free(&config);
        if (unlabelled) check_refusal(methods[i], "data.labelled=0", "data.labelled = 0", "data.labelled = 4000");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_says_what_it_needs),
        cmocka_unit_test(test_every_method_goes_on_to_the_bit),
        cmocka_unit_test(test_controls_are_other_runs),
    };
    return cmocka_run_group_tests(tests, draw_faces, remove_faces);
}
