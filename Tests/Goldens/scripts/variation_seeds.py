"""Variation seeds: `variation/`.

The rule is that of AUTOMATIC1111's `modules/rng.py` at 0d5dc9a6e7f6362e423a06bf0e75dd5854025394 (`slerp` and
`ImageRNG.first`), written anew in `turned`: the first noise of the seed is turned toward that of the variation seed. A
latent has no batch dimension there, so dimension 1 is the height. Later draws come from the seed's generator, which has
drawn its first noise as without a variation (`ImageRNG.next`).

`noise.safetensors` has such noises, and its index says how far they are from the same in f64; `renders.json` lists pictures that diffusers' pipelines make of them as `latents`.
Every picture is made twice, as in `pictures.py`, once without the variation and once with half of it: the differences
say how much a build that does otherwise would be off.
"""

import os

import common
import numpy as np
import torch
from common import levels, save_tensors, second_way, write_json
from families import PARTS, load
from PIL import Image
from pictures import BAD, FOX, SAILOR
from samplers import ALL

# Seed, variation seed, strength, channels, height, width.
NOISES = [
    (1, 2, 0.0, 4, 8, 8), (1, 2, 0.1, 4, 8, 8), (1, 2, 0.5, 4, 8, 8), (1, 2, 1.0, 4, 8, 8), (3, 4, 0.25, 4, 2, 9),
    (2**32 + 5, 2**64 - 1, 0.75, 4, 12, 5), (6, 6, 0.3, 4, 8, 8), (6, 2**32 + 6, 0.3, 4, 9, 7), (7, 8, 0.9, 4, 64, 40),
]
KEYS = (
    "model prompt negative_prompt width height steps guidance scheduler seed variation_seed variation_strength".split()
)
ROWS = [
    ("base", FOX, BAD, 64, 64, 6, 7.5, "dpmpp_2m", 51, 61, 0.2),
    ("base", SAILOR, None, 96, 64, 6, 5.0, "euler_a", 52, 62, 0.5),
    ("xl", FOX, BAD, 64, 64, 5, 5.0, "ddim", 53, 63, 0.8),
    ("base", FOX, BAD, 64, 64, 6, 7.5, "dpmpp_sde", 54, 64, 1.0),
]


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


def turned(first, second, share):
    """`first` turned toward `second`, both [channel, height, width], along dimension 1."""
    cosine = (torch.nn.functional.normalize(first, dim=1) * torch.nn.functional.normalize(second, dim=1)).sum(1)
    if cosine.mean() > 0.9995:
        # The shares are exchanged in the original, too.
        return share * first + (1 - share) * second
    angle = torch.acos(cosine)[:, None]
    return (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)


def first_noise(stream, setting, shape):
    noise = torch.randn(shape, generator=stream)
    if setting["variation_strength"] == 0:
        return noise
    other = torch.randn(shape, generator=generator(setting["variation_seed"]))
    return turned(noise, other, setting["variation_strength"])


@torch.no_grad()
def draw(pipe, setting):
    own = pipe.scheduler
    kind, changes = ALL[setting["scheduler"]]
    more = {"noise_sampler_seed": setting["seed"]} if setting["scheduler"] == "dpmpp_sde" else {}
    pipe.scheduler = kind.from_config(own.config, **changes, **more)
    stream = generator(setting["seed"])
    shape = (4, setting["height"] // pipe.vae_scale_factor, setting["width"] // pipe.vae_scale_factor)
    try:
        image = pipe(
            setting["prompt"], negative_prompt=setting["negative_prompt"], width=setting["width"],
            height=setting["height"], num_inference_steps=setting["steps"], guidance_scale=setting["guidance"],
            latents=first_noise(stream, setting, shape)[None], generator=stream,
        ).images[0]
    finally:
        pipe.scheduler = own
    return np.array(image)


def make(root):
    common.PARTS.update(PARTS)
    os.makedirs(os.path.join(root, "variation"), exist_ok=True)
    tensors, index = {}, []
    for number, (seed, other, strength, *shape) in enumerate(NOISES):
        setting = {"variation_seed": other, "variation_strength": strength}
        noise = first_noise(generator(seed), setting, tuple(shape))
        assert torch.isfinite(noise).all()
        rounding = 0.0
        if strength:
            both = (torch.randn(shape, generator=generator(each)).double() for each in (seed, other))
            rounding = float((turned(*both, strength) - noise).abs().max())
        tensors[f"{number:02d}"] = noise.contiguous()
        index.append(
            {"name": f"{number:02d}", "seed": str(seed), "variation_seed": str(other), "strength": strength,
             "shape": shape, "rounding": rounding})
    save_tensors(os.path.join(root, "variation/noise.safetensors"), tensors)
    write_json(os.path.join(root, "variation/noise.json"), index)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        pipe = load(root, setting["model"])
        picture = draw(pipe, setting)
        assert picture.std() > 10, (setting, picture.std())
        with second_way(pipe):
            difference = levels(draw(pipe, setting), picture)
        assert difference["max"] <= 1, (setting, difference)
        others = {
            name: levels(draw(pipe, setting | {"variation_strength": share}), picture)["mean"]
            for name, share in [("without", 0), ("half", setting["variation_strength"] / 2)]}
        assert min(others.values()) > 0.5, (setting, others)
        file = f"{number:02d}-{setting['model']}-{setting['scheduler']}.png"
        Image.fromarray(picture).save(os.path.join(root, "variation", file), optimize=True)
        seeds = {name: str(setting[name]) for name in ["seed", "variation_seed"]}
        entries.append({"file": file} | setting | seeds | {"second_way": difference} | others)
        print(entries[-1], flush=True)
    write_json(os.path.join(root, "variation/renders.json"), entries)
