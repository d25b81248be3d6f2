/* RMFER as a method of the table (method.h): the order of its terms, for whoever reads its phases or outcomes, and what
 * evaluation shares with it. The step itself is rmfer_step.h's. */
#ifndef RMFER_METHOD_RMFER_H
#define RMFER_METHOD_RMFER_H

#include "rmfer/config/config.h"
#include "rmfer/method/rmfer_step.h"

enum rmfer_term { RMFER_FER, RMFER_IAL, RMFER_ACL, RMFER_AFFECT, RMFER_TERMS };

/* The attention's mask, as objective and evaluation know it. */
enum self_mask self_mask_of(enum config_self_mask mask);

#endif
