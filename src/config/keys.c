/* The key table. A new key: a member of its section's structure (config.h) and a line here; parsing, defaults, --set,
 * printing, `rmfer config --keys` and messages follow. */
#include "rmfer/config/keys.h"

#include <float.h>
#include <stddef.h>
#include <string.h>

#define KEY(section, name, kind, default_text, minimum, maximum, words, help)                                     \
    {                                                                                                             \
#section, #name, kind, offsetof(struct config, section.name), default_text, minimum, maximum, words, help \
    }
#define TRUTH(section, name, default_text, help)         KEY(section, name, KEY_BOOL, default_text, 0, 0, NULL, help)
#define WHOLE(section, name, text, low, high, help)      KEY(section, name, KEY_INTEGER, text, low, high, NULL, help)
#define REAL(section, name, text, low, high, help)       KEY(section, name, KEY_REAL, text, low, high, NULL, help)
#define STRING(section, name, default_text, help)        KEY(section, name, KEY_STRING, default_text, 0, 0, NULL, help)
#define PATH(section, name, default_text, help)          KEY(section, name, KEY_PATH, default_text, 0, 0, NULL, help)
#define STRINGS(section, name, default_text, help)       KEY(section, name, KEY_STRINGS, default_text, 0, 0, NULL, help)
#define REALS(section, name, low, high, help)            KEY(section, name, KEY_REALS, "", low, high, NULL, help)
#define THREE(section, name, low, high, help)            KEY(section, name, KEY_THREE_REALS, "", low, high, NULL, help)
#define CHOICE(section, name, default_text, words, help) KEY(section, name, KEY_ENUM, default_text, 0, 0, words, help)
#define WORD(section, name, default_text, words, help)   KEY(section, name, KEY_WORD, default_text, 0, 0, words, help)

#define ARCHITECTURES                                                              \
    "tf_efficientnet_b0 tf_efficientnet_b1 tf_efficientnet_b2 tf_efficientnet_b3 " \
    "efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3"
#define NORMALIZATIONS "affectnet affectnet-validation rmset imagenet custom"

#define METHODS "rmfer consensus fixmatch uda mixmatch remixmatch adacm center island dacl simclr moco byol simsiam"

#define ANY_COUNT 1e9
#define ANY_SEED  9007199254740992.0 /* seeds stay exact in programs that keep numbers as doubles */
#define TINY      DBL_MIN            /* above 0 */

