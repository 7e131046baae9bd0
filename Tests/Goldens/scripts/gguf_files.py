"""What the genuine `gguf` package makes of every type of block: `formats/blocks.gguf` and `formats/blocks.safetensors`.

Tensors `TYPE` of 2 × 256 numbers (4 × 32 × 4 for the plain kinds, whose rows are one block): bytes at random, scales of a
usual size, as no quantizer would choose them, so that every bit counts. `reshaped` is one whose shape city96's converter
would change. `blocks.safetensors` has what `gguf.quants.dequantize` says.
"""

import os

import gguf
import numpy as np
import torch
from common import save_tensors

# Where in a block of each type its half-precision scales are.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip


def blocks(kind, places, noise):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = 512 // elements
    data = noise.integers(0, 256, (count, size), dtype=np.uint8)
    for place in places:
        scale = (noise.standard_normal(count) * 0.05).astype(np.float16)
        data[:, place : place + 2] = scale.view(np.uint8).reshape(count, 2)
    return data.reshape(2, -1) if elements == 256 else data.reshape(4, 4, -1)


def make(root):
    noise = np.random.default_rng(411)
    path = os.path.join(root, "formats/blocks.gguf")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    writer = gguf.GGUFWriter(path, "sd1")
    writer.add_string("general.description", "one tensor of each type")
    writer.add_array("tokenizer.list", ["one", "two", "three"])
    writer.add_array("comfy.gguf.orig_shape.reshaped", (8, 16, 2, 2))
    expected = {}
    for name, places in SCALES.items():
        kind = gguf.GGMLQuantizationType[name]
        data = blocks(kind, places, noise)
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = gguf.quants.dequantize(data, kind)
    plain = noise.standard_normal((3, 5)).astype(np.float32)
    for name, kind in [("F32", gguf.GGMLQuantizationType.F32), ("F16", gguf.GGMLQuantizationType.F16),
                       ("BF16", gguf.GGMLQuantizationType.BF16)]:  # fmt: skip
        data = gguf.quants.quantize(plain, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = gguf.quants.dequantize(data, kind)
    kind = gguf.GGMLQuantizationType.Q8_0
    data = gguf.quants.quantize(noise.standard_normal((2, 256)).astype(np.float32), kind)
    writer.add_tensor("reshaped", data, raw_dtype=kind)
    expected["reshaped"] = gguf.quants.dequantize(data, kind).reshape(8, 16, 2, 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_tensors(
        os.path.join(root, "formats/blocks.safetensors"),
        {name: torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32)) for name, value in expected.items()},
    )


if __name__ == "__main__":
    make(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
