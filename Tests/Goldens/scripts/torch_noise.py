"""torch's CPU noise: `numbers/noise.safetensors` with its index.

Each case is one generator and the counts drawn from it in order. Counts below
16 are drawn one by one in f64, in pairs of which the second waits in the
generator (also for the next call); from 16 on, in f32 blocks of 16.
"""

import math
import os

import numpy as np
import torch
from common import save_tensors, write_json

COUNTS = [*range(1, 16), 16, 17, 31, 32, 33, 100, 4 * 16 * 16]
SEEDS = [0, 1, 42, 2**31, 2**32, 2**32 + 42, 2**63 - 1, 2**64 - 1]
SEQUENCES = [[64, 20, 3, 3], [5, 5, 5], [3, 16, 3, 17, 1], [1, 1, 1, 1]]


def draws(seed, counts):
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(count, generator=generator) for count in counts]


class Formula:
    """The rule itself, in f64 on numpy's mt19937: shows that the README's words are true."""

    def __init__(self, seed):
        self.bits = np.random.RandomState(seed & 0xFFFFFFFF)
        self.waiting = None

    def next32(self):
        return int.from_bytes(self.bits.bytes(4), "little")

    def uniform24(self):
        return (self.next32() & 0xFFFFFF) * 2.0**-24

    def uniform53(self):
        high, low = self.next32(), self.next32()
        return ((high << 32 | low) & (2**53 - 1)) * 2.0**-53

    def one(self):
        if self.waiting is not None:
            value, self.waiting = self.waiting, None
            return value
        u1, u2 = self.uniform53(), self.uniform53()
        radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        self.waiting = radius * math.sin(angle)
        return radius * math.cos(angle)

    @staticmethod
    def mix(u):
        radius = [math.sqrt(-2 * math.log(1 - u[j])) for j in range(8)]
        angle = [2 * math.pi * u[j + 8] for j in range(8)]
        return [r * math.cos(a) for r, a in zip(radius, angle)] + [r * math.sin(a) for r, a in zip(radius, angle)]

    def draw(self, count):
        if count < 16:
            return [self.one() for _ in range(count)]
        uniforms = [self.uniform24() for _ in range(count)]
        values = []
        for start in range(0, count - 15, 16):
            values += self.mix(uniforms[start : start + 16])
        if count % 16:
            values = (values + [0.0] * 16)[: count - 16] + self.mix([self.uniform24() for _ in range(16)])
        return values


def make(root):
    tensors, index = {}, []
    for seed in SEEDS:
        for counts in [[count] for count in COUNTS] + (SEQUENCES if seed in (0, 42) else []):
            name = f"seed{seed}." + "-".join(map(str, counts))
            values = draws(seed, counts)
            formula = Formula(seed)
            worst = max(
                float(np.abs(np.array(formula.draw(count)) - value.double().numpy()).max())
                for count, value in zip(counts, values)
            )
            assert worst < 2e-6, (name, worst)
            tensors[name] = torch.cat(values)
            index.append({"name": name, "seed": str(seed), "counts": counts, "formula_difference": worst})
    save_tensors(os.path.join(root, "numbers/noise.safetensors"), tensors)
    write_json(os.path.join(root, "numbers/noise.json"), index)
