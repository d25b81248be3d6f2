/* The one refusal of predict and export; import and info say the same as a fact. */
#include "rmfer/cmd/untrained.h"

status untrained_refuse(const struct checkpoint *checkpoint, bool allowed, struct error *err)
{
    if (allowed || !checkpoint->info.untrained) return STATUS_OK;
    return error_set_usage(err,
                           "%s: its classifier is fresh and random, what it says is noise: train from it (model.init), "
                           "or --allow-untrained",
                           checkpoint->path);
}
