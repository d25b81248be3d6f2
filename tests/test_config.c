/* The configuration: messages to the letter, types and ranges, paths, overrides, normalisation, the round trip. */
#include "rmfer/config/config.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/config/keys.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config;
static struct error err;

static status parse(const char *text)
{
    config_free(&config);
    err = (struct error){0};
    return config_parse(&config, text, "affectnet8.ini", "/base", NULL, 0, &err);
}

static status parse_set(const char *text, const char *override)
{
    config_free(&config);
    err = (struct error){0};
    return config_parse(&config, text, "affectnet8.ini", "/base", &override, 1, &err);
}

static int forget(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

static void assert_refused(const char *text, const char *message)
{
    assert_int_equal(parse(text), STATUS_USAGE);
    assert_string_equal(err.message, message);
}

static void assert_set_refused(const char *text, const char *override, const char *message)
{
    assert_int_equal(parse_set(text, override), STATUS_USAGE);
    assert_string_equal(err.message, message);
}

static void test_defaults_are_the_method(void **state)
{
    (void)state;
    assert_int_equal(config_defaults(&config, NULL, 0, &err), STATUS_OK);
    assert_int_equal(config.train.optimizer, OPTIMIZER_SAM);
    assert_int_equal(config.train.sam_base, OPTIMIZER_ADAM);
    assert_true(config.train.sam_rho == 0.05 && config.train.lr == 1e-4 && config.train.lr_ial == 6e-6);
    assert_true(config.train.lr_contrastive == 2e-6);
    assert_int_equal(config.train.batch, 32);
    assert_true(config.ial.weight == 1.2 && config.ial.temperature == 1 && config.acl.gamma == 0.1);
    assert_int_equal(config.ial.self_mask, CONFIG_SELF_MASK_EXCLUDE);
    assert_int_equal(config.acl.n_pos, 50);
    assert_int_equal(config.acl.near, 5);
    assert_int_equal(config.acl.far, 30);
    assert_int_equal(config.data.image_size, 260);
    assert_int_equal(config.data.classes.count, 8);
    assert_string_equal(config.data.classes.items[3], "Surprise");
    assert_true(config.data.mean[0] == .61120795 && config.data.std[2] == .17565419);
    assert_true(config.rmset.mean[1] == .47080194 && config.eval.std[0] == .21088221);
    assert_string_equal(config.model.arch, "tf_efficientnet_b2");
    assert_int_equal(config.eval.select, SELECT_VALID);
    assert_true(config.eval.every == 0.1);
}

static void test_every_type_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse("\xef\xbb\xbf# a comment\r\n[train]\r\nbatch = 7 ; inline\r\nlr=0.5#no comment\r\n"),
                     STATUS_USAGE);
    assert_string_equal(err.message, "affectnet8.ini:4: train.lr = 0.5#no comment: not a number");
    assert_int_equal(parse("[train]\nbatch = 7 ; inline\n  lr = 0.5 # too\nnesterov = Yes\n[data]\nmax_bad = 1 %\n"
                           "kind = rafdb\nclasses = A, \tB ,C\nlabelled = 6\nlabelled_per_class = 1,2, 3\n"
                           "[model]\narch = efficientnet_b0\n[data]\nmean = 0.5, .25, 1\nstd = 1,1,50%"),
                     STATUS_OK);
    assert_int_equal(config.train.batch, 7);
    assert_true(config.train.lr == 0.5 && config.train.nesterov && config.data.max_bad == 0.01);
    assert_int_equal(config.data.kind, DATA_RAFDB);
    assert_int_equal(config.data.classes.count, 3);
    assert_string_equal(config.data.classes.items[1], "B");
    assert_true(config.data.labelled_per_class.items[2] == 3);
    assert_string_equal(config.model.arch, "efficientnet_b0");
    assert_int_equal(config.data.normalize, NORMALIZE_CUSTOM);
    assert_true(config.data.mean[1] == 0.25 && config.data.std[2] == 0.5 && config.rmset.std[2] == 0.5);
}

