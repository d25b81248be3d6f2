/* A ring of activated rows for each block of channels; forward and backward go through it row by row, so that a map
 * is read once (backward is derived in docs/how-it-works.md). */
#include "rmfer/ops/depthwise.h"

#include "ops/depthwise_rows.h"
#include "ops/kept_rows.h"
#include "rmfer/base/threads.h"

#include <stdint.h>
#include <string.h>

/* Channels are worked on in blocks, next to each other in the rings. */
enum { BLOCK = BLOCK_CHANNELS };

static size_t block_count(const struct depthwise *conv)
{
    return blocked_count(conv->channels);
}

static size_t block_channels(const struct depthwise *conv, size_t block)
{
    return blocked_channels(conv->channels, block);
}

/* Pixels of an output row with kernel-1 zeros on both sides, and as many as padded_width may reach beyond. */
static size_t margin_width(const struct depthwise *conv)
{
    size_t margin = (size_t)conv->kernel - 1;
    return (conv->output_width > depthwise_padded_width(conv) ? conv->output_width : depthwise_padded_width(conv)) +
           2 * margin;
}

size_t depthwise_packed_reals(const struct depthwise *conv)
{
    return (size_t)(conv->kernel * conv->kernel) * conv->channels;
}

void depthwise_pack(struct depthwise *conv)
{
    size_t taps = (size_t)(conv->kernel * conv->kernel);
    for (size_t c = 0; c < conv->channels; c++)
        for (size_t t = 0; t < taps; t++) conv->packed[t * conv->channels + c] = conv->weight[c * taps + t];
}

/* Output rows whose moments are taken at once. */
static size_t rows_per_part(const struct op_context *context, const struct depthwise *conv)
{
    size_t rows = (context->limits.moment_pixels + conv->output_width - 1) / conv->output_width;
    return rows < conv->output_height ? rows : conv->output_height;
}

size_t depthwise_scratch_reals(const struct op_context *context, const struct depthwise *conv)
{
    size_t ring = block_count(conv) * (size_t)conv->kernel;
    size_t made = rows_per_part(context, conv) * conv->output_width * conv->channels;
    size_t forward = (ring + 1) * depthwise_padded_width(conv) * BLOCK + made;
    size_t backward = (ring * margin_width(conv) + depthwise_padded_width(conv) + 2 * conv->width) * BLOCK;
    return forward > backward ? forward : backward;
}

size_t depthwise_moment_parts(const struct op_context *context, const struct depthwise *conv)
{
    size_t rows = rows_per_part(context, conv);
    return (conv->output_height + rows - 1) / rows;
}

/* One worker's view of one image: which blocks, where the image starts, and its ring of activated input rows. */
struct job {
    const struct op_context *context;
    const struct depthwise *conv;
    size_t image, first_block, end_block;
    real *ring;        /* [block][kernel][padded_width][BLOCK] */
    const real *zeros; /* [padded_width][BLOCK] */
};

static real *ring_row(const struct job *job, size_t block, size_t row, size_t width)
{
    size_t kernel = (size_t)job->conv->kernel;
    return job->ring + (((block - job->first_block) * kernel + row % kernel) * width) * BLOCK;
}

/* Brings input row `row` into the ring, activated where bn is given. The padding beside it is zero already. */
static void load_input_row(const struct job *job, const void *x, const struct batchnorm *bn, size_t row)
{
    const struct depthwise *conv = job->conv;
    const struct op_context *context = job->context;
    size_t reals = conv->width * conv->channels, at = (job->image * conv->height + row) * reals;
    for (size_t b = job->first_block; b < job->end_block; b++) {
        real *to = ring_row(job, b, row, depthwise_padded_width(conv)) + conv->pad_left * BLOCK;
        struct rows size = {conv->width, block_channels(conv, b)};
        size_t c = b * BLOCK;
        if (bn == NULL) {
            depthwise_copy_pixels(to, BLOCK, (const real *)x + at + c, conv->channels, conv->width, size.channels);
            continue;
        }
        struct real_rows from = kept_rows(context, size, x, at + c, conv->channels, to, BLOCK);
        context->kernels->activate(size, to, BLOCK, from.at, from.ld, bn->scale + c, bn->shift + c, NULL);
    }
}

