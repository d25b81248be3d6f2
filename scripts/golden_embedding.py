#!/usr/bin/env python3
"""Writes tests/golden/embedding.safetensors: classical scaling and SMACOF by NumPy, of 60 points in 8 dimensions that C
makes by the same formula.   golden_embedding.py tests/golden/embedding.safetensors"""
import sys

import numpy as np

import golden_format as form

POINTS, DIMENSIONS, MOST_ROUNDS = 60, 8, 300


def classical(distances):
    n = len(distances)
    centring = np.eye(n) - np.ones((n, n)) / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances ** 2 @ centring)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, [0, 1]]) * np.sqrt(np.maximum(values, 0))


def plane_distances(positions):
    return np.sqrt(((positions[:, None] - positions[None]) ** 2).sum(-1))


def stress(distances, positions):
    return np.sqrt(((plane_distances(positions) - distances) ** 2).sum() / (distances ** 2).sum())


def smacof(distances, positions):
    """Guttman transforms with the matrix B as in Borg and Groenen, Modern Multidimensional Scaling, 2005, section 8.6."""
    before = stress(distances, positions)
    for rounds in range(1, MOST_ROUNDS + 1):
        plane = plane_distances(positions)
        b = -np.divide(distances, plane, out=np.zeros_like(plane), where=plane > 0)
        np.fill_diagonal(b, 0)
        np.fill_diagonal(b, -b.sum(axis=1))
        positions = b @ positions / len(positions)
        after = stress(distances, positions)
        if before ** 2 - after ** 2 < 1e-6 * before ** 2:
            break
        before = after
    return positions, after, rounds


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    features = form.uniform("embedding", POINTS * DIMENSIONS).reshape(POINTS, DIMENSIONS)
    features[:, 0] += np.arange(POINTS) % 3
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = np.sqrt(((unit[:, None] - unit[None]) ** 2).sum(-1))
    values, positions = classical(distances)
    refined, after, rounds = smacof(distances, positions)
    form.write_safetensors(sys.argv[1], {"values": values, "classical": positions, "refined": refined,
                                         "stress": [stress(distances, positions), after]},
                           {"points": POINTS, "dimensions": DIMENSIONS, "rounds": rounds})


if __name__ == "__main__":
    main()
