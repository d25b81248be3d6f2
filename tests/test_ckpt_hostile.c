/* Foreign weights that lie: an error of one line, nothing run, no crash, no memory asked for that the file does not
 * have. What each parser alone can be made to do is for the fuzz targets (tests/fuzz). */
#include "support/scratch.h"

#include "ckpt/onnx_values.h"
#include "ckpt/torch_file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/export.h"
#include "rmfer/ckpt/import.h"
#include "rmfer/ckpt/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- files with damage ---- */

struct blob {
    uint8_t *bytes;
    size_t size;
};

static struct blob read_golden(const char *name)
{
    struct blob blob;
    struct error err = {0};
    if (file_read(scratch_path("tests/golden/ckpt", name), 1 << 20, &blob.bytes, &blob.size, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return blob;
}

/* Reads every element of every tensor, so that a sanitizer sees what is out of bounds. */
static void read_everything(const struct tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < tensors[i].count; j++) (void)tensor_element(&tensors[i], j);
}

static void parse_torch(const uint8_t *bytes, size_t size)
{
    struct torch_file *file;
    struct error err = {0};
    status result = torch_parse(&file, bytes, size, &err);
    assert_int_equal(result == STATUS_OK, file != NULL);
    assert_int_equal(result == STATUS_OK, err.message[0] == '\0');
    assert_null(strchr(err.message, '\n'));
    if (file != NULL) read_everything(file->tensors, file->count);
    torch_free(file);
}

static void parse_onnx(const uint8_t *bytes, size_t size)
{
    struct onnx_model model;
    struct error err = {0};
    if (onnx_parse(&model, bytes, size, "file", &err) != STATUS_OK) {
        assert_null(strchr(err.message, '\n'));
        return;
    }
    read_everything(model.initializers, model.initializer_count);
    onnx_close(&model);
}

typedef void parse_function(const uint8_t *bytes, size_t size);

/* Each prefix in a block of its own length. */
static void cut_at_every_byte(struct blob blob, parse_function *parse)
{
    for (size_t length = 0; length < blob.size; length++) {
        uint8_t *cut = malloc(length + (length == 0));
        assert_non_null(cut);
        memcpy(cut, blob.bytes, length);
        parse(cut, length);
        free(cut);
    }
    memory_free(blob.bytes);
}

/* Every byte takes a few other values, one at a time. */
static void damage_every_byte(struct blob blob, parse_function *parse)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < blob.size; at++) {
        for (size_t i = 0; i < sizeof changes; i++) {
            blob.bytes[at] ^= changes[i];
            parse(blob.bytes, blob.size);
            blob.bytes[at] ^= changes[i];
        }
    }
    memory_free(blob.bytes);
}

static const char *const torch_files[] = {"views.pt", "views_plain.pt", "views_deflated.pt"};

static void test_torch_files_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) cut_at_every_byte(read_golden(torch_files[i]), parse_torch);
    /* The whole file of each format is accepted, a prefix is not: the directory of a zip is at its end. */
    struct blob blob = read_golden("views.pt");
    struct torch_file *file;
    assert_int_equal(torch_parse(&file, blob.bytes, blob.size, NULL), STATUS_OK);
    torch_free(file);
    assert_int_equal(torch_parse(&file, blob.bytes, blob.size - 1, NULL), STATUS_FAILED);
    assert_null(file);
    memory_free(blob.bytes);
}

static void test_torch_files_with_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) damage_every_byte(read_golden(torch_files[i]), parse_torch);
}

