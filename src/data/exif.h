/* The one thing of EXIF that training needs: how the picture must be turned to stand upright. */
#ifndef DATA_EXIF_H
#define DATA_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation 1..8 in a TIFF block, with "Exif\0\0" in front of it (a JPEG's APP1) or not (a WebP's chunk); 1 when
 * there is none or it is malformed. */
int exif_orientation(const uint8_t *bytes, size_t size);

#endif
