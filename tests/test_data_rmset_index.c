/* The RMset index: rows, messages, staleness, paths; draws against brute force, uniformity by chi-square. */
#define _GNU_SOURCE
#include "rmfer/data/rmset_index.h"

#include "data/rmset_index_format.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], csv[96];
static struct error err;

static int make_folder(void **state)
{
    (void)state;
    log_set_level(LOG_QUIET);
    err = (struct error){0};
    strcpy(folder, "/tmp/rmfer-rmset-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(csv, sizeof csv, "%s/index.csv", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *open_folder = opendir(folder);
    struct dirent *entry;
    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    if (open_folder != NULL) closedir(open_folder);
    return rmdir(folder);
}

static void write_csv(const char *text)
{
    FILE *file = fopen(csv, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct rmset_options options_with(int64_t every, double fraction, int64_t near, int64_t far)
{
    return (struct rmset_options){
        .csv = csv, .every = every, .fraction = fraction, .seed = 3, .near = near, .far = far};
}

static struct rmset_index *open_with(int64_t every, double fraction, int64_t near, int64_t far)
{
    struct rmset_options options = options_with(every, fraction, near, far);
    struct rmset_index *index = NULL;
    err = (struct error){0};
    status result = rmset_index_open(&index, &options, &err);
    if (result != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(result, STATUS_OK);
    return index;
}

static void assert_refused(const char *text, const char *message)
{
    struct rmset_options options = options_with(1, 1, 5, 30);
    struct rmset_index *index = NULL;
    write_csv(text);
    err = (struct error){0};
    assert_int_equal(rmset_index_open(&index, &options, &err), STATUS_FAILED);
    assert_null(index);
    assert_ptr_equal(strstr(err.message, csv), err.message);
    assert_string_equal(err.message + strlen(csv), message);
}

#define HEADER "video,frame,face,path\n"

static void test_messages_name_the_row(void **state)
{
    (void)state;
    assert_refused("", ": no face in it");
    assert_refused("a,1,2,x.jpg\n", ":1: the first line is not the header video,frame,face,path[,x,y,w,h,score]");
    assert_refused(HEADER, ": no face in it");
    assert_refused(HEADER "a,1,0,x\na,2,0\n", ":3: fewer than the four columns video,frame,face,path");
    assert_refused(HEADER "a,1,0,x\na,-2,0,x\n", ":3: frame is not a whole number of 0 .. 4294967295");
    assert_refused(HEADER "a,1,0,x\na,4294967296,0,x\n", ":3: frame is not a whole number of 0 .. 4294967295");
    assert_refused(HEADER "a,1,b,x\n", ":2: face is not a whole number of 0 .. 4294967295");
    assert_refused(HEADER "a,1,1,\n", ":2: the path is empty");
    assert_refused(HEADER ",1,1,x\n", ":2: the video has no name");
    assert_refused(HEADER "a,1,1,\"x\n", ":2: a quote is not closed");
    assert_refused(HEADER "a,5,0,x\na,4,0,y\n", ":3: frame 4 after frame 5 of the same video: sort the rows by video, "
                                                "frame, face");
    assert_refused(HEADER "a,5,1,x\na,5,0,y\n", ":3: face 0 after face 1 of the same frame: sort the rows by video, "
                                                "frame, face");
    assert_refused(HEADER "a,5,1,x\na,5,1,y\n", ":3: face 1 of frame 5 stands there twice");
    assert_refused(HEADER "b,5,1,x\na,5,1,y\n", ":3: video a after video b: sort the rows by video, frame, face");
    assert_refused(HEADER "a,5,1,x\nb,5,1,y\na,6,1,z\n",
                   ":4: video a after video b: sort the rows by video, frame, face");
    assert_refused(HEADER "10,5,1,x\n9,5,1,y\n10,6,1,z\n",
                   ":4: video 10 after video 9: sort the rows by video, frame, face");
}

static void test_numbered_videos_may_be_in_either_order(void **state)
{
    (void)state;
    write_csv(HEADER "1,5,1,x\n2,5,1,y\n10,6,1,z\n");
    struct rmset_index *index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_videos(index), 3);
    rmset_index_close(index);
    write_csv(HEADER "1,5,1,x\n10,5,1,y\n2,6,1,z\n");
    index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_videos(index), 3);
    rmset_index_close(index);
}

static void assert_path(const struct rmset_index *index, uint64_t row, const char *wanted, int64_t wanted_offset)
{
    struct text path = {0};
    int64_t offset;
    char whole[300];
    snprintf(whole, sizeof whole, "%s%s%s", wanted[0] == '/' ? "" : folder, wanted[0] == '/' ? "" : "/", wanted);
    assert_int_equal(rmset_index_path(index, row, &path, &offset, &err), STATUS_OK);
    assert_string_equal(text_string(&path), whole);
    assert_int_equal(offset, wanted_offset);
    text_free(&path);
}

static void test_paths_are_found(void **state)
{
    (void)state;
    write_csv("\xef\xbb\xbfvideo,frame,face,path,x,y,w,h,score\r\na,0,0,one.jpg,1,2,3,4,0.5\r\n\r\n"
              "a,1,0,\"two, \"\"2\"\".jpg\"\r\n\"b\",0,7,where.jpg\r\nb,4,7,s/1.tar#512\r\nb,5,7,odd#512\r\n"
              "b,6,7,S.Tar#0\r\nb,7,7,s.tar#+5\r\nb,8,7,s.tar#\r\nb,9,7,s.tar#-1\r\nb,10,7,s.tar# 5");
    struct rmset_index *index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_faces(index), 10);
    assert_path(index, 0, "one.jpg", -1);
    assert_path(index, 1, "two, \"2\".jpg", -1);
    assert_path(index, 2, "where.jpg", -1);
    assert_path(index, 3, "s/1.tar", 512);
    assert_path(index, 4, "odd#512", -1);
    assert_path(index, 5, "S.Tar", 0);
    assert_path(index, 6, "s.tar#+5", -1);
    assert_path(index, 7, "s.tar#", -1);
    assert_path(index, 8, "s.tar#-1", -1);
    assert_path(index, 9, "s.tar# 5", -1);
    struct rmset_face face = rmset_index_face(index, 3);
    assert_int_equal(face.video, 1);
    assert_int_equal(face.frame, 4);
    assert_int_equal(face.person, 7);
    rmset_index_close(index);
}

static void test_pictures_are_read(void **state)
{
    (void)state;
    write_csv(HEADER "a,0,0,one.jpg\na,1,0,missing.jpg\n");
    char picture[120];
    snprintf(picture, sizeof picture, "%s/one.jpg", folder);
    FILE *file = fopen(picture, "wb");
    assert_non_null(file);
    fputs("not really", file);
    fclose(file);
    struct rmset_index *index = open_with(1, 1, 5, 30);
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(rmset_index_read(index, 0, &bytes, &size, &err), STATUS_OK);
    assert_int_equal(size, 10);
    assert_memory_equal(bytes, "not really", 10);
    memory_free(bytes);
    assert_int_equal(rmset_index_read(index, 1, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "missing.jpg"));
    rmset_index_close(index);
}

static void assert_outside(struct rmset_index *index, uint64_t row)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    err = (struct error){0};
    assert_int_equal(rmset_index_read(index, row, &bytes, &size, &err), STATUS_FAILED);
    if (strstr(err.message, "rmset.allow_outside") == NULL) fail_msg("row %d: %s", (int)row, err.message);
}

