/* The parts of `rmfer rmset`. */
#ifndef RMFER_CMD_RMSET_H
#define RMFER_CMD_RMSET_H

/* Each gets its own name as argv[0] and returns the exit code. */
int command_rmset_build(int argc, char **argv);
int command_rmset_preview(int argc, char **argv);
int command_rmset_stats(int argc, char **argv);
int command_rmset_check(int argc, char **argv);

#endif
