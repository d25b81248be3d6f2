/* A film's folder: faces as files or in shards, rows.csv, tracks.csv, film.ini. */
#ifndef RMFER_SRC_RMSET_FILM_WRITER_H
#define RMFER_SRC_RMSET_FILM_WRITER_H

#include "rmfer/faces/pipeline.h"
#include "rmset/film.h"

struct film_writer;

status film_writer_create(struct film_writer **writer, const char *folder, const char *name, int64_t shard_bytes,
                          struct error *err) MUST_CHECK;

/* A frame's faces, which have ids and files. */
status film_writer_add(struct film_writer *writer, const struct face_picture *picture, struct error *err) MUST_CHECK;

status film_writer_finish(struct film_writer *writer, const struct face_tracker *tracker,
                          const struct film_facts *facts, struct error *err) MUST_CHECK;
void film_writer_free(struct film_writer *writer);

#endif
