"""What torch and Python make of small things in files: `formats/`.

`float8.safetensors`: all 256 bytes of each of torch's floats of 8 bits, and their values. `patterns.json`: names of layers
that PEFT's `get_pattern_key` finds a pattern for, or not.
"""

import os

import torch
from common import save_tensors, write_json
from peft.utils.other import get_pattern_key

FLOATS = {
    "e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2,
    "e4m3fnuz": torch.float8_e4m3fnuz, "e5m2fnuz": torch.float8_e5m2fnuz,
}  # fmt: skip
PATTERNS = [
    "to_q", "attn1.to_q", r"attn1\.to_[qk]", r"down_blocks\.[0-2]\..*\.to_q", r".*\.to_q", "to_(q|k)",
    "^down_blocks.0.attentions.0.to_q", "^attentions.0.to_q", r"\d+\.to_q", "to_q$", "(attn1|attn2).to_out.0",
    r"[^.]+\.to_q", "o_q", "to.q", r"(?:attentions\.\d+\.)+to_q", r"to_q{1}", r"attentions\.0(\.attn\d)?\.to_q",
    r"up_blocks|down_blocks", r"\w+_q", r"t{0,2}o_q", "", r"(down_blocks\.\d+\.)?attentions\.[^0]\.to_q", "to_out.0",
    "to_out", r".*attentions.*?to_[a-k]", "to_[q-v]", r"to\_q", r"[\w.]*", r"(a|b)*c",
]  # fmt: skip
NAMES = [
    "to_q", "down_blocks.0.attentions.0.to_q", "down_blocks.2.attentions.1.attn1.to_q", "down_blocks.0.attn1.to_k",
    "up_blocks.1.attentions.0.attn2.to_out.0", "xto_q", "down_blocks.0.attentions.0.to_q.extra", "attentions.0.to_q",
    "down_blocks", "ababc", "a.ababc",
]  # fmt: skip


def make(root):
    tensors = {}
    for name, kind in FLOATS.items():
        stored = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(kind)
        tensors |= {f"{name}.stored": stored, f"{name}.values": stored.float()}
    save_tensors(os.path.join(root, "formats/float8.safetensors"), tensors)
    rows = [
        [pattern, name, get_pattern_key([pattern], name) == pattern]
        for pattern in PATTERNS
        for name in NAMES
        # It gives the name back if nothing fits: of a pattern that is the name itself it says nothing.
        if pattern != name
    ]
    assert {row[2] for row in rows} == {True, False}
    write_json(os.path.join(root, "formats/patterns.json"), rows)


if __name__ == "__main__":
    make(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
