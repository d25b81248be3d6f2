/* The bar, redrawn in place a few times a second, or a line now and then. */
#include "rmfer/train/progress.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double BAR_SECONDS = 0.2, LINE_SECONDS = 30;
enum { BAR_WIDTH = 24, LINE_BYTES = 320 };

struct progress progress_begin(uint64_t step)
{
    bool terminal = isatty(fileno(stderr)) == 1 && log_get_level() != LOG_QUIET;
    double now = clock_seconds();
    return (struct progress){.draws_bar = terminal, .last_shown = now, .begin = now, .begin_step = step};
}

static void format_duration(char *text, size_t size, double seconds)
{
    long whole = (long)(seconds + 0.5);
    if (whole >= 86400)
        snprintf(text, size, "%ldd%02ldh", whole / 86400, whole / 3600 % 24);
    else
        snprintf(text, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

/* "epoch 3.25/20 step 130: loss 1.2345 (fer 1.1, ial 0.2), 20.1 images/s, 1:02:03 left" */
static void format_line(const struct progress *progress, const struct progress_state *state, char line[LINE_BYTES])
{
    char left[32] = "?", parts[128] = "";
    uint64_t done = state->step - progress->begin_step;
    if (done > 0) {
        double each = (clock_seconds() - progress->begin) / (double)done;
        format_duration(left, sizeof left, each * (double)(state->steps - state->step));
    }
    size_t used = 0;
    for (size_t i = 0; i < state->part_count && state->part_count > 1 && used < sizeof parts; i++)
        used += (size_t)snprintf(parts + used, sizeof parts - used, "%s%s %.4g", i == 0 ? " (" : ", ",
                                 state->parts[i].name, state->parts[i].value);
    if (used > 0 && used < sizeof parts) snprintf(parts + used, sizeof parts - used, ")");
    snprintf(line, LINE_BYTES, "epoch %.2f/%lld step %llu: loss %.4g%s, %.1f images/s, %s left", state->epoch,
             (long long)state->epochs, (unsigned long long)state->step, state->loss, parts, state->images_per_second,
             left);
}

static void draw_bar(struct progress *progress, const struct progress_state *state, const char *line)
{
    char bar[BAR_WIDTH + 1];
    double share = state->steps > 0 ? (double)state->step / (double)state->steps : 1;
    int full = (int)(share * BAR_WIDTH);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f%% %s", bar, 100 * share, line);
    fflush(stderr);
    progress->is_drawn = true;
}

void progress_show(struct progress *progress, const struct progress_state *state)
{
    char line[LINE_BYTES];
    double now = clock_seconds();
    if (now - progress->last_shown < (progress->draws_bar ? BAR_SECONDS : LINE_SECONDS)) return;
    progress->last_shown = now;
    format_line(progress, state, line);
    if (progress->draws_bar)
        draw_bar(progress, state, line);
    else
        log_info("%s", line);
}

void progress_hide(struct progress *progress)
{
    if (!progress->is_drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->is_drawn = false;
}
