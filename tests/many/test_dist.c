/* Sums, rows, agreement and the sums of a slab in pieces, over the processes that mpirun starts. */
#include "many/support/shared_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What process r has at place i: numbers whose sum hangs on the order of its terms. */
static double number_of(int rank, size_t i)
{
    return 1.0 / (double)(3 + i % 1000) * (rank % 2 == 0 ? 1e8 : -1e8) + (double)(rank + 1) / 7;
}

static double sum_in_order(int size, size_t i)
{
    double sum = number_of(0, i);
    for (int r = 1; r < size; r++) sum += number_of(r, i);
    return sum;
}

/* Few numbers and many go two ways, to the same bits. */
static void check_sums(struct many *many)
{
    static const size_t counts[] = {1, 3, 1000, 50001};
    int rank = dist_rank(many->dist), size = dist_size(many->dist);
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        size_t n = counts[k];
        bool equal = true;
        double *values = memory_allocate(n, sizeof *values, "numbers", NULL);
        if (values == NULL) exit(1);
        for (size_t i = 0; i < n; i++) values[i] = number_of(rank, i);
        dist_sum(many->dist, values, n);
        for (size_t i = 0; i < n; i++) equal = equal && values[i] == sum_in_order(size, i);
        many_check(many, "a sum in order of rank", equal);
        memory_free(values);
    }
}

static void check_rows(struct many *many)
{
    enum { UNITS = 7, WIDTH = 3 };
    int rank = dist_rank(many->dist), size = dist_size(many->dist);
    struct range own = threads_share(UNITS, rank, size);
    int32_t mine[UNITS * WIDTH], all[UNITS * WIDTH] = {0};
    bool equal = true;
    for (size_t i = own.begin; i < own.end; i++)
        for (size_t j = 0; j < WIDTH; j++) mine[(i - own.begin) * WIDTH + j] = (int32_t)(10 * i + j);
    dist_gather(many->dist, UNITS, WIDTH * sizeof mine[0], mine, all);
    for (size_t i = 0; i < UNITS * WIDTH; i++) equal = equal && all[i] == (int32_t)(10 * (i / WIDTH) + i % WIDTH);
    many_check(many, "rows gathered", equal);
    memset(all, 0, sizeof all); /* from their places */
    memcpy(all + own.begin * WIDTH, mine, (own.end - own.begin) * WIDTH * sizeof mine[0]);
    dist_gather(many->dist, UNITS, WIDTH * sizeof mine[0], all + own.begin * WIDTH, all);
    for (size_t i = 0; i < UNITS * WIDTH; i++) equal = equal && all[i] == (int32_t)(10 * (i / WIDTH) + i % WIDTH);
    many_check(many, "rows gathered where they are", equal);
    char word[8] = "";
    if (rank == 0) strcpy(word, "zero");
    dist_broadcast(many->dist, word, sizeof word);
    many_check(many, "a word of rank 0", strcmp(word, "zero") == 0);
}

/* Rank r has 100 000 r bytes, more than goes along with a message's head; rank 0 has none. */
static void check_collected(struct many *many)
{
    enum { EACH = 100000, MOST = 8 };
    int rank = dist_rank(many->dist), size = dist_size(many->dist);
    size_t sizes[MOST] = {0}, total = 0, at = 0;
    bool equal = size <= MOST;
    for (int r = 0; r < size && r < MOST; r++) total += sizes[r] = (size_t)r * EACH;
    char *own = memory_allocate(sizes[rank], 1, "bytes", NULL), *all = memory_allocate(total, 1, "bytes", NULL);
    if (own == NULL || all == NULL) exit(1);
    memset(own, 'a' + rank, sizes[rank]);
    dist_collect(many->dist, sizes, own, all);
    for (int r = 0; r < size && rank == 0; r++)
        for (size_t i = 0; i < sizes[r]; i++) equal = equal && all[at++] == 'a' + r;
    many_check(many, "bytes of all at rank 0", equal);
    memory_free(own);
    memory_free(all);
}

static void check_agreement(struct many *many)
{
    int rank = dist_rank(many->dist), last = dist_size(many->dist) - 1;
    struct error err = {0};
    many_check(many, "all is well", dist_agree(many->dist, STATUS_OK, &err) == STATUS_OK && err.code == STATUS_OK);
    if (rank == last) error_set_usage(&err, "no such picture");
    char front[64];
    snprintf(front, sizeof front, "rank %d of %d on ", last, last + 1);
    many_check(many, "the last rank's failure is everybody's",
               dist_agree(many->dist, err.code, &err) == STATUS_USAGE &&
                   strstr(err.message, "no such picture") != NULL && strncmp(err.message, front, strlen(front)) == 0);
    struct error same = {0};
    many_check(many, "equal bytes", dist_same(many->dist, "weights", "abc", 3, &same) == STATUS_OK);
    many_check(many, "bytes that differ",
               dist_same(many->dist, "weights", rank == last ? "abd" : "abc", 3, &same) == STATUS_FAILED &&
                   strstr(same.message, "weights of rank") != NULL);
    many_check(many, "any and none", dist_any(many->dist, rank == last) && !dist_any(many->dist, false));
}

/* Final in uneven portions, twice, beside sums of other numbers; the same to the bit as a sum in order. */
static void check_gradients(struct many *many)
{
    enum { COUNT = 10007, PIECE = 640 };
    int rank = dist_rank(many->dist), size = dist_size(many->dist);
    struct dist_gradients *sums;
    real *slab = memory_allocate(COUNT, sizeof *slab, "a slab", NULL);
    if (slab == NULL || dist_gradients_create(&sums, many->dist, slab, COUNT, PIECE, NULL) != STATUS_OK) exit(1);
    for (int round = 0; round < 2; round++) {
        bool equal = true;
        for (size_t i = 0; i < COUNT; i++) slab[i] = (real)number_of(rank, i);
        for (size_t end = COUNT; end > 3000; end -= 777) {
            double beside = 1;
            dist_gradients_final(sums, end - 777);
            dist_sum(many->dist, &beside, 1);
            equal = equal && beside == size;
        }
        dist_gradients_finish(sums);
        for (size_t i = 0; i < COUNT; i++) {
            double sum = (double)(real)number_of(0, i);
            for (int r = 1; r < size; r++) sum += (double)(real)number_of(r, i);
            equal = equal && slab[i] == (real)sum;
        }
        many_check(many, "a slab summed in pieces", equal);
    }
    many_check(many, "sums are counted", dist_gradients_times(sums).sums == 2);
    dist_gradients_free(sums);
    memory_free(slab);
}

int main(void)
{
    struct many many;
    many_begin(&many);
    check_sums(&many);
    check_rows(&many);
    check_collected(&many);
    check_agreement(&many);
    check_gradients(&many);
    return many_end(&many);
}
