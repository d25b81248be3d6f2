/* The sheet of an anchor and its candidates: each is there, in order of the last checkpoint, and framed, in the
 * checkpoint's colour, exactly where that one keeps it. */
#include "rmfer/rmset/attention.h"

#include "rmfer/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { POSITIVES = 3, NEGATIVES = 2, ALL = POSITIVES + NEGATIVES, CHECKPOINTS = 2, SIDE = 40, TILE = 96 };

/* Candidate i is a flat picture of the value 10 * (i + 1), red alone, so that no frame looks like it. */
static void make_faces(struct attention_face *faces)
{
    for (int i = 0; i < 1 + ALL; i++) {
        assert_int_equal(image_create(&faces[i].picture, SIDE, SIDE, NULL), STATUS_OK);
        for (int p = 0; p < SIDE * SIDE; p++) faces[i].picture.rgb[3 * p] = (uint8_t)(10 * i);
        faces[i].who = (struct rmset_face){0, (uint32_t)i, 1};
    }
}

/* What the sheet says about itself, found by its colours: [checkpoint][candidate] is framed, and the candidates' places
 * from left to right. */
struct seen {
    bool framed[CHECKPOINTS][ALL];
    int x[ALL];
    int count;
};

static bool is_frame_of(const uint8_t *rgb, int checkpoint)
{
    static const uint8_t colors[CHECKPOINTS][3] = {{213, 94, 0}, {0, 114, 178}};
    return memcmp(rgb, colors[checkpoint], 3) == 0;
}

/* The middle of what shows a candidate's colour is its tile's: frames are symmetric. From there they are looked for up
 * to the tile's left edge. */
static void look_at(const struct image *sheet, int candidate, struct seen *seen)
{
    const uint8_t wanted[3] = {(uint8_t)(10 * (candidate + 1)), 0, 0};
    int left = sheet->width, right = -1, top = sheet->height, bottom = -1;
    for (int y = 0; y < sheet->height; y++)
        for (int x = 0; x < sheet->width; x++) {
            if (memcmp(sheet->rgb + 3 * (y * sheet->width + x), wanted, 3) != 0) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            if (y > bottom) bottom = y;
        }
    if (right < 0) return;
    int middle_x = (left + right + 1) / 2, middle_y = (top + bottom + 1) / 2;
    seen->count++;
    seen->x[candidate] = middle_x;
    for (int x = middle_x; x >= middle_x - TILE / 2; x--)
        for (int k = 0; k < CHECKPOINTS; k++)
            if (is_frame_of(sheet->rgb + 3 * (middle_y * sheet->width + x), k)) seen->framed[k][candidate] = true;
}

static void test_what_is_kept_is_framed(void **state)
{
    (void)state;
    struct attention_face faces[1 + ALL] = {0};
    char name[] = "a film";
    double similarities[CHECKPOINTS][ALL] = {{0.9, 0.8, 0.7, 0.6, 0.5}, {0.1, 0.5, 0.3, 0.9, 0.2}};
    double weights[ALL] = {0.2, 0.2, 0.2, 0.2, 0.2};
    bool kept[CHECKPOINTS][ALL] = {{true, false, false, false, true}, {false, true, false, false, true}};
    struct attention_of views[CHECKPOINTS] = {{"a/one", similarities[0], weights, kept[0]},
                                              {"a/two", similarities[1], weights, kept[1]}};
    const struct rmset_attention attention = {.video = {name, sizeof name - 1, 0},
                                              .positives = POSITIVES,
                                              .negatives = NEGATIVES,
                                              .faces = faces,
                                              .views = views,
                                              .view_count = CHECKPOINTS};
    struct image sheet;
    struct seen seen = {0};
    make_faces(faces);
    assert_int_equal(rmset_attention_sheet(&attention, &sheet, NULL), STATUS_OK);
    for (int i = 0; i < ALL; i++) look_at(&sheet, i, &seen);
    assert_int_equal(seen.count, ALL);
    for (int k = 0; k < CHECKPOINTS; k++)
        for (int i = 0; i < ALL; i++) assert_int_equal(seen.framed[k][i], kept[k][i]);
    /* By the last checkpoint: P 0.5 0.3 0.1, then N 0.2 0.9. */
    assert_true(seen.x[1] < seen.x[2] && seen.x[2] < seen.x[0] && seen.x[0] < seen.x[4] && seen.x[4] < seen.x[3]);
    image_free(&sheet);
    for (int i = 0; i < 1 + ALL; i++) image_free(&faces[i].picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept_is_framed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
