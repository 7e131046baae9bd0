"""Renders with diffusers' `guidance_rescale` (Lin et al., 2023, equation 16): `rescale/`.

Models are those of `pictures.py` and `families.py`, as they are committed. Every picture is made twice, as in
`pictures.py`, and once without the setting: the difference says how much a build that forgets it would be off.
"""

import os

import common
import numpy as np
import torch
from common import levels, second_way, write_json
from families import PARTS, load
from PIL import Image
from pictures import BAD, FOX, SAILOR
from scheduler_traces import MORE

KEYS = "model prompt negative_prompt width height steps guidance guidance_rescale scheduler seed".split()
ROWS = [
    ("base", FOX, BAD, 64, 64, 6, 7.5, 0.7, "dpmpp_2m", 31),
    ("base", SAILOR, None, 96, 64, 5, 12.0, 1.0, None, 32),
    ("sd2", FOX, BAD, 64, 96, 6, 9.0, 0.7, None, 33),
    ("xl", SAILOR, "", 72, 72, 5, 8.0, 0.4, None, 34),
]


def draw(pipe, setting):
    own = pipe.scheduler
    if setting["scheduler"] is not None:
        kind, changes = MORE[setting["scheduler"]]
        pipe.scheduler = kind.from_config(own.config, **changes)
    try:
        with torch.no_grad():
            image = pipe(
                setting["prompt"], negative_prompt=setting["negative_prompt"], width=setting["width"],
                height=setting["height"], num_inference_steps=setting["steps"],
                guidance_scale=setting["guidance"], guidance_rescale=setting["guidance_rescale"],
                generator=torch.Generator("cpu").manual_seed(setting["seed"]),
            ).images[0]
    finally:
        pipe.scheduler = own
    return np.array(image)


def make(root):
    common.PARTS.update(PARTS)
    os.makedirs(os.path.join(root, "rescale"), exist_ok=True)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        pipe = load(root, setting["model"])
        picture = draw(pipe, setting)
        assert picture.std() > 10, (setting, picture.std())
        with second_way(pipe):
            difference = levels(draw(pipe, setting), picture)
        assert difference["max"] <= 1, (setting, difference)
        without = levels(draw(pipe, setting | {"guidance_rescale": 0.0}), picture)
        assert without["mean"] > 0.5, (setting, without)
        file = f"{number:02d}-{setting['model']}-{setting['width']}x{setting['height']}.png"
        Image.fromarray(picture).save(os.path.join(root, "rescale", file), optimize=True)
        entries.append(
            {"file": file} | setting
            | {"seed": str(setting["seed"]), "second_way": difference, "without": without["mean"]})
        print(entries[-1], flush=True)
    write_json(os.path.join(root, "rescale/renders.json"), entries)
