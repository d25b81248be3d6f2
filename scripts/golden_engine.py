#!/usr/bin/env python3
"""Writes the engine's golden files: what PyTorch makes of the same weights and pictures.

  golden_engine.py tests/golden/engine          every committed case (tiny networks, about 1 MB)
  golden_engine.py DIR --full b2|b0             the whole network at its usual size, both flavours
  golden_engine.py DIR --only NAME...           some cases

Everything is computed in float64 (weights and pictures are float32 numbers from a formula), so that what is measured
is the error of the C code alone: PyTorch's own float32 gradients of B2 at 260 differ from these by up to 7e-5 of a
tensor's length. A file's metadata is the case: tests/test_golden_engine.c reads the settings from there and runs them.
"""
import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other on a busy machine

import numpy as np  # noqa: E402
import torch  # noqa: E402

import golden_format as form
import reference_model as reference
from golden_random import drop_factors

DEFAULTS = dict(
    architecture="tiny", same_padding=1, divisor=16, repeats=1, classes=7, image_size=64, batch=6,
    anchors=0, positives=0, negatives=0, kept_share=0.25,
    ial_weight=1.2, acl_weight=0.0, ial_temperature=1.0, acl_temperature=1.0, self_mask="exclude",
    targets="hard", label_smoothing=0.0, class_weights=0, dropout=0.0, drop_path=0.0, bn_momentum=0.1,
    freeze_backbone=0, scoring_bn="eval", joint=0, gradient_scale=1.0,
    steps=1, learning_rate=0.05, gradients="sketch", seed=7, running_variance=0.6)

# The mutual loss; too_near: the first two moments are no negatives of each other.
MUTUAL = dict(moments=3, persons=3, hardness=0.0, chance=0.0, too_near=0, acl_weight=0.5, acl_temperature=0.1, batch=4,
              image_size=48)
CONTRASTIVE = dict(anchors=2, positives=6, negatives=8, acl_weight=1.0, batch=4)


def committed_cases():
    cases = {}

    def add(name, **settings):
        cases[name] = {**DEFAULTS, **settings}

    for flavour, same in (("same", 1), ("symmetric", 0)):
        for size in (64, 65, 47):
            add(f"{flavour}_{size}", same_padding=same, image_size=size, repeats=2 if size == 47 else 1, batch=4,
                steps=2, learning_rate=0.01, gradients="whole" if size == 65 else "sketch", ial_weight=0.0)
        # One pixel is left for the last stages: statistics over two dozen numbers; more than one block to a stage.
        add(f"{flavour}_32", same_padding=same, image_size=32, repeats=2, batch=24, steps=2, learning_rate=0.002)
    for mask in ("exclude", "literal", "none"):
        for temperature in (1.0, 0.1):
            sharpness = "" if temperature == 1 else "_sharp"
            add(f"ial_{mask}{sharpness}", self_mask=mask, ial_temperature=temperature)
    add("ial_two_images", batch=2, ial_temperature=0.25)
    add("smoothing", label_smoothing=0.1)
    add("class_weights", class_weights=1)
    add("class_weights_smoothing", class_weights=1, label_smoothing=0.1)
    add("soft", targets="soft")
    add("soft_smoothing", targets="soft", label_smoothing=0.2)
    add("soft_class_weights", targets="soft", class_weights=1)
    add("gradient_scale", gradient_scale=0.25, bn_momentum=0.01, steps=2)
    add("freeze_backbone", freeze_backbone=1)
    add("drop_path", drop_path=0.4, repeats=2)
    add("dropout", dropout=0.3)
    for scoring in ("eval", "train"):
        for joint in (0, 1):
            add(f"acl_{scoring}_{'joint' if joint else 'separate'}", **CONTRASTIVE, scoring_bn=scoring, joint=joint)
    add("acl_temperature", **CONTRASTIVE, acl_temperature=0.1)
    add("acl_alone", **CONTRASTIVE, ial_weight=0.0)
    add("acl_one_anchor", **{**CONTRASTIVE, "anchors": 1, "acl_weight": 0.5}, kept_share=0.1)
    add("acl_freeze_backbone", **CONTRASTIVE, freeze_backbone=1)
    add("mutual", **MUTUAL)
    add("mutual_hard", **{**MUTUAL, "hardness": 0.5, "chance": 0.1, "acl_temperature": 0.5})
    add("mutual_too_near", **{**MUTUAL, "too_near": 1, "moments": 4, "persons": 2, "ial_weight": 0.0, "chance": 0.2})
    add("mutual_five_steps", **{**MUTUAL, "steps": 5, "hardness": 0.5, "chance": 0.05, "acl_temperature": 0.2,
                                "learning_rate": 0.01})
    for name, settings in (("affect", {}), ("affect_dropout", dict(dropout=0.3, ial_weight=0.0, gradient_scale=0.5)),
                           ("affect_joint", dict(**CONTRASTIVE, joint=1))):
        add(name, affect_weight=0.7, steps=2, learning_rate=0.01, image_size=48, **settings)
    add("three_steps_phase_1", steps=3, same_padding=0, image_size=48)
    add("three_steps_phase_2", steps=3, image_size=40, **CONTRASTIVE)
    return cases


