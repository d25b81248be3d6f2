/* Beginning and end of a command over several processes. */
#include "rmfer/cmd/processes.h"

#include "rmfer/base/log.h"

static status tell_places(struct dist *dist, struct error *err)
{
    struct text text = {0};
    status result = dist_describe(dist, &text, err);
    if (result == STATUS_OK) {
        log_info("%d processes", dist_size(dist));
        log_info_lines("", text_string(&text));
    }
    text_free(&text);
    return result;
}

status processes_begin(struct dist **dist, const struct command_line *line, struct error *err)
{
    status result = dist_begin(dist, err);
    if (result != STATUS_OK) return result;
    if (dist_is_many(*dist) && dist_rank(*dist) > 0) log_set_level(LOG_QUIET);
    options_tell_threads(line);
    if (!dist_is_many(*dist)) return STATUS_OK;
    result = dist_share_cores(*dist, line->threads_asked > 0 ? (int)line->threads : 0, err);
    return result == STATUS_OK ? tell_places(*dist, err) : result;
}

bool processes_speaks(const struct dist *dist)
{
    return !dist_is_many(dist) || dist_rank(dist) == 0;
}

int processes_finish(const struct dist *dist, status result, const struct error *err)
{
    return processes_speaks(dist) ? command_finish(result, err) : (int)result;
}
