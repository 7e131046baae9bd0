"""Renders in which only some steps are guided: `guidance/`.

The end is diffusers' own `SDCFGCutoffCallback` and `SDXLCFGCutoffCallback`. The beginning is a callback of the same
kind: the pipeline starts with the prompt's row alone, and gets both rows and the guidance scale after a share of the
steps. Every picture is made twice, as in `pictures.py`, and once with one guided step
more: the difference says how much a build that counts otherwise would be off.
"""

import os

import common
import numpy as np
import torch
from common import levels, load_model, second_way, write_json
from diffusers.callbacks import SDCFGCutoffCallback, SDXLCFGCutoffCallback
from families import PARTS, load
from PIL import Image
from pictures import BAD, FOX, SAILOR
from samplers import ALL

KEYS = "model prompt negative_prompt width height steps guidance guidance_from guidance_until scheduler seed".split()
ROWS = [
    ("base", FOX, BAD, 64, 64, 7, 7.5, 0.0, 0.4, "dpmpp_2m", 41),
    ("base", SAILOR, BAD, 64, 64, 8, 5.0, 0.3, 0.7, "euler_a", 42),
    ("base", FOX, None, 64, 64, 5, 5.0, 0.25, 1.0, "heun", 43),
    ("all-3x2", FOX, BAD, 64, 64, 6, 9.0, 0.0, 0.1, "ddim", 44),
    ("all-3x2", SAILOR, BAD, 64, 64, 6, 9.0, 0.5, 1.0, "euler", 45),
    ("xl", FOX, BAD, 64, 64, 6, 5.0, 0.0, 0.3, "dpmpp_2m_karras", 46),
]


class Interval:
    """As the official callbacks, and with a beginning."""

    tensor_inputs = ["prompt_embeds"]

    def __init__(self, pipe, setting):
        self.setting = setting
        self.pair = torch.cat(pipe.encode_prompt(
            setting["prompt"], "cpu", 1, True, setting["negative_prompt"])[::-1]) if setting["guidance_from"] else None
        self.cut = SDCFGCutoffCallback(cutoff_step_ratio=setting["guidance_until"])

    def __call__(self, pipe, index, timestep, values):
        begin = int(pipe.num_timesteps * self.setting["guidance_from"])
        if self.pair is not None and index == begin - 1:
            pipe._guidance_scale = self.setting["guidance"]
            values["prompt_embeds"] = self.pair
        return self.cut(pipe, index, timestep, values) if self.setting["guidance_until"] < 1 else values


@torch.no_grad()
def draw(pipe, setting):
    own = pipe.scheduler
    kind, changes = ALL[setting["scheduler"]]
    pipe.scheduler = kind.from_config(own.config, **changes)
    more = {}
    if setting["model"] == "xl":
        more["callback_on_step_end"] = SDXLCFGCutoffCallback(cutoff_step_ratio=setting["guidance_until"])
        more["callback_on_step_end_tensor_inputs"] = ["prompt_embeds", "add_text_embeds", "add_time_ids"]
    else:
        more["callback_on_step_end"] = Interval(pipe, setting)
        more["callback_on_step_end_tensor_inputs"] = ["prompt_embeds"]
    try:
        image = pipe(
            setting["prompt"], negative_prompt=setting["negative_prompt"], width=setting["width"],
            height=setting["height"], num_inference_steps=setting["steps"],
            guidance_scale=0.0 if setting["guidance_from"] else setting["guidance"],
            generator=torch.Generator("cpu").manual_seed(setting["seed"]), **more,
        ).images[0]
    finally:
        pipe.scheduler = own
    return np.array(image)


def make(root):
    common.PARTS.update(PARTS)
    os.makedirs(os.path.join(root, "guidance"), exist_ok=True)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        pipe = load(root, "xl") if setting["model"] == "xl" else load_model(root, setting["model"])
        picture = draw(pipe, setting)
        assert picture.std() > 10, (setting, picture.std())
        with second_way(pipe):
            difference = levels(draw(pipe, setting), picture)
        assert difference["max"] <= 1, (setting, difference)
        share = 1 / setting["steps"]
        # The first steps change more than the last.
        shift = {"guidance_from": setting["guidance_from"] - share} if setting["guidance_from"] else {
            "guidance_until": setting["guidance_until"] + share}
        shifted = levels(draw(pipe, setting | shift), picture)
        assert shifted["mean"] > 0.15, (setting, shifted)
        file = f"{number:02d}-{setting['model']}-{setting['scheduler']}.png"
        Image.fromarray(picture).save(os.path.join(root, "guidance", file), optimize=True)
        entries.append(
            {"file": file} | setting
            | {"seed": str(setting["seed"]), "second_way": difference, "shifted": shifted["mean"]})
        print(entries[-1], flush=True)
    write_json(os.path.join(root, "guidance/renders.json"), entries)
