"""rmfer's keyed random streams (src/base/random.c), for golden files of layers that draw: xoshiro256** filled by
SplitMix64 from (seed, purpose, a, b)."""
import math

import torch

MASK = 0xFFFFFFFFFFFFFFFF
PURPOSES = {"dropout": 4, "drop_path": 5, "subset": 9, "method": 12}  # enum random_purpose


def splitmix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def rotate_left(x, count):
    return ((x << count) | (x >> (64 - count))) & MASK


class RandomStream:
    def __init__(self, seed, purpose, a, b):
        mix = 0
        for key in (seed, purpose, a, b):
            mix ^= key
            mix = splitmix(mix)[1]  # C gives `mix` as state and as result: the result is what stays
        self.state = []
        for _ in range(4):
            mix, word = splitmix(mix)
            self.state.append(word)

    def bits(self):
        s = self.state
        result = (rotate_left((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate_left(s[3], 45)
        return result

    def uniform(self):
        return (self.bits() >> 11) * 2.0 ** -53

    def below(self, bound):
        threshold = (MASK + 1 - bound) % bound
        while True:
            drawn = self.bits()
            if drawn >= threshold:
                return drawn % bound

    def normal(self):
        """Box-Muller, as random_normal draws it."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def shuffled(self, count):
        items = list(range(count))
        for i in range(count - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

    def log_gamma(self, alpha):
        """The logarithm of a Gamma(alpha, 1) number, as mixup.c draws it."""
        d = alpha + 1 - 1.0 / 3
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self.normal()
            v = 1 + c * x
            u = 1 - self.uniform()
            if v <= 0:
                continue
            v = v * v * v
            if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                return math.log(d * v) + math.log(1 - self.uniform()) / alpha


def drop_factors(seed, purpose, draw, index, count, rate):
    """`count` factors: 0 with probability `rate`, else 1 / (1 - rate)."""
    stream = RandomStream(seed, PURPOSES[purpose], draw, index)
    keep = [0.0 if stream.uniform() < rate else 1.0 / (1.0 - rate) for _ in range(count)]
    return torch.tensor(keep, dtype=torch.float64)