static void test_messages_name_place_and_remedy(void **state)
{
    (void)state;
    assert_refused("[data]\nkind = affectnet\n\n# x\n[train]\n\n\n\n\n\n\n\n\noptimizer = adma\n",
                   "affectnet8.ini:14: train.optimizer = adma: unknown (sgd, adam, adamw, sam)");
    assert_refused("[train]\nlrr = 1\n", "affectnet8.ini:2: train.lrr: unknown key (did you mean train.lr?)");
    assert_refused("[train]\ndropout = 1\n",
                   "affectnet8.ini:2: train.dropout: unknown key (did you mean model.dropout?)");
    assert_refused("[train]\nzzzzzzzz = 1\n",
                   "affectnet8.ini:2: train.zzzzzzzz: unknown key ('rmfer config --keys' lists them)");
    assert_refused("[trian]\n", "affectnet8.ini:1: [trian]: unknown section (did you mean [train]?)");
    assert_refused("[train]\nbatch = 2\n\nbatch = 3\n", "affectnet8.ini:4: train.batch: given twice (first on line 2)");
    assert_refused("batch = 2\n", "affectnet8.ini:1: batch: stands before the first [section]");
    assert_refused("[train]\nbatch = 2.5\n", "affectnet8.ini:2: train.batch = 2.5: not a whole number");
    assert_refused("[train]\nbatch = 0\n", "affectnet8.ini:2: train.batch = 0: must be between 1 and 65536");
    assert_refused("[train]\nseed = 9007199254740993\n",
                   "affectnet8.ini:2: train.seed = 9007199254740993: must be between 0 and 9007199254740992");
    assert_refused("[train]\nsam_rho = 0\n", "affectnet8.ini:2: train.sam_rho = 0: must be above 0 and at most 100");
    assert_refused("[train]\nlr = nan\n", "affectnet8.ini:2: train.lr = nan: not a number");
    assert_refused("[train]\nlr =\n", "affectnet8.ini:2: train.lr: no value (not a number)");
    assert_refused("[train]\nsam_base = sam\n", "affectnet8.ini:2: train.sam_base = sam: unknown (sgd, adam, adamw)");
    assert_refused("[eval]\nflip = maybe\n", "affectnet8.ini:2: eval.flip = maybe: neither true nor false");
    assert_refused("[data]\nmean = 1, 2\n", "affectnet8.ini:2: data.mean = 1, 2: not three numbers (red, green, blue)");
    assert_refused("[data]\nclasses = A,,B\n", "affectnet8.ini:2: data.classes = A,,B: an item is empty");
    assert_refused("[data\n", "affectnet8.ini:1: a section is written [name], alone on its line");
    assert_refused("[data]\nnothing\n",
                   "affectnet8.ini:2: 'nothing' is neither [section] nor key = value nor # comment");
    assert_refused("[data]\nroot = \"a\n", "affectnet8.ini:2: a value begins with \" and does not end with it");
    assert_refused("[data]\nroot = \"a\" b\n", "affectnet8.ini:2: more text after the closing \"");
}

static void test_keys_are_checked_against_each_other(void **state)
{
    (void)state;
    assert_refused("[train]\nbatch = 1\n", "affectnet8.ini:2: train.batch = 1: must be at least 2 with ial.self_mask = "
                                           "exclude (or ial.weight = 0)");
    assert_int_equal(parse("[train]\nbatch = 1\n[ial]\nweight = 0\n"), STATUS_OK);
    assert_int_equal(parse("[train]\nbatch = 1\n[ial]\nself_mask = none\n"), STATUS_OK);
    assert_refused("[data]\nclasses = A\n", "affectnet8.ini:2: data.classes = A: at least two are needed");
    assert_refused("[data]\nclasses = A, b, a\n",
                   "affectnet8.ini:2: data.classes = A, b, a: a name stands there twice");
    assert_refused("[data]\nclasses = A,B\nlabelled = 4\nlabelled_per_class = 1,2\n",
                   "affectnet8.ini:4: data.labelled_per_class = 1, 2: they sum to 3, data.labelled is 4");
    assert_refused("[data]\nclasses = A,B\nlabelled = 4\nlabelled_per_class = 4\n",
                   "affectnet8.ini:4: data.labelled_per_class = 4: 1 counts for 2 classes");
    assert_refused("[train]\nclass_weights = list\n", "affectnet8.ini:2: train.class_weights = list: "
                                                      "train.class_weight_values has 0 numbers for 8 classes");
    assert_refused("[train]\nclass_weight_values = 1,2\n",
                   "affectnet8.ini:2: train.class_weight_values = 1, 2: are used "
                   "only with train.class_weights = list");
    assert_refused("[model]\ninit_classes = A, B\n",
                   "affectnet8.ini:2: model.init_classes = A, B: says something about "
                   "model.init, which is not given");
    /* A preset's, for a run from random weights. */
    assert_int_equal(parse("[model]\ninit =\ninit_classes = A, B\n"), STATUS_OK);
    assert_int_equal(parse_set("[model]\ninit = x.pt\ninit_classes = A, B\n", "model.init="), STATUS_OK);
    assert_refused("[train]\noptimizer = sgd\nmomentum = 0\nnesterov = true\n",
                   "affectnet8.ini:4: train.nesterov = true: needs train.momentum above 0");
}

