/* Pictures with the faces' boxes and expressions drawn in. */
#include "cmd/predict_output.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/hash.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/draw.h"
#include "rmfer/data/picture_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { JPEG_QUALITY = 92, PIXELS_A_STROKE = 320, LONGEST_LABEL = 64 };

/* One colour an output, told apart by colour-blind people too (after Okabe and Ito 2008). */
static const struct color palette[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},   {240, 228, 66},
                                       {0, 114, 178}, {213, 94, 0},   {204, 121, 167}, {170, 170, 170}};
static const struct color black = {0, 0, 0}, white = {255, 255, 255};

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The names given so far by their hash: open addressing, never more than three quarters full, so that a picture costs
 * 21 to 43 bytes. A video costs as much as one picture: its frames lie in a folder of its own. */
struct used_name {
    uint64_t hash;     /* 0 = empty */
    int64_t next_copy; /* the number that the name's next copy tries; 0 = a folder that pictures are in */
};

struct used_names {
    struct used_name *names;
    size_t count, capacity;
    uint64_t video; /* the file whose folder was chosen last, plus 1 */
    int64_t copy;   /* the number of that folder */
};

status used_names_create(struct used_names **out, struct error *err)
{
    *out = memory_allocate(1, sizeof **out, "the names of pictures", err);
    return *out == NULL ? STATUS_FAILED : STATUS_OK;
}

void used_names_free(struct used_names *names)
{
    if (names == NULL) return;
    memory_free(names->names);
    memory_free(names);
}

