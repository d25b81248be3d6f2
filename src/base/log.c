/* One lock, one line: a message is composed first and written whole, to standard error and to the run's log. */
#include "rmfer/base/log.h"

#include "rmfer/base/text.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    FILE *copy;
    bool has_status; /* a line stands where the next message will begin */
} state = {PTHREAD_MUTEX_INITIALIZER, LOG_NORMAL, NULL, false};

static const char TO_LINE_BEGIN[] = "\r\033[K";

void log_set_level(enum log_level level)
{
    state.level = level;
}

enum log_level log_get_level(void)
{
    return state.level;
}

void log_set_copy(FILE *file)
{
    pthread_mutex_lock(&state.lock);
    state.copy = file;
    pthread_mutex_unlock(&state.lock);
}

static void write_line(const char *prefix, enum log_level least, const char *format, va_list arguments)
{
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    text_make_printable(line); /* names come from files and command lines: none may steer the terminal */
    pthread_mutex_lock(&state.lock);
    if (state.level >= least) {
        fprintf(stderr, "%s%s%s\n", state.has_status ? TO_LINE_BEGIN : "", prefix, line);
        state.has_status = false;
    }
    if (state.copy != NULL) {
        char stamp[32] = "";
        time_t now = time(NULL);
        struct tm local;
        if (localtime_r(&now, &local) != NULL) strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S ", &local);
        fprintf(state.copy, "%s%s%s\n", stamp, prefix, line);
        fflush(state.copy);
    }
    pthread_mutex_unlock(&state.lock);
}

/* A line that wraps could not be taken away; 0 where the width is not known. */
static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void log_show_status(const char *line)
{
    char shown[512];
    size_t width = terminal_width();
    snprintf(shown, width > 1 && width < sizeof shown ? width : sizeof shown, "%s", line);
    text_make_printable(shown);
    pthread_mutex_lock(&state.lock);
    fprintf(stderr, "%s%s", TO_LINE_BEGIN, shown);
    fflush(stderr);
    state.has_status = true;
    pthread_mutex_unlock(&state.lock);
}

void log_hide_status(void)
{
    pthread_mutex_lock(&state.lock);
    if (state.has_status) fputs(TO_LINE_BEGIN, stderr);
    state.has_status = false;
    fflush(stderr);
    pthread_mutex_unlock(&state.lock);
}

#define LOG_FUNCTION(name, prefix, least)             \
    void name(const char *format, ...)                \
    {                                                 \
        va_list arguments;                            \
        va_start(arguments, format);                  \
        write_line(prefix, least, format, arguments); \
        va_end(arguments);                            \
    }

LOG_FUNCTION(log_error, "rmfer: error: ", LOG_QUIET)
LOG_FUNCTION(log_warning, "rmfer: warning: ", LOG_NORMAL)
LOG_FUNCTION(log_info, "", LOG_NORMAL)
LOG_FUNCTION(log_verbose, "", LOG_VERBOSE)

void log_info_lines(const char *indent, const char *text)
{
    static const char warning[] = "warning: ";
    enum { WARNING_LENGTH = sizeof warning - 1 };
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (strncmp(text, warning, WARNING_LENGTH) == 0)
            log_warning("%.*s", (int)length - WARNING_LENGTH, text + WARNING_LENGTH);
        else if (length > 0)
            log_info("%s%.*s", indent, (int)length, text);
        text += length + (text[length] == '\n');
    }
}
