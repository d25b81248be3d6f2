/* The configuration of a run: one structure a section, filled through one typed key table (keys.h).
 *
 * The table drives parsing, defaults, `--set section.key=value`, printing, help and messages. A loaded configuration
 * is resolved: paths are absolute, normalisation presets are numbers. Printing and parsing it again gives the same.
 */
#ifndef RMFER_CONFIG_CONFIG_H
#define RMFER_CONFIG_CONFIG_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strings and lists belong to the configuration; a string is never NULL, "" says "not given". */
struct config_strings {
    char **items;
    size_t count;
};

struct config_reals {
    double *items;
    size_t count;
};

enum config_data_kind { DATA_AFFECTNET, DATA_RAFDB, DATA_FERPLUS, DATA_FOLDER, DATA_CSV };
enum config_affectnet_release { AFFECTNET_AUTO, AFFECTNET_ORIGINAL, AFFECTNET_LATER };
enum config_rafdb_images { RAFDB_ALIGNED, RAFDB_ORIGINAL };
enum config_ferplus_layout { FERPLUS_AUTO, FERPLUS_CSV, FERPLUS_FOLDERS };
enum config_crop { CROP_BOX, CROP_NONE };
/* What a number means that stands for a class (UNSAID: refused for folders, places from 0 in lists). */
enum config_numbers {
    NUMBERS_UNSAID,
    NUMBERS_AFFECTNET,
    NUMBERS_RAFDB,
    NUMBERS_FERPLUS,
    NUMBERS_FROM_0,
    NUMBERS_FROM_1,
};
enum config_votes { VOTES_ARGMAX, VOTES_MAJORITY, VOTES_PROBABILITY };
enum config_on_error { ON_ERROR_SKIP, ON_ERROR_FAIL };
enum config_sampler { SAMPLER_BALANCED, SAMPLER_SHUFFLE };
enum config_resize { RESIZE_BILINEAR, RESIZE_BICUBIC };
enum config_normalize {
    NORMALIZE_AFFECTNET,
    NORMALIZE_AFFECTNET_VALIDATION,
    NORMALIZE_RMSET,
    NORMALIZE_IMAGENET,
    NORMALIZE_CUSTOM, /* mean and std as given */
    NORMALIZE_SAME,   /* only for [rmset] and [eval]: what [data] says */
    NORMALIZE_OWN,    /* only for [rmset]: what statistics.ini in its folder says */
};

struct config_data {
    enum config_data_kind kind;
    bool reads_affect; /* valence and arousal are wanted where lists have them; no key: va.weight, or a checkpoint's
                          head, says so */
    char *root;        /* the data set's folder, absolute */
    char *images;      /* where AffectNet's pictures are when not below root, absolute; "" = root */
    char *train, *valid,
        *test; /* list file or split folder that replaces the usual one, relative to root; "" = usual */
    enum config_affectnet_release affectnet_release;
    enum config_rafdb_images rafdb_images;
    enum config_ferplus_layout ferplus_layout;
    enum config_crop crop;
    double crop_margin; /* the box grows by this share of its width and height, half on each side */
    enum config_numbers numbers;
    enum config_votes votes;
    struct config_strings classes; /* names in output order; at least 2 */
    /* The names that data.numbers' places count, where `classes` are a checkpoint's outputs in an order of their own;
     * no key; empty = classes. */
    struct config_strings places;
    int64_t labelled; /* labelled training samples kept, 0 = all */
    /* Counts in class order that sum to `labelled`; empty = equally many, of rafdb's 4,000 as published. */
    struct config_reals labelled_per_class;
    double valid_fraction; /* share of training kept for validation where there is no split of its own */
    int64_t split_seed;    /* of the choice of labelled samples and of the validation share */
    enum config_on_error on_error;
    double max_bad; /* largest share of unreadable pictures with on_error = skip */
    enum config_sampler sampler;
    int64_t workers;    /* decoding threads, 0 = as many as the process may use */
    int64_t prefetch;   /* batches made ahead */
    int64_t cache;      /* MiB of decoded pictures kept in memory */
    int64_t image_size; /* side of the network's input, pixels */
    enum config_resize resize;
    enum config_normalize normalize;
    double mean[3], std[3]; /* RGB, of values in 0..1; always filled */
};

struct config_model {
    char *arch;                         /* tf_efficientnet_b2, ... */
    char *init;                         /* weights to start from, absolute path; "" = random */
    struct config_strings init_classes; /* output names of `init` in order, unless it says them itself */
    double dropout;                     /* before the classifier */
    double drop_path;                   /* of the last block, linear from 0 at the first */
    double bn_momentum;                 /* PyTorch's sense */
};

