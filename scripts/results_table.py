#!/usr/bin/env python3
"""Prints a Markdown table of evaluations: one row a name, mean and spread over its seeds.

  results_table.py FOLDER REFERENCE ROW...

Reads FOLDER/ROW-seedN/valid.json, which `rmfer eval --json` wrote. The spread is the sample standard deviation. The
column "gain" is the difference in overall accuracy to REFERENCE-seedN, seed by seed, so that what the seeds' common
starts differ by is not in its spread.
"""
import glob
import json
import math
import os
import re
import sys

COLUMNS = (("overall", "overall_accuracy", 100, 2), ("gain", "gain", 100, 2), ("average", "average_accuracy", 100, 2),
           ("same class", "same_class_similarity", 1, 3), ("different class", "different_class_similarity", 1, 3),
           ("difference", "difference", 1, 3), ("centre distance", "centre_distance", 1, 3))


def read_row(folder, row):
    """{seed: evaluation}"""
    results = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), f"{row}-seed*", "valid.json"))):
        seed = int(re.search(r"-seed(\d+)$", os.path.dirname(path)).group(1))
        with open(path, encoding="utf-8") as file:
            results[seed] = json.load(file)
    if not results:
        sys.exit(f"{folder}: no evaluation of {row}")
    return results


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
    reference = read_row(folder, rows[0])
    print("| row | seeds | " + " | ".join(name for name, *_ in COLUMNS) + " |")
    print("| --- |" + " ---: |" * (len(COLUMNS) + 1))
    for row in rows:
        results = read_row(folder, row)
        for seed, result in results.items():
            result["difference"] = result["same_class_similarity"] - result["different_class_similarity"]
            result["gain"] = result["overall_accuracy"] - reference[seed]["overall_accuracy"]
        cells = [cell([result[key] for result in results.values()], scale, digits)
                 for _, key, scale, digits in COLUMNS]
        print(f"| {row} | {len(results)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
