#!/usr/bin/env python3
"""What moments are worth to labels, without training: a network's predictions of pictures that it has not learned from, put
together as moments by their true labels, and alone, and among strangers. The table of docs/results/claim.md.

  rmfer predict --detector none --csv FERPLUS/FER2013Valid > predictions.csv
  results_consensus.py predictions.csv fer2013new.csv [AGREEMENT [SHUFFLES]]

or as the moments of an RMset that rmfer synth --from made:

  rmfer predict --detector none --csv RMSET/faces > predictions.csv
  results_consensus.py predictions.csv RMSET

or the labels that a run with train.method = consensus learned from last:

  results_consensus.py RUN/last.safetensors RMSET

The formulas are golden_consensus.py's, which the program's own are held against. It needs NumPy, and PyTorch for that file."""
import csv
import json
import os
import struct
import sys

import numpy as np

import golden_consensus as consensus

CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
VOTES = CLASSES + ("unknown", "NF")
PERSONS, SCANS = 8, 10


def read_labels(path):
    """The class with most votes, by picture; rows won by unknown or NF are left out."""
    labels = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            votes = [int(row[name if name == "NF" else name.lower()]) for name in VOTES]
            if row["Image name"] and np.argmax(votes) < len(CLASSES):
                labels[row["Image name"]] = int(np.argmax(votes))
    return labels


def read_predictions(path, labels):
    """Probabilities and true classes, and the place of each picture's name among them."""
    p, truth, places = [], [], {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            name = os.path.basename(row["file"])
            if name in labels and not row["error"]:
                places[name] = len(p)
                p.append([max(float(row[c]), 1e-7) for c in CLASSES])
                truth.append(labels[name])
    p = np.array(p)
    return p / p.sum(1, keepdims=True), np.array(truth), places


def read_rmset(folder):
    """What rmfer synth --from wrote: the faces' names and classes, and (video, frame), row by row."""
    with open(os.path.join(folder, "truth.csv"), newline="") as truth:
        faces = [(os.path.basename(row["path"]), CLASSES.index(row["expression"])) for row in csv.DictReader(truth)]
    with open(os.path.join(folder, "index.csv"), newline="") as index:
        return faces, [(row["video"], row["frame"]) for row in csv.DictReader(index)]


def read_moments(rmset, places):
    """The moments of an RMset all of whose PERSONS faces are known, as rows of places."""
    moments = {}
    for (name, _), moment in zip(*rmset):
        if name in places:
            moments.setdefault(moment, []).append(places[name])
    return np.array([moment for moment in moments.values() if len(moment) == PERSONS])


def make_moments(truth, agreement, random):
    """Moments of PERSONS faces, every face at most once: a face is of its moment's expression with probability
    `agreement`, else of any, by the shares of the faces. Returns rows of places."""
    left = [list(random.permutation(np.flatnonzero(truth == c))) for c in range(len(CLASSES))]
    shares = np.bincount(truth, minlength=len(CLASSES)) / len(truth)
    moments = []
    while sum(map(len, left)) >= PERSONS:
        expression, moment = random.choice(len(CLASSES), p=shares), []
        while len(moment) < PERSONS:
            wanted = expression if random.random() < agreement else random.choice(len(CLASSES), p=shares)
            if not left[wanted]:
                wanted = max(range(len(CLASSES)), key=lambda c: len(left[c]))
            moment.append(left[wanted].pop())
        moments.append(moment)
    return np.array(moments)


def describe_run(path, rmset):
    """What share of a run's last labels is right, and of the sure ones."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        tensor = json.loads(file.read(size))["method.labels"]
        begin, end = tensor["data_offsets"]
        file.seek(8 + size + begin)
        q = np.frombuffer(file.read(end - begin), "<f4").reshape(tensor["shape"])
    truth = np.array([expression for _, expression in rmset[0]])
    right, sure = q.argmax(1) == truth, q.max(1) > 0.9
    print(f"{len(q)} faces; labels right {100 * right.mean():.1f} %; above .9: {100 * sure.mean():.1f} % at "
          f"{100 * right[sure].mean():.1f} %")
    for c, name in enumerate(CLASSES):
        if (truth == c).any():
            print(f"{name}: {100 * right[truth == c].mean():.1f} % of {(truth == c).sum()}")


def describe(name, p, truth, sharpness=1.0, shares=None):
    p = p ** sharpness
    p /= p.sum(1, keepdims=True)
    shares = p.mean(0) if shares is None else shares
    moments = len(p) // PERSONS
    rho, prior = consensus.estimate(p, shares, moments, PERSONS, SCANS)
    q = consensus.labels(p, shares, rho, prior, moments, PERSONS)
    right = [100 * (labels.argmax(1) == truth).mean() for labels in (p, q)]
    sure = [labels.max(1) > 0.9 for labels in (p, q)]
    cover = [100 * s.mean() for s in sure]
    precise = [100 * (labels[s].argmax(1) == truth[s]).mean() for labels, s in zip((p, q), sure)]
    print(f"| {name} | {rho:.2f} | {right[0]:.1f} | {right[1]:.1f} | {cover[0]:.1f} at {precise[0]:.1f} | "
          f"{cover[1]:.1f} at {precise[1]:.1f} |")


def main():
    is_rmset = os.path.isdir(sys.argv[2])
    rmset = read_rmset(sys.argv[2]) if is_rmset else None
    if sys.argv[1].endswith(".safetensors"):
        return describe_run(sys.argv[1], rmset)
    p, truth, named = read_predictions(sys.argv[1], dict(rmset[0]) if is_rmset else read_labels(sys.argv[2]))
    agreement = float(sys.argv[3]) if len(sys.argv) > 3 else 0.8
    shuffles = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    random = np.random.default_rng(0)
    moments = read_moments(rmset, named) if is_rmset else make_moments(truth, agreement, random)
    places = moments.reshape(-1)
    print(f"{len(places)} faces; %: own labels right, consensus labels right, above .9 of each\n")
    print("| | rho | own | consensus | own above .9 | consensus above .9 |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    wrong = np.bincount(truth, minlength=len(CLASSES)) ** 0.5
    for name, settings in (("moments", {}), ("moments, p^1.4", {"sharpness": 1.4}), ("moments, p^.7", {"sharpness": 0.7}),
                           ("moments, pi of other faces", {"shares": wrong / wrong.sum()})):
        describe(name, p[places], truth[places], **settings)
    for _ in range(shuffles):
        strangers = random.permutation(places)
        describe("shuffled", p[strangers], truth[strangers])
    if shuffles > 0:
        describe("shuffled, pi of other faces", p[strangers], truth[strangers], shares=wrong / wrong.sum())


if __name__ == "__main__":
    main()
