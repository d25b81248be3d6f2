#!/usr/bin/env python3
"""Trains the baseline (and IAL) on FERPlus in PyTorch from the same configuration as `rmfer train`, so that the two
learning curves and the two durations can be laid beside each other.

  train_pytorch.py --config configs/NAME.ini [--set section.key=value]... --out DIR [--threads N]

Reads the folder layout (FER2013Train|Valid|Test with label.csv) and the keys named in DEFAULTS; a key outside them that
is given is reported and left alone, ACL is refused. Pictures are resized by Pillow and augmented by torchvision, the
layers are reference_model.py's, the labelled pictures rmfer's own choice, the initial weights have its statistics (not its
numbers). DIR/metrics.jsonl gets the lines that `rmfer train` writes. A run that was stopped goes on from DIR/last.pt, written every
output.checkpoint_every epochs. It needs torch, torchvision, numpy and Pillow.
"""
import argparse
import csv
import json
import math
import os
import random
import sys
import time

import numpy as np
import torch
import torchvision.transforms as transforms
import torchvision.transforms.functional as functional
from PIL import Image

import reference_model as reference
from golden_random import PURPOSES, RandomStream

# rmfer's own defaults (src/config/keys.c) of the keys that are understood here.
DEFAULTS = {
    "data.kind": "affectnet", "data.root": "", "data.votes": "argmax", "data.sampler": "balanced",
    "data.labelled_per_class": "", "data.split_seed": 0, "data.image_size": 260, "data.resize": "bilinear",
    "data.normalize": "affectnet",
    "data.classes": "Neutral, Happiness, Sadness, Surprise, Fear, Disgust, Anger, Contempt",
    "model.arch": "tf_efficientnet_b2", "model.init": "", "model.dropout": 0.0, "model.drop_path": 0.0,
    "model.bn_momentum": 0.1,
    "train.optimizer": "sam", "train.sam_base": "adam", "train.sam_rho": 0.05, "train.lr": 1e-4, "train.lr_ial": 6e-6,
    "train.momentum": 0.9, "train.nesterov": False, "train.beta1": 0.9, "train.beta2": 0.999, "train.epsilon": 1e-8,
    "train.weight_decay": 0.0, "train.schedule": "constant", "train.lr_min": 0.0, "train.step_epochs": 5.0,
    "train.step_gamma": 0.5, "train.lr_warmup_epochs": 0.0, "train.epochs": 20, "train.batch": 32,
    "train.clip_norm": 0.0, "train.ema_decay": 0.0, "train.label_smoothing": 0.0, "train.class_weights": "none",
    "train.seed": 0, "train.max_steps": 0,
    "ial.weight": 1.2, "ial.temperature": 1.0, "ial.self_mask": "exclude", "acl.weight": 1.0,
    "augment.enabled": True, "augment.mode": "one_of", "augment.grayscale_p": 0.1, "augment.flip_p": 0.5,
    "augment.brightness": 0.25, "augment.contrast": 0.25, "augment.saturation": 0.25, "augment.hue": 0.125,
    "augment.crop_padding": 0, "augment.rotation": 0.0, "augment.erasing_p": 0.0, "augment.randaugment_n": 0,
    "augment.randaugment_m": 9,
    "eval.every": 0.1, "eval.batch": 64, "eval.flip": False, "output.log_every": 10, "output.checkpoint_every": 1}

NORMALIZATIONS = {
    "affectnet": ((.61120795, .47080194, .40948687), (.21088221, .1876408, .17565419)),
    "affectnet-validation": ((.59882072, .46099265, .40169688), (.20795445, .18521879, .17365596)),
    "imagenet": ((.485, .456, .406), (.229, .224, .225))}

VOTE_COLUMNS = ("Neutral", "Happiness", "Surprise", "Sadness", "Anger", "Disgust", "Fear", "Contempt")


# ---- configuration -----------------------------------------------------------------------------------------------------

def as_type(text, default):
    if isinstance(default, bool):
        return text.lower() in ("true", "yes", "on", "1")
    return type(default)(text)


def uncommented(value):
    value = value.strip()
    if value.startswith('"'):
        return value[1:value.index('"', 1)]
    for at, byte in enumerate(value):
        if byte in "#;" and (at == 0 or value[at - 1].isspace()):
            return value[:at].strip()
    return value


