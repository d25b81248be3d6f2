/* The ground floor: errors, memory, text, random numbers, files, threads, messages. */
#define _GNU_SOURCE /* fork and its kin beside C11 */
#include "rmfer/base/error.h"
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"
#include "support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- errors
 * --------------------------------------------------------------------------------------------------------- */

static void test_the_first_message_wins(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, "row %d is %s", 7, "short"), STATUS_FAILED);
    assert_int_equal(error_set_usage(&err, "something later"), STATUS_FAILED);
    assert_string_equal(err.message, "row 7 is short");
    assert_int_equal(error_add_context(&err, "train.csv:%d", 18), STATUS_FAILED);
    assert_string_equal(err.message, "train.csv:18: row 7 is short");
    error_clear(&err);
    assert_int_equal(err.code, STATUS_OK);
    assert_int_equal(error_add_context(&err, "nothing happened"), STATUS_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(error_set_usage(&err, "a wrong key"), STATUS_USAGE);
    assert_int_equal(error_add_context(&err, "a.ini:1"), STATUS_USAGE);
    error_clear(&err);
    errno = ENOENT;
    assert_int_equal(error_set_errno(&err, "%s", "a.png"), STATUS_FAILED);
    assert_string_equal(err.message, "a.png: No such file or directory");
}

static void test_errors_without_a_place_to_go(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, "x"), STATUS_FAILED);
    assert_int_equal(error_set_usage(NULL, "x"), STATUS_USAGE);
    assert_int_equal(error_set_errno(NULL, "x"), STATUS_FAILED);
    assert_int_equal(error_add_context(NULL, "x"), STATUS_FAILED);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    char longer[3 * ERROR_MESSAGE_BYTES];
    struct error err = {0};
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    error_set(&err, "%s", longer);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    error_add_context(&err, "a.csv:3");
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    assert_memory_equal(err.message, "a.csv:3: xxx", 12);
    error_add_context(&err, "%s", longer);
    errno = EIO;
    error_clear(&err);
    error_set_errno(&err, "%s", longer);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
}

/* ---- memory
 * --------------------------------------------------------------------------------------------------------- */

static bool all_zero(const void *block, size_t bytes)
{
    const unsigned char *at = block;
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != 0) return false;
    return true;
}

static void test_blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        void *block = memory_allocate(bytes, 1, "a block", NULL);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(all_zero(block, bytes));
        memset(block, 0xff, bytes);
        memory_free(block);
    }
    memory_free(NULL);
}

static void test_impossible_blocks_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(memory_allocate(SIZE_MAX / 2, 3, "the impossible", &err));
    assert_non_null(strstr(err.message, "the impossible"));
    assert_null(memory_allocate(SIZE_MAX, 1, "x", NULL));
    assert_null(memory_allocate(SIZE_MAX - 10, 1, "x", NULL));
    char *kept = memory_allocate(4, 1, "kept", NULL);
    memcpy(kept, "abc", 4);
    assert_null(memory_grow(kept, 4, SIZE_MAX, 8, "x", NULL));
    assert_string_equal(kept, "abc");
    memory_free(kept);
    assert_int_equal(size_multiply(SIZE_MAX, 2), SIZE_MAX);
    assert_int_equal(size_multiply((size_t)1 << 32, (size_t)1 << 32), SIZE_MAX);
    assert_int_equal(size_multiply(7, 6), 42);
    assert_int_equal(size_add(SIZE_MAX, 1), SIZE_MAX);
    assert_int_equal(size_add(40, 2), 42);
    assert_int_equal(arena_rounded(SIZE_MAX - 3), SIZE_MAX);
}

static void test_growing_keeps_what_was_there(void **state)
{
    (void)state;
    int *numbers = memory_grow(NULL, 0, 3, sizeof *numbers, "numbers", NULL);
    assert_non_null(numbers);
    for (int i = 0; i < 3; i++) numbers[i] = i + 1;
    numbers = memory_grow(numbers, 3, 100, sizeof *numbers, "numbers", NULL);
    assert_non_null(numbers);
    assert_true(numbers[0] == 1 && numbers[2] == 3 && all_zero(numbers + 3, 97 * sizeof *numbers));
    numbers = memory_grow(numbers, 100, 2, sizeof *numbers, "numbers", NULL);
    assert_true(numbers != NULL && numbers[1] == 2);
    memory_free(numbers);
    char *text = memory_copy_string("", NULL);
    assert_string_equal(text, "");
    memory_free(text);
}

