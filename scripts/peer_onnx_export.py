#!/usr/bin/env python3
"""Writes the network as an ONNX file for peer_onnxruntime.mjs: peer_onnx_export.py ARCH OUT.onnx

Random weights (speed does not depend on them), eval mode, so that batch-norm folds into the convolutions; the number
of pictures is left open. --checkpoint also writes the same network as an rmfer checkpoint."""
import argparse

import torch

import golden_format as form
import reference_model as reference

CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")


def write_checkpoint(model, side, path):
    tensors = {name: value.numpy() for name, value in model.state_dict().items()
               if not name.endswith("num_batches_tracked")}
    form.write_safetensors(path, tensors, {
        "rmfer.format": "1", "rmfer.arch": model.shapes.name, "rmfer.classes": ",".join(CLASSES),
        "rmfer.image_size": side, "rmfer.mean": "0.485,0.456,0.406", "rmfer.std": "0.229,0.224,0.225",
        "rmfer.resize": "bilinear"})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arch")
    parser.add_argument("output")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--checkpoint", metavar="OUT.safetensors")
    arguments = parser.parse_args()
    shapes = reference.architecture(arguments.arch)
    side = arguments.image_size or shapes.image_size
    torch.manual_seed(1)
    model = reference.EfficientNet(shapes, len(CLASSES))
    reference.initialise_as_timm(model)
    torch.onnx.export(model.eval(), torch.zeros(1, 3, side, side), arguments.output, opset_version=13,
                      input_names=["images"], output_names=["logits"],
                      dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}})
    if arguments.checkpoint:
        write_checkpoint(model, side, arguments.checkpoint)


if __name__ == "__main__":
    main()
