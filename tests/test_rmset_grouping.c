/* The controls of an RMset: shuffled moments keep every count and every picture and take away what stands together;
 * without moments a face has only itself. And who reacts to a face's moment with it, against brute force. */
#include "rmfer/data/rmset_index.h"

#include "data/permutation.h"
#include "rmfer/base/log.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VIDEOS = 8, MOMENTS = 12, PERSONS = 5, FACES = VIDEOS * MOMENTS * PERSONS, APART = 40 };

static char *folder;
static struct error err;

/* A picture's name says its video, moment and person: VV_MM_P.png. */
static int write_list(void **state)
{
    (void)state;
    static char text[FACES * 48];
    int used = snprintf(text, sizeof text, "video,frame,face,path\n");
    for (int v = 0; v < VIDEOS; v++)
        for (int m = 0; m < MOMENTS; m++)
            for (int p = 0; p < PERSONS; p++)
                used += snprintf(text + used, sizeof text - (size_t)used, "v%02d,%d,%d,%02d_%02d_%d.png\n", v,
                                 m * APART, p, v, m, p);
    log_set_level(LOG_QUIET);
    folder = scratch_make();
    scratch_text(folder, "index.csv", text);
    return 0;
}

static int remove_list(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static struct rmset_index *open_as(enum config_grouping grouping, double fraction)
{
    struct rmset_index *index;
    const struct rmset_options options = {.csv = scratch_path(folder, "index.csv"),
                                          .every = 1,
                                          .fraction = fraction,
                                          .seed = 7,
                                          .near = 5,
                                          .far = 30,
                                          .grouping = grouping};
    if (rmset_index_open(&index, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    return index;
}

/* The row that the list gives the picture which `row` shows. */
static int shown(const struct rmset_index *index, uint64_t row)
{
    struct text path = {0};
    int64_t offset;
    int v, m, p;
    assert_int_equal(rmset_index_path(index, row, &path, &offset, &err), STATUS_OK);
    assert_int_equal(sscanf(strrchr(text_string(&path), '/'), "/%d_%d_%d.png", &v, &m, &p), 3);
    text_free(&path);
    return (v * MOMENTS + m) * PERSONS + p;
}

static void test_a_permutation_meets_every_place_once(void **state)
{
    (void)state;
    for (uint64_t count = 1; count < 300; count += 1 + count / 9) {
        struct permutation permutation = permutation_of(count, 5), other = permutation_of(count, 6);
        char met[300] = {0};
        uint64_t same = 0;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t at = permutation_at(&permutation, i);
            assert_true(at < count && met[at]++ == 0);
            same += at == permutation_at(&other, i);
        }
        if (count > 100) assert_true(same < 20); /* about one is expected */
    }
    struct permutation long_one = permutation_of(UINT64_C(3) << 40, 1);
    assert_true(permutation_at(&long_one, 1) < UINT64_C(3) << 40);
}

static void test_shuffled_moments_keep_counts_and_lose_company(void **state)
{
    (void)state;
    struct rmset_index *plain = open_as(GROUPING_MOMENTS, 1), *shuffled = open_as(GROUPING_SHUFFLED, 1);
    char met[FACES] = {0};
    int together = 0, at_home = 0;
    for (uint64_t row = 0; row < FACES; row++) {
        uint64_t counts[4], rows[PERSONS];
        rmset_index_candidates(plain, row, &counts[0], &counts[1]);
        rmset_index_candidates(shuffled, row, &counts[2], &counts[3]);
        assert_true(counts[0] == counts[2] && counts[1] == counts[3]);
        assert_int_equal(shown(plain, row), row);
        int picture = shown(shuffled, row);
        assert_int_equal(met[picture]++, 0);
        at_home += picture == (int)row;
        size_t others = rmset_index_moment(shuffled, row, PERSONS, rows);
        assert_int_equal(others, PERSONS - 1);
        for (size_t i = 0; i < others; i++) together += shown(shuffled, rows[i]) / PERSONS == picture / PERSONS;
    }
    /* Of 1,920 neighbours 4 in 479 stand together by chance: 16 are expected, 4 standard deviations are 16. */
    assert_true(together <= 32 && at_home <= 8);
    uint64_t a[41], b[41];
    for (uint64_t step = 0; step < 20; step++) { /* what is drawn are the same places */
        assert_int_equal(rmset_index_draw(plain, 1, step, 0, 20, 20, a, &err), STATUS_OK);
        assert_int_equal(rmset_index_draw(shuffled, 1, step, 0, 20, 20, b, &err), STATUS_OK);
        assert_memory_equal(a, b, sizeof a);
    }
    rmset_index_close(plain);
    rmset_index_close(shuffled);
}

/* A part of the videos is shuffled within itself: no picture of the others comes in. */
static void test_a_part_is_shuffled_within_itself(void **state)
{
    (void)state;
    struct rmset_index *index = open_as(GROUPING_SHUFFLED, 0.5);
    char met[FACES] = {0};
    uint64_t chosen = rmset_index_chosen_faces(index), number;
    assert_int_equal(chosen, FACES / 2);
    for (uint64_t i = 0; i < chosen; i++) {
        uint64_t row = rmset_index_chosen_row(index, i);
        int picture = shown(index, row);
        assert_true(rmset_index_chosen_number(index, row, &number) && number == i);
        assert_true(rmset_index_chosen_number(index, (uint64_t)picture, &number));
        assert_int_equal(met[picture]++, 0);
    }
    for (uint64_t row = 0; row < FACES; row++)
        if (!rmset_index_chosen_number(index, row, &number)) assert_int_equal(shown(index, row), row);
    rmset_index_close(index);
}

static void test_without_moments_a_face_has_itself(void **state)
{
    (void)state;
    struct rmset_index *index = open_as(GROUPING_NONE, 1);
    uint64_t rows[31], positives, negatives;
    assert_true(rmset_index_has_anchors(index));
    rmset_index_candidates(index, 3, &positives, &negatives);
    assert_true(positives == 1 && negatives == FACES - 1);
    assert_int_equal(rmset_index_moment(index, 3, 31, rows), 0);
    int other_videos = 0;
    for (uint64_t step = 0; step < 50; step++) {
        assert_int_equal(rmset_index_draw(index, 1, step, 0, 10, 20, rows, &err), STATUS_OK);
        for (size_t i = 1; i <= 10; i++) assert_int_equal(rows[i], rows[0]);
        for (size_t i = 11; i < 31; i++) {
            assert_true(rows[i] != rows[0] && rows[i] < FACES);
            other_videos += rmset_index_face(index, rows[i]).video != rmset_index_face(index, rows[0]).video;
        }
        assert_int_equal(rmset_index_draw_moment(index, 1, step, 0, 4, rows, &err), STATUS_OK);
        assert_true(rows[0] == rows[1] && rows[1] == rows[2] && rows[2] == rows[3]);
    }
    assert_true(other_videos > 50 * 20 * 3 / 4);
    rmset_index_close(index);
}

/* Two persons nearby in time: the nearer picture of each counts, the earlier of equals; a third is too far away. */
static void test_a_moment_has_one_face_a_person(void **state)
{
    (void)state;
    struct rmset_index *index;
    const struct rmset_options options = {
        .csv = scratch_path(folder, "moment.csv"), .every = 1, .fraction = 1, .near = 5, .far = 30};
    scratch_text(
        folder, "moment.csv",
        "video,frame,face,path\na,0,2,x\na,6,1,a\na,8,1,b\na,8,2,c\na,10,0,d\na,12,1,e\na,12,2,f\na,13,0,g\na,15,4,h\n"
        "a,16,3,i\nb,10,5,j\n");
    if (rmset_index_open(&index, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    uint64_t rows[8];
    assert_int_equal(rmset_index_moment(index, 4, 8, rows), 3);
    assert_true(rows[0] == 2 && rows[1] == 3 && rows[2] == 8); /* b before e, c before f, h at the window's end */
    assert_int_equal(rmset_index_moment(index, 4, 2, rows), 2);
    assert_int_equal(rmset_index_moment(index, 7, 8, rows), 4); /* from frame 13: b or e? e; f; h; i */
    assert_true(rows[0] == 5 && rows[1] == 6 && rows[2] == 8 && rows[3] == 9);
    assert_int_equal(rmset_index_moment(index, 10, 8, rows), 0);
    rmset_index_close(index);
}

/* Where persons return: the same video, the same persons in their order, far away; drawn from all such frames; and
 * where a person is missing somebody else of the frame, where nobody returns any moment. */
static void test_persons_return(void **state)
{
    (void)state;
    struct rmset_index *index = open_as(GROUPING_MOMENTS, 1);
    uint64_t first[4], rows[4];
    char met[VIDEOS * MOMENTS] = {0};
    int frames = 0;
    for (uint64_t step = 0; step < 1000; step++) {
        assert_int_equal(rmset_index_draw_moment(index, 1, step, 0, 4, first, &err), STATUS_OK);
        assert_int_equal(rmset_index_draw_return(index, 1, step, 1, 4, first, rows, &err), STATUS_OK);
        for (size_t i = 0; i < 4; i++) {
            struct rmset_face one = rmset_index_face(index, first[i]), other = rmset_index_face(index, rows[i]);
            assert_true(one.video == other.video && one.person == other.person && one.frame != other.frame);
            assert_int_equal(other.frame, rmset_index_face(index, rows[0]).frame);
        }
        met[shown(index, rows[0]) / PERSONS] = 1;
    }
    for (int i = 0; i < VIDEOS * MOMENTS; i++) frames += met[i];
    assert_int_equal(frames, VIDEOS * MOMENTS);
    rmset_index_close(index);
    const struct rmset_options options = {
        .csv = scratch_path(folder, "return.csv"), .every = 1, .fraction = 1, .near = 5, .far = 30};
    scratch_text(folder, "return.csv",
                 "video,frame,face,path\na,0,0,a\na,0,1,b\na,40,1,c\na,40,2,d\na,90,0,e\nb,0,0,f\nb,0,1,g\n");
    if (rmset_index_open(&index, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    for (uint64_t step = 0; step < 50; step++) { /* frame 90 has one face: only 40 is left, where 2 stands in for 0 */
        first[0] = 0, first[1] = 1;
        assert_int_equal(rmset_index_draw_return(index, 1, step, 1, 2, first, rows, &err), STATUS_OK);
        assert_true(rows[0] == 3 && rows[1] == 2);
        first[0] = 5, first[1] = 6;
        assert_int_equal(rmset_index_draw_return(index, 1, step, 1, 2, first, rows, &err), STATUS_OK);
        assert_true(rows[0] != rows[1] && rows[0] < 7 && rows[1] < 7);
    }
    rmset_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_permutation_meets_every_place_once),
        cmocka_unit_test(test_shuffled_moments_keep_counts_and_lose_company),
        cmocka_unit_test(test_a_part_is_shuffled_within_itself),
        cmocka_unit_test(test_without_moments_a_face_has_itself),
        cmocka_unit_test(test_a_moment_has_one_face_a_person),
        cmocka_unit_test(test_persons_return),
    };
    return cmocka_run_group_tests(tests, write_list, remove_list);
}
