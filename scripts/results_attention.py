#!/usr/bin/env python3
"""The paper's Figure 4 in numbers: whether attention and similarity keep the faces of a moment that show the anchor's
expression, and the far faces of the anchor that show another. The table of docs/results/claim.md.

  results_attention.py RMSET ANCHORS NAME=CHECKPOINT...

RMSET is one that rmfer synth --from made (its truth.csv tells each face's expression); ANCHORS faces of it are drawn, the same
for every checkpoint, and looked at as training does (rmfer rmset preview --anchor). RMFER: ./rmfer; SET: settings for all,
"acl.gamma=0.5 acl.temperature=0.25"."""
import csv
import json
import os
import random
import subprocess
import sys
import tempfile

MOST_CHECKPOINTS = 7  # of one preview


def read_rmset(folder):
    """Each face's expression by the end of its path, and the names of all faces."""
    with open(os.path.join(folder, "truth.csv"), newline="") as file:
        truth = {row["path"]: row["expression"] for row in csv.DictReader(file)}
    with open(os.path.join(folder, "index.csv"), newline="") as file:
        names = [f"{row['video']}:{row['frame']}:{row['face']}" for row in csv.DictReader(file)]
    return truth, names


def look(folder, name, checkpoints, picture):
    command = [os.environ.get("RMFER", "./rmfer"), "rmset", "preview", folder, "--anchor", name, "--json", "--quiet", "-o", picture]
    for checkpoint in checkpoints:
        command += ["--checkpoint", checkpoint]
    for setting in [f"rmset.root={folder}"] + os.environ.get("SET", "").split():
        command += ["--set", setting]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def percent(part, whole):
    return f"{100 * part / whole:.1f}" if whole > 0 else "–"


class Count:
    """Of one checkpoint: shares of faces whose expression is wanted, P of the anchor's, N of another."""

    def __init__(self):
        self.all = {"P": 0, "N": 0}
        self.wanted = {"P": 0, "N": 0}
        self.kept = {"P": 0, "N": 0}
        self.kept_wanted = {"P": 0, "N": 0}
        self.attention = {"P": 0.0, "N": 0.0}
        self.attention_wanted = {"P": 0.0, "N": 0.0}
        self.pairs = 0
        self.told_apart = 0.0

    def add_pairs(self, own, others):
        """Of one anchor: similarities of the faces of its moment that show its expression, and of those that do not."""
        self.pairs += len(own) * len(others)
        self.told_apart += sum((a > b) + (a == b) / 2 for a in own for b in others)

    def add(self, kind, is_wanted, score):
        kept, weight = bool(score["kept"]), score["attention"]
        self.all[kind] += 1
        self.wanted[kind] += is_wanted
        self.kept[kind] += kept
        self.kept_wanted[kind] += kept and is_wanted
        self.attention[kind] += weight
        self.attention_wanted[kind] += weight * is_wanted

    def row(self, kind):
        return " | ".join((percent(self.wanted[kind], self.all[kind]), percent(self.attention_wanted[kind], self.attention[kind]),
                           f"{percent(self.kept_wanted[kind], self.kept[kind])} of {self.kept[kind]}"))


def look_at_anchor(seen, expression, counts):
    """Adds one anchor's candidates to every checkpoint's count."""
    own = expression(seen["anchor"]["path"])
    of_moment = [{True: [], False: []} for _ in counts]
    for candidate in seen["candidates"]:
        kind, is_own = candidate["kind"], expression(candidate["path"]) == own
        for count, similarities, score in zip(counts, of_moment, candidate["scores"]):
            count.add(kind, is_own == (kind == "P"), score)
            if kind == "P":
                similarities[is_own].append(score["similarity"])
    for count, similarities in zip(counts, of_moment):
        count.add_pairs(similarities[True], similarities[False])


def main():
    folder, anchors = sys.argv[1], int(sys.argv[2])
    names, checkpoints = zip(*(argument.split("=", 1) for argument in sys.argv[3:]))
    if len(checkpoints) > MOST_CHECKPOINTS:
        sys.exit(f"at most {MOST_CHECKPOINTS} checkpoints")
    truth, faces = read_rmset(folder)
    counts = [Count() for _ in names]

    def expression(path):
        return truth[os.path.join("faces", os.path.basename(path))]

    with tempfile.TemporaryDirectory() as temporary:
        for name in random.Random(0).sample(faces, anchors):
            seen = look(folder, name, checkpoints, os.path.join(temporary, "sheet.jpg"))
            look_at_anchor(seen, expression, counts)
    print(f"{anchors} anchors; %: of a moment's faces (P) those of the anchor's expression, of the anchor's person far away (N) those "
          "of another;\nall candidates, weighed by attention, and kept. Told apart: of two faces of a moment, one of the anchor's "
          "expression and\none of another, how often the first is the more similar to the anchor\n")
    print("| | P | attention | kept | N | attention | kept | told apart |\n| --- |" + " ---: |" * 7)
    for name, count in zip(names, counts):
        print(f"| {name} | {count.row('P')} | {count.row('N')} | {percent(count.told_apart, count.pairs)} |")


if __name__ == "__main__":
    main()
