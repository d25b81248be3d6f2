/* One lock, one line: a message is composed first and written whole, to standard error and to the run's log. */
#include "rmfer/base/log.h"

#include "rmfer/base/text.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    FILE *copy;
} state = {PTHREAD_MUTEX_INITIALIZER, LOG_NORMAL, NULL};

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
    if (state.level >= least) fprintf(stderr, "%s%s\n", prefix, line);
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

#define LOG_FUNCTION(name, prefix, least)                                                                          \
    void name(const char *format, ...)                                                                             \
    {                                                                                                              \
        va_list arguments;                                                                                         \
        va_start(arguments, format);                                                                               \
        write_line(prefix, least, format, arguments);                                                              \
        va_end(arguments);                                                                                         \
    }

LOG_FUNCTION(log_error, "rmfer: error: ", LOG_QUIET)
LOG_FUNCTION(log_warning, "rmfer: warning: ", LOG_NORMAL)
LOG_FUNCTION(log_info, "", LOG_NORMAL)
LOG_FUNCTION(log_verbose, "", LOG_VERBOSE)

void log_info_lines(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > 0) log_info("%.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}