/* A file outside under a name of the folder. */
static void link_outside(const char *name)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void test_rows_stay_in_their_folder(void **state)
{
    (void)state;
    char inner[120];
    write_csv(HEADER
              "a,0,0,../../etc/passwd\na,1,0,/etc/passwd\na,2,0,link\na,3,0,x/..\na,4,0,link.tar#512\na,5,0,x..y\n"
              "a,6,0,plain.tar#+5\na,7,0,LINK.Tar#0\n");
    link_outside("link");
    link_outside("link.tar");
    link_outside("plain.tar#+5"); /* no member's name: a file of its own */
    link_outside("LINK.Tar");
    snprintf(inner, sizeof inner, "%s/x..y", folder);
    FILE *file = fopen(inner, "wb");
    assert_non_null(file);
    fputs("inside", file);
    fclose(file);
    struct rmset_index *index = open_with(1, 1, 5, 30);
    for (uint64_t row = 0; row < 5; row++) assert_outside(index, row);
    for (uint64_t row = 6; row < 8; row++) assert_outside(index, row);
    uint8_t *bytes = NULL;
    size_t size = 0;
    err = (struct error){0};
    assert_int_equal(rmset_index_read(index, 5, &bytes, &size, &err), STATUS_OK);
    memory_free(bytes);
    rmset_index_close(index);

    struct rmset_options options = options_with(1, 1, 5, 30);
    options.allow_outside = true;
    assert_int_equal(rmset_index_open(&index, &options, &err), STATUS_OK);
    for (uint64_t row = 1; row < 3; row++) {
        assert_int_equal(rmset_index_read(index, row, &bytes, &size, &err), STATUS_OK);
        memory_free(bytes);
    }
    rmset_index_close(index);
}