static void test_chosen_allocations_fail(void **state)
{
    (void)state;
    struct arena arena;
    unsigned long before = memory_allocation_count();
    memory_fail_after(2);
    void *first = memory_allocate(1, 1, "first", NULL), *second = memory_allocate(1, 1, "second", NULL);
    void *third = memory_allocate(1, 1, "third", NULL);
    assert_true(first != NULL && second == NULL && third != NULL);
    assert_int_equal(memory_allocation_count() - before, 3);
    memory_free(first);
    memory_free(third);
    memory_fail_after(1);
    assert_int_equal(arena_init(&arena, 100, "an arena", NULL), STATUS_FAILED);
    assert_null(arena.base);
    arena_free(&arena);
    memory_fail_after(0);
}

static void test_arenas(void **state)
{
    (void)state;
    struct arena arena;
    struct error err = {0};
    assert_int_equal(arena_init(&arena, 5 * 64, "an arena", &err), STATUS_OK);
    char *last = NULL;
    for (size_t i = 0; i < 5; i++) {
        char *piece = arena_take(&arena, 1 + i * 15);
        assert_int_equal((uintptr_t)piece % 64, 0);
        assert_true(all_zero(piece, 64));
        assert_true(last == NULL || piece == last + 64);
        last = piece;
    }
    assert_int_equal(arena.used, 5 * 64);
    arena_free(&arena);
    arena_free(&arena);
    assert_null(arena.base);
    assert_int_equal(arena_init(&arena, SIZE_MAX, "too much", &err), STATUS_FAILED);
    assert_int_equal(arena_init(&arena, SIZE_MAX / 4, "too much", NULL), STATUS_FAILED);
    assert_true(memory_peak_resident() > 100000);
}

/* Runs `act` in a process of its own, silently; gives its wait status. */
static int in_a_child(void (*act)(const char *argument), const char *argument)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO);
        act(argument);
        _exit(0);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    return ended;
}

static void take_too_much(const char *argument)
{
    struct arena arena;
    (void)argument;
    if (arena_init(&arena, 1000, "an arena", NULL) != STATUS_OK) _exit(3);
    arena_take(&arena, arena.size + 1);
}

static void test_running_out_of_an_arena_is_a_bug(void **state)
{
    (void)state;
    int ended = in_a_child(take_too_much, NULL);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT);
}

/* ---- text
 * ----------------------------------------------------------------------------------------------------------- */

static void test_growing_text(void **state)
{
    (void)state;
    struct text text = {0};
    assert_string_equal(text_string(&text), "");
    assert_int_equal(text_append(&text, NULL, 0, NULL), STATUS_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(text_append_format(&text, NULL, "%d,", i), STATUS_OK);
    assert_int_equal(text_append(&text, "end\0more", 8, NULL), STATUS_OK);
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4 + 8);
    assert_memory_equal(text_string(&text), "0,1,2,", 6);
    assert_string_equal(text.bytes + text.length - 4, "more");
    text_free(&text);
    text_free(&text);
    memory_fail_after(1);
    struct error err = {0};
    assert_int_equal(text_append_format(&text, &err, "x"), STATUS_FAILED);
    memory_fail_after(0);
    assert_string_equal(text_string(&text), "");
}

