/* The files below a folder that are called as pictures or videos are, one after the other in natural order of names
 * (2.jpg before 10.jpg). What they are their bytes will tell. */
#ifndef RMFER_SRC_FACES_FOLDER_WALK_H
#define RMFER_SRC_FACES_FOLDER_WALK_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct folder_walk;

/* Lists `folder`. Held in memory are the names in the folders between it and the present file, no others. */
status folder_walk_open(struct folder_walk **walk, const char *folder, struct error *err) MUST_CHECK;
void folder_walk_close(struct folder_walk *walk);

/* Does not go into that folder, should it come by it; it need not be there yet. Borrowed; NULL = none. */
void folder_walk_leave_out(struct folder_walk *walk, const char *folder);

/* The next file: its path, and its name below the folder that was opened; the caller owns both. *found is false
 * behind the last. Hidden files are passed over (among them the "._" twins that some systems put beside pictures) and
 * links to folders are not followed. An error with *found set is that of the entry that is given, mostly a folder
 * that cannot be listed: the next call goes on behind it. One without ends the walk. */
status folder_walk_next(struct folder_walk *walk, char **path, char **below, bool *found, struct error *err) MUST_CHECK;

/* How far the walk is, 0 .. 1, when of the file that was given last `inner` is done. Folders count alike, whatever is
 * in them: what is not listed yet cannot be counted. */
double folder_walk_share(const struct folder_walk *walk, double inner);

#endif
