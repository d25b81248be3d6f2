/* Settings that libraries read while they are loaded, made by starting the program once more; and standard descriptors
 * that are there. */
#define _GNU_SOURCE /* setenv */
#include "rmfer/cmd/environment.h"

#include "rmfer/kern/kernels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Set in the second start, so that there is never a third. */
static const char MARK[] = "RMFER_ENVIRONMENT_READY";

/* OpenBLAS's kernels of the same instructions as ours, so that RMFER_ISA makes all of the arithmetic alike on
 * different processors. NULL: it chooses for itself. */
static const char *openblas_core(void)
{
#if defined(__x86_64__)
    const char *isa = kernels_best()->name, *wanted = getenv("RMFER_ISA");
    if (strcmp(isa, "avx512") == 0) return "SkylakeX";
    if (strcmp(isa, "avx2") == 0) return "Haswell";
    if (wanted != NULL && strcmp(wanted, isa) == 0) return "Prescott"; /* the least it has for 64 bits */
#endif
    return NULL;
}

/* Where a program is started with one of them closed, the first file that it opens gets that number, and what is
 * printed goes into it. Held open for what it is not used for, so that printing still fails as it would have. */
static void hold_standard_descriptors(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

void environment_prepare(char **argv)
{
    hold_standard_descriptors();
    if (getenv(MARK) != NULL) {
        /* Started as /proc/self/exe: top and killall would know it as exe. */
        const char *name = argv[0] != NULL ? argv[0] : "rmfer", *slash = strrchr(name, '/');
        (void)prctl(PR_SET_NAME, slash != NULL ? slash + 1 : name);
        return;
    }
    setenv(MARK, "1", 1);
    const char *core = openblas_core();
    if (core != NULL) setenv("OPENBLAS_CORETYPE", core, 0);
    /* Its threads start with the program, whatever it does, and wait for ever where memory is short. The heads'
     * products, a thousandth of a step, need none. */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (getenv("OMP_WAIT_POLICY") == NULL) setenv("GOMP_SPINCOUNT", "2000", 0); /* some 0.1 ms, then sleep */
    execv("/proc/self/exe", argv);
}