static void test_training_asks_for_its_folders(void **state)
{
    (void)state;
    assert_int_equal(parse("[train]\nepochs = 3\n"), STATUS_OK);
    assert_int_equal(config_check_training(&config, config_has_acl(&config), &err), STATUS_USAGE);
    assert_string_equal(err.message, "affectnet8.ini: data.root: training needs the data set's folder");
    assert_int_equal(parse("[data]\nroot = x\n[train]\nwarmup_epochs = 2\n"), STATUS_OK);
    assert_int_equal(config_check_training(&config, config_has_acl(&config), &err), STATUS_USAGE);
    assert_string_equal(err.message,
                        "affectnet8.ini: rmset.root: phase 2 needs an RMset (acl.weight = 0 trains without)");
    assert_int_equal(parse("[data]\nroot = x\n[train]\nmethod = fixmatch\n"), STATUS_OK);
    assert_int_equal(config_check_training(&config, true, &err), STATUS_USAGE);
    assert_string_equal(err.message, "affectnet8.ini: rmset.root: this method needs an RMset");
    assert_int_equal(config_check_training(&config, false, &err), STATUS_OK);
    const char *const phase1_only[] = {"[acl]\nweight = 0\n", "[rmset]\nfraction = 0\n",
                                       "[train]\nwarmup_epochs = 20\n"};
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        snprintf(text, sizeof text, "[data]\nroot = x\n%s", phase1_only[i]);
        assert_int_equal(parse(text), STATUS_OK);
        assert_false(config_has_acl(&config));
        assert_int_equal(config_check_training(&config, config_has_acl(&config), &err), STATUS_OK);
    }
}

static void test_overrides_win_and_say_their_name(void **state)
{
    (void)state;
    assert_int_equal(parse_set("[train]\nbatch = 7\n", "train.batch = 9"), STATUS_OK);
    assert_int_equal(config.train.batch, 9);
    assert_set_refused("", "train.optimizer=adma", "--set: train.optimizer = adma: unknown (sgd, adam, adamw, sam)");
    assert_set_refused("", "trian.batch=1", "--set: [trian]: unknown section (did you mean [train]?)");
    assert_set_refused("", "train.bath=1", "--set: train.bath: unknown key (did you mean train.batch?)");
    assert_set_refused("", "batch=1", "--set: batch=1: must be section.key=value");
    assert_set_refused("", "train.batch=1",
                       "--set: train.batch = 1: must be at least 2 with ial.self_mask = exclude (or "
                       "ial.weight = 0)");
    assert_int_equal(parse_set("[data]\nroot = $RMFER_TEST_NOT_SET/x\n", "data.root=/there"), STATUS_OK);
    assert_string_equal(config.data.root, "/there");
}

/* A section's own name may have a dot: the key is what follows the last one. */
static void test_sections_within_sections(void **state)
{
    (void)state;
    const char *text = "[augment]\nflip_p = 0.1\n[augment.weak]\nflip_p = 0.2\n[augment.strong]\ncutout = 0.25\n";
    if (parse_set(text, "augment.strong.operations=5") != STATUS_OK) fail_msg("%s", err.message);
    assert_true(config.augment.flip_p == 0.1 && config.augment.weak.flip_p == 0.2);
    assert_true(config.augment.strong.cutout == 0.25 && config.augment.strong.operations == 5);
}

