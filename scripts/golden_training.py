#!/usr/bin/env python3
"""Four training steps from files in PyTorch: what tests/test_golden_training.c expects of `rmfer train` and `rmfer eval`.

  golden_training.py make [NAME...]     writes NAME.ini and NAME.golden of these recipes (all) to tests/golden/training
  golden_training.py check [NAME...]    computes the expected numbers again and compares them with what is committed

The pictures and weights are not stored: tests/support/golden.c makes the same ones (golden_format.py). Whatever is drawn
at random is arranged to have one outcome: a batch is the whole data set (losses do not depend on the order), nothing is
augmented, and of the RMset's faces only one can be an anchor, with as many candidates as are drawn. Step 1 is phase 1,
the others are phase 2. Every step is an epoch with an evaluation behind it; one more, with mirror images, closes.

NAME.golden has a line for each number: `step INDEX KEY VALUE BOUND`, `eval INDEX KEY VALUE BOUND`, `final 0 KEY VALUE
BOUND`. VALUE is PyTorch's in float64. How far may float32 be from it? As far as PyTorch itself is when it computes in
float32: the same steps are done again with the batch in other orders, on one thread and on several, with oneDNN's
kernels and without, and with weights that are half a unit in the last place away. These are roundings of the kind that
another processor or another order of sums makes. BOUND is FACTOR times the largest distance from float64 in REPEATS such
runs, over all numbers of the same line of metrics.jsonl (they come from the same weights and are of the same size): the
largest of sixteen and more normal deviations is under one standard deviation twice in a thousand cases, FACTOR times it
is seven as a rule. It is never less than SMALLEST, nor than
at an earlier step: a step's roundings come on top of those before it. Accuracies are counts: they may not differ, and no answer is nearer to the next
than MARGIN.

Adam moves a weight by the sign of its gradient, also where the gradient is all rounding (a shift that the next batch-norm
takes away); with its usual epsilon PyTorch's own runs part by 4e-3 in four steps, which would hide mistakes. The recipes
with Adam have an epsilon of 1e-3, above such roundings.
"""
import argparse
import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other on a busy machine

import numpy as np  # noqa: E402
import torch  # noqa: E402

import golden_format as form  # noqa: E402
import reference_model as reference  # noqa: E402

SIDE, LABELLED, POSITIVES, NEGATIVES, STEPS = 64, 12, 4, 8, 4
EVAL_BATCH = 5  # the last batch has two pictures: attention looks at less there
EVAL_ORDER = (9, 0, 7, 6, 2, 10, 1, 4, 3, 5, 11, 8)  # rmfer's ORDER_MIXED of twelve, seed 0: who comes together in a batch
CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise")
ARCHITECTURE = "tf_efficientnet_b0"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RATE, RATE_IAL = 1e-3, 5e-4
REPEATS, FACTOR, SMALLEST, MARGIN = 4, 4.0, 1e-6, 1e-3
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "training")

RECIPES = {
    "baseline": {"train.optimizer": "sgd", "ial.weight": 0.0, "acl.weight": 0.0},
    "ial_adam": {"train.optimizer": "adam", "train.epsilon": 1e-3, "acl.weight": 0.0},
    "rmfer_sgd": {"train.optimizer": "sgd", "train.weight_decay": 0.01},
    "rmfer_joint": {"train.optimizer": "adamw", "train.epsilon": 1e-3, "train.weight_decay": 0.01, "acl.forward": "joint",
                    "acl.scoring_bn": "train"},
    # All candidates are kept: the second pass has nothing to choose.
    "rmfer_sam": {"train.optimizer": "sam", "train.sam_base": "adam", "train.epsilon": 1e-3, "acl.gamma": 1.0,
                  "acl.scoring_bn": "train"},
    "rmfer_smooth": {"train.optimizer": "sgd", "train.label_smoothing": 0.1, "train.clip_norm": 0.5,
                     "ial.self_mask": "none", "ial.temperature": 0.25, "acl.temperature": 0.25},
    "balanced": {"train.optimizer": "sgd", "train.class_weights": "balanced", "acl.weight": 0.0},
    "phase2_rate": {"train.optimizer": "sgd", "train.phase2_lr": "contrastive", "train.lr_contrastive": 4e-3},
}
DEFAULTS = {"train.optimizer": "sgd", "train.sam_base": "adam", "train.sam_rho": 0.05, "train.weight_decay": 0.0,
            "train.label_smoothing": 0.0, "train.clip_norm": 0.0, "ial.weight": 1.2, "ial.temperature": 1.0,
            "ial.self_mask": "exclude", "acl.weight": 1.0, "acl.temperature": 1.0, "acl.forward": "separate",
            "acl.scoring_bn": "eval", "train.class_weights": "none", "train.phase2_lr": "same",
            "train.lr_contrastive": RATE, "train.epsilon": 1e-8, "acl.gamma": 0.5}


