/* A table of eight mappings, written by whoever maps and read by the handler of SIGBUS. */
#define _GNU_SOURCE /* SA_SIGINFO */
#include "rmfer/base/mapping_guard.h"

#include "rmfer/base/text.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 8, LONGEST_PATH = 1024 };

/* `start` is set last and cleared first, so that the handler never sees half a place. 1 is a place being filled. */
static struct {
    atomic_uintptr_t start;
    size_t size;
    char path[LONGEST_PATH];
} places[PLACES];

void mapping_guard_add(const void *start, size_t size, const char *path)
{
    for (size_t i = 0; i < PLACES; i++) {
        uintptr_t nobody = 0;
        if (!atomic_compare_exchange_strong(&places[i].start, &nobody, 1)) continue;
        places[i].size = size;
        snprintf(places[i].path, sizeof places[i].path, "%s", path);
        text_make_printable(places[i].path);
        atomic_store(&places[i].start, (uintptr_t)start);
        return;
    }
}

void mapping_guard_remove(const void *start)
{
    for (size_t i = 0; i < PLACES; i++) {
        uintptr_t expected = (uintptr_t)start;
        if (atomic_compare_exchange_strong(&places[i].start, &expected, 0)) return;
    }
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return; /* nobody is left to be told */
}

static void handle_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr;
    for (size_t i = 0; i < PLACES; i++) {
        uintptr_t start = atomic_load(&places[i].start);
        if (start <= 1 || at < start || at - start >= places[i].size) continue;
        say("rmfer: error: ");
        say(places[i].path);
        say(": cut short, or unreadable, while it was read\n");
        _exit(1);
    }
    signal(number, SIG_DFL); /* a bug of ours: the instruction is run again and ends the process */
}

void mapping_guard_install(void)
{
    struct sigaction action = {.sa_sigaction = handle_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
