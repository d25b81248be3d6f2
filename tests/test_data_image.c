/* Pictures: reading and writing, limits, other formats, damage at every byte, tar members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/memory.h"
#include "rmfer/data/image.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/resize.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct image drawn(int width, int height)
{
    struct image image;
    assert_int_equal(image_create(&image, width, height, NULL), STATUS_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image.rgb[(y * width + x) * 3 + c] = (uint8_t)(40 * c + 150 * x / width + 60 * y / height +
                                                               (x * y) % 5);
    return image;
}

static void assert_says(const struct error *err, const char *wanted)
{
    if (strstr(err->message, wanted) == NULL) fail_msg("'%s' lacks '%s'", err->message, wanted);
}

static double mean_difference(const struct image *a, const struct image *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    size_t bytes = (size_t)a->width * (size_t)a->height * 3;
    double sum = 0;
    for (size_t i = 0; i < bytes; i++) sum += abs(a->rgb[i] - b->rgb[i]);
    return sum / (double)bytes;
}

static void test_written_pictures_are_read_back(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct image image = drawn(37, 21), again;
    struct error err = {0};
    assert_int_equal(image_write_png(scratch_path(folder, "a.png"), &image, &err), STATUS_OK);
    assert_int_equal(image_write_jpeg(scratch_path(folder, "a.JPG"), &image, 95, &err), STATUS_OK);
    assert_int_equal(image_read(scratch_path(folder, "a.png"), NULL, &again, &err), STATUS_OK);
    assert_true(mean_difference(&image, &again) == 0);
    image_free(&again);
    assert_int_equal(image_read(scratch_path(folder, "a.JPG"), NULL, &again, &err), STATUS_OK);
    assert_true(mean_difference(&image, &again) < 4);
    image_free(&again);
    assert_int_equal(image_write_png(scratch_path(folder, "no/such/a.png"), &image, &err), STATUS_FAILED);
    assert_says(&err, "no/such/a.png: cannot be written");
    image_free(&image);
    scratch_remove(folder);
}

static void assert_refused(const void *bytes, size_t size, const char *wanted)
{
    struct image image;
    struct error err = {0};
    assert_int_equal(image_decode(bytes, size, NULL, &image, &err), STATUS_FAILED);
    assert_null(image.rgb);
    assert_says(&err, wanted);
    assert_null(strstr(err.message, ": :"));
}

static void test_other_formats_are_named(void **state)
{
    (void)state;
    assert_refused("", 0, "empty");
    assert_refused("BM123456", 8, "BMP");
    assert_refused("II*\0....", 8, "TIFF");
    assert_refused("MM\0*....", 8, "TIFF");
    assert_refused("GIF89a..", 8, "GIF");
    assert_refused("RIFF....WEBPVP8 ", 16, "WebP");
    assert_refused("....ftypheic", 12, "not supported: HEIF");
    assert_refused("<html><body>", 12, "not supported: a web page");
    assert_refused("hello", 5, "not a picture (JPEG, PNG");
    assert_refused("\xff\xd8\xff", 3, "damaged JPEG");
    assert_refused("\x89PNG\r\n\x1a\n", 8, "damaged PNG");
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct image image;
    struct error err = {0};
    scratch_write(folder, "empty.jpg", "", 0);
    assert_int_equal(image_read(scratch_path(folder, "empty.jpg"), NULL, &image, &err), STATUS_FAILED);
    assert_says(&err, "empty.jpg: the file is empty");
    error_clear(&err);
    assert_int_equal(image_read(scratch_path(folder, "missing.jpg"), NULL, &image, &err), STATUS_FAILED);
    assert_says(&err, "missing.jpg: No such file");
    error_clear(&err);
    assert_int_equal(image_read(folder, NULL, &image, &err), STATUS_FAILED);
    assert_says(&err, "not a regular file");
    error_clear(&err);
    scratch_text(folder, "page.jpg", "<html>404</html>");
    assert_int_equal(image_read(scratch_path(folder, "page.jpg"), NULL, &image, &err), STATUS_FAILED);
    assert_says(&err, "page.jpg: not supported: a web page");
    scratch_remove(folder);
}

typedef status (*encoder)(const struct image *image, uint8_t **bytes, size_t *size);

static status encode_jpeg(const struct image *image, uint8_t **bytes, size_t *size)
{
    return image_encode_jpeg(image, 80, bytes, size, NULL);
}

static status encode_png(const struct image *image, uint8_t **bytes, size_t *size)
{
    return image_encode_png(image, bytes, size, NULL);
}

/* Cut anywhere: always an error, never a crash, never a picture. */
static void cut_everywhere(encoder encode)
{
    struct image image = drawn(40, 33), cut;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(encode(&image, &bytes, &size), STATUS_OK);
    for (size_t length = 0; length < size; length++) {
        /* A block of exactly that size, so that a sanitizer sees a read behind it. */
        uint8_t *part = malloc(length == 0 ? 1 : length);
        assert_non_null(part);
        memcpy(part, bytes, length);
        if (image_decode(part, length, NULL, &cut, NULL) == STATUS_OK)
            fail_msg("%zu of %zu bytes decoded", length, size);
        free(part);
    }
    assert_int_equal(image_decode(bytes, size, NULL, &cut, NULL), STATUS_OK);
    image_free(&cut);
    memory_free(bytes);
    image_free(&image);
}

