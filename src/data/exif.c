/* A reader of the first image directory of a TIFF block, for its orientation alone. Every offset is hostile. */
#include "data/exif.h"

#include <stdbool.h>
#include <string.h>

enum { HEADER_BYTES = 6, ENTRY_BYTES = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool little_endian;
};

static uint32_t number_at(const struct tiff *tiff, size_t at, size_t length)
{
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) {
        size_t place = tiff->little_endian ? length - 1 - i : i;
        value = (value << 8) | tiff->bytes[at + place];
    }
    return value;
}

int exif_orientation(const uint8_t *bytes, size_t size)
{
    if (size >= HEADER_BYTES && memcmp(bytes, "Exif\0\0", HEADER_BYTES) == 0) {
        bytes += HEADER_BYTES;
        size -= HEADER_BYTES;
    }
    if (size < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0)) return 1;
    struct tiff tiff = {bytes, size, bytes[0] == 'I'};
    if (number_at(&tiff, 2, 2) != 42) return 1;
    size_t directory = number_at(&tiff, 4, 4);
    if (directory > tiff.size - 2) return 1;
    size_t entries = number_at(&tiff, directory, 2);
    size_t fitting = (tiff.size - directory - 2) / ENTRY_BYTES;
    if (entries > fitting) entries = fitting;
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + i * ENTRY_BYTES;
        if (number_at(&tiff, entry, 2) != TAG_ORIENTATION || number_at(&tiff, entry + 2, 2) != TYPE_SHORT) continue;
        uint32_t orientation = number_at(&tiff, entry + 8, 2);
        return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
    }
    return 1;
}