/* One output row `out` [output_width,channels] for every block of the job; the input rows it needs that are new are
 * loaded first. */
static void forward_row(const struct job *job, const void *x, const struct batchnorm *bn, size_t oy, size_t *loaded,
                        real *out)
{
    const struct depthwise *conv = job->conv;
    size_t kernel = (size_t)conv->kernel, first = oy * (size_t)conv->stride; /* in padded rows */
    for (; *loaded < conv->height && *loaded < first + kernel - conv->pad_top; (*loaded)++)
        if (*loaded + conv->pad_top >= first) load_input_row(job, x, bn, *loaded);
    for (size_t b = job->first_block; b < job->end_block; b++) {
        const real *rows[DEPTHWISE_MOST_TAPS];
        for (size_t ky = 0; ky < kernel; ky++) {
            size_t padded = first + ky;
            bool inside = padded >= conv->pad_top && padded - conv->pad_top < conv->height;
            rows[ky] = inside ? ring_row(job, b, padded - conv->pad_top, depthwise_padded_width(conv)) : job->zeros;
        }
        job->context->kernels->depthwise(conv->kernel, conv->stride, conv->output_width, block_channels(conv, b),
                                         out + b * BLOCK, conv->channels, rows, BLOCK, conv->packed + b * BLOCK,
                                         conv->channels);
    }
}

/* A worker's scratch begins with a row of zeros; behind it lies the ring. Rows are written between the ring's margins,
 * and only read when they were written for the same image, so what is zero once stays so for all tasks. */
static void clear_ring(const struct depthwise *conv, size_t shares, size_t width, real *scratch)
{
    size_t blocks = (block_count(conv) + shares - 1) / shares, rows = blocks * (size_t)conv->kernel;
    memset(scratch, 0, (depthwise_padded_width(conv) + rows * width) * BLOCK * sizeof *scratch);
}

static struct job make_job(const struct op_context *context, const struct depthwise *conv, size_t task, size_t shares,
                           real *scratch)
{
    struct range blocks = threads_share(block_count(conv), (int)(task % shares), (int)shares);
    real *ring = scratch + depthwise_padded_width(conv) * BLOCK;
    return (struct job){context, conv, task / shares, blocks.begin, blocks.end, ring, scratch};
}

/* The job's channels of `rows` output rows, and the first of them. */
static struct rows job_rows(const struct job *job, size_t rows, size_t *first_channel)
{
    size_t end = job->end_block * BLOCK;
    *first_channel = job->first_block * BLOCK;
    if (end > job->conv->channels) end = job->conv->channels;
    return (struct rows){rows * job->conv->output_width, end - *first_channel};
}

/* Output rows are made a part at a time, their moments taken while they are in cache. */
static void forward_image(const struct job *job, const void *x, const struct batchnorm *bn, void *y, bool streams,
                          real *room, real *moment_values, size_t *moment_counts)
{
    const struct depthwise *conv = job->conv;
    const struct kernels *kernels = job->context->kernels;
    size_t loaded = 0, per_part = rows_per_part(job->context, conv), c;
    size_t parts = depthwise_moment_parts(job->context, conv), row = conv->output_width * conv->channels;
    for (size_t part = 0; part < parts; part++) {
        size_t first = part * per_part, at = job->image * parts + part;
        size_t count = conv->output_height - first < per_part ? conv->output_height - first : per_part;
        size_t to = (job->image * conv->output_height + first) * row;
        real *out = kept_target(job->context, y, to, streams, room);
        real *moments = moment_values + at * 2 * conv->channels;
        for (size_t i = 0; i < count; i++) forward_row(job, x, bn, first + i, &loaded, out + i * row);
        struct rows size = job_rows(job, count, &c);
        kept_write(job->context, size, y, to + c, conv->channels, streams, out + c, conv->channels);
        kernels->moments(size, out + c, conv->channels, moments + c, moments + conv->channels + c);
        if (job->first_block == 0) moment_counts[at] = count * conv->output_width;
    }
}

