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

static char folder[] = "/tmp/rmfer-fuzz-XXXXXX";
static char csv[64], binary[64];

static void remove_folder(void)
{
    unlink(csv);
    unlink(binary);
    rmdir(folder);
}

static void prepare(void)
{
    if (csv[0] != '\0') return;
    if (mkdtemp(folder) == NULL) abort();
    snprintf(csv, sizeof csv, "%s/index.csv", folder);
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
    struct crc32c_tables tables;
    struct rmset_header header;
    crc32c_prepare(&tables);
    memcpy(&header, bytes, sizeof header);
    header.checksum = rmset_header_checksum(&header, &tables, crc32c_extend(&tables, 0, bytes + sizeof header, size - sizeof header));
    memcpy(bytes, &header, sizeof header);
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
        /* A true index, changed: four bytes of input say where and by what. */
        write_fixed_list();
        if (open_index(&index, &err) != STATUS_OK) abort();
        rmset_index_close(index);
        uint8_t *changed;
        size_t length;
        if (file_read(binary, 1 << 20, &changed, &length, &err) != STATUS_OK) abort();
        for (size_t i = 1; i + 2 < size; i += 3)
            changed[(size_t)(bytes[i] << 8 | bytes[i + 1]) % length] = bytes[i + 2];
        seal(changed, length);
        write_file(binary, changed, length);
        memory_free(changed);
    }
    if (open_index(&index, &err) == STATUS_OK)
        use_index(index);
    else if (err.message[0] == '\0')
        abort();
    return 0;
}
