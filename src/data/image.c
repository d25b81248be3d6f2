/* Pictures: from bytes by their kind's decoder (image_kinds.c has the table), files. */
#include "rmfer/data/image.h"
#include "data/image_formats.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/video.h"

status image_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                    struct error *err)
{
    struct image_options complete = options == NULL ? (struct image_options){0} : *options;
    if (complete.most_pixels == 0) complete.most_pixels = IMAGE_MOST_PIXELS;
    *image = (struct image){0};
    if (size == 0) return error_set(err, "the file is empty");
    enum image_kind kind = image_kind_of_bytes(bytes, size);
    image_decoder decode = image_kind_decoder(kind);
    if (decode == NULL && video_is_stream(bytes, size)) return error_set(err, "a video, where only pictures are read");
    if (kind == IMAGE_UNKNOWN) return error_set(err, "not a picture (%s are read)", image_kinds_read());
    if (decode == NULL)
        return error_set(err, "not supported: %s (%s are read)", image_kind_name(kind), image_kinds_read());
    status result = decode(bytes, size, &complete, image, err);
    if (result != STATUS_OK) image_free(image);
    return result;
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

status image_write_jpeg(const char *path, const struct image *image, int quality, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = image_encode_jpeg(image, quality, &bytes, &size, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", path);
    result = atomic_file_write_bytes(path, bytes, size, err);
    memory_free(bytes);
    return result;
}

status image_write_png(const char *path, const struct image *image, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = image_encode_png(image, &bytes, &size, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", path);
    result = atomic_file_write_bytes(path, bytes, size, err);
    memory_free(bytes);
    return result;
}