/* Other bytes anywhere: an error or a picture of the stated size. In PNG every byte is under a checksum. */
static void change_everywhere(encoder encode, bool always_refused)
{
    struct image image = drawn(24, 17), changed;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(encode(&image, &bytes, &size), STATUS_OK);
    for (size_t at = 0; at < size; at++) {
        uint8_t kept = bytes[at];
        for (unsigned mask = 1; mask < 256; mask = mask * 4 + 3) {
            bytes[at] = (uint8_t)(kept ^ mask);
            bool decoded = image_decode(bytes, size, NULL, &changed, NULL) == STATUS_OK;
            if (decoded && always_refused) fail_msg("byte %zu changed by %u decoded", at, mask);
            if (decoded) image_free(&changed);
            assert_null(changed.rgb);
        }
        bytes[at] = kept;
    }
    memory_free(bytes);
    image_free(&image);
}

static void test_cut_pictures_are_errors(void **state)
{
    (void)state;
    cut_everywhere(encode_jpeg);
    cut_everywhere(encode_png);
}

static void test_changed_pictures_do_no_harm(void **state)
{
    (void)state;
    change_everywhere(encode_jpeg, false);
    change_everywhere(encode_png, true);
}

static void test_failing_allocation_is_an_error(void **state)
{
    (void)state;
    struct image image = drawn(40, 33), again;
    uint8_t *jpeg, *png;
    size_t jpeg_size, png_size;
    assert_int_equal(encode_jpeg(&image, &jpeg, &jpeg_size), STATUS_OK);
    assert_int_equal(encode_png(&image, &png, &png_size), STATUS_OK);
    memory_fail_after(1);
    assert_int_equal(image_decode(jpeg, jpeg_size, NULL, &again, NULL), STATUS_FAILED);
    memory_fail_after(1);
    assert_int_equal(image_decode(png, png_size, NULL, &again, NULL), STATUS_FAILED);
    for (long nth = 1; nth <= 4; nth++) {
        memory_fail_after(nth);
        struct image small = {0};
        if (image_resize(&image, NULL, RESIZE_BILINEAR, 9, 9, &small, NULL) == STATUS_OK)
            image_free(&small);
        else
            assert_null(small.rgb);
    }
    memory_fail_after(0);
    memory_free(jpeg);
    memory_free(png);
    image_free(&image);
}

/* PNG's checksum, CRC-32 of the type and the data. */
static uint32_t png_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320u : 0);
    }
    return ~sum;
}

