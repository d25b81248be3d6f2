#!/usr/bin/env python3
"""Writes weights as other programs save them, and what PyTorch computes with them.

  golden_checkpoints.py tests/golden/ckpt       the committed cases: a shrunken network in every format
  golden_checkpoints.py DIR --full b0|b2        the whole network in both flavours (80 or 70 MB)
  golden_checkpoints.py --check FILE EXPECTED   loads a native checkpoint strictly and compares logits

A case is a file of weights and NAME.expected.safetensors: `logits` [N,E] computed in float64, and as metadata what an
import of the file must find. The pictures of all cases of a folder are `images` [N,H,W,3] of pictures.safetensors.
tests/test_ckpt_import.c reads them.
"""
import argparse
import collections
import json
import os
import struct
import sys
import types
import zipfile

import numpy as np
import torch
import torch.nn as nn

import golden_format as form
import reference_model as reference

CLASSES = 7
TINY_DIVISOR, TINY_REPEATS = 64, 1
ALPHABETICAL = "Anger,Disgust,Fear,Happiness,Neutral,Sadness,Surprise"


# ---- modules named as timm's -----------------------------------------------------------------------------------------

def foreign_class(module_name, class_name, base):
    """A class that pickles under a name of another package, as a whole module saved there does."""
    made = type(class_name, (base,), {})
    made.__module__ = module_name
    parts = module_name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    setattr(sys.modules[module_name], class_name, made)
    return made


TimmEfficientNet = foreign_class("timm.models.efficientnet", "EfficientNet", reference.EfficientNet)
TimmConv2dSame = foreign_class("timm.models.layers.conv2d_same", "Conv2dSame", reference.PaddedConv2d)


def as_timm_module(model):
    """The same module with timm's class names: Conv2dSame where SAME padding is uneven."""
    model.__class__ = TimmEfficientNet
    for module in model.modules():
        if isinstance(module, reference.PaddedConv2d) and module.same and module.stride[0] > 1:
            module.__class__ = TimmConv2dSame
    return model


# ---- key names ---------------------------------------------------------------------------------------------------------

def lukemelas_name(shapes, name):
    parts = name.split(".")
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    if parts[0] in outer:
        return ".".join([outer[parts[0]]] + parts[1:])
    number, block = next((i, b) for i, b in enumerate(shapes.blocks) if b[:2] == (int(parts[1]), int(parts[2])))
    layer = ".".join(parts[3:5]) if parts[3] == "se" else parts[3]
    expands = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
               "conv_pwl": "_project_conv", "bn3": "_bn2"}
    plain = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    names = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
    names.update(expands if block[4] != block[5] else plain)
    return f"_blocks.{number}.{names[layer]}.{parts[-1]}"


def renamed(model, rule):
    return collections.OrderedDict((rule(model.shapes, key), value) for key, value in model.state_dict().items())


def as_sequential(model):
    """How the RMFER authors keep a backbone: an nn.Sequential over timm's children without the classifier."""
    return nn.Sequential(model.conv_stem, model.bn1, nn.SiLU(), model.blocks, model.conv_head, model.bn2, nn.SiLU())


# ---- cases ---------------------------------------------------------------------------------------------------------------

class Writer:
    def __init__(self, folder, image_size, images):
        self.folder, self.image_size = folder, image_size
        self.images = form.pictures("checkpoint", images, image_size)
        form.write_safetensors(self.path("pictures.safetensors"), {"images": self.images}, {})

    def path(self, name):
        return os.path.join(self.folder, name)

    def expect(self, file, model, **facts):
        """Facts: architecture that must be found, `asked` (--arch), classes, second (another file), folded, format."""
        model = model.double().eval()
        with torch.no_grad():
            logits = model(torch.from_numpy(self.images).double().permute(0, 3, 1, 2)).numpy()
        model.float()
        metadata = {"file": file, **facts}
        form.write_safetensors(self.path(file.rsplit(".", 1)[0] + ".expected.safetensors"),
                               {"logits": logits}, metadata)


def make(shapes, classes=CLASSES):
    model = reference.EfficientNet(shapes, classes)
    form.fill_model(model)
    return model.eval()