static struct blob read_example(const char *name)
{
    struct blob blob;
    struct error err = {0};
    if (file_read(scratch_path("tests/fuzz/fuzz_onnx", name), 1 << 20, &blob.bytes, &blob.size, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return blob;
}

static void test_onnx_cut_and_damaged(void **state)
{
    (void)state;
    cut_at_every_byte(read_example("small.onnx"), parse_onnx);
    damage_every_byte(read_example("small.onnx"), parse_onnx);
    damage_every_byte(read_example("typed.onnx"), parse_onnx);
}

/* Whole imports of damaged files, through the search for a network and the mapping of names. */
static void test_imports_with_damage(void **state)
{
    (void)state;
    static const char *const files[] = {"folded.onnx", "unfolded.onnx", "module_half.pt", "lukemelas_training.pth"};
    char *folder = scratch_make();
    for (size_t f = 0; f < 4; f++) {
        struct blob blob = read_golden(files[f]);
        uint32_t random = 1;
        for (int round = 0; round < 60; round++) {
            size_t at[4];
            uint8_t kept[4];
            for (int i = 0; i < 4; i++) {
                random = random * 1664525 + 1013904223;
                at[i] = (random >> 4) % blob.size;
                kept[i] = blob.bytes[at[i]];
                blob.bytes[at[i]] = (uint8_t)(random >> 24);
            }
            scratch_write(folder, "damaged", blob.bytes, blob.size);
            struct model model;
            struct checkpoint_info info;
            struct import_report report;
            struct error err = {0};
            const char *path = scratch_path(folder, "damaged");
            const struct import_options options = {.architecture = f == 0 ? "tiny_64_1" : "tiny_tf_64_1"};
            if (import_create_model(&model, &path, 1, &options, &report, &info, &err) == STATUS_OK)
                model_free(&model);
            else
                assert_null(strchr(err.message, '\n'));
            import_report_free(&report);
            for (int i = 4; i-- > 0;) blob.bytes[at[i]] = kept[i];
        }
        memory_free(blob.bytes);
    }
    scratch_remove(folder);
}

/* ---- pickles made by hand ---- */

static const char before[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                             "\x80\x02M\xe9\x03."
                             "\x80\x02}.";
static const char after[] = "\x80\x02].";

/* Reads `pickle` as the object of a file of torch.save's plain format that ends with the keys of its storages and
 * their bytes; gives the message, "" when it was read. */
static const char *message_before(const void *pickle, size_t size, const char *end, size_t tail)
{
    static struct error err;
    size_t head = sizeof before - 1;
    uint8_t *bytes = malloc(head + size + tail);
    assert_non_null(bytes);
    memcpy(bytes, before, head);
    memcpy(bytes + head, pickle, size);
    memcpy(bytes + head + size, end, tail);
    struct torch_file *file;
    error_clear(&err);
    status result = torch_parse(&file, bytes, head + size + tail, &err);
    assert_int_equal(result == STATUS_OK, err.message[0] == '\0');
    torch_free(file);
    free(bytes);
    return err.message;
}

static const char *message_for(const void *pickle, size_t size)
{
    return message_before(pickle, size, after, sizeof after - 1);
}

#define MESSAGE_FOR(literal) message_for(literal, sizeof(literal) - 1)

#define ASSERT_SAYS(message, part)                                                      \
    do {                                                                                \
        const char *said = (message);                                                   \
        if (strstr(said, part) == NULL) fail_msg("'%s' does not say '%s'", said, part); \
    } while (0)

static void test_nothing_is_run(void **state)
{
    (void)state;
    char *folder = scratch_make(), pickle[512];
    const char *trace = scratch_path(folder, "ran");
    /* What Python would run on loading: os.system, by each opcode that calls. */
    static const char *const attacks[] = {
        "\x80\x02"
        "cos\nsystem\nU%c%stR.", /* a bare string as arguments */
        "\x80\x02"
        "cposix\nsystem\n(U%c%stR.", /* REDUCE */
        "\x80\x02"
        "(cos\nsystem\nU%c%so.", /* OBJ */
        "\x80\x02"
        "csubprocess\nPopen\n(U%c%st\x81.", /* NEWOBJ */
        "\x80\x02"
        "c__builtin__\nexec\n(U%c%stR}b.",                    /* REDUCE, BUILD */
        "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c%c%s\x85R.", /* STACK_GLOBAL */
    };
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        char command[256];
        snprintf(command, sizeof command, "touch %s", trace);
        size_t length = (size_t)snprintf(pickle, sizeof pickle, attacks[i], (char)strlen(command), command);
        (void)message_for(pickle, length);
        assert_int_not_equal(access(trace, F_OK), 0);
    }
    /* The well-formed one is read as an object without tensors. */
    assert_string_equal(MESSAGE_FOR("\x80\x02"
                                    "cposix\nsystem\n(U\x04trueq\x01tR."),
                        "");
    scratch_remove(folder);
}

static void test_every_opcode(void **state)
{
    (void)state;
    /* Alone, behind some values, and with arguments that are all ones. */
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        uint8_t pickle[32] = "\x80\x02]}(K\x01K\x02U\x01"
                             "a";
        size_t length = 11;
        pickle[length++] = (uint8_t)opcode;
        for (size_t extra = 0; extra < 12; extra++) {
            (void)message_for(pickle, length);
            pickle[length++] = extra % 2 == 0 ? 0xff : '.';
        }
        uint8_t alone[2] = {(uint8_t)opcode, '.'};
        (void)message_for(alone, 2);
    }
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02\x82\x01."), "opcode 0x82 is not understood"); /* EXT1 */
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02\x97."), "opcode 0x97 is not understood");     /* NEXT_BUFFER */
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02Pabc\n."), "opcode 0x50 is not understood");   /* PERSID of protocol 0 */
    ASSERT_SAYS(MESSAGE_FOR("\x80\x09N."), "protocol");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02."), "empty stack");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02(]e."), "empty stack");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02te."), "no mark");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02}(K\x01u."), "key without a value");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02h\x05."), "never set");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02Nr\xff\xff\xff\xff."), "out of range");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02X\xff\xff\xff\x7f"
                            "a."),
                "cut short");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"
                            "a."),
                "cut short");
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02\x8b\xff\xff\xff\xff"
                            "a."),
                "cut short");
}

