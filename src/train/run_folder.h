/* A run's folder: the names of its files, its log and its lines of metrics. */
#ifndef RMFER_TRAIN_RUN_FOLDER_H
#define RMFER_TRAIN_RUN_FOLDER_H

#include "rmfer/base/text.h"

#include <stdio.h>

struct run_folder {
    char *folder;
    char *config, *metrics, *log, *lock, *last, *previous, *best_overall, *best_average; /* paths */
    int lock_descriptor;
    bool lock_is_open;
    FILE *metrics_stream, *log_stream;
    FILE *early_log; /* messages before the log is opened */
};

/* Makes the folder where there is none and names the files; opens nothing. */
status run_folder_init(struct run_folder *run, const char *folder, struct error *err) MUST_CHECK;
/* What there is of a run already. */
struct run_files {
    bool checkpoint, best, lines; /* last or previous, best_*, lines of metrics */
};
struct run_files run_folder_look(const struct run_folder *run);

/* Ends the log's copy, closes and frees. Accepts a zeroed structure. */
void run_folder_free(struct run_folder *run);

/* Locks .lock, a file for nothing else, which says that a process trains here: fails when another one does (where the
 * file system has no locks, nobody is refused). The lock ends with the process, however it ends. Then removes what
 * killed runs left half written. From now on messages are kept for log.txt. */
status run_folder_lock(struct run_folder *run, struct error *err) MUST_CHECK;

/* Appends the messages kept so far to log.txt; from now on messages are copied into it. */
status run_folder_open_log(struct run_folder *run, struct error *err) MUST_CHECK;

/* Opens metrics.jsonl, without its lines of steps after `step` and without a line that was cut short. Unless that step
 * was `evaluated`, as the checkpoint knows, its evaluation will be made again, and the line of the first one goes. */
status run_folder_open_metrics(struct run_folder *run, uint64_t step, bool evaluated, struct error *err) MUST_CHECK;

/* Appends one line to metrics.jsonl and hands it to the system. */
status run_folder_write_metrics(struct run_folder *run, const char *line, struct error *err) MUST_CHECK;

/* Brings the lines written so far to the disk, before a checkpoint that tells the run to go on behind them. Lines of
 * log.txt that stay behind are no error. */
status run_folder_sync_lines(const struct run_folder *run, struct error *err) MUST_CHECK;

/* Writes config.ini. */
status run_folder_write_config(struct run_folder *run, const char *text, struct error *err) MUST_CHECK;

#endif
