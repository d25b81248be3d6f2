/* What numbers mean that stand for classes. Each data set counts in its own order: RAF-DB's 1 to 7 taken for places in
 * another order would train seven wrong labels without a word, so nothing is guessed here. */
#include "data/dataset_reader.h"
#include "rmfer/data/votes.h"

enum expression rafdb_expression(int64_t label)
{
    static const enum expression of_label[] = {EXPRESSION_COUNT,   EXPRESSION_SURPRISE,  EXPRESSION_FEAR,
                                               EXPRESSION_DISGUST, EXPRESSION_HAPPINESS, EXPRESSION_SADNESS,
                                               EXPRESSION_ANGER,   EXPRESSION_NEUTRAL};
    return label >= 1 && label <= 7 ? of_label[label] : EXPRESSION_COUNT;
}

static int of_expression(const struct dataset_reader *reader, enum expression expression)
{
    return expression == EXPRESSION_COUNT ? CLASS_UNKNOWN : reader->output_of[expression];
}

/* A place whose class is no output is left out, like the class by its name. */
static int of_place(const struct dataset_reader *reader, int64_t place)
{
    const struct config_strings *places = &reader->options->places;
    if (place < 0 || (size_t)place >= reader_places(reader)) return CLASS_UNKNOWN;
    if (places->count == 0) return (int)place;
    int class = reader_class_of_name(reader, places->items[place]);
    return class == CLASS_UNKNOWN ? CLASS_DROPPED : class;
}

size_t reader_places(const struct dataset_reader *reader)
{
    size_t named = reader->options->places.count;
    return named > 0 ? named : (size_t)reader->dataset->class_count;
}

int reader_class_of_number(const struct dataset_reader *reader, enum config_numbers numbers, const char *text)
{
    int64_t number;
    if (!text_to_integer(text, &number)) return CLASS_UNKNOWN;
    bool is_one_of_eight = number >= 0 && number < EXPRESSION_COUNT;
    switch (numbers) {
    case NUMBERS_AFFECTNET: return of_expression(reader, is_one_of_eight ? (enum expression)number : EXPRESSION_COUNT);
    case NUMBERS_RAFDB: return of_expression(reader, rafdb_expression(number));
    case NUMBERS_FERPLUS:
        return of_expression(reader, is_one_of_eight ? votes_expression((int)number) : EXPRESSION_COUNT);
    case NUMBERS_FROM_0: return of_place(reader, number);
    case NUMBERS_FROM_1: return of_place(reader, number - 1);
    case NUMBERS_UNSAID: break;
    }
    return CLASS_UNKNOWN;
}
