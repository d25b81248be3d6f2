/* What a film's faces depend on, as film.ini keeps it: settings one behind the other, each a name and its values. The
 * removal areas stand beside it, as rmset_notes_print_areas writes them. */
#ifndef RMFER_SRC_RMSET_FILM_SETTINGS_H
#define RMFER_SRC_RMSET_FILM_SETTINGS_H

#include "rmset/film.h"

/* Stands among the settings of a film that could not be read to its end. */
#define FILM_SETTINGS_PARTIAL "partial 1 "

/* Appends the film's content, the options and the notes but for the areas. */
status film_settings_describe(const char *film, const struct rmset_build_options *options,
                              const struct rmset_notes *notes, struct text *out, struct error *err) MUST_CHECK;

/* Appends where a finished film differs first from what is asked for, "every 1, not every 2"; nothing where it does
 * not. A film that was read to its end is what `keep_partial` asks for too. */
status film_settings_compare(const struct film_facts *there, const char *settings, const char *areas, bool keep_partial,
                             struct text *difference, struct error *err) MUST_CHECK;

#endif
