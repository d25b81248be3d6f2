/* safetensors: what is written is read back; what lies is refused in one line. */
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/rmfer_safetensors_XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct tensor tensor_of(const char *name, enum tensor_type type, int rank, const size_t *shape, const void *data)
{
    struct tensor tensor = {.name = name, .type = type, .data = data};
    assert_true(tensor_set_shape(&tensor, rank, shape));
    return tensor;
}

static void write_sample(void)
{
    static const float weight[6] = {1, 2, 3, 4, 5, -6.5f};
    static const int64_t steps = 1234567890123;
    static const uint8_t state[3] = {7, 8, 255};
    const struct tensor tensors[] = {
        tensor_of("b.state", TENSOR_U8, 1, (size_t[]){3}, state),
        tensor_of("a.weight", TENSOR_F32, 2, (size_t[]){2, 3}, weight),
        tensor_of("c.steps", TENSOR_I64, 0, NULL, &steps),
        tensor_of("d.empty", TENSOR_F32, 2, (size_t[]){0, 3}, weight),
    };
    const struct safetensors_metadata metadata[] = {{"rmfer.format", "1"},
                                                    {"text", "line \"one\"\n\ttwo \\ \xc3\xa9 \xff."}};
    struct error err = {0};
    assert_int_equal(safetensors_write(path, tensors, 4, metadata, 2, &err), STATUS_OK);
}

static void test_round_trip(void **state)
{
    (void)state;
    write_sample();
    struct safetensors file;
    struct error err = {0};
    assert_int_equal(safetensors_open(&file, path, &err), STATUS_OK);
    assert_int_equal(file.count, 4);
    const struct tensor *weight = safetensors_find(&file, "a.weight");
    assert_non_null(weight);
    assert_true(tensor_has_shape(weight, 2, (size_t[]){2, 3}));
    float values[6];
    tensor_read_floats(weight, values);
    assert_true(values[0] == 1 && values[5] == -6.5f);
    assert_true(tensor_element(safetensors_find(&file, "c.steps"), 0) == 1234567890123.0);
    assert_true(tensor_element(safetensors_find(&file, "b.state"), 2) == 255);
    assert_int_equal(safetensors_find(&file, "d.empty")->count, 0);
    assert_null(safetensors_find(&file, "a"));
    assert_string_equal(safetensors_metadata_value(&file, "rmfer.format"), "1");
    assert_string_equal(safetensors_metadata_value(&file, "text"), "line \"one\"\n\ttwo \\ \xc3\xa9 \xef\xbf\xbd.");
    assert_null(safetensors_metadata_value(&file, "rmfer"));
    /* Every element stands at a multiple of its own size. */
    for (size_t i = 0; i < file.count; i++)
        assert_int_equal((size_t)(file.tensors[i].data - file.file.bytes) % tensor_type_size(file.tensors[i].type), 0);
    safetensors_close(&file);
}

static void test_same_input_same_bytes(void **state)
{
    (void)state;
    uint8_t *first, *second;
    size_t first_size, second_size;
    struct error err = {0};
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &first, &first_size, &err), STATUS_OK);
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &second, &second_size, &err), STATUS_OK);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    memory_free(first);
    memory_free(second);
}

/* Not one flipped bit passes, and one of a tensor's is blamed on that tensor. */
static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size, header;
    struct error err = {0};
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, &err), STATUS_OK);
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    header = 8 + (size_t)length;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct safetensors file;
        error_clear(&err);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (safetensors_parse(&file, bytes, size, "flipped", &err) == STATUS_OK) fail_msg("bit %zu passes", bit);
        /* c.steps comes first, then a.weight, then b.state */
        const char *name = bit / 8 < header       ? ""
                           : bit / 8 < header + 8 ? "c.steps"
                           : bit / 8 < size - 3   ? "a.weight"
                                                  : "b.state";
        if (strstr(err.message, name) == NULL) fail_msg("bit %zu: %s", bit, err.message);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memory_free(bytes);
}

/* Another program that took the metadata along: its file is not ours to check. */
static void test_a_rewritten_file_is_read(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"__metadata__\":"
        "{\"rmfer.checksum\":\"00000000\",\"rmfer.checksums\":\"00000000\"}}",
        "{\"__metadata__\":{\"rmfer.checksum\":\"00000000\",\"rmfer.checksums\":\"00000000\"},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"};
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[256] = {(uint8_t)strlen(headers[i])};
        memcpy(bytes + 8, headers[i], strlen(headers[i]));
        struct safetensors file;
        struct error err = {0};
        assert_int_equal(safetensors_parse(&file, bytes, 8 + strlen(headers[i]) + 1, "rewritten", &err), STATUS_OK);
        safetensors_close(&file);
    }
}

static void test_truncated_at_every_byte(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct error err = {0};
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, &err), STATUS_OK);
    for (size_t length = 0; length <= size; length++) {
        /* A block of exactly this length, so that a sanitizer sees one byte too many. */
        uint8_t *cut = malloc(length + (length == 0));
        assert_non_null(cut);
        memcpy(cut, bytes, length);
        struct safetensors file;
        error_clear(&err);
        status result = safetensors_parse(&file, cut, length, "cut", &err);
        assert_int_equal(result, length == size ? STATUS_OK : STATUS_FAILED);
        if (result != STATUS_OK) assert_memory_equal(err.message, "cut: ", 5);
        safetensors_close(&file);
        free(cut);
    }
    memory_free(bytes);
}