static void test_paths_expand_and_become_absolute(void **state)
{
    (void)state;
    setenv("RMFER_TEST_FOLDER", "/some where", 1);
    setenv("HOME", "/home/someone", 1);
    unsetenv("RMFER_TEST_NOT_SET");
    static const char *const pairs[][2] = {
        {"x/y", "/base/x/y"},
        {"/x", "/x"},
        {"~", "/home/someone"},
        {"~/x", "/home/someone/x"},
        {"~x", "/base/~x"},
        {"$RMFER_TEST_FOLDER/a", "/some where/a"},
        {"a${RMFER_TEST_FOLDER}b$$c", "/base/a/some whereb$c"},
        {"\"with # and ; and \\\" \"", "/base/with # and ; and \" "},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "[data]\nroot = %s\n", pairs[i][0]);
        assert_int_equal(parse(text), STATUS_OK);
        assert_string_equal(config.data.root, pairs[i][1]);
    }
    assert_refused("[data]\nroot = $RMFER_TEST_NOT_SET/a\n", "affectnet8.ini:2: data.root = $RMFER_TEST_NOT_SET/a: the "
                                                             "environment variable RMFER_TEST_NOT_SET is not set");
    assert_int_equal(parse("[data]\nroot = ${RMFER\n"), STATUS_USAGE);
    assert_int_equal(parse_set("", "data.root=here"), STATUS_OK);
    char here[1024], expected[1100];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(expected, sizeof expected, "%s/here", here);
    assert_string_equal(config.data.root, expected);
}

static void test_a_file_is_the_base_of_its_paths(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "a.ini", "[data]\nroot = faces\n");
    assert_int_equal(config_load(&config, scratch_path(folder, "a.ini"), NULL, 0, &err), STATUS_OK);
    assert_string_equal(config.data.root, scratch_path(folder, "faces"));
    config_free(&config);
    scratch_write(folder, "a.ini", "[data]\n\0", 8);
    assert_int_equal(config_load(&config, scratch_path(folder, "a.ini"), NULL, 0, &err), STATUS_USAGE);
    err = (struct error){0};
    assert_int_equal(unlink(scratch_path(folder, "a.ini")), 0);
    assert_int_equal(config_load(&config, scratch_path(folder, "a.ini"), NULL, 0, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "a.ini"));
    scratch_remove(folder);
}

static void test_normalization_has_one_meaning(void **state)
{
    (void)state;
    assert_int_equal(parse("[data]\nnormalize = imagenet\n[rmset]\nnormalize = rmset\n"), STATUS_OK);
    assert_true(config.data.mean[0] == .485 && config.rmset.mean[0] == .52934384 && config.eval.mean[0] == .485);
    assert_refused("[data]\nnormalize = imagenet\nmean = 0,0,0\nstd = 1,1,1\n",
                   "affectnet8.ini:2: data.normalize = imagenet: mean and std are given too (set normalize = custom)");
    assert_refused("[data]\nnormalize = custom\n", "affectnet8.ini: data.std = 0, 0, 0: custom needs mean and std");
    assert_refused("[data]\nnormalize = custom\nstd = 1,1,1\n",
                   "affectnet8.ini: data.mean = 0, 0, 0: custom needs mean and std");
    assert_refused("[eval]\nmean = 1,1,1\n", "affectnet8.ini: eval.std = 0, 0, 0: custom needs mean and std");
    assert_set_refused("[data]\nnormalize = affectnet\n", "data.std=0.2, 0.2, 0.2",
                       "affectnet8.ini: data.mean = 0, 0, 0: custom needs mean and std");
    assert_int_equal(parse("[data]\nnormalize = custom\nmean = 0,0,0\nstd = 1,1,1\n"), STATUS_OK);
    const char *resolved = "[data]\nnormalize = imagenet\nmean = 0.485, 0.456, 0.406\nstd = 0.229, 0.224, 0.225\n"
                           "[eval]\nnormalize = same\nmean = 0.485, 0.456, 0.406\nstd = 0.229, 0.224, 0.225\n";
    assert_int_equal(parse(resolved), STATUS_OK);
    assert_int_equal(parse_set(resolved, "data.normalize=rmset"), STATUS_OK);
    assert_true(config.data.std[0] == .20445083 && config.eval.std[0] == .20445083);
    assert_int_equal(parse_set(resolved, "data.mean=0,0,0"), STATUS_OK);
    assert_int_equal(config.data.normalize, NORMALIZE_CUSTOM);
    assert_true(config.data.mean[0] == 0 && config.data.std[0] == 0.229 && config.eval.mean[0] == 0);
}

