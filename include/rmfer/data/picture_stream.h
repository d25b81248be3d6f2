/* Pictures one behind the other, as cameras and `ffmpeg -f image2pipe` or `-f mjpeg` write them: where each ends its
 * own structure tells, so that memory is one picture's, however long the stream is. */
#ifndef RMFER_DATA_PICTURE_STREAM_H
#define RMFER_DATA_PICTURE_STREAM_H

#include "rmfer/base/byte_stream.h"

/* What comes out of standard input, told by its first bytes. */
enum stream_kind {
    STREAM_LIST,     /* none of the others: names, one a line */
    STREAM_PICTURES, /* JPEG and PNG, any number */
    STREAM_PICTURE,  /* one of another kind, whose end is the stream's */
    STREAM_VIDEO,
};

/* Waits for as many bytes as are needed to tell, and takes none. A line that is complete is a list at once. */
enum stream_kind stream_kind_find(struct byte_stream *stream);

struct stream_picture {
    uint8_t *bytes; /* owned: memory_free; NULL at the stream's end and where there is an error */
    size_t size;
    bool is_frame; /* false: an error about bytes between pictures */
    bool ended;
};

/* The next picture, not decoded. `wanted` false: it is passed over, and comes without bytes. A picture that the
 * stream's end cuts short, bytes that begin no picture and a picture of more than IMAGE_MOST_BYTES are an error; behind
 * the second the next call goes on with the next picture. */
status picture_stream_next(struct byte_stream *stream, bool wanted, struct stream_picture *picture,
                           struct error *err) MUST_CHECK;

/* All that is left, for a picture whose end is the stream's. */
status picture_stream_rest(struct byte_stream *stream, struct stream_picture *picture, struct error *err) MUST_CHECK;

#endif
