/* The .npy format: "\x93NUMPY", version, length of the header, the header as a Python dictionary, the data. Read are
 * the element's kind, its size and its byte order; the shape must make one element. */
#include "data/npy_scalar.h"
#include "rmfer/base/text.h"

#include <math.h>
#include <string.h>

enum { MAGIC_BYTES = 6, LONGEST_HEADER = 1024, LONGEST_TEXT = 64 };

struct element {
    char kind;   /* i u f S U b */
    size_t size; /* bytes */
    bool big_endian;
};

/* Finds "'descr': '<i8'" and the like. */
static bool parse_type(const char *header, struct element *element)
{
    const char *at = strstr(header, "'descr'");
    if (at == NULL || (at = strchr(at + 7, '\'')) == NULL) return false;
    at++;
    element->big_endian = *at == '>';
    if (*at == '<' || *at == '>' || *at == '|' || *at == '=') at++;
    if (*at == '\0') return false;
    element->kind = *at++;
    size_t number = 0;
    for (; *at >= '0' && *at <= '9' && number < LONGEST_HEADER; at++) number = number * 10 + (size_t)(*at - '0');
    element->size = element->kind == 'U' ? 4 * number : number;
    return *at == '\'';
}

static uint64_t bits_of(const uint8_t *bytes, size_t size, bool big_endian)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) bits = (bits << 8) | bytes[big_endian ? i : size - 1 - i];
    return bits;
}

/* ASCII digits, one byte or four bytes a character. */
static bool parse_text(const uint8_t *bytes, const struct element *element, double *value)
{
    size_t width = element->kind == 'U' ? 4 : 1, length = element->size / width;
    char text[LONGEST_TEXT + 1];
    if (length > LONGEST_TEXT) return false;
    for (size_t i = 0; i < length; i++) {
        uint64_t character = bits_of(bytes + i * width, width, element->big_endian);
        if (character > 127) return false;
        text[i] = (char)character;
    }
    text[length] = '\0';
    return text_to_real(text, value);
}

static bool parse_real(uint64_t bits, size_t size, double *value)
{
    if (size == 8) {
        memcpy(value, &bits, sizeof *value);
    } else if (size == 4) {
        uint32_t narrow = (uint32_t)bits;
        float single;
        memcpy(&single, &narrow, sizeof single);
        *value = (double)single;
    } else {
        return false;
    }
    return isfinite(*value);
}

static bool parse_element(const uint8_t *bytes, const struct element *element, double *value)
{
    if (element->kind == 'S' || element->kind == 'U') return parse_text(bytes, element, value);
    if (element->size == 0 || element->size > 8) return false;
    uint64_t bits = bits_of(bytes, element->size, element->big_endian);
    if (element->kind == 'f') return parse_real(bits, element->size, value);
    if (element->kind != 'i' && element->kind != 'u') return false;
    unsigned unused = 64 - 8 * (unsigned)element->size;
    *value = element->kind == 'i' ? (double)((int64_t)(bits << unused) >> unused) : (double)bits;
    return true;
}

bool npy_number(const uint8_t *bytes, size_t size, double *value)
{
    if (size < MAGIC_BYTES + 4 || memcmp(bytes, "\x93NUMPY", MAGIC_BYTES) != 0) return false;
    size_t length_bytes = bytes[MAGIC_BYTES] >= 2 ? 4 : 2, start = MAGIC_BYTES + 2 + length_bytes;
    if (size < start) return false;
    size_t length = (size_t)bits_of(bytes + MAGIC_BYTES + 2, length_bytes, false);
    if (length >= LONGEST_HEADER || length > size - start) return false;
    char header[LONGEST_HEADER];
    memcpy(header, bytes + start, length);
    header[length] = '\0';
    bool is_single = strstr(header, "()") != NULL || strstr(header, "(1,)") != NULL;
    struct element element;
    if (!is_single || !parse_type(header, &element)) return false;
    return element.size > 0 && element.size <= size - start - length &&
           parse_element(bytes + start + length, &element, value);
}

bool npy_whole_number(const uint8_t *bytes, size_t size, int64_t *value)
{
    double number;
    if (!npy_number(bytes, size, &number) || !(fabs(number) <= 1e9) || number != floor(number)) return false;
    *value = (int64_t)number;
    return true;
}
