#!/usr/bin/env python3
"""Three training steps from files: the same pictures, weights and recipe in PyTorch and through `rmfer train`.

  golden_training.py make DIR           pictures, lists, RMset, weights, one configuration a recipe, PyTorch's losses
  golden_training.py compare DIR NAME RUN_DIR     the losses of RUN_DIR/metrics.jsonl beside them, within 1e-4

Whatever is drawn at random is arranged to have one outcome: a batch is the whole data set (losses do not depend on the
order), nothing is augmented, and of the RMset's faces only one can be an anchor, with as many candidates as are drawn.
Step 1 is phase 1, steps 2 and 3 are phase 2. PyTorch computes in float64.
"""
import argparse
import json
import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other on a busy machine

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

import golden_format as form  # noqa: E402
import reference_model as reference  # noqa: E402

SIDE, LABELLED, POSITIVES, NEGATIVES, STEPS = 64, 12, 4, 8, 3
CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise")
ARCHITECTURE = "tf_efficientnet_b0"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LOSS_BOUND = 1e-4
# Four times what PyTorch itself moves by when SAM's sums are reordered, on processors with other vector widths.
SAM_LOSS_BOUND = 6.4e-4
RATE, RATE_IAL = 1e-3, 5e-4

# Adam moves every weight by the sign of its gradient, also those whose gradient is zero but for rounding (a shift that the
# next batch-norm takes away). Scoring with running statistics sees such shifts, so Adam's recipes score with batch ones.
RECIPES = {
    "baseline": {"train.optimizer": "sgd", "ial.weight": 0.0, "acl.weight": 0.0},
    "ial_adam": {"train.optimizer": "adam", "acl.weight": 0.0},
    "rmfer_sgd": {"train.optimizer": "sgd", "train.weight_decay": 0.01},
    "rmfer_joint": {"train.optimizer": "adamw", "train.weight_decay": 0.01, "acl.forward": "joint",
                    "acl.scoring_bn": "train"},
    "rmfer_sam": {"train.optimizer": "sam", "train.sam_base": "adam", "acl.scoring_bn": "train"},
    "rmfer_smooth": {"train.optimizer": "sgd", "train.label_smoothing": 0.1, "train.clip_norm": 0.5,
                     "ial.self_mask": "none", "ial.temperature": 0.25, "acl.temperature": 0.25},
}
DEFAULTS = {"train.optimizer": "sgd", "train.sam_base": "adam", "train.sam_rho": 0.05, "train.weight_decay": 0.0,
            "train.label_smoothing": 0.0, "train.clip_norm": 0.0, "ial.weight": 1.2, "ial.temperature": 1.0,
            "ial.self_mask": "exclude", "acl.weight": 1.0, "acl.temperature": 1.0, "acl.forward": "separate",
            "acl.scoring_bn": "eval"}


# ---- files -------------------------------------------------------------------------------------------------------------

def make_bytes(name, count):
    """[count, SIDE, SIDE, 3] uint8."""
    return np.clip(form.pictures(name, count, SIDE) * 60 + 128, 0, 255).astype(np.uint8)


def save_pictures(folder, prefix, pictures):
    os.makedirs(folder, exist_ok=True)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(os.path.join(folder, f"{prefix}{index:02d}.png"))