def calibrated(model, image_size):
    """Running statistics of pictures, as after training: without them the numbers of a deep network explode."""
    images = torch.from_numpy(form.pictures("calibration", 4, image_size)).permute(0, 3, 1, 2)
    model.set_momentum(1.0)
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def rounded(model, kind):
    return model.to(kind).float()


def half_state(state):
    return collections.OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items())


def export_onnx(model, path, image_size, fold):
    images = torch.zeros(1, 3, image_size, image_size)
    training = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(model.eval(), images, path, opset_version=13, training=training, do_constant_folding=fold,
                      input_names=["input"], output_names=["logits"], dynamic_axes={"input": {0: "n"}})


def write_tiny(folder):
    """Small enough to be committed: 18,000 parameters."""
    size = 40
    out = Writer(folder, size, 2)
    same, symmetric = (f"tiny_{tf}{TINY_DIVISOR}_{TINY_REPEATS}" for tf in ("tf_", ""))

    def tiny(same_padding):
        return make(reference.architecture_tiny(same_padding, TINY_DIVISOR, TINY_REPEATS))

    model = tiny(True)
    torch.save(model.state_dict(), out.path("timm_plain.pth"), _use_new_zipfile_serialization=False)
    out.expect("timm_plain.pth", model, asked=same, architecture=same)

    model = as_timm_module(rounded(tiny(True), torch.float16).half())
    torch.save(model, out.path("module_half.pt"))
    out.expect("module_half.pt", model.float(), asked=same, architecture=same, classes=ALPHABETICAL)

    model = rounded(tiny(False), torch.bfloat16)
    state = {k: v.bfloat16() if v.is_floating_point() else v for k, v in renamed(model, reference.torchvision_name).items()}
    torch.save(state, out.path("torchvision_bfloat16.pth"), pickle_protocol=4)
    out.expect("torchvision_bfloat16.pth", model, asked=symmetric, architecture=symmetric)

    model = rounded(tiny(True), torch.float16)
    # A training checkpoint: the network behind a prefix, its other numbers beside it, slices of one storage. The pickled
    # loss is a module, too, but not the network's: it says nothing of the order of classes.
    state = half_state(renamed(model, lukemelas_name))
    flat = torch.cat([v.reshape(-1) for v in state.values() if v.is_floating_point()])
    offset = 0
    for key, value in state.items():
        if value.is_floating_point():
            state[key] = flat[offset:offset + value.numel()].view(value.shape)
            offset += value.numel()
    weight = state["_fc.weight"]
    state["_fc.weight"] = weight.t().contiguous().t()  # the same numbers, column by column
    checkpoint = {"epoch": 12, "args": argparse.Namespace(lr=1e-4), "best": 0.62,
                  "state_dict": {"module." + k: v for k, v in state.items()},
                  "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-4}]},
                  "criterion": nn.CrossEntropyLoss(weight=torch.ones(CLASSES))}
    torch.save(checkpoint, out.path("lukemelas_training.pth"))
    out.expect("lukemelas_training.pth", model, asked=same, architecture=same)

    model = rounded(tiny(True), torch.float16)
    torch.save(as_sequential(model).half(), out.path("authors_backbone.pth"))
    torch.save(model.classifier.half(), out.path("authors_backbone_classifier.pth"))
    out.expect("authors_backbone.pth", model.float(), asked=same, architecture=same, classes=ALPHABETICAL,
               second="authors_backbone_classifier.pth")

    model = tiny(False)
    export_onnx(model, out.path("folded.onnx"), size, True)
    out.expect("folded.onnx", model, asked=symmetric, architecture=symmetric, folded="true")

    model = tiny(True)
    export_onnx(model, out.path("unfolded.onnx"), size, False)
    out.expect("unfolded.onnx", model, asked=same, architecture=same)


