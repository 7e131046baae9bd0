"""Renders in which work is left out by the genuine packages DeepCache and tomesd: `fewer/`.

Both patch a pipeline in place. `DeepCacheSDHelper` keeps every block's last output and gives it again in the steps
between; `tomesd.apply_patch` merges tokens before self attention. tomesd chooses the tokens that stay by a copy of torch's
global generator, made at the first call of the UNet. So each picture here begins with a fresh patch and
`torch.manual_seed(seed)`: that is what "exact to the package" means for one picture of one seed.

Every picture is made twice, as in `pictures.py`. How far it is from the whole work, and from the same with a neighbouring
setting, says how much a build would be off that leaves out something else.
"""

import contextlib
import os

import common
import numpy as np
import tomesd
import torch
from common import levels, load_model, relative_error, save_tensors, second_way, write_json
from DeepCache import DeepCacheSDHelper
from families import PARTS, load
from image_inputs import PARTS as IMAGE_PARTS
from image_inputs import draw as draw_from_picture
from image_inputs import load as load_from_picture
from pictures import BAD, FOX, SAILOR
from PIL import Image
from samplers import ALL

KEYS = "model prompt negative_prompt width height steps guidance scheduler seed deep_cache token_merging strength".split()
ROWS = [
    ("base", FOX, BAD, 64, 64, 7, 7.5, "dpmpp_2m", 51, "2", None, None),
    ("base", FOX, BAD, 64, 64, 7, 5.0, "heun", 52, "3:1", None, None),
    ("base", SAILOR, BAD, 72, 136, 7, 5.0, "pndm", 53, "2:1", None, None),
    ("base", SAILOR, BAD, 64, 64, 9, 5.0, "euler_a", 54, "3:3", None, 0.7),
    ("wide", FOX, BAD, 64, 64, 8, 5.0, "euler", 55, "3:4", None, None),
    ("wide", SAILOR, BAD, 64, 72, 8, 1.0, "ddim", 56, "4:2", None, None),
    ("all-3x2", FOX, BAD, 64, 64, 6, 9.0, "ddim", 57, "2:1", None, None),
    ("xl", FOX, BAD, 64, 64, 6, 5.0, "dpmpp_2m_karras", 58, "2", None, None),
    ("xl", SAILOR, None, 64, 72, 7, 5.0, "euler", 59, "2:3", None, None),
    ("base", FOX, BAD, 64, 64, 6, 7.5, "euler", 60, None, "0.5", None),
    ("base", SAILOR, BAD, 72, 136, 6, 5.0, "dpmpp_2m", 61, None, "0.3", None),
    ("base", SAILOR, BAD, 64, 64, 6, 1.0, "ddim", 62, None, "0.75", None),
    ("wide", FOX, BAD, 64, 72, 6, 5.0, "euler", 63, None, "0.6:4", None),
    ("all-3x2", FOX, BAD, 64, 64, 6, 9.0, "ddim", 2**32 + 64, None, "0.5", None),
    ("xl", FOX, BAD, 64, 64, 6, 5.0, "euler", 65, None, "0.5:2", None),
    ("base", FOX, BAD, 64, 64, 7, 7.5, "euler", 66, "2:1", "0.4", None),
]  # fmt: skip


def open_model(root, setting):
    if setting.get("strength"):
        return load_from_picture(root, setting | {"masked": False})
    return load(root, setting["model"]) if setting["model"] == "xl" else load_model(root, setting["model"])


def two(text, cast, default):
    """`N` or `N:B`."""
    first, _, second = text.partition(":")
    return cast(first), int(second) if second else default


@contextlib.contextmanager
def patched(pipe, setting, **more):
    helper = None
    if setting["token_merging"]:
        ratio, downsample = two(setting["token_merging"], float, 1)
        tomesd.apply_patch(pipe, ratio=ratio, max_downsample=downsample, **more)
    if setting["deep_cache"]:
        interval, branch = two(setting["deep_cache"], int, 0)
        helper = DeepCacheSDHelper(pipe=pipe)
        helper.set_params(cache_interval=interval, cache_branch_id=branch)
        helper.enable()
    try:
        yield
    finally:
        if helper:
            helper.disable()
        tomesd.remove_patch(pipe)


@torch.no_grad()
def draw(root, pipe, setting, **more):
    own = pipe.scheduler
    kind, changes = ALL[setting["scheduler"]]
    pipe.scheduler = kind.from_config(own.config, **changes)
    try:
        with patched(pipe, setting, **more):
            torch.manual_seed(setting["seed"])
            if setting["strength"]:
                picture = Image.open(os.path.join(root, "images/picture.png"))
                mask = Image.open(os.path.join(root, "images/mask.png"))
                return draw_from_picture(pipe, setting | {"scheduler": None, "masked": False}, picture, mask)
            return np.array(pipe(
                setting["prompt"], negative_prompt=setting["negative_prompt"], width=setting["width"],
                height=setting["height"], num_inference_steps=setting["steps"], guidance_scale=setting["guidance"],
                generator=torch.Generator("cpu").manual_seed(setting["seed"]),
            ).images[0])
    finally:
        pipe.scheduler = own