/* The PNG with an eXIf chunk at `place`; malloc'ed. */
static uint8_t *with_exif(const uint8_t *png, size_t size, size_t place, uint8_t orientation, size_t *new_size)
{
    uint8_t chunk[] = {0,    0, 0, 26, 'e', 'X', 'I', 'f', 'M',         'M', 0, 42, 0, 0, 0, 8, 0, 1, 1,
                       0x12, 0, 3, 0,  0,   0,   1,   0,   orientation, 0,   0, 0,  0, 0, 0, 0, 0, 0, 0};
    uint32_t sum = png_checksum(chunk + 4, sizeof chunk - 8);
    for (int i = 0; i < 4; i++) chunk[sizeof chunk - 4 + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    uint8_t *whole = malloc(size + sizeof chunk);
    assert_non_null(whole);
    memcpy(whole, png, place);
    memcpy(whole + place, chunk, sizeof chunk);
    memcpy(whole + place + sizeof chunk, png + place, size - place);
    *new_size = size + sizeof chunk;
    return whole;
}

/* Orientation 6: what is stored is turned by a quarter clockwise. */
static void assert_turned(const struct image *image, const struct image *stored)
{
    assert_int_equal(image->width, stored->height);
    assert_int_equal(image->height, stored->width);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            assert_memory_equal(image->rgb + (y * image->width + x) * 3,
                                stored->rgb + ((stored->height - 1 - x) * stored->width + y) * 3, 3);
}

static void test_pngs_stand_upright(void **state)
{
    (void)state;
    struct image stored = drawn(20, 13), image;
    struct image_options as_stored = {.ignore_orientation = true};
    struct error err = {0};
    uint8_t *png;
    size_t size;
    assert_int_equal(image_encode_png(&stored, &png, &size, NULL), STATUS_OK);
    const size_t places[] = {33, size - 12}; /* behind IHDR, before IEND */
    for (size_t i = 0; i < 2; i++) {
        size_t new_size;
        uint8_t *turned = with_exif(png, size, places[i], 6, &new_size);
        assert_int_equal(image_decode(turned, new_size, NULL, &image, &err), STATUS_OK);
        assert_turned(&image, &stored);
        image_free(&image);
        assert_int_equal(image_decode(turned, new_size, &as_stored, &image, &err), STATUS_OK);
        assert_int_equal(image.width, 20);
        image_free(&image);
        turned[places[i] + 12]++; /* a checksum that is wrong */
        assert_int_equal(image_decode(turned, new_size, NULL, &image, &err), STATUS_FAILED);
        error_clear(&err);
        free(turned);
        uint8_t *upright = with_exif(png, size, places[i], 9, &new_size); /* there is no such orientation */
        assert_int_equal(image_decode(upright, new_size, NULL, &image, &err), STATUS_OK);
        assert_memory_equal(image.rgb, stored.rgb, 20 * 13 * 3);
        image_free(&image);
        free(upright);
    }
    memory_free(png);
    image_free(&stored);
}

static void test_size_limits(void **state)
{
    (void)state;
    struct image image = drawn(40, 30), again;
    struct image_options few = {.most_pixels = 1000};
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(encode_jpeg(&image, &bytes, &size), STATUS_OK);
    assert_int_equal(image_decode(bytes, size, &few, &again, &err), STATUS_FAILED);
    assert_says(&err, "40 x 30 pixels are more than the limit");
    /* A header that claims 65,000 x 1,500 pixels in a file that cannot hold them: refused before any allocation. */
    uint8_t *frame = bytes;
    while (frame[0] != 0xff || frame[1] != 0xc0) frame++;
    frame[5] = 1500 >> 8, frame[6] = 1500 & 0xff, frame[7] = 65000 >> 8, frame[8] = 65000 & 0xff;
    unsigned long before = memory_allocation_count();
    error_clear(&err);
    assert_int_equal(image_decode(bytes, size, NULL, &again, &err), STATUS_FAILED);
    assert_says(&err, "cannot hold 65000 x 1500 pixels");
    assert_int_equal(memory_allocation_count(), before);
    memory_free(bytes);
    image_free(&image);
    assert_int_equal(image_create(&image, 0, 5, NULL), STATUS_FAILED);
    assert_int_equal(image_create(&image, 5, -1, NULL), STATUS_FAILED);
    assert_int_equal(image_create(&image, IMAGE_LARGEST_SIDE + 1, 1, NULL), STATUS_FAILED);
}

static void test_boxes(void **state)
{
    (void)state;
    struct image image = drawn(20, 10), part;
    struct error err = {0};
    struct image_box over_the_edge = {-5, -5, 15, 9}, inside = {0, 0, 10, 4}, outside = {20, 0, 5, 5};
    struct image cut;
    assert_int_equal(image_resize(&image, &over_the_edge, RESIZE_BILINEAR, 6, 6, &part, &err), STATUS_OK);
    assert_int_equal(image_resize(&image, &inside, RESIZE_BILINEAR, 6, 6, &cut, &err), STATUS_OK);
    assert_true(mean_difference(&part, &cut) == 0);
    image_free(&part);
    image_free(&cut);
    assert_int_equal(image_resize(&image, &outside, RESIZE_BILINEAR, 6, 6, &part, &err), STATUS_FAILED);
    assert_says(&err, "no part in the picture");
    enum config_resize filter;
    error_clear(&err);
    assert_int_equal(resize_filter_find("nearest", &filter, &err), STATUS_FAILED);
    assert_says(&err, "bilinear, bicubic");
    image_free(&image);
}

/* A tar header for a file of `size` bytes, as the format's POSIX description has it. */
static void fill_tar_header(uint8_t header[512], const char *name, size_t size, char type)
{
    memset(header, 0, 512);
    snprintf((char *)header, 100, "%s", name);
    snprintf((char *)header + 124, 12, "%011zo", size);
    header[156] = (uint8_t)type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static void test_members_of_tar_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct image image = drawn(30, 30), again;
    uint8_t *bytes, shard[8192] = {0};
    size_t size;
    assert_int_equal(encode_jpeg(&image, &bytes, &size), STATUS_OK);
    assert_true(size < sizeof shard - 5 * 512);
    fill_tar_header(shard, "././@LongLink", 20, 'L');
    fill_tar_header(shard + 1024, "a.jpg", size, '0');
    memcpy(shard + 1536, bytes, size);
    scratch_write(folder, "part-0.tar", shard, sizeof shard);
    struct error err = {0};
    static const int good[] = {0, 1024, 1536};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "part-0.tar#%d", good[i]);
        if (image_read(scratch_path(folder, name), NULL, &again, &err) != STATUS_OK) fail_msg("%s", err.message);
        assert_int_equal(again.width, 30);
        image_free(&again);
    }
    static const int bad[] = {100, 2048, 4096, 1 << 20};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "part-0.tar#%d", bad[i]);
        error_clear(&err);
        assert_int_equal(image_read(scratch_path(folder, name), NULL, &again, &err), STATUS_FAILED);
        assert_says(&err, "no member of a tar file there");
    }
    fill_tar_header(shard + 1024, "a.jpg", 100000, '0');
    scratch_write(folder, "cut.tar", shard, sizeof shard);
    error_clear(&err);
    assert_int_equal(image_read(scratch_path(folder, "cut.tar#1024"), NULL, &again, &err), STATUS_FAILED);
    assert_says(&err, "ends before all of it is read");
    error_clear(&err); /* a read that fails is not named as anything else */
    assert_int_equal(mkdir(scratch_path(folder, "room.tar"), 0700), 0);
    assert_int_equal(image_read(scratch_path(folder, "room.tar#1024"), NULL, &again, &err), STATUS_FAILED);
    assert_says(&err, "Is a directory");
    fill_tar_header(shard + 1024, "folder", 0, '5');
    scratch_write(folder, "folder.tar", shard, sizeof shard);
    error_clear(&err);
    assert_int_equal(image_read(scratch_path(folder, "folder.tar#1024"), NULL, &again, &err), STATUS_FAILED);
    assert_says(&err, "not a file");
    memory_free(bytes);
    image_free(&image);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_pictures_are_read_back),
        cmocka_unit_test(test_other_formats_are_named),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_cut_pictures_are_errors),
        cmocka_unit_test(test_changed_pictures_do_no_harm),
        cmocka_unit_test(test_failing_allocation_is_an_error),
        cmocka_unit_test(test_pngs_stand_upright),
        cmocka_unit_test(test_size_limits),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_members_of_tar_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
