/* Channels outside, rows inside: a chunk of channels goes down the image band by band, so that the products of the
 * expansion, the ring of activated rows and the output rows of a band stay in the first two caches. */
#include "rmfer/ops/expand_depthwise.h"

#include "ops/depthwise_rows.h"
#include "rmfer/base/error.h"
#include "rmfer/base/threads.h"

#include <string.h>

/* Channels that are expanded at once: a panel of the matrix kernel, and whole blocks. */
static size_t chunk_channels(const struct op_context *context)
{
    size_t panel = context->kernels->panel, chunk = panel > BLOCK_CHANNELS ? panel : BLOCK_CHANNELS;
    BUG_UNLESS(chunk % panel == 0 && chunk % BLOCK_CHANNELS == 0);
    return chunk;
}

static size_t chunk_count(const struct op_context *context, const struct depthwise *conv)
{
    return (conv->channels + chunk_channels(context) - 1) / chunk_channels(context);
}

/* Input rows that are made at once: enough pixels for the matrix kernel's tiles. */
static size_t band_rows(const struct op_context *context, const struct depthwise *conv)
{
    size_t rows = (context->limits.band_pixels + conv->width - 1) / conv->width;
    return rows < conv->height ? rows : conv->height;
}

/* Rows of the ring: when a band comes in, at most kernel-1 rows of before are still wanted. */
static size_t ring_rows(const struct op_context *context, const struct depthwise *conv)
{
    return band_rows(context, conv) + (size_t)conv->kernel - 1;
}

static size_t made_reals(const struct op_context *context, const struct depthwise *conv)
{
    return band_rows(context, conv) * conv->width * chunk_channels(context);
}

static size_t ring_reals(const struct op_context *context, const struct depthwise *conv)
{
    return chunk_channels(context) * ring_rows(context, conv) * depthwise_padded_width(conv);
}

size_t expand_depthwise_scratch_reals(const struct op_context *context, const struct expand_depthwise *layers)
{
    const struct depthwise *conv = layers->depthwise;
    return made_reals(context, conv) + ring_reals(context, conv) + depthwise_padded_width(conv) * BLOCK_CHANNELS;
}

/* One worker's view of one image. */
struct image_job {
    const struct op_context *context;
    const struct expand_depthwise *layers;
    const real *x;     /* [H,W,input] */
    real *y;           /* [blocks][oH*oW][BLOCK_CHANNELS] */
    real *mean;        /* [C] */
    real *made;        /* products of a band, [rows*W][chunk] */
    real *ring;        /* activated rows, [blocks of a chunk][ring rows][padded width][BLOCK_CHANNELS] */
    const real *zeros; /* a row of the ring above and below the image */
};

/* A chunk of channels: its first, how many, and their products' distance from pixel to pixel. */
struct chunk {
    size_t first, channels, ld;
};

static real *ring_row(const struct image_job *job, size_t block, size_t row)
{
    const struct depthwise *conv = job->layers->depthwise;
    size_t rows = ring_rows(job->context, conv);
    return job->ring + (block * rows + row % rows) * depthwise_padded_width(conv) * BLOCK_CHANNELS;
}

static void expand_band(const struct image_job *job, struct chunk chunk, struct range rows)
{
    const struct conv1x1 *expand = job->layers->expand;
    size_t width = job->layers->depthwise->width, k = expand->input;
    job->context->kernels->gemm((rows.end - rows.begin) * width, chunk.channels, k, job->x + rows.begin * width * k, k,
                                expand->packed + chunk.first * k, job->made, chunk.ld, false);
}

/* Brings a block's input rows into the ring. The padding beside them is zero already. */
static void load_band(const struct image_job *job, struct chunk chunk, size_t block, struct range rows)
{
    const struct depthwise *conv = job->layers->depthwise;
    const struct batchnorm *bn = job->layers->expand_bn;
    size_t offset = block * BLOCK_CHANNELS, c = chunk.first + offset;
    struct rows size = {conv->width, blocked_channels(chunk.channels, block)};
    for (size_t row = rows.begin; row < rows.end; row++) {
        real *to = ring_row(job, block, row) + conv->pad_left * BLOCK_CHANNELS;
        if (job->layers->expand == NULL)
            depthwise_copy_pixels(to, BLOCK_CHANNELS, job->x + row * conv->width * conv->channels + c, conv->channels,
                                  conv->width, size.channels);
        else
            job->context->kernels->activate(size, to, BLOCK_CHANNELS,
                                            job->made + (row - rows.begin) * conv->width * chunk.ld + offset, chunk.ld,
                                            bn->scale + c, bn->shift + c, NULL);
    }
}

