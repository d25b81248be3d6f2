/* The sheet of the paper's Figure 4, asked for among the figures. */
#ifndef CMD_PLOT_ANCHOR_H
#define CMD_PLOT_ANCHOR_H

#include "cmd/evaluate.h"

struct plot_anchor {
    const char *folder, *anchor; /* the RMset; "VIDEO:FRAME:FACE" */
    const char *out;             /* .png or .jpg */
    const struct option_list *settings;
    uint64_t seed;
};

/* Draws the anchor with its candidates and what the checkpoints of `words` ([NAME=]CHECKPOINT or RUN) make of them, as
 * `rmset preview --anchor` does. */
status plot_anchor(const struct plot_anchor *figure, const char *const *words, size_t count,
                   struct error *err) MUST_CHECK;

#endif
