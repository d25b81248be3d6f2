/* rmfer: the command table. To add a command, write src/cmd/NAME.c with `int command_NAME(int argc, char **argv)`
 * and add its line to src/cmd/commands.c. */
#include "rmfer/cmd/commands.h"

int main(int argc, char **argv)
{
    return commands_run(argc, argv);
}