def write_views(folder):
    """Tensors of every type and of awkward strides, small enough to be cut at each byte."""
    big = torch.arange(24.0).reshape(4, 6) - 7.5
    tensors = {"transposed": big.t(), "slice": big[1:3, 2:5], "shared": big, "scalar": torch.tensor(3.5),
               "parameter": nn.Parameter(big[0]), "half": big.half(), "bfloat": big.bfloat16(), "double": big.double(),
               "integers": torch.tensor([-5, 70000]), "bytes": torch.tensor([0, 255], dtype=torch.uint8),
               "truths": torch.tensor([True, False]), "empty": torch.zeros(0, 3)}
    torch.save(tensors, os.path.join(folder, "views.pt"))
    torch.save(tensors, os.path.join(folder, "views_plain.pt"), _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(os.path.join(folder, "views.pt")) as stored:
        with zipfile.ZipFile(os.path.join(folder, "views_deflated.pt"), "w", zipfile.ZIP_DEFLATED) as packed:
            for name in stored.namelist():
                packed.writestr(zipfile.ZipInfo(name), stored.read(name), zipfile.ZIP_DEFLATED)
    form.write_safetensors(os.path.join(folder, "views.safetensors"),
                           {name: tensor.detach().float().numpy() for name, tensor in tensors.items()}, {})


def write_full(folder, name):
    """Everything is found without being told: size, flavour, naming."""
    import torchvision
    tf_name, plain_name = f"tf_efficientnet_{name}", f"efficientnet_{name}"
    shapes = reference.architecture(tf_name)
    out = Writer(folder, shapes.image_size, 2)

    def whole(wanted, classes=CLASSES):
        return calibrated(make(reference.architecture(wanted), classes), shapes.image_size)

    model = whole(tf_name)
    torch.save({"model_state_dict": model.state_dict()}, out.path(f"{name}_state.pth"))
    out.expect(f"{name}_state.pth", model, architecture=tf_name)

    model = whole(plain_name)
    theirs = getattr(torchvision.models, plain_name)(weights=None, num_classes=CLASSES)
    theirs.load_state_dict(renamed(model, reference.torchvision_name))
    torch.save(theirs, out.path(f"{name}_torchvision.pt"), _use_new_zipfile_serialization=False)
    out.expect(f"{name}_torchvision.pt", model, architecture=plain_name)  # a module, but none of HSEmotion's
    if name != "b0":
        return

    model = as_timm_module(whole(tf_name, 8))
    torch.save(model, out.path("b0_module.pt"))
    out.expect("b0_module.pt", model, architecture=tf_name,
               classes="Anger,Contempt,Disgust,Fear,Happiness,Neutral,Sadness,Surprise")

    model = rounded(whole(tf_name), torch.float16)
    torch.save({"net": half_state(renamed(model, lukemelas_name))}, out.path("b0_half.pth"))
    out.expect("b0_half.pth", model, architecture=tf_name)

    model = whole(plain_name)
    export_onnx(model, out.path("b0_folded.onnx"), shapes.image_size, True)
    out.expect("b0_folded.onnx", model, architecture=plain_name, folded="true")


# ---- reading back ------------------------------------------------------------------------------------------------------------

def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    kinds = {"F32": "<f4", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], dtype=kinds[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def architecture_of(name):
    if not name.startswith("tiny_"):
        return reference.architecture(name)
    divisor, repeats = name.rsplit("_", 2)[1:]
    return reference.architecture_tiny(name.startswith("tiny_tf_"), int(divisor), int(repeats))


def check(path, expected_path):
    tensors, metadata = read_safetensors(path)
    expected, _ = read_safetensors(expected_path)
    pictures, _ = read_safetensors(os.path.join(os.path.dirname(expected_path), "pictures.safetensors"))
    model = reference.EfficientNet(architecture_of(metadata["rmfer.arch"]), len(metadata["rmfer.classes"].split(",")))
    model.load_state_dict(tensors, strict=True)
    with torch.no_grad():
        logits = model.double().eval()(pictures["images"].double().permute(0, 3, 1, 2))
    difference = (logits - expected["logits"]).abs().max().item()
    print(f"largest difference of a logit: {difference:.3g}")
    assert difference <= 1e-4 * max(1.0, expected["logits"].abs().max().item())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--full", choices=("b0", "b2"))
    parser.add_argument("--check", nargs=2)
    arguments = parser.parse_args()
    if arguments.check:
        return check(*arguments.check)
    os.makedirs(arguments.folder, exist_ok=True)
    if arguments.full:
        write_full(arguments.folder, arguments.full)
    else:
        write_tiny(arguments.folder)
        write_views(arguments.folder)


if __name__ == "__main__":
    main()
