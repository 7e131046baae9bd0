"""Whole renders: `pictures/*.png` and `pictures/renders.json`.

Each is made twice, by oneDNN with fused attention and by neither; how far the
two are apart, in 8-bit levels, stands with it. A golden whose two ways differ
by more than one level would be badly conditioned, and is refused here.
"""

import os

import numpy as np
import torch
from common import PARTS, levels, load_model, render, second_way, write_json
from network_numbers import Routing
from PIL import Image

FOX, BAD = "a red fox in the snow", "blurry, low quality"
SAILOR = "portrait of an old sailor, black ink"
CAFE = "Caf\u00e9 \U0001f431, it's 42!"

KEYS = "model prompt negative_prompt width height steps guidance scheduler seed".split()
ROWS = [
    ("base", FOX, BAD, 128, 128, 7, 7.5, "ddpm", 0),
    ("base", FOX, None, 192, 64, 6, 3.0, "ddim", 1),
    ("base", CAFE, BAD, 136, 72, 9, 7.5, "euler", 42),
    ("base", SAILOR, None, 128, 128, 5, 1.0, "ddim", 3),
    ("base", FOX, "", 72, 136, 5, 3.0, "ddpm", 2**32 + 5),
    ("base", SAILOR, BAD, 64, 64, 8, 1.0, "euler", 6),
    ("wide", FOX, BAD, 128, 128, 7, 7.5, None, 0),
    ("wide", CAFE, None, 64, 192, 6, 3.0, "euler", 11),
    ("wide", SAILOR, BAD, 136, 72, 5, 3.0, "ddpm", 12),
    ("all-3x2", FOX, BAD, 128, 128, 7, 7.5, None, 0),
    ("all-3x2", SAILOR, None, 64, 192, 6, 3.0, "ddim", 1),
    ("all-3x2", CAFE, BAD, 136, 72, 9, 7.5, "euler", 2**63 - 1),
    ("all-3x2", FOX, None, 128, 128, 5, 1.0, "ddim", 4),
    ("ff-2x1", FOX, BAD, 128, 128, 7, 7.5, None, 0),
    ("ff-2x1", SAILOR, BAD, 136, 72, 6, 3.0, "euler", 5),
    ("attn-3x1", FOX, BAD, 128, 128, 7, 7.5, None, 0),
    ("attn-3x1", SAILOR, None, 192, 64, 6, 3.0, "ddim", 5),
]


def settings():
    for row in ROWS:
        yield dict(zip(KEYS, row))


def make_one(root, pipe, setting, number):
    with Routing(pipe.unet) as routing:
        picture = render(pipe, setting)
    with second_way(pipe), Routing(pipe.unet) as again:
        difference = levels(render(pipe, setting), picture)
    assert difference["max"] <= 1, (setting, difference)
    assert routing.decisions() == again.decisions(), setting
    file = f"{number:02d}-{setting['model']}-{setting['width']}x{setting['height']}.png"
    os.makedirs(os.path.join(root, "pictures"), exist_ok=True)
    Image.fromarray(picture).save(os.path.join(root, "pictures", file), optimize=True)
    about = {"file": file} | setting | {"seed": str(setting["seed"]), "second_way": difference}
    about["deviation"] = round(float(picture.std()), 2)
    about["clamped"] = round(float(np.isin(picture, (0, 255)).mean()), 4)
    if routing.calls:
        about["routing_margin"] = routing.margin()
    return about


@torch.no_grad()
def make(root):
    entries = {}
    for name in PARTS:
        chosen = [(i, s) for i, s in enumerate(settings()) if s["model"] == name]
        pipe = load_model(root, name) if chosen else None
        for number, setting in chosen:
            entries[number] = make_one(root, pipe, setting, number)
            print(entries[number], flush=True)
    write_json(os.path.join(root, "pictures/renders.json"), [entries[i] for i in sorted(entries)])
