/* A figure written as SVG, as PNG or as both. */
#ifndef CMD_FIGURE_FILE_H
#define CMD_FIGURE_FILE_H

#include "rmfer/plot/canvas.h"

#include <stdio.h>

/* Appends the figure of `data` in that format. */
typedef status (*figure_draw)(const void *data, enum canvas_format format, struct text *out, struct error *err);

/* Before work begins: -o is there, and PNG, by --png or by the name's ending, is something this build can draw.
 * `command` names who asks. */
status figure_file_check(const char *command, const char *path, bool also_png, struct error *err) MUST_CHECK;

/* Then: the name ends in .svg or .png, and that file, and with `also_png` the one beside it, can be written. */
status figure_file_try(const char *path, bool also_png, struct error *err) MUST_CHECK;

/* The file beside FILE.svg that `also_png` asks for, memory_free'd by the caller; NULL where there is none. */
status figure_file_beside(const char *path, bool also_png, char **beside, struct error *err) MUST_CHECK;

/* Writes FILE.svg, with `also_png` FILE.png beside it; a path that ends in .png is PNG alone. What was written is named
 * on `listing`, NULL = nowhere. */
status figure_file_write(const char *path, bool also_png, figure_draw draw, const void *data, FILE *listing,
                         struct error *err) MUST_CHECK;

#endif