void depthwise_forward(const struct op_context *context, const struct depthwise *conv, size_t images, const void *x,
                       const struct batchnorm *bn, void *y, real *moment_values, size_t *moment_counts)
{
    size_t shares = depthwise_shares(context, images, block_count(conv));
    size_t ring = (block_count(conv) * (size_t)conv->kernel + 1) * depthwise_padded_width(conv) * BLOCK;
    bool streams = op_streams_kept(context, images * conv->output_height * conv->output_width * conv->channels);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range tasks = threads_share(images * shares, worker, context->threads);
        real *scratch = op_scratch(context, worker);
        clear_ring(conv, shares, depthwise_padded_width(conv), scratch);
        for (size_t task = tasks.begin; task < tasks.end; task++) {
            struct job job = make_job(context, conv, task, shares, scratch);
            forward_image(&job, x, bn, y, streams, scratch + ring, moment_values, moment_counts);
        }
    }
}

/* ---- backward -------------------------------------------------------------------------------------------------------
 * y[o] = sum over taps k of a[o s + k - p] w[k] (per channel), a = silu(bn(x)), so
 * da[i] = sum over k with i + p - k = o s of dy[o] w[k],  dw[k] = sum over o of dy[o] a[o s + k - p],
 * and dz = da silu'(z) for z = bn(x). dy comes row by row from du, through gate, SiLU and batch-norm. */

struct backward_job {
    struct job job; /* its ring holds rows of dy: [block][kernel][margin_width][BLOCK] */
    const struct depthwise_upstream *upstream;
    const void *x;
    const struct batchnorm *bn;
    const real *residual;
    real *wide; /* room for a row of x of one block, where it is stored narrow */
    real *made; /* room for dz of one, where it is streamed */
    real *dz;
    bool streams;  /* dz goes past the caches */
    real *sums;    /* [2][channels] of this image */
    real *dweight; /* [kernel*kernel][channels] of this worker */
};

static void load_gradient_row(const struct backward_job *back, size_t oy)
{
    const struct op_context *context = back->job.context;
    const struct depthwise *conv = back->job.conv;
    const struct depthwise_upstream *up = back->upstream;
    struct bn_backward bn = batchnorm_coefficients(up->bn);
    size_t row = (back->job.image * conv->output_height + oy) * conv->output_width * conv->channels;
    size_t image = back->job.image * conv->channels;
    for (size_t b = back->job.first_block; b < back->job.end_block; b++) {
        size_t c = b * BLOCK;
        real *to = ring_row(&back->job, b, oy, margin_width(conv)) + (size_t)(conv->kernel - 1) * BLOCK;
        struct bn_backward part = {bn.scale + c, bn.slope + c, bn.offset + c, bn.mean + c};
        struct rows size = {conv->output_width, block_channels(conv, b)};
        struct real_rows y = kept_rows(context, size, up->y, row + c, conv->channels, to, BLOCK);
        context->kernels->activated_bn_backward(size, to, BLOCK, up->du + row + c, conv->channels, y.at, y.ld,
                                                up->bn->shift + c, up->gate + image + c, up->mean_gradient + image + c,
                                                part);
    }
}

/* The output rows of a block that read input row iy, by their rows of taps. */
static void reading_rows(const struct backward_job *back, size_t iy, size_t block, const real *dy[DEPTHWISE_MOST_TAPS])
{
    const struct depthwise *conv = back->job.conv;
    size_t kernel = (size_t)conv->kernel, stride = (size_t)conv->stride, padded = iy + conv->pad_top;
    for (size_t ky = 0; ky < kernel; ky++) {
        bool reads = padded >= ky && (padded - ky) % stride == 0 && (padded - ky) / stride < conv->output_height;
        dy[ky] = reads ? ring_row(&back->job, block, (padded - ky) / stride, margin_width(conv)) + (kernel - 1) * BLOCK
                       : NULL;
    }
}