enum config_optimizer { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_SAM };
enum config_schedule { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_STEP };
enum config_class_weights { CLASS_WEIGHTS_NONE, CLASS_WEIGHTS_BALANCED, CLASS_WEIGHTS_LIST };
enum config_saved { SAVED_FLOAT32, SAVED_BFLOAT16, SAVED_FLOAT16 };
enum config_phase2_lr {
    PHASE2_LR_CONTRASTIVE, /* every parameter learns at lr_contrastive once ACL has joined */
    PHASE2_LR_SAME,        /* lr and lr_ial go on */
};

struct config_train {
    char *method; /* a row of method.c's table */
    enum config_optimizer optimizer;
    enum config_optimizer sam_base; /* never OPTIMIZER_SAM */
    double sam_rho;
    double lr, lr_ial, lr_contrastive; /* backbone and f_FER; projection and f_IAL; phase 2 (see phase2_lr) */
    enum config_phase2_lr phase2_lr;
    double momentum; /* sgd */
    bool nesterov;
    double beta1, beta2, epsilon; /* adam, adamw */
    double weight_decay;
    enum config_schedule schedule;
    double lr_min;                  /* where cosine ends, as a share of the learning rate */
    double step_epochs, step_gamma; /* step: every step_epochs the rate is multiplied by step_gamma */
    double lr_warmup_epochs;        /* linear from 0 */
    int64_t epochs;
    int64_t warmup_epochs; /* length of phase 1; ACL joins afterwards */
    int64_t batch;
    bool sync_bn;
    enum config_saved saved; /* how maps lie in memory from forward to backward */
    int64_t accumulate;      /* batches whose gradients make one optimizer step */
    double clip_norm;        /* 0 = off */
    double ema_decay;        /* 0 = off */
    double label_smoothing;
    enum config_class_weights class_weights;
    struct config_reals class_weight_values; /* one a class with class_weights = list */
    bool freeze_backbone;
    int64_t early_stopping; /* evaluations without a better result before the run ends, 0 = off */
    int64_t seed;
    int64_t max_steps; /* optimizer steps, 0 = as many as the epochs have */
};

enum config_self_mask { CONFIG_SELF_MASK_EXCLUDE, CONFIG_SELF_MASK_LITERAL, CONFIG_SELF_MASK_NONE };

struct config_ial {
    double weight;      /* lambda 1 */
    double temperature; /* tau */
    enum config_self_mask self_mask;
};

struct config_va {
    double weight; /* of the loss of valence and arousal; 0 = the model has no head for them */
};

enum config_scoring_bn { SCORING_BN_EVAL, SCORING_BN_TRAIN };
enum config_scoring { SCORING_FRESH, SCORING_CACHED };
enum config_acl_forward { ACL_FORWARD_SEPARATE, ACL_FORWARD_JOINT };

enum config_acl_loss { ACL_LOSS_PUBLISHED, ACL_LOSS_MUTUAL };

struct config_acl {
    enum config_acl_loss loss;
    double weight;        /* lambda 2 */
    double temperature;   /* tau */
    int64_t anchors;      /* a step */
    double gamma;         /* share of the candidates kept */
    int64_t n_pos, n_neg; /* candidates drawn for an anchor */
    int64_t near;         /* d, frames */
    int64_t far;          /* d', frames */
    enum config_scoring_bn scoring_bn;
    enum config_scoring scoring; /* by the present weights, or by features that are remembered */
    int64_t scoring_refresh;     /* cached: steps after which they are forgotten */
    enum config_acl_forward forward;
    int64_t moments, persons; /* mutual: moments of a step, faces of each */
    bool returns;             /* mutual: every second moment is of the first one's persons, far away in time */
    double beta;              /* mutual: how much harder negatives count more */
    bool debias;              /* mutual: take off what chance positives add to the negatives */
    double ramp;              /* mutual: share of the run over which lambda 2 rises from 0 */
};

struct config_fixmatch {
    double threshold; /* c */
    double weight;    /* lambda u */
    int64_t ratio;    /* mu */
};

struct config_mixmatch {
    double temperature; /* T */
    double alpha;       /* of the Beta distribution */
    double weight;      /* lambda u */
    double ramp;        /* share of the run over which it rises */
    int64_t ratio;      /* mu */
};

struct config_remixmatch {
    double temperature, alpha; /* as MixMatch */
    double weight;             /* of the mixed unlabelled pictures */
    double strong_weight;      /* of the unmixed strong view */
    double rotation_weight;    /* of the head that tells turns; 0 = there is none */
    double ramp;               /* share of the run over which the first two rise */
    double momentum;           /* of the running mean of guesses, a batch */
    int64_t ratio;
};

