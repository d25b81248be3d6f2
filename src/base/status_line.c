/* When and how; the line itself belongs to the log, which draws under the lock of its messages. */
#include "rmfer/base/status_line.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double REDRAW_SECONDS = 0.2, LINE_SECONDS = 30;
enum { BAR_WIDTH = 24 };

struct status_line status_line_begin(void)
{
    bool in_place = isatty(fileno(stderr)) == 1 && log_get_level() != LOG_QUIET;
    return (struct status_line){.is_drawn_in_place = in_place, .last_shown = clock_seconds()};
}

bool status_line_is_due(struct status_line *shown)
{
    double now = clock_seconds();
    if (now - shown->last_shown < (shown->is_drawn_in_place ? REDRAW_SECONDS : LINE_SECONDS)) return false;
    shown->last_shown = now;
    return true;
}

void status_line_show(const struct status_line *shown, double share, const char *line)
{
    char text[512], bar[BAR_WIDTH + 1];
    if (!shown->is_drawn_in_place) {
        log_info("%s", line);
        return;
    }
    if (isnan(share)) {
        log_show_status(line);
        return;
    }
    share = fmax(0, fmin(1, share));
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    snprintf(text, sizeof text, "[%s] %3.0f%% %s", bar, 100 * share, line);
    log_show_status(text);
}

void status_line_hide(const struct status_line *shown)
{
    if (shown->is_drawn_in_place) log_hide_status();
}

void status_line_duration(char *text, size_t size, double seconds)
{
    if (!(seconds >= 0 && seconds < 1e10)) {
        snprintf(text, size, "?");
        return;
    }
    long long whole = llround(seconds);
    if (whole >= 86400)
        snprintf(text, size, "%lldd%02lldh", whole / 86400, whole / 3600 % 24);
    else
        snprintf(text, size, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}