/* ---- made-up videos ---------------------------------------------------------------------------------------------- */

enum { MOST_FACES = 4096 };
static struct rmset_face made[MOST_FACES];
static size_t made_count;

/* A random set: faces appear, disappear and have odd numbers; some frames are missing. Long names fill blocks. */
static void make_set(uint64_t seed, int videos, int frames, int persons, double presence)
{
    struct random_stream stream = random_stream(seed, RANDOM_TEST, 0, 0);
    FILE *file = fopen(csv, "wb");
    assert_non_null(file);
    fputs(HEADER, file);
    made_count = 0;
    for (int video = 0; video < videos; video++)
        for (int frame = 0; frame < frames; frame++)
            for (int person = 0; person < persons; person++) {
                if (random_uniform(&stream) > presence || made_count == MOST_FACES) continue;
                struct rmset_face face = {(uint64_t)video, (uint32_t)(frame * 3), (uint32_t)(person * person * 11)};
                made[made_count] = face;
                fprintf(file, "v%03d,%u,%u,v%03d/%u-%u.jpg\n", video, (unsigned)face.frame, (unsigned)face.person,
                        video, (unsigned)face.frame, (unsigned)face.person);
                made_count++;
            }
    assert_int_equal(fclose(file), 0);
}

static bool is_positive(const struct rmset_face *anchor, const struct rmset_face *other, int64_t near)
{
    int64_t distance = llabs((int64_t)anchor->frame - (int64_t)other->frame);
    return anchor->video == other->video && anchor->person != other->person && distance <= near;
}

static bool is_negative(const struct rmset_face *anchor, const struct rmset_face *other, int64_t far)
{
    int64_t distance = llabs((int64_t)anchor->frame - (int64_t)other->frame);
    return anchor->video == other->video && anchor->person == other->person && distance > far;
}

static void count_by_hand(size_t anchor, int64_t near, int64_t far, uint64_t *positives, uint64_t *negatives)
{
    *positives = *negatives = 0;
    for (size_t i = 0; i < made_count; i++) {
        *positives += is_positive(&made[anchor], &made[i], near);
        *negatives += is_negative(&made[anchor], &made[i], far);
    }
}

static void assert_rows_match(const struct rmset_index *index)
{
    assert_int_equal(rmset_index_faces(index), made_count);
    for (size_t i = 0; i < made_count; i++) {
        struct rmset_face face = rmset_index_face(index, i);
        assert_true(face.frame == made[i].frame && face.person == made[i].person);
        char path[64];
        snprintf(path, sizeof path, "v%03d/%u-%u.jpg", (int)made[i].video, (unsigned)face.frame, (unsigned)face.person);
        assert_path(index, i, path, -1);
    }
}

