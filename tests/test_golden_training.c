/* Training and evaluation from the command line against PyTorch: four steps of each recipe of tests/golden/training
 * from files that this test writes, the numbers of metrics.jsonl and of `rmfer eval` within the bounds that stand
 * beside them. scripts/golden_training.py wrote the numbers and says how the bounds were found. */
#include "support/golden.h"
#include "support/scratch.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/data/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 64, LABELLED = 12, POSITIVES = 4, NEGATIVES = 8, PEOPLE = 1 + POSITIVES + NEGATIVES, CLASSES = 4 };

static const char *const classes[CLASSES] = {"Neutral", "Happiness", "Sadness", "Surprise"};
static char *folder;

/* ---- the files a run starts from --------------------------------------------------------------------------------- */

/* The formula's pictures as bytes, NN.png below `place`. */
static void write_pictures(const char *name, size_t count, const char *place)
{
    enum { PIXELS = SIDE * SIDE * 3 };
    real *values = memory_allocate(count * PIXELS, sizeof *values, "pictures", NULL);
    struct image image;
    char path[64];
    assert_non_null(values);
    assert_int_equal(image_create(&image, SIDE, SIDE, NULL), STATUS_OK);
    golden_pictures(name, count, SIDE, values);
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < PIXELS; i++) {
            real value = values[n * PIXELS + i] * 60 + 128;
            image.rgb[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
        snprintf(path, sizeof path, "%s/%02zu.png", place, n);
        assert_int_equal(image_write_png(scratch_path(folder, path), &image, NULL), STATUS_OK);
    }
    image_free(&image);
    memory_free(values);
}

static void write_labels(void)
{
    char text[2048];
    int used = snprintf(text, sizeof text, "path,label,split\n");
    for (int split = 0; split < 2; split++)
        for (int i = 0; i < LABELLED; i++)
            used += snprintf(text + used, sizeof text - (size_t)used, "faces/%02d.png,%s,%s\n", i,
                             classes[3 * i / 2 % CLASSES], split == 0 ? "train" : "valid");
    scratch_text(folder, "labels.csv", text);
}

/* Person 0 at frame 0 is the only possible anchor: the others are near it (person 1) or far from it (person 0). */
static void write_index(void)
{
    char text[2048];
    int used = snprintf(text, sizeof text, "video,frame,face,path\nvideo,0,0,00.png\n");
    for (int i = 0; i < POSITIVES + NEGATIVES; i++) {
        int frame = i < POSITIVES ? i : 100 + i - POSITIVES;
        used += snprintf(text + used, sizeof text - (size_t)used, "video,%d,%d,%02d.png\n", frame, i < POSITIVES,
                         i + 1);
    }
    scratch_text(folder, "rmset/index.csv", text);
}

static void write_weights(void)
{
    struct architecture architecture;
    struct model model;
    assert_int_equal(architecture_find(&architecture, "tf_efficientnet_b0", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, CLASSES, true, NULL), STATUS_OK);
    struct parameters *all = &model.parameters;
    for (size_t i = 0; i < all->count; i++)
        golden_parameter(all->items[i].name, all->items[i].shape, all->items[i].rank, all->items[i].count, 0.6,
                         parameter_write(all, &all->items[i]));
    struct checkpoint_info info = checkpoint_info_defaults(&architecture);
    info.classes = classes;
    info.class_count = CLASSES;
    info.image_size = SIDE;
    assert_int_equal(checkpoint_write(scratch_path(folder, "init.safetensors"), &model, &info, NULL, 0, NULL),
                     STATUS_OK);
    model_free(&model);
}

static int write_all(void **state)
{
    (void)state;
    folder = scratch_make();
    write_labels();
    write_index();
    scratch_text(folder, "faces/made", "");
    write_pictures("training.labelled", LABELLED, "faces");
    write_pictures("training.people", PEOPLE, "rmset");
    write_weights();
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* ---- the numbers ------------------------------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    struct error err = {0};
    uint8_t *text;
    size_t size;
    if (file_read(path, 1 << 20, &text, &size, &err) != STATUS_OK) fail_msg("%s", err.message);
    return (char *)text;
}

