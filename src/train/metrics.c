/* The confusion matrix filled, and accuracies, recalls and distances taken from it. */
#include "rmfer/train/metrics.h"

#include "rmfer/base/memory.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/concordance.h"
#include "rmfer/ops/cosine.h"

#include <math.h>
#include <string.h>

status confusion_init(struct confusion *confusion, size_t classes, struct error *err)
{
    *confusion = (struct confusion){.classes = classes};
    confusion->counts = memory_allocate(size_multiply(classes, classes), sizeof *confusion->counts,
                                        "the confusion matrix", err);
    return confusion->counts == NULL ? STATUS_FAILED : STATUS_OK;
}

void confusion_free(struct confusion *confusion)
{
    memory_free(confusion->counts);
    *confusion = (struct confusion){0};
}

void confusion_clear(struct confusion *confusion)
{
    memset(confusion->counts, 0, confusion->classes * confusion->classes * sizeof *confusion->counts);
}

void confusion_add(struct confusion *confusion, size_t truth, size_t predicted)
{
    BUG_UNLESS(truth < confusion->classes && predicted < confusion->classes);
    confusion->counts[truth * confusion->classes + predicted]++;
}

uint64_t confusion_total(const struct confusion *confusion)
{
    uint64_t total = 0;
    for (size_t i = 0; i < confusion->classes * confusion->classes; i++) total += confusion->counts[i];
    return total;
}

uint64_t confusion_correct(const struct confusion *confusion)
{
    uint64_t correct = 0;
    for (size_t i = 0; i < confusion->classes; i++) correct += confusion->counts[i * confusion->classes + i];
    return correct;
}

uint64_t confusion_class_total(const struct confusion *confusion, size_t truth)
{
    uint64_t total = 0;
    for (size_t i = 0; i < confusion->classes; i++) total += confusion->counts[truth * confusion->classes + i];
    return total;
}

static uint64_t predicted_total(const struct confusion *confusion, size_t predicted)
{
    uint64_t total = 0;
    for (size_t i = 0; i < confusion->classes; i++) total += confusion->counts[i * confusion->classes + predicted];
    return total;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

double confusion_overall_accuracy(const struct confusion *confusion)
{
    return ratio((double)confusion_correct(confusion), (double)confusion_total(confusion));
}

double confusion_average_accuracy(const struct confusion *confusion)
{
    double sum = 0, present = 0;
    for (size_t i = 0; i < confusion->classes; i++) {
        if (confusion_class_total(confusion, i) == 0) continue;
        sum += confusion_recall(confusion, i);
        present++;
    }
    return ratio(sum, present);
}

static double hits(const struct confusion *confusion, size_t label)
{
    return (double)confusion->counts[label * confusion->classes + label];
}

double confusion_recall(const struct confusion *confusion, size_t label)
{
    return ratio(hits(confusion, label), (double)confusion_class_total(confusion, label));
}

double confusion_precision(const struct confusion *confusion, size_t label)
{
    return ratio(hits(confusion, label), (double)predicted_total(confusion, label));
}

/* 2 tp + fp + fn = all of the class + all predictions of it. */
double confusion_f1(const struct confusion *confusion, size_t label)
{
    uint64_t both = confusion_class_total(confusion, label) + predicted_total(confusion, label);
    return ratio(2 * hits(confusion, label), (double)both);
}

/* ---- similarity of features -------------------------------------------------------------------------------------- */

status similarity_init(struct similarity *similarity, size_t dimensions, size_t classes, struct error *err)
{
    *similarity = (struct similarity){.dimensions = dimensions, .classes = classes};
    size_t count = size_multiply(dimensions, classes);
    similarity->sums = memory_allocate(count, sizeof *similarity->sums, "sums of features", err);
    similarity->counts = memory_allocate(classes, sizeof *similarity->counts, "counts of features", err);
    similarity->scratch = memory_allocate(dimensions, sizeof *similarity->scratch, "a sum of features", err);
    if (similarity->sums == NULL || similarity->counts == NULL || similarity->scratch == NULL) return STATUS_FAILED;
    return STATUS_OK;
}

void similarity_free(struct similarity *similarity)
{
    memory_free(similarity->sums);
    memory_free(similarity->counts);
    memory_free(similarity->scratch);
    *similarity = (struct similarity){0};
}

void similarity_clear(struct similarity *similarity)
{
    memset(similarity->sums, 0, similarity->dimensions * similarity->classes * sizeof *similarity->sums);
    memset(similarity->counts, 0, similarity->classes * sizeof *similarity->counts);
}

void similarity_add(struct similarity *similarity, const real *vector, size_t label)
{
    BUG_UNLESS(label < similarity->classes);
    double square = 0, *sum = similarity->sums + label * similarity->dimensions;
    for (size_t i = 0; i < similarity->dimensions; i++) square += (double)vector[i] * (double)vector[i];
    double length = sqrt(square) > SMALLEST_NORM ? sqrt(square) : SMALLEST_NORM;
    for (size_t i = 0; i < similarity->dimensions; i++) sum[i] += (double)vector[i] / length;
    similarity->counts[label]++;
}

static double squared_length(const double *vector, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += vector[i] * vector[i];
    return sum;
}

void similarity_means(const struct similarity *similarity, double *same_class, double *different_class)
{
    double same = 0, same_pairs = 0, all = 0;
    memset(similarity->scratch, 0, similarity->dimensions * sizeof(double));
    for (size_t c = 0; c < similarity->classes; c++) {
        const double *sum = similarity->sums + c * similarity->dimensions;
        double n = (double)similarity->counts[c];
        for (size_t i = 0; i < similarity->dimensions; i++) similarity->scratch[i] += sum[i];
        same += (squared_length(sum, similarity->dimensions) - n) / 2;
        same_pairs += n * (n - 1) / 2;
        all += n;
    }
    double total = (squared_length(similarity->scratch, similarity->dimensions) - all) / 2;
    *same_class = ratio(same, same_pairs);
    *different_class = ratio(total - same, all * (all - 1) / 2 - same_pairs);
}

/* ---- distance from the class centres ----------------------------------------------------------------------------- */

struct cloud {
    const real *points;
    const int32_t *labels;
    size_t n, dimensions, classes;
    double *centres; /* [classes + 1, dimensions]; the last one is the whole cloud's mean */
    double *counts;  /* [classes + 1] */
};

static bool is_in(const struct cloud *cloud, size_t i)
{
    return cloud->labels[i] >= 0 && (size_t)cloud->labels[i] < cloud->classes;
}

static void find_centres(struct cloud *cloud)
{
    size_t d = cloud->dimensions;
    double *mean = cloud->centres + cloud->classes * d;
    for (size_t i = 0; i < cloud->n; i++) {
        if (!is_in(cloud, i)) continue;
        size_t label = (size_t)cloud->labels[i];
        double *centre = cloud->centres + label * d;
        for (size_t k = 0; k < d; k++) {
            centre[k] += (double)cloud->points[i * d + k];
            mean[k] += (double)cloud->points[i * d + k];
        }
        cloud->counts[label]++;
        cloud->counts[cloud->classes]++;
    }
    for (size_t c = 0; c <= cloud->classes; c++)
        for (size_t k = 0; k < d && cloud->counts[c] > 0; k++) cloud->centres[c * d + k] /= cloud->counts[c];
}

static double squared_distance(const real *point, const double *centre, size_t d)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++) {
        double difference = (double)point[k] - centre[k];
        sum += difference * difference;
    }
    return sum;
}

