/* Planes of luma and halved chroma to RGB: what nearly every video decodes to. Other formats go through FFmpeg's
 * converter, whose exact way takes several times as long. */
#ifndef DATA_VIDEO_CONVERT_H
#define DATA_VIDEO_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit 4:2:0, [height, width] luma and [ceil(height / 2), ceil(width / 2)] of each chroma; strides in bytes, at least
 * a row's length. */
struct yuv_picture {
    const uint8_t *luma, *blue, *red;
    ptrdiff_t luma_stride, blue_stride, red_stride;
    int width, height;
    bool full_range;         /* values 0 .. 255; else luma 16 .. 235 and chroma 16 .. 240 */
    const int *coefficients; /* [4] as FFmpeg's sws_getCoefficients: red of V, blue of U, green of U and of V, 16.16 */
};

/* Numbers of int16_t that yuv_to_rgb needs as room for pictures of that width. */
size_t yuv_room(int width);

/* rgb [height, width, 3], rows without gaps. Chroma is interpolated linearly, its samples lying in the middle of four
 * pixels; values are rounded to nearest, the same on every processor. */
void yuv_to_rgb(const struct yuv_picture *picture, uint8_t *rgb, int16_t *room);

#endif
