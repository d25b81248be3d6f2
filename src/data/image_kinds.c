/* The kinds of pictures: how each is told by its bytes and by its name, and which of them this build reads. */
#include "data/image_formats.h"
#include "rmfer/base/text.h"

#include <string.h>

#ifdef RMFER_HAVE_TIFF
#define DECODE_TIFF image_tiff_decode
#else
#define DECODE_TIFF NULL
#endif
#ifdef RMFER_HAVE_GIF
#define DECODE_GIF image_gif_decode
#else
#define DECODE_GIF NULL
#endif
#ifdef RMFER_HAVE_WEBP
#define DECODE_WEBP image_webp_decode
#else
#define DECODE_WEBP NULL
#endif

enum { MOST_ENDINGS = 5 };

static const struct {
    const char *name;
    image_decoder decode; /* NULL: not read */
    const char *endings[MOST_ENDINGS];
} kinds[IMAGE_KINDS] = {
    [IMAGE_JPEG] = {"JPEG", image_jpeg_decode, {".jpg", ".jpeg", ".jpe", ".jfif"}},
    [IMAGE_PNG] = {"PNG", image_png_decode, {".png"}},
    [IMAGE_BMP] = {"BMP", image_bmp_decode, {".bmp", ".dib"}},
    [IMAGE_TIFF] = {"TIFF", DECODE_TIFF, {".tif", ".tiff"}},
    [IMAGE_GIF] = {"GIF", DECODE_GIF, {".gif"}},
    [IMAGE_WEBP] = {"WebP", DECODE_WEBP, {".webp"}},
    [IMAGE_HEIF] = {"HEIF or AVIF", NULL, {".heic", ".heif", ".avif"}},
    [IMAGE_JPEG_2000] = {"JPEG 2000", NULL, {".jp2", ".j2k", ".jpx"}},
    [IMAGE_PHOTOSHOP] = {"Photoshop", NULL, {".psd"}},
    [IMAGE_WEB_PAGE] = {"a web page", NULL, {NULL}},
};

/* What a kind's files begin with; `at` is where the mark stands. */
static const struct {
    enum image_kind kind;
    size_t at, length;
    const char *mark;
} marks[] = {
    {IMAGE_JPEG, 0, 3, "\xff\xd8\xff"},
    {IMAGE_PNG, 0, 8, "\x89PNG\r\n\x1a\n"},
    {IMAGE_BMP, 0, 2, "BM"},
    {IMAGE_TIFF, 0, 4, "II*\0"},
    {IMAGE_TIFF, 0, 4, "MM\0*"},
    {IMAGE_GIF, 0, 4, "GIF8"},
    {IMAGE_WEBP, 8, 4, "WEBP"},
    {IMAGE_HEIF, 4, 4, "ftyp"},
    {IMAGE_JPEG_2000, 4, 4, "jP  "},
    {IMAGE_JPEG_2000, 0, 4, "\xff\x4f\xff\x51"},
    {IMAGE_PHOTOSHOP, 0, 4, "8BPS"},
    {IMAGE_WEB_PAGE, 0, 5, "<html"},
    {IMAGE_WEB_PAGE, 0, 5, "<!DOC"},
};

enum image_kind image_kind_of_bytes(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (size >= marks[i].at + marks[i].length && memcmp(bytes + marks[i].at, marks[i].mark, marks[i].length) == 0)
            return marks[i].kind;
    return IMAGE_UNKNOWN;
}

static bool begins_with(const uint8_t *bytes, size_t size, const char *mark, size_t length)
{
    return size > 0 && memcmp(bytes, mark, size < length ? size : length) == 0;
}

bool image_kind_may_follow(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i].at == 0 && begins_with(bytes, size, marks[i].mark, marks[i].length)) return true;
    return begins_with(bytes, size, "RIFF", 4); /* WebP's container */
}

enum image_kind image_kind_of_name(const char *path)
{
    for (int kind = 0; kind < IMAGE_KINDS; kind++)
        for (size_t i = 0; i < MOST_ENDINGS && kinds[kind].endings[i] != NULL; i++)
            if (text_ends_with_ignoring_case(path, kinds[kind].endings[i])) return (enum image_kind)kind;
    return IMAGE_UNKNOWN;
}

const char *image_kind_name(enum image_kind kind)
{
    return kind < IMAGE_KINDS ? kinds[kind].name : "unknown";
}

image_decoder image_kind_decoder(enum image_kind kind)
{
    return kind < IMAGE_KINDS ? kinds[kind].decode : NULL;
}

bool image_kind_is_read(enum image_kind kind)
{
    return image_kind_decoder(kind) != NULL;
}

const char *image_kinds_read(void)
{
    return "JPEG, PNG"
#ifdef RMFER_HAVE_TIFF
           ", TIFF"
#endif
#ifdef RMFER_HAVE_GIF
           ", GIF"
#endif
#ifdef RMFER_HAVE_WEBP
           ", WebP"
#endif
           " and BMP";
}
