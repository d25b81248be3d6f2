#!/usr/bin/env python3
"""Draws learning curves of run folders as an SVG picture, with nothing but Python's standard library.

  plot_curves.py [--key overall_accuracy] [--title TEXT] --out FILE.svg NAME=RUN[,RUN...]...

RUN is a folder with metrics.jsonl (or such a file). Several runs of one NAME (seeds) get one colour: their mean as a
thick line, each of them as a thin one. The lines of metrics.jsonl that are evaluations are drawn, by epoch; with a key
that begins with loss_ those of training, as means over half an epoch.
"""
import argparse
import html
import json
import math
import os
import sys

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 62, 20, 40, 48


def read_curve(run, key):
    """[(epoch, value)] of the evaluations; of the training steps where the key begins with loss_."""
    path = os.path.join(run, "metrics.jsonl") if os.path.isdir(run) else run
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines if line.strip()]
    curve = [(record["epoch"], record[key]) for record in records
             if key in record and ("split" in record) == (not key.startswith("loss_"))]
    if not curve:
        sys.exit(f"{path}: no evaluation with {key}")
    return half_epochs(curve) if key.startswith("loss_") else curve


def half_epochs(curve):
    buckets = {}
    for epoch, value in curve:
        buckets.setdefault(math.ceil(2 * epoch - 1e-9) / 2, []).append(value)
    return [(epoch, sum(values) / len(values)) for epoch, values in sorted(buckets.items())]


def mean_curve(curves):
    """The mean where all curves have a point at the same epoch."""
    tables = [{round(epoch, 3): value for epoch, value in curve} for curve in curves]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    return [(epoch, sum(table[epoch] for table in tables) / len(tables)) for epoch in shared]


def tick_step(span):
    """1, 2 or 5 times a power of ten, for five to ten ticks."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 8)


def ticks(low, high):
    step = tick_step(high - low)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


class Picture:
    def __init__(self, curves, percent):
        values = [value for curve in curves for _, value in curve]
        self.x_high = max(epoch for curve in curves for epoch, _ in curve)
        self.low, self.high = min(values), max(values)
        margin = 0.05 * (self.high - self.low) or 0.01
        self.low, self.high = self.low - margin, self.high + margin
        self.percent, self.parts = percent, []

    def x(self, epoch):
        return LEFT + (WIDTH - LEFT - RIGHT) * epoch / self.x_high

    def y(self, value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)

    def text(self, x, y, text, anchor="middle", extra=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{html.escape(text)}</text>')

    def axes(self, title, key):
        for value in ticks(self.low, self.high):
            y = self.y(value)
            self.parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
            self.text(LEFT - 6, y + 4, f"{100 * value:g} %" if self.percent else f"{value:g}", "end")
        for epoch in ticks(0, self.x_high):
            self.text(self.x(epoch), HEIGHT - BOTTOM + 18, f"{epoch:g}")
        self.parts.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#333333"/>')
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "epoch")
        self.text(LEFT, TOP - 16, title or key.replace("_", " "), "start", 'font-weight="bold"')

    def line(self, curve, colour, width, opacity):
        points = " ".join(f"{self.x(epoch):.1f},{self.y(value):.1f}" for epoch, value in curve)
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
                          f'stroke-opacity="{opacity}"/>')

    def legend(self, names, at_top):
        """In the corner that curves leave free: accuracies rise, losses fall."""
        for row, name in enumerate(names):
            y = TOP + 18 + 17 * row if at_top else HEIGHT - BOTTOM - 14 - 17 * (len(names) - 1 - row)
            self.parts.append(f'<path d="M{WIDTH - 250} {y - 4}h24" stroke="{COLOURS[row % len(COLOURS)]}" '
                              'stroke-width="3"/>')
            self.text(WIDTH - 220, y, name, "start")

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", default="overall_accuracy")
    parser.add_argument("--title", default="")
    parser.add_argument("--out", required=True)
    parser.add_argument("groups", nargs="+", metavar="NAME=RUN[,RUN...]")
    arguments = parser.parse_args()
    groups = []
    for group in arguments.groups:
        name, _, runs = group.partition("=")
        groups.append((name, [read_curve(run, arguments.key) for run in runs.split(",")]))
    picture = Picture([curve for _, curves in groups for curve in curves], "accuracy" in arguments.key)
    picture.axes(arguments.title, arguments.key)
    for row, (_, curves) in enumerate(groups):
        colour = COLOURS[row % len(COLOURS)]
        if len(curves) > 1:
            for curve in curves:
                picture.line(curve, colour, 1, 0.45)
        picture.line(mean_curve(curves), colour, 2.5, 1)
    picture.legend([name for name, _ in groups], arguments.key.startswith("loss"))
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write(picture.svg())


if __name__ == "__main__":
    main()