static void convolve_row(const struct image_job *job, size_t block, size_t c, size_t channels, size_t oy, real *out)
{
    const struct depthwise *conv = job->layers->depthwise;
    const real *rows[DEPTHWISE_MOST_TAPS];
    for (size_t ky = 0; ky < (size_t)conv->kernel; ky++) {
        size_t padded = oy * (size_t)conv->stride + ky;
        bool inside = padded >= conv->pad_top && padded - conv->pad_top < conv->height;
        rows[ky] = inside ? ring_row(job, block, padded - conv->pad_top) : job->zeros;
    }
    job->context->kernels->depthwise(conv->kernel, conv->stride, conv->output_width, channels, out, BLOCK_CHANNELS,
                                     rows, BLOCK_CHANNELS, conv->packed + c, conv->channels);
}

/* Output rows of one block, activated and added to its sums. */
static void convolve_band(const struct image_job *job, struct chunk chunk, size_t block, struct range rows)
{
    const struct depthwise *conv = job->layers->depthwise;
    const struct batchnorm *bn = job->layers->depthwise_bn;
    const struct kernels *kernels = job->context->kernels;
    size_t c = chunk.first + block * BLOCK_CHANNELS, width = conv->output_width;
    struct rows size = {(rows.end - rows.begin) * width, blocked_channels(chunk.channels, block)};
    real *band = job->y + c * conv->output_height * width + rows.begin * width * BLOCK_CHANNELS;
    for (size_t oy = rows.begin; oy < rows.end; oy++)
        convolve_row(job, block, c, size.channels, oy, band + (oy - rows.begin) * width * BLOCK_CHANNELS);
    kernels->activate(size, band, BLOCK_CHANNELS, band, BLOCK_CHANNELS, bn->scale + c, bn->shift + c, NULL);
    kernels->sum(size, band, BLOCK_CHANNELS, job->mean + c);
}

/* The output rows whose input rows below `loaded` are all there. */
static size_t ready_rows(const struct depthwise *conv, size_t loaded)
{
    size_t reach = loaded + conv->pad_top, kernel = (size_t)conv->kernel;
    if (loaded == conv->height) return conv->output_height;
    return reach < kernel ? 0 : (reach - kernel) / (size_t)conv->stride + 1;
}

static void run_chunk(const struct image_job *job, struct chunk chunk)
{
    const struct depthwise *conv = job->layers->depthwise;
    size_t step = band_rows(job->context, conv), blocks = blocked_count(chunk.channels);
    struct range in = {0, 0}, out = {0, 0};
    for (; in.begin < conv->height; in.begin = in.end, out.begin = out.end) {
        in.end = conv->height - in.begin < step ? conv->height : in.begin + step;
        out.end = ready_rows(conv, in.end);
        if (job->layers->expand != NULL) expand_band(job, chunk, in);
        for (size_t block = 0; block < blocks; block++) {
            load_band(job, chunk, block, in);
            convolve_band(job, chunk, block, out);
        }
    }
    real share = 1 / (real)(conv->output_height * conv->output_width);
    for (size_t c = chunk.first; c < chunk.first + chunk.channels; c++) job->mean[c] *= share;
}

static struct image_job make_job(const struct op_context *context, const struct expand_depthwise *layers, real *scratch)
{
    const struct depthwise *conv = layers->depthwise;
    struct image_job job = {.context = context, .layers = layers, .made = scratch};
    size_t ring = ring_reals(context, conv), zeros = depthwise_padded_width(conv) * BLOCK_CHANNELS;
    job.ring = scratch + made_reals(context, conv);
    job.zeros = job.ring + ring;
    memset(job.ring, 0, (ring + zeros) * sizeof *job.ring); /* the sides stay zero: rows are written between them */
    return job;
}

static void run_task(struct image_job *job, size_t image, struct range chunks, const real *x, real *y, real *mean)
{
    const struct depthwise *conv = job->layers->depthwise;
    size_t input = job->layers->expand == NULL ? conv->channels : job->layers->expand->input;
    size_t width = chunk_channels(job->context);
    job->x = x + image * conv->height * conv->width * input;
    job->y = y + image * blocked_reals(conv->output_height * conv->output_width, conv->channels);
    job->mean = mean + image * conv->channels;
    for (size_t i = chunks.begin; i < chunks.end; i++) {
        size_t rest = conv->channels - i * width;
        run_chunk(job, (struct chunk){i * width, rest < width ? rest : width, width});
    }
}

/* With fewer images than workers an image's channels are shared out too. */
void expand_depthwise_infer(const struct op_context *context, const struct expand_depthwise *layers, size_t images,
                            const real *x, real *y, real *mean)
{
    size_t chunks = chunk_count(context, layers->depthwise);
    size_t shares = depthwise_shares(context, images, chunks);
    memset(mean, 0, images * layers->depthwise->channels * sizeof *mean);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range tasks = threads_share(images * shares, worker, context->threads);
        struct image_job job = make_job(context, layers, op_scratch(context, worker));
        for (size_t task = tasks.begin; task < tasks.end; task++)
            run_task(&job, task / shares, threads_share(chunks, (int)(task % shares), (int)shares), x, y, mean);
    }
}
