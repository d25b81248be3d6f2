/* Writes the checkpoint, pictures and video that predict's tests look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/predict_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/data/draw.h"
#include "rmfer/data/expressions.h"
#include "support/detector_case.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/video_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TINY_SIDE = 64, CLIP_FRAMES = 10, CLIP_RATE = 4 };

static const struct color white = {255, 255, 255};
static const char HEIC[] = "\0\0\0\x18"
                           "ftypheic\0\0\0\0mif1heic";

static void write_checkpoint(const char *folder)
{
    struct error err = {0};
    struct architecture architecture;
    struct model model;
    const char *classes[EXPRESSION_COUNT];
    for (int i = 0; i < EXPRESSION_COUNT; i++) classes[i] = expression_name((enum expression)i);
    assert_int_equal(architecture_tiny(&architecture, true, 16, 1, &err), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, EXPRESSION_COUNT, false, &err), STATUS_OK);
    for (size_t i = 0; i < model.parameters.count; i++) {
        const struct parameter *item = &model.parameters.items[i];
        golden_parameter(item->name, item->shape, item->rank, item->count, 0.6,
                         parameter_write(&model.parameters, item));
    }
    struct checkpoint_info info = checkpoint_info_defaults(&architecture);
    info.classes = classes;
    info.class_count = EXPRESSION_COUNT;
    info.image_size = TINY_SIDE;
    assert_int_equal(checkpoint_write(scratch_path(folder, "tiny.safetensors"), &model, &info, NULL, 0, &err), 0);
    model_free(&model);
}

static void write_detector(const char *folder)
{
    struct detector_case c;
    size_t size;
    detector_case_squares(&c);
    uint8_t *bytes = detector_case_onnx(&c, DETECTOR_WHOLE, &size);
    scratch_write(folder, "squares.onnx", bytes, size);
    free(bytes);
    detector_case_free(&c);
}

static struct image black_picture(int width, int height)
{
    struct image image;
    struct error err = {0};
    assert_int_equal(image_create(&image, width, height, &err), STATUS_OK);
    return image;
}

static void write_png(const char *folder, const char *name, struct image *image)
{
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(image_encode_png(image, &bytes, &size, &err), STATUS_OK);
    scratch_write(folder, name, bytes, size);
    memory_free(bytes);
    image_free(image);
}

static struct image mirror_image(const struct image *image)
{
    struct image mirrored = black_picture(image->width, image->height);
    size_t width = (size_t)image->width;
    for (size_t y = 0; y < (size_t)image->height; y++)
        for (size_t x = 0; x < width; x++)
            memcpy(mirrored.rgb + 3 * (y * width + x), image->rgb + 3 * (y * width + width - 1 - x), 3);
    return mirrored;
}

static void write_pictures(const char *folder)
{
    struct image image = black_picture(160, 120);
    write_png(folder, "none.png", &image);
    image = black_picture(160, 120);
    draw_rectangle(&image, 40, 20, 60, 30, (struct color){40, 20, 10});
    draw_rectangle(&image, 64, 32, SQUARE_SIDE, SQUARE_SIDE, white);
    draw_rectangle(&image, 120, 80, SQUARE_SIDE, SQUARE_SIDE, white);
    struct image mirrored = mirror_image(&image);
    write_png(folder, "two.png", &image);
    write_png(folder, "mirrored.png", &mirrored);
    image = black_picture(1200, 1000);
    write_png(folder, "large.png", &image);
    scratch_picture(folder, "tree/b.png", 40, 40, 1);
    scratch_picture(folder, "tree/a/z.png", 50, 30, 2);
    scratch_picture(folder, "tree/a/y.jpg", 30, 50, 3);
    scratch_picture(folder, "tree/.hidden.png", 30, 50, 4);
    scratch_picture(folder, "noise.jpg", 90, 70, 5);
    scratch_text(folder, "tree/notes.txt", "no picture");
    scratch_write(folder, "tree/old.heic", HEIC, sizeof HEIC - 1);
    assert_int_equal(symlink("../tree", scratch_path(folder, "tree/link")), 0);
}

/* A JPEG several times as large as the network's input, and a PNG of the pixels that it decodes to. */
static void write_wide(const char *folder)
{
    struct error err = {0};
    struct image image;
    scratch_picture(folder, "wide.jpg", 701, 530, 6);
    assert_int_equal(image_read(scratch_path(folder, "wide.jpg"), NULL, &image, &err), STATUS_OK);
    write_png(folder, "wide.png", &image);
}