/* An RMset's own numbers go with its folder: those of the one before are none of another's. */
static void test_own_statistics_go_with_the_folder(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char elsewhere[160], message[160];
    snprintf(elsewhere, sizeof elsewhere, "rmset.root=%s", folder);
    const char *resolved = "[rmset]\nroot = /a\nnormalize = own\nmean = 0.5, 0.5, 0.5\nstd = 0.25, 0.25, 0.25\n";
    assert_int_equal(parse(resolved), STATUS_OK);
    assert_true(config.rmset.mean[0] == 0.5 && config.rmset.std[2] == 0.25);
    assert_int_equal(parse_set(resolved, elsewhere), STATUS_OK);
    assert_true(config.rmset.mean[0] == 0 && config.rmset.std[2] == 0);
    const char *const typed[] = {elsewhere, "rmset.mean=0.2, 0.2, 0.2", "rmset.std=0.3, 0.3, 0.3"};
    config_free(&config);
    assert_int_equal(config_parse(&config, resolved, "a.ini", "/base", typed, 3, &err), STATUS_OK);
    assert_true(config.rmset.mean[0] == 0.2 && config.rmset.std[2] == 0.3);

    scratch_text(folder, "statistics.ini", "[rmset]\nmean = 0.4, 0.4, 0.4\nstd = 0.125, 0.125, 0.125\n");
    assert_int_equal(parse_set(resolved, elsewhere), STATUS_OK);
    assert_true(config.rmset.mean[0] == 0.4 && config.rmset.std[2] == 0.125);
    char custom[160];
    snprintf(custom, sizeof custom,
             "[rmset]\nroot = %s\nnormalize = custom\nmean = 0.5, 0.5, 0.5\nstd = 0.25, 0.25, 0.25\n", folder);
    assert_int_equal(parse_set(custom, "rmset.normalize=own"), STATUS_OK);
    assert_true(config.rmset.mean[0] == 0.4 && config.rmset.std[2] == 0.125);

    snprintf(message, sizeof message, "%s/statistics.ini:3: rmset.std = 0.125: not three numbers (red, green, blue)",
             folder);
    scratch_text(folder, "statistics.ini", "[rmset]\nmean = 0.4, 0.4, 0.4\nstd = 0.125\n");
    assert_set_refused(resolved, elsewhere, message);
    snprintf(message, sizeof message, "%s/statistics.ini:1: a section is written [name], alone on its line", folder);
    scratch_text(folder, "statistics.ini", "[rmset\n");
    assert_set_refused(resolved, elsewhere, message);
    scratch_remove(folder);
}

/* A mean that stands nowhere is not 0; numbers of no RMset are not those of the folder that the program happens to be
 * in. */
static void test_own_statistics_are_whole(void **state)
{
    (void)state;
    assert_refused("[rmset]\nnormalize = own\nstd = 1,1,1\n",
                   "affectnet8.ini: rmset.mean = 0, 0, 0: mean and std are given together or not at all");
    assert_refused("[rmset]\nnormalize = own\nmean = 1,1,1\n",
                   "affectnet8.ini: rmset.std = 0, 0, 0: mean and std are given together or not at all");
    char *folder = scratch_make();
    char root[160], message[160], here[1024];
    snprintf(root, sizeof root, "rmset.root=%s", folder);
    snprintf(message, sizeof message, "%s/statistics.ini: mean and std are needed", folder);
    static const char *const parts[] = {"", "[rmset]\nstd = 0.125, 0.125, 0.125\n", "mean = 0.4, 0.4, 0.4\n",
                                        "mean =\nstd = 0.125, 0.125, 0.125\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        scratch_text(folder, "statistics.ini", parts[i]);
        assert_set_refused("[rmset]\nnormalize = own\n", root, message);
    }
    scratch_text(folder, "statistics.ini", "[rmset]\nmean = 0.4, 0.4, 0.4\nstd = 0.125, 0.125, 0.125\n");
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0);
    status result = parse("[rmset]\nnormalize = own\n");
    assert_int_equal(chdir(here), 0);
    assert_int_equal(result, STATUS_OK);
    assert_true(config.rmset.mean[0] == 0 && config.rmset.std[2] == 0);
    scratch_remove(folder);
}