static void test_strict_numbers(void **state)
{
    (void)state;
    int64_t whole = 0;
    double number = 0;
    assert_true(text_to_integer(" -12 ", &whole) && whole == -12);
    assert_true(text_to_integer("9223372036854775807", &whole) && whole == INT64_MAX);
    static const char *const not_whole[] = {"", " ", "12x", "1.0", "0x10", "9223372036854775808", "1 2", "-", "1e3"};
    for (size_t i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++)
        assert_false(text_to_integer(not_whole[i], &whole));
    assert_int_equal(whole, INT64_MAX);
    assert_true(text_to_real(" 2.5e-3\n", &number) && number == 2.5e-3);
    assert_true(text_to_real("-7", &number) && number == -7);
    static const char *const not_real[] = {"", " ", "1.5x", "nan", "inf", "-infinity", "1e999", "1,5", ".", "--1"};
    for (size_t i = 0; i < sizeof not_real / sizeof not_real[0]; i++)
        assert_false(text_to_real(not_real[i], &number));
    assert_true(number == -7);
}

static void test_comparing_and_trimming(void **state)
{
    (void)state;
    char padded[] = " \t a b \r\n", blank[] = " \n", empty[] = "";
    assert_true(text_equal_ignoring_case("Happiness", "hAPPINESS"));
    assert_false(text_equal_ignoring_case("Happy", "Happiness"));
    assert_true(text_ends_with_ignoring_case("A.JPG", ".jpg"));
    assert_false(text_ends_with_ignoring_case("jpg", ".jpg"));
    assert_true(text_ends_with_ignoring_case("x", ""));
    assert_string_equal(text_trim(padded), "a b");
    assert_string_equal(text_trim(blank), "");
    assert_string_equal(text_trim(empty), "");
}

static void test_the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = {"train", "eval", "predict", "export", "import"};
    assert_string_equal(text_nearest("trian", names, 5), "train");
    assert_string_equal(text_nearest("PREDICT", names, 5), "predict");
    assert_string_equal(text_nearest("inport", names, 5), "import");
    assert_string_equal(text_nearest("eva", names, 5), "eval");
    assert_null(text_nearest("zzzzzz", names, 5));
    assert_null(text_nearest("", names, 5));
    assert_null(text_nearest("train", names, 0));
    char longer[500];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(text_nearest(longer, names, 5));
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const joined[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        char *path = path_join(joined[i][0], joined[i][1], NULL);
        assert_string_equal(path, joined[i][2]);
        memory_free(path);
    }
    static const char *const parts[][3] = {
        {"a/b/c.txt", "a/b", "c.txt"}, {"c.txt", ".", "c.txt"}, {"/c", "/", "c"}, {"a/", "a", ""}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *folder = path_folder(parts[i][0], NULL);
        assert_string_equal(folder, parts[i][1]);
        assert_string_equal(path_name(parts[i][0]), parts[i][2]);
        memory_free(folder);
    }
}

/* Foreign names in messages must not steer the terminal: control bytes and what is no UTF-8 become question marks. */
static void test_printable_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"tab\there\x1b[31m\x7f", "tab?here?[31m?"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"cut \xc3", "cut ?"},
        {"cut \xe2\x82", "cut ??"},
        {"lone \x80 \xff", "lone ? ?"},
        {"two for one \xc0\xaf", "two for one ??"},
        {"three for one \xe0\x80\xaf", "three for one ???"},
        {"four for one \xf0\x80\x80\xaf", "four for one ????"},
        {"half a pair \xed\xa0\x80", "half a pair ???"},
        {"beyond \xf4\x90\x80\x80", "beyond ????"},
        {"control in two bytes \xc2\x9b", "control in two bytes ??"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        text_make_printable(text);
        assert_string_equal(text, cases[i][1]);
    }
}

/* ---- random numbers
 * ------------------------------------------------------------------------------------------------- */

static void test_streams_hang_on_their_key(void **state)
{
    (void)state;
    const struct random_stream streams[] = {
        random_stream(1, RANDOM_AUGMENT, 2, 3), random_stream(1, RANDOM_AUGMENT, 2, 3),
        random_stream(1, RANDOM_AUGMENT, 3, 2), random_stream(2, RANDOM_AUGMENT, 1, 3),
        random_stream(1, RANDOM_DROPOUT, 2, 3), random_stream(1, RANDOM_AUGMENT, 2, 4),
        random_stream(0, RANDOM_AUGMENT, 0, 0), random_stream(0, RANDOM_SAMPLER, 0, 0)};
    enum { COUNT = sizeof streams / sizeof streams[0] };
    uint64_t first[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct random_stream own = streams[i];
        first[i] = random_bits(&own);
    }
    assert_true(first[0] == first[1]);
    for (int i = 1; i < COUNT; i++)
        for (int j = i + 1; j < COUNT; j++) assert_true(first[i] != first[j]);
}

