/* Opens the libraries in the order of their needs and looks every function up; a missing one is named. */
#include <stddef.h>

#ifdef RMFER_HAVE_FFMPEG
#include "data/ffmpeg.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef __APPLE__
#define LIBRARY_FILE "lib%s.%d.dylib"
#else
#define LIBRARY_FILE "lib%s.so.%d"
#endif

enum library { LIBRARY_avutil, LIBRARY_swscale, LIBRARY_avcodec, LIBRARY_avformat, LIBRARY_COUNT };

static status open_libraries(void *handles[LIBRARY_COUNT], struct error *err)
{
    /* In the order of their needs. */
    static const struct {
        const char *name;
        int version;
    } libraries[LIBRARY_COUNT] = {{"avutil", LIBAVUTIL_VERSION_MAJOR},
                                  {"swscale", LIBSWSCALE_VERSION_MAJOR},
                                  {"avcodec", LIBAVCODEC_VERSION_MAJOR},
                                  {"avformat", LIBAVFORMAT_VERSION_MAJOR}};
    for (int i = 0; i < LIBRARY_COUNT; i++) {
        char file[64];
        snprintf(file, sizeof file, LIBRARY_FILE, libraries[i].name, libraries[i].version);
        handles[i] = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (handles[i] == NULL)
            return error_set(err, "videos need FFmpeg's %s, which cannot be loaded: %s", file, dlerror());
    }
    return STATUS_OK;
}

static void *find_function(void *library, const char *name, struct error *err)
{
    void *function = dlsym(library, name);
    if (function == NULL) error_set(err, "FFmpeg's libraries have no function %s", name);
    return function;
}

status ffmpeg_load(struct ffmpeg *ffmpeg, struct error *err)
{
    void *handles[LIBRARY_COUNT];
    status result = open_libraries(handles, err);
    if (result != STATUS_OK) return result;
        /* A function's address comes as an object's; ISO C has no conversion, POSIX promises that the bytes are the
         * same. */
#define FIND(library, name)                                                  \
    do {                                                                     \
        void *found = find_function(handles[LIBRARY_##library], #name, err); \
        if (found == NULL) return STATUS_FAILED;                             \
        memcpy(&ffmpeg->name, &found, sizeof found);                         \
    } while (0);
    FFMPEG_FUNCTIONS(FIND)
#undef FIND
    return STATUS_OK;
}

#endif