def full_cases(size):
    """The whole network with both heads, at its usual size and at a small odd one."""
    usual = reference.SCALES[size][2]
    cases = {}
    for flavour in ("tf_efficientnet_", "efficientnet_"):
        for side, batch in ((usual, 3), (97, 8)):
            cases[f"{flavour}{size}_{side}"] = {**DEFAULTS, "architecture": flavour + size, "image_size": side,
                                                "batch": batch, "gradients": "whole", "bn_momentum": 0.9,
                                                "learning_rate": 0.0, "running_variance": 0.75}
    return cases


def build_model(case):
    if case["architecture"] == "tiny":
        shapes = reference.architecture_tiny(bool(case["same_padding"]), case["divisor"], case["repeats"])
    else:
        shapes = reference.architecture(case["architecture"])
    model = reference.RMFER(shapes, case["classes"])
    if case.get("moments"):
        model.add_mutual_head()
    if case.get("affect_weight"):
        model.add_affect_head()
    form.fill_model(model, case["running_variance"])
    model.double()
    model.set_momentum(case["bn_momentum"])
    return model


def set_masks(model, case, step, samples):
    """The masks rmfer draws for this step, so that random layers can be compared too."""
    blocks = model.block_list()
    for index, block in enumerate(blocks):
        rate = case["drop_path"] * index / len(blocks)
        block.keep = drop_factors(case["seed"], "drop_path", step, index, samples, rate) if rate > 0 else None
    wide = model.shapes.features
    model.dropout_keep = None
    if case["dropout"] > 0:
        model.dropout_keep = drop_factors(case["seed"], "dropout", step, 0, samples * wide,
                                          case["dropout"]).view(samples, wide)


def class_weights(case):
    if not case["class_weights"]:
        return None
    values = (1.0 + 0.5 * form.uniform("class_weights", case["classes"])).astype(np.float32)
    return torch.from_numpy(values).double()


def affect_truth(case, step):
    """Valence and arousal of a step's pictures; picture STEP + 1 has no label."""
    truth = torch.from_numpy(form.uniform(f"affect.{step}", case["batch"] * 2).reshape(-1, 2))
    truth[step + 1] = float("nan")
    return truth