static void assert_counts_match(const struct rmset_index *index, int64_t near, int64_t far)
{
    for (size_t i = 0; i < made_count; i++) {
        uint64_t positives, negatives, wanted_positives, wanted_negatives;
        rmset_index_candidates(index, i, &positives, &negatives);
        count_by_hand(i, near, far, &wanted_positives, &wanted_negatives);
        assert_int_equal(positives, wanted_positives);
        assert_int_equal(negatives, wanted_negatives);
    }
}

/* Every drawn face is a candidate; none comes twice where there are enough. */
enum { POSITIVES = 6, NEGATIVES = 5 };

static void assert_candidates_hold(const uint64_t *rows, int64_t near, int64_t far)
{
    uint64_t positives, negatives;
    const struct rmset_face *anchor = &made[rows[0]];
    count_by_hand(rows[0], near, far, &positives, &negatives);
    assert_true(positives > 0 && negatives > 0);
    for (size_t i = 0; i < POSITIVES; i++) {
        assert_true(is_positive(anchor, &made[rows[1 + i]], near));
        for (size_t j = 0; j < i && positives >= POSITIVES; j++) assert_true(rows[1 + i] != rows[1 + j]);
    }
    const uint64_t *far_rows = rows + 1 + POSITIVES;
    for (size_t i = 0; i < NEGATIVES; i++) {
        assert_true(is_negative(anchor, &made[far_rows[i]], far));
        for (size_t j = 0; j < i && negatives >= NEGATIVES; j++) assert_true(far_rows[i] != far_rows[j]);
    }
}

static void assert_draw_holds(const struct rmset_index *index, uint64_t step, int64_t near, int64_t far)
{
    uint64_t rows[1 + POSITIVES + NEGATIVES];
    assert_int_equal(rmset_index_draw(index, 9, step, 0, POSITIVES, NEGATIVES, rows, &err), STATUS_OK);
    assert_candidates_hold(rows, near, far);
}

/* A named anchor gets candidates of the same kinds, the same again for its key, others for another. */
static void assert_named_draw_holds(const struct rmset_index *index, uint64_t row, int64_t near, int64_t far)
{
    uint64_t rows[1 + POSITIVES + NEGATIVES], again[1 + POSITIVES + NEGATIVES], positives, negatives;
    count_by_hand(row, near, far, &positives, &negatives);
    status result = rmset_index_draw_for(index, row, 4, POSITIVES, NEGATIVES, rows, &err);
    assert_int_equal(result, positives > 0 && negatives > 0 ? STATUS_OK : STATUS_FAILED);
    if (result != STATUS_OK) return;
    assert_int_equal(rows[0], row);
    assert_candidates_hold(rows, near, far);
    assert_int_equal(rmset_index_draw_for(index, row, 4, POSITIVES, NEGATIVES, again, &err), STATUS_OK);
    assert_memory_equal(rows, again, sizeof rows);
    if (positives < 20 || negatives < 20) return; /* few may well be drawn in the same order twice */
    assert_int_equal(rmset_index_draw_for(index, row, 5, POSITIVES, NEGATIVES, again, &err), STATUS_OK);
    assert_memory_not_equal(rows, again, sizeof rows);
}

