#!/usr/bin/env python3
"""Writes tests/golden/images.bin: what Pillow and torchvision make of small pictures.

  golden_images.py tests/golden/images.bin

The file is a row of records: a line "WIDTH HEIGHT BYTES NAME" and then so many bytes. Width and height are 0 for an
encoded picture, otherwise the bytes are its RGB pixels. tests/test_data_golden.c reads the settings out of the names:
"decode X" is what the file "encoded X" shows, every other picture is what became of "source".
"""
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

WIDTH, HEIGHT = 29, 23


def source():
    """Smooth colours with edges and noise, all three channels from 0 to 255."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.RandomState(7).randint(-20, 21, (HEIGHT, WIDTH, 3))
    base = np.stack([x * 255 / (WIDTH - 1), y * 255 / (HEIGHT - 1), 255 - (x + y) * 255 / (WIDTH + HEIGHT - 2)], -1)
    base[6:12, 8:18] = (250, 40, 60)
    base[14:19, 4:12] = 128
    return Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8))


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb")

    def record(self, name, data, width=0, height=0):
        self.file.write(f"{width} {height} {len(data)} {name}\n".encode() + data)

    def picture(self, name, image):
        self.record(name, image.convert("RGB").tobytes(), *image.size)


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_by_hand(width, height, depth, color, rows, interlaced=False):
    """A PNG of kinds that Pillow does not write; `rows` are the packed scan lines (of the passes when interlaced)."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b""))


