/* The figures: each appends one SVG to `out`; `alone` as canvas_begin has it. */
#ifndef RMFER_PLOT_FIGURES_H
#define RMFER_PLOT_FIGURES_H

#include "rmfer/plot/run.h"

/* Learning curves over epochs, a panel each for losses, accuracies, learning rates and speed, groups laid over each
 * other: the mean of a group's runs, with their range as a band; the switch to phase 2 is marked. `key`: that number
 * alone (an evaluation's where there is one), NULL = all. Fails when no run has anything of what is asked for. */
status figure_curves(const struct run_group *groups, size_t count, const char *key, const char *title, bool alone,
                     struct text *out, struct error *err) MUST_CHECK;

/* A confusion matrix, rows (the truth) normalised to shares, counts below the shares. */
status figure_confusion(const struct run_confusion *confusion, char *const *names, size_t name_count,
                        const char *title, bool alone, struct text *out, struct error *err) MUST_CHECK;

#endif
