/* Any bytes as an RMset's list, or (first byte odd) as the binary index of a fixed list: an error, or faces that can
 * all be asked for and drawn. */
#define _GNU_SOURCE
#include "rmfer/data/rmset_index.h"

#include "data/rmset_index_format.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Memory where there is some: what is made durable need not wait for a disk. */
static char folder[] = "/dev/shm/rmfer-fuzz-XXXXXX", elsewhere[] = "/tmp/rmfer-fuzz-XXXXXX";
static char csv[64], binary[64];
static const char *place = folder;
static uint8_t *whole; /* the binary index of the fixed list */
static size_t whole_size;

static void remove_folder(void)
{
    unlink(csv);
    unlink(binary);
    rmdir(place);
    memory_free(whole);
}

static void prepare(void)
{
    if (csv[0] != '\0') return;
    if (mkdtemp(folder) == NULL) place = mkdtemp(elsewhere);
    if (place == NULL) abort();
    snprintf(csv, sizeof csv, "%s/index.csv", place);
    snprintf(binary, sizeof binary, "%s.index", csv);
    atexit(remove_folder);
    log_set_level(LOG_QUIET);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static status open_index(struct rmset_index **index, struct error *err)
{
    const struct rmset_options options = {.csv = csv, .every = 1, .fraction = 1, .near = 5, .far = 2};
    return rmset_index_open(index, &options, err);
}

static void use_index(struct rmset_index *index)
{
    struct text path = {0};
    for (uint64_t row = 0; row < rmset_index_faces(index) && row < 100; row++) {
        struct error err = {0};
        int64_t offset;
        (void)rmset_index_face(index, row);
        if (rmset_index_path(index, row, &path, &offset, &err) != STATUS_OK && err.message[0] == '\0') abort();
    }
    for (uint64_t step = 0; step < 10; step++) {
        struct error err = {0};
        uint64_t rows[9];
        if (rmset_index_draw(index, 0, step, 0, 4, 4, rows, &err) != STATUS_OK) continue;
        for (int i = 0; i < 9; i++)
            if (rows[i] >= rmset_index_faces(index)) abort();
    }
    text_free(&path);
    rmset_index_close(index);
}

/* A list whose time of change never changes, so that a binary index made elsewhere still belongs to it. */
static void write_fixed_list(void)
{
    static const char list[] = "video,frame,face,path\na,0,0,a\na,0,1,b\na,4,0,c\na,9,1,d\nb,0,3,e\nb,7,3,f\n";
    const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    write_file(csv, list, sizeof list - 1);
    if (utimensat(AT_FDCWD, csv, times, 0) != 0) abort();
}

/* Gives it the checksum of a whole one: someone meant the change. */
static void seal(uint8_t *bytes, size_t size)
{
    static struct crc32c_tables tables;
    static bool prepared;
    struct rmset_header header;
    if (!prepared) crc32c_prepare(&tables);
    prepared = true;
    memcpy(&header, bytes, sizeof header);
    header.checksum = rmset_header_checksum(&header, &tables,
                                            crc32c_extend(&tables, 0, bytes + sizeof header, size - sizeof header));
    memcpy(bytes, &header, sizeof header);
}

/* A true index, changed: three bytes of input say where and by what. It is built once. */
static void write_changed_index(const uint8_t *changes, size_t size)
{
    struct rmset_index *index = NULL;
    struct error err = {0};
    write_fixed_list();
    if (whole == NULL) {
        if (open_index(&index, &err) != STATUS_OK) abort();
        rmset_index_close(index);
        if (file_read(binary, 1 << 20, &whole, &whole_size, &err) != STATUS_OK) abort();
    }
    uint8_t *changed = malloc(whole_size);
    if (changed == NULL) abort();
    memcpy(changed, whole, whole_size);
    for (size_t i = 0; i + 2 < size; i += 3)
        changed[(size_t)(changes[i] << 8 | changes[i + 1]) % whole_size] = changes[i + 2];
    seal(changed, whole_size);
    write_file(binary, changed, whole_size);
    free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct rmset_index *index = NULL;
    struct error err = {0};
    prepare();
    unlink(binary);
    if (size == 0) return 0;
    if (bytes[0] % 2 == 0) {
        write_file(csv, bytes + 1, size - 1);
    } else {
        write_changed_index(bytes + 1, size - 1);
    }
    if (open_index(&index, &err) == STATUS_OK)
        use_index(index);
    else if (err.message[0] == '\0')
        abort();
    return 0;
}
