/* Folders that a test fills and removes again. Everything here fails the test when it does not work. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* Makes a new folder below TMPDIR or /tmp; its path belongs to the caller until scratch_remove. */
char *scratch_make(void);

/* Removes the folder with all that is in it and frees the path. */
void scratch_remove(char *folder);

/* folder/name in memory that the next few calls leave alone. */
const char *scratch_path(const char *folder, const char *name);

/* Writes folder/name, with the folders in between. */
void scratch_write(const char *folder, const char *name, const void *bytes, size_t size);
void scratch_text(const char *folder, const char *name, const char *text);

/* Writes a picture of a few random shapes, JPEG or PNG by its ending (in any case). */
void scratch_picture(const char *folder, const char *name, int width, int height, unsigned seed);

#endif
