#!/usr/bin/env python3
"""Milliseconds a training step over 1 to 64 machines, by simulation: the table of docs/many-machines.md.

One machine's time line: forward, the heads of the whole batch, backward. A batch-norm's sum stops it, twice a layer; pieces of
gradients become final evenly over the backward pass and cross the line one behind the other. A batch-norm's sum waits for the
piece that is on the line. Numbers that were measured and those that are assumed are told apart below; no network was measured.
"""

# Measured on one machine (tf_efficientnet_b2 at 260 x 260).
PICTURES_A_CORE = 6.05          # a second, forward and backward
HEADS = 111e-3                  # s of one core for 256 pictures: heads, attention, losses and their gradients
# From `rmfer info tf_efficientnet_b2`.
PIECES, PIECE = 30, 1 << 20     # bytes of gradients
LAYERS, STATISTICS = 69, 2.2e6  # batch-norms; bytes of their sums, forward and backward together
# Assumed.
CORES, SHARE_OF_CORES = 16, 0.75
BATCH = 256
FORWARD = 1 / 3                 # of a step's arithmetic
SHARE_OF_LINE = 0.8
ROUND = {10: 30e-6, 25: 30e-6, 100: 10e-6}  # s from one machine to another and back, by the line's Gbit/s


def step(machines, gigabits):
    """Seconds of a step."""
    speed = CORES * SHARE_OF_CORES
    rate = gigabits * 1e9 / 8 * SHARE_OF_LINE
    part = 2 * (machines - 1) / machines  # of a sum's bytes that each machine sends
    doublings = (machines - 1).bit_length()
    compute = BATCH / machines / (PICTURES_A_CORE * speed)
    sum_time = (2 * ROUND[gigabits] * doublings + STATISTICS / 2 / LAYERS * part / rate) if machines > 1 else 0
    now = compute * FORWARD + LAYERS * sum_time + HEADS / speed
    piece_time = PIECE * part / rate
    line, begun = now, 0  # when the line is free; pieces that have gone
    for layer in range(1, LAYERS + 1):
        now += compute * (1 - FORWARD) / LAYERS
        final = PIECES * layer // LAYERS
        while begun < final and machines > 1:
            line = max(line, now) + piece_time
            begun += 1
        if machines > 1:
            waits = piece_time / 2 if line > now else 0  # on average, of the piece that is on the line
            now += waits + sum_time
            line += sum_time if line > now else 0
    return max(now, line)


if __name__ == "__main__":
    alone = step(1, 10)
    print("| machines | 10 Gbit/s | 25 Gbit/s | 100 Gbit/s |\n| ---: | ---: | ---: | ---: |")
    for machines in (1, 2, 4, 8, 16, 32, 64):
        times = [step(machines, gigabits) for gigabits in (10, 25, 100)]
        print(f"| {machines} | " + " | ".join(
            f"{1000 * t:.0f}" + ("" if machines == 1 else f", {alone / t:.1f}x") for t in times) + " |")
