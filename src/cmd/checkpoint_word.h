/* A checkpoint named on the command line: "[NAME=]FILE" or "[NAME=]RUN_DIR". */
#ifndef CMD_CHECKPOINT_WORD_H
#define CMD_CHECKPOINT_WORD_H

#include "rmfer/base/error.h"

struct checkpoint_word {
    char *path; /* a folder's best_overall.safetensors, or its last.safetensors where there was no evaluation */
    char *name; /* for headings: NAME, else the folder's name, or the file's with its folder's */
};

/* The caller frees even after a failure. */
status checkpoint_word_read(struct checkpoint_word *checkpoint, const char *word, struct error *err) MUST_CHECK;
void checkpoint_word_free(struct checkpoint_word *checkpoint);

#endif