/* ---- the round trip ---------------------------------------------------------------------------------------------- */

static void random_word(struct random_stream *stream, const char *words, char *out)
{
    const char *all[32];
    size_t count = 0;
    for (const char *at = words; *at != '\0'; at += strcspn(at, " "), at += *at == ' ') all[count++] = at;
    const char *chosen = all[random_below(stream, count)];
    size_t length = strcspn(chosen, " ");
    memcpy(out, chosen, length);
    out[length] = '\0';
}

static double random_number(struct random_stream *stream, const struct config_key *key)
{
    double low = key->minimum, high = key->maximum;
    if (low >= high) low = -1e3, high = 1e3;
    double value = random_between(stream, low, high > low + 100 ? low + 100 : high);
    return value < low ? low : value;
}

/* --out, --data and their like are names as they stand, not configuration text. */
static void test_options_of_their_own_are_taken_literally(void **state)
{
    (void)state;
    assert_int_equal(parse_set("", "--out:output.dir=/runs/ a$b ${c} "), STATUS_OK);
    assert_string_equal(config.output.dir, "/runs/ a$b ${c} ");
    struct text printed = {0};
    assert_int_equal(config_print(&config, &printed, &err), STATUS_OK);
    assert_int_equal(parse(text_string(&printed)), STATUS_OK);
    assert_string_equal(config.output.dir, "/runs/ a$b ${c} ");
    text_free(&printed);
    assert_set_refused("", "--dataset:data.kind=nothing",
                       "--dataset: data.kind = nothing: unknown (affectnet, rafdb, ferplus, folder, csv)");
    /* What only shows later is of that option, too; of several the last. */
    assert_set_refused("", "--batch:train.batch=1",
                       "--batch: train.batch = 1: must be at least 2 with ial.self_mask = exclude (or ial.weight = 0)");
    const char *const several[] = {"--batch:train.batch=1", "train.batch=1"};
    config_free(&config);
    err = (struct error){0};
    assert_int_equal(config_defaults(&config, several, 2, &err), STATUS_USAGE);
    assert_int_equal(strncmp(err.message, "--set: ", 7), 0);
}

/* An override with a value that may be anywhere in the key's domain. */
static void random_override(struct random_stream *stream, const struct config_key *key, char *out, size_t bytes)
{
    static const char *const strings[] = {"plain",       "",        "a b",  "#x",     "a;b", "\"q\"",
                                          "back\\slash", "tab\tin", "l\nf", "$$HOME", "é"};
    char value[512] = "";
    switch (key->kind) {
    case KEY_BOOL: strcpy(value, random_below(stream, 2) ? "true" : "false"); break;
    case KEY_INTEGER:
        snprintf(value, sizeof value, "%.0f", (double)(int64_t)(random_number(stream, key) + 0.999));
        break;
    case KEY_REAL: snprintf(value, sizeof value, "%.17g", random_number(stream, key)); break;
    case KEY_STRING:
    case KEY_PATH: strcpy(value, strings[random_below(stream, sizeof strings / sizeof strings[0])]); break;
    case KEY_WORD:
    case KEY_ENUM: random_word(stream, key->words, value); break;
    case KEY_STRINGS: strcpy(value, random_below(stream, 2) ? "one, #two, th\"ree" : "x;y, z"); break;
    case KEY_REALS: snprintf(value, sizeof value, "%.17g, 1, 2", random_number(stream, key)); break;
    case KEY_THREE_REALS: snprintf(value, sizeof value, "%.17g, 0.1, 1e-3", random_number(stream, key)); break;
    }
    snprintf(out, bytes, "%s.%s=%s", key->section, key->name, value);
}

static char *print(void)
{
    struct text out = {0};
    assert_int_equal(config_print(&config, &out, &err), STATUS_OK);
    return out.bytes;
}

