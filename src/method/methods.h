/* The rows of the table of methods, each defined in the file of its name. */
#ifndef RMFER_METHOD_METHODS_H
#define RMFER_METHOD_METHODS_H

#include "rmfer/method/method.h"

extern const struct method method_adacm;
extern const struct method method_byol;
extern const struct method method_center;
extern const struct method method_consensus;
extern const struct method method_dacl;
extern const struct method method_fixmatch;
extern const struct method method_island;
extern const struct method method_mixmatch;
extern const struct method method_moco;
extern const struct method method_remixmatch;
extern const struct method method_rmfer;
extern const struct method method_simclr;
extern const struct method method_simsiam;
extern const struct method method_uda;

#endif
