/* Decoding, resizing and augmenting against what Pillow and torchvision made of the same pictures
 * (tests/golden/images.bin, written by scripts/golden_images.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/augment.h"
#include "rmfer/data/views.h"
#include "rmfer/data/resize.h"

#include <stdio.h>
#include <string.h>

enum { MOST_RECORDS = 256, LONGEST_NAME = 96 };

struct record {
    char name[LONGEST_NAME];
    const uint8_t *bytes;
    size_t size;
    int width, height; /* 0 for an encoded picture */
};

static struct {
    struct mapped_file file;
    struct record records[MOST_RECORDS];
    size_t count;
} golden;

static int load_golden(void **state)
{
    (void)state;
    struct error err = {0};
    if (file_map(&golden.file, "tests/golden/images.bin", &err) != STATUS_OK) return -1;
    const uint8_t *at = golden.file.bytes, *end = at + golden.file.size;
    while (at < end && golden.count < MOST_RECORDS) {
        struct record *record = &golden.records[golden.count++];
        int length = 0;
        if (sscanf((const char *)at, "%d %d %zu %95[^\n]%n", &record->width, &record->height, &record->size,
                   record->name, &length) != 4)
            return -1;
        record->bytes = at + length + 1;
        at = record->bytes + record->size;
    }
    return golden.count > 60 && at == end ? 0 : -1;
}

static int unload_golden(void **state)
{
    (void)state;
    file_unmap(&golden.file);
    return 0;
}

static const struct record *find(const char *name)
{
    for (size_t i = 0; i < golden.count; i++)
        if (strcmp(golden.records[i].name, name) == 0) return &golden.records[i];
    fail_msg("no record %s", name);
    return NULL;
}

static struct image picture_of(const char *name)
{
    const struct record *record = find(name);
    struct image image;
    assert_int_equal(image_create(&image, record->width, record->height, NULL), STATUS_OK);
    memcpy(image.rgb, record->bytes, record->size);
    return image;
}

/* Fails when a byte differs by more than `most`, or the mean difference is above `mean`. */
static void assert_like(const struct image *image, const struct record *wanted, int most, double mean)
{
    if (image->width != wanted->width || image->height != wanted->height)
        fail_msg("%s: %d x %d", wanted->name, image->width, image->height);
    int largest = 0;
    double sum = 0;
    for (size_t i = 0; i < wanted->size; i++) {
        int difference = abs(image->rgb[i] - wanted->bytes[i]);
        if (difference > largest) largest = difference;
        sum += difference;
    }
    if (largest > most || sum / (double)wanted->size > mean)
        fail_msg("%s: differs by up to %d, on average %.4f", wanted->name, largest, sum / (double)wanted->size);
}

/* Decodes the first `length` bytes out of a block of that very size, so that a sanitizer sees a read behind it. */
static status decode_block(const uint8_t *bytes, size_t length, size_t changed, uint8_t by)
{
    uint8_t *block = malloc(length);
    struct image image;
    assert_non_null(block);
    memcpy(block, bytes, length);
    if (changed < length) block[changed] ^= by;
    const struct image_options options = {.most_pixels = 1 << 16};
    status result = image_decode(block, length, &options, &image, NULL);
    free(block);
    image_free(&image);
    return result;
}

/* The kinds beside JPEG and PNG: cut anywhere, or one byte changed anywhere, they do no harm; cut to a sixth (an
 * animation needs only its first frame) they are errors, and so is memory that is not there. */
static void test_damaged_other_kinds_do_no_harm(void **state)
{
    (void)state;
    size_t looked = 0;
    for (size_t i = 0; i < golden.count; i++) {
        const struct record *record = &golden.records[i];
        enum image_kind kind = image_kind_of_bytes(record->bytes, record->size);
        if (strncmp(record->name, "encoded ", 8) != 0 || kind <= IMAGE_PNG || !image_kind_is_read(kind)) continue;
        for (size_t length = 1; length <= record->size; length++)
            if (decode_block(record->bytes, length, SIZE_MAX, 0) == STATUS_OK && length < record->size / 6)
                fail_msg("%s: %zu of %zu bytes are a picture", record->name, length, record->size);
        for (size_t at = 0; at < record->size; at++) {
            (void)decode_block(record->bytes, record->size, at, 0xff);
            (void)decode_block(record->bytes, record->size, at, (uint8_t)(1u << (at % 8)));
        }
        memory_fail_after(1);
        assert_int_equal(decode_block(record->bytes, record->size, SIZE_MAX, 0), STATUS_FAILED);
        memory_fail_after(2);
        (void)decode_block(record->bytes, record->size, SIZE_MAX, 0);
        memory_fail_after(0);
        looked++;
    }
    assert_true(looked >= 9); /* BMP needs no library */
}