static void test_a_face_is_found_by_its_name(void **state)
{
    (void)state;
    uint64_t row = 0;
    write_csv("video,frame,face,path\n\"a \"\"b\"\"\",1,0,x.jpg\n\"a \"\"b\"\"\",1,7,x.jpg\n\"a \"\"b\"\"\",9,0,x.jpg\n"
              "film,3,2,x.jpg\n");
    struct rmset_index *index = open_with(1, 1, 5, 30);
    struct text name = {0};
    assert_int_equal(rmset_index_video_name(index, 0, &name, &err), STATUS_OK);
    assert_string_equal(text_string(&name), "a \"b\"");
    text_free(&name);
    assert_int_equal(rmset_index_find(index, "a \"b\"", 1, 7, &row, &err), STATUS_OK);
    assert_int_equal(row, 1);
    assert_int_equal(rmset_index_find(index, "film", 3, 2, &row, &err), STATUS_OK);
    assert_int_equal(row, 3);
    static const struct {
        const char *video;
        uint32_t frame, face;
        const char *says;
    } wrong[] = {{"fill", 3, 2, "did you mean 'film'?"},           {"a \"b\"", 4, 0, "nearest frame with one is 1"},
                 {"a \"b\"", 6, 0, "nearest frame with one is 9"}, {"a \"b\"", 900, 0, "nearest frame with one is 9"},
                 {"film", 0, 0, "nearest frame with one is 3"},    {"a \"b\"", 1, 2, "there are 0 7"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        error_clear(&err);
        assert_int_equal(rmset_index_find(index, wrong[i].video, wrong[i].frame, wrong[i].face, &row, &err),
                         STATUS_FAILED);
        if (strstr(err.message, wrong[i].says) == NULL) fail_msg("%s", err.message);
    }
    rmset_index_close(index);
}

static void test_draws_hold_against_brute_force(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        int64_t near = (int64_t)(seed % 4) * 4, far = (int64_t)(seed % 5) * 10;
        make_set(seed, 1 + (int)seed % 4, 40, 2 + (int)seed % 5, 0.2 + 0.07 * (double)seed);
        struct rmset_index *index = open_with(1, 1, near, far);
        assert_rows_match(index);
        assert_counts_match(index, near, far);
        for (uint64_t step = 0; step < 100; step++) assert_draw_holds(index, step, near, far);
        for (size_t row = 0; row < made_count; row += 3) assert_named_draw_holds(index, row, near, far);
        rmset_index_close(index);
    }
}

static void test_frames_are_left_out(void **state)
{
    (void)state;
    make_set(1, 2, 60, 4, 0.8);
    size_t kept = 0;
    for (size_t i = 0; i < made_count; i++)
        if (made[i].frame % 6 == 0) made[kept++] = made[i];
    made_count = kept;
    struct rmset_index *index = open_with(6, 1, 6, 20);
    assert_rows_match(index);
    assert_counts_match(index, 6, 20);
    rmset_index_close(index);
    index = open_with(1000, 1, 6, 20); /* frame 0 alone */
    assert_true(rmset_index_faces(index) <= 8);
    assert_false(rmset_index_has_anchors(index));
    uint64_t rows[3];
    assert_int_equal(rmset_index_draw(index, 0, 0, 0, 1, 1, rows, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "no face of the 2 chosen videos"));
    rmset_index_close(index);
}

static void test_draws_depend_on_the_key_alone(void **state)
{
    (void)state;
    make_set(5, 3, 40, 4, 0.7);
    struct rmset_index *index = open_with(1, 1, 5, 30);
    uint64_t first[101], again[101], other[101];
    assert_int_equal(rmset_index_draw(index, 1, 2, 3, 50, 50, first, &err), STATUS_OK);
    assert_int_equal(rmset_index_draw(index, 1, 2, 4, 50, 50, other, &err), STATUS_OK);
    rmset_index_close(index);
    index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_draw(index, 1, 2, 3, 50, 50, again, &err), STATUS_OK);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    rmset_index_close(index);
}

/* ---- uniformity -------------------------------------------------------------------------------------------------- */

/* Pearson's statistic of counts that should be equal, as standard deviations above its expectation (k - 1). */
static double excess(const size_t *counts, size_t bins, double expected)
{
    double sum = 0;
    for (size_t i = 0; i < bins; i++) sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    return (sum - (double)(bins - 1)) / __builtin_sqrt(2.0 * (double)(bins - 1));
}

