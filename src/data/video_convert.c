/* Row by row in whole numbers: chroma sixteen times as large after interpolation, colours in units of 2^-20. */
#include "data/video_convert.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { SHIFT = 20, PADDING = 32 };

/* In 16.16, of luma and of sixteenths of chroma. */
struct factors {
    int32_t luma, black; /* luma that is black */
    int32_t red_of_v, blue_of_u, green_of_u, green_of_v;
};

static struct factors factors_of(const struct yuv_picture *picture)
{
    const int *given = picture->coefficients;
    if (!picture->full_range) return (struct factors){65536 * 255 / 219, 16, given[0], given[1], given[2], given[3]};
    return (struct factors){65536,
                            0,
                            (int32_t)((int64_t)given[0] * 224 / 255),
                            (int32_t)((int64_t)given[1] * 224 / 255),
                            (int32_t)((int64_t)given[2] * 224 / 255),
                            (int32_t)((int64_t)given[3] * 224 / 255)};
}

static size_t chroma_width(int width)
{
    return ((size_t)width + 1) / 2;
}

size_t yuv_room(int width)
{
    return 3 * (2 * chroma_width(width) + PADDING); /* a row between two of chroma, and two interpolated rows */
}

/* Three parts of the nearer row and one of the other, then the same along the row: `out` [2 columns] of the value less
 * 128, times 16. `between` [columns + 2]. */
ALWAYS_INLINE void interpolate(const uint8_t *near, const uint8_t *other, size_t columns, int16_t *restrict between,
                               int16_t *restrict out)
{
    int16_t *middle = between + 1;
    for (size_t i = 0; i < columns; i++) middle[i] = (int16_t)(3 * near[i] + other[i] - 512);
    middle[-1] = middle[0];
    middle[columns] = middle[columns - 1];
    for (size_t i = 0; i < columns; i++) {
        int16_t three = (int16_t)(3 * middle[i]);
        out[2 * i] = (int16_t)(three + middle[(ptrdiff_t)i - 1]);
        out[2 * i + 1] = (int16_t)(three + middle[i + 1]);
    }
}

ALWAYS_INLINE uint8_t to_byte(int32_t value)
{
    value >>= SHIFT;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

ALWAYS_INLINE void color_row(const uint8_t *restrict luma, const int16_t *restrict u, const int16_t *restrict v,
                             size_t width, const struct factors *factors, uint8_t *restrict rgb)
{
    const struct factors f = *factors;
    for (size_t x = 0; x < width; x++) {
        int32_t y = f.luma * 16 * (luma[x] - f.black) + (1 << (SHIFT - 1));
        rgb[3 * x] = to_byte(y + f.red_of_v * v[x]);
        rgb[3 * x + 1] = to_byte(y - f.green_of_u * u[x] - f.green_of_v * v[x]);
        rgb[3 * x + 2] = to_byte(y + f.blue_of_u * u[x]);
    }
}

/* The row of chroma on the other side of luma's row `y` from the nearer one. */
ALWAYS_INLINE int other_row(int y, int rows)
{
    int other = y % 2 == 0 ? y / 2 - 1 : y / 2 + 1;
    return other < 0 ? 0 : other >= rows ? rows - 1 : other;
}

ALWAYS_INLINE void convert(const struct yuv_picture *picture, uint8_t *rgb, int16_t *room)
{
    struct factors factors = factors_of(picture);
    size_t width = (size_t)picture->width, columns = chroma_width(picture->width);
    int16_t *between = room, *u = room + 2 * columns + PADDING, *v = u + 2 * columns + PADDING;
    int rows = (picture->height + 1) / 2;
    for (int y = 0; y < picture->height; y++) {
        int near = y / 2, other = other_row(y, rows);
        interpolate(picture->blue + near * picture->blue_stride, picture->blue + other * picture->blue_stride, columns,
                    between, u);
        interpolate(picture->red + near * picture->red_stride, picture->red + other * picture->red_stride, columns,
                    between, v);
        color_row(picture->luma + y * picture->luma_stride, u, v, width, &factors, rgb + (size_t)y * width * 3);
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void convert_avx2(const struct yuv_picture *picture, uint8_t *rgb, int16_t *room)
{
    convert(picture, rgb, room);
}
#endif

void yuv_to_rgb(const struct yuv_picture *picture, uint8_t *rgb, int16_t *room)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) {
        convert_avx2(picture, rgb, room);
        return;
    }
#endif
    convert(picture, rgb, room);
}
