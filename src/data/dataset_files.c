/* Folders, and whether the pictures of a data set are there. Waiting for a disk or a network is done by many threads.
 */
#include "data/dataset_reader.h"
#include "data/parallel.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WAITING_THREADS = 16 };

/* Text order but for runs of digits, which count by value: 2.jpg before 10.jpg. */
static int compare_names(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            while (*a == '0') a++;
            while (*b == '0') b++;
            size_t a_digits = strspn(a, "0123456789"), b_digits = strspn(b, "0123456789");
            if (a_digits != b_digits) return a_digits < b_digits ? -1 : 1;
            int order = strncmp(a, b, a_digits);
            if (order != 0) return order;
            a += a_digits;
            b += b_digits;
        } else {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
        }
    }
    if (*a != '\0' || *b != '\0') return *a == '\0' ? -1 : 1;
    return strcmp(*(const char *const *)left, *(const char *const *)right); /* 01 and 1 */
}

static status append_name(struct folder_list *list, const char *name, struct error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        char **names = memory_grow(list->names, list->count, capacity, sizeof *names, "a folder's names", err);
        if (names == NULL) return STATUS_FAILED;
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->count] = memory_copy_string(name, err);
    if (list->names[list->count] == NULL) return STATUS_FAILED;
    list->count++;
    return STATUS_OK;
}

status folder_list_read(struct folder_list *list, const char *path, struct error *err)
{
    *list = (struct folder_list){0};
    DIR *folder = opendir(path);
    if (folder == NULL) return error_set_errno(err, "%s", path);
    status result = STATUS_OK;
    while (result == STATUS_OK) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0) result = error_set_errno(err, "%s", path);
            break;
        }
        if (entry->d_name[0] != '.') result = append_name(list, entry->d_name, err);
    }
    closedir(folder);
    if (result == STATUS_OK && list->count > 1) qsort(list->names, list->count, sizeof *list->names, compare_names);
    if (result != STATUS_OK) folder_list_free(list);
    return result;
}

void folder_list_free(struct folder_list *list)
{
    for (size_t i = 0; i < list->count; i++) memory_free(list->names[i]);
    memory_free(list->names);
    *list = (struct folder_list){0};
}

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

status dataset_check_files(struct dataset *dataset, bool *bad, size_t *bad_count, struct error *err)
{
    (void)err;
    struct file_check check = {dataset, bad};
    parallel_run(dataset->count, WAITING_THREADS, check_range, &check);
    *bad_count = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        if (bad[i]) bad[i] = !find_other_case(dataset, i);
        *bad_count += bad[i];
    }
    return STATUS_OK;
}
