/* Looking ahead into a pipe and into a file: what was looked at stays, what was taken is gone, memory is what was
 * looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/byte_stream.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 1000000 };

static uint8_t byte_at(size_t place)
{
    return (uint8_t)(place * 31 + place / 251);
}

/* A file of BYTES bytes, opened. */
static int open_file(char *folder)
{
    uint8_t *bytes = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) bytes[i] = byte_at(i);
    scratch_write(folder, "bytes", bytes, BYTES);
    free(bytes);
    int file = open(scratch_path(folder, "bytes"), O_RDONLY);
    assert_true(file >= 0);
    return file;
}

static void what_was_looked_at_stays(void **state)
{
    (void)state;
    char *folder = scratch_make();
    int file = open_file(folder);
    struct byte_stream stream = byte_stream(file, "a file");
    const uint8_t *bytes;
    size_t place = 0, most = 0;
    for (size_t wanted = 1; place < BYTES; wanted = wanted * 7 % 5003) {
        size_t size = byte_stream_peek(&stream, wanted, &bytes);
        assert_true(size >= wanted || stream.ended);
        if (wanted > size) wanted = size;
        for (size_t i = 0; i < wanted; i++) assert_int_equal(bytes[i], byte_at(place + i));
        byte_stream_take(&stream, wanted);
        place += wanted;
        if (stream.capacity > most) most = stream.capacity;
        if (place < BYTES && place % 3 == 0) assert_int_equal(byte_stream_get(&stream), byte_at(place++));
        assert_int_equal(byte_stream_place(&stream), place);
    }
    assert_int_equal(byte_stream_get(&stream), -1);
    assert_int_equal(byte_stream_peek(&stream, 1, &bytes), 0);
    assert_true(most < 400000);
    assert_int_equal(stream.error.code, STATUS_OK);
    byte_stream_free(&stream);
    close(file);
    scratch_remove(folder);
}

static void files_can_be_sought(void **state)
{
    (void)state;
    char *folder = scratch_make();
    int file = open_file(folder);
    assert_int_equal(lseek(file, 1000, SEEK_SET), 1000); /* someone read a header */
    struct byte_stream stream = byte_stream(file, "a file");
    assert_true(byte_stream_can_seek(&stream));
    assert_int_equal(byte_stream_size(&stream), BYTES - 1000);
    static const int64_t places[] = {0, 5, 900000, 100, BYTES - 1001};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_true(byte_stream_seek(&stream, places[i]));
        assert_int_equal(byte_stream_place(&stream), places[i]);
        assert_int_equal(byte_stream_get(&stream), byte_at((size_t)places[i] + 1000));
    }
    assert_int_equal(byte_stream_get(&stream), -1); /* the last byte was taken */
    assert_true(byte_stream_seek(&stream, 0));      /* and an end is not for ever */
    assert_int_equal(byte_stream_get(&stream), byte_at(1000));
    assert_false(byte_stream_seek(&stream, -1));
    assert_false(byte_stream_seek(&stream, INT64_MAX));
    byte_stream_free(&stream);
    close(file);
    scratch_remove(folder);
}

static void pipes_cannot(void **state)
{
    (void)state;
    int ends[2];
    const uint8_t *bytes;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    struct byte_stream stream = byte_stream(ends[0], "a pipe");
    assert_false(byte_stream_can_seek(&stream) || byte_stream_seek(&stream, 0));
    assert_int_equal(byte_stream_size(&stream), -1);
    assert_int_equal(byte_stream_peek(&stream, 2, &bytes), 3); /* what is there, at once */
    assert_memory_equal(bytes, "abc", 3);
    close(ends[1]);
    assert_int_equal(byte_stream_peek(&stream, 9, &bytes), 3);
    assert_true(stream.ended);
    byte_stream_free(&stream);
    close(ends[0]);
}

/* Who waits for more bytes of a pipe is woken, whose writer says nothing; what came in before stays. */
static void a_stream_can_be_stopped(void **state)
{
    (void)state;
    int ends[2], stop[2];
    const uint8_t *bytes;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    struct byte_stream stream = byte_stream(ends[0], "a pipe");
    stream.stop = stop[0];
    assert_int_equal(byte_stream_peek(&stream, 2, &bytes), 3);
    close(stop[1]);
    alarm(60); /* it would wait for ever */
    assert_int_equal(byte_stream_peek(&stream, 9, &bytes), 3);
    alarm(0);
    assert_true(stream.ended);
    assert_int_equal(stream.error.code, STATUS_OK);
    byte_stream_free(&stream);
    close(stop[0]);
    close(ends[0]);
    close(ends[1]);
}

/* A folder is no bytes: the stream ends, and says why. */
static void errors_end_a_stream(void **state)
{
    (void)state;
    char *folder = scratch_make();
    int file = open(folder, O_RDONLY);
    struct byte_stream stream = byte_stream(file, "a file");
    assert_int_equal(byte_stream_get(&stream), -1);
    assert_true(stream.ended);
    assert_string_equal(stream.error.message, "a file cannot be read: Is a directory");
    byte_stream_free(&stream);
    close(file);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_looked_at_stays),
        cmocka_unit_test(files_can_be_sought),
        cmocka_unit_test(pipes_cannot),
        cmocka_unit_test(a_stream_can_be_stopped),
        cmocka_unit_test(errors_end_a_stream),
    };
    return cmocka_run_group_tests_name("byte stream", tests, NULL, NULL);
}
