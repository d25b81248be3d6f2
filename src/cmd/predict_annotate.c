/* Pictures with the faces' boxes and expressions drawn in. */
#include "cmd/predict_output.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { JPEG_QUALITY = 92, PIXELS_A_STROKE = 320, LONGEST_LABEL = 64 };

/* One colour an output, told apart by colour-blind people too (after Okabe and Ito 2008). */
static const struct color palette[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},   {240, 228, 66},
                                       {0, 114, 178}, {213, 94, 0},   {204, 121, 167}, {170, 170, 170}};
static const struct color black = {0, 0, 0}, white = {255, 255, 255};

/* ---- names
 * --------------------------------------------------------------------------------------------------------- */

/* A set of strings by their hash: open addressing, never more than half full. */
struct used_names {
    uint64_t *hashes; /* 0 = empty */
    size_t count, capacity;
};

status used_names_create(struct used_names **out, struct error *err)
{
    *out = memory_allocate(1, sizeof **out, "the names of pictures", err);
    return *out == NULL ? STATUS_FAILED : STATUS_OK;
}

void used_names_free(struct used_names *names)
{
    if (names == NULL) return;
    memory_free(names->hashes);
    memory_free(names);
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash == 0 ? 1 : hash;
}

static void put_hash(uint64_t *hashes, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (hashes[at] != 0) at = (at + 1) & (capacity - 1);
    hashes[at] = hash;
}

static bool has_hash(const struct used_names *names, uint64_t hash)
{
    if (names->capacity == 0) return false;
    size_t at = (size_t)hash & (names->capacity - 1);
    while (names->hashes[at] != 0 && names->hashes[at] != hash) at = (at + 1) & (names->capacity - 1);
    return names->hashes[at] == hash;
}

static status add_hash(struct used_names *names, uint64_t hash, struct error *err)
{
    if (2 * (names->count + 1) > names->capacity) {
        size_t capacity = names->capacity == 0 ? 256 : 2 * names->capacity;
        uint64_t *hashes = memory_allocate(capacity, sizeof *hashes, "the names of pictures", err);
        if (hashes == NULL) return STATUS_FAILED;
        for (size_t i = 0; i < names->capacity; i++)
            if (names->hashes[i] != 0) put_hash(hashes, capacity, names->hashes[i]);
        memory_free(names->hashes);
        names->hashes = hashes;
        names->capacity = capacity;
    }
    put_hash(names->hashes, names->capacity, hash);
    names->count++;
    return STATUS_OK;
}

static bool is_png_name(const char *name)
{
    return text_ends_with_ignoring_case(name, ".png");
}

/* "a.jpg" to "a", "a-2" ... and its ending; frames get a folder of their video. */
static status make_name(struct text *name, const struct predict_input *input, int copy, struct error *err)
{
    const char *target = input->target, *file = path_name(target), *dot = strrchr(file, '.');
    bool has_ending = dot != NULL && dot != file;
    size_t stem = has_ending ? (size_t)(dot - target) : strlen(target);
    char number[24] = "";
    if (copy > 1) snprintf(number, sizeof number, "-%d", copy);
    name->length = 0;
    status result = text_append_format(name, err, "%.*s%s", (int)stem, target, number);
    if (result != STATUS_OK) return result;
    if (input->is_frame) return text_append_format(name, err, "/frame_%08lld.jpg", (long long)input->frame);
    return text_append_format(name, err, "%s", is_png_name(target) ? ".png" : ".jpg");
}