def packed_gray(values, depth):
    per_byte = 8 // depth
    padded = np.zeros((-(-len(values) // per_byte) * per_byte,), np.uint8)
    padded[: len(values)] = values
    out = np.zeros(len(padded) // per_byte, np.uint8)
    for i in range(per_byte):
        out |= padded[i::per_byte] << (8 - depth * (i + 1))
    return out.tobytes()


def adam7_rows(pixels):
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                           (0, 1, 1, 2)):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            yield from (row.tobytes() for row in part)


def gray_as_rgb(array):
    return Image.fromarray(array.astype(np.uint8)).convert("RGB")


def write_decoding(out, image):
    small = image.resize((19, 13), Image.BILINEAR)
    pixels = np.asarray(small)
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 19).astype(np.uint8), (13, 1)))
    with_alpha = small.copy()
    with_alpha.putalpha(alpha)
    palette = small.quantize(16)
    cases = {
        "jpeg_420.jpg": saved(small, format="JPEG", quality=90),
        "jpeg_444_progressive.jpg": saved(small, format="JPEG", quality=85, subsampling=0, progressive=True),
        "jpeg_gray.jpg": saved(small.convert("L"), format="JPEG"),
        "jpeg_cmyk.jpg": saved(small.convert("CMYK"), format="JPEG", quality=95),
        "png_rgb.png": saved(small, format="PNG"),
        "png_gray.png": saved(small.convert("L"), format="PNG"),
        "png_rgba.png": saved(with_alpha, format="PNG"),
        "png_gray_alpha.png": saved(with_alpha.convert("LA"), format="PNG"),
        "png_palette_4bit.png": saved(palette, format="PNG", bits=4),
        "png_palette_8bit.png": saved(small.quantize(200), format="PNG"),
        "png_palette_transparent.png": saved(palette, format="PNG", transparency=3),
        "png_black_white.png": saved(small.convert("1"), format="PNG"),
    }
    for name, data in cases.items():
        out.record("encoded " + name, data)
        out.picture("decode " + name, Image.open(io.BytesIO(data)))

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = saved(small, format="JPEG", quality=90, exif=exif.tobytes())
        name = f"jpeg_exif_{orientation}.jpg"
        out.record("encoded " + name, data)
        out.picture("decode " + name, ImageOps.exif_transpose(Image.open(io.BytesIO(data))))

    luma = np.asarray(small.convert("L"))
    for depth in (2, 4):
        values = luma >> (8 - depth)
        data = png_by_hand(19, 13, depth, 0, [packed_gray(row, depth) for row in values])
        out.record(f"encoded png_gray_{depth}bit.png", data)
        out.picture(f"decode png_gray_{depth}bit.png", gray_as_rgb(values * (255 // (2**depth - 1))))
    wide = luma.astype(np.uint16) * 256 + 200
    out.record("encoded png_gray_16bit.png", png_by_hand(19, 13, 16, 0, [r.astype(">u2").tobytes() for r in wide]))
    out.picture("decode png_gray_16bit.png", gray_as_rgb(luma))
    wide = pixels.astype(np.uint16) * 256 + 77
    out.record("encoded png_rgb_16bit.png", png_by_hand(19, 13, 16, 2, [r.astype(">u2").tobytes() for r in wide]))
    out.picture("decode png_rgb_16bit.png", small)
    out.record("encoded png_interlaced.png", png_by_hand(19, 13, 8, 2, list(adam7_rows(pixels)), interlaced=True))
    out.picture("decode png_interlaced.png", small)


def bmp_by_hand(pixels, depth, masks=None, from_top=False, core=False):
    """A BMP of kinds that Pillow does not write: 16 bits (5-5-5, or by masks), rows from the top, OS/2's header."""
    height, width = pixels.shape[:2]
    if depth == 16:
        widths = (5, 6, 5) if masks else (5, 5, 5)
        shifts = (widths[1] + widths[2], widths[2], 0)
        values = sum((pixels[..., c].astype(np.uint16) >> (8 - widths[c])) << shifts[c] for c in range(3))
        rows = [row.astype("<u2").tobytes() for row in values]
    else:
        rows = [row[:, ::-1].tobytes() for row in pixels]
    rows = [row + b"\0" * (-len(row) % 4) for row in rows]
    data = b"".join(rows if from_top else rows[::-1])
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, depth)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, -height if from_top else height, 1, depth, 3 if masks else 0,
                             len(data), 2835, 2835, 0, 0)
        header += struct.pack("<III", *masks) if masks else b""
    return struct.pack("<2sIHHI", b"BM", 14 + len(header) + len(data), 0, 0, 14 + len(header)) + header + data


def write_other_kinds(out, image):
    """BMP, TIFF, GIF and WebP, each against Pillow."""
    small = image.resize((19, 13), Image.BILINEAR)
    with_alpha = small.copy()
    with_alpha.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 19).astype(np.uint8), (13, 1))))
    palette, other = small.quantize(16), ImageOps.mirror(small).quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    cases = {
        "bmp_rgb.bmp": saved(small, format="BMP"),
        "bmp_gray.bmp": saved(small.convert("L"), format="BMP"),
        "bmp_palette.bmp": saved(palette, format="BMP"),
        "bmp_black_white.bmp": saved(small.convert("1"), format="BMP"),
        "bmp_rgba.bmp": saved(with_alpha, format="BMP"),
        "bmp_555.bmp": bmp_by_hand(np.asarray(small), 16),
        "bmp_565.bmp": bmp_by_hand(np.asarray(small), 16, masks=(0xF800, 0x07E0, 0x001F)),
        "bmp_from_top.bmp": bmp_by_hand(np.asarray(small), 24, from_top=True),
        "bmp_core.bmp": bmp_by_hand(np.asarray(small), 24, core=True),
        "tiff_rgb.tif": saved(small, format="TIFF"),
        "tiff_lzw.tif": saved(small, format="TIFF", compression="tiff_lzw"),
        "tiff_deflate.tif": saved(small, format="TIFF", compression="tiff_deflate"),
        "tiff_packbits.tif": saved(small, format="TIFF", compression="packbits"),
        "tiff_gray.tif": saved(small.convert("L"), format="TIFF"),
        "tiff_palette.tif": saved(palette, format="TIFF"),
        "tiff_rgba.tif": saved(with_alpha, format="TIFF"),
        "tiff_black_white.tif": saved(small.convert("1"), format="TIFF", compression="group4"),
        "tiff_turned.tif": saved(small, format="TIFF", tiffinfo={274: 6}),
        "gif_palette.gif": saved(palette, format="GIF"),
        "gif_in_order.gif": saved(palette, format="GIF", interlace=0),
        "gif_transparent.gif": saved(palette, format="GIF", transparency=3),
        "gif_animated.gif": saved(palette, format="GIF", save_all=True, append_images=[other], duration=100),
        "webp_lossless.webp": saved(small, format="WEBP", lossless=True),
        "webp_lossy.webp": saved(small, format="WEBP", quality=80),
        "webp_alpha.webp": saved(with_alpha, format="WEBP", lossless=True, exact=True),
        "webp_animated.webp": saved(small, format="WEBP", lossless=True, save_all=True,
                                    append_images=[ImageOps.mirror(small)]),
        "webp_turned.webp": saved(small, format="WEBP", lossless=True, exif=exif.tobytes()),
    }
    for name, data in cases.items():
        shown = Image.open(io.BytesIO(data))
        if "turned" in name:  # exif_transpose passes over TIFF's own tag
            shown = small.transpose(Image.ROTATE_270)
        out.record("encoded " + name, data)
        out.picture("decode " + name, shown)


def write_resizing(out, image):
    whole = (0, 0, WIDTH, HEIGHT)
    part = (5, 7, 26, 22)
    for name, kernel in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
        for width, height, box in ((11, 11, whole), (45, 34, whole), (WIDTH, 9, whole), (14, HEIGHT, whole),
                                   (3, 2, whole), (1, 1, whole), (17, 17, part), (31, 9, part)):
            x0, y0, x1, y1 = box
            resized = image.crop(box).resize((width, height), kernel)
            out.picture(f"resize {name} {width} {height} {x0} {y0} {x1 - x0} {y1 - y0}", resized)
    # An edge inside a pixel: only the pixels that the box touches count.
    resized = image.crop((4, 6, 24, 21)).resize((13, 15), Image.BILINEAR, box=(0.25, 0.5, 19.75, 14.125))
    out.picture("resize bilinear 13 15 4.25 6.5 19.5 13.625", resized)