static void test_anchors_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    make_set(7, 3, 40, 3, 0.5);
    struct rmset_index *index = open_with(1, 1, 3, 30);
    size_t eligible = 0, counts[MOST_FACES] = {0}, kept[MOST_FACES];
    for (uint64_t step = 0; step < DRAWS; step++) {
        uint64_t rows[3];
        assert_int_equal(rmset_index_draw(index, 1, step, 0, 1, 1, rows, &err), STATUS_OK);
        counts[rows[0]]++;
    }
    for (size_t i = 0; i < made_count; i++) {
        uint64_t positives, negatives;
        count_by_hand(i, 3, 30, &positives, &negatives);
        if (positives > 0 && negatives > 0)
            kept[eligible++] = counts[i];
        else
            assert_int_equal(counts[i], 0);
    }
    assert_true(eligible > 50 && eligible < made_count);
    assert_true(excess(kept, eligible, (double)DRAWS / (double)eligible) < 5);
    rmset_index_close(index);
}

static void test_candidates_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 120000, FRAMES = 30 };
    FILE *file = fopen(csv, "wb");
    assert_non_null(file);
    fputs(HEADER, file);
    made_count = 0;
    for (unsigned frame = 0; frame < FRAMES; frame++)
        for (unsigned person = 0; person < 4; person++, made_count++) {
            fprintf(file, "v,%u,%u,x\n", frame, person);
            made[made_count] = (struct rmset_face){0, frame, person};
        }
    fclose(file);
    struct rmset_index *index = open_with(1, 1, 2, 8);
    /* By frame distance and person distance from anchors in the middle, each candidate is equally likely. */
    size_t positive[5 * 3] = {0}, negative[FRAMES] = {0}, anchors = 0;
    for (uint64_t step = 0; step < DRAWS; step++) {
        uint64_t rows[1 + 3 + 3];
        assert_int_equal(rmset_index_draw(index, 4, step, 1, 3, 3, rows, &err), STATUS_OK);
        const struct rmset_face *anchor = &made[rows[0]];
        if (anchor->frame != 14) continue;
        anchors++;
        for (size_t i = 1; i < 4; i++) {
            const struct rmset_face *other = &made[rows[i]];
            positive[(other->frame - 12) * 3 + (other->person - anchor->person - 1) % 4]++;
        }
        for (size_t i = 4; i < 7; i++) negative[made[rows[i]].frame]++;
    }
    assert_true(excess(positive, 15, (double)anchors * 3 / 15) < 5);
    size_t far[FRAMES], far_count = 0;
    for (int frame = 0; frame < FRAMES; frame++)
        if (abs(frame - 14) > 8)
            far[far_count++] = negative[frame];
        else
            assert_int_equal(negative[frame], 0);
    assert_true(excess(far, far_count, (double)anchors * 3 / (double)far_count) < 5);
    rmset_index_close(index);
}

static void test_fraction_chooses_whole_videos(void **state)
{
    (void)state;
    make_set(2, 10, 30, 3, 0.9);
    bool half[10] = {false};
    static const double fractions[] = {0, 0.5, 0.84, 1};
    static const size_t wanted[] = {0, 5, 8, 10};
    for (size_t f = 0; f < 4; f++) {
        struct rmset_index *index = open_with(1, fractions[f], 5, 30);
        assert_int_equal(rmset_index_chosen_videos(index), wanted[f]);
        assert_int_equal(rmset_index_has_anchors(index), f > 0);
        bool seen[10] = {false};
        size_t videos = 0, faces = 0;
        for (uint64_t step = 0; step < 500 && f > 0; step++) {
            uint64_t rows[3];
            assert_int_equal(rmset_index_draw(index, 0, step, 0, 1, 1, rows, &err), STATUS_OK);
            seen[made[rows[0]].video] = true;
        }
        for (size_t v = 0; v < 10; v++) videos += seen[v];
        for (size_t i = 0; i < made_count; i++) faces += seen[made[i].video];
        assert_int_equal(videos, wanted[f]);
        assert_int_equal(rmset_index_chosen_faces(index), faces);
        if (f == 1) memcpy(half, seen, sizeof half);
        for (size_t v = 0; v < 10 && f == 2; v++) assert_true(seen[v] || !half[v]);
        rmset_index_close(index);
    }
}

