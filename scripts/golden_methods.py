#!/usr/bin/env python3
"""Writes the golden files of the methods of src/method/ that learn from unlabelled pictures: what PyTorch makes of the same
weights and pictures in five steps of gradient descent.

  golden_methods.py tests/golden/methods           every committed case (tiny networks), and method_numbers beside the folder
  golden_methods.py DIR --only NAME...             some cases

Written from the papers and from what microsoft/Semi-supervised-learning and hangyu94/Ada-CM say of their values; everything
in float64, every gradient by autograd. A file's metadata is the case: tests/test_golden_methods.c reads it and runs it.
Whatever a method draws at random comes from rmfer's own streams (golden_random.py). Guesses that decide by a threshold
keep MARGIN from it, so that float32 decides alike.
"""
import argparse
import math
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other on a busy machine

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import golden_consensus as consensus  # noqa: E402
import golden_format as form  # noqa: E402
import reference_model as reference  # noqa: E402
from golden_engine import set_masks  # noqa: E402
from golden_random import PURPOSES, RandomStream  # noqa: E402

MARGIN = 2e-5
BATCH, SIDE, CLASSES, STEPS, SEED = 4, 48, 5, 5, 7
HOTTEST = 20  # the highest temperature that is sought
EPOCH_STEPS, WALK, EMA_DECAY = 2, 18, 0.9  # steps of an epoch; labelled pictures of a walk over all of them
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


def behind_dropout(model, features):
    """What classifiers take, in the pass that has just begun."""
    return features if model.dropout_keep is None else features * model.dropout_keep


class Method:
    """One method's state. `views`: of the unlabelled stream; `losses` returns the terms in the order of rmfer's."""

    def __init__(self, case):
        self.case, self.settings = case, case["settings"]
        count = case["classes"]
        self.shares = torch.tensor([2 * (k + 1) / (count * (count + 1)) for k in range(count)], dtype=torch.float64)

    def heads(self, features):
        """Modules to add to the model, by name."""
        return {}

    def rows(self, view):
        """Of an unlabelled view."""
        return self.case["batch"] * self.settings["ratio"]

    def total(self, terms, progress):
        return sum(weight * term for weight, term in zip(self.weights(), terms))

    def memories(self):
        return {}

    def begin_epoch(self, model, average, epoch):
        """Before the first step of an epoch; `average` is the state of the weights' moving average."""

    def after_update(self, model, progress):
        """Behind a step."""

    def forward(self, model, pictures, step, number=0):
        """Features and logits, dropout between the two. A pass beside the step's first, `number`, has masks of its own and
        leaves the running statistics alone."""
        model.set_momentum(0.0 if number else self.case["bn_momentum"])
        set_masks(model, self.case, step | number << 48, len(pictures))
        features = model.features(pictures)
        return features, model.classifier(behind_dropout(model, features))

    def stream(self, step, which):
        return RandomStream(self.case["seed"], PURPOSES["method"], step, which)

    def ramp(self, progress):
        return min(progress / self.settings["ramp"], 1.0)


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


def sharpened(p, temperature):
    p = p ** (1 / temperature)
    return p / p.sum(1, keepdim=True)