static void test_printing_reads_back_the_same(void **state)
{
    (void)state;
    size_t count, accepted = 0;
    const struct config_key *keys = config_keys(&count);
    for (uint64_t round = 0; round < 400; round++) {
        struct random_stream stream = random_stream(1, RANDOM_TEST, round, 0);
        char overrides[12][600];
        const char *pointers[12];
        for (size_t i = 0; i < 12; i++) {
            random_override(&stream, &keys[random_below(&stream, count)], overrides[i], sizeof overrides[i]);
            pointers[i] = overrides[i];
        }
        err = (struct error){0};
        if (config_defaults(&config, pointers, 12, &err) == STATUS_OK) {
            accepted++;
            char *first = print();
            assert_int_equal(parse(first), STATUS_OK);
            char *second = print();
            assert_string_equal(first, second);
            memory_free(first);
            memory_free(second);
        }
        config_free(&config);
    }
    assert_true(accepted > 100);
}

static void test_presets_load(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "affectnet7",       "affectnet8",        "rafdb",
        "rafdb-4000labels", "rafdb-scratch",     "ferplus",
        "quickstart",       "ablation-baseline", "ablation-no-acl",
        "ablation-full",    "ablation-no-sm",    "ablation-no-sm-no-acl",
        "ablation-rmset-0", "ablation-rmset-50", "ablation-rmset-100",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        config_free(&config);
        assert_non_null(config_preset(wanted[i]));
        assert_int_equal(config_load(&config, wanted[i], NULL, 0, &err), STATUS_OK);
        /* What they name is not there, but what they need is named. */
        err = (struct error){0};
        if (config_check_training(&config, config_has_acl(&config), &err) != STATUS_OK)
            assert_non_null(strstr(err.message, "is not there"));
        err = (struct error){0};
    }
    assert_null(config_preset("affectnet9"));
    const char *names[64];
    size_t count = config_preset_list(names, 64);
    assert_true(count >= sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < count; i++) {
        config_free(&config);
        assert_int_equal(config_load(&config, names[i], NULL, 0, &err), STATUS_OK);
    }
}

/* An ablation's resolved configuration may differ from the full one's only in these lines. */
static void assert_only_differs(const char *name, const char *const *lines, size_t count)
{
    const char *overrides[] = {"output.dir=/x"};
    assert_int_equal(config_load(&config, "ablation-full", overrides, 1, &err), STATUS_OK);
    char *full = print();
    config_free(&config);
    assert_int_equal(config_load(&config, name, overrides, 1, &err), STATUS_OK);
    char *ablated = print();
    size_t different = 0;
    char *a = full, *b = ablated;
    while (*a != '\0' && *b != '\0') {
        char *a_end = strchr(a, '\n'), *b_end = strchr(b, '\n');
        *a_end = *b_end = '\0';
        if (strcmp(a, b) != 0) {
            assert_true(different < count);
            assert_string_equal(b, lines[different]);
            different++;
        }
        a = a_end + 1;
        b = b_end + 1;
    }
    assert_int_equal(different, count);
    memory_free(full);
    memory_free(ablated);
    config_free(&config);
}

static void test_ablations_change_only_what_they_say(void **state)
{
    (void)state;
    assert_only_differs("ablation-baseline", (const char *const[]){"weight = 0", "weight = 0"}, 2);
    assert_only_differs("ablation-no-acl", (const char *const[]){"weight = 0"}, 1);
    assert_only_differs("ablation-no-sm", (const char *const[]){"self_mask = none"}, 1);
    assert_only_differs("ablation-no-sm-no-acl", (const char *const[]){"self_mask = none", "weight = 0"}, 2);
    assert_only_differs("ablation-rmset-0", (const char *const[]){"fraction = 0"}, 1);
    assert_only_differs("ablation-rmset-50", (const char *const[]){"fraction = 0.5"}, 1);
    assert_only_differs("ablation-rmset-100", NULL, 0);
    assert_only_differs("affectnet7", NULL, 0);
}