# ---- what C makes too ---------------------------------------------------------------------------------------------------

def make_bytes(name, count):
    """[count, SIDE, SIDE, 3] uint8."""
    return np.clip(form.pictures(name, count, SIDE) * 60 + 128, 0, 255).astype(np.uint8)


def normalised(pictures):
    mean, std = np.array(MEAN), np.array(STD)
    return torch.from_numpy(((pictures / 255.0 - mean) / std).transpose(0, 3, 1, 2).copy())


def make_labels():
    return torch.tensor([(3 * i // 2) % len(CLASSES) for i in range(LABELLED)])


def config_text(settings):
    keys = {"data.kind": "csv", "data.root": ".", "data.train": "labels.csv", "data.classes": ", ".join(CLASSES),
            "data.sampler": "shuffle", "data.image_size": SIDE, "data.crop": "none", "data.normalize": "imagenet",
            "model.arch": ARCHITECTURE, "model.init": "init.safetensors",
            "train.lr": RATE, "train.lr_ial": RATE_IAL, "train.phase2_lr": "same", "train.momentum": 0.9,
            "train.batch": LABELLED, "train.epochs": STEPS, "train.warmup_epochs": 1,
            "acl.anchors": 1, "acl.n_pos": POSITIVES, "acl.n_neg": NEGATIVES, "acl.gamma": 0.5,
            "rmset.root": "rmset", "augment.enabled": "false", "rmset.augment": "false",
            "eval.every": 1, "eval.batch": EVAL_BATCH, "output.log_every": 1, **settings}
    lines, section = [], ""
    for key in sorted(keys):
        if key.split(".")[0] != section:
            section = key.split(".")[0]
            lines.append(f"[{section}]")
        lines.append(f"{key.split('.')[1]} = {keys[key]}")
    return "\n".join(lines) + "\n"


# ---- one way of rounding ------------------------------------------------------------------------------------------------

class Way:
    """How the same mathematics is computed: float64, or one of REPEATS ways in float32."""

    def __init__(self, repeat=None):
        self.dtype = torch.float64 if repeat is None else torch.float32
        random = np.random.default_rng(0 if repeat is None else repeat)
        self.order = torch.arange(LABELLED) if repeat is None else torch.from_numpy(random.permutation(LABELLED))
        self.nudge = None if repeat is None else random
        torch.set_num_threads(1 + (repeat or 0) % 3)
        torch.backends.mkldnn.enabled = (repeat or 0) % 2 == 0

    def model(self):
        model = reference.RMFER(reference.architecture(ARCHITECTURE), len(CLASSES))
        form.fill_model(model)
        if self.nudge is not None:
            with torch.no_grad():
                for p in model.parameters():
                    noise = torch.from_numpy(self.nudge.uniform(-1, 1, tuple(p.shape)).astype(np.float32))
                    p.mul_(1 + noise * 2.0 ** -24)
        return model.to(self.dtype).train()


def make_optimizer(settings, model):
    groups = []
    for heads in (False, True):
        for decays in (False, True):
            groups.append({"params": [p for name, p in model.named_parameters()
                                      if name.startswith("ial.") == heads and (p.dim() > 1) == decays],
                           "lr": RATE_IAL if heads else RATE,
                           "weight_decay": settings["train.weight_decay"] if decays else 0.0})
    kind = settings["train.optimizer"]
    kind = settings["train.sam_base"] if kind == "sam" else kind
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=RATE, momentum=0.9)
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(groups, lr=RATE, eps=settings["train.epsilon"])


def balanced_weights(labels):
    """all / (classes * of the class): of mean 1 over the samples."""
    counts = torch.bincount(labels, minlength=len(CLASSES))
    return len(labels) / (len(CLASSES) * counts.double())


# ---- evaluation ---------------------------------------------------------------------------------------------------------

def cosines(vectors, labels):
    """Mean cosine similarity over pairs of one class and of two."""
    unit = reference.unit(vectors)
    pairs, same = unit @ unit.T, labels[:, None] == labels[None]
    above = torch.ones_like(same).triu(1)
    return float(pairs[same & above].mean()), float(pairs[~same & above].mean())


def distance_of_centres(features, labels):
    """Mean distance from the class centre, of the cloud scaled to a mean squared distance of 1 from its own."""
    spread = (features - features.mean(0)).square().sum(1).mean().sqrt()
    centres = torch.stack([features[labels == k].mean(0) for k in range(len(CLASSES))])
    return float((features - centres[labels]).norm(dim=1).mean() / spread)


def assert_clear(logits):
    best = logits.topk(2, dim=1).values
    if logits.dtype == torch.float64:
        assert float((best[:, 0] - best[:, 1]).min()) > MARGIN, "two answers are too close"


def evaluate(model, settings, images, labels, flip):
    """Batch-norm uses its running statistics; attention mixes EVAL_BATCH pictures at a time, in the order of EVAL_ORDER."""
    model.eval()
    with torch.no_grad():
        features = model.features(images)
        logits = model.classify(features)
        if flip:
            logits = (logits + model.classify(model.features(images.flip(3)))) / 2
        assert_clear(logits)
        hits = (logits.argmax(1) == labels).double()
        recalls = [hits[labels == k].mean() for k in range(len(CLASSES))]
        out = {"loss": float(torch.nn.functional.cross_entropy(logits, labels)),
               "overall_accuracy": float(hits.mean()), "average_accuracy": float(torch.stack(recalls).mean())}
        out["same_class_similarity"], out["different_class_similarity"] = cosines(features, labels)
        if flip:
            out["centre_distance"] = distance_of_centres(features, labels)
        if settings["ial.weight"]:
            attended = torch.cat([reference.attended_logits(model, part, settings["ial.temperature"],
                                                            settings["ial.self_mask"])
                                  for part in features[list(EVAL_ORDER)].split(EVAL_BATCH)])
            assert_clear(attended)
            out["ial_accuracy"] = float((attended.argmax(1) == labels[list(EVAL_ORDER)]).double().mean())
            same, different = cosines(model.project(features), labels)
            out["projected_same_class_similarity"], out["projected_different_class_similarity"] = same, different
    model.train()
    return out


# ---- training -----------------------------------------------------------------------------------------------------------

def train(settings, way):
    """{(kind, index, key): value}: the losses of each step before its update, the evaluation behind it."""
    pictures, labels = normalised(make_bytes("training.labelled", LABELLED)).to(way.dtype), make_labels()
    faces = normalised(make_bytes("training.people", 1 + POSITIVES + NEGATIVES)).to(way.dtype)
    images, truth = pictures[way.order], labels[way.order]
    targets = torch.nn.functional.one_hot(truth, len(CLASSES)).to(way.dtype)
    weights = balanced_weights(labels).to(way.dtype) if settings["train.class_weights"] == "balanced" else None
    model, numbers = way.model(), {}
    optimizer = make_optimizer(settings, model)
    parameters = list(model.parameters())

    def compute(contrastive):
        optimizer.zero_grad(set_to_none=False)
        out = reference.objective(
            model, images, targets, contrastive, ial_weight=settings["ial.weight"],
            acl_weight=settings["acl.weight"], ial_temperature=settings["ial.temperature"],
            acl_temperature=settings["acl.temperature"], self_mask=settings["ial.self_mask"],
            label_smoothing=settings["train.label_smoothing"], class_weights=weights,
            joint=settings["acl.forward"] == "joint", scoring_bn=settings["acl.scoring_bn"],
            kept_share=settings["acl.gamma"])
        assert out["margin"] > 3e-5, f"candidates too close to tell apart: {out['margin']:.1e}"
        out["total"].backward()
        return out

    for step in range(STEPS):
        contrastive = (faces[None], POSITIVES) if step > 0 and settings["acl.weight"] else None
        if step == 1 and settings["train.phase2_lr"] == "contrastive":
            for group in optimizer.param_groups:
                group["lr"] = settings["train.lr_contrastive"]
        out = compute(contrastive)
        for key, line in (("total", "loss"), ("fer", "loss_fer"), ("ial", "loss_ial"), ("acl", "loss_acl")):
            numbers["step", step, line] = float(out[key])
        with_gradient = [p for p in parameters if p.grad is not None]
        if settings["train.optimizer"] == "sam":
            before = [p.detach().clone() for p in with_gradient]
            length = torch.stack([p.grad.norm() for p in with_gradient]).norm()
            with torch.no_grad():
                for p in with_gradient:
                    p += settings["train.sam_rho"] * p.grad / (length + 1e-12)
            model.set_momentum(0.0)  # the second pass leaves the running statistics alone
            compute(contrastive)
            model.set_momentum(0.1)
            with torch.no_grad():
                for p, value in zip(with_gradient, before):
                    p.copy_(value)
        if settings["train.clip_norm"]:
            torch.nn.utils.clip_grad_norm_(with_gradient, settings["train.clip_norm"])
        optimizer.step()
        for key, value in evaluate(model, settings, pictures, labels, False).items():
            numbers["eval", step, key] = value
    for key, value in evaluate(model, settings, pictures, labels, True).items():
        numbers["final", 0, key] = value
    return numbers


# ---- commands ----------------------------------------------------------------------------------------------------------

def make(folder, names):
    os.makedirs(folder, exist_ok=True)
    for name in names:
        changes = RECIPES[name]
        settings = {**DEFAULTS, **changes}
        exact = train(settings, Way())
        rounded = [train(settings, Way(repeat)) for repeat in range(1, REPEATS + 1)]
        with open(os.path.join(folder, name + ".ini"), "w", encoding="ascii") as file:
            file.write(config_text(changes))
        worst, bounds = 0.0, {}
        with open(os.path.join(folder, name + ".golden"), "w", encoding="ascii") as file:
            for (kind, index, key), value in exact.items():
                away = max(abs(other[at] - exact[at]) for other in rounded for at in exact
                           if at[:2] == (kind, index) and "accuracy" not in at[2])
                bounds[kind] = max(bounds.get(kind, SMALLEST), FACTOR * away)
                bound = 0.0 if "accuracy" in key else bounds[kind]
                worst = max(worst, bound)
                file.write(f"{kind} {index} {key} {value:.9g} {bound:.1e}\n")
        print(f"{name}: widest bound {worst:.1e}", flush=True)


def check(folder, names):
    """float64 is good for twelve digits where Adam does not divide roundings by each other: nine are written."""
    failed = False
    for name in names:
        changes = RECIPES[name]
        with open(os.path.join(folder, name + ".ini"), encoding="ascii") as file:
            failed |= file.read() != config_text(changes)
        found = train({**DEFAULTS, **changes}, Way())
        with open(os.path.join(folder, name + ".golden"), encoding="ascii") as file:
            lines = [line.split() for line in file]
        committed = {(kind, int(index), key): float(value) for kind, index, key, value, _ in lines}
        worst = max((abs(committed.get(key, float("inf")) - value) for key, value in found.items()), default=1.0)
        failed |= not worst <= 1e-6 or found.keys() != committed.keys()
        print(f"{name}: computed again, {worst:.1e} away")
    if failed:
        sys.exit("the committed numbers are not PyTorch's: golden_training.py make")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("make", "check"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", default=FOLDER)
    arguments = parser.parse_args()
    (make if arguments.command == "make" else check)(arguments.folder, arguments.names or list(RECIPES))


if __name__ == "__main__":
    main()