/* The numbers are part of what a seed means: they may not change between versions. */
static void test_streams_never_change(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(1, RANDOM_INITIALISE, 2, 3);
    const uint64_t wanted[3] = {UINT64_C(0x16af7ec89f7da8b0), UINT64_C(0x3722e21aec09974b),
                                UINT64_C(0x50dd30be1c07431a)};
    for (int i = 0; i < 3; i++) assert_true(random_bits(&stream) == wanted[i]);
}

/* Sixteen bins of uniform numbers: chi squared with 15 degrees of freedom exceeds 44.3 once in 10,000 times. */
static double chi_squared(const int *bins, int count, int drawn)
{
    double total = 0, expected = (double)drawn / count;
    for (int i = 0; i < count; i++) total += pow(bins[i] - expected, 2) / expected;
    return total;
}

static void test_uniform_numbers(void **state)
{
    (void)state;
    enum { DRAWN = 64000 };
    int bins[16] = {0}, next[16] = {0};
    for (int i = 0; i < DRAWN; i++) {
        struct random_stream stream = random_stream(3, RANDOM_TEST, (uint64_t)i, 0);
        double first = random_uniform(&stream), second = random_uniform(&stream);
        assert_true(first >= 0 && first < 1 && second >= 0 && second < 1);
        bins[(int)(first * 16)]++; /* first numbers of neighbouring keys */
        next[(int)(second * 16)]++;
    }
    assert_true(chi_squared(bins, 16, DRAWN) < 44.3);
    assert_true(chi_squared(next, 16, DRAWN) < 44.3);
    struct random_stream stream = random_stream(3, RANDOM_TEST, 0, 1);
    memset(bins, 0, sizeof bins);
    for (int i = 0; i < DRAWN; i++) bins[(int)((random_between(&stream, -2, 6) + 2) * 2)]++;
    assert_true(chi_squared(bins, 16, DRAWN) < 44.3);
    memset(bins, 0, sizeof bins);
    for (int i = 0; i < DRAWN; i++) bins[random_below(&stream, 13)]++;
    assert_true(chi_squared(bins, 13, DRAWN) < 39.2); /* 12 degrees of freedom */
    assert_true(bins[13] == 0 && bins[14] == 0 && bins[15] == 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(random_below(&stream, 1), 0);
        assert_true(random_below(&stream, UINT64_MAX) < UINT64_MAX);
    }
}

/* Mean 0, variance 1, and the fourth power 3, each within five standard errors. */
static void test_normal_numbers(void **state)
{
    (void)state;
    enum { DRAWN = 100000 };
    struct random_stream stream = random_stream(4, RANDOM_TEST, 0, 0);
    double sum = 0, squares = 0, fourths = 0;
    for (int i = 0; i < DRAWN; i++) {
        double x = random_normal(&stream);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
    }
    assert_true(fabs(sum / DRAWN) < 5 * 0.00316);
    assert_true(fabs(squares / DRAWN - 1) < 5 * 0.00447);
    assert_true(fabs(fourths / DRAWN - 3) < 5 * 0.031);
}

