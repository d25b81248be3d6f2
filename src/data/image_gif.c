/* GIF through giflib: the first frame alone, on the animation's canvas. What the frame does not cover, and what it
 * leaves transparent, keeps the colour that the palette gives it, as Pillow's convert("RGB"). */
#include <stddef.h>

#ifdef RMFER_HAVE_GIF
#include "data/image_formats.h"
#include "rmfer/base/memory.h"

#include <string.h>

#include <gif_lib.h>

enum { MOST_PIXELS_A_BYTE = 4096, PASSES = 4 }; /* a code of 12 bits stands for less than 4096 pixels */

struct gif_session {
    const uint8_t *bytes;
    size_t left;
};

static int give_bytes(GifFileType *gif, GifByteType *target, int wanted)
{
    struct gif_session *session = gif->UserData;
    size_t count = wanted < 0 ? 0 : (size_t)wanted;
    if (count > session->left) count = session->left;
    memcpy(target, session->bytes, count);
    session->bytes += count;
    session->left -= count;
    return (int)count;
}

static status damaged(int code, struct error *err)
{
    const char *message = GifErrorString(code);
    return error_set(err, "damaged GIF: %s", message == NULL ? "no picture in it" : message);
}

enum { GRAPHICS_LABEL = 0xf9, TRANSPARENT_FLAG = 1 };

/* Passes over an extension; one about graphics may name a transparent colour. */
static status pass_extension(GifFileType *gif, int *transparent, struct error *err)
{
    int label;
    GifByteType *block;
    if (DGifGetExtension(gif, &label, &block) == GIF_ERROR) return damaged(gif->Error, err);
    if (label == GRAPHICS_LABEL && block != NULL && block[0] >= 4 && (block[1] & TRANSPARENT_FLAG) != 0)
        *transparent = block[4];
    while (block != NULL)
        if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return damaged(gif->Error, err);
    return STATUS_OK;
}

/* Goes on to the first frame's pixels. */
static status find_frame(GifFileType *gif, int *transparent, struct error *err)
{
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    status result = STATUS_OK;
    while (result == STATUS_OK && record != IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetRecordType(gif, &record) == GIF_ERROR) return damaged(gif->Error, err);
        if (record == TERMINATE_RECORD_TYPE) return error_set(err, "damaged GIF: no picture in it");
        if (record == EXTENSION_RECORD_TYPE) result = pass_extension(gif, transparent, err);
    }
    if (result == STATUS_OK && DGifGetImageDesc(gif) == GIF_ERROR) return damaged(gif->Error, err);
    return result;
}

static void set_color(const ColorMapObject *map, int index, uint8_t *rgb)
{
    GifColorType color = index < map->ColorCount ? map->Colors[index] : (GifColorType){0, 0, 0};
    rgb[0] = color.Red;
    rgb[1] = color.Green;
    rgb[2] = color.Blue;
}

/* The frame's rows come in order, or every eighth, then those between, then those between these ... */
static status read_rows(GifFileType *gif, const ColorMapObject *map, GifPixelType *row, struct image *image,
                        struct error *err)
{
    static const int first[PASSES] = {0, 4, 2, 1}, step[PASSES] = {8, 8, 4, 2};
    const GifImageDesc *frame = &gif->Image;
    int passes = frame->Interlace ? PASSES : 1;
    for (int pass = 0; pass < passes; pass++)
        for (int y = frame->Interlace ? first[pass] : 0; y < frame->Height; y += frame->Interlace ? step[pass] : 1) {
            if (DGifGetLine(gif, row, frame->Width) == GIF_ERROR) return damaged(gif->Error, err);
            size_t at = (size_t)(frame->Top + y) * (size_t)image->width + (size_t)frame->Left;
            for (int x = 0; x < frame->Width; x++) set_color(map, row[x], image->rgb + (at + (size_t)x) * 3);
        }
    return STATUS_OK;
}

/* The canvas, grown where the frame reaches over it. */
static status make_canvas(const GifFileType *gif, const ColorMapObject *map, int background, size_t bytes,
                          size_t most_pixels, struct image *image, struct error *err)
{
    const GifImageDesc *frame = &gif->Image;
    if (frame->Left < 0 || frame->Top < 0 || frame->Width <= 0 || frame->Height <= 0)
        return error_set(err, "damaged GIF: the frame is %d x %d pixels", frame->Width, frame->Height);
    int right = frame->Left + frame->Width, bottom = frame->Top + frame->Height;
    int width = right > gif->SWidth ? right : gif->SWidth, height = bottom > gif->SHeight ? bottom : gif->SHeight;
    status result = image_check_size((size_t)width, (size_t)height, most_pixels, err);
    if (result != STATUS_OK) return result;
    if ((size_t)frame->Width * (size_t)frame->Height / MOST_PIXELS_A_BYTE > bytes)
        return error_set(err, "truncated: %zu bytes cannot hold %d x %d pixels", bytes, frame->Width, frame->Height);
    result = image_create(image, width, height, err);
    for (size_t i = 0; result == STATUS_OK && i < (size_t)width * (size_t)height; i++)
        set_color(map, background, image->rgb + 3 * i);
    return result;
}

static status read_frame(GifFileType *gif, size_t bytes, size_t most_pixels, struct image *image, struct error *err)
{
    int transparent = -1;
    status result = find_frame(gif, &transparent, err);
    if (result != STATUS_OK) return result;
    const ColorMapObject *map = gif->Image.ColorMap != NULL ? gif->Image.ColorMap : gif->SColorMap;
    if (map == NULL) return error_set(err, "damaged GIF: no palette");
    result = make_canvas(gif, map, transparent >= 0 ? transparent : 0, bytes, most_pixels, image, err);
    if (result != STATUS_OK) return result;
    GifPixelType *row = memory_allocate((size_t)gif->Image.Width, sizeof *row, "a row of a GIF", err);
    if (row == NULL) return STATUS_FAILED;
    result = read_rows(gif, map, row, image, err);
    memory_free(row);
    return result;
}

status image_gif_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err)
{
    struct gif_session session = {bytes, size};
    int code = 0;
    GifFileType *gif = DGifOpen(&session, give_bytes, &code);
    if (gif == NULL) return damaged(code, err);
    status result = read_frame(gif, size, options->most_pixels, image, err);
    DGifCloseFile(gif, &code);
    return result;
}

#endif
