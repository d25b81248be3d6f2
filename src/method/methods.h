/* The rows of the table of methods, each defined in the file of its name. */
#ifndef RMFER_METHOD_METHODS_H
#define RMFER_METHOD_METHODS_H

#include "rmfer/method/method.h"

extern const struct method method_adacm;
extern const struct method method_consensus;
extern const struct method method_fixmatch;
extern const struct method method_mixmatch;
extern const struct method method_remixmatch;
extern const struct method method_rmfer;
extern const struct method method_uda;

#endif
