/* What a run leaves for people: the run folder, lines of metrics, TensorBoard, messages, progress. */
#ifndef RMFER_TRAIN_JOURNAL_H
#define RMFER_TRAIN_JOURNAL_H

#include "rmfer/train/evaluation.h"
#include "rmfer/train/events.h"

#include "learner.h"
#include "rmfer/train/progress.h"
#include "run_folder.h"

/* Time of this session. */
struct stopwatch {
    double training_seconds, images; /* in steps */
    double window_seconds, window_images;
    double wait_seconds, window_wait_begin; /* for pictures, in all, and when the window began */
};

struct journal {
    const struct run_plan *plan;
    bool writes; /* rank 0 alone leaves anything */
    struct run_folder run;
    struct text config_text;
    struct text last_metrics; /* the last evaluation, a JSON object */
    struct text line;
    struct event_writer *events;
    struct progress progress;
    struct stopwatch watch;
};

/* Names the folder's files and locks it; nothing in it changes before journal_open. */
status journal_init(struct journal *journal, const struct run_plan *plan, struct error *err) MUST_CHECK;
/* Begins or goes on after `step`: config.ini, metrics.jsonl without what comes after it, log.txt, events. */
status journal_open(struct journal *journal, const struct position *position, struct error *err) MUST_CHECK;
void journal_free(struct journal *journal);

/* ---- before the first step */
status journal_report_data(const struct journal *journal, const struct pictures *pictures,
                           struct error *err) MUST_CHECK;
/* The memory plan, with maps kept as `saved`, beside which `to_come` bytes will be taken. */
void journal_report_memory(const struct learner *learner, const struct pictures *pictures,
                           const struct evaluator *evaluator, enum config_saved saved, size_t to_come);

/* ---- while it runs */
void journal_count_step(struct journal *journal, double seconds, double images, double wait_seconds);
void journal_show_progress(struct journal *journal, const struct run_state *state);
/* A line of metrics about the steps since the last one; empties the window. */
status journal_report_window(struct journal *journal, struct run_state *state, struct error *err) MUST_CHECK;
/* A line of metrics and a message about an evaluation; sets last_metrics. */
status journal_report_evaluation(struct journal *journal, const struct run_state *state,
                                 const struct dataset *selection, const struct evaluation *evaluation,
                                 struct error *err) MUST_CHECK;
/* Sets the sentence on numbers that are not finite; names every picture in the log. `checkpoint_step` is that of the
 * last checkpoint, -1 = none. */
status journal_report_not_finite(struct journal *journal, const struct run_state *state,
                                 const struct learner_failure *failure, const struct pictures *pictures,
                                 int64_t checkpoint_step, struct error *err);
/* The same of a tensor of the run that a step made not finite, `name`. */
status journal_report_damage(struct journal *journal, const struct run_state *state, const char *name,
                             int64_t checkpoint_step, struct error *err);

#endif
