/* A piece of a test in a process of its own. */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

/* Runs act(argument) in a process of its own, silently and without a core file; gives its wait status. */
int in_a_child(void (*act)(const char *argument), const char *argument);

#endif