/* Above 65,536 faces anchors are drawn by rejection, or listed where they are rare. */
static void write_many(unsigned videos, unsigned lonely)
{
    FILE *file = fopen(csv, "wb");
    assert_non_null(file);
    fputs(HEADER, file);
    for (unsigned video = 0; video < videos; video++)
        for (unsigned frame = 0; frame < 1000; frame++)
            for (unsigned person = 0; person < (video < lonely ? 1U : 2U); person++)
                fprintf(file, "%u,%u,%u,a\n", video, frame, person);
    fclose(file);
}

static void test_rare_anchors_are_found(void **state)
{
    (void)state;
    static const unsigned lonely[] = {0, 69, 70};
    for (size_t i = 0; i < 3; i++) {
        write_many(70, lonely[i]);
        struct rmset_index *index = open_with(1, 1, 0, i == 1 ? 998 : 30);
        uint64_t rows[3];
        assert_int_equal(rmset_index_has_anchors(index), i < 2);
        for (uint64_t step = 0; step < 200 && i < 2; step++) {
            assert_int_equal(rmset_index_draw(index, 0, step, 0, 1, 1, rows, &err), STATUS_OK);
            struct rmset_face face = rmset_index_face(index, rows[0]);
            assert_true(face.video >= lonely[i]);
            assert_true(i == 0 || face.frame == 0 || face.frame == 999);
        }
        rmset_index_close(index);
    }
}

/* ---- the binary index -------------------------------------------------------------------------------------------- */

static void test_a_changed_list_is_indexed_again(void **state)
{
    (void)state;
    write_csv(HEADER "a,1,0,x\n");
    struct rmset_index *index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_faces(index), 1);
    rmset_index_close(index);
    char binary[120];
    struct stat first, second;
    snprintf(binary, sizeof binary, "%s.index", csv);
    assert_int_equal(stat(binary, &first), 0);
    rmset_index_close(open_with(1, 1, 5, 30));
    assert_int_equal(stat(binary, &second), 0);
    assert_true(first.st_ino == second.st_ino); /* not built again */
    write_csv(HEADER "a,2,0,x\n");              /* the same size */
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(0, csv, times, 0), 0);
    index = open_with(1, 1, 5, 30);
    assert_int_equal(rmset_index_face(index, 0).frame, 2);
    write_csv(HEADER "b,3,0,y,longer\n"); /* changed while open */
    struct text path = {0};
    int64_t offset;
    assert_int_equal(rmset_index_path(index, 0, &path, &offset, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "changed while it was in use"));
    text_free(&path);
    rmset_index_close(index);
}

/* Gives bytes the checksum of a whole index. */
static void seal(uint8_t *bytes, size_t size)
{
    struct crc32c_tables tables;
    struct rmset_header header;
    crc32c_prepare(&tables);
    memcpy(&header, bytes, sizeof header);
    uint32_t body = crc32c_extend(&tables, 0, bytes + sizeof header, size - sizeof header);
    header.checksum = rmset_header_checksum(&header, &tables, body);
    memcpy(bytes, &header, sizeof header);
}

