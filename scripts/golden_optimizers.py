#!/usr/bin/env python3
"""Writes golden files of the optimizers: golden_optimizers.py tests/golden/optimizers

Five steps of torch.optim over three small tensors whose gradient is a polynomial of their values, so that C computes
the same one: g = c w + d + w^2 / 2. Only `layer.weight` decays. All in float64."""
import argparse
import os

import numpy as np
import torch

import golden_format as form

SHAPES = {"layer.weight": (6, 5), "layer.bias": (6,), "bn.weight": (6,)}
STEPS = 5
DEFAULTS = dict(kind="sgd", learning_rate=0.1, momentum=0.0, nesterov=0, weight_decay=0.0, beta1=0.9, beta2=0.999,
                epsilon=1e-8, sam_rho=0.0, clip_norm=0.0, ema_decay=0.0, steps=STEPS)
CASES = dict(
    sgd=dict(), sgd_weight_decay=dict(weight_decay=0.05),
    sgd_momentum=dict(momentum=0.9, weight_decay=0.05), sgd_nesterov=dict(momentum=0.9, nesterov=1, weight_decay=0.05),
    adam=dict(kind="adam", learning_rate=0.02), adam_weight_decay=dict(kind="adam", learning_rate=0.02, weight_decay=0.05),
    adamw=dict(kind="adamw", learning_rate=0.02, weight_decay=0.05),
    sam_sgd=dict(momentum=0.9, weight_decay=0.05, sam_rho=0.05), sam_adam=dict(kind="adam", learning_rate=0.02, sam_rho=0.05),
    sam_adamw=dict(kind="adamw", learning_rate=0.02, weight_decay=0.05, sam_rho=0.1),
    clipped_sgd=dict(momentum=0.9, clip_norm=0.5), clipped_adam=dict(kind="adam", learning_rate=0.02, clip_norm=0.5),
    averaged_adamw=dict(kind="adamw", learning_rate=0.02, weight_decay=0.05, ema_decay=0.8))


def make_tensors():
    values, constants = {}, {}
    for name, shape in SHAPES.items():
        count = int(np.prod(shape))
        numbers = form.uniform(name, count).astype(np.float32)
        values[name] = torch.nn.Parameter(torch.from_numpy(numbers).double().view(shape))
        c = torch.from_numpy(1.0 + 0.5 * form.uniform(name + ".c", count)).view(shape)
        d = torch.from_numpy(form.uniform(name + ".d", count)).view(shape)
        constants[name] = (c, d)
    return values, constants


def make_optimizer(values, case):
    groups = [{"params": [values["layer.weight"]], "weight_decay": case["weight_decay"]},
              {"params": [values["layer.bias"], values["bn.weight"]], "weight_decay": 0.0}]
    if case["kind"] == "sgd":
        return torch.optim.SGD(groups, lr=case["learning_rate"], momentum=case["momentum"],
                               nesterov=bool(case["nesterov"]))
    make = torch.optim.Adam if case["kind"] == "adam" else torch.optim.AdamW
    return make(groups, lr=case["learning_rate"], betas=(case["beta1"], case["beta2"]), eps=case["epsilon"])


def run_case(case):
    values, constants = make_tensors()
    optimizer = make_optimizer(values, case)
    averages = {name: value.detach().clone() for name, value in values.items()}
    tensors = {}

    def set_gradients():
        for name, value in values.items():
            c, d = constants[name]
            value.grad = (c * value + d + value * value / 2).detach()

    for step in range(case["steps"]):
        set_gradients()
        if case["sam_rho"] > 0:  # up the slope, the gradient there, back (Foret et al. 2021)
            length = torch.sqrt(sum(value.grad.square().sum() for value in values.values()))
            before = {name: value.detach().clone() for name, value in values.items()}
            with torch.no_grad():
                for value in values.values():
                    value += case["sam_rho"] * value.grad / (length + 1e-12)
            set_gradients()
            with torch.no_grad():
                for name, value in values.items():
                    value.copy_(before[name])
        if case["clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(list(values.values()), case["clip_norm"])
        optimizer.step()
        for name, value in values.items():
            averages[name] = case["ema_decay"] * averages[name] + (1 - case["ema_decay"]) * value.detach()
            tensors[f"{name}.{step}"] = value.detach().numpy().copy()
            if case["ema_decay"] > 0:
                tensors[f"average.{name}.{step}"] = averages[name].numpy().copy()
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    os.makedirs(folder, exist_ok=True)
    for name, settings in CASES.items():
        case = {**DEFAULTS, **settings}
        form.write_safetensors(os.path.join(folder, name + ".safetensors"), run_case(case), case)
        print(name)


if __name__ == "__main__":
    main()
