/* What stands beside a film, from hostile bytes parted by zero bytes (film.csv, faces.csv, detections.csv) and, of one
 * that was built, film.ini: refused with a message, or boxes and counts that can be used; what is printed of areas
 * reads back. */
#define _GNU_SOURCE
#include "fuzz/support/scratch_folder.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/image.h"
#include "rmfer/rmset/notes.h"
#include "rmset/film.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FILES = 4 };
static const char *const names[FILES] = {"a.film.csv", "a.faces.csv", "a.detections.csv", "film.ini"};

static void write_files(const uint8_t *bytes, size_t size)
{
    char path[80];
    for (int i = 0; i < FILES; i++) {
        const uint8_t *end = size > 0 && i < FILES - 1 ? memchr(bytes, '\0', size) : NULL;
        size_t length = end == NULL ? size : (size_t)(end - bytes);
        snprintf(path, sizeof path, "%s/%s", scratch_folder(), names[i]);
        scratch_write(path, bytes, length);
        bytes += end == NULL ? length : length + 1;
        size -= end == NULL ? length : length + 1;
    }
}

static void use(const struct rmset_notes *notes)
{
    static uint8_t pixels[16 * 16 * 3];
    struct image image = {.width = 16, .height = 16, .rgb = pixels};
    struct error err = {0};
    struct text areas = {0};
    struct rmset_notes again = {0};
    for (int64_t frame = 0; frame < 3; frame++) {
        struct detected_face *faces;
        size_t count;
        rmset_notes_mask(notes, frame, &image);
        if (rmset_notes_detections(notes, frame, &faces, &count, &err) != STATUS_OK) abort();
        for (size_t i = 0; i < count; i++) (void)rmset_notes_hide(notes, frame, &faces[i].shape.box);
        memory_free(faces);
    }
    if (rmset_notes_print_areas(notes, &areas, &err) != STATUS_OK) abort();
    char *saved = NULL;
    for (char *area = areas.length == 0 ? NULL : strtok_r(areas.bytes, " ", &saved); area != NULL;
         area = strtok_r(NULL, " ", &saved))
        if (rmset_notes_add_area(&again, area, &err) != STATUS_OK) abort();
    if (again.area_count != notes->area_count) abort();
    rmset_notes_free(&again);
    text_free(&areas);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char film[80], facts_path[80];
    struct rmset_notes notes = {0};
    struct film_facts facts;
    struct error err = {0};
    snprintf(film, sizeof film, "%s/a.mp4", scratch_folder());
    snprintf(facts_path, sizeof facts_path, "%s/film.ini", scratch_folder());
    write_files(bytes, size);
    if (rmset_notes_read(&notes, film, NULL, true, &err) == STATUS_OK)
        use(&notes);
    else if (err.message[0] == '\0')
        abort();
    rmset_notes_free(&notes);
    err = (struct error){0};
    if (film_facts_read(&facts, facts_path, &err) == STATUS_OK) {
        if (facts.settings == NULL || facts.areas == NULL) abort();
        film_facts_free(&facts);
    } else if (err.message[0] == '\0')
        abort();
    return 0;
}
