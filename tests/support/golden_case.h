/* Runs the case that a golden file of the engine describes and compares everything the file holds. */
#ifndef TESTS_SUPPORT_GOLDEN_CASE_H
#define TESTS_SUPPORT_GOLDEN_CASE_H

#include <stdbool.h>

/* True when forward in eval mode, losses, logits, every gradient and the running statistics agree within the bounds.
 * What does not is printed, and always one line with the largest errors. */
bool golden_case_run(const char *path);

#endif