static void test_deep_and_shared_values(void **state)
{
    (void)state;
    enum { DEEP = 300000 };
    /* Lists in lists: "]" * n, "a" * (n - 1). */
    uint8_t *pickle = malloc(2 * DEEP + 8);
    assert_non_null(pickle);
    memcpy(pickle, "\x80\x02", 2);
    memset(pickle + 2, ']', DEEP);
    memset(pickle + 2 + DEEP, 'a', DEEP - 1);
    pickle[2 + 2 * DEEP - 1] = '.';
    assert_string_equal(message_for(pickle, 2 + 2 * DEEP), "");
    /* Marks without end, tuples of tuples. */
    memset(pickle + 2, '(', DEEP);
    ASSERT_SAYS(message_for(pickle, 2 + DEEP), "cut short");
    pickle[2] = ')';
    memset(pickle + 3, 0x85, DEEP);
    pickle[3 + DEEP] = '.';
    assert_string_equal(message_for(pickle, 4 + DEEP), "");
    free(pickle);
    /* A list that contains itself. */
    assert_string_equal(MESSAGE_FOR("\x80\x02]q\x01h\x01"
                                    "a."),
                        "");
    /* Each list holds the one before twice: 2^40 ways to the innermost. */
    uint8_t doubled[512] = "\x80\x02]q\x00";
    size_t length = 5;
    for (uint8_t i = 0; i < 40; i++) {
        const uint8_t level[] = {']', 'q', (uint8_t)(i + 1), '(', 'h', i, 'h', i, 'e'};
        memcpy(doubled + length, level, sizeof level);
        length += sizeof level;
    }
    doubled[length++] = '.';
    ASSERT_SAYS(message_for(doubled, length), "too often");
}