def run_step(model, case, step):
    """One forward and backward pass; gradients are left in the parameters."""
    images = form.pictures_nchw(f"images.{step}", case["batch"], case["image_size"]).double()
    make = form.soft_targets if case["targets"] == "soft" else form.one_hot_targets
    targets = make(step, case["batch"], case["classes"]).double()
    contrastive = None
    if case["anchors"]:
        per_anchor = 1 + case["positives"] + case["negatives"]
        draws = form.pictures_nchw(f"contrastive.{step}", case["anchors"] * per_anchor, case["image_size"]).double()
        contrastive = (draws.view(case["anchors"], per_anchor, *draws.shape[1:]), case["positives"])
    mutual = None
    if case.get("moments"):
        faces, persons = case["moments"] * case["persons"], case["persons"]
        moment = torch.arange(faces) // persons
        first_two = (moment[:, None] + moment[None] == 1) if case["too_near"] else torch.zeros(faces, faces, dtype=bool)
        mutual = (form.pictures_nchw(f"contrastive.{step}", faces, case["image_size"]).double(),
                  dict(persons=persons, hardness=case["hardness"], chance=case["chance"], apart=~first_two))
    affect = affect_truth(case, step) if case.get("affect_weight") else None
    model.train(not case["freeze_backbone"])
    set_masks(model, case, step, case["batch"])
    for parameter in model.parameters():
        parameter.grad = None
    settings = {key: case[key] for key in ("ial_weight", "acl_weight", "ial_temperature", "acl_temperature",
                                           "self_mask", "label_smoothing", "kept_share", "scoring_bn")}
    settings["affect_weight"] = case.get("affect_weight", 0.0)
    out = reference.objective(model, images, targets, contrastive, mutual, affect, class_weights=class_weights(case),
                              soft_targets=case["targets"] == "soft", joint=bool(case["joint"]), frozen=bool(case["freeze_backbone"]), **settings)
    # In float32 the same candidates must win: a golden file must not hang on a tie.
    assert out["margin"] > 1e-4, f"step {step}: candidates too close to tell apart ({out['margin']:.1e})"
    (out["total"] * case["gradient_scale"]).backward()
    return out, targets


def similarities(model, features, targets):
    """Mean cosine of Z over the pairs of one class and of different classes; 0 where there is no pair."""
    with torch.no_grad():
        z = reference.unit(model.project(features))
        cosine = z @ z.T
        labels = targets.argmax(1)
        same = (labels[:, None] == labels[None, :]) & ~torch.eye(len(labels), dtype=torch.bool)
        different = labels[:, None] != labels[None, :]
        return [float(cosine[pairs].mean()) if pairs.any() else 0.0 for pairs in (same, different)]


def stored(case, name, tensor):
    values = tensor.detach().numpy()
    return values if case["gradients"] == "whole" else form.sketch(name, values)


def eval_outputs(model, case):
    """Features, logits, and valence and arousal from running statistics, for the pictures of step 0."""
    images = form.pictures_nchw("images.0", case["batch"], case["image_size"]).double()
    model.eval()
    set_masks(model, {**case, "drop_path": 0.0, "dropout": 0.0}, 0, case["batch"])
    with torch.no_grad():
        features = model.features(images)
        outputs = {"features": features.numpy(), "logits": model.classifier(features).numpy()}
        if case.get("affect_weight"):
            outputs["affect"] = model.va(features).numpy()
        return outputs


def keeps_buffers(case):
    return case["steps"] > 1 or case["anchors"] > 0 or case["architecture"] != "tiny"


def run_case(case):
    model = build_model(case)
    tensors, losses = {}, []
    # With the generated running statistics, and (below) with those that training left behind.
    tensors.update({"inference." + name: values for name, values in eval_outputs(model, case).items()})
    for step in range(case["steps"]):
        out, targets = run_step(model, case, step)
        losses.append([float(out[key]) for key in ("total", "fer", "ial", "acl") + (("va",) if case.get("affect_weight") else ())])
        tensors[f"fer_logits.{step}"] = out["fer_logits"].detach().numpy()
        if case["ial_weight"]:
            tensors[f"ial_logits.{step}"] = out["ial_logits"].detach().numpy()
            tensors[f"similarities.{step}"] = similarities(model, out["features"], targets)
        for name, parameter in model.named_parameters():
            if parameter.grad is None:
                continue
            if step == 0:
                tensors["gradient." + name] = stored(case, name, parameter.grad)
            with torch.no_grad():
                parameter -= case["learning_rate"] * parameter.grad
    tensors["losses"] = losses
    tensors.update({"inference_after." + name: values for name, values in eval_outputs(model, case).items()})
    for name, buffer in model.named_buffers() if keeps_buffers(case) else ():
        if not name.endswith("num_batches_tracked"):
            tensors["buffer." + name] = stored(case, name, buffer)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--full", choices=sorted(reference.SCALES))
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    cases = full_cases(arguments.full) if arguments.full else committed_cases()
    os.makedirs(arguments.folder, exist_ok=True)
    for name, case in cases.items():
        if arguments.only and name not in arguments.only:
            continue
        form.write_safetensors(os.path.join(arguments.folder, name + ".safetensors"), run_case(case), case)
        print(name)


if __name__ == "__main__":
    main()