static double mean_distance(const struct cloud *cloud)
{
    size_t d = cloud->dimensions;
    const double *mean = cloud->centres + cloud->classes * d;
    double spread = 0, distances = 0, count = cloud->counts[cloud->classes];
    for (size_t i = 0; i < cloud->n; i++) {
        if (!is_in(cloud, i)) continue;
        const real *point = cloud->points + i * d;
        spread += squared_distance(point, mean, d);
        distances += sqrt(squared_distance(point, cloud->centres + (size_t)cloud->labels[i] * d, d));
    }
    return count > 0 && spread > 0 ? distances / count / sqrt(spread / count) : NAN;
}

status centre_distance(const real *points, const int32_t *labels, size_t n, size_t dimensions, size_t classes,
                       double *distance, struct error *err)
{
    struct cloud cloud = {points, labels, n, dimensions, classes, NULL, NULL};
    *distance = NAN;
    cloud.centres = memory_allocate(size_multiply(classes + 1, dimensions), sizeof(double), "class centres", err);
    cloud.counts = memory_allocate(classes + 1, sizeof(double), "counts of classes", err);
    bool ready = cloud.centres != NULL && cloud.counts != NULL;
    if (ready) {
        find_centres(&cloud);
        *distance = mean_distance(&cloud);
    }
    memory_free(cloud.centres);
    memory_free(cloud.counts);
    return ready ? STATUS_OK : STATUS_FAILED;
}

/* ---- valence and arousal ----------------------------------------------------------------------------------------- */

struct affect_agreement affect_agreement(size_t n, const real *predicted, const real *truth)
{
    struct affect_agreement agreement = {0};
    for (size_t d = 0; d < AFFECT_DIMENSIONS; d++) {
        double squares = 0;
        size_t known = 0;
        for (size_t i = 0; i < n; i++) {
            double error = (double)predicted[i * AFFECT_DIMENSIONS + d] - (double)truth[i * AFFECT_DIMENSIONS + d];
            if (isnan(truth[i * AFFECT_DIMENSIONS + d])) continue;
            squares += error * error;
            known++;
        }
        agreement.rmse[d] = known > 0 ? sqrt(squares / (double)known) : NAN;
        agreement.concordance[d] = concordance(n, AFFECT_DIMENSIONS, d, predicted, truth);
        agreement.n = known > agreement.n ? known : agreement.n;
    }
    return agreement;
}