/* A tensor over a storage of 2 floats; `view` is offset, shape and strides as opcodes. */
static const char *message_for_tensor(const char *view, size_t view_size)
{
    static struct error err;
    static const char head[] = "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n"
                               "((U\x07storagectorch\nFloatStorage\nU\x01kU\x03"
                               "cpuK\x02NtQ";
    static const char tail[] = "\x89}tRs.\x80\x02]U\x01ka.\x02\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40";
    uint8_t bytes[512];
    size_t length = 0;
    memcpy(bytes, before, sizeof before - 1);
    length += sizeof before - 1;
    memcpy(bytes + length, head, sizeof head - 1);
    length += sizeof head - 1;
    memcpy(bytes + length, view, view_size);
    length += view_size;
    memcpy(bytes + length, tail, sizeof tail - 1);
    length += sizeof tail - 1;
    struct torch_file *file;
    error_clear(&err);
    if (torch_parse(&file, bytes, length, &err) == STATUS_OK) {
        read_everything(file->tensors, file->count);
        snprintf(err.message, sizeof err.message, "%zu tensors", file->count);
        torch_free(file);
    }
    return err.message;
}

#define MESSAGE_FOR_TENSOR(literal) message_for_tensor(literal, sizeof(literal) - 1)

static void test_tensors_beyond_their_storage(void **state)
{
    (void)state;
    assert_string_equal(MESSAGE_FOR_TENSOR("K\x00K\x02\x85K\x01\x85"), "1 tensors");
    ASSERT_SAYS(MESSAGE_FOR_TENSOR("K\x00K\x03\x85K\x01\x85"), "does not fit its storage");
    ASSERT_SAYS(MESSAGE_FOR_TENSOR("K\x01K\x02\x85K\x01\x85"), "does not fit its storage");
    ASSERT_SAYS(MESSAGE_FOR_TENSOR("K\x00K\x02\x85K\x02\x85"), "does not fit its storage");
    ASSERT_SAYS(MESSAGE_FOR_TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x02\x85K\x01\x85"), "does not fit");
    ASSERT_SAYS(
        MESSAGE_FOR_TENSOR("K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff"
                           "\x7f\x85"),
        "does not fit");
    /* Expanded beyond its storage: 2^31 numbers out of two are left out, not made. */
    assert_string_equal(MESSAGE_FOR_TENSOR("K\x00J\xff\xff\xff\x7f\x85K\x00\x85"), "0 tensors");
    /* A negative shape, and strides of another rank, are no tensor. */
    assert_string_equal(MESSAGE_FOR_TENSOR("K\x00J\xff\xff\xff\xff\x85K\x01\x85"), "0 tensors");
    assert_string_equal(MESSAGE_FOR_TENSOR("K\x00K\x02\x85K\x01K\x01\x86"), "0 tensors");
}

static void test_lengths_that_lie(void **state)
{
    (void)state;
    struct blob blob = read_golden("views_deflated.pt");
    /* A size of 4 GiB - 2 in the central directory: said to be inflated from a few bytes. */
    for (size_t at = 0; at + 46 < blob.size; at++) {
        if (memcmp(blob.bytes + at, "PK\x01\x02", 4) != 0) continue;
        memset(blob.bytes + at + 24, 0xfe, 4);
    }
    struct torch_file *file;
    struct error err = {0};
    assert_int_equal(torch_parse(&file, blob.bytes, blob.size, &err), STATUS_FAILED);
    memory_free(blob.bytes);
}

/* A text that grows, for pickles of megabytes. */
struct builder {
    uint8_t *bytes;
    size_t length;
};

static void build(struct builder *builder, const void *bytes, size_t size, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        memcpy(builder->bytes + builder->length, bytes, size);
        builder->length += size;
    }
}

#define BUILD(builder, literal, times) build(builder, literal, sizeof(literal) - 1, times)

enum { MANY = 400000 };

