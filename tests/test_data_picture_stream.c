/* Pictures out of a pipe: where each ends, whatever the pieces it comes in; streams cut anywhere, garbage, damage; and
 * what a stream's first bytes say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/image.h"
#include "rmfer/data/picture_stream.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { PICTURES = 6 };

/* JPEG and PNG in turn, one behind the other. */
struct pictures {
    uint8_t *bytes;
    size_t size, begin[PICTURES + 1];
};

static struct pictures make_pictures(void)
{
    struct pictures all = {0};
    struct random_stream random = random_stream(3, RANDOM_TEST, 0, 0);
    for (int i = 0; i < PICTURES; i++) {
        struct image image;
        struct error err = {0};
        uint8_t *bytes;
        size_t size;
        assert_int_equal(image_create(&image, 30 + i, 20, &err), STATUS_OK);
        for (int p = 0; p < image.width * image.height * 3; p++) image.rgb[p] = (uint8_t)random_below(&random, 256);
        status result = i % 3 == 2 ? image_encode_png(&image, &bytes, &size, &err)
                                   : image_encode_jpeg(&image, 95, &bytes, &size, &err);
        assert_int_equal(result, STATUS_OK);
        all.bytes = realloc(all.bytes, all.size + size);
        memcpy(all.bytes + all.size, bytes, size);
        all.begin[i] = all.size;
        all.size += size;
        memory_free(bytes);
        image_free(&image);
    }
    all.begin[PICTURES] = all.size;
    return all;
}

/* Writes bytes into a pipe, a piece at a time. */
struct writer {
    const uint8_t *bytes;
    size_t size, piece;
    int ends[2];
    pthread_t thread;
};

static void *write_pieces(void *argument)
{
    struct writer *writer = argument;
    for (size_t at = 0; at < writer->size; at += writer->piece) {
        size_t size = writer->size - at < writer->piece ? writer->size - at : writer->piece;
        if (write(writer->ends[1], writer->bytes + at, size) != (ssize_t)size) break;
    }
    close(writer->ends[1]);
    return NULL;
}

static struct byte_stream begin(struct writer *writer, const uint8_t *bytes, size_t size, size_t piece)
{
    *writer = (struct writer){.bytes = bytes, .size = size, .piece = piece};
    assert_int_equal(pipe(writer->ends), 0);
    assert_int_equal(pthread_create(&writer->thread, NULL, write_pieces, writer), 0);
    return byte_stream(writer->ends[0], "pipe");
}

static void end(struct writer *writer, struct byte_stream *stream)
{
    const uint8_t *bytes;
    size_t size;
    while ((size = byte_stream_peek(stream, 1, &bytes)) > 0) byte_stream_take(stream, size);
    pthread_join(writer->thread, NULL);
    close(writer->ends[0]);
    byte_stream_free(stream);
}

static void check_picture(const struct pictures *all, int i, const struct stream_picture *picture)
{
    assert_true(picture->is_frame);
    assert_int_equal(picture->size, all->begin[i + 1] - all->begin[i]);
    assert_memory_equal(picture->bytes, all->bytes + all->begin[i], picture->size);
}

static void pictures_come_whole(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 100, 1u << 20};
    struct pictures all = make_pictures();
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        struct writer writer;
        struct error err = {0};
        struct stream_picture picture;
        struct byte_stream stream = begin(&writer, all.bytes, all.size, pieces[p]);
        assert_int_equal(stream_kind_find(&stream), STREAM_PICTURES);
        for (int i = 0; i < PICTURES; i++) {
            assert_int_equal(picture_stream_next(&stream, i != 1, &picture, &err), STATUS_OK);
            assert_false(picture.ended);
            if (i != 1) check_picture(&all, i, &picture);
            if (i == 1) assert_null(picture.bytes); /* was not wanted */
            memory_free(picture.bytes);
        }
        assert_int_equal(picture_stream_next(&stream, true, &picture, &err), STATUS_OK);
        assert_true(picture.ended);
        assert_null(picture.bytes);
        end(&writer, &stream);
    }
    free(all.bytes);
}

/* Cut anywhere: all whole pictures come, then one error unless the cut is between two. */
static void cut_streams_say_so(void **state)
{
    (void)state;
    struct pictures all = make_pictures();
    for (size_t size = 1; size <= all.size; size += size < all.begin[1] + 40 ? 1 : 37) {
        struct writer writer;
        struct error err = {0};
        struct stream_picture picture;
        struct byte_stream stream = begin(&writer, all.bytes, size, 500);
        int i = 0;
        for (; all.begin[i + 1] <= size && i < PICTURES; i++) {
            assert_int_equal(picture_stream_next(&stream, true, &picture, &err), STATUS_OK);
            check_picture(&all, i, &picture);
            memory_free(picture.bytes);
        }
        status wanted = all.begin[i] == size ? STATUS_OK : STATUS_FAILED;
        assert_int_equal(picture_stream_next(&stream, true, &picture, &err), wanted);
        assert_null(picture.bytes);
        end(&writer, &stream);
    }
    free(all.bytes);
}

