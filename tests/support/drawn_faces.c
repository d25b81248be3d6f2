#include "support/drawn_faces.h"

#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/synth/synth.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

char *drawn_faces_make(void)
{
    struct error err = {0};
    char *folder = scratch_make();
    struct synth_options options = {.folder = scratch_path(folder, "faces"), .faces = 72, .size = 32, .seed = 1};
    log_set_level(LOG_QUIET);
    threads_set(1);
    assert_int_equal(synth_write(&options, &err), STATUS_OK);
    return folder;
}