def read_config(path, overrides):
    """The keys of DEFAULTS; relative paths are relative to the file."""
    config, section, given = dict(DEFAULTS), "", []
    with open(path, encoding="utf-8-sig") as lines:
        for line in lines:
            line = line.strip()
            if line.startswith("["):
                section = line[1:line.index("]")]
            elif line and line[0] not in "#;":
                key, value = line.split("=", 1)
                given.append((f"{section}.{key.strip()}", uncommented(value)))
    given += [tuple(item.split("=", 1)) for item in overrides]
    for key, value in given:
        if key not in config:
            print(f"{path}: {key} is not known here and left alone", file=sys.stderr)
        elif value or isinstance(config[key], str):
            config[key] = as_type(value, config[key])
    root = os.path.expandvars(os.path.expanduser(config["data.root"]))
    config["data.root"] = os.path.join(os.path.dirname(os.path.abspath(path)), root)
    if config["data.kind"] != "ferplus" or config["acl.weight"] != 0:
        sys.exit("train_pytorch.py: only data.kind = ferplus and acl.weight = 0")
    return config


# ---- data --------------------------------------------------------------------------------------------------------------

def vote_target(votes, rule):
    """Ten votes to eight shares by vote column, None where the rule drops the row (METHOD: data.votes)."""
    if rule == "argmax":
        winner = votes.index(max(votes))
        return None if winner >= 8 else [float(i == winner) for i in range(8)]
    left = [v if v > 1 else 0 for v in votes]
    total, shares = sum(left), [0] * 10
    if rule == "majority":
        if total == 0 or max(left) <= total / 2:
            return None
        shares[left.index(max(left))] = 1
    else:  # the largest ones until three quarters of the votes are in, at most three; the reference's order of tests
        taken, emotions, valid = 0, 0, True
        while taken < 0.75 * total and emotions < 3 and valid:
            largest = max(left)
            for i in range(10):
                if left[i] != largest:
                    continue
                shares[i], left[i] = largest, 0
                taken += shares[i]
                emotions += 1
                if i >= 8:
                    valid = False
                    if sum(shares) > largest:
                        shares[i] = 0
                        emotions -= 1
                    break
        if total == 0 or sum(shares) <= 0.5 * total or emotions > 3:
            return None
    if shares.index(max(shares)) >= 8:
        return None
    return [share / sum(shares[:8]) for share in shares[:8]]


class FerPlus(torch.utils.data.Dataset):
    """One split in memory, as uint8 pictures; `transform` makes network inputs."""

    def __init__(self, folder, rule, classes, transform):
        self.pictures, self.targets, self.transform = [], [], transform
        columns = [VOTE_COLUMNS.index(name) for name in classes]
        with open(os.path.join(folder, "label.csv"), encoding="utf-8-sig", newline="") as rows:
            for row in csv.reader(rows):
                target = vote_target([int(v) for v in row[2:12]], rule)
                if target is None or sum(target[c] for c in columns) == 0:
                    continue
                with Image.open(os.path.join(folder, row[0])) as picture:
                    self.pictures.append(np.array(picture.convert("L")))
                kept = np.array([target[c] for c in columns], dtype=np.float32)
                self.targets.append(kept / kept.sum())
        self.labels = np.array([int(target.argmax()) for target in self.targets])

    def keep_labelled(self, wanted, seed):
        """Only so many of each class: rmfer's own choice (src/data/dataset_split.c)."""
        kept = []
        for label, count in enumerate(wanted):
            members = np.flatnonzero(self.labels == label)
            order = RandomStream(seed, PURPOSES["subset"], label, len(members)).shuffled(len(members))
            kept += members[order[:count]].tolist()
        kept.sort()
        self.pictures = [self.pictures[i] for i in kept]
        self.targets = [self.targets[i] for i in kept]
        self.labels = self.labels[kept]

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture = Image.fromarray(self.pictures[index]).convert("RGB")
        return self.transform(picture), torch.from_numpy(self.targets[index])