/* Each of the 24 orders of four things about as often. */
static void test_shuffling(void **state)
{
    (void)state;
    enum { DRAWN = 24000 };
    int orders[256] = {0}, bins[24], used = 0;
    struct random_stream stream = random_stream(5, RANDOM_TEST, 0, 0);
    for (int i = 0; i < DRAWN; i++) {
        int64_t items[4] = {0, 1, 2, 3};
        random_shuffle(&stream, items, 4);
        orders[items[0] * 64 + items[1] * 16 + items[2] * 4 + items[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (orders[i] > 0) bins[used++ % 24] = orders[i];
    assert_int_equal(used, 24);
    assert_true(chi_squared(bins, 24, DRAWN) < 56); /* 23 degrees of freedom, once in 10,000 */
    random_shuffle(&stream, NULL, 0);
    int64_t one[1] = {7};
    random_shuffle(&stream, one, 1);
    assert_int_equal(one[0], 7);
}

/* ---- files
 * ---------------------------------------------------------------------------------------------------------- */

static void assert_content(const char *path, const char *wanted)
{
    uint8_t *bytes;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, NULL), STATUS_OK);
    assert_int_equal(size, strlen(wanted));
    assert_string_equal((const char *)bytes, wanted);
    memory_free(bytes);
}

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *opened = opendir(folder);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened)) != NULL;) count += entry->d_name[0] != '.';
    closedir(opened);
    return count;
}

static void test_reading_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct mapped_file mapped;
    struct error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    scratch_text(folder, "full", "hello");
    scratch_text(folder, "empty", "");
    const char *full = scratch_path(folder, "full"), *empty = scratch_path(folder, "empty");
    assert_content(full, "hello");
    assert_content(empty, "");
    assert_int_equal(file_map(&mapped, full, NULL), STATUS_OK);
    assert_true(mapped.size == 5 && memcmp(mapped.bytes, "hello", 5) == 0);
    file_unmap(&mapped);
    file_unmap(&mapped);
    assert_int_equal(file_map(&mapped, empty, NULL), STATUS_OK);
    assert_true(mapped.size == 0 && mapped.bytes == NULL);
    file_unmap(&mapped);
    assert_int_equal(file_read(full, 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "limit of 4"));
    assert_null(bytes);
    error_clear(&err);
    assert_int_equal(file_read(folder, 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "not a regular file"));
    error_clear(&err);
    bytes = (uint8_t *)folder;
    assert_int_equal(file_read(scratch_path(folder, "none"), 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "No such file"));
    assert_null(bytes);
    assert_int_equal(file_map(&mapped, scratch_path(folder, "none"), NULL), STATUS_FAILED);
    assert_int_equal(file_map(&mapped, folder, NULL), STATUS_FAILED);
    assert_null(mapped.bytes);
    assert_true(file_exists(full) && !file_exists(folder) && !file_exists(scratch_path(folder, "none")));
    assert_true(folder_exists(folder) && !folder_exists(full));
    scratch_remove(folder);
}

static void test_making_folders(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    assert_int_equal(folder_create(scratch_path(folder, "a/b//c/"), NULL), STATUS_OK);
    assert_true(folder_exists(scratch_path(folder, "a/b/c")));
    assert_int_equal(folder_create(scratch_path(folder, "a/b"), NULL), STATUS_OK);
    scratch_text(folder, "file", "");
    assert_int_equal(folder_create(scratch_path(folder, "file/below"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "file"));
    assert_int_equal(folder_create(scratch_path(folder, "file"), NULL), STATUS_FAILED);
    assert_int_equal(folder_create("", NULL), STATUS_FAILED);
    scratch_remove(folder);
}

static void test_atomic_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file file;
    scratch_text(folder, "target", "old");
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_content(path, "old");
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(path, "new");
    atomic_file_abandon(&file);
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("never", file.stream);
    atomic_file_abandon(&file);
    atomic_file_abandon(&file);
    assert_content(path, "new");
    assert_int_equal(count_files(folder), 1);
    scratch_remove(folder);
}

