/* What faults.c records and power_loss.c replays: one record an operation, followed by its path, the other path and, of
 * a write, its bytes. */
#ifndef TESTS_FAULTS_TRACE_H
#define TESTS_FAULTS_TRACE_H

#include <stdint.h>

enum trace_operation {
    TRACE_CREATE = 1, /* path, empty where it has no name yet; inode */
    TRACE_WRITE,      /* inode, place, size, bytes */
    TRACE_TRUNCATE,   /* inode, place = the new size */
    TRACE_SYNC,       /* inode: what was written to it is on the disk; of a folder, nothing is known */
    TRACE_RENAME,     /* path to other */
    TRACE_LINK,       /* path, other; or inode, other: the first name of a file that had none */
    TRACE_UNLINK,     /* path */
};

struct trace_record {
    uint32_t operation, path_length, other_length;
    uint64_t inode, place, size;
};

#endif
