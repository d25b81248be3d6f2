/* A member of a hostile tar shard: its place is the input's first two bytes, in units of 16. */
#define _GNU_SOURCE
#include "fuzz/support/memory_file.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2) return 0;
    char file[MEMORY_FILE_PATH], path[MEMORY_FILE_PATH + 48], link[MEMORY_FILE_PATH];
    int descriptor = memory_file(bytes + 2, size - 2);
    memory_file_path(descriptor, file);
    /* A shard is known by its name. */
    snprintf(link, sizeof link, "/tmp/rmfer-fuzz-%ld.tar", (long)getpid());
    unlink(link);
    if (symlink(file, link) != 0) abort();
    snprintf(path, sizeof path, "%s#%u", link, (unsigned)(bytes[0] << 8 | bytes[1]) * 16);
    uint8_t *member = NULL;
    size_t length = 0;
    struct error err = {0};
    if (picture_file_read(path, &member, &length, &err) == STATUS_OK) {
        if (length == 0 || length > size) abort();
    } else if (err.message[0] == '\0')
        abort();
    memory_free(member);
    unlink(link);
    close(descriptor);
    return 0;
}
