#!/usr/bin/env python3
"""Writes tests/golden/consensus.safetensors: what NumPy makes of a teacher's logits and of moments, written from the formulas
of include/rmfer's method `consensus` in another form (moments whole, in logarithms) than the program's.

  golden_consensus.py tests/golden

The logits, of 30 moments of 5 faces and 6 that are alone, are the formula's (golden_format.py); tests/test_method_consensus.c
makes the same ones. No PyTorch is needed for the numbers, golden_format.py asks for it."""
import os
import sys

import numpy as np

import golden_format as form

MOMENTS, PERSONS, ALONE, CLASSES, SCANS = 30, 5, 6, 4, 7
GIVEN_RHO = 0.55  # of the labels: the search for it ends within 1e-5
FACES = MOMENTS * PERSONS + ALONE
SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def make_logits():
    """Every face leans to a class, most of a moment to one."""
    logits = 1.5 * form.uniform("consensus.logits", FACES * CLASSES).reshape(FACES, CLASSES)
    for face in range(FACES):
        shown = face // PERSONS % CLASSES if face % PERSONS < 3 else face % CLASSES
        logits[face, shown] += 2.0
    return logits.astype(np.float32).astype(np.float64)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def temperature(logits, targets):
    """By trying: a grid of 1e-5 in the logarithm about the best of a coarse one."""
    def surprise(t):
        return -np.log(softmax(logits / t)[np.arange(len(targets)), targets]).mean()
    best = min(np.exp(np.arange(-3, 3.01, 0.01)), key=surprise)
    return min(best * np.exp(np.arange(-0.011, 0.011, 1e-5)), key=surprise)


def foretold(ratio, rho, prior):
    """The others of each face, by how well they foretell it."""
    log_likelihood = np.log(rho * ratio + 1 - rho)
    others = np.log(prior) + log_likelihood.sum(1, keepdims=True) - log_likelihood
    g = np.exp(others - others.max(2, keepdims=True))
    return np.log((g * np.exp(log_likelihood)).sum(2) / g.sum(2)).sum()


def estimate(p, shares, moments, persons, scans):
    """rho, by ever finer grids, and the moments' shares; faces behind the moments are alone and teach nothing."""
    rho, prior = 0.5, shares.copy()
    ratio = p[:moments * persons].reshape(moments, persons, -1) / shares
    for _ in range(scans):
        likelihood = rho * ratio + 1 - rho
        posterior = np.exp(np.log(prior) + np.log(likelihood).sum(1))
        posterior /= posterior.sum(1, keepdims=True)
        showing = (posterior[:, None] * rho * ratio / likelihood).sum(2)
        rho, prior = np.clip(showing.mean(), 0.01, 0.99), posterior.mean(0)
    best, width = 0.495, 0.495
    while width > 1e-6:
        grid = np.linspace(max(best - width, 0), min(best + width, 0.99), 41)
        best, width = max(grid, key=lambda value: foretold(ratio, value, prior)), width / 10
    return best, prior


def labels(p, shares, rho, prior, moments, persons):
    q = p.copy()
    for face in range(moments * persons):
        moment = face - face % persons
        others = [other for other in range(moment, moment + persons) if other != face]
        g = np.exp(np.log(prior) + np.log(rho * p[others] / shares + 1 - rho).sum(0))
        q[face] = p[face] * (rho * g / g.sum() / shares + 1 - rho)
    return q / q.sum(1, keepdims=True)


def main():
    logits = make_logits()
    p = softmax(logits).astype(np.float32).astype(np.float64)
    shares = p.mean(0)
    rho, prior = estimate(p, shares, MOMENTS, PERSONS, SCANS)
    q = labels(p, shares, GIVEN_RHO, prior, MOMENTS, PERSONS)
    aligned = q * np.sqrt(SHARES / q.mean(0))
    aligned /= aligned.sum(1, keepdims=True)
    targets = np.arange(FACES) // PERSONS % CLASSES
    tensors = {"temperature": np.array([temperature(logits, targets)]), "rho": np.array([rho]), "moments": prior,
               "shares": shares, "labels": q, "aligned": aligned, "changed": np.array([(q.argmax(1) != p.argmax(1)).mean()]),
               "certainty": 1 + (q * np.log(q)).sum(1) / np.log(CLASSES)}
    form.write_safetensors(os.path.join(sys.argv[1], "consensus.safetensors"), tensors,
                           {"scans": SCANS, "given_rho": GIVEN_RHO})
    print({name: value.round(4).tolist() for name, value in tensors.items() if value.size < 5})


if __name__ == "__main__":
    main()
