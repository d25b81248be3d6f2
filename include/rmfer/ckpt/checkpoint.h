/* Native checkpoints: safetensors with timm's names for the backbone and classifier, `ial.*` for the heads, `va.*` for
 * that of valence and arousal, and what a program needs to use the weights rightly in the metadata `rmfer.*` (docs: "A
 * checkpoint").
 *
 * Foreign files are read by import.h. */
#ifndef RMFER_CKPT_CHECKPOINT_H
#define RMFER_CKPT_CHECKPOINT_H

#include "rmfer/base/text.h"
#include "rmfer/ckpt/safetensors.h"
#include "rmfer/nn/model.h"

/* The key of the metadata that tells a checkpoint among files of safetensors: the version of the format. */
#define METADATA_FORMAT "rmfer.format"

/* What stands in the metadata. Strings are never NULL ("" = none) and belong to the caller when writing, to the
 * checkpoint when reading. */
struct checkpoint_info {
    const char *arch;           /* rmfer.arch; when writing, the model's own name is taken */
    const char *const *classes; /* names in output order, as many as the model has outputs; no commas in them */
    size_t class_count;
    int image_size;          /* side of the network's input, pixels */
    double mean[3], std[3];  /* RGB, of values in 0..1 */
    const char *resize;      /* the filter: "bilinear" or "bicubic" */
    const char *selected_on; /* the split that chose these weights, "valid" or "test"; "" when none did */
    double epoch;            /* epochs done, with a fraction */
    int64_t step;            /* optimizer steps done */
    const char *method;      /* rmfer.method, what trained them (train.method); "" = not said */
    const char *arithmetic;  /* rmfer.arithmetic, what rounded the numbers (ops/arithmetic.h); "" = not said */
    const char *config;      /* the resolved configuration as INI text */
    const char *metrics;     /* the evaluation that chose them, a JSON object */
    double temperature; /* rmfer.temperature: probabilities are softmax(logits / temperature); 0 = none was fitted */
    bool untrained;     /* rmfer.classifier = fresh: the classifier's rows are random, nothing has trained them */
    bool folded;        /* batch-norm was folded before import: fit for evaluation, not for training */
};

/* image_size of the architecture, ImageNet's mean and std, bilinear, everything else empty. */
struct checkpoint_info checkpoint_info_defaults(const struct architecture *architecture);

/* Says what becomes the network's input: the side in pixels, and the normalisation. Where that differs from what was
 * said, what was measured with the other input (metrics, temperature) is forgotten; returns whether there was any. */
bool checkpoint_info_set_input(struct checkpoint_info *info, int image_size, const double mean[3], const double std[3]);

/* Prefix of the tensors that hold the moving average of the weights and running statistics. */
#define CHECKPOINT_AVERAGE "ema."
/* Of what a run goes on with: the optimizer's state, what the method keeps, where training stands. */
#define CHECKPOINT_OPTIMIZER "optimizer."
#define CHECKPOINT_METHOD    "method."
#define CHECKPOINT_TRAINER   "trainer."

/* Writes every parameter and running statistic of the model (its heads too when it has them), then `extra` tensors
 * (those with the prefixes above: any names the model does not use), atomically. */
status checkpoint_write(const char *path, const struct model *model, const struct checkpoint_info *info,
                        const struct tensor *extra, size_t extra_count, struct error *err) MUST_CHECK;

/* The same, smaller: weights of convolutions and linear layers as float16, rounded to nearest; batch-norm and biases,
 * which are few and reach further, stay float32. For handing a model on, not for training on. A weight that is no
 * number or beyond float16's range is an error that names its tensor. */
status checkpoint_write_narrow(const char *path, const struct model *model, const struct checkpoint_info *info,
                               struct error *err) MUST_CHECK;

struct checkpoint {
    char *path;
    struct safetensors file;
    struct checkpoint_info info;
    char *class_text;   /* owns info.classes' names */
    const char **names; /* info.classes */
};

/* Maps and checks a checkpoint; a file without `rmfer.*` metadata is refused with a hint at `rmfer import`. On
 * failure the structure is empty. */
status checkpoint_open(struct checkpoint *checkpoint, const char *path, struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void checkpoint_close(struct checkpoint *checkpoint);

/* Whether the heads H and f_IAL are in the file. */
bool checkpoint_has_heads(const struct checkpoint *checkpoint);
/* Whether the head for valence and arousal is. */
bool checkpoint_has_affect(const struct checkpoint *checkpoint);

/* Creates a model of the checkpoint's architecture and classes for evaluation: where the file keeps the weights' moving
 * average beside them (last.safetensors with train.ema_decay), loads that, as training's own evaluations do. Without
 * gradients. `with_heads` asks for H and f_IAL, which must then be in the file; a head for affect comes along where it
 * is. The caller frees the model. */
status checkpoint_create_model(const struct checkpoint *checkpoint, bool with_heads, struct model *model,
                               struct error *err) MUST_CHECK;

/* Loads every entry of an existing model, the weights that training goes on with. Missing tensors and other shapes are
 * errors that name them; tensors that the model does not have are left alone. On failure some entries may have been
 * overwritten. */
status checkpoint_load_model(const struct checkpoint *checkpoint, struct model *model, struct error *err) MUST_CHECK;

/* A tensor by name ("optimizer.step"), NULL when there is none: for resuming. */
const struct tensor *checkpoint_tensor(const struct checkpoint *checkpoint, const char *name);

/* "A,B,C" cut in place into names without blanks around them; *names is memory_allocate'd and points into `text`.
 * Empty and repeated names are an error. */
status checkpoint_split_classes(char *text, const char ***names, size_t *count, struct error *err) MUST_CHECK;

/* Three numbers separated by commas that a normalisation's mean, or its standard deviation, may be (config/keys.h
 * has the bounds); false when it is something else. */
bool checkpoint_parse_mean(const char *text, double mean[3]);
bool checkpoint_parse_std(const char *text, double std[3]);

/* A number from 0.001 to 1000; false when it is something else. */
bool checkpoint_parse_temperature(const char *text, double *temperature);

/* Writes the checkpoint's tensors and metadata again as they are, but for rmfer.temperature; `path` may be its own. */
status checkpoint_write_temperature(const char *path, const struct checkpoint *checkpoint, double temperature,
                                    struct error *err) MUST_CHECK;

/* A text about the checkpoint for `rmfer info`: the metadata and the tensors by group. `accuracy` is what is said of
 * the evaluation that it carries, "" = nothing. */
status checkpoint_describe(const struct checkpoint *checkpoint, const char *accuracy, struct text *out,
                           struct error *err) MUST_CHECK;

#endif
