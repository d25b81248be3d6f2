/* Names by lines or NUL bytes; pictures undecoded, so that the workers decode them. */
#include "faces/standard_input.h"

#include "rmfer/base/memory.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { LONGEST_LINE = 65536 };

/* Waits for no more bytes than are like that. */
static bool begins_with(struct byte_stream *stream, const uint8_t *mark, size_t length)
{
    const uint8_t *bytes;
    for (size_t i = 0; i < length; i++)
        if (byte_stream_peek(stream, i + 1, &bytes) <= i || bytes[i] != mark[i]) return false;
    return true;
}

/* The byte-order mark that some programs write in front of a text. */
static void pass_over_mark(struct standard_input *in)
{
    static const uint8_t utf8[] = {0xef, 0xbb, 0xbf}, little[] = {0xff, 0xfe}, big[] = {0xfe, 0xff};
    if (begins_with(&in->stream, utf8, sizeof utf8)) byte_stream_take(&in->stream, sizeof utf8);
    in->is_utf16 = begins_with(&in->stream, little, sizeof little) || begins_with(&in->stream, big, sizeof big);
}

enum stream_kind standard_input_open(struct standard_input *in, bool null_separated, int stop)
{
    if (!in->is_open) in->stream = byte_stream(STDIN_FILENO, "standard input");
    in->stream.stop = stop;
    in->is_open = true;
    in->frame = 0;
    enum stream_kind kind = null_separated ? STREAM_LIST : stream_kind_find(&in->stream);
    if (kind == STREAM_LIST && !null_separated) pass_over_mark(in);
    return kind;
}

void standard_input_close(struct standard_input *in)
{
    if (in->is_open) byte_stream_free(&in->stream);
    *in = (struct standard_input){0};
}

bool standard_input_name(struct standard_input *in, bool null_separated, struct text *name, struct error *err)
{
    int end = null_separated ? '\0' : '\n', byte;
    name->length = 0;
    if (in->is_utf16) {
        error_set(err, "standard input: not a list of paths in UTF-8, but in UTF-16");
        return false;
    }
    while ((byte = byte_stream_get(&in->stream)) >= 0 && byte != end) {
        char character = (char)byte;
        if (name->length == LONGEST_LINE || (byte == '\0' && end != '\0')) {
            error_set(err, "standard input: not a list of paths (%s)",
                      byte == '\0' ? "for a list separated by NUL there is --null" : "a line is too long");
            return false;
        }
        if (text_append(name, &character, 1, err) != STATUS_OK) return false;
    }
    if (byte < 0 && in->stream.error.code != STATUS_OK) error_set(err, "%s", in->stream.error.message);
    return byte >= 0 || name->length > 0;
}

static void give(struct face_input *input, struct stream_picture *picture, const struct error *error)
{
    input->error = *error;
    if (error->code != STATUS_OK) error_add_context(&input->error, "-");
    input->path = memory_copy_string("-", &input->error);
    input->target = memory_copy_string(STANDARD_INPUT_TARGET, &input->error);
    input->bytes = picture->bytes;
    input->size = picture->size;
}

bool standard_input_picture(struct standard_input *in, const struct face_input_options *options,
                            struct face_input *input, bool *ended)
{
    struct stream_picture picture;
    struct error error = {0};
    if (options->every_seconds > 0) {
        picture = (struct stream_picture){.ended = true};
        error_set(&error, "pictures in a pipe have no times: --every takes a number of frames here");
        give(input, &picture, &error);
        *ended = true;
        return true;
    }
    for (;;) {
        bool wanted = in->frame % options->every == 0;
        status result = picture_stream_next(&in->stream, wanted, &picture, &error);
        int64_t frame = in->frame;
        in->frame += picture.is_frame;
        *ended = picture.ended;
        if (result == STATUS_OK && picture.ended) return false;
        if (result == STATUS_OK && !wanted) continue;
        give(input, &picture, &error);
        input->is_frame = picture.is_frame;
        input->frame = frame;
        input->time = NAN;
        return true;
    }
}

void standard_input_whole(struct standard_input *in, struct face_input *input)
{
    struct stream_picture picture;
    struct error error = {0};
    if (picture_stream_rest(&in->stream, &picture, &error) != STATUS_OK) picture = (struct stream_picture){0};
    give(input, &picture, &error);
}
