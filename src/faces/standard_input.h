/* What "-" stands for: standard input, as a list of names or as the pictures themselves. */
#ifndef RMFER_SRC_FACES_STANDARD_INPUT_H
#define RMFER_SRC_FACES_STANDARD_INPUT_H

#include "rmfer/base/text.h"
#include "rmfer/data/picture_stream.h"
#include "rmfer/faces/inputs.h"

/* What files of its pictures are called. */
#define STANDARD_INPUT_TARGET "stdin"

/* Zeroed is not open. */
struct standard_input {
    struct byte_stream stream;
    bool is_open;
    bool is_utf16; /* the list, which is not read */
    int64_t frame; /* the next one of a stream of pictures */
};

/* Looks at the first bytes; a list separated by NUL bytes is one whatever they are. `stop` is byte_stream's. */
enum stream_kind standard_input_open(struct standard_input *in, bool null_separated, int stop);
void standard_input_close(struct standard_input *in);

/* The next name of a list; false at its end, and with an error where it is none. */
bool standard_input_name(struct standard_input *in, bool null_separated, struct text *name, struct error *err);

/* The next wanted picture of a stream of them, or an error in its place; false behind the last, with `ended` set (it
 * may be set with a picture too). Such pictures are frames without times. */
bool standard_input_picture(struct standard_input *in, const struct face_input_options *options,
                            struct face_input *input, bool *ended);

/* The one picture that the whole stream is. */
void standard_input_whole(struct standard_input *in, struct face_input *input);

#endif
