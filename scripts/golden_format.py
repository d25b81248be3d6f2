"""What the golden files are made of: numbers from a formula that C repeats exactly, and the safetensors container.

Weights and pictures are not stored: `uniform(name, count)` makes the same numbers here and in tests/support/golden.c.
The key is FNV-1a (64 bits) of the name; number i is SplitMix64's output for key + (i + 1) * 0x9e3779b97f4a7c15, its
upper 24 bits as a fraction in [-1, 1): exact in float32. Long tensors may be stored as a sketch, which keeps
distances: each number is added, with a sign, to one of 64 sums chosen by the same generator (Charikar et al. 2002);
the expected squared length of a difference of sketches is that of the difference itself.
"""
import json
import math
import struct

import numpy as np
import torch

GOLDEN_RATIO = 0x9E3779B97F4A7C15
SKETCH_SUMS = 64


def bits(name, count):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN_RATIO)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """`count` doubles in [-1, 1), each exact in float32."""
    return (bits(name, count) >> np.uint64(40)).astype(np.float64) / 8388608.0 - 1.0


def sketch(name, values):
    """64 signed sums of a float64 array longer than that; a shorter one as it is."""
    values = np.asarray(values, dtype=np.float64).reshape(-1)
    if len(values) <= SKETCH_SUMS:
        return values
    z = bits(name + ".sketch", len(values))
    signs = 1.0 - 2.0 * ((z >> np.uint64(6)) & np.uint64(1)).astype(np.float64)
    sums = np.zeros(SKETCH_SUMS)
    np.add.at(sums, (z & np.uint64(SKETCH_SUMS - 1)).astype(np.int64), signs * values)
    return sums


def parameter_values(name, shape, running_variance):
    """The generated weights and running statistics of a model, by name and shape (float32). The running variances are
    around `running_variance`: what keeps the size of the signal from one end of the network to the other in eval mode."""
    u = uniform(name, math.prod(shape))
    if len(shape) == 4 and ".se." not in name:
        depthwise = shape[1] == 1
        fan_out = shape[2] * shape[3] * (1 if depthwise else shape[0])
        values = u * math.sqrt(6.0 / fan_out)
    elif len(shape) >= 2:
        values = u * math.sqrt(3.0 / shape[1])
    elif name.endswith("running_var"):
        values = running_variance * (1.0 + 0.5 * u)
    elif name.endswith("weight"):
        values = 1.0 + 0.25 * u
    else:
        values = 0.2 * u
    return values.astype(np.float32).reshape(shape)


def fill_model(model, running_variance=0.6):
    """Overwrites every parameter and running statistic with the generated ones."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(parameter_values(name, tuple(tensor.shape), running_variance)))


def pictures(name, count, side):
    """[count, side, side, 3] float32: noise over blocks of 8 by 8 that are the picture's own, so that pictures differ."""
    noise = uniform(name, count * side * side * 3).reshape(count, side, side, 3)
    blocks = (side + 7) // 8
    tiles = uniform(name + ".blocks", count * blocks * blocks * 3).reshape(count, blocks, blocks, 3)
    tiles = tiles.repeat(8, 1).repeat(8, 2)[:, :side, :side]
    return (0.5 * noise + 1.5 * tiles).astype(np.float32)


def pictures_nchw(name, count, side):
    return torch.from_numpy(pictures(name, count, side)).permute(0, 3, 1, 2).contiguous()


def one_hot_targets(step, count, classes):
    rows = np.zeros((count, classes), dtype=np.float32)
    rows[np.arange(count), (np.arange(count) * 3 + step) // 2 % classes] = 1
    return torch.from_numpy(rows)


def soft_targets(step, count, classes):
    """Rows of (1 + u)^2 over their sum."""
    rows = (1.0 + uniform(f"targets.{step}", count * classes).reshape(count, classes)) ** 2
    sums = np.zeros(count)
    for k in range(classes):  # added up in this order, as C does
        sums += rows[:, k]
    return torch.from_numpy((rows / sums[:, None]).astype(np.float32))


def write_safetensors(path, tensors, metadata):
    """tensors: name -> array, stored as float32 in order of names; metadata: name -> string."""
    header, chunks, offset = {"__metadata__": {key: str(value) for key, value in metadata.items()}}, [], 0
    for name in sorted(tensors):
        array = np.ascontiguousarray(np.asarray(tensors[name], dtype="<f4"))
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        chunks.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for chunk in chunks:
            file.write(chunk)