def interleave(lists, batch):
    """As MixMatch's authors: part i of the first list changes places with part i of list i. Its own inverse."""
    parts = len(lists)
    sizes = [batch // parts] * parts
    for i in range(batch - sum(sizes)):
        sizes[-i - 1] += 1
    split = [list(x.split(sizes)) for x in lists]
    for i in range(1, parts):
        split[0][i], split[i][i] = split[i][i], split[0][i]
    return [torch.cat(x) for x in split]


class Mixing(Method):
    def mix(self, step, pictures, targets):
        stream = self.stream(step, 0)
        alpha = self.settings["alpha"]
        a, b = stream.log_gamma(alpha), stream.log_gamma(alpha)
        share = 1 / (1 + math.exp(b - a))
        share = max(share, 1 - share)
        partners = self.stream(step, 1).shuffled(len(pictures))
        return share * pictures + (1 - share) * pictures[partners], share * targets + (1 - share) * targets[partners]

    def run(self, model, rows, step, number, parts):
        """One pass. rmfer has the labelled rows in front, which decides which row has which of dropout's masks."""
        batch = len(rows)
        longer = batch % parts
        begin = number * (batch // parts) + max(number - (parts - longer), 0)
        end = begin + batch // parts + (number >= parts - longer)
        order = list(range(begin, end)) + [i for i in range(batch) if not begin <= i < end] if number else range(batch)
        logits = torch.empty(batch, self.case["classes"], dtype=torch.float64)
        logits[list(order)] = self.forward(model, rows[list(order)], step, number)[1]
        return logits

    def mixed_logits(self, model, mixed, batch, step):
        """Mixtures go through the network in interleaved passes of a batch's rows."""
        parts = len(mixed) // batch
        passes = interleave(list(mixed.split(batch)), batch)
        logits = [self.run(model, rows, step, number, parts) for number, rows in enumerate(passes)]
        return torch.cat(interleave(logits, batch))


class MixMatch(Mixing):
    views = 2

    def weights(self):
        return 1.0, self.settings["weight"]

    def total(self, terms, progress):
        return terms[0] + self.settings["weight"] * self.ramp(progress) * terms[1]

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        batch, parts = len(labelled), 1 + 2 * self.settings["ratio"]
        with torch.no_grad():
            p = [softmax(self.forward(model, view, step, parts + i)[1]) for i, view in enumerate(unlabelled)]
            guess = sharpened((p[0] + p[1]) / 2, self.settings["temperature"])
            mixed, mixed_targets = self.mix(step, torch.cat([labelled] + unlabelled), torch.cat([targets, guess, guess]))
        logits = self.mixed_logits(model, mixed, batch, step)
        return [soft_cross_entropy(logits[:batch], mixed_targets[:batch]).mean(),
                (softmax(logits[batch:]) - mixed_targets[batch:]).square().mean()]


class ReMixMatch(Mixing):
    views = 3
    mean = None

    def heads(self, features):
        return {"rotation": torch.nn.Linear(features, 4)} if self.settings["rotation_weight"] else {}

    def weights(self):
        return 1.0, self.settings["weight"], self.settings["strong_weight"], self.settings["rotation_weight"]

    def total(self, terms, progress):
        ramps = (1.0, self.ramp(progress), self.ramp(progress), 1.0)
        return sum(ramp * weight * term for ramp, weight, term in zip(ramps, self.weights(), terms))

    def guess(self, model, weak, step, number):
        p = softmax(self.forward(model, weak, step, number)[1])
        momentum = self.settings["momentum"]
        self.mean = p.mean(0) if self.mean is None else momentum * self.mean + (1 - momentum) * p.mean(0)
        p = p * (self.shares + 1e-6) / (self.mean + 1e-6)
        return sharpened(p / p.sum(1, keepdim=True), self.settings["temperature"])

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        weak, strong, again = unlabelled
        batch, parts = len(labelled), 1 + 3 * self.settings["ratio"]
        with torch.no_grad():
            guess = self.guess(model, weak, step, parts)
            mixed, mixed_targets = self.mix(step, torch.cat([labelled, strong, again, weak]),
                                            torch.cat([targets, guess, guess, guess]))
        logits = self.mixed_logits(model, mixed, batch, step)
        unmixed = self.forward(model, strong, step, parts + 1)[1]
        terms = [soft_cross_entropy(logits[:batch], mixed_targets[:batch]).mean(),
                 soft_cross_entropy(logits[batch:], mixed_targets[batch:]).mean(),
                 soft_cross_entropy(unmixed, guess).mean(), torch.zeros(())]
        if hasattr(model, "rotation"):
            stream = self.stream(step, 2)
            turns = [stream.below(4) for _ in strong]
            turned = torch.stack([torch.rot90(picture, k, (1, 2)) for picture, k in zip(strong, turns)])
            features = self.forward(model, turned, step, parts + 2)[0]
            terms[3] = F.cross_entropy(model.rotation(behind_dropout(model, features)), torch.tensor(turns))
        return terms

    def memories(self):
        return {"mean_guess": self.mean.numpy()}


def supervised_contrastive(rows, groups, temperature):
    """Khosla et al. 2020, L_out, of unit rows."""
    others = ~torch.eye(len(rows), dtype=torch.bool)
    similarity = (rows @ rows.T / temperature).masked_fill(~others, -float("inf"))
    log_share = similarity - similarity.logsumexp(1, keepdim=True)
    positives = (groups[:, None] == groups[None]) & others
    return -(log_share.masked_fill(~positives, 0).sum(1) / positives.sum(1)).mean()


class AdaCM(Method):
    views = 3

    def __init__(self, case):
        super().__init__(case)
        self.margins = torch.full((case["classes"],), float(self.settings["floor"]), dtype=torch.float64)

    def weights(self):
        return self.settings["labelled_weight"], self.settings["weight"], self.settings["contrastive_weight"]

    def begin_epoch(self, model, average, epoch):
        if epoch == 0:
            return
        other = build_model(self.case, self)
        other.load_state_dict(average)
        labels = form.one_hot_targets(0, WALK, self.case["classes"]).argmax(1)
        with torch.no_grad():
            p = softmax(other.eval()(pictures("walk", WALK)))
        best = p.topk(2, dim=1).values
        assert float((best[:, 0] - best[:, 1]).min()) > MARGIN, "two judgements are too close"
        for c in range(self.case["classes"]):
            right = best[:, 0][(p.argmax(1) == c) & (labels == c)]
            earned = self.settings["share"] * float(right.mean()) / (1 + math.exp(-epoch)) if len(right) else 0.0
            self.margins[c] = max(self.settings["floor"], earned)

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        batch, count = len(labelled), len(unlabelled[0])
        features, logits = self.forward(model, torch.cat([labelled] + unlabelled), step)
        first, second, strong = logits[batch:].split(count)
        p = ((softmax(first) + softmax(second)) / 2).detach()
        mask, best = sure(p, self.margins[p.argmax(1)])
        unsure = mask == 0
        assert 0 < int(unsure.sum()) < count, "all or none are sure"
        weak = features[batch:batch + 2 * count].split(count)
        rows = reference.unit(torch.cat([view[unsure] for view in weak]))
        groups = best[unsure] if self.settings["positives"] == "guess" else torch.arange(int(unsure.sum()))
        return [reference.cross_entropy(logits[:batch], targets),
                (mask * F.cross_entropy(strong, best, reduction="none")).mean(),
                supervised_contrastive(rows, groups.repeat(2), self.settings["temperature"])]

    def memories(self):
        return {"margins": self.margins.numpy()}


class Consensus(Method):
    """Moments of one video, FRAMES apart, so that neighbours are too near to be negatives of each other. `views`: one of the
    faces' stream, and one of the moments' where the mutual loss is on."""
    FRAMES = 20

    def __init__(self, case):
        super().__init__(case)
        self.mutual = self.settings.get("acl.weight", 0)
        self.views = 2 if self.mutual else 1
        self.faces = case["moments"] * case["persons"]

    def heads(self, features):
        nn = torch.nn
        return {"mutual": nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, 128))} if self.mutual \
            else {}

    def weights(self):
        return 1.0, self.settings["weight"], self.mutual

    def rows(self, view):
        if view == 0:
            return self.case["batch"] * self.settings["ratio"]
        return self.settings["acl.moments"] * self.settings["acl.persons"]

    def shown(self, view, step):
        """Which faces a stream has: as tests/test_golden_methods.c chooses them."""
        if view == 0:
            return [(7 * step + 5 * i) % self.faces for i in range(self.rows(0))]
        persons = self.settings["acl.persons"]
        moments = [(step + 2 * i) % self.case["moments"] for i in range(self.settings["acl.moments"])]
        return [moment * self.case["persons"] + person for moment in moments for person in range(persons)]

    def walked_faces(self):
        """Half its own, half its moment's picture; but for every third face, which looks as those of another moment."""
        moments, persons = self.case["moments"], self.case["persons"]
        looks = [(face // persons + (face % 3 == 0) * (1 + face % 5)) % moments for face in range(self.faces)]
        return (pictures("faces", self.faces) + pictures("moments", moments)[looks]) / 2

    def begin_epoch(self, model, average, epoch):
        teacher = build_model(self.case, self)
        teacher.load_state_dict(average)
        targets = form.one_hot_targets(0, WALK, self.case["classes"]).numpy().argmax(1)
        with torch.no_grad():
            known = teacher.eval()(pictures("walk", WALK)).numpy()
            logits = teacher(self.walked_faces()).numpy()
        temperature = self.settings["temperature"] or min(consensus.temperature(known, targets), HOTTEST)
        p = consensus.softmax(logits / temperature)
        shares = p.mean(0)
        groups = (self.case["moments"], self.case["persons"])
        rho, prior = consensus.estimate(p, shares, *groups, self.settings["scans"])
        q = consensus.labels(p, shares, rho, prior, *groups)
        changed = (q.argmax(1) != p.argmax(1)).mean()
        q *= (self.shares.numpy() / q.mean(0)) ** self.settings["alignment"]
        self.labels = torch.from_numpy(q / q.sum(1, keepdims=True))
        self.estimates = np.array([rho, temperature, changed])
        print("  epoch", epoch, self.estimates)

    def apart(self, faces):
        moment = torch.tensor(faces) // self.case["persons"]
        return (moment[:, None] - moment[None]).abs() * self.FRAMES > 30

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        batch, count = len(labelled), self.rows(0)
        features, logits = self.forward(model, torch.cat([labelled] + unlabelled), step)
        label = self.labels[self.shown(0, step)]
        certainty = 1 + (label * label.log()).sum(1) / math.log(self.case["classes"])
        if self.settings["weighting"] == "equal":
            certainty = torch.ones_like(certainty)
        terms = [reference.cross_entropy(logits[:batch], targets),
                 (certainty * soft_cross_entropy(logits[batch:batch + count], label)).mean(), torch.zeros(())]
        if self.mutual:
            faces = self.shown(1, step)
            terms[2] = reference.mutual_loss(model.mutual(features[batch + count:]), self.labels[faces],
                                             self.settings["acl.persons"], self.settings["acl.temperature"],
                                             self.settings["acl.beta"], float((self.shares ** 2).sum()),
                                             self.apart(faces))[0]
        return terms

    def memories(self):
        return {"estimates": self.estimates}


def mlp(*widths, hidden=False, output=False):
    """Linear layers with ReLU between; batch-norm (of the batch alone) behind the hidden ones, and behind the last."""
    layers = []
    for i, (wide, narrow) in enumerate(zip(widths, widths[1:])):
        last = i == len(widths) - 2
        normalises = output if last else hidden
        layers.append(torch.nn.Linear(wide, narrow, bias=not normalises))
        if normalises:
            layers.append(torch.nn.BatchNorm1d(narrow, track_running_stats=False))
        if not last:
            layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers)


class SelfSupervised(Method):
    """Pairs: two views of a picture, or the rows of one view by turns (`moments`: two persons of each)."""
    momentum = None

    def __init__(self, case):
        super().__init__(case)
        self.moments = self.settings.get("self_supervised.views") == "moment"
        self.views = 1 if self.moments else 2
        self.teacher = None

    def rows(self, view):
        pairs = self.case["batch"] * self.settings["self_supervised.ratio"]
        return 2 * pairs if self.moments else pairs

    def weights(self):
        return self.settings["self_supervised.labelled_weight"], self.settings["self_supervised.weight"]

    def features(self, model, labelled, targets, pairs, step):
        """Of the pairs; and the labels' loss."""
        rows = [labelled] + pairs if self.weights()[0] else pairs
        features, logits = self.forward(model, torch.cat(rows), step)
        if not self.weights()[0]:
            return features, torch.zeros(())
        return features[len(labelled):], reference.cross_entropy(logits[:len(labelled)], targets)

    def pairs(self, unlabelled):
        return [unlabelled[0][0::2], unlabelled[0][1::2]] if self.moments else unlabelled

    def taught(self, model, head, pictures):
        """The teacher's unit projections; it starts as the student is."""
        with torch.no_grad():
            if self.teacher is None:
                self.teacher = build_model(self.case, self).train()
                self.teacher.load_state_dict(model.state_dict())
            self.teacher.set_momentum(0.0)
            set_masks(self.teacher, {**self.case, "drop_path": 0, "dropout": 0}, 0, len(pictures))
            return reference.unit(head(self.teacher)(self.teacher.features(pictures)))

    def follow(self, model, decay):
        mine = model.state_dict()
        self.teacher.load_state_dict({name: value if name.endswith("num_batches_tracked") else
                                      decay * value + (1 - decay) * mine[name]
                                      for name, value in self.teacher.state_dict().items()})


class SimCLR(SelfSupervised):
    def heads(self, features):
        return {"simclr": mlp(features, features, 128)}

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        features, fer = self.features(model, labelled, targets, self.pairs(unlabelled), step)
        rows = reference.unit(model.simclr(features))
        similarity = rows @ rows.T / self.settings["temperature"]
        similarity = similarity.masked_fill(torch.eye(len(rows), dtype=torch.bool), -float("inf"))
        return [fer, F.cross_entropy(similarity, torch.arange(len(rows)).roll(len(rows) // 2))]


class MoCo(SelfSupervised):
    def __init__(self, case):
        super().__init__(case)
        stream = RandomStream(0, PURPOSES["method"], 0, 0)  # train.seed
        rows = [[stream.normal() for _ in range(128)] for _ in range(self.settings["queue"])]
        self.queue = F.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)
        self.next = 0

    def heads(self, features):
        return {"moco": mlp(features, features, 128)}

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        first, second = self.pairs(unlabelled)
        features, fer = self.features(model, labelled, targets, [first], step)
        queries = reference.unit(model.moco(features))
        self.keys = self.taught(model, lambda teacher: teacher.moco, second)
        logits = torch.cat([(queries * self.keys).sum(1, keepdim=True), queries @ self.queue.T], 1)
        return [fer, F.cross_entropy(logits / self.settings["temperature"], torch.zeros(len(queries), dtype=torch.long))]

    def after_update(self, model, progress):
        self.follow(model, self.settings["momentum"])
        for key in self.keys:
            self.queue[self.next] = key
            self.next = (self.next + 1) % len(self.queue)

    def memories(self):
        return {"queue": form.sketch("memory.queue", self.queue.numpy())}


def agreement(predicted, wanted):
    """Mean cosine similarity to the partner, of the first pictures and of the second ones, added."""
    predicted, wanted = predicted.chunk(2), wanted.chunk(2)
    return sum(F.cosine_similarity(p, w.detach()).mean() for p, w in zip(predicted, wanted[::-1]))


class BYOL(SelfSupervised):
    def heads(self, features):
        return {"byol": torch.nn.ModuleDict({"projector": mlp(features, features, 256, hidden=True),
                                             "predictor": mlp(256, features, 256, hidden=True)})}

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        pairs = self.pairs(unlabelled)
        features, fer = self.features(model, labelled, targets, pairs, step)
        predicted = model.byol["predictor"](model.byol["projector"](features))
        wanted = self.taught(model, lambda teacher: teacher.byol["projector"], torch.cat(pairs))
        return [fer, 4 - 2 * agreement(predicted, wanted)]

    def after_update(self, model, progress):
        self.follow(model, 1 - (1 - self.settings["momentum"]) * (math.cos(math.pi * progress) + 1) / 2)


class SimSiam(SelfSupervised):
    def heads(self, features):
        return {"simsiam": torch.nn.ModuleDict(
            {"projector": mlp(features, features, features, features, hidden=True, output=True),
             "predictor": mlp(features, features // 4, features, hidden=True)})}

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        features, fer = self.features(model, labelled, targets, self.pairs(unlabelled), step)
        z = model.simsiam["projector"](features)
        return [fer, -agreement(model.simsiam["predictor"](z), z) / 2]


class Centers(Method):
    """Center loss, Island and DACL: labelled pictures alone."""
    views = 0

    def __init__(self, case):
        super().__init__(case)
        self.centers = None

    def heads(self, features):
        return {"attention": mlp(features, features // 4, features, hidden=True)} if self.case["method"] == "dacl" else {}

    def weights(self):
        weight = self.settings["weight"]
        return (1.0, weight, weight * self.settings["repulsion"]) if "repulsion" in self.settings else (1.0, weight)

    def apart(self):
        """The sum over ordered pairs of centres of cos + 1; those that no picture has moved yet take no part."""
        unit = F.normalize(self.centers[self.centers.norm(dim=1) > 0], dim=1)
        cosine = unit @ unit.T
        return cosine.sum() - cosine.diagonal().sum() + len(unit) * (len(unit) - 1)

    def losses(self, model, labelled, targets, unlabelled, step, progress):
        self.features, logits = self.forward(model, labelled, step)
        self.labels = targets.argmax(1)
        if self.centers is None:
            self.centers = torch.zeros(self.case["classes"], self.features.shape[1], dtype=torch.float64)
        squares = (self.features - self.centers[self.labels]).square()
        if self.case["method"] == "dacl":
            squares = squares * torch.sigmoid(model.attention(self.features))
        terms = [reference.cross_entropy(logits, targets), squares.sum(1).mean() / 2]
        return terms + [self.apart()] if "repulsion" in self.settings else terms

    def after_update(self, model, progress):
        features, count = self.features.detach(), self.case["classes"]
        change = torch.zeros_like(self.centers)
        if "repulsion" in self.settings and self.centers.norm() > 0:
            self.centers.requires_grad_(True)
            slope, = torch.autograd.grad(self.apart(), self.centers)
            self.centers = self.centers.detach()
            change += self.settings["repulsion"] / (count - 1) * slope / 2  # each pair stands in the sum twice
        for c in range(count):
            own = features[self.labels == c]
            change[c] += (self.centers[c] - own).sum(0) / (1 + len(own))
        self.centers = self.centers - self.settings["rate"] * change

    def memories(self):
        return {"centers": form.sketch("memory.centers", self.centers.numpy())}


METHODS = {"fixmatch": Consistency, "uda": Consistency, "mixmatch": MixMatch, "remixmatch": ReMixMatch, "adacm": AdaCM,
           "consensus": Consensus, "simclr": SimCLR, "moco": MoCo, "byol": BYOL, "simsiam": SimSiam,
           "center": Centers, "island": Centers, "dacl": Centers}


def committed_cases():
    cases = {}

    def add(name, method, settings, **others):
        cases[name] = {**DEFAULTS, "method": method, "settings": settings, **others}

    add("fixmatch", "fixmatch", {"threshold": 0.272, "weight": 0.8, "ratio": 3})
    add("uda", "uda", {"threshold": 0.2655, "weight": 1.5, "ratio": 2, "temperature": 0.4})
    add("uda_dropout", "uda", {"threshold": 0.2655, "weight": 1, "ratio": 2, "temperature": 0.7}, dropout=0.2,
        drop_path=0.3, repeats=2, gradient_scale=0.5)
    # Batches of 4 in 3 and 5 parts: parts of unequal length.
    add("mixmatch", "mixmatch", {"temperature": 0.5, "alpha": 0.5, "weight": 30, "ramp": 0.5, "ratio": 1})
    add("mixmatch_dropout", "mixmatch", {"temperature": 0.7, "alpha": 2, "weight": 10, "ramp": 0.1, "ratio": 2},
        dropout=0.2, gradient_scale=0.5)
    add("remixmatch", "remixmatch", {"temperature": 0.5, "alpha": 0.75, "weight": 1.5, "strong_weight": 0.5,
                                     "rotation_weight": 0.5, "ramp": 0.3, "momentum": 0.9, "ratio": 1})
    add("remixmatch_dropout", "remixmatch", {"temperature": 0.8, "alpha": 0.3, "weight": 1, "strong_weight": 0.7,
                                             "rotation_weight": 0.9, "ramp": 0.1, "momentum": 0.5, "ratio": 2},
        dropout=0.2, gradient_scale=0.5)
    add("remixmatch_unturned", "remixmatch", {"temperature": 0.5, "alpha": 0.75, "weight": 1.5, "strong_weight": 0.5,
                                              "rotation_weight": 0, "ramp": 0.1, "momentum": 0.9, "ratio": 1}, steps=2)
    adacm = {"labelled_weight": 0.5, "weight": 1, "contrastive_weight": 0.1, "temperature": 0.1, "share": 0.36, "ratio": 2}
    # Running variances so small that the average is sure of something in the walk.
    add("adacm_guess", "adacm", {**adacm, "floor": 0.235, "positives": "guess"}, running_variance=0.25)
    add("adacm_view", "adacm", {**adacm, "floor": 0.266, "positives": "view"}, running_variance=0.25, dropout=0.2)
    moments = {"weight": 0.8, "ratio": 2, "scans": 4, "alignment": 1, "weighting": "certainty",
               "temperature": 0.05}
    add("consensus", "consensus", moments, moments=8, persons=4, learning_rate=0.01,
        bn_momentum=0.0)
    add("consensus_mutual", "consensus",
        {**moments, "ratio": 1, "temperature": 0, "alignment": 0.5, "weighting": "equal", "acl.loss": "mutual", "acl.weight": 0.4,
         "acl.moments": 4, "acl.persons": 2, "acl.temperature": 0.5, "acl.beta": 0.5},
        moments=8, persons=4, learning_rate=0.01, bn_momentum=0.0, dropout=0.2, gradient_scale=0.5)
    pairs = {"self_supervised.ratio": 1, "self_supervised.weight": 0.8, "self_supervised.labelled_weight": 1}
    alone = {**pairs, "self_supervised.ratio": 2, "self_supervised.labelled_weight": 0}
    moment = {**pairs, "self_supervised.views": "moment"}
    add("simclr", "simclr", {**pairs, "temperature": 0.5}, dropout=0.2)
    add("simclr_moments", "simclr", {**moment, "temperature": 0.3}, moments=4, persons=2)
    # More keys come than the queue holds.
    add("moco", "moco", {**pairs, "temperature": 0.2, "momentum": 0.9, "queue": 14})
    add("moco_alone", "moco", {**alone, "temperature": 0.5, "momentum": 0.5, "queue": 20}, gradient_scale=0.5)
    add("byol", "byol", {**pairs, "momentum": 0.8})
    add("byol_moments", "byol", {**moment, "momentum": 0.9}, moments=4, persons=2, dropout=0.2)
    add("simsiam", "simsiam", pairs)
    add("simsiam_alone", "simsiam", alone, learning_rate=0.01)
    add("center", "center", {"weight": 0.05, "rate": 0.5}, dropout=0.2, learning_rate=0.005)
    add("island", "island", {"weight": 0.03, "rate": 0.4, "repulsion": 5}, gradient_scale=0.5)
    add("dacl", "dacl", {"weight": 0.1, "rate": 0.5})
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


def gradient_of(parameter):
    """What no loss of the step touches has 0."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def run_case(case):
    method = METHODS[case["method"]](case)
    model = build_model(case, method).train()
    tensors, all_terms = {}, []
    average = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(case["steps"]):
        if step % EPOCH_STEPS == 0:
            method.begin_epoch(model, average, step // EPOCH_STEPS)
        labelled = pictures(f"labelled.{step}", case["batch"])
        targets = form.one_hot_targets(step, case["batch"], case["classes"]).double()
        unlabelled = [pictures(f"unlabelled.{view}.{step}", method.rows(view)) for view in range(method.views)]
        for parameter in model.parameters():
            parameter.grad = None
        progress = step / case["steps"]
        terms = method.losses(model, labelled, targets, unlabelled, step, progress)
        total = method.total(terms, progress)
        (total * case["gradient_scale"]).backward()
        all_terms.append([float(total)] + [float(term) for term in terms])
        for name, parameter in model.named_parameters():
            if step in (0, case["steps"] - 1):
                tensors[f"gradient.{step}.{name}"] = form.sketch(f"{step}.{name}", gradient_of(parameter).numpy())
            with torch.no_grad():
                parameter -= case["learning_rate"] * gradient_of(parameter)
        decay = min(EMA_DECAY, (2 + step) / (11 + step))
        average = {name: value.clone() if name.endswith("num_batches_tracked") else
                   decay * average[name] + (1 - decay) * value for name, value in model.state_dict().items()}
        method.after_update(model, (step + 1) / case["steps"])
    tensors["losses"] = all_terms
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            tensors["buffer." + name] = form.sketch(name, buffer.numpy())
    for name, values in method.memories().items():
        tensors["memory." + name] = values
    return tensors


# ---- the parts by themselves, in NumPy ------------------------------------------------------------------------------------

ROWS, DRAWS = 6, 8


def numbers():
    """What guesses.c and mixup.c make of rows of a formula, without PyTorch."""
    logits = 3 * form.uniform("numbers.logits", ROWS * CLASSES).reshape(ROWS, CLASSES)
    targets = form.soft_targets(0, ROWS, CLASSES).numpy().astype(np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    p = powers / powers.sum(1, keepdims=True)
    out = {"softmax": p, "cold": np.exp(logits / 0.4) / np.exp(logits / 0.4).sum(1, keepdims=True)}
    for name, temperature in (("half", 0.5), ("cold", 0.01)):
        sharp = (p / p.max(1, keepdims=True)) ** (1 / temperature)
        out["sharpened_" + name] = sharp / sharp.sum(1, keepdims=True)
    thresholds = np.array([0.3, 0.6, 0.4, 0.7, 0.5])
    out["sure"] = p.max(1) >= 0.55
    out["sure_each"] = p.max(1) >= thresholds[p.argmax(1)]
    assert len(set(out["sure"])) == len(set(out["sure_each"])) == 2 and (out["sure"] != out["sure_each"]).any()
    mean = 0.8 * p.mean(0) + 0.2 * targets.mean(0)  # the second batch follows the first
    out["mean"] = mean
    shares = 2 * np.arange(1, CLASSES + 1) / (CLASSES * (CLASSES + 1))
    aligned = p * (shares + 1e-6) / (mean + 1e-6)
    out["aligned"] = aligned / aligned.sum(1, keepdims=True)
    out["squared_error"] = [((p - targets) ** 2).mean()]
    error = p - targets
    out["squared_error_slope"] = 2 * p * (error - (error * p).sum(1, keepdims=True)) / p.size
    rows = form.uniform("numbers.rows", ROWS * 12).reshape(ROWS, 12)
    for draw in range(DRAWS):
        stream = RandomStream(SEED, PURPOSES["method"], draw, 0)
        a, b = stream.log_gamma(0.75), stream.log_gamma(0.75)
        share = np.exp(a) / (np.exp(a) + np.exp(b))
        share = max(share, 1 - share)
        partners = RandomStream(SEED, PURPOSES["method"], draw, 1).shuffled(ROWS)
        out[f"mixed.{draw}"] = share * rows + (1 - share) * rows[partners]
        out[f"mixed_targets.{draw}"] = share * targets + (1 - share) * targets[partners]
    for batch, parts in ((4, 3), (5, 5), (3, 5), (16, 3)):
        lists = [np.arange(batch) + i * batch for i in range(parts)]
        mixed = [x.numpy() for x in interleave([torch.from_numpy(x) for x in lists], batch)]
        # As sets: rmfer has the labelled rows of a pass in front.
        out[f"interleaved.{batch}.{parts}"] = np.sort(np.stack(mixed), axis=1)
    return out


def metadata(case):
    """The case with the method's settings as rmfer's --set has them."""
    settings = " ".join(f"{key if '.' in key else case['method'] + '.' + key}={value}"
                        for key, value in case["settings"].items())
    return {**{key: value for key, value in case.items() if key != "settings"}, "settings": settings}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    os.makedirs(arguments.folder, exist_ok=True)
    if not arguments.only or "numbers" in arguments.only:
        path = os.path.join(arguments.folder, "..", "method_numbers.safetensors")
        form.write_safetensors(path, numbers(), {"rows": ROWS, "classes": CLASSES, "draws": DRAWS, "seed": SEED})
        print("numbers")
    for name, case in committed_cases().items():
        if not arguments.only or name in arguments.only:
            form.write_safetensors(os.path.join(arguments.folder, name + ".safetensors"), run_case(case),
                                   metadata(case))
            print(name)


if __name__ == "__main__":
    main()