static void test_junk_is_refused_without_harm(void **state)
{
    (void)state;
    static const char alphabet[] = "[]=#;\"\\\n\n\r $~{}.,%abdtrain0123456789e-+";
    for (uint64_t round = 0; round < 3000; round++) {
        struct random_stream stream = random_stream(2, RANDOM_TEST, round, 0);
        char text[128] = "[data]\nroot = ";
        size_t length = strlen(text) * random_below(&stream, 2);
        size_t end = length + random_below(&stream, 100);
        while (length < end) text[length++] = alphabet[random_below(&stream, sizeof alphabet - 1)];
        text[length] = '\0';
        if (parse(text) != STATUS_OK) assert_true(err.message[0] != '\0');
    }
}

/* A list of a data set may stand elsewhere than below its root, and its name then tells as much as a path. */
static void test_absolute_names_can_be_left_out(void **state)
{
    (void)state;
    struct text out = {0};
    const char
        *text = "[data]\ntrain = /home/somebody/train.csv\nvalid = lists/valid.csv\ntest = \"/home/some body/a # b\"\n"
                "classes = /a, ~b\n[rmset]\nindex = ~/index.csv";
    assert_int_equal(config_without_paths(text, &out, &err), STATUS_OK);
    assert_string_equal(text_string(&out), "[data]\ntrain =\nvalid = lists/valid.csv\ntest =\nclasses = /a, ~b\n"
                                           "[rmset]\nindex =");
    text_free(&out);
}

/* What is no path stands as it was, unknown keys and comments too. */
static void test_paths_can_be_left_out(void **state)
{
    (void)state;
    struct text out = {0};
    const char *text = "# of a run\n[data]\nroot = /home/somebody/faces\nkind = folder\n[x]\nroot = 3\n[output]\n"
                       "dir = /home/somebody/run\nlog_every = 5\n[rmset]\nroot =\n[model]\ninit = a=b.pt";
    assert_int_equal(config_without_paths(text, &out, &err), STATUS_OK);
    assert_string_equal(text_string(&out), "# of a run\n[data]\nroot =\nkind = folder\n[x]\nroot = 3\n[output]\n"
                                           "dir =\nlog_every = 5\n[rmset]\nroot =\n[model]\ninit =");
    text_free(&out);
}

static void test_memory_shortage_is_an_error(void **state)
{
    (void)state;
    const char *text = "[data]\nroot = ~/x\nclasses = A, B\n[train]\nclass_weights = list\nclass_weight_values = 1,2\n";
    bool succeeded = false;
    for (long at = 1; at < 500 && !succeeded; at++) {
        config_free(&config);
        err = (struct error){0};
        memory_fail_after(at);
        status result = config_parse(&config, text, "x.ini", "/base", NULL, 0, &err);
        memory_fail_after(0);
        succeeded = result == STATUS_OK;
        if (!succeeded) assert_int_equal(result, STATUS_FAILED);
    }
    assert_true(succeeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_defaults_are_the_method, forget),
        cmocka_unit_test_teardown(test_every_type_is_read, forget),
        cmocka_unit_test_teardown(test_messages_name_place_and_remedy, forget),
        cmocka_unit_test_teardown(test_keys_are_checked_against_each_other, forget),
        cmocka_unit_test_teardown(test_training_asks_for_its_folders, forget),
        cmocka_unit_test_teardown(test_overrides_win_and_say_their_name, forget),
        cmocka_unit_test_teardown(test_options_of_their_own_are_taken_literally, forget),
        cmocka_unit_test_teardown(test_sections_within_sections, forget),
        cmocka_unit_test_teardown(test_paths_expand_and_become_absolute, forget),
        cmocka_unit_test_teardown(test_a_file_is_the_base_of_its_paths, forget),
        cmocka_unit_test_teardown(test_normalization_has_one_meaning, forget),
        cmocka_unit_test_teardown(test_own_statistics_go_with_the_folder, forget),
        cmocka_unit_test_teardown(test_own_statistics_are_whole, forget),
        cmocka_unit_test_teardown(test_printing_reads_back_the_same, forget),
        cmocka_unit_test_teardown(test_presets_load, forget),
        cmocka_unit_test_teardown(test_ablations_change_only_what_they_say, forget),
        cmocka_unit_test_teardown(test_junk_is_refused_without_harm, forget),
        cmocka_unit_test(test_paths_can_be_left_out),
        cmocka_unit_test(test_absolute_names_can_be_left_out),
        cmocka_unit_test_teardown(test_memory_shortage_is_an_error, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
