/* A run's folder: the names of its files, its log and its lines of metrics. */
#ifndef RMFER_TRAIN_RUN_FOLDER_H
#define RMFER_TRAIN_RUN_FOLDER_H

#include "rmfer/base/text.h"

#include <stdio.h>

struct run_folder {
    char *folder;
    char *config, *metrics, *log, *last, *best_overall, *best_average; /* paths */
    FILE *metrics_stream, *log_stream;
    FILE *early_log; /* messages before the log is opened */
};

/* Makes the folder where there is none and names the files; opens nothing. */
status run_folder_init(struct run_folder *run, const char *folder, struct error *err) MUST_CHECK;
/* Ends the log's copy, closes and frees. Accepts a zeroed structure. */
void run_folder_free(struct run_folder *run);

/* Locks log.txt, which says that a process trains here: fails when another one does (where the file system has no
 * locks, nobody is refused). From now on messages are kept for it; nothing is written. */
status run_folder_lock(struct run_folder *run, struct error *err) MUST_CHECK;

/* Appends the messages kept so far to log.txt; from now on messages are copied into it. */
status run_folder_open_log(struct run_folder *run, struct error *err) MUST_CHECK;

/* Opens metrics.jsonl, without its lines of steps after `step` and without a line that was cut short. */
status run_folder_open_metrics(struct run_folder *run, uint64_t step, struct error *err) MUST_CHECK;

/* Appends one line to metrics.jsonl and hands it to the system. */
status run_folder_write_metrics(struct run_folder *run, const char *line, struct error *err) MUST_CHECK;

/* Writes config.ini. */
status run_folder_write_config(struct run_folder *run, const char *text, struct error *err) MUST_CHECK;

#endif
