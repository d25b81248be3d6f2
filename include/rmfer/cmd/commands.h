/* The commands of the program: one table of name, function and one line of help. */
#ifndef RMFER_CMD_COMMANDS_H
#define RMFER_CMD_COMMANDS_H

/* Finds argv[1] in the table and runs it with the rest. Returns the exit code. */
int commands_run(int argc, char **argv);

/* Each command gets its own name as argv[0] and returns the exit code. */
int command_config(int argc, char **argv);
int command_train(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_info(int argc, char **argv);
int command_rmset(int argc, char **argv);
int command_synth(int argc, char **argv);
int command_plot(int argc, char **argv);
int command_report(int argc, char **argv);
int command_table(int argc, char **argv);
int command_bench(int argc, char **argv);

#endif
