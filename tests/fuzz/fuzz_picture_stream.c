/* Any bytes on standard input: what they are, then picture by picture to the end, which comes. */
#define _GNU_SOURCE
#include "fuzz/support/memory_file.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) return 0;
    int descriptor = memory_file(bytes + 1, size - 1);
    struct byte_stream stream = byte_stream(descriptor, "stream");
    (void)stream_kind_find(&stream);
    size_t taken = 0;
    for (size_t calls = 0;; calls++) {
        struct stream_picture picture = {0};
        struct error err = {0};
        if (calls > size) abort(); /* each call takes something */
        status result = picture_stream_next(&stream, calls % 2 == bytes[0] % 2, &picture, &err);
        if (result != STATUS_OK && err.message[0] == '\0') abort();
        taken += picture.size;
        bool ended = picture.ended || stream.ended;
        memory_free(picture.bytes);
        if (ended || (result != STATUS_OK && picture.is_frame)) break;
    }
    if (taken > size) abort();
    byte_stream_free(&stream);
    close(descriptor);
    return 0;
}
