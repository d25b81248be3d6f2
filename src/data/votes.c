/* The rules of METHOD's data.votes. majority and probability follow the published description of FERPlus (Barsoum et
 * al. 2016) as its reference implementation carries it out, ties included. */
#include "rmfer/data/votes.h"

#include <string.h>

enum { EMOTION_COLUMNS = 8, MOST_EMOTIONS = 3 }; /* behind the emotions: unknown, NF */

enum expression votes_expression(int column)
{
    static const enum expression expressions[EMOTION_COLUMNS] = {
        EXPRESSION_NEUTRAL, EXPRESSION_HAPPINESS, EXPRESSION_SURPRISE, EXPRESSION_SADNESS,
        EXPRESSION_ANGER,   EXPRESSION_DISGUST,   EXPRESSION_FEAR,     EXPRESSION_CONTEMPT,
    };
    return expressions[column];
}

static int first_largest(const int votes[VOTE_COLUMNS])
{
    int best = 0;
    for (int i = 1; i < VOTE_COLUMNS; i++)
        if (votes[i] > votes[best]) best = i;
    return best;
}

static bool one_column(int column, double target[EXPRESSION_COUNT])
{
    if (column >= EMOTION_COLUMNS) return false;
    target[votes_expression(column)] = 1.0;
    return true;
}

/* Single votes count as mistakes. Returns the sum of the others. */
static int remove_single_votes(const int votes[VOTE_COLUMNS], int kept[VOTE_COLUMNS])
{
    int sum = 0;
    for (int i = 0; i < VOTE_COLUMNS; i++) {
        kept[i] = votes[i] <= 1 ? 0 : votes[i];
        sum += kept[i];
    }
    return sum;
}

/* Moves the emotions with the most votes, all of a tie together, from `left` to `taken`, until they hold three
 * quarters of the votes or are three. Unknown or not-a-face ends it: as the first it stays, behind others it is
 * dropped. Returns how many were taken. */
static int take_largest(int left[VOTE_COLUMNS], int sum, int taken[VOTE_COLUMNS])
{
    int taken_sum = 0, seen_sum = 0, count = 0;
    bool stopped = false;
    while (4 * seen_sum < 3 * sum && count < MOST_EMOTIONS && !stopped) {
        int most = left[first_largest(left)];
        for (int i = 0; i < VOTE_COLUMNS && !stopped; i++) {
            if (left[i] != most) continue;
            left[i] = 0;
            seen_sum += most;
            stopped = i >= EMOTION_COLUMNS;
            if (stopped && taken_sum > 0) continue;
            taken[i] = most;
            taken_sum += most;
            count++;
        }
    }
    return count;
}

static bool probabilities(int left[VOTE_COLUMNS], int sum, double target[EXPRESSION_COUNT])
{
    int taken[VOTE_COLUMNS] = {0};
    int count = take_largest(left, sum, taken), taken_sum = 0;
    for (int i = 0; i < VOTE_COLUMNS; i++) taken_sum += taken[i];
    if (2 * taken_sum <= sum || count > MOST_EMOTIONS || first_largest(taken) >= EMOTION_COLUMNS) return false;
    for (int i = 0; i < EMOTION_COLUMNS; i++) target[votes_expression(i)] = (double)taken[i] / taken_sum;
    return true;
}

bool votes_target(const int votes[VOTE_COLUMNS], enum config_votes rule, double target[EXPRESSION_COUNT])
{
    memset(target, 0, EXPRESSION_COUNT * sizeof *target);
    if (rule == VOTES_ARGMAX) return votes[first_largest(votes)] > 0 && one_column(first_largest(votes), target);
    int kept[VOTE_COLUMNS];
    int sum = remove_single_votes(votes, kept);
    if (rule == VOTES_PROBABILITY) return probabilities(kept, sum, target);
    int best = first_largest(kept);
    return 2 * kept[best] > sum && one_column(best, target);
}
