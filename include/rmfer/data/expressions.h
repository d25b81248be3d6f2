/* The names of facial expressions: the eight of AffectNet, and the other words that data sets use for them. */
#ifndef RMFER_DATA_EXPRESSIONS_H
#define RMFER_DATA_EXPRESSIONS_H

#include <stdbool.h>

/* In AffectNet's order, so that its ids are these values. */
enum expression {
    EXPRESSION_NEUTRAL,
    EXPRESSION_HAPPINESS,
    EXPRESSION_SADNESS,
    EXPRESSION_SURPRISE,
    EXPRESSION_FEAR,
    EXPRESSION_DISGUST,
    EXPRESSION_ANGER,
    EXPRESSION_CONTEMPT,
    EXPRESSION_COUNT
};

/* "Neutral", "Happiness", ... */
const char *expression_name(enum expression expression);

/* The expression of that name or of a usual other word for it ("happy", "Angry"), case ignored; -1 when unknown. */
int expression_find(const char *name);

/* Whether two names mean one class: expressions have several; case is ignored. */
bool classes_are_same(const char *a, const char *b);

#endif