enum config_positives { POSITIVES_GUESS, POSITIVES_VIEW };

struct config_adacm {
    double labelled_weight, weight, contrastive_weight;
    double temperature; /* of the contrastive loss */
    double floor;       /* smallest margin */
    double share;       /* of the mean confidence that is a margin */
    enum config_positives positives;
    int64_t ratio;
};

struct config_uda {
    double temperature; /* T */
    double threshold;   /* c */
    double weight;      /* lambda u */
    int64_t ratio;      /* mu */
};

struct config_center {
    double weight, rate; /* of the pull; of the centres */
};

struct config_island {
    double weight, rate, repulsion;
};

struct config_dacl {
    double weight, rate;
};

enum config_pairs { PAIRS_OF_VIEWS, PAIRS_OF_MOMENTS };

struct config_self_supervised {
    enum config_pairs views; /* what a pair is: an unlabelled picture twice, or two persons of a moment */
    int64_t ratio;           /* pairs of a step for each labelled picture */
    double weight, labelled_weight;
};

struct config_simclr {
    double temperature;
};

struct config_moco {
    double temperature, momentum;
    int64_t queue; /* keys */
};

struct config_byol {
    double momentum; /* at the start; rises to 1 */
};

enum config_consensus_weighting { CONSENSUS_BY_CERTAINTY, CONSENSUS_EQUALLY };
enum config_student_view { STUDENT_SEES_STRONG, STUDENT_SEES_PLAIN };
enum config_teacher_view { TEACHER_SEES_PLAIN, TEACHER_SEES_WEAK, TEACHER_SEES_MIRRORED };

struct config_consensus {
    double weight;    /* of the loss */
    double threshold; /* labels below it do not count */
    enum config_consensus_weighting weighting;
    double alignment;   /* 0 .. 1: how far class shares are pulled to those of the labels */
    double temperature; /* of the teacher; 0 = fitted to the validation split */
    int64_t refresh;    /* epochs between two looks of the teacher */
    enum config_student_view student_view;
    enum config_teacher_view view;
    int64_t scans;       /* of expectation and maximisation, at each look */
    int64_t cache_limit; /* MiB that predictions and labels of the RMset may take */
    int64_t ratio;       /* mu: faces of a step for each labelled picture */
};

enum config_grouping { GROUPING_MOMENTS, GROUPING_SHUFFLED, GROUPING_NONE };

struct config_rmset {
    char *root;                    /* absolute; "" = none */
    char *index;                   /* the CSV index, relative to root unless absolute */
    int64_t every;                 /* only frames that are multiples of this */
    double fraction;               /* share of the videos, a seeded choice */
    int64_t seed;                  /* of that choice, and of shuffled moments */
    enum config_grouping grouping; /* moments; or the controls that say whether moments mattered */
    bool allow_outside;            /* rows of the index may name files outside of its folder */
    bool augment;                  /* [augment] applies to RMset faces too */
    enum config_normalize normalize;
    double mean[3], std[3]; /* filled, but 0 where it is `own` and root has no statistics.ini yet */
};

struct config_augment_weak {
    double flip_p;
    double shift; /* largest, as a share of the side, both ways; the picture mirrored at its edge comes in */
};

struct config_augment_strong {
    int64_t operations; /* RandAugment's, drawn with replacement */
    double cutout;      /* largest side of the square that becomes gray, as a share of the picture's */
    bool after_weak;    /* the weak view comes first */
};

struct config_augment_pair {
    double crop; /* smallest area of the random crop, as a share of the picture's */
    double flip_p, jitter_p, grayscale_p;
    double jitter; /* of brightness, contrast and saturation, a fourth of it of hue */
};

enum config_augment_mode { AUGMENT_ONE_OF, AUGMENT_ALL, AUGMENT_NONE };

struct config_augment {
    bool enabled;
    enum config_augment_mode mode; /* of the three: grayscale, flip, colour jitter */
    double grayscale_p, flip_p;
    double brightness, contrast, saturation, hue; /* torchvision's ColorJitter */
    int64_t crop_padding;                         /* random crop after padding by so many pixels, 0 = off */
    double rotation;                              /* degrees, uniform in -rotation .. rotation, 0 = off */
    double erasing_p;                             /* random erasing */
    int64_t randaugment_n, randaugment_m;         /* operations an image (0 = off) and their magnitude of 0..30 */
    struct config_augment_weak weak;              /* [augment.weak] */
    struct config_augment_strong strong;          /* [augment.strong] */
    struct config_augment_pair pair;              /* [augment.pair] */
};

