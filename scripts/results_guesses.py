#!/usr/bin/env python3
"""How many of an RMset's faces a network is sure of, and how often it is right: what the methods that learn from their own
guesses have to learn from. A table of docs/results/claim.md.

  results_guesses.py RMSET NAME=CHECKPOINT...

RMSET is one that rmfer synth --from made (its truth.csv tells each face's expression). The faces are seen as they are, once.
RMFER: ./rmfer; THREADS: all that there are."""
import csv
import io
import os
import subprocess
import sys

from results_attention import percent, read_rmset

SURE = (0.8, 0.95)


def guesses(folder, checkpoint, truth):
    """Of each face its guess's probability, and whether it is right."""
    command = [os.environ.get("RMFER", "./rmfer"), "predict", "--checkpoint", checkpoint, "--detector", "none", "--csv", "--quiet",
               os.path.join(folder, "faces")]
    if "THREADS" in os.environ:
        command += ["--threads", os.environ["THREADS"]]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
    for row in csv.DictReader(io.StringIO(text)):
        if row["error"]:
            sys.exit(f"{row['file']}: {row['error']}")
        yield float(row[row["label"]]), truth[os.path.join("faces", os.path.basename(row["file"]))] == row["label"]


def main():
    folder = sys.argv[1]
    truth, _ = read_rmset(folder)
    print("| | right, % |" + "".join(f" above {sure}, % | right of them, % |" for sure in SURE))
    print("| --- | ---: |" + " ---: | ---: |" * len(SURE))
    for name, checkpoint in (argument.split("=", 1) for argument in sys.argv[2:]):
        seen = list(guesses(folder, checkpoint, truth))
        row = [percent(sum(right for _, right in seen), len(seen))]
        for sure in SURE:
            kept = [right for probability, right in seen if probability >= sure]
            row += [percent(len(kept), len(seen)), percent(sum(kept), len(kept))]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