/* Parses a header with `data_size` bytes of data behind it and gives the message, "" when it was accepted. */
static const char *message_for(const char *header, size_t data_size)
{
    static struct error err;
    size_t length = strlen(header), size = 8 + length + data_size;
    uint8_t *bytes = calloc(size, 1);
    assert_non_null(bytes);
    uint64_t stored = length;
    memcpy(bytes, &stored, 8);
    memcpy(bytes + 8, header, length);
    struct safetensors file;
    error_clear(&err);
    status result = safetensors_parse(&file, bytes, size, "file", &err);
    assert_true((result == STATUS_OK) == (err.message[0] == '\0'));
    safetensors_close(&file);
    free(bytes);
    return err.message;
}

#define ENTRY(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_lies_are_refused(void **state)
{
    (void)state;
    assert_string_equal(message_for("{" ENTRY("a", "F32", "[2]", "0", "8") "}  ", 8), "");
    static const struct {
        const char *header;
        size_t data;
        const char *expected;
    } lies[] = {
        {"[]", 0, "not a JSON object"},
        {"{} x", 0, "not a JSON object"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7, "cut short"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 9, "belong to none"},
        {"{" ENTRY("a", "F32", "[2]", "4", "12") "}", 12, "gap"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[2]", "4", "12") "}", 12, "overlap"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("a", "F32", "[2]", "8", "16") "}", 16, "twice"},
        {"{" ENTRY("a", "F32", "[3]", "0", "8") "}", 8, "do not fit"},
        {"{" ENTRY("a", "F32", "[2]", "8", "0") "}", 8, "bytes 8 to 0"},
        {"{" ENTRY("a", "Q32", "[2]", "0", "8") "}", 8, "'Q32'"},
        {"{" ENTRY("a", "F32", "[-2]", "0", "8") "}", 8, "not {"},
        {"{" ENTRY("a", "F32", "[0.5]", "0", "2") "}", 2, "not {"},
        {"{" ENTRY("a", "F32", "[1e300]", "0", "2") "}", 2, "not {"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "not {"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", "0", "8") "}", 8, "overflows"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296,0]", "0", "0") "}", 0, "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "not {"},
        {"{\"a\":7}", 0, "not {"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const char *message = message_for(lies[i].header, lies[i].data);
        if (strstr(message, lies[i].expected) == NULL)
            fail_msg("%s: '%s' lacks '%s'", lies[i].header, message, lies[i].expected);
        assert_null(strchr(message, '\n'));
    }
}

static void test_deep_nesting_and_long_headers(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    char *header = malloc(DEPTH + 1);
    assert_non_null(header);
    memset(header, '[', DEPTH);
    header[DEPTH] = '\0';
    assert_non_null(strstr(message_for(header, 0), "not a JSON object"));
    free(header);
    uint8_t bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{', '}'};
    struct safetensors file;
    struct error err = {0};
    assert_int_equal(safetensors_parse(&file, bytes, sizeof bytes, "file", &err), STATUS_FAILED);
}

static void test_types_become_floats(void **state)
{
    (void)state;
    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x3555};
    const float expected[] = {1, -2, 0x1p-24f, 65504, 1.0f / 0.0f, -0.0f, 0.333251953125f};
    struct tensor half = tensor_of("h", TENSOR_F16, 1, (size_t[]){7}, halves);
    float values[7];
    tensor_read_floats(&half, values);
    assert_memory_equal(values, expected, sizeof values);
    const uint16_t brains[] = {0x3f80, 0xc049};
    struct tensor brain = tensor_of("b", TENSOR_BF16, 1, (size_t[]){2}, brains);
    tensor_read_floats(&brain, values);
    assert_true(values[0] == 1 && values[1] == -3.140625f);
    const double doubles[] = {0.1, -7};
    struct tensor real = tensor_of("d", TENSOR_F64, 1, (size_t[]){2}, doubles);
    tensor_read_floats(&real, values);
    assert_true(values[0] == 0.1f && values[1] == -7);
    /* A transposed view: shape [3, 2] over the rows of a [2, 3]. */
    const float rows[6] = {0, 1, 2, 3, 4, 5};
    struct tensor view = tensor_of("v", TENSOR_F32, 2, (size_t[]){3, 2}, rows);
    view.strides[0] = 1;
    view.strides[1] = 3;
    assert_false(tensor_is_contiguous(&view));
    tensor_read_floats(&view, values);
    const float transposed[6] = {0, 3, 1, 4, 2, 5};
    assert_memory_equal(values, transposed, sizeof transposed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_input_same_bytes),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_a_rewritten_file_is_read),
        cmocka_unit_test(test_truncated_at_every_byte),
        cmocka_unit_test(test_lies_are_refused),
        cmocka_unit_test(test_deep_nesting_and_long_headers),
        cmocka_unit_test(test_types_become_floats),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
