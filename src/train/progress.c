/* The line: epoch, step, loss and its parts, speed, time left. */
#include "rmfer/train/progress.h"

#include "rmfer/base/clock.h"

#include <stdio.h>

enum { LINE_BYTES = 320 };

struct progress progress_begin(uint64_t step)
{
    return (struct progress){.status = status_line_begin(), .begin = clock_seconds(), .begin_step = step};
}

/* "epoch 3.25/20 step 130: loss 1.2345 (fer 1.1, ial 0.2), 20.1 images/s, 1:02:03 left" */
static void format_line(const struct progress *progress, const struct progress_state *state, char line[LINE_BYTES])
{
    char left[32] = "?", parts[128] = "";
    uint64_t done = state->step - progress->begin_step;
    if (done > 0) {
        double each = (clock_seconds() - progress->begin) / (double)done;
        status_line_duration(left, sizeof left, each * (double)(state->steps - state->step));
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

void progress_show(struct progress *progress, const struct progress_state *state)
{
    char line[LINE_BYTES];
    if (!status_line_is_due(&progress->status)) return;
    format_line(progress, state, line);
    status_line_show(&progress->status, state->steps > 0 ? (double)state->step / (double)state->steps : 1, line);
}

void progress_hide(struct progress *progress)
{
    status_line_hide(&progress->status);
}