static void test_decoding_equals_pillow(void **state)
{
    (void)state;
    int decoded = 0, skipped = 0;
    for (size_t i = 0; i < golden.count; i++) {
        const struct record *wanted = &golden.records[i];
        if (strncmp(wanted->name, "decode ", 7) != 0) continue;
        char name[LONGEST_NAME + 16];
        snprintf(name, sizeof name, "encoded %s", wanted->name + 7);
        const struct record *encoded = find(name);
        if (!image_kind_is_read(image_kind_of_bytes(encoded->bytes, encoded->size))) {
            skipped++;
            continue;
        }
        struct image image;
        struct error err = {0};
        if (image_decode(encoded->bytes, encoded->size, NULL, &image, &err) != STATUS_OK)
            fail_msg("%s: %s", name, err.message);
        /* Another libjpeg or libwebp may round its transforms otherwise. */
        bool is_rounded = strstr(name, ".jpg") != NULL || strstr(name, "lossy") != NULL;
        assert_like(&image, wanted, is_rounded ? 4 : 0, is_rounded ? 0.5 : 0);
        image_free(&image);
        decoded++;
    }
    if (skipped > 0) printf("skipped: %d pictures of kinds that this build does not read\n", skipped);
    assert_true(decoded >= 20);
}

static void test_resizing_equals_pillow(void **state)
{
    (void)state;
    struct image source = picture_of("source");
    struct resize_workspace workspace = {0};
    int resized = 0;
    for (size_t i = 0; i < golden.count; i++) {
        const struct record *wanted = &golden.records[i];
        char filter_name[16];
        int width, height;
        struct image_box box;
        if (sscanf(wanted->name, "resize %15s %d %d %lf %lf %lf %lf", filter_name, &width, &height, &box.x, &box.y,
                   &box.width, &box.height) != 7)
            continue;
        enum config_resize filter;
        assert_int_equal(resize_filter_find(filter_name, &filter, NULL), STATUS_OK);
        struct image image;
        assert_int_equal(image_create(&image, width, height, NULL), STATUS_OK);
        assert_int_equal(image_resize_into(&source, &box, filter, width, height, image.rgb, &workspace, NULL),
                         STATUS_OK);
        assert_like(&image, wanted, 0, 0);
        image_free(&image);
        resized++;
    }
    assert_int_equal(resized, 17);
    resize_workspace_free(&workspace);
    image_free(&source);
}

/* Applies the augmentation that `name` names; false when it names none. */
static bool apply_named(const char *name, struct image *image, struct augment_workspace *workspace)
{
    double x, y, share;
    int number;
    status result = STATUS_OK;
    if (strcmp(name, "grayscale") == 0)
        augment_grayscale(image);
    else if (strcmp(name, "flip") == 0)
        augment_flip(image);
    else if (sscanf(name, "brightness %lf", &x) == 1)
        augment_brightness(image, x);
    else if (sscanf(name, "contrast %lf", &x) == 1)
        augment_contrast(image, x);
    else if (sscanf(name, "saturation %lf", &x) == 1)
        augment_saturation(image, x);
    else if (sscanf(name, "hue %lf", &x) == 1)
        augment_hue(image, x);
    else if (sscanf(name, "shift %lf %lf", &x, &y) == 2)
        result = augment_shift(image, (int)x, (int)y, workspace, NULL);
    else if (sscanf(name, "rotate %lf", &x) == 1)
        result = augment_rotate(image, x, workspace, NULL);
    else if (sscanf(name, "randaugment %d %lf", &number, &x) == 2)
        result = augment_randaugment(image, (enum randaugment_operation)number, x, workspace, NULL);
    else if (sscanf(name, "strong %d %lf", &number, &x) == 2)
        result = strong_operation(image, (enum randaugment_operation)number, x, workspace, NULL);
    else if (sscanf(name, "cutout %lf %lf %lf", &share, &x, &y) == 3)
        augment_cutout(image, share, x, y);
    else
        return false;
    assert_int_equal(result, STATUS_OK);
    return true;
}

static void test_augmentations_equal_torchvision(void **state)
{
    (void)state;
    struct augment_workspace workspace = {0};
    int applied = 0;
    for (size_t i = 0; i < golden.count; i++) {
        const struct record *wanted = &golden.records[i];
        struct image image = picture_of("source");
        if (apply_named(wanted->name, &image, &workspace)) {
            assert_like(&image, wanted, 1, 0.01);
            applied++;
        }
        image_free(&image);
    }
    assert_true(applied >= 80);
    augment_workspace_free(&workspace);
}

static void test_stretching_equals_torchvision(void **state)
{
    (void)state;
    struct augment_workspace workspace = {0};
    struct image image = picture_of("dull");
    assert_int_equal(augment_randaugment(&image, RANDAUGMENT_AUTOCONTRAST, 0, &workspace, NULL), STATUS_OK);
    assert_like(&image, find("dull_autocontrast"), 0, 0);
    image_free(&image);
    image = picture_of("dull");
    assert_int_equal(augment_randaugment(&image, RANDAUGMENT_EQUALIZE, 0, &workspace, NULL), STATUS_OK);
    assert_like(&image, find("dull_equalize"), 0, 0);
    image_free(&image);
    augment_workspace_free(&workspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_equals_pillow),        cmocka_unit_test(test_damaged_other_kinds_do_no_harm),
        cmocka_unit_test(test_resizing_equals_pillow),        cmocka_unit_test(test_augmentations_equal_torchvision),
        cmocka_unit_test(test_stretching_equals_torchvision),
    };
    return cmocka_run_group_tests(tests, load_golden, unload_golden);
}