def write_strong_view(out, image, operations):
    """FixMatch's RandAugment and cutout, as microsoft/Semi-supervised-learning calls Pillow."""
    width, height = image.size

    def moved(*matrix):
        return image.transform(image.size, Image.AFFINE, matrix)

    apply = {
        "Identity": lambda v: image,
        "ShearX": lambda v: moved(1, v, 0, 0, 1, 0),
        "ShearY": lambda v: moved(1, 0, 0, v, 1, 0),
        "TranslateX": lambda v: moved(1, 0, v * width, 0, 1, 0),
        "TranslateY": lambda v: moved(1, 0, 0, 0, 1, v * height),
        "Rotate": image.rotate,
        "Brightness": lambda v: ImageEnhance.Brightness(image).enhance(v),
        "Color": lambda v: ImageEnhance.Color(image).enhance(v),
        "Contrast": lambda v: ImageEnhance.Contrast(image).enhance(v),
        "Sharpness": lambda v: ImageEnhance.Sharpness(image).enhance(v),
        "Posterize": lambda v: ImageOps.posterize(image, max(1, int(v))),
        "Solarize": lambda v: ImageOps.solarize(image, v),
        "AutoContrast": lambda v: ImageOps.autocontrast(image),
        "Equalize": lambda v: ImageOps.equalize(image),
    }
    values = {"ShearX": (-0.29, 0.11), "ShearY": (-0.13, 0.3), "TranslateX": (-0.3, 0.2), "TranslateY": (0.3, -0.07),
              "Rotate": (-30.0, 12.5), "Brightness": (0.05, 0.61), "Color": (0.05, 0.61), "Contrast": (0.05, 0.61),
              "Sharpness": (0.05, 0.61), "Posterize": (4.9, 7.2), "Solarize": (0.0, 77.7, 256.0)}
    for number, operation in enumerate(operations):
        for value in values.get(operation, (0.0,)):
            out.picture(f"strong {number} {value}", apply[operation](value))
    for share, x, y in ((0.5, 3.25, 20.5), (0.31, 14.0, 11.0), (0.02, 27.9, 0.3)):
        side = share * width
        left, top = int(max(0, x - side / 2)), int(max(0, y - side / 2))
        cut = image.copy()
        square = (left, top, min(width, left + side), min(height, top + side))
        ImageDraw.Draw(cut).rectangle(square, (125, 123, 114))
        out.picture(f"cutout {share} {x} {y}", cut)


def write_augmentations(out, image):
    out.picture("grayscale", F.rgb_to_grayscale(image, 3))
    out.picture("flip", F.hflip(image))
    for factor in (0.0, 0.75, 0.9, 1.0, 1.25, 1.9):
        out.picture(f"brightness {factor}", F.adjust_brightness(image, factor))
        out.picture(f"contrast {factor}", F.adjust_contrast(image, factor))
        out.picture(f"saturation {factor}", F.adjust_saturation(image, factor))
    for turn in (-0.5, -0.125, -0.03, 0.0, 0.05, 0.125, 0.5):
        out.picture(f"hue {turn}", F.adjust_hue(image, turn))
    for dx, dy in ((3, -2), (-4, 4), (0, 1)):
        out.picture(f"shift {dx} {dy}", F.crop(F.pad(image, 4), 4 + dy, 4 + dx, HEIGHT, WIDTH))
    for degrees in (17.0, -33.5, 120.0):
        out.picture(f"rotate {degrees}", F.rotate(image, degrees, InterpolationMode.BILINEAR))
    operations = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
                  "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]
    magnitudes = {"ShearX": (0.27, -0.1), "ShearY": (0.2, -0.3), "TranslateX": (7.6, -3.2), "TranslateY": (-5.5, 2.0),
                  "Rotate": (27.0, -8.0), "Brightness": (0.27,), "Color": (-0.9,), "Contrast": (0.5,),
                  "Sharpness": (0.9, -0.9), "Posterize": (4.0, 7.0), "Solarize": (100.5, 255.0)}
    for number, operation in enumerate(operations):
        for magnitude in magnitudes.get(operation, (0.0,)):
            changed = _apply_op(image, operation, magnitude, InterpolationMode.NEAREST, None)
            out.picture(f"randaugment {number} {magnitude}", changed)
    write_strong_view(out, image, operations)
    # A narrow range, so that stretching has something to do.
    dull = image.point(lambda value: 60 + value // 3)
    out.picture("dull", dull)
    out.picture("dull_autocontrast", F.autocontrast(dull))
    out.picture("dull_equalize", F.equalize(dull))


def main():
    out = Writer(sys.argv[1])
    image = source()
    out.picture("source", image)
    write_decoding(out, image)
    write_resizing(out, image)
    write_augmentations(out, image)
    write_other_kinds(out, image)


if __name__ == "__main__":
    main()
