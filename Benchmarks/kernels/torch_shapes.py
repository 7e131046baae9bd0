"""torch on the shapes of kernels.c, one thread: GFLOP/s of convolutions (channels last), attention, and linear layers.

Linear layers in f32 and in bf16; there inputs and result are bf16, as between torch's layers, so nothing is rounded.
SHAPES: only the first so many of each kind.
"""

import os
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
SHAPES = int(os.environ.get("SHAPES", 99))


def rate(call, operations):
    call()
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return operations / best / 1e9


with torch.inference_mode():
    for n, size, inputs, outputs in [
        (2, 64, 320, 320), (2, 64, 960, 320), (2, 32, 640, 640), (2, 16, 1280, 1280), (2, 8, 1280, 1280),
        (1, 64, 512, 512), (1, 128, 512, 512), (1, 256, 256, 256),
    ][:SHAPES]:
        x = torch.randn(n, inputs, size, size).to(memory_format=torch.channels_last)
        w = torch.randn(outputs, inputs, 3, 3).to(memory_format=torch.channels_last)
        got = rate(lambda: F.conv2d(x, w, padding=1), 18 * n * size * size * inputs * outputs)
        print(f"{n}x{size}x{size}  {inputs} > {outputs}  {got:.1f}")
    for queries, keys, width in [
        (4096, 4096, 40), (1024, 1024, 80), (256, 256, 160), (4096, 77, 40), (4096, 4096, 512),
    ][:SHAPES]:
        q, k, v = torch.randn(1, 1, queries, width), torch.randn(1, 1, keys, width), torch.randn(1, 1, keys, width)
        got = rate(lambda: F.scaled_dot_product_attention(q, k, v), 4 * queries * keys * width)
        print(f"{queries} to {keys} of {width}  {got:.1f}")
    for rows, depth, columns in [
        (480, 320, 320), (480, 320, 2560), (480, 640, 640), (480, 2560, 640), (480, 1280, 1280), (480, 5120, 1280),
        (96, 1280, 1280), (2, 1280, 1280),
    ][:SHAPES]:
        got = []
        for dtype in (torch.float32, torch.bfloat16):
            x, w = torch.randn(rows, depth, dtype=dtype), torch.randn(columns, depth, dtype=dtype)
            got.append(rate(lambda: F.linear(x, w), 2 * rows * depth * columns))
        print(f"{rows} x {depth} x {columns}  f32 {got[0]:.1f}  bf16 {got[1]:.1f}")