/* A dictionary of 400,000 keys that name nothing, met on 400,000 ways: 1.6 * 10^11 looks in 1.6 MB. */
static void test_shared_values_cost_steps(void **state)
{
    (void)state;
    struct builder pickle = {malloc(8 * MANY), 0};
    assert_non_null(pickle.bytes);
    BUILD(&pickle, "\x80\x02}q\x00(", 1);
    BUILD(&pickle, "NN", MANY);
    BUILD(&pickle, "u](", 1);
    BUILD(&pickle, "h\x00", MANY);
    BUILD(&pickle, "e.", 1);
    ASSERT_SAYS(message_for(pickle.bytes, pickle.length), "too often");
    /* The same as the state of a module, whose keys are looked for. */
    pickle.length = 0;
    BUILD(&pickle, "\x80\x02}(", 1);
    BUILD(&pickle, "NN", MANY);
    BUILD(&pickle, "uq\x00](", 1);
    BUILD(&pickle,
          "cm\nC\n)\x81h\x00"
          "b",
          MANY / 10);
    BUILD(&pickle, "e.", 1);
    ASSERT_SAYS(message_for(pickle.bytes, pickle.length), "too often");
    /* The same as the argument of calls: OrderedDict(list), again and again. */
    pickle.length = 0;
    BUILD(&pickle, "\x80\x02](", 1);
    BUILD(&pickle, "N", MANY);
    BUILD(&pickle,
          "eq\x00\x85q\x01"
          "ccollections\nOrderedDict\nq\x02](",
          1);
    BUILD(&pickle, "h\x02h\x01R", MANY);
    BUILD(&pickle, "e.", 1);
    ASSERT_SAYS(message_for(pickle.bytes, pickle.length), "too often");
    free(pickle.bytes);
}

/* Nothing that grows may grow outside the pool: the stack, the marks, the memo. */
static void test_small_files_take_little_memory(void **state)
{
    (void)state;
    /* A memo number needs as many opcodes before it. */
    ASSERT_SAYS(MESSAGE_FOR("\x80\x02N0N0N0Nr\x40\x00\x00\x00"
                            "0N."),
                "out of range");
    assert_string_equal(MESSAGE_FOR("\x80\x02Nq\x01"
                                    "0N."),
                        "");
    /* The file's bytes bound the pool, and everything comes out of the pool. */
    static const char marks[] = "((((((((((((((((((((((((((((((((", doubles[] = "N22222222222222222222222222222222";
    struct builder pickle = {malloc(4 << 20), 0};
    assert_non_null(pickle.bytes);
    BUILD(&pickle, "\x80\x02", 1);
    BUILD(&pickle, marks, 100000);
    for (int i = 0; i < 2; i++) {
        struct pool pool = pool_with_limits(1 << 20, 0);
        struct pickle read;
        struct error err = {0};
        assert_int_equal(pickle_load(&read, pickle.bytes, pickle.length, &pool, &err), STATUS_FAILED);
        ASSERT_SAYS(err.message, "more than 1048576 bytes of memory");
        pool_free(&pool);
        pickle.length = 2;
        BUILD(&pickle, doubles, 100000);
    }
    free(pickle.bytes);
}

/* Storages are sorted and found by their keys, which nobody may make as long as the file. */
static void test_keys_are_short(void **state)
{
    (void)state;
    struct builder pickle = {malloc(1 << 20), 0};
    assert_non_null(pickle.bytes);
    BUILD(&pickle, "\x80\x02(U\x07storagectorch\nFloatStorage\nX\x00\x01\x00\x00", 1);
    BUILD(&pickle, "k", 256);
    BUILD(&pickle,
          "U\x03"
          "cpuK\x02NtQ.",
          1);
    ASSERT_SAYS(message_for(pickle.bytes, pickle.length), "a storage's key has 256 letters");
    free(pickle.bytes);
}

/* ---- graphs made by hand ---- */

/* A field of bytes of protocol buffers, of up to 2^28 bytes. */
static void field(struct builder *builder, unsigned number, const void *bytes, size_t size)
{
    const uint8_t head[] = {(uint8_t)(number << 3 | 2), (uint8_t)(size | 0x80), (uint8_t)(size >> 7 | 0x80),
                            (uint8_t)(size >> 14 | 0x80), (uint8_t)(size >> 21)};
    build(builder, head, sizeof head, 1);
    build(builder, bytes, size, 1);
}