def make_transform(config, training):
    side = config["data.image_size"]
    mean, std = NORMALIZATIONS[config["data.normalize"]]
    filters = {"bilinear": transforms.InterpolationMode.BILINEAR, "bicubic": transforms.InterpolationMode.BICUBIC}
    steps = [transforms.Resize((side, side), filters[config["data.resize"]])]
    if training and config["augment.enabled"]:
        for _ in range(1 if config["augment.randaugment_n"] else 0):
            steps.append(transforms.RandAugment(config["augment.randaugment_n"], config["augment.randaugment_m"]))
        if config["augment.rotation"]:
            degrees = config["augment.rotation"]
            steps.append(transforms.RandomRotation(degrees, transforms.InterpolationMode.BILINEAR))
        if config["augment.crop_padding"]:
            steps.append(transforms.RandomCrop(side, config["augment.crop_padding"]))
        three = [transforms.RandomGrayscale(config["augment.grayscale_p"]),
                 transforms.RandomHorizontalFlip(config["augment.flip_p"]),
                 transforms.ColorJitter(*(config["augment." + key]
                                          for key in ("brightness", "contrast", "saturation", "hue")))]
        steps += {"one_of": [transforms.RandomChoice(three)], "all": three, "none": []}[config["augment.mode"]]
    steps += [transforms.ToTensor(), transforms.Normalize(mean, std)]
    if training and config["augment.enabled"] and config["augment.erasing_p"]:
        steps.append(transforms.RandomErasing(config["augment.erasing_p"]))
    return transforms.Compose(steps)


def epoch_order(config, dataset, generator):
    """balanced: as many draws as samples, every class equally likely; shuffle: each once."""
    if config["data.sampler"] == "shuffle":
        return torch.randperm(len(dataset), generator=generator)
    counts = np.bincount(dataset.labels)
    weights = torch.from_numpy(1.0 / counts[dataset.labels])
    return torch.multinomial(weights, len(dataset), replacement=True, generator=generator)


# ---- optimisation ------------------------------------------------------------------------------------------------------

def make_optimizer(config, model):
    groups = []
    for heads in (False, True):
        for decays in (False, True):
            parameters = [p for name, p in model.named_parameters()
                          if name.startswith("ial.") == heads and (p.dim() > 1) == decays]
            groups.append({"params": parameters, "weight_decay": config["train.weight_decay"] if decays else 0.0,
                           "base_lr": config["train.lr_ial" if heads else "train.lr"]})
    kind = config["train.optimizer"]
    kind = config["train.sam_base"] if kind == "sam" else kind
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=1.0, momentum=config["train.momentum"], nesterov=config["train.nesterov"])
    make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return make(groups, lr=1.0, betas=(config["train.beta1"], config["train.beta2"]), eps=config["train.epsilon"])


def rate_factor(config, step, steps_per_epoch):
    """What multiplies the learning rates of step `step` (from 0): the schedule, with a linear warm-up before it."""
    total, warm_up = config["train.epochs"] * steps_per_epoch, config["train.lr_warmup_epochs"] * steps_per_epoch
    if config["train.max_steps"]:
        total = min(total, config["train.max_steps"])
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    if config["train.schedule"] == "cosine":
        share = (step - warm_up) / max(total - warm_up, 1e-12)
        least = config["train.lr_min"]
        return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    if config["train.schedule"] == "step":
        return config["train.step_gamma"] ** math.floor(step / (config["train.step_epochs"] * steps_per_epoch))
    return 1.0


