/* Power lost after every operation that faults.c recorded: power_loss TRACE FOLDER.
 *
 * Two disks are kept. One has done all of the operations so far. The other did all that names files, at once, but of
 * the bytes only what was synced: the worst that a file system may make of a rename whose data were not asked for. On
 * both, after each operation, every checkpoint that is there must be whole, config.ini must be, and a checkpoint that
 * was there once must not be missing. last.safetensors tells a run to go on behind its lines of metrics.jsonl: those
 * written by then must have been synced when it gets its name. Prints how many states were looked at; exit status 1 and
 * a line for each that is wrong. */
#include "trace.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 512, MOST_NAMES = 512 };

struct content {
    uint8_t *bytes;
    size_t size;
};

struct inode {
    uint64_t number;
    struct content written, synced;
    int written_state, synced_state; /* 0 = not looked at, 1 = whole, -1 = not */
};

struct name {
    char *path; /* NULL = none */
    struct inode *inode;
};

static struct inode inodes[MOST_FILES];
static struct name names[MOST_NAMES];
static size_t inode_count, states, wrong;
static bool seen_last;
static size_t operations;

static void die(const char *what)
{
    fprintf(stderr, "power_loss: %s\n", what);
    exit(2);
}

static struct inode *find_inode(uint64_t number)
{
    for (size_t i = 0; i < inode_count; i++)
        if (inodes[i].number == number) return &inodes[i];
    if (inode_count == MOST_FILES) die("too many files");
    inodes[inode_count].number = number;
    return &inodes[inode_count++];
}

static struct name *find_name(const char *path, bool make)
{
    struct name *unused = NULL;
    for (size_t i = 0; i < MOST_NAMES; i++) {
        if (names[i].path == NULL && unused == NULL) unused = &names[i];
        if (names[i].path != NULL && strcmp(names[i].path, path) == 0) return &names[i];
    }
    if (!make) return NULL;
    if (unused == NULL) die("too many names");
    unused->path = strdup(path);
    return unused;
}

static void remove_name(const char *path)
{
    struct name *name = find_name(path, false);
    if (name == NULL) return;
    free(name->path);
    *name = (struct name){0};
}

static void resize(struct content *content, size_t size)
{
    if (size > content->size) {
        content->bytes = realloc(content->bytes, size);
        if (content->bytes == NULL) die("not enough memory");
        memset(content->bytes + content->size, 0, size - content->size);
    }
    content->size = size;
}

static void sync_inode(struct inode *inode)
{
    resize(&inode->synced, inode->written.size);
    if (inode->written.size > 0) memcpy(inode->synced.bytes, inode->written.bytes, inode->written.size);
    inode->synced_state = inode->written_state;
}

static bool is_named(const struct inode *inode)
{
    for (size_t i = 0; i < MOST_NAMES; i++)
        if (names[i].inode == inode) return true;
    return false;
}

/* ---- the operations ---- */

static void create(const char *path, uint64_t number)
{
    struct inode *inode = find_inode(number);
    if (!is_named(inode)) { /* the number of a file that is gone may come again */
        inode->written.size = inode->synced.size = 0;
        inode->written_state = inode->synced_state = 0;
    }
    if (path[0] != '\0') find_name(path, true)->inode = inode;
}

static void write_bytes(struct inode *inode, uint64_t place, const uint8_t *bytes, uint64_t size)
{
    if (place + size > inode->written.size) resize(&inode->written, (size_t)(place + size));
    memcpy(inode->written.bytes + place, bytes, (size_t)size);
    inode->written_state = 0;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), part = strlen(ending);
    return length >= part && strcmp(path + length - part, ending) == 0;
}

static void check_lines(void)
{
    for (size_t i = 0; i < MOST_NAMES; i++) {
        if (names[i].path == NULL || !ends_with(names[i].path, "/metrics.jsonl")) continue;
        const struct inode *lines = names[i].inode;
        if (lines->synced.size == lines->written.size) continue;
        printf("operation %zu: last.safetensors comes before %zu bytes of metrics.jsonl\n", operations,
               lines->written.size - lines->synced.size);
        wrong++;
    }
}