/* A link is followed to its file; a device and a pipe are written through, and stay what they are. */
static void test_targets_that_are_no_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct atomic_file file;
    struct stat facts;
    const char *link = scratch_path(folder, "link"), *target = scratch_path(folder, "sub/target");
    scratch_text(folder, "sub/target", "old");
    assert_int_equal(chmod(target, 0600), 0);
    assert_int_equal(symlink("sub/target", link), 0);
    assert_int_equal(atomic_file_open(&file, link, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(target, "new");
    assert_int_equal(lstat(link, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    assert_int_equal(stat(target, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);

    const char *pipe = scratch_path(folder, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int reader = open(pipe, O_RDONLY | O_NONBLOCK);
    assert_int_equal(atomic_file_open(&file, pipe, NULL), STATUS_OK);
    fputs("through", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    char got[16] = "";
    assert_int_equal(read(reader, got, sizeof got), 7);
    assert_string_equal(got, "through");
    close(reader);
    assert_int_equal(lstat(pipe, &facts), 0);
    assert_true(S_ISFIFO(facts.st_mode));

    struct error err = {0};
    assert_int_equal(symlink("loop", scratch_path(folder, "loop")), 0);
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "loop"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "symbolic links"));
    scratch_remove(folder);
}

/* What a killed writer left is removed by the next one; what a living one writes, and other files, stay. */
static void test_stale_temporary_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file living;
    scratch_text(folder, "target.tmp.0123456789abcdef", "left by a kill");
    scratch_text(folder, "target.tmp.notes", "mine");
    scratch_text(folder, "other.tmp.0123456789abcdef", "of another target");
    assert_int_equal(atomic_file_open(&living, path, NULL), STATUS_OK);
    assert_int_equal(count_files(folder), 4);
    atomic_file_remove_stale(path);
    assert_int_equal(count_files(folder), 3);
    assert_false(file_exists(scratch_path(folder, "target.tmp.0123456789abcdef")));
    fputs("whole", living.stream);
    assert_int_equal(atomic_file_commit(&living, NULL), STATUS_OK);
    assert_content(path, "whole");
    scratch_remove(folder);
}

/* Loaded bytes stay when the file is cut short; the reason of a failed mkdir is not overwritten by a later look. */
static void test_files_changed_by_others(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct mapped_file loaded;
    struct error err = {0};
    scratch_text(folder, "file", "hello");
    assert_int_equal(file_load(&loaded, scratch_path(folder, "file"), NULL), STATUS_OK);
    assert_int_equal(truncate(scratch_path(folder, "file"), 0), 0);
    assert_memory_equal(loaded.bytes, "hello", 5);
    file_unmap(&loaded);
    assert_int_equal(folder_create("/proc/none", &err), STATUS_FAILED);
    assert_null(strstr(err.message, "Success"));
    error_clear(&err);
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(folder_create(scratch_path(folder, name), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "File name too long"));
    scratch_remove(folder);
}

static void test_atomic_files_that_cannot_be_written(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct atomic_file file;
    struct error err = {0};
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "none/x"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "cannot be written"));
    /* A folder stands where the file should go. */
    assert_int_equal(folder_create(scratch_path(folder, "taken/full"), NULL), STATUS_OK);
    error_clear(&err);
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "taken"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "Is a directory"));
    assert_int_equal(count_files(folder), 1);
    scratch_text(folder, "target", "old");
    for (long i = 1; i <= 2; i++) {
        memory_fail_after(i);
        assert_int_equal(atomic_file_open(&file, scratch_path(folder, "target"), NULL), STATUS_FAILED);
        memory_fail_after(0);
    }
    assert_content(scratch_path(folder, "target"), "old");
    assert_int_equal(count_files(folder), 2);
    scratch_remove(folder);
}

/* A full disk, seen by the stream: the old file stays and nothing is left beside it. */
static void test_atomic_files_on_a_full_disk(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file file;
    struct error err = {0};
    scratch_text(folder, "target", "old");
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    FILE *full = freopen("/dev/full", "w", file.stream);
    assert_non_null(full);
    file.stream = full;
    fputs("too much", file.stream);
    assert_int_equal(atomic_file_commit(&file, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "No space left"));
    assert_content(path, "old");
    assert_int_equal(count_files(folder), 1);
    scratch_remove(folder);
}

static void write_and_die(const char *path)
{
    struct atomic_file file;
    if (atomic_file_open(&file, path, NULL) != STATUS_OK) _exit(3);
    fputs("half of the ne", file.stream);
    fflush(file.stream);
    raise(SIGKILL);
}

static void test_a_crash_leaves_the_old_file(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    scratch_text(folder, "target", "old");
    int ended = in_a_child(write_and_die, path);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    assert_content(path, "old");
    /* What the dead left does not stand in the way. */
    struct atomic_file file;
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(path, "new");
    scratch_remove(folder);
}

