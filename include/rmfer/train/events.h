/* TensorBoard event files: scalars as Event protocol buffers in TFRecord frames (length, data, masked CRC32C). */
#ifndef RMFER_TRAIN_EVENTS_H
#define RMFER_TRAIN_EVENTS_H

#include "rmfer/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct event_writer;

/* Makes DIR/events.out.tfevents.SECONDS.HOST.PID. */
status event_writer_open(struct event_writer **writer, const char *folder, struct error *err) MUST_CHECK;

/* One point of the curve `tag` ("train/loss"), stamped with the present time. */
status event_writer_scalar(struct event_writer *writer, const char *tag, int64_t step, double value,
                           struct error *err) MUST_CHECK;

/* Hands what was written to the system, so that a running TensorBoard sees it. */
status event_writer_flush(struct event_writer *writer, struct error *err) MUST_CHECK;

/* Closes and frees; NULL is fine. */
void event_writer_close(struct event_writer *writer);

/* TFRecord's mask of CRC-32C: ((crc >> 15) | (crc << 17)) + 0xa282ead8. */
uint32_t crc32c_masked(const void *bytes, size_t size);

#endif
