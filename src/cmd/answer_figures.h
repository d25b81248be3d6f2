/* The figures that are drawn from a checkpoint's answers. */
#ifndef CMD_ANSWER_FIGURES_H
#define CMD_ANSWER_FIGURES_H

#include "cmd/answers.h"
#include "cmd/figure_file.h"

#include "rmfer/plot/figures.h"

/* A figure of `count` checkpoints' answers (all but mds: of the first); a figure_draw's data. */
struct answer_figure {
    const char *kind;  /* "mds", "similarity", "calibration", "attention", "confusion" */
    const char *title; /* NULL = one that names split and checkpoint */
    const char *split;
    const struct answers *answers;
    size_t count;
    uint64_t seed;
    const struct mds_layout *layout; /* of mds, from mds_layout_init: it is drawn for every format */
};

bool answer_figure_is_kind(const char *kind);

/* A figure to its files, its layout included; `listing` as figure_file_write has it. */
status answer_figure_write(const char *path, bool also_png, struct answer_figure *figure, FILE *listing,
                           struct error *err) MUST_CHECK;

/* A figure_draw. */
status answer_figure_draw(const void *figure, enum canvas_format format, struct text *out,
                          struct error *err) MUST_CHECK;

/* The files that answer_figures_write may write: FOLDER/KIND.svg of every kind, with `also_png` FOLDER/KIND.png too,
 * else NULL. The caller frees them even after a failure. */
status answer_figures_paths(const char *folder, bool also_png, char *paths[EVALUATION_FIGURES],
                            struct error *err) MUST_CHECK;
void answer_figures_paths_free(char *paths[EVALUATION_FIGURES]);

/* Makes the folder, and sees whether these files could be written there. */
status answer_figures_try(const char *folder, char *const paths[EVALUATION_FIGURES], struct error *err) MUST_CHECK;

/* Writes FOLDER/KIND.svg (and .png), in the folder that answer_figures_try has made, of every kind that these answers
 * allow: confusion, calibration, similarity, mds and, where there is an attention branch, attention. */
status answer_figures_write(const char *folder, bool also_png, const struct answers *answers, const char *split,
                            uint64_t seed, struct error *err) MUST_CHECK;

#endif
