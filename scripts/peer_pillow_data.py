#!/usr/bin/env python3
"""Pillow's way from JPEG bytes to the network's input, part by part, on one thread: what `rmfer bench --mode data` times.

Decode, resize (bicubic), one of grayscale (p = 0.1), flip (p = 0.5) and colour jitter (0.25, 0.25, 0.25, hue 0.125) drawn for
each picture, as torchvision does them with Pillow, and normalisation by numpy. Prints one JSON object.
    peer_pillow_data.py [--image-size N] [--runs N] PICTURE..."""
import argparse
import io
import json
import random
import statistics
import time

import numpy
from PIL import Image, ImageEnhance, __version__

PARTS = ("decode", "resize", "augment", "normalise")
MEAN = numpy.array([0.485, 0.456, 0.406], numpy.float32)
STD = numpy.array([0.229, 0.224, 0.225], numpy.float32)


def turn_hue(picture, turn):
    hue, saturation, value = picture.convert("HSV").split()
    turned = (numpy.asarray(hue).astype(numpy.int32) + int(turn * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(numpy.uint8)), saturation, value)).convert("RGB")


def jitter(picture, draw):
    steps = [
        lambda p: ImageEnhance.Brightness(p).enhance(draw.uniform(0.75, 1.25)),
        lambda p: ImageEnhance.Contrast(p).enhance(draw.uniform(0.75, 1.25)),
        lambda p: ImageEnhance.Color(p).enhance(draw.uniform(0.75, 1.25)),
        lambda p: turn_hue(p, draw.uniform(-0.125, 0.125)),
    ]
    draw.shuffle(steps)
    for step in steps:
        picture = step(picture)
    return picture


def augment(picture, draw):
    chosen = draw.randrange(3)
    if chosen == 0:
        return picture.convert("L").convert("RGB") if draw.random() < 0.1 else picture
    if chosen == 1:
        return picture.transpose(Image.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else picture
    return jitter(picture, draw)


def take(data, side, draw, seconds):
    marks = [time.thread_time()]
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    marks.append(time.thread_time())
    picture = picture.resize((side, side), Image.BICUBIC)
    marks.append(time.thread_time())
    picture = augment(picture, draw)
    marks.append(time.thread_time())
    values = (numpy.asarray(picture, numpy.float32) / numpy.float32(255) - MEAN) / STD
    marks.append(time.thread_time())
    for part, (begin, end) in enumerate(zip(marks, marks[1:])):
        seconds[part] += end - begin
    return values


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image-size", type=int, default=260)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("pictures", nargs="+")
    options = parser.parse_args()
    files = [open(path, "rb").read() for path in options.pictures]
    draw, runs = random.Random(1), []
    for _ in range(options.runs + 1):
        seconds = [0.0] * len(PARTS)
        for data in files:
            take(data, options.image_size, draw, seconds)
        runs.append([1e3 * each / len(files) for each in seconds])
    runs = runs[1:]  # the first touches everything
    middle = {part: statistics.median(run[i] for run in runs) for i, part in enumerate(PARTS)}
    middle["all"] = statistics.median(sum(run) for run in runs)
    print(json.dumps({"program": "Pillow", "version": __version__, "image_size": options.image_size,
                      "pictures": len(files), "pictures_per_s_per_core": 1e3 / middle["all"], "ms_per_picture": middle}))


if __name__ == "__main__":
    main()
