/* What a run goes on from: true checkpoints of two methods that remember something (a queue with its place; labels of
 * the RMset's faces), changed where the input says (three bytes a change: where in the header or in what is remembered,
 * by what) and without checksums: refused, or gone on with for a step. The first byte chooses the method. */
#define _GNU_SOURCE
#include "fuzz/support/memory_file.h"
#include "fuzz/support/scratch_folder.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/synth/synth.h"
#include "rmfer/train/trainer.h"
#include "train/run_checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { RUNS = 2, MOST_OF_TENSOR = 256 };

static struct {
    struct config config;
    struct run_plan plan;
    struct pictures pictures;
    struct learner learner;
    struct run_state state;
    struct run_checkpoint checkpoint;
    struct batch batch;
    uint8_t *whole;
    size_t size, *places, place_count; /* bytes that are changed */
} runs[RUNS];

static const char
    settings[] = "[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nimage_size = 32\n"
                 "labelled = 12\nsampler = shuffle\nnormalize = imagenet\nworkers = 1\n"
                 "[train]\noptimizer = sgd\nmomentum = 0\nema_decay = 0.9\nbatch = 4\nepochs = 2\n"
                 "warmup_epochs = 0\nmax_steps = 1\n[moco]\nqueue = 4\n[acl]\nweight = 0\n[ial]\nweight = 0\n"
                 "[rmset]\nroot = faces/rmset\n[eval]\nevery = 2\n";

static void must(status result, const struct error *err)
{
    if (result == STATUS_OK) return;
    fprintf(stderr, "%s\n", err->message);
    abort();
}

/* The one name that the checksums have; other readers pass names over that they do not know, and so does this one. */
static void rename_checksums(uint8_t *bytes, size_t header)
{
    static const char name[] = "rmfer.checksum";
    for (size_t i = 0; i + sizeof name < header; i++)
        if (memcmp(bytes + i, name, sizeof name - 1) == 0) bytes[i] = 'x';
}

/* The header, and the beginning of every tensor that is not the model's or the optimizer's. */
static void list_places(int r)
{
    struct safetensors file;
    struct error err = {0};
    uint64_t header;
    memcpy(&header, runs[r].whole, sizeof header);
    header += sizeof header;
    runs[r].places = malloc(runs[r].size * sizeof *runs[r].places);
    must(safetensors_parse(&file, runs[r].whole, runs[r].size, "whole", &err), &err);
    for (size_t i = 0; i < header; i++) runs[r].places[runs[r].place_count++] = i;
    for (size_t i = 0; i < file.count; i++) {
        const struct tensor *tensor = &file.tensors[i];
        size_t bytes = tensor->count * tensor_type_size(tensor->type);
        if (strncmp(tensor->name, "method.", 7) != 0 && strncmp(tensor->name, "trainer.", 8) != 0) continue;
        for (size_t k = 0; k < bytes && k < MOST_OF_TENSOR; k++)
            runs[r].places[runs[r].place_count++] = (size_t)(tensor->data - runs[r].whole) + k;
    }
    safetensors_close(&file);
    rename_checksums(runs[r].whole, (size_t)header);
}

/* A network small enough, which no configuration may ask for: what the checkpoint says of its own is fuzz_config's. */
static void shrink(struct config *config)
{
    struct error err = {0};
    memory_free(config->model.arch);
    config->model.arch = memory_copy_string("tiny_tf_64_1", &err);
    if (config->model.arch == NULL) abort();
}

/* Trains one step, and opens everything that going on needs. */
static void make_run(int r, const char *method)
{
    char overrides[2][96], path[128];
    const char *const all[] = {overrides[0], overrides[1]};
    struct error err = {0};
    struct training_summary summary;
    snprintf(overrides[0], sizeof overrides[0], "train.method=%s", method);
    snprintf(overrides[1], sizeof overrides[1], "output.dir=%s/%s", scratch_folder(), method);
    must(config_parse(&runs[r].config, settings, "fuzz.ini", scratch_folder(), all, 2, &err), &err);
    shrink(&runs[r].config);
    const struct trainer_options options = {.config = &runs[r].config};
    must(trainer_run(&options, &summary, &err), &err);
    snprintf(path, sizeof path, "%s/%s/last.safetensors", scratch_folder(), method);
    must(file_read(path, (size_t)1 << 30, &runs[r].whole, &runs[r].size, &err), &err);
    must(run_plan_init(&runs[r].plan, &runs[r].config, NULL, &err), &err);
    must(pictures_open(&runs[r].pictures, &runs[r].plan, &err), &err);
    run_plan_count(&runs[r].plan, runs[r].pictures.training.count);
    must(learner_create(&runs[r].learner, &runs[r].plan, &runs[r].pictures, true, &err), &err);
    must(run_checkpoint_init(&runs[r].checkpoint, &runs[r].plan, &runs[r].pictures, &runs[r].learner, &runs[r].state,
                             "", &err),
         &err);
    must(pictures_start(&runs[r].pictures, &runs[r].plan, 0, &err), &err);
    must(pictures_next(&runs[r].pictures, &runs[r].plan, 0, &runs[r].batch, &err), &err);
    list_places(r);
}

static void release(void)
{
    for (int r = 0; r < RUNS; r++) {
        run_checkpoint_free(&runs[r].checkpoint);
        learner_free(&runs[r].learner);
        pictures_free(&runs[r].pictures);
        config_free(&runs[r].config);
        memory_free(runs[r].whole);
        free(runs[r].places);
    }
}

static void prepare(void)
{
    char faces[80];
    struct error err = {0};
    if (runs[0].whole != NULL) return;
    log_set_level(LOG_QUIET);
    threads_set(1);
    snprintf(faces, sizeof faces, "%s/faces", scratch_folder());
    const struct synth_options options = {.folder = faces, .faces = 48, .size = 32, .seed = 1};
    must(synth_write(&options, &err), &err);
    make_run(0, "moco");
    make_run(1, "consensus");
    atexit(release);
}

static void go_on(int r)
{
    struct step_outcome outcome;
    const struct learner *learner = &runs[r].learner;
    const struct method_step step = {.batch = &runs[r].batch,
                                     .weights = run_plan_phase(&runs[r].plan, 0)->weights,
                                     .gradient_scale = 1,
                                     .progress = 0.5,
                                     .last = true};
    learner->method->step(learner->self, &step, &outcome);
    if (learner->method->after_update != NULL) learner->method->after_update(learner->self, 0.5);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[MEMORY_FILE_PATH];
    struct checkpoint from;
    struct error err = {0};
    prepare();
    if (size == 0) return 0;
    int r = bytes[0] % RUNS;
    uint8_t *changed = malloc(runs[r].size);
    if (changed == NULL) abort();
    memcpy(changed, runs[r].whole, runs[r].size);
    for (size_t i = 1; i + 2 < size; i += 3)
        changed[runs[r].places[(size_t)(bytes[i] << 8 | bytes[i + 1]) % runs[r].place_count]] = bytes[i + 2];
    int descriptor = memory_file(changed, runs[r].size);
    memory_file_path(descriptor, path);
    status result = checkpoint_open(&from, path, &err);
    if (result == STATUS_OK)
        result = run_checkpoint_restore(&runs[r].checkpoint, &runs[r].plan, &from, &runs[r].learner, &runs[r].state,
                                        &err);
    if (result == STATUS_OK)
        go_on(r);
    else if (err.message[0] == '\0')
        abort();
    checkpoint_close(&from);
    free(changed);
    close(descriptor);
    return 0;
}