static void give_name(const char *from, const char *to, bool keep)
{
    struct name *name = find_name(from, false);
    if (name == NULL) return; /* of before the recording */
    struct inode *inode = name->inode;
    if (!keep) remove_name(from);
    find_name(to, true)->inode = inode;
    if (ends_with(to, "/last.safetensors")) check_lines();
}

static const uint8_t *apply(const struct trace_record *r, const char *path, const char *other, const uint8_t *at)
{
    struct inode *inode = r->inode == 0 ? NULL : find_inode(r->inode);
    switch (r->operation) {
    case TRACE_CREATE: create(path, r->inode); break;
    case TRACE_WRITE: write_bytes(inode, r->place, at, r->size); return at + r->size;
    case TRACE_TRUNCATE: resize(&inode->written, (size_t)r->place); break;
    case TRACE_SYNC: sync_inode(inode); break;
    case TRACE_RENAME: give_name(path, other, false); break;
    case TRACE_LINK:
        if (inode != NULL)
            find_name(other, true)->inode = inode; /* its first */
        else
            give_name(path, other, true);
        break;
    case TRACE_UNLINK: remove_name(path); break;
    default: die("not a trace");
    }
    return at;
}

/* ---- what must hold ---- */

static int look(const char *path, const struct content *content, const struct content *config)
{
    if (ends_with(path, "/config.ini"))
        return content->size == config->size && memcmp(content->bytes, config->bytes, config->size) == 0 ? 1 : -1;
    struct safetensors file;
    struct error err = {0};
    if (safetensors_parse(&file, content->bytes, content->size, path, &err) != STATUS_OK) return -1;
    safetensors_close(&file);
    return 1;
}

static void check(const struct content *config)
{
    bool last = false;
    states += 2;
    for (size_t i = 0; i < MOST_NAMES; i++) {
        const char *path = names[i].path;
        struct inode *inode = names[i].inode;
        if (path == NULL || !(ends_with(path, ".safetensors") || ends_with(path, "/config.ini"))) continue;
        last = last || ends_with(path, "/last.safetensors");
        if (inode->written_state == 0) inode->written_state = look(path, &inode->written, config);
        if (inode->synced_state == 0) inode->synced_state = look(path, &inode->synced, config);
        if (inode->written_state > 0 && inode->synced_state > 0) continue;
        printf("after operation %zu: %s is not whole%s\n", operations, path,
               inode->written_state > 0 ? " without what was not synced" : "");
        wrong++;
        inode->written_state = inode->synced_state = 1; /* said once */
    }
    if (seen_last && !last) printf("after operation %zu: last.safetensors is gone\n", operations), wrong++;
    seen_last = last;
}

static char *copy_text(const uint8_t *at, uint32_t length)
{
    char *text = calloc(1, (size_t)length + 1);
    if (text == NULL) die("not enough memory");
    memcpy(text, at, length);
    return text;
}

int main(int argc, char **argv)
{
    if (argc != 3) die("usage: power_loss TRACE FOLDER");
    struct error err = {0};
    struct mapped_file trace;
    struct content config;
    char path[4096];
    snprintf(path, sizeof path, "%s/config.ini", argv[2]);
    if (file_load(&trace, argv[1], &err) != STATUS_OK) die(err.message);
    if (file_read(path, 1 << 20, &config.bytes, &config.size, &err) != STATUS_OK) die(err.message);
    const uint8_t *at = trace.bytes, *end = at + trace.size;
    while (at < end) {
        struct trace_record r;
        memcpy(&r, at, sizeof r);
        at += sizeof r;
        char *first = copy_text(at, r.path_length), *second = copy_text(at + r.path_length, r.other_length);
        operations++;
        at = apply(&r, first, second, at + r.path_length + r.other_length);
        check(&config);
        free(first);
        free(second);
    }
    printf("%zu operations, %zu states of the disk, %zu wrong\n", operations, states, wrong);
    for (size_t i = 0; i < inode_count; i++) {
        free(inodes[i].written.bytes);
        free(inodes[i].synced.bytes);
    }
    for (size_t i = 0; i < MOST_NAMES; i++) free(names[i].path);
    memory_free(config.bytes);
    file_unmap(&trace);
    return wrong > 0 || operations == 0 || !seen_last;
}
