/* The line of a long task: drawn in place on a terminal (a pseudo-terminal here), where messages take its place; plain
 * and rare elsewhere; nothing when quiet. */
#define _GNU_SOURCE /* posix_openpt and its kin beside C11 */
#include "rmfer/base/log.h"
#include "rmfer/base/status_line.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `body` with standard error going to a new terminal of that width, or to a pipe where it is 0; what was written.
 */
static void captured(int width, void (*body)(void), char *text, size_t size)
{
    int ends[2];
    if (width > 0) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        if (ends[0] < 0 || grantpt(ends[0]) != 0 || unlockpt(ends[0]) != 0) skip();
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
        struct winsize window = {.ws_col = (unsigned short)width, .ws_row = 24};
        assert_int_equal(ioctl(ends[1], TIOCSWINSZ, &window), 0);
    } else {
        assert_int_equal(pipe(ends), 0);
    }
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    assert_true(ends[1] >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    body();
    fputs(">", stderr); /* the end of what is read, which may come in pieces */
    fflush(stderr);
    size_t total = 0;
    ssize_t got = 1;
    while (got > 0 && (total == 0 || text[total - 1] != '>') && total < size - 1)
        total += (size_t)((got = read(ends[0], text + total, size - 1 - total)) > 0 ? got : 0);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    text[total] = '\0';
}

static void show_and_talk(void)
{
    struct status_line line = status_line_begin();
    assert_false(status_line_is_due(&line)); /* a short task shows none */
    line.last_shown -= 1;
    if (status_line_is_due(&line)) status_line_show(&line, 0.5, "half \x1b done");
    assert_false(status_line_is_due(&line));
    log_warning("careful");
    log_warning("again");
    line.last_shown -= 1;
    if (status_line_is_due(&line)) status_line_show(&line, NAN, "who knows");
    status_line_hide(&line);
    status_line_hide(&line);
}

static void on_a_terminal_it_is_drawn_in_place(void **state)
{
    (void)state;
    char text[1024];
    captured(80, show_and_talk, text, sizeof text);
    assert_string_equal(text, "\r\033[K[============            ]  50% half ? done"
                              "\r\033[Krmfer: warning: careful\r\nrmfer: warning: again\r\n"
                              "\r\033[Kwho knows\r\033[K>");
    captured(20, show_and_talk, text, sizeof text);
    assert_non_null(strstr(text, "\r\033[K[============      \r\033[K"));
}

static void show_rarely(void)
{
    struct status_line line = status_line_begin();
    line.last_shown -= 1;
    assert_false(status_line_is_due(&line));
    line.last_shown -= 60;
    if (status_line_is_due(&line)) status_line_show(&line, 0.5, "half done");
    status_line_hide(&line);
}

static void elsewhere_it_is_a_line_now_and_then(void **state)
{
    (void)state;
    char text[1024];
    captured(0, show_rarely, text, sizeof text);
    assert_string_equal(text, "half done\n>");
}

static void show_quietly(void)
{
    log_set_level(LOG_QUIET);
    struct status_line line = status_line_begin();
    line.last_shown -= 60;
    if (status_line_is_due(&line)) status_line_show(&line, 0.5, "half done");
    status_line_hide(&line);
    log_set_level(LOG_NORMAL);
}

static void quiet_is_quiet(void **state)
{
    (void)state;
    char text[1024];
    captured(80, show_quietly, text, sizeof text);
    assert_string_equal(text, ">");
    captured(0, show_quietly, text, sizeof text);
    assert_string_equal(text, ">");
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0:00:00"}, {3723.4, "1:02:03"}, {86399, "23:59:59"}, {190800, "2d05h"}, {-1, "?"}, {1e30, "?"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        status_line_duration(text, sizeof text, cases[i].seconds);
        assert_string_equal(text, cases[i].text);
    }
    status_line_duration(text, sizeof text, NAN);
    assert_string_equal(text, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_terminal_it_is_drawn_in_place),
        cmocka_unit_test(elsewhere_it_is_a_line_now_and_then),
        cmocka_unit_test(quiet_is_quiet),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