static void backward_block_row(const struct backward_job *back, size_t iy, size_t block)
{
    const struct depthwise *conv = back->job.conv;
    const struct op_context *context = back->job.context;
    size_t c = block * BLOCK, at = (back->job.image * conv->height + iy) * conv->width * conv->channels + c;
    struct rows size = {conv->width, block_channels(conv, block)};
    struct real_rows x = {(const real *)back->x + at, conv->channels};
    bool streams = back->streams && back->bn != NULL; /* a residual's lines, where dz may go, are read anyway */
    const real *dy[DEPTHWISE_MOST_TAPS];
    struct depthwise_row row = {.kernel = conv->kernel,
                                .stride = conv->stride,
                                .pixels = conv->width,
                                .pad_left = conv->pad_left,
                                .channels = size.channels,
                                .dy = dy,
                                .lddy = BLOCK,
                                .w = conv->packed + c,
                                .dw = back->dweight + c,
                                .ldw = conv->channels,
                                .dz = back->made,
                                .lddz = BLOCK,
                                .ld_sums = conv->channels};
    reading_rows(back, iy, block, dy);
    if (back->bn == NULL)
        row.residual = back->residual == NULL ? NULL : back->residual + at;
    else {
        x = kept_rows(context, size, back->x, at, conv->channels, back->wide, BLOCK);
        row.bn = (struct affine){back->bn->scale + c, back->bn->shift + c, back->bn->mean + c};
        row.sums = back->sums + c;
    }
    row.x = x.at;
    row.ldx = x.ld;
    if (!streams) row.dz = back->dz + at;
    if (!streams) row.lddz = conv->channels;
    context->kernels->depthwise_backward(&row);
    if (streams) context->kernels->stream(size, back->dz + at, conv->channels, row.dz, row.lddz);
}

static void backward_image(const struct backward_job *back)
{
    const struct depthwise *conv = back->job.conv;
    size_t loaded = 0;
    for (size_t iy = 0; iy < conv->height; iy++) {
        size_t last = (iy + conv->pad_top) / (size_t)conv->stride; /* the lowest output row that reads this one */
        for (; loaded < conv->output_height && loaded <= last; loaded++) load_gradient_row(back, loaded);
        for (size_t b = back->job.first_block; b < back->job.end_block; b++) backward_block_row(back, iy, b);
    }
}

/* Adds the workers' [taps][channels] sums to dweight [channels][taps], in order. */
static void add_weight_gradients(const struct op_context *context, const struct depthwise *conv, const real *partials)
{
    size_t taps = (size_t)(conv->kernel * conv->kernel), count = taps * conv->channels;
    for (int worker = 0; worker < context->threads; worker++)
        for (size_t c = 0; c < conv->channels; c++)
            for (size_t t = 0; t < taps; t++)
                conv->dweight[c * taps + t] += partials[(size_t)worker * count + t * conv->channels + c];
}

/* Lays out one worker's scratch for one task: a row of zeros and the ring of dy, then a row of x and one of dz. */
static void start_backward(struct backward_job *back, const struct op_context *context, const struct depthwise *conv,
                           size_t task, size_t shares, real *scratch)
{
    back->job = make_job(context, conv, task, shares, scratch);
    size_t ring = block_count(conv) * (size_t)conv->kernel * margin_width(conv);
    back->wide = scratch + (ring + depthwise_padded_width(conv)) * BLOCK;
    back->made = back->wide + conv->width * BLOCK;
}

void depthwise_backward(const struct op_context *context, const struct depthwise *conv, size_t images, const void *x,
                        const struct batchnorm *bn, struct depthwise_upstream upstream, const real *residual, real *dz,
                        real *image_sums, real *partials)
{
    size_t shares = depthwise_shares(context, images, block_count(conv));
    size_t taps = (size_t)(conv->kernel * conv->kernel) * conv->channels;
    bool streams = op_streams(context, images * conv->height * conv->width * conv->channels);
    if (bn != NULL) memset(image_sums, 0, images * 2 * conv->channels * sizeof *image_sums);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range tasks = threads_share(images * shares, worker, context->threads);
        struct backward_job back = {
            .upstream = &upstream, .x = x, .bn = bn, .residual = residual, .dz = dz, .streams = streams};
        back.dweight = partials + (size_t)worker * taps;
        memset(back.dweight, 0, taps * sizeof *back.dweight);
        clear_ring(conv, shares, margin_width(conv), op_scratch(context, worker));
        for (size_t task = tasks.begin; task < tasks.end; task++) {
            start_backward(&back, context, conv, task, shares, op_scratch(context, worker));
            back.sums = bn == NULL ? NULL : image_sums + back.job.image * 2 * conv->channels;
            backward_image(&back);
        }
    }
    add_weight_gradients(context, conv, partials);
}