def neighbours(setting):
    """Settings that are wrong by a little, each with what else is patched otherwise."""
    if setting["deep_cache"]:
        interval, branch = two(setting["deep_cache"], int, 0)
        yield setting | {"deep_cache": f"{interval + 1}:{branch}"}, {}
        # Of levels with one layer, neighbouring branches are the same.
        yield setting | {"deep_cache": f"{interval}:{branch + 3 if branch < 3 else branch - 3}"}, {}
    if setting["token_merging"]:
        ratio, downsample = two(setting["token_merging"], float, 1)
        yield setting | {"token_merging": f"{ratio - 0.1}:{downsample}"}, {}
        yield setting | {"token_merging": None}, {}
        if setting["guidance"] > 1:
            yield setting, {"use_rand": False}


def make_pictures(root):
    common.PARTS.update(PARTS | IMAGE_PARTS)
    os.makedirs(os.path.join(root, "fewer"), exist_ok=True)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        pipe = open_model(root, setting)
        picture = draw(root, pipe, setting)
        assert picture.std() > 10, (setting, picture.std())
        with second_way(pipe):
            difference = levels(draw(root, pipe, setting), picture)
        whole = levels(draw(root, pipe, setting | {"deep_cache": None, "token_merging": None}), picture)["mean"]
        others = [levels(draw(root, pipe, other, **more), picture)["mean"] for other, more in neighbours(setting)]
        print(setting, difference, whole, others, flush=True)
        assert difference["max"] <= 1, (setting, difference)
        assert min(others + [whole]) > 0.15, (setting, whole, others)
        what = "-".join([setting["scheduler"], *[key for key in ("deep_cache", "token_merging") if setting[key]]])
        file = f"{number:02d}-{setting['model']}-{what}{'-picture' if setting['strength'] else ''}.png"
        Image.fromarray(picture).save(os.path.join(root, "fewer", file), optimize=True)
        entries.append(
            {"file": file} | setting
            | {"seed": str(setting["seed"]), "second_way": difference, "whole": whole, "nearest": min(others)})
    write_json(os.path.join(root, "fewer/renders.json"), entries)


CALLS = [
    # model, height and width of the latents, deep_cache, token_merging
    ("base", 8, 8, "2", None),
    ("base", 9, 11, "2:4", None),
    ("wide", 8, 8, "2:3", None),
    ("xl", 8, 8, "2:4", None),
    ("base", 8, 8, None, "0.5"),
    ("base", 9, 11, None, "0.75:2"),
    ("wide", 8, 8, None, "0.3:4"),
    ("xl", 8, 8, None, "0.5:2"),
    ("base", 8, 8, "2:1", "0.5"),
]


def inputs_of(unet, height, width):
    """Random inputs by their names in the file; calls share them."""
    def random(*shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))

    config = unet.config
    first, second = random(4, 4, height, width).chunk(2)
    named = {
        f"{height}x{width}.first": first, f"{height}x{width}.second": second,
        f"states.{config.cross_attention_dim}": random(2, 7, config.cross_attention_dim),
    }
    inputs = dict(zip(("first", "second", "states"), named.values()))
    if config.addition_embed_type:
        named["pooled"] = random(2, config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim)
        inputs["pooled"] = named["pooled"]
        inputs["sizes"] = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]] * 2)
    return inputs, named


@torch.no_grad()
def call(pipe, setting, inputs):
    """The outputs of two calls of the UNet: the first is whole, the second not if it is a matter of steps."""
    pipe.scheduler.set_timesteps(4)
    times = pipe.scheduler.timesteps
    more = {"added_cond_kwargs": {"text_embeds": inputs["pooled"], "time_ids": inputs["sizes"]}} if "pooled" in inputs else {}
    with patched(pipe, setting):
        torch.manual_seed(7)
        return [
            pipe.unet(inputs[name], times[step], encoder_hidden_states=inputs["states"], **more).sample
            for step, name in enumerate(("first", "second"))
        ]


def make_calls(root):
    common.PARTS.update(PARTS)
    index, tensors = [], {}
    for number, (model, height, width, deep, merging) in enumerate(CALLS):
        pipe = open_model(root, {"model": model})
        inputs, named = inputs_of(pipe.unet, height, width)
        tensors |= named
        setting = {"deep_cache": deep, "token_merging": merging}
        outputs = call(pipe, setting, inputs)
        with second_way(pipe):
            errors = [relative_error(a, b) for a, b in zip(call(pipe, setting, inputs), outputs)]
        plain = call(pipe, {"deep_cache": None, "token_merging": None}, inputs)
        moved = relative_error(outputs[1], plain[1])
        assert max(errors) < 1e-5 and moved > 0.01, (model, setting, errors, moved)
        pipe.scheduler.set_timesteps(4)
        index.append({
            "name": f"{number:02d}", "model": model, "latents": f"{height}x{width}", "timesteps": [float(t) for t in pipe.scheduler.timesteps[:2]],
            "seed": "7", **setting, "second_way": float(f"{max(errors):.1e}"), "moved": round(moved, 3),
        })
        # Of the first call, which is like any other where only steps differ, the second is made.
        tensors[f"{number:02d}.output"] = outputs[1]
        print(index[-1], flush=True)
    write_json(os.path.join(root, "numbers/fewer.json"), index)
    save_tensors(os.path.join(root, "numbers/fewer.safetensors"), tensors)


def make(root):
    make_calls(root)
    make_pictures(root)