enum config_select { SELECT_VALID, SELECT_TEST };

struct config_eval {
    enum config_select select; /* the split that chooses the best checkpoint */
    double every;              /* evaluations happen after this share of an epoch */
    int64_t batch;
    bool flip; /* mean of the logits of the picture and its mirror image */
    enum config_normalize normalize;
    double mean[3], std[3]; /* always filled */
};

struct config_output {
    char *dir; /* the run folder, absolute; "" = --out must say it */
    bool tensorboard;
    double checkpoint_every; /* epochs between two writings of last.safetensors, which a new best writes too */
    int64_t log_every;       /* optimizer steps between two lines of metrics.jsonl */
};

struct config {
    struct config_data data;
    struct config_model model;
    struct config_train train;
    struct config_ial ial;
    struct config_acl acl;
    struct config_va va;
    struct config_fixmatch fixmatch;
    struct config_uda uda;
    struct config_mixmatch mixmatch;
    struct config_remixmatch remixmatch;
    struct config_adacm adacm;
    struct config_consensus consensus;
    struct config_center center;
    struct config_island island;
    struct config_dacl dacl;
    struct config_self_supervised self_supervised;
    struct config_simclr simclr;
    struct config_moco moco;
    struct config_byol byol;
    struct config_rmset rmset;
    struct config_augment augment;
    struct config_eval eval;
    struct config_output output;
    char *source;   /* the file's name, for messages */
    int32_t *lines; /* for every key of the table: its line in the file, 0 = default, -1 = an override */
    char **options; /* for every key: the option of that override, "--set" for one */
};

/* Every loader below fills `config` from the defaults, then the file, then `overrides` ("section.key=value", paths in
 * them relative to the current folder; in "--out:section.key=value" the value is taken as it stands, but for ~/, with
 * its blanks and dollar signs, and messages name that option instead of --set), resolves it and checks it across
 * keys. The caller frees it (config_free) even after a failure. Mistakes are STATUS_USAGE with "FILE:LINE:
 * section.key = value: what is wrong (what would do)"; a file that cannot be read is STATUS_FAILED. */

/* From a file; relative paths are relative to its folder. `path` may also name a preset ("affectnet8") when no such
 * file is there; its relative paths are then relative to the current folder. A name that could be a preset's and is
 * neither is a mistake, answered with the preset that is most like it. */
status config_load(struct config *config, const char *path, const char *const *overrides, size_t override_count,
                   struct error *err) MUST_CHECK;

/* From text (a checkpoint's rmfer.config, say); `name` stands for the file in messages, relative paths are relative
 * to `folder`. */
status config_parse(struct config *config, const char *text, const char *name, const char *folder,
                    const char *const *overrides, size_t override_count, struct error *err) MUST_CHECK;

/* The same for text out of a file that may come from anywhere (a checkpoint's rmfer.config): a $VARIABLE in a path of
 * its own is an error, never put in; those of `overrides`, which the user typed, are. Paths are absolute there. */
status config_parse_foreign(struct config *config, const char *text, const char *name, const char *const *overrides,
                            size_t override_count, struct error *err) MUST_CHECK;

/* The defaults and `overrides` alone. */
status config_defaults(struct config *config, const char *const *overrides, size_t override_count,
                       struct error *err) MUST_CHECK;

/* Whether training can start from it: data.root given, an RMset where a stream of the method reads one, and the like.
 * Loading alone does not ask for these, so that `rmfer eval` can do with less. */
status config_check_training(const struct config *config, bool needs_rmset, struct error *err) MUST_CHECK;

void config_free(struct config *config);

/* Appends the resolved configuration as INI text that config_parse reads back to the same values. */
status config_print(const struct config *config, struct text *out, struct error *err) MUST_CHECK;

/* Appends `text`, a configuration as config_print writes it, with the values of all paths left out, and of names of
 * lists that are absolute: for a checkpoint that is handed on. */
status config_without_paths(const char *text, struct text *out, struct error *err) MUST_CHECK;

/* The text of a preset ("affectnet8"), NULL when there is none of that name. */
const char *config_preset(const char *name);
/* The preset whose name is most like this one; NULL when none is. */
const char *config_preset_nearest(const char *name);
/* Writes at most `most` names, sorted; returns how many. */
size_t config_preset_list(const char *names[], size_t most);

/* Whether ACL will join: the method is rmfer, acl.weight > 0, rmset.fraction > 0 and epochs after the warm-up. */
bool config_has_acl(const struct config *config);

#endif
