/* WebP through libwebp: a still picture, or the first frame of an animation on its canvas (black where the frame does
 * not reach). Alpha is dropped, not composited, as for the other kinds. */
#include <stddef.h>

#ifdef RMFER_HAVE_WEBP
#include "data/exif.h"
#include "data/image_formats.h"

#include <webp/decode.h>
#include <webp/demux.h>

static int find_orientation(const WebPDemuxer *demuxer)
{
    WebPChunkIterator chunk;
    int orientation = 1;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0)
        orientation = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

/* The frame's place on the canvas was checked; the decoder itself refuses a frame that is larger than it said. */
static status decode_frame(const WebPIterator *frame, struct image *image, struct error *err)
{
    size_t stride = (size_t)image->width * 3, bytes = stride * (size_t)image->height;
    size_t at = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
    int width = 0, height = 0;
    if (WebPGetInfo(frame->fragment.bytes, frame->fragment.size, &width, &height) == 0 || width != frame->width ||
        height != frame->height)
        return error_set(err, "damaged WebP: the frame is not what it is said to be");
    if (WebPDecodeRGBInto(frame->fragment.bytes, frame->fragment.size, image->rgb + at, bytes - at, (int)stride) ==
        NULL)
        return error_set(err, "damaged WebP: the pixels cannot be decoded");
    return STATUS_OK;
}

static status read_canvas(const WebPDemuxer *demuxer, const struct image_options *options, struct image *image,
                          struct error *err)
{
    size_t width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH), height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    status result = image_check_size(width, height, options->most_pixels, err);
    if (result != STATUS_OK) return result;
    WebPIterator frame;
    if (WebPDemuxGetFrame(demuxer, 1, &frame) == 0) return error_set(err, "damaged WebP: no picture in it");
    bool fits = frame.complete != 0 && frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width > 0 &&
                frame.height > 0 && (size_t)frame.x_offset + (size_t)frame.width <= width &&
                (size_t)frame.y_offset + (size_t)frame.height <= height;
    if (!fits)
        result = error_set(err, "damaged WebP: the first frame is not all there");
    else
        result = image_create(image, (int)width, (int)height, err);
    if (result == STATUS_OK) result = decode_frame(&frame, image, err);
    WebPDemuxReleaseIterator(&frame);
    return result;
}

status image_webp_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err)
{
    const WebPData data = {bytes, size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (demuxer == NULL) return error_set(err, "damaged WebP: the file is cut short or not WebP");
    int orientation = options->ignore_orientation ? 1 : find_orientation(demuxer);
    status result = read_canvas(demuxer, options, image, err);
    WebPDemuxDelete(demuxer);
    return result == STATUS_OK ? image_turn_upright(image, orientation, err) : result;
}

#endif