static const char *message_for_node(const struct builder *node)
{
    static struct error err;
    struct builder graph = {malloc(node->length + 64), 0}, file = {malloc(node->length + 64), 0};
    struct onnx_model model;
    assert_non_null(graph.bytes);
    assert_non_null(file.bytes);
    field(&graph, 1, node->bytes, node->length);
    BUILD(&file, "\x08\x07", 1); /* ir_version 7 */
    field(&file, 7, graph.bytes, graph.length);
    error_clear(&err);
    if (onnx_parse(&model, file.bytes, file.length, "file", &err) == STATUS_OK) onnx_close(&model);
    free(graph.bytes);
    free(file.bytes);
    return err.message;
}

static void test_graphs_that_are_searched_long(void **state)
{
    (void)state;
    struct builder node = {malloc(1 << 20), 0}, name = {malloc(1 << 16), 0};
    assert_non_null(node.bytes);
    assert_non_null(name.bytes);
    BUILD(&name, "n", ONNX_LONGEST_NAME);
    field(&node, 1, name.bytes, name.length);
    assert_string_equal(message_for_node(&node), "");
    BUILD(&name, "n", 1);
    field(&node, 2, name.bytes, name.length);
    ASSERT_SAYS(message_for_node(&node), "a name of 4097 letters");
    node.length = 0;
    for (int i = 0; i < ONNX_MOST_ATTRIBUTES; i++)
        field(&node, 5,
              "\x0a\x01"
              "a",
              3);
    assert_string_equal(message_for_node(&node), "");
    field(&node, 5,
          "\x0a\x01"
          "a",
          3);
    ASSERT_SAYS(message_for_node(&node), "a node with 1025 attributes");
    free(node.bytes);
    free(name.bytes);
}

/* Values are found by a search among sorted lists, as a scan of the graph would find them. */
static void test_values_are_found(void **state)
{
    (void)state;
    struct blob blob = read_golden("folded.onnx");
    struct onnx_model model;
    struct error err = {0};
    assert_int_equal(onnx_parse(&model, blob.bytes, blob.size, "file", &err), STATUS_OK);
    size_t found = 0;
    for (size_t i = 0; i < model.node_count; i++) {
        const struct onnx_node *node = &model.nodes[i];
        for (size_t j = 0; j < node->output_count; j++) assert_ptr_equal(onnx_producer(&model, node->outputs[j]), node);
        const struct onnx_node *first = NULL;
        for (size_t j = 0; j < model.node_count && first == NULL; j++)
            if (model.nodes[j].input_count > 0 && strcmp(model.nodes[j].inputs[0], node->inputs[0]) == 0 &&
                strcmp(model.nodes[j].op_type, node->op_type) == 0)
                first = &model.nodes[j];
        assert_ptr_equal(onnx_consumer(&model, node->op_type, node->inputs[0]), first);
        found++;
    }
    assert_true(found > 10);
    assert_null(onnx_producer(&model, "no such value"));
    assert_null(onnx_consumer(&model, "Add", "no such value"));
    onnx_close(&model);
    memory_free(blob.bytes);
}

/* ---- tensors that are not what they seem ---- */

/* A tensor of one element of a storage of that type, the last argument of its call as given. */
#define TENSOR_OF(type, last)                                                  \
    "\x80\x02"                                                                 \
    "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n" type "\nU\x01" \
    "0U\x03"                                                                   \
    "cpuK\x01NtQK\x00"                                                         \
    "K\x01\x85K\x01\x85\x89N" last "tR."

