/* Augmentations that move pixels: shift, rotation, shear, and the copy of the picture that they read from. Places are
 * computed as Pillow's Image.transform does. */
#include "data/augment_internal.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

void augment_workspace_free(struct augment_workspace *workspace)
{
    memory_free(workspace->copy);
    *workspace = (struct augment_workspace){0};
}

status augment_copy(const struct image *image, struct augment_workspace *workspace, struct error *err)
{
    size_t bytes = image_bytes(image);
    if (bytes > workspace->capacity) {
        uint8_t *larger = memory_allocate(bytes, 1, "an augmentation's copy", err);
        if (larger == NULL) return STATUS_FAILED;
        memory_free(workspace->copy);
        workspace->copy = larger;
        workspace->capacity = bytes;
    }
    memcpy(workspace->copy, image->rgb, bytes);
    return STATUS_OK;
}

status augment_shift(struct image *image, int dx, int dy, struct augment_workspace *workspace, struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    memset(image->rgb, 0, image_bytes(image));
    int width = image->width, height = image->height;
    int first_x = dx < 0 ? -dx : 0, last_x = dx < 0 ? width : width - dx;
    int first_y = dy < 0 ? -dy : 0, last_y = dy < 0 ? height : height - dy;
    if (last_x <= first_x) return STATUS_OK;
    for (int y = first_y; y < last_y; y++) {
        size_t to = (size_t)y * (size_t)width + (size_t)first_x;
        size_t from = (size_t)(y + dy) * (size_t)width + (size_t)(first_x + dx);
        memcpy(image->rgb + 3 * to, workspace->copy + 3 * from, (size_t)(last_x - first_x) * 3);
    }
    return STATUS_OK;
}

/* Mirrored at the picture's edge, whose own pixels are not repeated: -1 is 1, count is count - 2. */
static int reflected(int place, int count)
{
    if (count == 1) return 0;
    int period = 2 * (count - 1);
    place = (place % period + period) % period;
    return place < count ? place : period - place;
}

status augment_shift_reflected(struct image *image, int dx, int dy, struct augment_workspace *workspace,
                               struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    uint8_t *out = image->rgb;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = workspace->copy + (size_t)reflected(y + dy, image->height) * (size_t)image->width * 3;
        for (int x = 0; x < image->width; x++, out += 3)
            memcpy(out, row + 3 * (size_t)reflected(x + dx, image->width), 3);
    }
    return STATUS_OK;
}

void augment_rotation_map(const struct image *image, double degrees, double m[6])
{
    double angle = -degrees * (3.14159265358979323846 / 180.0);
    double centre_x = image->width / 2.0, centre_y = image->height / 2.0;
    m[0] = m[4] = cos(angle);
    m[1] = sin(angle);
    m[3] = -m[1];
    m[2] = centre_x - m[0] * centre_x - m[1] * centre_y;
    m[5] = centre_y - m[3] * centre_x - m[4] * centre_y;
}

static double lerp(double a, double b, double share)
{
    return a + (b - a) * share;
}

static int clamp(int value, int count)
{
    return value < 0 ? 0 : value < count ? value : count - 1;
}

/* Bilinear at (x, y), whose neighbours are repeated at the border. */
static void sample_bilinear(const uint8_t *rgb, int width, int height, double x, double y, uint8_t *out)
{
    x -= 0.5;
    y -= 0.5;
    int left = (int)floor(x), top = (int)floor(y);
    double share_x = x - left, share_y = y - top;
    size_t x0 = (size_t)clamp(left, width), x1 = (size_t)clamp(left + 1, width);
    const uint8_t *upper = rgb + (size_t)clamp(top, height) * (size_t)width * 3;
    const uint8_t *lower = rgb + (size_t)clamp(top + 1, height) * (size_t)width * 3;
    for (size_t c = 0; c < 3; c++) {
        double above = lerp(upper[3 * x0 + c], upper[3 * x1 + c], share_x);
        double below = lerp(lower[3 * x0 + c], lower[3 * x1 + c], share_x);
        out[c] = (uint8_t)lerp(above, below, share_y);
    }
}

status augment_rotate(struct image *image, double degrees, struct augment_workspace *workspace, struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    double m[6];
    augment_rotation_map(image, degrees, m);
    int width = image->width, height = image->height;
    uint8_t *out = image->rgb;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++, out += 3) {
            double x = m[0] * (column + 0.5) + m[1] * (row + 0.5) + m[2];
            double y = m[3] * (column + 0.5) + m[4] * (row + 0.5) + m[5];
            bool inside = x >= 0.0 && x < width && y >= 0.0 && y < height;
            if (inside)
                sample_bilinear(workspace->copy, width, height, x, y, out);
            else
                memset(out, 0, 3);
        }
    }
    return STATUS_OK;
}

status augment_zoom(struct image *image, double x, double y, double width, double height,
                    struct augment_workspace *workspace, struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    uint8_t *out = image->rgb;
    for (int row = 0; row < image->height; row++)
        for (int column = 0; column < image->width; column++, out += 3)
            sample_bilinear(workspace->copy, image->width, image->height, x + (column + 0.5) * width / image->width,
                            y + (row + 0.5) * height / image->height, out);
    return STATUS_OK;
}

/* Places advance in 2^-16 pixels. */
static int64_t fixed(double value)
{
    return (int64_t)floor(value * 65536.0 + 0.5);
}

status augment_affine_nearest(struct image *image, const double m[6], struct augment_workspace *workspace,
                              struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    int64_t row_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), row_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
    int64_t right_x = fixed(m[0]), right_y = fixed(m[3]), down_x = fixed(m[1]), down_y = fixed(m[4]);
    uint8_t *out = image->rgb;
    for (int row = 0; row < image->height; row++, row_x += down_x, row_y += down_y) {
        int64_t x = row_x, y = row_y;
        for (int column = 0; column < image->width; column++, x += right_x, y += right_y, out += 3) {
            int64_t from_x = x >> 16, from_y = y >> 16;
            bool inside = from_x >= 0 && from_x < image->width && from_y >= 0 && from_y < image->height;
            const uint8_t *from = workspace->copy;
            if (inside)
                memcpy(out, from + ((size_t)from_y * (size_t)image->width + (size_t)from_x) * 3, 3);
            else
                memset(out, 0, 3);
        }
    }
    return STATUS_OK;
}
