/* A folder with a few drawn faces in every layout, faces/, for whole runs of the trainer. */
#ifndef TESTS_SUPPORT_DRAWN_FACES_H
#define TESTS_SUPPORT_DRAWN_FACES_H

/* A scratch folder (scratch_remove) with 72 faces of 32 pixels below faces/. One thread and no messages from now on:
 * the networks for so few faces are too small for more. */
char *drawn_faces_make(void);

#endif
