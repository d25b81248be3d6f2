/* Which faces of a step may be negatives of each other: what the mutual loss asks the RMset's index. It stands by
 * itself, as the loss does without an index. */
#include "method/mutual.h"

static bool are_apart(const struct config *config, const struct rmset_index *index, int64_t a, int64_t b)
{
    if (a == b) return false;
    if (config->rmset.grouping == GROUPING_NONE) return true; /* nothing is known of when faces were seen */
    struct rmset_face one = rmset_index_face(index, (uint64_t)a), other = rmset_index_face(index, (uint64_t)b);
    int64_t frames = (int64_t)one.frame - (int64_t)other.frame;
    return one.video != other.video || (frames < 0 ? -frames : frames) > config->acl.far;
}

void mutual_tell_apart(const struct config *config, const struct rmset_index *index, const int64_t *ids, size_t rows,
                       unsigned char *apart)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < rows; j++) apart[i * rows + j] = are_apart(config, index, ids[i], ids[j]);
}