/* A name below the folder that no other picture of this run has. */
static status choose_name(const struct annotation *annotation, const struct predict_input *input, struct text *name,
                          struct error *err)
{
    for (int copy = 1;; copy++) {
        status result = make_name(name, input, copy, err);
        if (result != STATUS_OK) return result;
        uint64_t hash = hash_of(text_string(name));
        if (!has_hash(annotation->used, hash)) return add_hash(annotation->used, hash, err);
    }
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/* ---- drawing
 * ------------------------------------------------------------------------------------------------------- */

static bool is_dark(struct color color)
{
    return 299 * color.red + 587 * color.green + 114 * color.blue < 140000;
}

/* Scale of the font: that of the picture, smaller where the label would be much wider than the face. */
static int label_scale(const struct image_box *box, int stroke, int characters)
{
    int fitting = (int)fmin(1.2 * box->width / (characters * FONT_ADVANCE), 1000);
    return fitting < 1 ? 1 : fitting < stroke ? fitting : stroke;
}

/* Above the box where there is room, else below it, else inside of it. */
static int label_top(const struct image *image, const struct image_box *box, int height)
{
    double top = fmin(fmax(box->y, 0), image->height), bottom = box->y + box->height;
    if (top >= height)
        top -= height;
    else if (bottom >= 0 && bottom + height <= image->height)
        top = bottom;
    return (int)lround(top);
}

/* The expressions line by line on a plate of the colour. */
static void draw_label(struct image *image, const struct image_box *box, char (*lines)[LONGEST_LABEL], size_t count,
                       int stroke, struct color color)
{
    int longest = 1;
    for (size_t i = 0; i < count; i++) {
        int length = draw_text_width(lines[i], 1) / FONT_ADVANCE;
        if (length > longest) longest = length;
    }
    int scale = label_scale(box, stroke, longest), row = (FONT_HEIGHT + 1) * scale;
    int width = longest * FONT_ADVANCE * scale + scale, height = (int)count * row + scale;
    int x = (int)lround(fmin(fmax(box->x, 0), image->width)), y = label_top(image, box, height);
    if (x + width > image->width) x = image->width - width > 0 ? image->width - width : 0;
    draw_rectangle(image, x, y, width, height, color);
    for (size_t i = 0; i < count; i++)
        draw_text(image, x + scale, y + scale + (int)i * row, scale, lines[i], is_dark(color) ? white : black);
}

static void draw_face(struct image *image, const struct annotation *annotation, const struct detected_face *face,
                      const struct ranked_class *ranked)
{
    enum { MOST_LINES = 8 };
    char lines[MOST_LINES][LONGEST_LABEL];
    size_t count = annotation->top < MOST_LINES ? annotation->top : MOST_LINES;
    struct color color = palette[ranked[0].index % (sizeof palette / sizeof *palette)];
    int longer = image->width > image->height ? image->width : image->height;
    int stroke = (longer + PIXELS_A_STROKE / 2) / PIXELS_A_STROKE;
    struct image_box whole = {0, 0, image->width, image->height};
    if (stroke < 1) stroke = 1;
    for (size_t i = 0; i < count; i++)
        snprintf(lines[i], LONGEST_LABEL, "%.48s %.0f%%", annotation->classes[ranked[i].index],
                 100 * ranked[i].probability);
    if (face != NULL) {
        draw_frame(image, &face->shape.box, stroke, color);
        for (int i = 0; i < FACE_LANDMARKS; i++)
            draw_dot(image, face->shape.landmarks[i][0], face->shape.landmarks[i][1], 0.8 * stroke + 0.5, color);
    }
    draw_label(image, face != NULL ? &face->shape.box : &whole, lines, count, stroke, color);
}

status annotate_item(const struct annotation *annotation, struct predict_item *item,
                     const struct ranked_class *ranked, struct error *err)
{
    struct image *image = &item->input.image;
    struct text name = {0};
    status result = choose_name(annotation, &item->input, &name, err);
    char *path = result == STATUS_OK ? path_join(annotation->folder, text_string(&name), err) : NULL;
    char *folder = path == NULL ? NULL : path_folder(path, err);
    result = folder == NULL ? STATUS_FAILED : folder_create(folder, err);
    if (result == STATUS_OK && is_same_file(path, item->input.path))
        result = error_set(err, "%s: --annotate would write over the picture itself; name another folder", path);
    if (result == STATUS_OK) {
        for (size_t i = item->face_count; i-- > 0;) /* the best face last, on top */
            draw_face(image, annotation, item->is_detected ? &item->faces[i] : NULL,
                      ranked + i * annotation->class_count);
        result =
            is_png_name(path) ? image_write_png(path, image, err) : image_write_jpeg(path, image, JPEG_QUALITY, err);
    }
    memory_free(folder);
    memory_free(path);
    text_free(&name);
    return result;
}
