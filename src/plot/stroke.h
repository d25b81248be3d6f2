/* How a line is drawn. */
#ifndef PLOT_STROKE_H
#define PLOT_STROKE_H

struct stroke {
    const char *colour; /* NULL = the ink */
    double width;
    const char *dash; /* "6 3", NULL = whole */
    double opacity;
    const char *label; /* of a curve, NULL = none */
};

#endif
