/* Finding a preset among those that the build embeds. */
#include "config/presets.h"

#include "rmfer/base/text.h"
#include "rmfer/config/config.h"

#include <string.h>

const char *config_preset(const char *name)
{
    for (const struct preset *preset = embedded_presets; preset->name != NULL; preset++)
        if (strcmp(preset->name, name) == 0) return preset->text;
    return NULL;
}

const char *config_preset_nearest(const char *name)
{
    enum { MOST_PRESETS = 64 };
    const char *names[MOST_PRESETS];
    return text_nearest(name, names, config_preset_list(names, MOST_PRESETS));
}

size_t config_preset_list(const char *names[], size_t most)
{
    size_t count = 0;
    for (const struct preset *preset = embedded_presets; preset->name != NULL && count < most; preset++)
        names[count++] = preset->name;
    return count;
}
