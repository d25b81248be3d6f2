#!/usr/bin/env python3
"""Prints a Markdown table of evaluations: one row a name, mean and spread over its seeds.

  results_table.py FOLDER ROW...

Reads FOLDER/ROW-seed*/valid.json, which `rmfer eval --json` wrote. The spread is the sample standard deviation.
"""
import glob
import json
import math
import os
import sys

COLUMNS = (("overall", "overall_accuracy", 100, 2), ("average", "average_accuracy", 100, 2),
           ("same class", "same_class_similarity", 1, 3), ("different class", "different_class_similarity", 1, 3),
           ("difference", None, 1, 3), ("centre distance", "centre_distance", 1, 3))


def value(result, key):
    if key is None:
        return result["same_class_similarity"] - result["different_class_similarity"]
    return result[key]


def cell(values, scale, digits):
    mean = sum(values) / len(values)
    text = f"{scale * mean:.{digits}f}"
    if len(values) > 1:
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
        text += f" ± {scale * spread:.{digits}f}"
    return text


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, rows = sys.argv[1], sys.argv[2:]
    print("| row | seeds | " + " | ".join(name for name, *_ in COLUMNS) + " |")
    print("| --- |" + " --- |" * (len(COLUMNS) + 1))
    for row in rows:
        paths = sorted(glob.glob(os.path.join(glob.escape(folder), f"{row}-seed*", "valid.json")))
        if not paths:
            sys.exit(f"{folder}: no evaluation of {row}")
        results = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                results.append(json.load(file))
        cells = [cell([value(result, key) for result in results], scale, digits)
                 for _, key, scale, digits in COLUMNS]
        print(f"| {row} | {len(paths)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