/* The line number `index` of those that have "mark"; NULL when there are not so many. */
static const char *find_line(const char *text, const char *mark, int index)
{
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n'), *at = strstr(line, mark);
        if (end == NULL) end = line + strlen(line);
        if (at != NULL && at < end && index-- == 0) return line;
        line = *end == '\0' ? end : end + 1;
    }
    return NULL;
}

/* The number behind "key": in the line; NaN when there is none. */
static double find_number(const char *line, const char *key)
{
    char member[80];
    snprintf(member, sizeof member, "\"%s\":", key);
    const char *at = line == NULL ? NULL : strstr(line, member), *end = line == NULL ? NULL : strchr(line, '\n');
    if (at == NULL || (end != NULL && at > end)) return NAN;
    return strtod(at + strlen(member), NULL);
}

/* Compares every line of NAME.golden; returns how many there are. */
static int compare(const char *recipe, const char *golden, const char *metrics, const char *final)
{
    char kind[8], key[64];
    int index, count = 0, wrong = 0;
    double wanted, bound, closest = 0;
    for (const char *line = golden; *line != '\0'; line = strchr(line, '\n') + 1, count++) {
        assert_int_equal(sscanf(line, "%7s %d %63s %lf %lf", kind, &index, key, &wanted, &bound), 5);
        const char *where = strcmp(kind, "final") == 0  ? final
                            : strcmp(kind, "step") == 0 ? find_line(metrics, "\"loss_fer\"", index)
                                                        : find_line(metrics, "\"overall_accuracy\"", index);
        double away = fabs(find_number(where, key) - wanted);
        /* Counts are divided by counts: two quotients of the same ones are the same but for the last digits printed.
         */
        double allowed = bound == 0 ? 1e-6 : bound;
        if (bound > 0) closest = fmax(closest, away / bound);
        if (away <= allowed) continue;
        print_message("%s: %s %d %s is %.9g, PyTorch says %.9g, %.1e allowed\n", recipe, kind, index, key,
                      find_number(where, key), wanted, allowed);
        wrong++;
    }
    print_message("%s: %d numbers, the farthest at %.2f of its bound\n", recipe, count, closest);
    assert_int_equal(wrong, 0);
    return count;
}

static void run_command(const char *format, ...)
{
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command) != 0) fail_msg("failed: %s", command);
}

static void test_recipe(void **state)
{
    const char *recipe = *state, *program = getenv("RMFER") == NULL ? "./rmfer" : getenv("RMFER");
    char path[256], name[64];
    snprintf(path, sizeof path, "tests/golden/training/%s.ini", recipe);
    snprintf(name, sizeof name, "%s.ini", recipe);
    char *config = read_text(path);
    scratch_text(folder, name, config);
    run_command("'%s' train --quiet --config '%s/%s' --out '%s/run'", program, folder, name, folder);
    run_command("'%s' eval --quiet --checkpoint '%s/run/last.safetensors' --config '%s/%s' --split valid --flip "
                "--json - >'%s/final.json'",
                program, folder, folder, name, folder);
    snprintf(path, sizeof path, "tests/golden/training/%s.golden", recipe);
    char *golden = read_text(path), *metrics = read_text(scratch_path(folder, "run/metrics.jsonl"));
    char *final = read_text(scratch_path(folder, "final.json"));
    assert_true(compare(recipe, golden, metrics, final) > 30);
    run_command("rm -r '%s/run'", folder);
    char *taken[] = {config, golden, metrics, final};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) memory_free(taken[i]);
}

/* A pattern chooses recipes, as tests/many/run.sh does, which runs some over several processes. */
int main(int argc, char **argv)
{
    static char names[][16] = {"baseline",  "ial_adam",     "rmfer_sgd", "rmfer_joint",
                               "rmfer_sam", "rmfer_smooth", "balanced",  "phase2_rate"};
    struct CMUnitTest tests[sizeof names / sizeof names[0]];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        tests[i] = (struct CMUnitTest){names[i], test_recipe, NULL, NULL, names[i]};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("golden_training", tests, write_all, remove_all);
}
