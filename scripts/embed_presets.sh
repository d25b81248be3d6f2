#!/bin/sh
# Writes a C file with the text of every preset given, so that `rmfer config NAME` needs no file beside the program.
cat <<'HEAD'
/* Made from configs/ by scripts/embed_presets.sh. */
#include "config/presets.h"

const struct preset embedded_presets[] = {
HEAD
for preset in "$@"; do
    printf '{"%s",\n' "$(basename "$preset" .ini)"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' "$preset"
    printf '},\n'
done
echo '{NULL, NULL},'
echo '};'
