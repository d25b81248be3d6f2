/* FERPlus's ten votes to a target over its eight expressions (METHOD: data.votes). */
#ifndef RMFER_DATA_VOTES_H
#define RMFER_DATA_VOTES_H

#include "rmfer/config/config.h"
#include "rmfer/data/expressions.h"

#include <stdbool.h>

enum { VOTE_COLUMNS = 10 }; /* neutral happiness surprise sadness anger disgust fear contempt unknown NF */

/* The expression of a vote column of 0..7. */
enum expression votes_expression(int column);

/* Turns votes into target[EXPRESSION_COUNT], indexed by expression, summing to 1 (one-hot but for probability). False
 * when the rule drops the row: won by unknown or NF, or no sufficient majority.
 *  argmax: the largest of the ten as they stand, the first on ties.
 *  majority, probability: the reference implementation's rules (microsoft/FERPlus); single votes are removed first.
 */
bool votes_target(const int votes[VOTE_COLUMNS], enum config_votes rule, double target[EXPRESSION_COUNT]);

#endif
