/* What a folder holds. */
#ifndef RMFER_BASE_FOLDER_LIST_H
#define RMFER_BASE_FOLDER_LIST_H

#include "rmfer/base/text.h"

/* The names in a folder but those that begin with a dot, in natural order (text_compare_natural). A name
 * costs its bytes, the zero behind it and a pointer. Zeroed is empty. */
struct folder_list {
    struct text listed; /* the names as they were read, one behind the other */
    const char **names; /* [count], into `listed` */
    size_t count;
};

/* An error, and an empty list, where the folder cannot be read to its end: half of it is never taken for all. */
status folder_list_read(struct folder_list *list, const char *path, struct error *err) MUST_CHECK;
void folder_list_free(struct folder_list *list);

#endif
