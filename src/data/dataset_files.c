/* Whether the pictures of a data set are there. Waiting for a disk or a network is done by many threads. */
#include "data/dataset_reader.h"
#include "data/parallel.h"
#include "rmfer/data/picture_file.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { WAITING_THREADS = 16 };

static bool is_file_with_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0;
}

/* A shard's member is not looked up, the shard is. */
static bool is_there(const char *path)
{
    size_t shard_length;
    int64_t offset;
    char shard[PATH_MAX];
    if (!picture_file_split(path, &shard_length, &offset)) return is_file_with_bytes(path);
    if (shard_length >= sizeof shard) return false; /* no file is called that */
    memcpy(shard, path, shard_length);
    shard[shard_length] = '\0';
    return is_file_with_bytes(shard);
}

struct file_check {
    const struct dataset *dataset;
    bool *bad;
};

static void check_range(void *context, size_t begin, size_t end)
{
    struct file_check *check = context;
    for (size_t i = begin; i < end; i++)
        check->bad[i] = check->dataset->samples[i].pixels == NO_PIXELS && !is_there(dataset_path(check->dataset, i));
}

static void change_case(char *extension, int (*convert)(int))
{
    for (; *extension != '\0'; extension++) *extension = (char)convert((unsigned char)*extension);
}

/* Lists say .JPG where the disk says .jpg, and the other way round. Returns whether one of them is there; then the
 * sample's path is corrected in its place (the length stays). */
static bool find_other_case(struct dataset *dataset, size_t sample)
{
    char *path = dataset->names.bytes + dataset->samples[sample].path;
    char *dot = strrchr(path, '.');
    if (dot == NULL || strchr(dot, '/') != NULL || strlen(dot) > 8) return false;
    char kept[16];
    strcpy(kept, dot);
    change_case(dot, tolower);
    if (strcmp(dot, kept) != 0 && is_there(path)) return true;
    change_case(dot, toupper);
    if (strcmp(dot, kept) != 0 && is_there(path)) return true;
    strcpy(dot, kept);
    return false;
}

size_t dataset_check_files(struct dataset *dataset, bool *bad)
{
    struct file_check check = {dataset, bad};
    size_t count = 0;
    parallel_run(dataset->count, WAITING_THREADS, check_range, &check);
    for (size_t i = 0; i < dataset->count; i++) {
        if (bad[i]) bad[i] = !find_other_case(dataset, i);
        count += bad[i];
    }
    return count;
}