/* Stored 120 x 160; turned by 90 degrees clockwise it is 160 x 120 with the square at 64,32. */
static void write_turned(const char *folder)
{
    static const uint8_t exif[] = {0xff, 0xe1, 0,    34, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', '*', 0, 8, 0, 0, 0,
                                   1,    0,    0x12, 1,  3,   0,   1,   0,   0, 0, 6,   0,   0,   0, 0, 0, 0, 0};
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    struct image image = black_picture(120, 160);
    draw_rectangle(&image, 32, 88, SQUARE_SIDE, SQUARE_SIDE, white);
    assert_int_equal(image_encode_jpeg(&image, 95, &bytes, &size, &err), STATUS_OK);
    uint8_t *whole = malloc(size + sizeof exif);
    assert_non_null(whole);
    memcpy(whole, bytes, 2); /* the start mark */
    memcpy(whole + 2, exif, sizeof exif);
    memcpy(whole + 2 + sizeof exif, bytes + 2, size - 2);
    scratch_write(folder, "turned.jpg", whole, size + sizeof exif);
    scratch_write(folder, "cut.jpg", bytes, size / 2);
    free(whole);
    memory_free(bytes);
    image_free(&image);
}

static void write_oddities(const char *folder)
{
    /* Signature and header of a PNG of 100,000 x 100,000 pixels, and the beginning of its data. */
    static const uint8_t bomb[] = {0x89, 'P',  'N',  'G', '\r', '\n', 0x1a, '\n', 0,    0,    0,
                                   13,   'I',  'H',  'D', 'R',  0x00, 0x01, 0x86, 0xa0, 0x00, 0x01,
                                   0x86, 0xa0, 0x08, 2,   0,    0,    0,    0x27, 0x30, 0x9c, 0x9f,
                                   0,    0,    1,    0,   'I',  'D',  'A',  'T',  0x78, 0x9c};
    scratch_write(folder, "bomb.png", bomb, sizeof bomb);
    scratch_text(folder, "empty.jpg", "");
    scratch_text(folder, "text.jpg", "this is not a picture");
    scratch_write(folder, "picture.heic", HEIC, sizeof HEIC - 1);
}

static void write_clip(const char *folder)
{
    struct image frames[CLIP_FRAMES];
    size_t size;
    for (int i = 0; i < CLIP_FRAMES; i++) {
        frames[i] = black_picture(160, 120);
        draw_rectangle(&frames[i], 16 + 8 * i, 40, SQUARE_SIDE, SQUARE_SIDE, white);
    }
    uint8_t *bytes = video_file_avi(frames, CLIP_FRAMES, CLIP_RATE, &size);
    scratch_write(folder, "clip.avi", bytes, size);
    scratch_write(folder, "cut.avi", bytes, 300);
    for (int i = 0; i < CLIP_FRAMES; i++) image_free(&frames[i]);
    free(bytes);
}

void predict_case_write(const char *folder)
{
    write_checkpoint(folder);
    write_detector(folder);
    write_pictures(folder);
    write_wide(folder);
    write_turned(folder);
    write_oddities(folder);
    write_clip(folder);
}

static char *shared_folder;

int predict_case_begin(void **state)
{
    (void)state;
    shared_folder = scratch_make();
    predict_case_write(shared_folder);
    return 0;
}

int predict_case_end(void **state)
{
    (void)state;
    scratch_remove(shared_folder);
    return 0;
}

const char *predict_case_folder(void)
{
    return shared_folder;
}
