/* Pictures: telling the kinds apart, files. The formats themselves are in image_jpeg.c and image_png.c. */
#include "rmfer/data/image.h"
#include "data/image_formats.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What else is met under a picture's name. `at` is where the mark stands. */
static const struct {
    size_t at, length;
    const char *mark, *name;
} foreign_formats[] = {
    {0, 2, "BM", "BMP"},           {0, 4, "II*\0", "TIFF"},     {0, 4, "MM\0*", "TIFF"},
    {0, 4, "GIF8", "GIF"},         {8, 4, "WEBP", "WebP"},      {4, 4, "ftyp", "HEIF or AVIF"},
    {4, 4, "jP  ", "JPEG 2000"},   {0, 4, "8BPS", "Photoshop"}, {0, 5, "<html", "a web page"},
    {0, 5, "<!DOC", "a web page"},
};

static const char *foreign_format(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof foreign_formats / sizeof *foreign_formats; i++) {
        size_t at = foreign_formats[i].at, length = foreign_formats[i].length;
        if (size >= at + length && memcmp(bytes + at, foreign_formats[i].mark, length) == 0)
            return foreign_formats[i].name;
    }
    return NULL;
}

status image_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                    struct error *err)
{
    static const uint8_t png_mark[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    struct image_options complete = options == NULL ? (struct image_options){0} : *options;
    if (complete.most_pixels == 0) complete.most_pixels = IMAGE_MOST_PIXELS;
    *image = (struct image){0};
    if (size == 0) return error_set(err, "the file is empty");
    if (size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff)
        return image_jpeg_decode(bytes, size, &complete, image, err);
    if (size >= sizeof png_mark && memcmp(bytes, png_mark, sizeof png_mark) == 0)
        return image_png_decode(bytes, size, &complete, image, err);
    const char *name = foreign_format(bytes, size);
    if (name != NULL) return error_set(err, "not supported: %s (JPEG and PNG are)", name);
    return error_set(err, "neither a JPEG nor a PNG picture");
}

status image_read(const char *path, const struct image_options *options, struct image *image, struct error *err)
{
    *image = (struct image){0};
    uint8_t *bytes;
    size_t size;
    status result = picture_file_read(path, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    result = image_decode(bytes, size, options, image, err);
    memory_free(bytes);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", path);
}

/* Thousands of pictures are written at a time, so they are not synced one by one; half a file is never left. */
static status write_file(const char *path, const uint8_t *bytes, size_t size, struct error *err)
{
    FILE *file = fopen(path, "wbe");
    if (file == NULL) return error_set_errno(err, "%s: cannot be written", path);
    status result = STATUS_OK;
    if (fwrite(bytes, 1, size, file) != size) result = error_set_errno(err, "%s: cannot be written", path);
    if (fclose(file) != 0 && result == STATUS_OK) result = error_set_errno(err, "%s: cannot be written", path);
    if (result != STATUS_OK) unlink(path);
    return result;
}

status image_write_jpeg(const char *path, const struct image *image, int quality, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = image_encode_jpeg(image, quality, &bytes, &size, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", path);
    result = write_file(path, bytes, size, err);
    memory_free(bytes);
    return result;
}

status image_write_png(const char *path, const struct image *image, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = image_encode_png(image, &bytes, &size, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", path);
    result = write_file(path, bytes, size, err);
    memory_free(bytes);
    return result;
}
