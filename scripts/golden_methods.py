#!/usr/bin/env python3
"""Writes the golden files of the methods of src/method/ that learn from unlabelled pictures: what PyTorch makes of the same
weights and pictures in five steps of gradient descent.

  golden_methods.py tests/golden/methods           every committed case (tiny networks)
  golden_methods.py DIR --only NAME...             some cases

Written from the papers and from what microsoft/Semi-supervised-learning and hangyu94/Ada-CM say of their values; everything
in float64, every gradient by autograd. A file's metadata is the case: tests/test_golden_methods.c reads it and runs it.
Whatever a method draws at random comes from rmfer's own streams (golden_random.py). Guesses that decide by a threshold
keep MARGIN from it, so that float32 decides alike.
"""
import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other on a busy machine

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import golden_format as form  # noqa: E402
import reference_model as reference  # noqa: E402
from golden_engine import set_masks  # noqa: E402

MARGIN = 2e-5
BATCH, SIDE, CLASSES, STEPS, SEED = 4, 48, 5, 5, 7
DEFAULTS = dict(divisor=16, repeats=1, classes=CLASSES, image_size=SIDE, batch=BATCH, steps=STEPS, learning_rate=0.02,
                running_variance=0.6, bn_momentum=0.1, gradient_scale=1.0, seed=SEED, dropout=0.0, drop_path=0.0)


def softmax(logits, temperature=1.0):
    return torch.softmax(logits / temperature, dim=1)


def soft_cross_entropy(logits, targets):
    """Of each row."""
    return -(targets * torch.log_softmax(logits, dim=1)).sum(1)


def sure(p, threshold):
    """1 where the largest is at least the threshold (a number, or one for each row); and that largest's place."""
    best = p.topk(2, dim=1).values
    assert float((best[:, 0] - threshold).abs().min()) > MARGIN, "a guess is too close to the threshold"
    assert float((best[:, 0] - best[:, 1]).min()) > MARGIN, "two guesses are too close"
    return (best[:, 0] >= threshold).double(), p.argmax(1)


class Method:
    """One method's state. `views`: of the unlabelled stream; `losses` returns the terms in the order of rmfer's."""

    def __init__(self, case):
        self.case, self.settings = case, case["settings"]

    def heads(self, features):
        """Modules to add to the model, by name."""
        return {}

    def total(self, terms, progress):
        return sum(weight * term for weight, term in zip(self.weights(), terms))

    def memories(self):
        return {}

    def forward(self, model, pictures, step):
        set_masks(model, self.case, step, len(pictures))
        features = model.features(pictures)
        return features, model.classify(features)


class Consistency(Method):
    """FixMatch (temperature 0: one-hot) and UDA."""
    views = 2

    def weights(self):
        return 1.0, self.settings["weight"]

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        rows, others = len(labelled), len(unlabelled[0])
        logits = self.forward(model, torch.cat([labelled] + unlabelled), step)[1]
        weak, strong = logits[rows:rows + others].detach(), logits[rows + others:]
        mask, best = sure(softmax(weak), self.settings["threshold"])
        assert 0 < float(mask.mean()) < 1, "all or none are sure"
        temperature = self.settings.get("temperature", 0)
        guess = softmax(weak, temperature) if temperature else F.one_hot(best, self.case["classes"]).double()
        return [reference.cross_entropy(logits[:rows], targets), (mask * soft_cross_entropy(strong, guess)).mean()]


METHODS = {"fixmatch": Consistency, "uda": Consistency}


def committed_cases():
    cases = {}

    def add(name, method, settings, **others):
        cases[name] = {**DEFAULTS, "method": method, "settings": settings, **others}

    add("fixmatch", "fixmatch", {"threshold": 0.272, "weight": 0.8, "ratio": 3})
    add("uda", "uda", {"threshold": 0.2655, "weight": 1.5, "ratio": 2, "temperature": 0.4})
    add("uda_dropout", "uda", {"threshold": 0.2655, "weight": 1, "ratio": 2, "temperature": 0.7}, dropout=0.2,
        drop_path=0.3, repeats=2, gradient_scale=0.5)
    return cases


# ---- a case ------------------------------------------------------------------------------------------------------------

def build_model(case, method):
    model = reference.EfficientNet(reference.architecture_tiny(True, case["divisor"], case["repeats"]), case["classes"])
    for name, module in method.heads(model.shapes.features).items():
        model.add_module(name, module)
    form.fill_model(model, case["running_variance"])
    model.double()
    model.set_momentum(case["bn_momentum"])
    return model


def pictures(name, count):
    return form.pictures_nchw(name, count, SIDE).double()


def run_case(case):
    method = METHODS[case["method"]](case)
    model = build_model(case, method).train()
    unlabelled_rows = case["batch"] * case["settings"]["ratio"]
    tensors, all_terms = {}, []
    for step in range(case["steps"]):
        labelled = pictures(f"labelled.{step}", case["batch"])
        targets = form.one_hot_targets(step, case["batch"], case["classes"]).double()
        unlabelled = [pictures(f"unlabelled.{view}.{step}", unlabelled_rows) for view in range(method.views)]
        for parameter in model.parameters():
            parameter.grad = None
        progress = step / case["steps"]
        terms = method.losses(model, labelled, targets, unlabelled, step, progress)
        total = method.total(terms, progress)
        (total * case["gradient_scale"]).backward()
        all_terms.append([float(total)] + [float(term) for term in terms])
        for name, parameter in model.named_parameters():
            if step in (0, case["steps"] - 1):
                tensors[f"gradient.{step}.{name}"] = form.sketch(f"{step}.{name}", parameter.grad.numpy())
            with torch.no_grad():
                parameter -= case["learning_rate"] * parameter.grad
    tensors["losses"] = all_terms
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            tensors["buffer." + name] = form.sketch(name, buffer.numpy())
    for name, values in method.memories().items():
        tensors["memory." + name] = values
    return tensors


def metadata(case):
    """The case with the method's settings as rmfer's --set has them."""
    settings = " ".join(f"{case['method']}.{key}={value}" for key, value in case["settings"].items())
    return {**{key: value for key, value in case.items() if key != "settings"}, "settings": settings}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    os.makedirs(arguments.folder, exist_ok=True)
    for name, case in committed_cases().items():
        if not arguments.only or name in arguments.only:
            form.write_safetensors(os.path.join(arguments.folder, name + ".safetensors"), run_case(case),
                                   metadata(case))
            print(name)


if __name__ == "__main__":
    main()
