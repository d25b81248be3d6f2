/* Which row of a file's classifier belongs to which output of a model: by the classes' names, never by their numbers.
 */
#ifndef RMFER_CKPT_IMPORT_CLASSES_H
#define RMFER_CKPT_IMPORT_CLASSES_H

#include "rmfer/base/error.h"

#include <stddef.h>

/* The output order of HSEmotion's models of 7 or 8 outputs, which is alphabetical; NULL for other counts. */
const char *const *classes_of_hsemotion(size_t outputs);
/* Outputs of its models that tell valence and arousal behind the eight expressions. */
enum { HSEMOTION_WITH_AFFECT = 10 };

/* The first name that means the same as one before it, NULL when all are distinct. */
const char *classes_find_twice(const char *const *names, size_t count);

/* rows[i] is the source's row for wanted[i]. Returns the first wanted name that the source does not have, NULL when
 * all were found. */
const char *classes_match(size_t *rows, const char *const *wanted, size_t wanted_count, const char *const *source,
                          size_t source_count);

#endif
