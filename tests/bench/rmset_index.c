/* The RMset index at the paper's size: a list of 45 million made-up rows is written, its binary index built and opened,
 * and 100,000 anchors with 50 + 50 candidates drawn, each of which is checked. Prints seconds and the largest resident
 * size; no pictures. Usage: rmset_index FOLDER [ROWS]. The folder needs about 2.3 GB. */
#include "rmfer/base/clock.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/rmset_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { VIDEOS = 216, PERSONS = 16, DRAWS = 100000, OPENINGS = 3, CANDIDATES = 50, NEAR = 5, FAR = 30 };

static bool write_list(const char *path, int64_t rows)
{
    FILE *file = fopen(path, "wbe");
    int64_t left = rows, frames = rows / VIDEOS / PERSONS + 1;
    if (file == NULL) return false;
    fprintf(file, "video,frame,face,path\n");
    for (int video = 0; video < VIDEOS; video++)
        for (int64_t frame = 0; frame < frames && left > 0; frame++)
            for (int face = 0; face < PERSONS && left > 0; face++, left--)
                fprintf(file, "v%03d,%" PRId64 ",%d,v%03d/%07" PRId64 "_%d.jpg\n", video, frame, face, video, frame,
                        face);
    bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed;
}

/* The k-th is a candidate of its kind, and stands there once where there are enough. */
static bool is_right(const struct rmset_index *index, const uint64_t *rows, int k)
{
    struct rmset_face anchor = rmset_index_face(index, rows[0]), face = rmset_index_face(index, rows[k]);
    int64_t apart = llabs((long long)face.frame - (long long)anchor.frame);
    bool is_positive = k <= CANDIDATES;
    if (face.video != anchor.video) return false;
    if (is_positive ? face.person == anchor.person || apart > NEAR : face.person != anchor.person || apart <= FAR)
        return false;
    uint64_t positives, negatives;
    rmset_index_candidates(index, rows[0], &positives, &negatives);
    if ((is_positive ? positives : negatives) < CANDIDATES) return true;
    for (int i = is_positive ? 1 : CANDIDATES + 1; i < k; i++)
        if (rows[i] == rows[k]) return false;
    return true;
}

static void show(const char *what, double begin)
{
    printf("%-28s %8.3f s, largest resident size %6.0f MiB\n", what, clock_seconds() - begin,
           (double)memory_peak_resident() / (1 << 20));
    fflush(stdout);
}

static status draw_all(const struct rmset_index *index, uint64_t *wrong, double *drawing, struct error *err)
{
    uint64_t rows[1 + 2 * CANDIDATES];
    status result = STATUS_OK;
    for (uint64_t draw = 0; draw < DRAWS && result == STATUS_OK; draw++) {
        double begin = clock_seconds();
        result = rmset_index_draw(index, 1, draw, 0, CANDIDATES, CANDIDATES, rows, err);
        *drawing += clock_seconds() - begin;
        for (int k = 1; k <= 2 * CANDIDATES && result == STATUS_OK; k++) *wrong += !is_right(index, rows, k);
    }
    return result;
}

int main(int argc, char **argv)
{
    int64_t rows = 45000000;
    struct error err = {0};
    struct text csv = {0};
    struct rmset_index *index = NULL;
    uint64_t wrong = 0;
    double drawing = 0, begin = clock_seconds();
    if (argc < 2 || argc > 3 || (argc == 3 && (!text_to_integer(argv[2], &rows) || rows < 1))) {
        fprintf(stderr, "usage: rmset_index FOLDER [ROWS]\n");
        return 2;
    }
    status result = text_append_format(&csv, &err, "%s/index.csv", argv[1]);
    if (result == STATUS_OK && !write_list(text_string(&csv), rows))
        result = error_set_errno(&err, "%s: cannot be written", text_string(&csv));
    struct rmset_options options = {.csv = text_string(&csv), .every = 1, .fraction = 1, .near = NEAR, .far = FAR};
    show("the list is written", begin);
    begin = clock_seconds();
    if (result == STATUS_OK) result = rmset_index_open(&index, &options, &err);
    show("the index is built", begin);
    for (int time = 0; time < OPENINGS && result == STATUS_OK; time++) {
        rmset_index_close(index);
        index = NULL;
        begin = clock_seconds();
        result = rmset_index_open(&index, &options, &err);
        show("the index is opened", begin);
    }
    begin = clock_seconds();
    if (result == STATUS_OK) result = draw_all(index, &wrong, &drawing, &err);
    show("draws, with their check", begin);
    printf("%d draws of 1 + %d + %d: %.3f s, %" PRIu64 " candidates wrong\n", DRAWS, CANDIDATES, CANDIDATES, drawing,
           wrong);
    rmset_index_close(index);
    text_free(&csv);
    if (result != STATUS_OK) fprintf(stderr, "%s\n", err.message);
    return result == STATUS_OK && wrong == 0 ? 0 : 1;
}