static void test_what_torch_would_compute_or_does_not_say(void **state)
{
    (void)state;
    static const char end[] = "\x80\x02]U\x01"
                              "0a.\x01\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\0";
    static const char plain[] = TENSOR_OF("FloatStorage", "}"), negated[] = TENSOR_OF("FloatStorage", "}U\x03neg\x88s"),
                      not_negated[] = TENSOR_OF("FloatStorage", "}U\x03neg\x89s"),
                      complex[] = TENSOR_OF("ComplexFloatStorage", "}");
    assert_string_equal(message_before(plain, sizeof plain - 1, end, sizeof end - 1), "");
    assert_string_equal(message_before(not_negated, sizeof not_negated - 1, end, sizeof end - 1), "");
    ASSERT_SAYS(message_before(negated, sizeof negated - 1, end, sizeof end - 1), "resolve_neg()");
    ASSERT_SAYS(message_before(complex, sizeof complex - 1, end, sizeof end - 1),
                "the storage '0' is a torch.ComplexFloatStorage, which is not read");
}

/* ---- memory that is not there ---- */

static status import_once(const char *file, const char *folder, struct error *err)
{
    struct model model;
    struct checkpoint_info info;
    struct import_report report;
    char source[128];
    snprintf(source, sizeof source, "tests/golden/ckpt/%s", file);
    const char *path = source;
    const struct import_options options = {.architecture = strcmp(file, "folded.onnx") == 0 ? "tiny_64_1"
                                                                                            : "tiny_tf_64_1"};
    status result = import_create_model(&model, &path, 1, &options, &report, &info, err);
    if (result == STATUS_OK) {
        const char *written = scratch_path(folder, "written.safetensors");
        struct checkpoint checkpoint;
        struct model again;
        result = checkpoint_write(written, &model, &info, NULL, 0, err);
        if (result == STATUS_OK) result = checkpoint_open(&checkpoint, written, err);
        if (result == STATUS_OK) {
            result = checkpoint_create_model(&checkpoint, false, &again, err);
            if (result == STATUS_OK) model_free(&again);
            checkpoint_close(&checkpoint);
        }
        if (result == STATUS_OK)
            result = export_onnx(scratch_path(folder, "written.onnx"), &model, &info, &(struct export_options){0}, err);
        model_free(&model);
    }
    import_report_free(&report);
    return result;
}

/* Each allocation fails once: an error, or a note less, and nothing leaks (the sanitizer would say). */
static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    static const char *const files[] = {"module_half.pt", "timm_plain.pth", "folded.onnx"};
    char *folder = scratch_make();
    for (size_t f = 0; f < 3; f++) {
        struct error none = {0};
        unsigned long start = memory_allocation_count();
        assert_int_equal(import_once(files[f], folder, &none), STATUS_OK);
        long made = (long)(memory_allocation_count() - start);
        assert_true(made > 60);
        /* The first one by one; then every seventh, as the many pieces of a list of tensors are alike. */
        for (long n = 1; n <= made; n += n < 60 ? 1 : 7) {
            struct error err = {0};
            memory_fail_after(n);
            status result = import_once(files[f], folder, &err);
            memory_fail_after(0);
            assert_int_equal(result == STATUS_OK, err.message[0] == '\0');
        }
    }
    scratch_remove(folder);
}

/* The peak of the whole program, every attack above included: none may have reserved what its file only claimed. */
static void test_memory_stayed_small(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("skipped: the peak of memory, which a sanitizer raises\n");
    skip();
#else
    assert_true(memory_peak_resident() < (size_t)300 << 20);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch_files_cut_short),
        cmocka_unit_test(test_torch_files_with_damage),
        cmocka_unit_test(test_onnx_cut_and_damaged),
        cmocka_unit_test(test_imports_with_damage),
        cmocka_unit_test(test_nothing_is_run),
        cmocka_unit_test(test_every_opcode),
        cmocka_unit_test(test_deep_and_shared_values),
        cmocka_unit_test(test_tensors_beyond_their_storage),
        cmocka_unit_test(test_shared_values_cost_steps),
        cmocka_unit_test(test_small_files_take_little_memory),
        cmocka_unit_test(test_keys_are_short),
        cmocka_unit_test(test_graphs_that_are_searched_long),
        cmocka_unit_test(test_values_are_found),
        cmocka_unit_test(test_lengths_that_lie),
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_memory_stayed_small),
        cmocka_unit_test(test_what_torch_would_compute_or_does_not_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
