/* An RMset's folder: its finished films, and the lists over all of them. */
#ifndef RMFER_SRC_RMSET_FOLDER_H
#define RMFER_SRC_RMSET_FOLDER_H

#include "rmset/film.h"

/* Removes a folder with the files in it; a missing one is fine. Folders within are not looked into. */
status folder_remove_flat(const char *folder, struct error *err) MUST_CHECK;

/* Whether a film of that name would stand where one of the lists stands. */
bool set_is_list_name(const char *name);

/* Writes index.csv, videos.csv, tracks.csv and statistics.ini over the finished films, and the binary index. A film
 * that cannot be read is not left out: it is an error, and the lists stay as they were. */
status set_write_lists(const char *folder, struct rmset_counts *counts, struct error *err) MUST_CHECK;

#endif
