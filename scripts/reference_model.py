#!/usr/bin/env python3
"""The network, the heads and the losses of RMFER in plain PyTorch: what rmfer's C code is measured against.

EfficientNet B0 to B3 in both flavours, with timm's module names, so that a state dict has the keys of an rmfer
checkpoint: `conv_stem.weight` ... `classifier.bias`, and for the heads `ial.projection.0.weight` ...
`tf_efficientnet_*`: TensorFlow's SAME padding, batch-norm epsilon 1e-3; `efficientnet_*`: symmetric padding, 1e-5.
Written for reading, not for speed. Run as a program it checks itself: parameter counts of the literature, and
equality with torchvision's own B0 to B3. It needs PyTorch and torchvision only.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

# expansion, kernel, stride, output channels, repeats: the table of B0 (Tan and Le 2019, table 1)
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
          (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
# width, depth, the usual image size
SCALES = {"b0": (1.0, 1.0, 224), "b1": (1.0, 1.1, 240), "b2": (1.1, 1.2, 260), "b3": (1.2, 1.4, 300)}


def round_to_eight(channels):
    """The nearest multiple of 8, at least 8, never below 90 % of what was asked for."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class Architecture:
    """Every layer's shape. `blocks`: (stage, index, kernel, stride, input, expanded, squeezed, output)."""

    def __init__(self, name, same_padding, stem, stages, features, image_size, epsilon=None):
        self.name, self.same_padding, self.stem = name, same_padding, stem
        self.features, self.image_size = features, image_size
        self.epsilon = epsilon if epsilon is not None else (1e-3 if same_padding else 1e-5)
        self.blocks = []
        channels = stem
        for stage, (expansion, kernel, stride, output, repeats) in enumerate(stages):
            for index in range(repeats):
                self.blocks.append((stage, index, kernel, stride if index == 0 else 1, channels,
                                    channels * expansion, max(1, channels // 4), output))
                channels = output


def architecture(name):
    """`tf_efficientnet_b2`, `efficientnet_b0`, ..."""
    width, depth, image_size = SCALES[name[-2:]]
    stages = [(e, k, s, round_to_eight(c * width), math.ceil(r * depth)) for e, k, s, c, r in STAGES]
    return Architecture(name, name.startswith("tf_"), round_to_eight(32 * width), stages,
                        round_to_eight(1280 * width), image_size)


def architecture_tiny(same_padding, divisor, most_repeats):
    """B0's plan with every channel count divided, as rmfer's architecture_tiny."""
    def shrink(channels):
        return max(8, (channels // divisor + 4) // 8 * 8)
    stages = [(e, k, s, shrink(c), min(r, most_repeats)) for e, k, s, c, r in STAGES]
    # As in the real networks the first block is narrower than the stem and has no residual.
    stem = shrink(32) if shrink(32) > stages[0][3] else stages[0][3] + 8
    return Architecture("tiny", same_padding, stem, stages, shrink(1280), 64)


class PaddedConv2d(nn.Conv2d):
    """A convolution without bias; `same`: as TensorFlow pads, the odd pixel at the bottom and the right."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, same=False):
        super().__init__(inputs, outputs, kernel, stride, 0 if same else (kernel - 1) // 2, groups=groups, bias=False)
        self.same = same

    def forward(self, x):
        if self.same:
            kernel, stride = self.kernel_size[0], self.stride[0]
            height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        pooled = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.conv_expand(F.silu(self.conv_reduce(pooled))))


class Block(nn.Module):
    """MBConv: [expand] -> depthwise -> squeeze-excite -> project [+ input].

    `keep`, when set, is one factor for each sample of the residual branch (drop-path): 0 or 1 / (1 - rate)."""

    def __init__(self, shape, same, epsilon):
        super().__init__()
        _, _, kernel, stride, inputs, expanded, squeezed, outputs = shape
        self.has_expansion = expanded != inputs
        self.has_residual = stride == 1 and inputs == outputs
        self.keep = None
        depthwise = PaddedConv2d(expanded, expanded, kernel, stride, expanded, same)
        project = PaddedConv2d(expanded, outputs, 1)
        if self.has_expansion:
            self.conv_pw = PaddedConv2d(inputs, expanded, 1)
            self.bn1 = nn.BatchNorm2d(expanded, epsilon)
            self.conv_dw = depthwise
            self.bn2 = nn.BatchNorm2d(expanded, epsilon)
            self.se = SqueezeExcite(expanded, squeezed)
            self.conv_pwl = project
            self.bn3 = nn.BatchNorm2d(outputs, epsilon)
        else:
            self.conv_dw = depthwise
            self.bn1 = nn.BatchNorm2d(expanded, epsilon)
            self.se = SqueezeExcite(expanded, squeezed)
            self.conv_pw = project
            self.bn2 = nn.BatchNorm2d(outputs, epsilon)

    def forward(self, x):
        if self.has_expansion:
            y = F.silu(self.bn1(self.conv_pw(x)))
            y = F.silu(self.bn2(self.conv_dw(y)))
            y = self.bn3(self.conv_pwl(self.se(y)))
        else:
            y = F.silu(self.bn1(self.conv_dw(x)))
            y = self.bn2(self.conv_pw(self.se(y)))
        if self.has_residual:
            y = x + (y if self.keep is None else y * self.keep.view(-1, 1, 1, 1))
        return y


class EfficientNet(nn.Module):
    """The backbone f_Feat and the classifier f_FER. Images are [N,3,H,W], normalised."""

    def __init__(self, shapes, classes):
        super().__init__()
        self.shapes = shapes
        same, epsilon = shapes.same_padding, shapes.epsilon
        self.conv_stem = PaddedConv2d(3, shapes.stem, 3, 2, same=same)
        self.bn1 = nn.BatchNorm2d(shapes.stem, epsilon)
        stages = [[] for _ in range(1 + max(shape[0] for shape in shapes.blocks))]
        for shape in shapes.blocks:
            stages[shape[0]].append(Block(shape, same, epsilon))
        self.blocks = nn.Sequential(*(nn.Sequential(*stage) for stage in stages))
        self.conv_head = PaddedConv2d(shapes.blocks[-1][-1], shapes.features, 1)
        self.bn2 = nn.BatchNorm2d(shapes.features, epsilon)
        self.classifier = nn.Linear(shapes.features, classes)
        self.dropout_keep = None  # [N,D] factors before the classifier, 0 or 1 / (1 - rate)

    def block_list(self):
        return [block for stage in self.blocks for block in stage]

    def features(self, images):
        x = F.silu(self.bn1(self.conv_stem(images)))
        x = F.silu(self.bn2(self.conv_head(self.blocks(x))))
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def dropped(self, features):
        return features if self.dropout_keep is None else features * self.dropout_keep

    def classify(self, features):
        return self.classifier(self.dropped(features))

    def forward(self, images):
        return self.classify(self.features(images))

    def set_momentum(self, momentum):
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = momentum


class RMFER(EfficientNet):
    """The same with the heads of training: the projection head H and the attention classifier f_IAL."""

    def __init__(self, shapes, classes):
        super().__init__(shapes, classes)
        wide = shapes.features
        self.ial = nn.Module()
        self.ial.projection = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide))
        self.ial.classifier = nn.Linear(wide, classes)

    def project(self, features):
        return self.ial.projection(features)

    def add_mutual_head(self, width=128):
        """The projection of the mutual loss."""
        wide = self.shapes.features
        self.mutual = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, width))

    def add_affect_head(self):
        """Valence and arousal."""
        self.va = nn.Linear(self.shapes.features, 2)

    def copy_classifier(self):
        self.ial.classifier.load_state_dict(self.classifier.state_dict())


def initialise_as_timm(model):
    """Convolutions normal(0, sqrt(2 / fan_out)), linear layers PyTorch's default, f_IAL a copy of f_FER."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if isinstance(model, RMFER):
        model.copy_classifier()


# ---- inter-sample attention -------------------------------------------------------------------------------------------

def unit(z):
    """Rows over their length, the length guarded by 1e-8."""
    return z / z.norm(dim=1, keepdim=True).clamp_min(1e-8)


def attention(projected, temperature, self_mask):
    """Row softmax of the cosine similarities [B,B]; self_mask says what the diagonal is."""
    similarity = unit(projected) @ unit(projected).T
    diagonal = torch.eye(len(projected), dtype=torch.bool)
    if self_mask == "exclude":
        similarity = similarity.masked_fill(diagonal, -math.inf)
    elif self_mask == "literal":
        similarity = similarity.masked_fill(diagonal, 1e-6)
    elif self_mask == "none":
        similarity = similarity.masked_fill(diagonal, 1.0)
    else:
        raise ValueError(self_mask)
    return torch.softmax(similarity / temperature, dim=1)


def attended_logits(model, features, temperature, self_mask):
    return model.ial.classifier(attention(model.project(features), temperature, self_mask) @ features)


def cross_entropy(logits, targets, label_smoothing=0.0, class_weights=None, soft_targets=False):
    """Targets are rows that sum to 1. The mean over the batch of -sum_k w_k q_k log p_k with the smoothed
    q = (1 - s) q + s / E; with weights, unless targets are soft, divided by the sum of the samples' weights, as PyTorch does."""
    if class_weights is None or soft_targets:
        return F.cross_entropy(logits, targets, class_weights, label_smoothing=label_smoothing)
    return F.cross_entropy(logits, targets.argmax(1), class_weights, label_smoothing=label_smoothing)


def concordance_loss(predicted, truth):
    """1 - the mean over the columns of Lin's coefficient over the rows with a truth (NaN: none); a column with fewer than
    two, or with equal truths, is left out."""
    coefficients = []
    for x, y in zip(predicted.T, truth.T):
        x, y = x[~y.isnan()], y[~y.isnan()]
        if len(y) >= 2 and y.var(unbiased=False) > 1e-12:
            covariance = ((x - x.mean()) * (y - y.mean())).mean()
            spread = x.var(unbiased=False) + y.var(unbiased=False) + (x.mean() - y.mean()) ** 2
            coefficients.append(2 * covariance / spread)
    return 1 - torch.stack(coefficients).mean() if coefficients else predicted.new_zeros(())


# ---- attention-based contrastive learning ------------------------------------------------------------------------------

def kept_count(share, count):
    """round(share * count), halves to even, at least 1."""
    return max(1, round(share * count))


def choose_candidates(similarities, positives, share):
    """Indices of the kept candidates: the most similar positives, then the least similar negatives (indices count on
    after the positives). Ties: the lower index first. Third: by how much the last kept one won, over both kinds."""
    values = similarities.tolist()
    near = sorted(range(positives), key=lambda i: (-values[i], i))
    far = sorted(range(positives, len(values)), key=lambda i: (values[i], i))
    margin = math.inf
    kept = []
    for order in (near, far):
        count = kept_count(share, len(order))
        kept.append(order[:count])
        if count < len(order):
            margin = min(margin, abs(values[order[count - 1]] - values[order[count]]))
    return kept[0], kept[1], margin


def score_candidates(model, images, positives, share, scoring_bn="eval"):
    """images [1 + P + N, 3, H, W] of one anchor, the anchor first; without gradient. `train`: batch statistics of these
    images; the running statistics stay as they are either way."""
    was_training = model.training
    saved = {name: value.clone() for name, value in model.named_buffers()}
    with torch.no_grad():
        model.train(scoring_bn == "train")
        z = unit(model.project(model.features(images)))
        for name, value in model.named_buffers():
            value.copy_(saved[name])
    model.train(was_training)
    return choose_candidates(z[1:] @ z[0], positives, share)


def contrastive_loss(z, positives, temperature):
    """z [1 + kept, D]: the anchor, the kept positives, the kept negatives."""
    z = unit(z)
    similarity = (z[1:] @ z[0]) / temperature
    return torch.logsumexp(similarity, 0) - torch.logsumexp(similarity[:positives], 0)


def mutual_loss(z, guesses, persons, temperature, hardness=0.0, chance=0.0, apart=None):
    """Rows of moments, `persons` each; every row is an anchor, its moment's other rows are the positives, rows of other
    moments that are `apart` ([n,n] bool, None: all) the negatives. L_out of supervised contrastive learning with soft
    weights of the positives, which carry no gradient, hard negatives (Robinson et al. 2021) and debiasing (Chuang et al.
    2020). Second and third: mean similarities within moments and to negatives."""
    similarity = unit(z) @ unit(z).T
    losses, same, other = [], [], []
    for i in range(len(z)):
        moment = i - i % persons
        inside = torch.zeros(len(z), dtype=torch.bool)
        inside[moment:moment + persons] = True
        outside = ~inside if apart is None else ~inside & apart[i]
        inside[i] = False
        same.append(similarity[i][inside])
        other.append(similarity[i][outside])
        if not outside.any():
            continue
        weight = (guesses[i] * guesses[inside]).sum(1).clamp_min(0.05).detach()
        positive, negative = (similarity[i][inside] / temperature).exp(), (similarity[i][outside] / temperature).exp()
        count = len(negative)
        omega = negative ** hardness
        gathered = (omega * negative).sum() / omega.mean()
        gathered = (gathered - chance * count * positive.mean()) / (1 - chance)
        gathered = gathered.clamp_min(count * math.exp(-1 / temperature))
        losses.append(-(weight / weight.sum() * (positive / (positive + gathered)).log()).sum())
    return temperature * torch.stack(losses).mean(), torch.cat(same).mean(), torch.cat(other).mean()


DEFAULTS = dict(ial_weight=1.2, acl_weight=1.0, ial_temperature=1.0, acl_temperature=1.0, self_mask="exclude",
                label_smoothing=0.0, class_weights=None, soft_targets=False, scoring_bn="eval", joint=False, kept_share=0.1,
                frozen=False, affect_weight=0.0)


def objective(model, images, targets, contrastive=None, mutual=None, affect=None, **settings):
    """Losses of one step. `contrastive`: (images [A, 1 + P + N, 3, H, W], P). `mutual`, in its place: (images [M P, 3, H,
    W], what mutual_loss takes beside rows, guesses and temperature), one pass with the labelled rows. `affect`: [B, 2]
    valence and arousal, NaN for none. Returns a dict with `total` and its parts,
    the logits, the kept candidates of each anchor and the `margin` they won by. The model's mode is the
    caller's; `frozen` stops the gradient before the backbone."""
    s = {**DEFAULTS, **settings}
    kept, chosen = [], []
    out = dict(chosen=chosen, margin=math.inf)
    if contrastive is not None and s["acl_weight"] != 0:
        draws, positives = contrastive
        for draw in draws:
            near, far, margin = score_candidates(model, draw, positives, s["kept_share"], s["scoring_bn"])
            chosen.append((near, far))
            out["margin"] = min(out["margin"], margin)
            kept.append(torch.cat([draw[:1], draw[1:][near + far]]))
    labelled = len(images)

    def extract(pictures):
        return model.features(pictures).detach() if s["frozen"] else model.features(pictures)

    if mutual is not None:
        everything = extract(torch.cat([images, mutual[0]]))
        features, faces = everything[:labelled], everything[labelled:]
        kept_features = None
    elif kept and s["joint"]:
        everything = extract(torch.cat([images] + kept))
        features, kept_features = everything[:labelled], everything[labelled:]
    else:
        features = extract(images)
        kept_features = extract(torch.cat(kept)) if kept else None
    zero = features.new_zeros(())
    out.update(fer=zero, ial=zero, acl=zero, va=zero, features=features)
    out["fer_logits"] = model.classify(features)
    if affect is not None:
        out["va"] = concordance_loss(model.va(model.dropped(features)), affect)
    out["fer"] = cross_entropy(out["fer_logits"], targets, s["label_smoothing"], s["class_weights"], s["soft_targets"])
    if s["ial_weight"] != 0:
        out["ial_logits"] = attended_logits(model, features, s["ial_temperature"], s["self_mask"])
        out["ial"] = cross_entropy(out["ial_logits"], targets, s["label_smoothing"], s["class_weights"], s["soft_targets"])
    if kept:
        z = model.project(kept_features).split([len(k) for k in kept])
        losses = [contrastive_loss(rows, len(near), s["acl_temperature"]) for rows, (near, _) in zip(z, chosen)]
        out["acl"] = torch.stack(losses).mean()
    if mutual is not None:
        guesses = torch.softmax(model.classifier(faces), dim=1).detach()
        out["acl"], out["moment_similarity"], out["other_similarity"] = mutual_loss(
            model.mutual(faces), guesses, temperature=s["acl_temperature"], **mutual[1])
    out["total"] = out["fer"] + s["ial_weight"] * out["ial"] + s["acl_weight"] * out["acl"] + s["affect_weight"] * out["va"]
    return out


# ---- names -------------------------------------------------------------------------------------------------------------

def torchvision_name(shapes, name):
    """The key of torchvision's efficientnet_b* for one of timm's: features.STAGE.INDEX.block.PLACE..."""
    parts = name.split(".")
    if parts[0] in ("conv_stem", "bn1"):
        return ".".join(["features.0", "0" if parts[0] == "conv_stem" else "1"] + parts[1:])
    if parts[0] in ("conv_head", "bn2"):
        return ".".join([f"features.{len(set(b[0] for b in shapes.blocks)) + 1}",
                         "0" if parts[0] == "conv_head" else "1"] + parts[1:])
    if parts[0] == "classifier":
        return ".".join(["classifier.1"] + parts[1:])
    stage, index, layer = int(parts[1]), int(parts[2]), parts[3]
    expands = next(b[4] != b[5] for b in shapes.blocks if b[:2] == (stage, index))
    if expands:
        places = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se": "2", "conv_pwl": "3.0",
                  "bn3": "3.1"}
    else:
        places = {"conv_dw": "0.0", "bn1": "0.1", "se": "1", "conv_pw": "2.0", "bn2": "2.1"}
    rest = parts[4:]
    if layer == "se":
        rest[0] = {"conv_reduce": "fc1", "conv_expand": "fc2"}[rest[0]]
    return ".".join([f"features.{stage + 1}.{index}.block.{places[layer]}"] + rest)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


# ---- self-check --------------------------------------------------------------------------------------------------------

def check_counts():
    b2 = EfficientNet(architecture("tf_efficientnet_b2"), 1000)
    assert count(b2) == 9109994 and count(b2) - count(b2.classifier) == 7700994, count(b2)
    head = RMFER(architecture("tf_efficientnet_b2"), 7)
    assert count(head.ial.projection) == 3967744 and count(head) == 11688464, count(head)
    assert count(RMFER(architecture("tf_efficientnet_b2"), 8)) == 11691282
    # Tan and Le's B0, B1, B3 with 1000 classes, as timm and torchvision count them
    for name, expected in (("b0", 5288548), ("b1", 7794184), ("b3", 12233232)):
        assert count(EfficientNet(architecture("tf_efficientnet_" + name), 1000)) == expected, name
    print("parameter counts: right")


def check_against_torchvision(name, image_size):
    import torchvision
    theirs = getattr(torchvision.models, name)(weights=None)
    for module in theirs.modules():  # nothing random in the comparison
        if isinstance(module, (torchvision.ops.StochasticDepth, nn.Dropout)):
            module.p = 0.0
    ours = EfficientNet(architecture(name), 1000)
    state = theirs.state_dict()
    renamed = {key: state[torchvision_name(ours.shapes, key)] for key in ours.state_dict()}
    assert len(renamed) == len(state), (len(renamed), len(state))
    ours.load_state_dict(renamed)
    images = torch.randn(3, 3, image_size, image_size)
    for training in (True, False):
        ours.train(training), theirs.train(training)
        a, b = ours(images), theirs(images)
        difference = (a - b).norm() / b.norm()
        assert difference < 1e-5, (name, image_size, training, difference)
    ours.train(), theirs.train()
    ours(images).square().sum().backward()
    theirs(images).square().sum().backward()
    gradients = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        other = gradients[torchvision_name(ours.shapes, key)].grad
        # Shifts that the next batch-norm takes away have a gradient of zero: only noise to compare.
        assert (parameter.grad - other).norm() <= 1e-3 * other.norm() + 1e-4, key
    print(f"{name} at {image_size}: equals torchvision's, forward in both modes and every gradient")


if __name__ == "__main__":
    torch.manual_seed(0)
    check_counts()
    for size in (64, 65, 47):
        check_against_torchvision("efficientnet_b0", size)
    check_against_torchvision("efficientnet_b1", 64)
    check_against_torchvision("efficientnet_b2", 65)
    check_against_torchvision("efficientnet_b3", 64)