static void test_a_flipped_bit_of_the_index_is_noticed(void **state)
{
    (void)state;
    struct stat first, second;
    char binary[120];
    write_csv(HEADER "a,1,0,x\na,40,0,y\na,41,1,z\n");
    snprintf(binary, sizeof binary, "%s.index", csv);
    rmset_index_close(open_with(1, 1, 5, 30));
    assert_int_equal(stat(binary, &first), 0);
    for (long at = 0; at < first.st_size; at += 3) {
        FILE *file = fopen(binary, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        fputc(byte ^ (1 << at % 8), file);
        fclose(file);
        assert_int_equal(stat(binary, &first), 0);
        rmset_index_close(open_with(1, 1, 5, 30));
        assert_int_equal(stat(binary, &second), 0);
        assert_true(first.st_ino != second.st_ino); /* built again */
    }
}

/* A damaged index is built again or gives an error; it never leads outside the file. */
static void test_a_damaged_index_does_no_harm(void **state)
{
    (void)state;
    make_set(3, 3, 30, 4, 0.8);
    rmset_index_close(open_with(1, 1, 5, 30));
    char binary[120];
    uint8_t *bytes;
    size_t size;
    snprintf(binary, sizeof binary, "%s.index", csv);
    assert_int_equal(file_read(binary, 1 << 24, &bytes, &size, &err), STATUS_OK);
    for (uint64_t round = 0; round < 300; round++) {
        struct random_stream stream = random_stream(round, RANDOM_TEST, 1, 0);
        FILE *file = fopen(binary, "wb");
        assert_non_null(file);
        uint8_t *copy = memory_allocate(size, 1, "a copy", &err);
        memcpy(copy, bytes, size);
        for (int i = 0; i < 20; i++) copy[random_below(&stream, size)] = (uint8_t)random_bits(&stream);
        if (round % 2 == 0) seal(copy, size); /* someone meant it */
        size_t kept = round % 3 == 0 ? (size_t)random_below(&stream, size) : size;
        assert_int_equal(fwrite(copy, 1, kept, file), kept);
        fclose(file);
        memory_free(copy);
        struct rmset_index *index = open_with(1, 1, 5, 30);
        for (uint64_t step = 0; step < 50; step++) {
            uint64_t rows[9];
            struct text path = {0};
            int64_t offset;
            err = (struct error){0};
            if (rmset_index_draw(index, 0, step, 0, 4, 4, rows, &err) == STATUS_OK)
                for (int i = 0; i < 9; i++) assert_true(rows[i] < rmset_index_faces(index));
            err = (struct error){0};
            (void)!rmset_index_path(index, step % made_count, &path, &offset, &err);
            text_free(&path);
        }
        rmset_index_close(index);
    }
    memory_free(bytes);
}

static void test_memory_shortage_is_an_error(void **state)
{
    (void)state;
    make_set(3, 3, 30, 4, 0.8);
    struct rmset_options options = options_with(1, 1, 5, 30);
    bool succeeded = false;
    char binary[120];
    snprintf(binary, sizeof binary, "%s.index", csv);
    for (long at = 1; at < 300 && !succeeded; at++) {
        struct rmset_index *index = NULL;
        unlink(binary);
        err = (struct error){0};
        memory_fail_after(at);
        succeeded = rmset_index_open(&index, &options, &err) == STATUS_OK;
        memory_fail_after(0);
        if (succeeded)
            rmset_index_close(index);
        else
            assert_true(err.message[0] != '\0');
    }
    assert_true(succeeded);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_name_the_row),
        TEST(test_numbered_videos_may_be_in_either_order),
        TEST(test_paths_are_found),
        TEST(test_pictures_are_read),
        TEST(test_rows_stay_in_their_folder),
        TEST(test_a_face_is_found_by_its_name),
        TEST(test_draws_hold_against_brute_force),
        TEST(test_frames_are_left_out),
        TEST(test_draws_depend_on_the_key_alone),
        TEST(test_anchors_are_uniform),
        TEST(test_candidates_are_uniform),
        TEST(test_fraction_chooses_whole_videos),
        TEST(test_rare_anchors_are_found),
        TEST(test_a_changed_list_is_indexed_again),
        TEST(test_a_flipped_bit_of_the_index_is_noticed),
        TEST(test_a_damaged_index_does_no_harm),
        TEST(test_memory_shortage_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