def write_labelled(folder):
    pictures = make_bytes("training.labelled", LABELLED)
    save_pictures(os.path.join(folder, "faces"), "", pictures)
    labels = [(3 * i // 2) % len(CLASSES) for i in range(LABELLED)]
    with open(os.path.join(folder, "labels.csv"), "w", encoding="ascii") as rows:
        rows.write("path,label,split\n")
        for index, label in enumerate(labels):
            rows.write(f"faces/{index:02d}.png,{CLASSES[label]},train\n")
        for index in range(2):
            rows.write(f"faces/{index:02d}.png,{CLASSES[labels[index]]},valid\n")
    return pictures, torch.nn.functional.one_hot(torch.tensor(labels), len(CLASSES)).double()


def write_rmset(folder):
    """Person 0 at frame 0 is the only possible anchor: the others are near it (person 1) or far from it (person 0)."""
    pictures = make_bytes("training.people", 1 + POSITIVES + NEGATIVES)
    save_pictures(os.path.join(folder, "rmset"), "", pictures)
    places = [(0, 0)] + [(frame, 1) for frame in range(POSITIVES)] + [(100 + frame, 0) for frame in range(NEGATIVES)]
    with open(os.path.join(folder, "rmset", "index.csv"), "w", encoding="ascii") as rows:
        rows.write("video,frame,face,path\n")
        for (frame, face), index in sorted((place, index) for index, place in enumerate(places)):
            rows.write(f"video,{frame},{face},{index:02d}.png\n")
    return pictures


def config_text(settings):
    keys = {"data.kind": "csv", "data.root": ".", "data.train": "labels.csv", "data.classes": ", ".join(CLASSES),
            "data.sampler": "shuffle", "data.image_size": SIDE, "data.crop": "none", "data.normalize": "imagenet",
            "model.arch": ARCHITECTURE, "model.init": "init.safetensors",
            "train.lr": RATE, "train.lr_ial": RATE_IAL, "train.phase2_lr": "same", "train.momentum": 0.9,
            "train.batch": LABELLED, "train.epochs": STEPS, "train.warmup_epochs": 1,
            "acl.anchors": 1, "acl.n_pos": POSITIVES, "acl.n_neg": NEGATIVES, "acl.gamma": 0.5,
            "rmset.root": "rmset", "augment.enabled": "false", "rmset.augment": "false",
            "eval.every": 1, "output.log_every": 1, **settings}
    lines, section = [], ""
    for key in sorted(keys):
        if key.split(".")[0] != section:
            section = key.split(".")[0]
            lines.append(f"[{section}]")
        lines.append(f"{key.split('.')[1]} = {keys[key]}")
    return "\n".join(lines) + "\n"


def make_model():
    model = reference.RMFER(reference.architecture(ARCHITECTURE), len(CLASSES))
    form.fill_model(model)
    return model


def write_checkpoint(model, path):
    tensors = {name: value.numpy() for name, value in model.state_dict().items()
               if not name.endswith("num_batches_tracked")}
    form.write_safetensors(path, tensors, {
        "rmfer.format": "1", "rmfer.arch": ARCHITECTURE, "rmfer.classes": ",".join(CLASSES),
        "rmfer.image_size": SIDE, "rmfer.mean": ",".join(map(str, MEAN)), "rmfer.std": ",".join(map(str, STD)),
        "rmfer.resize": "bilinear"})


# ---- PyTorch -----------------------------------------------------------------------------------------------------------

def normalised(pictures):
    mean, std = np.array(MEAN), np.array(STD)
    return torch.from_numpy(((pictures / 255.0 - mean) / std).transpose(0, 3, 1, 2).copy())


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
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(groups, lr=RATE)


def train(settings, images, targets, faces):
    """The losses (total, fer, ial, acl) of each step, before its update."""
    model = make_model().double().train()
    optimizer = make_optimizer(settings, model)
    parameters, losses = list(model.parameters()), []

    def compute(contrastive, kept_choice=None):
        optimizer.zero_grad(set_to_none=False)
        out = reference.objective(
            model, images, targets, contrastive, ial_weight=settings["ial.weight"],
            acl_weight=settings["acl.weight"], ial_temperature=settings["ial.temperature"],
            acl_temperature=settings["acl.temperature"], self_mask=settings["ial.self_mask"],
            label_smoothing=settings["train.label_smoothing"], joint=settings["acl.forward"] == "joint",
            scoring_bn=settings["acl.scoring_bn"], kept_share=0.5, kept_choice=kept_choice)
        assert out["margin"] > 3e-5, f"candidates too close to tell apart: {out['margin']:.1e}"
        out["total"].backward()
        return out

    for step in range(STEPS):
        contrastive = (faces[None], POSITIVES) if step > 0 and settings["acl.weight"] else None
        out = compute(contrastive)
        losses.append([float(out[key]) for key in ("total", "fer", "ial", "acl")])
        with_gradient = [p for p in parameters if p.grad is not None]
        if settings["train.optimizer"] == "sam":
            before = [p.detach().clone() for p in with_gradient]
            length = torch.stack([p.grad.norm() for p in with_gradient]).norm()
            with torch.no_grad():
                for p in with_gradient:
                    p += settings["train.sam_rho"] * p.grad / (length + 1e-12)
            model.set_momentum(0.0)  # the second pass leaves the running statistics alone
            compute(contrastive, out["chosen"])  # two passes over one function: the choice stays
            model.set_momentum(0.1)
            with torch.no_grad():
                for p, value in zip(with_gradient, before):
                    p.copy_(value)
        if settings["train.clip_norm"]:
            torch.nn.utils.clip_grad_norm_(with_gradient, settings["train.clip_norm"])
        optimizer.step()
    return losses


# ---- commands ----------------------------------------------------------------------------------------------------------

def make(folder):
    os.makedirs(folder, exist_ok=True)
    pictures, targets = write_labelled(folder)
    images, faces = normalised(pictures), normalised(write_rmset(folder))
    write_checkpoint(make_model(), os.path.join(folder, "init.safetensors"))
    expected = {}
    for name, changes in RECIPES.items():
        with open(os.path.join(folder, name + ".ini"), "w", encoding="ascii") as file:
            file.write(config_text(changes))
        expected[name] = train({**DEFAULTS, **changes}, images, targets, faces)
    with open(os.path.join(folder, "expected.json"), "w", encoding="ascii") as file:
        json.dump(expected, file, indent=1)


def compare(folder, name, run):
    with open(os.path.join(folder, "expected.json"), encoding="ascii") as file:
        expected = json.load(file)[name]
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    steps = [line for line in lines if "loss_fer" in line]
    if len(steps) != STEPS:
        sys.exit(f"{name}: {len(steps)} steps in {run}/metrics.jsonl, {STEPS} expected")
    worst = 0.0
    for line, wanted in zip(steps, expected):
        got = [line["loss"], line["loss_fer"], line["loss_ial"], line["loss_acl"]]
        for value, reference_value in zip(got, wanted):
            worst = max(worst, abs(value - reference_value) / max(1.0, abs(reference_value)))
    print(f"{name}: largest difference {worst:.1e}")
    if not worst <= (SAM_LOSS_BOUND if "sam" in name else LOSS_BOUND):
        print("expected", expected)
        print("got", [[line[key] for key in ("loss", "loss_fer", "loss_ial", "loss_acl")] for line in steps])
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("make", "compare"))
    parser.add_argument("folder")
    parser.add_argument("name", nargs="?")
    parser.add_argument("run", nargs="?")
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.folder)
    else:
        compare(arguments.folder, arguments.name, arguments.run)


if __name__ == "__main__":
    main()
