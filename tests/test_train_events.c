/* TensorBoard event files: published CRC-32C values, and a file taken apart byte by byte. */
#define _GNU_SOURCE
#include "rmfer/train/events.h"

#include "rmfer/base/crc32c.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* RFC 3720, appendix B.4, and the usual check value. */
static void test_crc32c_has_the_published_values(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(bytes, 32), 0x113fdb5c);
    /* ((0xe3069283 >> 15) | (0xe3069283 << 17)) + 0xa282ead8 */
    assert_int_equal(crc32c_masked("123456789", 9), (uint32_t)(0x2507c60d + 0xa282ead8));
}

static uint64_t little_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* Checks the frame at `at` and gives its data's length. */
static size_t assert_frame(const uint8_t *at, size_t left)
{
    assert_true(left >= 16);
    size_t length = (size_t)little_endian(at, 8);
    assert_true(length <= left - 16);
    assert_int_equal(little_endian(at + 8, 4), crc32c_masked(at, 8));
    assert_int_equal(little_endian(at + 12 + length, 4), crc32c_masked(at + 12, length));
    return length;
}

static void assert_time(const uint8_t *bytes)
{
    double time;
    uint64_t bits = little_endian(bytes + 1, 8);
    memcpy(&time, &bits, sizeof time);
    assert_int_equal(bytes[0], 0x09); /* field 1, 8 bytes */
    assert_true(time > 1.6e9 && time < 1e11);
}

static void read_only_file(const char *folder, uint8_t **bytes, size_t *size)
{
    struct error err = {0};
    char path[400] = "";
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        assert_string_equal(path, "");
        assert_ptr_equal(strstr(entry->d_name, "events.out.tfevents."), entry->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    }
    closedir(open_folder);
    assert_int_equal(file_read(path, 1 << 20, bytes, size, &err), STATUS_OK);
    unlink(path);
}

static void test_a_file_is_what_tensorboard_reads(void **state)
{
    (void)state;
    struct error err = {0};
    struct event_writer *writer;
    char folder[] = "/tmp/rmfer-events-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(event_writer_open(&writer, folder, &err), STATUS_OK);
    assert_int_equal(event_writer_scalar(writer, "train/loss", 300, 0.5, &err), STATUS_OK);
    assert_int_equal(event_writer_flush(writer, &err), STATUS_OK);
    event_writer_close(writer);
    uint8_t *bytes;
    size_t size;
    read_only_file(folder, &bytes, &size);

    size_t first = assert_frame(bytes, size);
    assert_int_equal(first, 9 + 15);
    assert_time(bytes + 12);
    assert_memory_equal(bytes + 12 + 9,
                        "\x1a\x0d"
                        "brain.Event:2",
                        15);

    const uint8_t *second = bytes + first + 16;
    static const uint8_t after_time[] = {
        0x10, 0xac, 0x02,                                                /* step: 300 */
        0x2a, 0x13,                                                      /* summary, 19 bytes */
        0x0a, 0x11,                                                      /* value, 17 bytes */
        0x0a, 0x0a, 't',  'r',  'a',  'i', 'n', '/', 'l', 'o', 's', 's', /* tag */
        0x15, 0x00, 0x00, 0x00, 0x3f,                                    /* simple_value: 0.5f */
    };
    assert_int_equal(assert_frame(second, size - first - 16), 9 + sizeof after_time);
    assert_time(second + 12);
    assert_memory_equal(second + 12 + 9, after_time, sizeof after_time);
    assert_int_equal(size, first + 16 + 9 + sizeof after_time + 16);
    memory_free(bytes);
    rmdir(folder);
}

static void test_a_missing_folder_is_an_error(void **state)
{
    (void)state;
    struct error err = {0};
    struct event_writer *writer;
    assert_int_equal(event_writer_open(&writer, "/nonexistent/folder", &err), STATUS_FAILED);
    assert_null(writer);
    assert_non_null(strstr(err.message, "/nonexistent/folder/events.out.tfevents."));
    event_writer_close(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_has_the_published_values),
        cmocka_unit_test(test_a_file_is_what_tensorboard_reads),
        cmocka_unit_test(test_a_missing_folder_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
