/* A run over several processes that ends before its time: told to stop at a moment that only one of them knows of,
 * and with a walk over pictures that one of them cannot begin. */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include "many/support/shared_case.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/synth/synth.h"
#include "rmfer/train/trainer.h"
#include "train/pictures.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_EVALUATION = 2, STEPS = 5 };

static const char BASE[] = "[data]\nkind = affectnet\nroot = faces/affectnet\ncrop = none\nimage_size = 32\n"
                           "normalize = imagenet\nworkers = 1\n[model]\narch = tf_efficientnet_b0\n"
                           "[train]\noptimizer = adamw\nbatch = 8\nepochs = 2\nwarmup_epochs = 1\nmax_steps = 5\n"
                           "[acl]\nweight = 0\n[eval]\nevery = 0.3\nbatch = 16\n"
                           "[output]\ndir = run\nlog_every = 1\ncheckpoint_every = 100\n";

static char folder[64] = "/tmp/rmfer-many-XXXXXX";

static const char *path_in(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- a signal at a known moment ---- */

static volatile sig_atomic_t stop;
static bool is_stopped_by_sync;

/* In place of the C library's: what is brought to the disk first once there are lines of metrics is what the first
 * evaluation found best, which rank 0 alone writes. A signal comes there, behind the last look that all processes
 * have taken together. */
int fsync(int descriptor)
{
    struct stat facts;
    (void)descriptor;
    if (is_stopped_by_sync && stat(path_in("run/metrics.jsonl"), &facts) == 0 && facts.st_size > 0) stop = 15;
    return 0;
}

static void give_up(const struct error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void parse(struct config *config, const char *const *overrides, size_t count)
{
    struct error err = {0};
    if (config_parse(config, BASE, "base.ini", folder, overrides, count, &err) != STATUS_OK) give_up(&err);
}

static struct training_summary train(const struct many *many, bool resume)
{
    struct error err = {0};
    struct config config;
    struct training_summary summary;
    struct trainer_options options = {.config = &config, .resume = resume, .dist = many->dist, .stop = &stop};
    parse(&config, NULL, 0);
    if (trainer_run(&options, &summary, &err) != STATUS_OK) give_up(&err);
    config_free(&config);
    return summary;
}

static int64_t step_of_last(void)
{
    struct checkpoint checkpoint;
    if (checkpoint_open(&checkpoint, path_in("run/last.safetensors"), NULL) != STATUS_OK) return -1;
    int64_t step = checkpoint.info.step;
    checkpoint_close(&checkpoint);
    return step;
}

static void check_signal(struct many *many)
{
    is_stopped_by_sync = true;
    struct training_summary summary = train(many, false);
    is_stopped_by_sync = false;
    many_check(many, "a signal that one process got behind an evaluation ends all",
               summary.end == TRAINING_INTERRUPTED && summary.steps == FIRST_EVALUATION);
    many_check(many, "with the checkpoint of that step", step_of_last() == FIRST_EVALUATION);
    stop = 0;
    summary = train(many, true);
    many_check(many, "from which the run goes on", summary.end == TRAINING_COMPLETE && summary.steps == STEPS);
}

/* ---- a walk ---- */

static void check_walk(struct many *many)
{
    struct error err = {0};
    struct config config;
    struct run_plan plan;
    struct pictures pictures = {0};
    struct pictures_walk walk = {0};
    parse(&config, NULL, 0);
    if (run_plan_init(&plan, &config, many->dist, &err) != STATUS_OK) give_up(&err);
    if (pictures_open(&pictures, &plan, &err) != STATUS_OK) give_up(&err);
    if (dist_rank(many->dist) == 1) memory_fail_after(1);
    status result = pictures_walk_begin(&walk, &pictures, &plan, PICTURES_OF_TRAINING, 0, NULL, &err);
    memory_fail_after(0);
    many_check(many, "a walk that one process cannot begin is begun by none",
               result != STATUS_OK && strncmp(err.message, "rank 1 of ", 10) == 0);
    pictures_walk_end(&walk);
    pictures_free(&pictures);
    config_free(&config);
}

/* ---- the rest ---- */

static void draw_faces(struct many *many)
{
    struct error err = {0};
    bool is_first = dist_rank(many->dist) == 0;
    if (is_first && mkdtemp(folder) == NULL) exit(1);
    dist_broadcast(many->dist, folder, sizeof folder);
    char faces[128];
    snprintf(faces, sizeof faces, "%s", path_in("faces"));
    struct synth_options options = {.folder = faces, .faces = 72, .size = 32, .seed = 1};
    if (is_first && synth_write(&options, &err) != STATUS_OK) give_up(&err);
    dist_barrier(many->dist);
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *place)
{
    (void)facts, (void)type, (void)place;
    return remove(path);
}

static void remove_faces(struct many *many)
{
    dist_barrier(many->dist);
    if (dist_rank(many->dist) == 0 && nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0) exit(1);
}

int main(void)
{
    struct many many;
    log_set_level(LOG_QUIET);
    many_begin(&many);
    draw_faces(&many);
    check_signal(&many);
    check_walk(&many);
    remove_faces(&many);
    return many_end(&many);
}