static const struct config_key keys[] = {
    CHOICE(data, kind, "affectnet", "affectnet rafdb ferplus folder csv",
           "how the data set is laid out (folder: pictures anywhere below SPLIT/CLASS)"),
    PATH(data, root, "", "the data set's folder"),
    PATH(data, images, "", "affectnet, original release: the folder of the pictures where it is not root"),
    STRING(data, train, "", "list file or folder of the training split, under root (empty: the usual one)"),
    STRING(data, valid, "", "list file or folder of the validation split, under root (empty: the usual one, if any)"),
    STRING(data, test, "", "list file or folder of the test split, under root (empty: the usual one)"),
    CHOICE(data, affectnet_release, "auto", "auto original later",
           "original: training.csv and validation.csv; later: train_set, val_set with annotations/*.npy"),
    CHOICE(data, rafdb_images, "aligned", "aligned original", "which of RAF-DB's picture folders is read"),
    CHOICE(data, ferplus_layout, "auto", "auto csv folders",
           "csv: fer2013.csv and fer2013new.csv; folders: FER2013Train, FER2013Valid, FER2013Test"),
    CHOICE(data, crop, "box", "box none", "cut the face box out where the list has one, or take whole pictures"),
    REAL(data, crop_margin, "0", 0, 4, "the box grows by this share of its sides, half of it on each side"),
    CHOICE(
        data, numbers, "unsaid", "unsaid affectnet rafdb ferplus 0-based 1-based",
        "folder, csv: what numbers for classes mean: that data set's labels, or places in classes (unsaid: of lists places from 0)"),
    CHOICE(data, votes, "argmax", "argmax majority probability", "ferplus: how ten votes become a label"),
    STRINGS(data, classes, "Neutral, Happiness, Sadness, Surprise, Fear, Disgust, Anger, Contempt",
            "the classes in output order; a class of the data set that is not named is left out"),
    WHOLE(data, labelled, "0", 0, ANY_COUNT,
          "labelled training samples kept, by class; the rest has no label (0: all)"),
    REALS(
        data, labelled_per_class, 0, ANY_COUNT,
        "how many of them of each class, in the order of classes (empty: equally many; of rafdb's 4000, as published, "
        "250 of Fear and 625 of each other)"),
    REAL(data, valid_fraction, "0.1", 0, 0.9, "share of training kept for validation where there is no such split"),
    WHOLE(data, split_seed, "0", 0, ANY_SEED, "of the choice of labelled samples and of the validation share"),
    CHOICE(data, on_error, "skip", "skip fail", "an unreadable picture is left out, or stops the run"),
    REAL(data, max_bad, "0.01", 0, 1, "with skip: the largest share of unreadable pictures"),
    CHOICE(data, sampler, "balanced", "balanced shuffle",
           "balanced: drawn with replacement, weight 1/count(class); shuffle: each sample once an epoch"),
    WHOLE(data, workers, "0", 0, 256, "threads that decode pictures (0: as many as --threads)"),
    WHOLE(data, prefetch, "4", 1, 1024, "batches made ahead"),
    WHOLE(data, cache, "256", 0, 1048576, "MiB of decoded pictures kept in memory (0: none)"),
    WHOLE(data, image_size, "260", 32, 2048, "side of the network's input in pixels"),
    CHOICE(data, resize, "bilinear", "bilinear bicubic", "antialiased filter that makes pictures of that size"),
    CHOICE(data, normalize, "affectnet", NORMALIZATIONS, "mean and std of the pixels; custom: as mean and std say"),
    THREE(data, mean, -NORMALIZATION_MEAN_MOST, NORMALIZATION_MEAN_MOST, "custom: mean of red, green, blue in 0..1"),
    THREE(data, std, NORMALIZATION_STD_LEAST, NORMALIZATION_STD_MOST, "custom: standard deviation of red, green, blue"),

    WORD(model, arch, "tf_efficientnet_b2", ARCHITECTURES, "the backbone (tf_: TensorFlow's SAME padding, eps 1e-3)"),
    PATH(model, init, "", "weights to start from: .safetensors, .pt, .pth, .onnx (empty: random)"),
    STRINGS(model, init_classes, "",
            "what the outputs of init mean, in their order, where the file does not say so itself"),
    REAL(model, dropout, "0", 0, 0.99, "before the classifier"),
    REAL(model, drop_path, "0", 0, 0.99, "stochastic depth of the last block, growing from 0 at the first"),
    REAL(model, bn_momentum, "0.1", 0, 1, "of batch-norm's running statistics, in PyTorch's sense"),

    WORD(train, method, "rmfer", METHODS,
         "what training optimises; each has a section of its name, rmfer [ial] and [acl]"),
    CHOICE(train, optimizer, "sam", "sgd adam adamw sam", "what turns gradients into steps"),
    CHOICE(train, sam_base, "adam", "sgd adam adamw", "sam: the optimizer it stands on"),
    REAL(train, sam_rho, "0.05", TINY, 100, "sam: length of the step to the sharper weights"),
    REAL(train, lr, "1e-4", 0, 1000, "learning rate of the backbone and the classifier"),
    REAL(train, lr_ial, "6e-6", 0, 1000, "learning rate of the projection head and the attention classifier"),
    REAL(train, lr_contrastive, "2e-6", 0, 1000, "learning rate of everything in phase 2 (see phase2_lr)"),
    CHOICE(train, phase2_lr, "contrastive", "contrastive same",
           "contrastive: lr_contrastive in phase 2, with ACL or without; same: lr and lr_ial go on"),
    REAL(train, momentum, "0.9", 0, 0.9999, "sgd"),
    TRUTH(train, nesterov, "false", "sgd: Nesterov's momentum"),
    REAL(train, beta1, "0.9", 0, 0.999999, "adam, adamw"),
    REAL(train, beta2, "0.999", 0, 0.9999999, "adam, adamw"),
    REAL(train, epsilon, "1e-8", TINY, 1, "adam, adamw"),
    REAL(train, weight_decay, "0", 0, 10, "not on batch-norm and biases"),
    CHOICE(train, schedule, "constant", "constant cosine step", "how the learning rate falls"),
    REAL(train, lr_min, "0", 0, 1, "cosine: where it ends, as a share of the learning rate"),
    REAL(train, step_epochs, "5", TINY, 1e6, "step: epochs between two reductions"),
    REAL(train, step_gamma, "0.5", TINY, 1, "step: each reduction multiplies by this"),
    REAL(train, lr_warmup_epochs, "0", 0, 1e6, "epochs in which the learning rate rises from 0"),
    WHOLE(train, epochs, "20", 1, 1e6, "of both phases together"),
    WHOLE(train, warmup_epochs, "5", 0, 1e6, "length of phase 1; ACL joins afterwards"),
    WHOLE(train, batch, "32", 1, 65536, "labelled samples of a step"),
    TRUTH(train, sync_bn, "true", "over several processes: batch-norm has the statistics of the whole batch"),
    CHOICE(train, saved, "float32", "float32 bfloat16 float16",
           "how maps are stored from forward to backward; 16 bits take half the memory"),
    WHOLE(train, accumulate, "1", 1, 65536, "batches whose gradients make one optimizer step"),
    REAL(train, clip_norm, "0", 0, 1e9, "longest gradient, over all parameters (0: off)"),
    REAL(train, ema_decay, "0", 0, 0.999999, "exponential moving average of the weights, used by evaluation (0: off)"),
    REAL(train, label_smoothing, "0", 0, 0.99, "share of the target spread over all classes"),
    CHOICE(
        train, class_weights, "none", "none balanced list",
        "weights of the classes in the loss, a mean by them; of soft targets (data.votes = probability) one over the pictures"),
    REALS(train, class_weight_values, 0, 1e6, "list: one weight a class, in the order of data.classes"),
    TRUTH(train, freeze_backbone, "false", "only the heads learn"),
    WHOLE(train, early_stopping, "0", 0, 1e6, "evaluations without a better result before the run ends (0: off)"),
    WHOLE(train, seed, "0", 0, ANY_SEED, "of weights, sampling, augmentation, dropout"),
    WHOLE(train, max_steps, "0", 0, 1e12, "optimizer steps before the run ends (0: as many as the epochs have)"),

    REAL(ial, weight, "1.2", 0, 1e6, "lambda 1, weight of the inter-sample attention loss (0: off)"),
    REAL(ial, temperature, "1", 1e-4, 1e4, "tau, divides the similarities"),
    CHOICE(ial, self_mask, "exclude", "exclude literal none",
           "attention of a sample to itself: 0; similarity 1e-6 as equation (1) is printed; unmasked"),

    CHOICE(acl, loss, "published", "published mutual",
           "published: one anchor against kept candidates; mutual: every face of some moments is an anchor"),
    REAL(acl, weight, "1", 0, 1e6, "lambda 2, weight of the contrastive loss (0: off)"),
    REAL(acl, temperature, "1", 1e-4, 1e4, "tau, divides the similarities"),
    WHOLE(acl, anchors, "1", 1, 4096, "anchors of a step"),
    REAL(acl, gamma, "0.1", TINY, 1, "share of the candidates that attention keeps"),
    WHOLE(acl, n_pos, "50", 1, 1024, "candidates of other persons, near the anchor's frame"),
    WHOLE(acl, n_neg, "50", 1, 1024, "candidates of the same person, far from the anchor's frame"),
    WHOLE(acl, near, "5", 0, ANY_COUNT, "d: positives are within this many frames"),
    WHOLE(acl, far, "30", 0, ANY_COUNT, "d': negatives are further away than this many frames"),
    CHOICE(acl, scoring_bn, "eval", "eval train",
           "batch-norm while candidates are scored: running or batch statistics"),
    CHOICE(
        acl, scoring, "fresh", "fresh cached",
        "candidates are scored by the present weights; or by features remembered from weights scoring_refresh steps old at "
        "most (an extension; rmset.augment = false, one process)"),
    WHOLE(acl, scoring_refresh, "100", 1, 1e9, "cached: steps after which the features are forgotten"),
    CHOICE(acl, forward, "separate", "separate joint",
           "anchor and kept candidates are a pass of their own, or one with the labelled batch"),
    WHOLE(acl, moments, "8", 2, 1024, "mutual: M, moments of a step; they are one pass with the labelled batch"),
    WHOLE(acl, persons, "4", 2, 1024, "mutual: P, faces of each moment"),
    TRUTH(
        acl, returns, "false",
        "mutual: every second moment shows the persons of the first far away in time, so that a person's own faces are negatives"),
    REAL(acl, beta, "0", 0, 100, "mutual: negatives count by e^(beta similarity / tau) (0: all alike)"),
    TRUTH(acl, debias, "true", "mutual: take off what negatives that show the same expression are expected to add"),
    REAL(acl, ramp, "0", 0, 1, "mutual: share of the run over which lambda 2 rises from 0 once ACL has joined"),

    REAL(
        va, weight, "0", 0, 1e6,
        "of 1 - the concordance of valence and arousal, a head beside the classifier learned with it (0: off, no head)"),

    REAL(fixmatch, threshold, "0.95", 0, 1, "c: a guess counts where its probability is at least this"),
    REAL(fixmatch, weight, "1", 0, 1e6, "lambda u, weight of the unlabelled loss"),
    WHOLE(fixmatch, ratio, "7", 1, 1024, "mu: unlabelled pictures of a step for each labelled one"),

    REAL(uda, temperature, "0.4", 1e-4, 1e4, "T: guesses are softmax(logits / T)"),
    REAL(uda, threshold, "0.8", 0, 1, "c: a guess counts where its probability, before T, is at least this"),
    REAL(uda, weight, "1", 0, 1e6, "lambda u, weight of the unlabelled loss"),
    WHOLE(uda, ratio, "7", 1, 1024, "mu: unlabelled pictures of a step for each labelled one"),

    REAL(mixmatch, temperature, "0.5", 1e-4, 1e4, "T: guesses are p^(1/T), normalised"),
    REAL(mixmatch, alpha, "0.5", 0, 1e4,
         "the shares of mixtures are drawn from Beta(alpha, alpha) (0: nothing is mixed)"),
    REAL(mixmatch, weight, "100", 0, 1e6, "lambda u, weight of the unlabelled loss once it has risen"),
    REAL(mixmatch, ramp, "0.4", 0, 1, "share of the run over which it rises from 0"),
    WHOLE(mixmatch, ratio, "1", 1, 1024, "mu: unlabelled pictures of a step for each labelled one"),

    REAL(remixmatch, temperature, "0.5", 1e-4, 1e4, "T: guesses are p^(1/T), normalised"),
    REAL(remixmatch, alpha, "0.75", 0, 1e4,
         "the shares of mixtures are drawn from Beta(alpha, alpha) (0: nothing is mixed)"),
    REAL(remixmatch, weight, "1.5", 0, 1e6, "lambda u, weight of the mixed unlabelled loss once it has risen"),
    REAL(remixmatch, strong_weight, "0.5", 0, 1e6, "weight of the unmixed strong view's loss once it has risen"),
    REAL(remixmatch, rotation_weight, "0.5", 0, 1e6,
         "weight of the loss that tells how a picture was turned (0: no such head)"),
    REAL(remixmatch, ramp, "0.015625", 0, 1, "share of the run over which weight and strong_weight rise from 0"),
    REAL(remixmatch, momentum, "0.999", 0, 0.999999, "of the running mean of guesses, from batch to batch"),
    WHOLE(remixmatch, ratio, "1", 1, 1024, "mu: unlabelled pictures of a step for each labelled one"),

    REAL(adacm, labelled_weight, "0.5", 0, 1e6, "weight of the labelled loss"),
    REAL(adacm, weight, "1", 0, 1e6, "weight of the loss of sure pictures"),
    REAL(adacm, contrastive_weight, "0.1", 0, 1e6, "weight of the contrastive loss of the others"),
    REAL(adacm, temperature, "0.07", 1e-4, 1e4, "of the contrastive loss, divides the similarities"),
    REAL(adacm, floor, "0.8", 0, 1, "smallest margin of a class, and every margin in the first epoch"),
    REAL(adacm, share, "0.97", 0, 1, "of a class's mean confidence on labelled pictures that is its margin"),
    CHOICE(
        adacm, positives, "guess", "guess view",
        "who belongs together in the contrastive loss: equal guesses, or a picture's two views alone (the authors' code)"),
    WHOLE(adacm, ratio, "1", 1, 1024, "unlabelled pictures of a step for each labelled one"),

    REAL(consensus, weight, "1", 0, 1e6, "weight of the loss against the labels that moments agree on"),
    REAL(consensus, threshold, "0", 0, 1, "a label counts where its probability is at least this"),
    CHOICE(consensus, weighting, "certainty", "certainty equal",
           "labels count by 1 - entropy / log classes, or all alike"),
    REAL(consensus, alignment, "1", 0, 1,
         "how far the labels' class shares are pulled to those of the labelled samples"),
    REAL(consensus, temperature, "0", 0, 100,
         "divides the teacher's logits (0: fitted to the validation split at each look)"),
    WHOLE(consensus, refresh, "1", 1, 1000000, "epochs between two looks of the teacher at the RMset"),
    WHOLE(consensus, scans, "10", 1, 1000, "rounds of expectation and maximisation at each look"),
    CHOICE(consensus, student_view, "strong", "strong plain",
           "what the labels are learned from: [augment.strong]'s view of a face, or [augment] as labelled pictures"),
    CHOICE(
        consensus, view, "plain", "plain weak mirrored",
        "what the teacher sees of a face: it as it is, [augment.weak]'s shift and flip of it, or it and its mirror image"),
    WHOLE(consensus, cache_limit, "1024", 1, 1 << 24, "MiB that predictions and labels of the RMset's faces may take"),
    WHOLE(consensus, ratio, "2", 1, 1024, "mu: RMset faces of a step for each labelled picture"),

    REAL(center, weight, "0.003", 0, 1e6, "weight of the pull of features to their class's centre"),
    REAL(center, rate, "0.5", 0, 1, "share of the mean difference that centres move by"),

    REAL(island, weight, "0.01", 0, 1e6, "weight of the pull of features to their class's centre"),
    REAL(island, rate, "0.5", 0, 1, "share of the mean difference that centres move by"),
    REAL(island, repulsion, "10", 1e-6, 1e6, "lambda 1, weight of what pushes centres apart beside what pulls them"),

    REAL(dacl, weight, "0.01", 0, 1e6, "weight of the attentive pull of features to their class's centre"),
    REAL(dacl, rate, "0.5", 0, 1, "share of the mean difference that centres move by"),

    CHOICE(self_supervised, views, "augment", "augment moment",
           "simclr, moco, byol, simsiam: a pair is an unlabelled picture in two views, or two persons of one moment"),
    WHOLE(self_supervised, ratio, "1", 1, 1024, "pairs of a step for each labelled picture"),
    REAL(self_supervised, weight, "1", 0, 1e6, "weight of the pairs' loss"),
    REAL(self_supervised, labelled_weight, "1", 0, 1e6, "weight of the labels' loss beside it (0: no label is used)"),

    REAL(simclr, temperature, "0.5", 0.005, 1e4, "tau, divides the similarities (0.1 where a step has few pairs)"),

    REAL(moco, temperature, "0.2", 0.005, 1e4, "tau, divides the similarities"),
    REAL(moco, momentum, "0.999", 0, 0.9999999, "of the teacher, which makes the keys"),
    WHOLE(moco, queue, "4096", 1, 1048576, "keys of earlier steps that a query is held against"),

    REAL(byol, momentum, "0.996", 0, 0.999999, "of the teacher at the start; rises to 1 by a cosine over the run"),

    PATH(rmset, root, "", "the RMset's folder"),
    STRING(rmset, index, "index.csv", "its list, under root"),
    WHOLE(rmset, every, "1", 1, 1e6, "only frames that are multiples of this"),
    REAL(rmset, fraction, "1", 0, 1, "share of the videos, a seeded choice"),
    WHOLE(rmset, seed, "0", 0, ANY_SEED, "of that choice, and of shuffled moments"),
    CHOICE(rmset, grouping, "moments", "moments shuffled none",
           "controls: faces shuffled over all videos' moments; no moments: each face is its own positive"),
    TRUTH(rmset, allow_outside, "false", "rows of the index may name files outside of its folder"),
    TRUTH(rmset, augment, "true", "[augment] applies to plain views of RMset faces too"),
    CHOICE(rmset, normalize, "same", NORMALIZATIONS " same own",
           "same: as the labelled pictures; own: as statistics.ini in its folder says"),
    THREE(rmset, mean, -NORMALIZATION_MEAN_MOST, NORMALIZATION_MEAN_MOST, "custom: mean of red, green, blue in 0..1"),
    THREE(rmset, std, NORMALIZATION_STD_LEAST, NORMALIZATION_STD_MOST,
          "custom: standard deviation of red, green, blue"),

    TRUTH(augment, enabled, "true",
          "false: plain views are pictures as they are; weak, strong and pair views stay a method's own"),
    CHOICE(augment, mode, "one_of", "one_of all none", "of grayscale, flip and colour jitter: one drawn, all, or none"),
    REAL(augment, grayscale_p, "0.1", 0, 1, "probability of grayscale"),
    REAL(augment, flip_p, "0.5", 0, 1, "probability of a left-right flip"),
    REAL(augment, brightness, "0.25", 0, 10, "colour jitter: factor in 1 - x .. 1 + x"),
    REAL(augment, contrast, "0.25", 0, 10, "colour jitter"),
    REAL(augment, saturation, "0.25", 0, 10, "colour jitter"),
    REAL(augment, hue, "0.125", 0, 0.5, "colour jitter: turn of the colour circle in -x .. x"),
    WHOLE(augment, crop_padding, "0", 0, 1024, "random crop after padding by so many pixels (0: off)"),
    REAL(augment, rotation, "0", 0, 180, "random rotation in -x .. x degrees (0: off)"),
    REAL(augment, erasing_p, "0", 0, 1, "probability of erasing a random rectangle"),
    WHOLE(augment, randaugment_n, "0", 0, 16, "RandAugment: operations a picture (0: off)"),
    WHOLE(augment, randaugment_m, "9", 0, 30, "RandAugment: magnitude of 0..30"),

    REAL(augment.weak, flip_p, "0.5", 0, 1, "weak view: probability of a left-right flip"),
    REAL(augment.weak, shift, "0.125", 0, 0.5, "weak view: largest shift, as a share of the side"),

    WHOLE(augment.strong, operations, "3", 0, 16,
          "strong view: RandAugment operations, each with an amount of its own"),
    REAL(augment.strong, cutout, "0.5", 0, 1, "strong view: largest side of cutout's square, as a share (0: off)"),
    TRUTH(augment.strong, after_weak, "true", "strong view: it begins with the weak one's shift and flip"),

    REAL(augment.pair, crop, "0.2", 0.01, 1, "view of a pair: smallest area of the random crop, as a share (1: none)"),
    REAL(augment.pair, flip_p, "0.5", 0, 1, "view of a pair: probability of a left-right flip"),
    REAL(augment.pair, jitter_p, "0.8", 0, 1, "view of a pair: probability of colour jitter"),
    REAL(augment.pair, jitter, "0.4", 0, 2,
         "view of a pair: brightness, contrast, saturation in 1 - x .. 1 + x, a fourth of hue"),
    REAL(augment.pair, grayscale_p, "0.2", 0, 1, "view of a pair: probability of grayscale"),

    CHOICE(eval, select, "valid", "valid test", "the split that chooses the best checkpoint; results say which"),
    REAL(eval, every, "0.1", 1e-6, 1e6, "epochs between two evaluations"),
    WHOLE(eval, batch, "64", 1, 65536, "pictures of one pass"),
    TRUTH(eval, flip, "false", "mean of the picture's and its mirror image's outputs"),
    CHOICE(eval, normalize, "same", NORMALIZATIONS " same", "same: as the training pictures"),
    THREE(eval, mean, -NORMALIZATION_MEAN_MOST, NORMALIZATION_MEAN_MOST, "custom: mean of red, green, blue in 0..1"),
    THREE(eval, std, NORMALIZATION_STD_LEAST, NORMALIZATION_STD_MOST, "custom: standard deviation of red, green, blue"),

    PATH(output, dir, "", "the run folder (--out says another)"),
    TRUTH(output, tensorboard, "false", "write TensorBoard event files beside metrics.jsonl"),
    REAL(output, checkpoint_every, "0.1", 1e-6, 1e6,
         "epochs between two writings of last.safetensors, which a new best writes too"),
    WHOLE(output, log_every, "10", 1, 1e6, "optimizer steps between two lines of metrics.jsonl"),
};

const struct config_key *config_keys(size_t *count)
{
    *count = sizeof keys / sizeof keys[0];
    return keys;
}

const struct config_key *config_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

size_t config_key_index(const struct config_key *key)
{
    return (size_t)(key - keys);
}
