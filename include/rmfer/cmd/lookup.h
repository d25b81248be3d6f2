/* Files that a command takes without being told: the model in the box, and the face detector. */
#ifndef RMFER_CMD_LOOKUP_H
#define RMFER_CMD_LOOKUP_H

#include "rmfer/base/text.h"

enum lookup_kind {
    LOOKUP_MODEL,    /* $RMFER_MODEL, then ferplus-b0.safetensors */
    LOOKUP_DETECTOR, /* $RMFER_DETECTOR, then yunet.onnx; this one in $XDG_DATA_HOME/rmfer too */
};

/* In place of a path: that no file is wanted. */
#define LOOKUP_NONE "none"

/* Puts the path of the file into `path`: what the environment variable names (taken as it is, so that a wrong one is an
 * error when it is opened), else the first that is there of models/NAME beside the program, $XDG_DATA_HOME/rmfer/NAME
 * (detectors only), ../share/rmfer/NAME from the program, and PREFIX/share/rmfer/NAME. Empty when there is none.
 * What was found is said once on standard error. */
status lookup_file(enum lookup_kind kind, struct text *path, struct error *err) MUST_CHECK;

/* *checkpoint, or where it is NULL the model in the box, kept in `found`, which must outlive it. A usage error that
 * names the places when there is none; it begins with `needed`, "predict needs --checkpoint FILE". */
status lookup_checkpoint(const char *needed, const char **checkpoint, struct text *found, struct error *err) MUST_CHECK;

/* *detector, or where it is NULL the one that lookup_file finds, kept in `found`, which must outlive it. NULL when
 * there is none, or "none" is what was named. */
status lookup_detector(const char **detector, struct text *found, struct error *err) MUST_CHECK;

#endif
