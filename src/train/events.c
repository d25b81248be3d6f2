/* A scalar is Event{1: wall_time, 2: step, 5: Summary{1: Value{1: tag, 2: simple_value}}} (tensorflow's event.proto
 * and summary.proto), in a TFRecord frame. Histograms, images and graphs are not written. */
#define _GNU_SOURCE /* gethostname */
#include "rmfer/train/events.h"

#include "rmfer/base/crc32c.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Wire types of protocol buffers. */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct event_writer {
    FILE *stream;
    char *path;
};

uint32_t crc32c_masked(const void *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, size);
    return ((crc >> 15) | (crc << 17)) + UINT32_C(0xa282ead8);
}

/* ---- protocol buffers -------------------------------------------------------------------------------------------- */

/* Little-endian, whatever the machine. */
static status append_fixed(struct text *out, uint64_t value, size_t bytes, struct error *err)
{
    char buffer[8];
    for (size_t i = 0; i < bytes; i++) buffer[i] = (char)(uint8_t)(value >> (8 * i));
    return text_append(out, buffer, bytes, err);
}

static status append_varint(struct text *out, uint64_t value, struct error *err)
{
    char buffer[10];
    size_t count = 0;
    do {
        uint8_t low = value & 0x7f;
        value >>= 7;
        buffer[count++] = (char)(uint8_t)(low | (value != 0 ? 0x80 : 0));
    } while (value != 0);
    return text_append(out, buffer, count, err);
}

static status append_key(struct text *out, unsigned field, unsigned wire, struct error *err)
{
    return append_varint(out, field << 3 | wire, err);
}

static status append_bytes(struct text *out, unsigned field, const char *bytes, size_t size, struct error *err)
{
    status result = append_key(out, field, WIRE_BYTES, err);
    if (result == STATUS_OK) result = append_varint(out, size, err);
    return result == STATUS_OK ? text_append(out, bytes, size, err) : result;
}

static uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static status append_value(struct text *out, const char *tag, double value, struct error *err)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    status result = append_bytes(out, 1, tag, strlen(tag), err);
    if (result == STATUS_OK) result = append_key(out, 2, WIRE_FIXED32, err);
    return result == STATUS_OK ? append_fixed(out, bits, sizeof bits, err) : result;
}

/* Wraps `message` as field `field` of another. */
static status wrap(struct text *message, unsigned field, struct error *err)
{
    struct text outer = {0};
    status result = append_bytes(&outer, field, message->bytes, message->length, err);
    text_free(message);
    *message = outer;
    return result;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static status write_record(struct event_writer *writer, const struct text *data, struct error *err)
{
    struct text frame = {0};
    status result = append_fixed(&frame, data->length, 8, err);
    if (result == STATUS_OK) result = append_fixed(&frame, crc32c_masked(frame.bytes, 8), 4, err);
    if (result == STATUS_OK) result = text_append(&frame, data->bytes, data->length, err);
    if (result == STATUS_OK) result = append_fixed(&frame, crc32c_masked(data->bytes, data->length), 4, err);
    if (result == STATUS_OK && fwrite(frame.bytes, 1, frame.length, writer->stream) != frame.length)
        result = error_set_errno(err, "%s: cannot be written", writer->path);
    text_free(&frame);
    return result;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static status append_time(struct text *event, struct error *err)
{
    status result = append_key(event, 1, WIRE_FIXED64, err);
    return result == STATUS_OK ? append_fixed(event, bits_of_double(now()), 8, err) : result;
}

/* The first record says which format follows. */
static status write_version(struct event_writer *writer, struct error *err)
{
    static const char version[] = "brain.Event:2";
    struct text event = {0};
    status result = append_time(&event, err);
    if (result == STATUS_OK) result = append_bytes(&event, 3, version, sizeof version - 1, err);
    if (result == STATUS_OK) result = write_record(writer, &event, err);
    text_free(&event);
    return result;
}

status event_writer_scalar(struct event_writer *writer, const char *tag, int64_t step, double value, struct error *err)
{
    struct text event = {0}, summary = {0};
    status result = append_value(&summary, tag, value, err);
    if (result == STATUS_OK) result = wrap(&summary, 1, err);
    if (result == STATUS_OK) result = wrap(&summary, 5, err);
    if (result == STATUS_OK) result = append_time(&event, err);
    if (result == STATUS_OK) result = append_key(&event, 2, WIRE_VARINT, err);
    if (result == STATUS_OK) result = append_varint(&event, (uint64_t)step, err);
    if (result == STATUS_OK) result = text_append(&event, summary.bytes, summary.length, err);
    if (result == STATUS_OK) result = write_record(writer, &event, err);
    text_free(&summary);
    text_free(&event);
    return result;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static status make_path(const char *folder, struct text *path, struct error *err)
{
    char host[256] = "host";
    if (gethostname(host, sizeof host) != 0) strcpy(host, "host");
    host[sizeof host - 1] = '\0';
    return text_append_format(path, err, "%s/events.out.tfevents.%lld.%s.%ld", folder, (long long)time(NULL), host,
                              (long)getpid());
}

status event_writer_open(struct event_writer **writer, const char *folder, struct error *err)
{
    struct event_writer *made = memory_allocate(1, sizeof *made, "the event writer", err);
    *writer = made;
    if (made == NULL) return STATUS_FAILED;
    struct text path = {0};
    status result = make_path(folder, &path, err);
    made->path = path.bytes;
    if (result == STATUS_OK && (made->stream = fopen(made->path, "abe")) == NULL)
        result = error_set_errno(err, "%s: cannot be written", made->path);
    if (result == STATUS_OK) result = write_version(made, err);
    if (result == STATUS_OK) result = event_writer_flush(made, err);
    if (result == STATUS_OK) return STATUS_OK;
    event_writer_close(made);
    *writer = NULL;
    return result;
}

status event_writer_flush(struct event_writer *writer, struct error *err)
{
    if (fflush(writer->stream) != 0) return error_set_errno(err, "%s: cannot be written", writer->path);
    return STATUS_OK;
}

void event_writer_close(struct event_writer *writer)
{
    if (writer == NULL) return;
    if (writer->stream != NULL) fclose(writer->stream);
    memory_free(writer->path);
    memory_free(writer);
}