class Trainer:
    def __init__(self, config, folder):
        self.config = config
        self.classes = [name.strip() for name in config["data.classes"].split(",")]
        self.train = self.split("FER2013Train", True)
        self.valid = self.split("FER2013Valid", False)
        if config["data.labelled_per_class"]:
            wanted = [int(count) for count in config["data.labelled_per_class"].split(",")]
            self.train.keep_labelled(wanted, config["data.split_seed"])
        self.model = self.make_model().to(memory_format=torch.channels_last)
        self.optimizer = make_optimizer(config, self.model)
        self.parameters = list(self.model.parameters())
        # Weights and running statistics, which the moving average covers too.
        self.state = [value for name, value in self.model.state_dict().items()
                      if not name.endswith("num_batches_tracked")]
        self.averages = [value.clone() for value in self.state] if config["train.ema_decay"] > 0 else None
        self.checkpoint, self.done = os.path.join(folder, "last.pt"), 0
        self.steps_per_epoch = max(1, len(self.train) // config["train.batch"])
        self.metrics = self.take_up(os.path.join(folder, "metrics.jsonl"))
        self.class_weights = None
        if config["train.class_weights"] == "balanced":
            counts = np.bincount(self.train.labels, minlength=len(self.classes))
            self.class_weights = torch.tensor(len(self.train) / (len(self.classes) * counts), dtype=torch.float32)

    def split(self, name, training):
        return FerPlus(os.path.join(self.config["data.root"], name), self.config["data.votes"], self.classes,
                       make_transform(self.config, training))

    def make_model(self):
        shapes = reference.architecture(self.config["model.arch"])
        with_heads = self.config["ial.weight"] != 0
        model = (reference.RMFER if with_heads else reference.EfficientNet)(shapes, len(self.classes))
        reference.initialise_as_timm(model)
        model.set_momentum(self.config["model.bn_momentum"])
        if self.config["model.init"]:
            model.load_state_dict(torch.load(self.config["model.init"]), strict=False)
        return model

    def take_up(self, path):
        """Goes on from the checkpoint, if there is one, and opens the metrics behind the lines that belong to it."""
        if not os.path.exists(self.checkpoint):
            return open(path, "w", encoding="utf-8")
        saved = torch.load(self.checkpoint)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.averages, self.done = saved["averages"], saved["steps"]
        torch.set_rng_state(saved["torch"])
        random.setstate(saved["random"])
        metrics = open(path, "r+", encoding="utf-8")
        metrics.truncate(saved["metrics"])
        metrics.seek(saved["metrics"])
        return metrics

    def save(self, steps):
        saved = dict(model=self.model.state_dict(), optimizer=self.optimizer.state_dict(), averages=self.averages, steps=steps,
                     torch=torch.get_rng_state(), random=random.getstate(), metrics=self.metrics.tell())
        torch.save(saved, self.checkpoint + ".part")
        os.replace(self.checkpoint + ".part", self.checkpoint)

    def write(self, **line):
        self.metrics.write(json.dumps(line) + "\n")
        self.metrics.flush()

    def draw_masks(self, count):
        blocks = self.model.block_list()
        for index, block in enumerate(blocks):
            rate = self.config["model.drop_path"] * index / len(blocks)
            block.keep = (torch.rand(count) >= rate) / (1 - rate) if rate > 0 and self.model.training else None
        rate = self.config["model.dropout"]
        shape = (count, self.model.shapes.features)
        drops = rate > 0 and self.model.training
        self.model.dropout_keep = (torch.rand(shape) >= rate) / (1 - rate) if drops else None

    def losses(self, images, targets):
        self.optimizer.zero_grad(set_to_none=False)
        out = reference.objective(
            self.model, images, targets, ial_weight=self.config["ial.weight"], self_mask=self.config["ial.self_mask"],
            ial_temperature=self.config["ial.temperature"], class_weights=self.class_weights,
            soft_targets=self.config["data.votes"] == "probability", label_smoothing=self.config["train.label_smoothing"])
        out["total"].backward()
        return out

    def step(self, images, targets, step):
        factor = rate_factor(self.config, step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        self.draw_masks(len(images))
        out = self.losses(images, targets)
        if self.config["train.optimizer"] == "sam":
            self.sharpen(images, targets)
        if self.config["train.clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config["train.clip_norm"])
        self.optimizer.step()
        if self.averages is not None:
            decay = min(self.config["train.ema_decay"], (2 + step) / (11 + step))
            for average, value in zip(self.averages, self.state):
                average.lerp_(value, 1 - decay)
        return out, self.config["train.lr"] * factor

    def sharpen(self, images, targets):
        """SAM: the gradient at w + rho g / |g|; weights and running statistics as they were."""
        length = torch.stack([p.grad.norm() for p in self.parameters]).norm()
        before = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.add_(parameter.grad, alpha=float(self.config["train.sam_rho"] / (length + 1e-12)))
        self.model.set_momentum(0.0)
        self.losses(images, targets)
        self.model.set_momentum(self.config["model.bn_momentum"])
        with torch.no_grad():
            for parameter, value in zip(self.parameters, before):
                parameter.copy_(value)

    def evaluate(self, step, epoch):
        own = [value.clone() for value in self.state]
        if self.averages is not None:
            self.assign(self.averages)
        self.model.eval()
        self.draw_masks(0)
        confusion, loss = np.zeros((len(self.classes),) * 2, dtype=int), 0.0
        loader = torch.utils.data.DataLoader(self.valid, self.config["eval.batch"])
        with torch.no_grad():
            for images, targets in loader:
                logits = self.logits(images)
                loss += float(reference.cross_entropy(logits, targets)) * len(images)
                np.add.at(confusion, (targets.argmax(1).numpy(), logits.argmax(1).numpy()), 1)
        self.model.train()
        self.assign(own)
        present = confusion.sum(1) > 0
        recall = confusion.diagonal()[present] / confusion.sum(1)[present]
        names = [name for name, there in zip(self.classes, present) if there]
        result = dict(overall_accuracy=confusion.trace() / confusion.sum(), average_accuracy=recall.mean())
        self.write(step=step, epoch=epoch, phase=1, split="valid", n=len(self.valid), loss=loss / len(self.valid),
                   **result, recall=dict(zip(names, recall.tolist())), confusion=confusion.tolist())
        return result

    def logits(self, images):
        """Of a batch; with eval.flip the mean of those of the pictures and of their mirror images."""
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        if self.config["eval.flip"]:
            logits = (logits + self.model(images.flip(3).contiguous(memory_format=torch.channels_last))) / 2
        return logits

    def assign(self, values):
        for place, value in zip(self.state, values):
            place.copy_(value)

    def batches(self, epoch, workers):
        generator = torch.Generator().manual_seed(self.config["train.seed"] * 1000003 + epoch)
        order = epoch_order(self.config, self.train, generator).tolist()
        loader = torch.utils.data.DataLoader(self.train, self.config["train.batch"], sampler=order, drop_last=True,
                                             num_workers=workers, worker_init_fn=seed_worker)
        return iter(loader)

    def write_window(self, step, window, rate):
        """The means since the last such line; pictures a second without the time of evaluations."""
        count = len(window["total"])
        self.write(step=step, epoch=step / self.steps_per_epoch, phase=1, loss=sum(window["total"]) / count,
                   loss_fer=sum(window["fer"]) / count, loss_ial=sum(window["ial"]) / count, loss_acl=0.0, lr=rate,
                   images_per_s=window["images"] / window["seconds"])

    def report(self, step, loss, begin):
        result = self.evaluate(step, step / self.steps_per_epoch)
        print(f"epoch {step / self.steps_per_epoch:.2f} step {step}: loss {loss:.4f}, "
              f"overall {result['overall_accuracy']:.4f}, average {result['average_accuracy']:.4f}, "
              f"{time.time() - begin:.0f} s", file=sys.stderr)

    def all_batches(self, workers):
        for epoch in range(self.done // self.steps_per_epoch, self.config["train.epochs"]):
            yield from self.batches(epoch, workers)

    def run(self, workers, stop_after):
        """Trains; with `stop_after` only the first so many epochs of the whole schedule."""
        config, begin = self.config, time.time()
        every = max(1, round(config["eval.every"] * self.steps_per_epoch))
        last = config["train.epochs"] * self.steps_per_epoch
        last = min(last, config["train.max_steps"]) if config["train.max_steps"] else last
        last = min(last, stop_after * self.steps_per_epoch) if stop_after else last
        if self.done >= last:
            return
        self.model.train()
        checkpoint_every = max(1, round(config["output.checkpoint_every"])) * self.steps_per_epoch
        window, start = None, time.time()
        for step, (images, targets) in enumerate(self.all_batches(workers), self.done + 1):
            window = window or {"total": [], "fer": [], "ial": [], "images": 0, "seconds": 0.0}
            out, rate = self.step(images.contiguous(memory_format=torch.channels_last), targets, step - 1)
            for key in ("total", "fer", "ial"):
                window[key].append(float(out[key]))
            window["images"] += len(images)
            window["seconds"] += time.time() - start
            if step % config["output.log_every"] == 0 or step == last:
                self.write_window(step, window, rate)
                window = None
            if step % every == 0 or step == last:
                self.report(step, float(out["total"]), begin)
            if step % checkpoint_every == 0 or step == last:
                self.save(step)
            if step == last:
                return
            start = time.time()


def seed_worker(_):
    seed = torch.initial_seed() % 2 ** 32
    random.seed(seed)
    np.random.seed(seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--stop-after", type=int, default=0, metavar="EPOCHS", help="of the whole schedule")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode and augment")
    arguments = parser.parse_args()
    config = read_config(arguments.config, arguments.set)
    torch.set_num_threads(arguments.threads)
    random.seed(config["train.seed"])
    torch.manual_seed(config["train.seed"])
    os.makedirs(arguments.out, exist_ok=True)
    trainer = Trainer(config, arguments.out)
    print(f"{len(trainer.train)} training and {len(trainer.valid)} validation pictures", file=sys.stderr)
    trainer.run(arguments.workers, arguments.stop_after)


if __name__ == "__main__":
    main()
