/* The table of expression names and of other data sets' words for them. */
#include "rmfer/data/expressions.h"
#include "rmfer/base/text.h"

static const char *const names[EXPRESSION_COUNT] = {
    [EXPRESSION_NEUTRAL] = "Neutral",   [EXPRESSION_HAPPINESS] = "Happiness", [EXPRESSION_SADNESS] = "Sadness",
    [EXPRESSION_SURPRISE] = "Surprise", [EXPRESSION_FEAR] = "Fear",           [EXPRESSION_DISGUST] = "Disgust",
    [EXPRESSION_ANGER] = "Anger",       [EXPRESSION_CONTEMPT] = "Contempt",
};

/* What class folders and lists in the wild call them. */
static const struct {
    const char *word;
    enum expression expression;
} other_words[] = {
    {"happy", EXPRESSION_HAPPINESS},    {"joy", EXPRESSION_HAPPINESS},   {"sad", EXPRESSION_SADNESS},
    {"surprised", EXPRESSION_SURPRISE}, {"afraid", EXPRESSION_FEAR},     {"fearful", EXPRESSION_FEAR},
    {"disgusted", EXPRESSION_DISGUST},  {"angry", EXPRESSION_ANGER},     {"contemptuous", EXPRESSION_CONTEMPT},
    {"neutrality", EXPRESSION_NEUTRAL}, {"natural", EXPRESSION_NEUTRAL}, {"scared", EXPRESSION_FEAR},
};

const char *expression_name(enum expression expression)
{
    return names[expression];
}

int expression_find(const char *name)
{
    for (int i = 0; i < EXPRESSION_COUNT; i++)
        if (text_equal_ignoring_case(name, names[i])) return i;
    for (size_t i = 0; i < sizeof other_words / sizeof *other_words; i++)
        if (text_equal_ignoring_case(name, other_words[i].word)) return (int)other_words[i].expression;
    return -1;
}

bool classes_are_same(const char *a, const char *b)
{
    int expression = expression_find(a);
    return text_equal_ignoring_case(a, b) || (expression >= 0 && expression == expression_find(b));
}