/* ---- threads and messages
 * ------------------------------------------------------------------------------------------- */

static void test_sharing_work(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++)
        for (int workers = 1; workers < 12; workers++) {
            size_t next = 0, least = SIZE_MAX, most = 0;
            for (int i = 0; i < workers; i++) {
                struct range mine = threads_share(count, i, workers);
                assert_int_equal(mine.begin, next);
                assert_true(mine.end >= mine.begin);
                size_t size = mine.end - mine.begin;
                if (size < least) least = size;
                if (size > most) most = size;
                next = mine.end;
            }
            assert_int_equal(next, count);
            assert_true(most - least <= 1);
        }
    assert_true(threads_available() >= 1);
    threads_set(3);
    assert_true(threads_get() == 3 || getenv("OMP_THREAD_LIMIT") != NULL);
    threads_set(0);
    assert_int_equal(threads_get(), 1);
}

/* Sends standard error to `path` while all four kinds of message are written. */
static void write_messages(const char *path, enum log_level level, FILE *also)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    close(file);
    log_set_level(level);
    log_set_copy(also);
    log_error("e %d", 1);
    log_warning("w");
    log_info("i");
    log_verbose("v");
    log_set_copy(NULL);
    assert_int_equal(log_get_level(), level);
    log_set_level(LOG_NORMAL);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static void test_messages_by_level(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "messages");
    write_messages(path, LOG_QUIET, NULL);
    assert_content(path, "rmfer: error: e 1\n");
    write_messages(path, LOG_NORMAL, NULL);
    assert_content(path, "rmfer: error: e 1\nrmfer: warning: w\ni\n");
    FILE *copy = fopen(scratch_path(folder, "log.txt"), "w");
    assert_non_null(copy);
    write_messages(path, LOG_VERBOSE, copy);
    fclose(copy);
    assert_content(path, "rmfer: error: e 1\nrmfer: warning: w\ni\nv\n");
    /* The copy gets all of them, each behind "2024-01-31 12:00:00 ". */
    copy = fopen(scratch_path(folder, "log.txt"), "r");
    char line[100];
    int lines = 0;
    for (; fgets(line, sizeof line, copy) != NULL; lines++)
        assert_true(strlen(line) > 20 && line[4] == '-' && line[13] == ':' && line[19] == ' ');
    fclose(copy);
    assert_int_equal(lines, 4);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_message_wins),
        cmocka_unit_test(test_errors_without_a_place_to_go),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_blocks_are_zeroed_and_aligned),
        cmocka_unit_test(test_impossible_blocks_are_refused),
        cmocka_unit_test(test_growing_keeps_what_was_there),
        cmocka_unit_test(test_chosen_allocations_fail),
        cmocka_unit_test(test_arenas),
        cmocka_unit_test(test_running_out_of_an_arena_is_a_bug),
        cmocka_unit_test(test_growing_text),
        cmocka_unit_test(test_strict_numbers),
        cmocka_unit_test(test_comparing_and_trimming),
        cmocka_unit_test(test_the_nearest_name),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_printable_text),
        cmocka_unit_test(test_streams_hang_on_their_key),
        cmocka_unit_test(test_streams_never_change),
        cmocka_unit_test(test_uniform_numbers),
        cmocka_unit_test(test_normal_numbers),
        cmocka_unit_test(test_shuffling),
        cmocka_unit_test(test_reading_files),
        cmocka_unit_test(test_making_folders),
        cmocka_unit_test(test_atomic_files),
        cmocka_unit_test(test_targets_that_are_no_files),
        cmocka_unit_test(test_stale_temporary_files),
        cmocka_unit_test(test_files_changed_by_others),
        cmocka_unit_test(test_atomic_files_that_cannot_be_written),
        cmocka_unit_test(test_atomic_files_on_a_full_disk),
        cmocka_unit_test(test_a_crash_leaves_the_old_file),
        cmocka_unit_test(test_sharing_work),
        cmocka_unit_test(test_messages_by_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
