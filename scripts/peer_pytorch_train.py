#!/usr/bin/env python3
"""Speed of one training step in PyTorch, for comparison with `rmfer bench --mode train`.

Forward in training mode, cross-entropy, backward: the same network, picture size, batch and number of threads. PyTorch
is given its best: oneDNN, channels last (or --layout contiguous), and an allocator that keeps freed memory instead of
handing its pages back each step (set through the environment, which means starting once more; --plain-allocator leaves
it alone). Prints one JSON line with the median of the steps after warming up and the peak resident memory.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592",
             "MALLOC_TOP_PAD_": "268435456", "MALLOC_ARENA_MAX": "1"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="tf_efficientnet_b2")
    parser.add_argument("--image-size", type=int, default=260)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--layout", choices=("channels_last", "contiguous"), default="channels_last")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--plain-allocator", action="store_true")
    return parser.parse_args()


def tune_allocator(arguments):
    wanted = {} if arguments.plain_allocator else ALLOCATOR
    wanted = {**wanted, "OMP_NUM_THREADS": str(arguments.threads)}
    if all(os.environ.get(key) == value for key, value in wanted.items()):
        return
    os.environ.update(wanted)
    os.execv(sys.executable, [sys.executable] + sys.argv)


def measure(arguments):
    import torch
    import reference_model as reference
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    model = reference.EfficientNet(reference.architecture(arguments.arch), arguments.classes)
    reference.initialise_as_timm(model)
    images = torch.randn(arguments.batch, 3, arguments.image_size, arguments.image_size)
    labels = torch.arange(arguments.batch) % arguments.classes
    if arguments.layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    model.train()
    seconds = []
    for step in range(arguments.warm_up + arguments.steps):
        begin = time.perf_counter()
        model.zero_grad(set_to_none=False)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        if step >= arguments.warm_up:
            seconds.append(time.perf_counter() - begin)
    return torch.__version__, seconds


def main():
    arguments = parse_arguments()
    tune_allocator(arguments)
    version, seconds = measure(arguments)
    per_image = [1000 * s / arguments.batch for s in seconds]
    print(json.dumps({
        "mode": "train", "peer": f"PyTorch {version}", "arch": arguments.arch, "layout": arguments.layout,
        "image_size": arguments.image_size, "batch": arguments.batch, "threads": arguments.threads,
        "images_per_s": round(arguments.batch / statistics.median(seconds), 2),
        "ms_per_image": {"median": round(statistics.median(per_image), 2), "min": round(min(per_image), 2),
                         "max": round(max(per_image), 2)},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))


if __name__ == "__main__":
    main()
