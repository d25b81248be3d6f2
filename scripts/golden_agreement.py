#!/usr/bin/env python3
"""Writes tests/golden/agreement.safetensors: what NumPy makes of predicted and true valence and arousal, in another form than
the program's (the coefficient by Pearson's correlation and the two standard deviations, Lin 1989, equation 1).

  golden_agreement.py tests/golden

The numbers are the formula's (golden_format.py); tests/test_train_metrics.c makes the same ones."""
import os
import sys

import numpy as np

import golden_format as form

ROWS = 40


def concordance(x, y):
    r = np.corrcoef(x, y)[0, 1]
    return 2 * r * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def main():
    truth = form.uniform("agreement.truth", ROWS * 2).reshape(ROWS, 2)
    predicted = (0.6 * truth + 0.4 * form.uniform("agreement.predicted", ROWS * 2).reshape(ROWS, 2) + 0.1).astype(np.float32)
    known = np.arange(ROWS) % 7 != 3  # the others have no label
    x, y = predicted[known].astype(np.float64), truth[known]
    tensors = {"concordance": [concordance(x[:, d], y[:, d]) for d in range(2)],
               "rmse": np.sqrt(((x - y) ** 2).mean(0)), "predicted": predicted}
    form.write_safetensors(os.path.join(sys.argv[1], "agreement.safetensors"), tensors, {"rows": ROWS, "known": known.sum()})
    print(tensors["concordance"], tensors["rmse"])


if __name__ == "__main__":
    main()