/* 0 marks a free place. */
static uint64_t hash_that_is_taken(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

static uint64_t hash_of_bytes(const char *bytes, size_t length)
{
    return hash_that_is_taken(hash_add(HASH_START, bytes, length));
}

static uint64_t hash_of(const char *text)
{
    return hash_of_bytes(text, strlen(text));
}

/* The place of the hash, or the empty one where it belongs. */
static struct used_name *place_of(struct used_name *names, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (names[at].hash != 0 && names[at].hash != hash) at = (at + 1) & (capacity - 1);
    return &names[at];
}

/* For one more name and the folders that it is in. */
static status make_room(struct used_names *names, const char *target, struct error *err)
{
    size_t needed = 2;
    for (const char *at = target; (at = strchr(at, '/')) != NULL; at++) needed++;
    if (4 * (names->count + needed) <= 3 * names->capacity) return STATUS_OK;
    size_t capacity = names->capacity == 0 ? 256 : 2 * names->capacity;
    while (4 * (names->count + needed) > 3 * capacity) capacity *= 2;
    struct used_name *grown = memory_allocate(capacity, sizeof *grown, "the names of pictures", err);
    if (grown == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < names->capacity; i++)
        if (names->names[i].hash != 0) *place_of(grown, capacity, names->names[i].hash) = names->names[i];
    memory_free(names->names);
    names->names = grown;
    names->capacity = capacity;
    return STATUS_OK;
}

static bool is_png_name(const char *name)
{
    return text_ends_with_ignoring_case(name, ".png");
}

static struct used_name *find_name(const struct used_names *used, uint64_t hash)
{
    return place_of(used->names, used->capacity, hash);
}

static bool is_used(const struct used_names *used, uint64_t hash)
{
    return find_name(used, hash)->hash != 0;
}

/* The folders of a target, with the slash behind each. One that has a picture's name, which it cannot have beside it,
 * gets an ending that no picture has. */
static status append_folders(struct text *name, const struct used_names *used, const char *target, struct error *err)
{
    status result = STATUS_OK;
    for (const char *slash; result == STATUS_OK && (slash = strchr(target, '/')) != NULL; target = slash + 1) {
        result = text_append(name, target, (size_t)(slash - target), err);
        if (result == STATUS_OK)
            result = text_append_format(name, err, is_used(used, hash_of(text_string(name))) ? "-2/" : "/");
    }
    return result;
}

/* "a.jpg" to "a", "a-2" ... and its ending; a video's folder is "a/", and "s.tar#512" is "s-512". */
static status make_name(struct text *name, const struct used_names *used, const struct face_input *input, int64_t copy,
                        struct error *err)
{
    const char *target = input->target, *file = path_name(target), *dot = strrchr(file, '.');
    bool has_ending = dot != NULL && dot != file;
    size_t stem = has_ending ? (size_t)(dot - file) : strlen(file), shard_length;
    char member[24] = "", number[24] = "";
    int64_t offset;
    if (picture_file_split(file, &shard_length, &offset)) {
        stem = shard_length - strlen(".tar");
        snprintf(member, sizeof member, "-%lld", (long long)offset);
    }
    if (copy > 1) snprintf(number, sizeof number, "-%lld", (long long)copy);
    name->length = 0;
    status result = append_folders(name, used, target, err);
    if (result != STATUS_OK) return result;
    return text_append_format(name, err, "%.*s%s%s%s", (int)stem, file, member, number,
                              input->is_frame       ? "/"
                              : is_png_name(target) ? ".png"
                                                    : ".jpg");
}

/* The hash of the name's folder with the slash behind it, as a video's folder is hashed. */
static uint64_t hash_of_folder(const struct text *name)
{
    const char *slash = strrchr(name->bytes, '/');
    return slash == NULL ? hash_of("/") : hash_of_bytes(name->bytes, (size_t)(slash + 1 - name->bytes));
}

/* The hash of the folder that has a picture's name, or of the picture that has a folder's. */
static uint64_t hash_of_namesake(const struct text *name, bool is_folder)
{
    if (is_folder) return hash_of_bytes(name->bytes, name->length - 1);
    return hash_that_is_taken(hash_add(hash_add(HASH_START, name->bytes, name->length), "/", 1));
}

static void add_name(struct used_names *used, uint64_t hash, int64_t next_copy)
{
    *find_name(used, hash) = (struct used_name){hash, next_copy};
    used->count++;
}

static void add_folder(struct used_names *used, uint64_t hash)
{
    if (!is_used(used, hash)) add_name(used, hash, 0);
}

/* The name, the folder that a picture is in, and those above that a picture could be called as. */
static void take_name(struct used_names *used, struct text *name, bool is_folder)
{
    add_name(used, hash_of(name->bytes), 2);
    if (!is_folder) add_folder(used, hash_of_folder(name));
    for (char *slash = name->bytes; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        bool is_like_picture = is_png_name(name->bytes) || text_ends_with_ignoring_case(name->bytes, ".jpg");
        *slash = '/';
        if (is_like_picture) add_folder(used, hash_of_bytes(name->bytes, (size_t)(slash + 1 - name->bytes)));
    }
}

/* "frame_00000012.jpg" */
static bool is_frame_name(const char *file)
{
    if (strncmp(file, "frame_", 6) != 0) return false;
    return strcmp(file + 6 + strspn(file + 6, "0123456789"), ".jpg") == 0;
}

/* Whether nothing has that name: no picture, no folder, and no video's frame. */
static bool is_free(const struct used_names *used, const struct text *name, bool is_folder)
{
    if (is_used(used, hash_of(name->bytes)) || is_used(used, hash_of_namesake(name, is_folder))) return false;
    bool is_in_video = !is_folder && find_name(used, hash_of_folder(name))->next_copy > 0;
    return !is_in_video || !is_frame_name(path_name(name->bytes));
}

/* A name that no other picture or video of this run has. One that was asked for before remembers how far its copies
 * got, so that thousands of equal names cost no search each. */
static status choose_unused(struct used_names *used, const struct face_input *input, struct text *name, int64_t *copy,
                            struct error *err)
{
    *copy = 1;
    status result = make_room(used, input->target, err);
    if (result == STATUS_OK) result = make_name(name, used, input, 1, err);
    uint64_t first = hash_of(text_string(name));
    for (int64_t tried = 2; result == STATUS_OK; tried++) {
        if (is_free(used, name, input->is_frame)) {
            take_name(used, name, input->is_frame);
            return STATUS_OK;
        }
        struct used_name *place = find_name(used, first);
        *copy = place->hash != 0 && place->next_copy > 0 ? place->next_copy++ : tried;
        result = make_name(name, used, input, *copy, err);
    }
    return result;
}

/* A video's folder is chosen once, with its first frame. */
static status choose_name(const struct annotation *annotation, const struct face_input *input, struct text *name,
                          struct error *err)
{
    struct used_names *used = annotation->used;
    if (!input->is_frame) {
        int64_t copy;
        return choose_unused(used, input, name, &copy, err);
    }
    status result = STATUS_OK;
    if (used->video != input->file + 1) {
        result = choose_unused(used, input, name, &used->copy, err);
        used->video = input->file + 1;
    }
    if (result == STATUS_OK) result = make_name(name, used, input, used->copy, err);
    return result == STATUS_OK ? text_append_format(name, err, "frame_%08lld.jpg", (long long)input->frame) : result;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

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

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Folders below the one that was named are made here; a link in their place would lead elsewhere, and is looked for
 * before anything is made through it. */
static status make_folders(const char *root, const char *path, struct error *err)
{
    char *folder = path_folder(path, err);
    if (folder == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    for (size_t at = strlen(root) + 1; result == STATUS_OK && at <= strlen(folder); at++) {
        struct stat facts;
        char kept = folder[at];
        if (kept != '/' && kept != '\0') continue;
        folder[at] = '\0';
        if (lstat(folder, &facts) == 0 && S_ISLNK(facts.st_mode))
            result = error_set(err, "%s: is a link, which --annotate does not follow", folder);
        folder[at] = kept;
        if (kept == '\0') break;
    }
    if (result == STATUS_OK) result = folder_create(folder, err);
    memory_free(folder);
    return result;
}

/* Of the picture with its faces, the best one last, on top. A copy of a name ends as the name does. */
status annotation_encode(const struct annotation *annotation, struct predict_item *item,
                         const struct ranked_class *ranked, uint8_t **bytes, size_t *size, struct error *err)
{
    const struct face_picture *picture = item->picture;
    struct image *image = &item->picture->input.image;
    for (size_t i = picture->face_count; i-- > 0;)
        draw_face(image, annotation, picture->is_detected ? &picture->faces[i] : NULL,
                  ranked + i * annotation->class_count);
    bool is_png = !picture->input.is_frame && is_png_name(picture->input.target);
    status result = is_png ? image_encode_png(image, bytes, size, err)
                           : image_encode_jpeg(image, JPEG_QUALITY, bytes, size, err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", picture->input.path);
}

static status write_file(const struct annotation *annotation, const char *path, const uint8_t *bytes, size_t size,
                         struct error *err)
{
    struct stat facts;
    if (!annotation->force && lstat(path, &facts) == 0)
        return error_set(err, "%s: is there already; name another folder, or replace it by --force", path);
    return file_write_whole(path, bytes, size, annotation->force, err);
}

status annotation_write(const struct annotation *annotation, const struct face_input *input, const uint8_t *bytes,
                        size_t size, struct error *err)
{
    struct text name = {0};
    status result = choose_name(annotation, input, &name, err);
    char *path = result == STATUS_OK ? path_join(annotation->folder, text_string(&name), err) : NULL;
    result = path == NULL ? STATUS_FAILED : make_folders(annotation->folder, path, err);
    if (result == STATUS_OK && path_is_same(path, input->path))
        result = error_set(err, "%s: --annotate would write over the picture itself; name another folder", path);
    if (result == STATUS_OK) result = write_file(annotation, path, bytes, size, err);
    memory_free(path);
    text_free(&name);
    return result;
}
