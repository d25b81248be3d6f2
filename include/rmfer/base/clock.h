/* Time that only goes forward, for measuring how long something took. */
#ifndef RMFER_BASE_CLOCK_H
#define RMFER_BASE_CLOCK_H

/* Seconds of a clock that never goes back, from some moment in the past; 0 where the system has none. */
double clock_seconds(void);

/* Seconds that a processor has spent on the calling thread, so that what others do meanwhile does not count; 0 where
 * the system does not say. Asking takes some tenths of a microsecond. */
double clock_thread_seconds(void);

/* For measuring what `threads` threads do together: one thread's is the processor's time, several's that of the clock.
 */
double clock_team_seconds(int threads);

#endif