/* Of three pictures with something else between them: the pictures, errors in between, padding in silence. */
static void other_bytes_are_passed_over(void **state)
{
    (void)state;
    struct pictures all = make_pictures();
    struct error err = {0};
    struct stream_picture picture;
    struct writer writer;
    uint8_t *mixed = calloc(1, all.size + 20000);
    size_t size = 0;
    static const char padding[8] = "\0\0 \r\n\t\0";
    memcpy(mixed, all.bytes, all.begin[1]);
    size = all.begin[1];
    memcpy(mixed + size, padding, sizeof padding);
    size += sizeof padding;
    memcpy(mixed + size, all.bytes + all.begin[1], all.begin[2] - all.begin[1]);
    size += all.begin[2] - all.begin[1];
    memset(mixed + size, 'x', 9999);
    size += 9999;
    memcpy(mixed + size, all.bytes + all.begin[2], all.begin[3] - all.begin[2]);
    size += all.begin[3] - all.begin[2];
    struct byte_stream stream = begin(&writer, mixed, size, 1000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(picture_stream_next(&stream, true, &picture, &err), STATUS_OK);
        check_picture(&all, i, &picture);
        memory_free(picture.bytes);
    }
    assert_int_equal(picture_stream_next(&stream, true, &picture, &err), STATUS_FAILED);
    assert_false(picture.is_frame || picture.ended);
    error_clear(&err);
    assert_int_equal(picture_stream_next(&stream, true, &picture, &err), STATUS_OK);
    check_picture(&all, 2, &picture);
    memory_free(picture.bytes);
    end(&writer, &stream);
    free(mixed);
    free(all.bytes);
}

/* Whatever is damaged, the stream comes to its end, and what a picture gives is within it. */
static void damaged_streams_end(void **state)
{
    (void)state;
    struct pictures all = make_pictures();
    uint8_t *damaged = malloc(all.size);
    struct random_stream random = random_stream(4, RANDOM_TEST, 0, 0);
    for (int run = 0; run < 400; run++) {
        struct writer writer;
        struct stream_picture picture = {0};
        memcpy(damaged, all.bytes, all.size);
        for (uint64_t hits = 1 + random_below(&random, 8); hits > 0; hits--)
            damaged[random_below(&random, all.size)] = (uint8_t)(run % 2 == 0 ? 0xff : random_below(&random, 256));
        struct byte_stream stream = begin(&writer, damaged, all.size, 3000);
        size_t total = 0, calls = 0;
        for (; !picture.ended; calls++) {
            struct error err = {0};
            assert_true(calls < all.size);
            status result = picture_stream_next(&stream, true, &picture, &err);
            assert_true(result == STATUS_OK || picture.bytes == NULL);
            total += picture.size;
            memory_free(picture.bytes);
        }
        assert_true(total <= all.size);
        end(&writer, &stream);
    }
    free(damaged);
    free(all.bytes);
}

static void first_bytes_tell(void **state)
{
    (void)state;
    static uint8_t transport[400] = {'G', 0x40, 0x11, 0x10};
    static uint8_t timed[400] = {1, 2, 3, 4, 'G', 0x40, 0x11, 0x10}; /* as on a Blu-ray disc */
    static uint8_t gif[400] = {'G', 'I', 'F', '8', '9', 'a', 0x10, 0, 0x10, 0, 0xf7};
    char names[400];
    transport[188] = timed[196] = gif[188] = 'G';
    memset(names, 'G', sizeof names);
    const struct {
        const char *bytes;
        size_t size;
        enum stream_kind kind;
    } cases[] = {
        {"", 0, STREAM_LIST},
        {"a", 1, STREAM_LIST},
        {"a.jpg\n", 6, STREAM_LIST},
        {"GIF8 is my folder/a.jpg\nb.jpg\n", 30, STREAM_LIST},
        {"BM\nb.jpg\n", 9, STREAM_LIST},
        {"BMW and other cars/a.jpg\n", 25, STREAM_LIST},
        {"Garden/a.jpg\n", 13, STREAM_LIST},
        {"/a/long/name/without/an/end.jpg", 31, STREAM_LIST},
        {"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0", 16, STREAM_PICTURES},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, STREAM_PICTURES},
        {"GIF89a\x10\0\x10\0\xf7\n\0\0\0\0", 16, STREAM_PICTURE},
        {"BM\n\1\0\0\0\0\0\0\x36\0\0\0\x28\0", 16, STREAM_PICTURE},
        {"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\1\x42\xf7\x81", 12, STREAM_VIDEO},
        {"\0\0\0\x18"
         "ftypisom\0\0\2\0",
         16, STREAM_VIDEO},
        {"YUV4MPEG2 W64 H48 F25:1\nFRAME\n", 30, STREAM_VIDEO},
        {"\0\0\0\1\x67\x64\0\x1f\xac\xd9\x40\x50\x05\xbb\1\x10", 16, STREAM_VIDEO},
        {(const char *)transport, sizeof transport, STREAM_VIDEO},
        {(const char *)timed, sizeof timed, STREAM_VIDEO},
        {(const char *)gif, sizeof gif, STREAM_PICTURE},
        {names, sizeof names, STREAM_LIST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= 4096; piece *= 64) {
            struct writer writer;
            struct byte_stream stream = begin(&writer, (const uint8_t *)cases[i].bytes, cases[i].size, piece);
            assert_int_equal(stream_kind_find(&stream), cases[i].kind);
            end(&writer, &stream);
        }
}

/* Who writes a name and waits is answered: nothing is waited for behind a complete line. */
static void a_line_is_enough(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "B.png\n", 6), 6);
    struct byte_stream stream = byte_stream(ends[0], "pipe");
    assert_int_equal(stream_kind_find(&stream), STREAM_LIST);
    for (const char *at = "B.png\n"; *at != '\0'; at++) assert_int_equal(byte_stream_get(&stream), *at);
    close(ends[1]);
    assert_int_equal(byte_stream_get(&stream), -1);
    byte_stream_free(&stream);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_whole),
        cmocka_unit_test(cut_streams_say_so),
        cmocka_unit_test(other_bytes_are_passed_over),
        cmocka_unit_test(damaged_streams_end),
        cmocka_unit_test(first_bytes_tell),
        cmocka_unit_test(a_line_is_enough),
    };
    return cmocka_run_group_tests_name("picture stream", tests, NULL, NULL);
}
