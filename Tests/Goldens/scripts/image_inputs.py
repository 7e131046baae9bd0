"""Renders that start from a picture, with and without a mask: `images/`.

`base`, `xl`, and `base` with the tiny VAE go through diffusers' img2img and inpainting pipelines,
with three models more. `painter` and `xl-painter` are UNets of nine channels. `clipping` has a scheduler file that
says what the pipelines overrule: Runge-Kutta steps in inpainting, `clip_sample` in all else. The
inputs are of odd sizes; img2img gets them resized beforehand, since its pipeline takes the size
from the picture. Also Pillow's resizing itself, and what the VAEs' encoders give.
"""

import os
import tempfile

import common
import diffusers
import numpy as np
import torch
from common import assemble, levels, save_tensors, second_way, write_json
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from families import PARTS as FAMILIES
from families import SMALL, WEIGHTS, XL_UNET
from pictures import BAD, CAFE, FOX, SAILOR
from PIL import Image, ImageFilter
from scheduler_traces import MORE
from tiny_models import save_weights, scale_output, shake_norms

PARTS = FAMILIES | {
    "painter": ["model/base", "images/painter"],
    "xl-painter": ["model/base", "families/xl", "images/xl-painter"],
    "clipping": ["model/base", "images/clipping"],
    "tiny": ["model/base"],
}
XL_PAINTER = XL_UNET | {"in_channels": 9, "layers_per_block": 1, "transformer_layers_per_block": [1, 1, 2]}
KEYS = "model prompt negative_prompt width height steps guidance scheduler seed strength masked".split()
ROWS = [
    ("base", FOX, BAD, 64, 72, 6, 5.0, "ddim", 31, 0.6, False),
    ("base", SAILOR, None, 72, 64, 5, 3.0, "ddpm", 32, 1.0, False),
    ("base", CAFE, None, 64, 64, 7, 3.0, "pndm", 33, 0.75, False),
    ("base", CAFE, None, 64, 64, 7, 3.0, "lms", 34, 0.6, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "heun", 35, 0.5, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "euler", 36, 0.7, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "euler_a", 37, 0.7, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "dpmpp_2m_karras", 38, 0.7, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "dpmpp_2m_sde_karras", 39, 0.7, False),
    ("base", CAFE, None, 64, 64, 6, 3.0, "unipc", 40, 0.7, False),
    ("base", CAFE, None, 64, 64, 6, 1.0, "lcm", 41, 0.7, False),
    ("tiny", FOX, BAD, 64, 72, 5, 5.0, "ddim", 42, 0.6, False),
    ("xl", FOX, None, 72, 64, 6, 5.0, None, 43, 0.6, False),
    ("base", FOX, BAD, 72, 64, 6, 5.0, "ddim", 44, 0.8, True),
    ("base", SAILOR, None, 64, 64, 5, 3.0, "euler_a", 45, 1.0, True),
    ("base", SAILOR, None, 64, 64, 5, 3.0, "heun", 46, 0.6, True),
    ("base", SAILOR, None, 64, 64, 5, 3.0, "pndm", 47, 0.8, True),
    ("base", SAILOR, None, 64, 64, 5, 3.0, "dpmpp_2m", 48, 0.8, True),
    ("painter", FOX, BAD, 64, 72, 6, 5.0, "ddim", 49, 0.8, True),
    ("painter", CAFE, None, 72, 64, 5, 3.0, "euler_a", 50, 1.0, True),
    ("xl", SAILOR, "", 64, 64, 5, 3.0, None, 51, 0.7, True),
    ("clipping", FOX, BAD, 64, 64, 7, 5.0, None, 52, 0.8, True),
    ("clipping", FOX, BAD, 64, 64, 6, 5.0, "ddim", 53, 0.8, True),
    ("clipping", FOX, BAD, 64, 64, 6, 5.0, "ddim", 54, 0.8, False),
    ("xl-painter", FOX, BAD, 64, 72, 6, 5.0, None, 55, 0.9, True),
    ("xl-painter", SAILOR, None, 72, 64, 5, 3.0, "dpmpp_2m_karras", 56, 1.0, True),
]


def inputs(folder):
    """A picture of 53 by 71 pixels and a mask of 40 by 90, both with soft and hard edges."""
    noise = np.random.default_rng(9)
    picture = Image.fromarray(noise.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((53, 71), Image.BICUBIC)
    picture.paste((250, 30, 40), (10, 12, 30, 40))
    mask = Image.new("L", (40, 90), 0)
    mask.paste(255, (8, 20, 29, 70))
    mask = mask.filter(ImageFilter.GaussianBlur(2))
    picture.save(os.path.join(folder, "picture.png"), optimize=True)
    mask.save(os.path.join(folder, "mask.png"), optimize=True)
    return picture, mask


def resizing(folder, picture):
    for width, height in ((20, 30), (64, 72), (53, 100), (160, 71), (7, 5), (72, 64), (48, 75)):
        file = os.path.join(folder, f"resized-{width}x{height}.png")
        picture.resize((width, height), Image.LANCZOS).save(file, optimize=True)


def load(root, setting):
    with tempfile.TemporaryDirectory() as folder:
        path = assemble(root, setting["model"], folder)
        is_xl = setting["model"].startswith("xl")
        more = {"add_watermarker": False} if is_xl else {}
        if setting["model"] == "tiny":
            more["vae"] = AutoencoderTiny.from_pretrained(os.path.join(root, "vae/tiny"))
        kind = "XL" if is_xl else ""
        task = "Inpaint" if setting["masked"] else "Img2Img"
        pipe = getattr(diffusers, f"StableDiffusion{kind}{task}Pipeline").from_pretrained(
            path, torch_dtype=torch.float32, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, setting, picture, mask):
    own = pipe.scheduler
    if setting["scheduler"] is not None:
        kind, changes = MORE[setting["scheduler"]] if setting["scheduler"] in MORE else (
            common.SCHEDULERS[setting["scheduler"]], {})
        pipe.scheduler = kind.from_config(own.config, **changes)
    size = (setting["width"], setting["height"])
    if setting["masked"]:
        more = {"image": picture, "mask_image": mask, "width": size[0], "height": size[1]}
    else:
        more = {"image": picture.resize(size, Image.LANCZOS)}
    try:
        with torch.no_grad():
            image = pipe(
                prompt=setting["prompt"], negative_prompt=setting["negative_prompt"],
                num_inference_steps=setting["steps"], guidance_scale=setting["guidance"],
                strength=setting["strength"], generator=torch.Generator("cpu").manual_seed(setting["seed"]), **more,
            ).images[0]
    finally:
        pipe.scheduler = own
    assert image.size == size, (image.size, size)
    return np.array(image)


def make_one(root, setting, number, picture, mask):
    pipe = load(root, setting)
    drawn = draw(pipe, setting, picture, mask)
    assert drawn.std() > 15, (setting, drawn.std())
    with second_way(pipe) if setting["model"] != "tiny" else torch.backends.mkldnn.flags(enabled=False):
        difference = levels(draw(pipe, setting, picture, mask), drawn)
    assert difference["max"] <= 1, (setting, difference)
    method = setting["scheduler"] or "own"
    kind = "inpaint" if setting["masked"] else "img2img"
    file = f"{number:02d}-{kind}-{setting['model']}-{method}.png"
    Image.fromarray(drawn).save(os.path.join(root, "images", file), optimize=True)
    about = {"file": file} | setting | {"seed": str(setting["seed"]), "second_way": difference}
    flipped = picture.transpose(Image.FLIP_LEFT_RIGHT)
    about["other_picture"] = levels(draw(pipe, setting, flipped, mask), drawn)["mean"]
    return about


@torch.no_grad()
def encoders(root, picture):
    pixels = torch.from_numpy(np.array(picture.resize((64, 72), Image.LANCZOS))).permute(2, 0, 1)[None] / 255 * 2 - 1
    kinds = {
        "base": (AutoencoderKL, "model/base/vae"), "xl": (AutoencoderKL, "families/xl/vae"),
        "tiny": (AutoencoderTiny, "vae/tiny"),
    }
    found = {}
    for name, (kind, folder) in kinds.items():
        coded = kind.from_pretrained(os.path.join(root, folder)).eval().float().encode(pixels)
        found[name] = coded.latent_dist.parameters if hasattr(coded, "latent_dist") else coded.latents
    save_tensors(os.path.join(root, "images/encoded.safetensors"), found)


@torch.no_grad()
def make(root):
    common.PARTS.update(PARTS)
    folder = os.path.join(root, "images")
    os.makedirs(folder, exist_ok=True)
    picture, mask = inputs(folder)
    resizing(folder, picture)
    encoders(root, picture)
    painter = SMALL | {"in_channels": 9}
    save_weights(os.path.join(folder, "painter/unet"), painter, WEIGHTS, painter_unet(painter), torch.float16)
    save_weights(os.path.join(folder, "xl-painter/unet"), XL_PAINTER, WEIGHTS, xl_painter_unet(), torch.float16)
    scheduler = common.read_json(os.path.join(root, "model/base/scheduler/scheduler_config.json"))
    os.makedirs(os.path.join(folder, "clipping/scheduler"), exist_ok=True)
    write_json(
        os.path.join(folder, "clipping/scheduler/scheduler_config.json"),
        scheduler | {"clip_sample": True, "skip_prk_steps": False})
    entries = []
    for number, row in enumerate(ROWS):
        entries.append(make_one(root, dict(zip(KEYS, row)), number, picture, mask))
        print(entries[-1], flush=True)
    write_json(os.path.join(folder, "renders.json"), entries)


@torch.no_grad()
def painter_unet(config):
    torch.manual_seed(71)
    model = UNet2DConditionModel.from_config(config).eval()
    shake_norms(model)
    noise = torch.Generator().manual_seed(1)
    states = torch.randn(3, 77, config["cross_attention_dim"], generator=noise)
    out = model(torch.randn(3, 9, 16, 16, generator=noise), torch.tensor([981, 501, 21]), states).sample
    scale_output(model.conv_out, out, 1.0)
    return model


@torch.no_grad()
def xl_painter_unet():
    torch.manual_seed(72)
    model = UNet2DConditionModel.from_config(XL_PAINTER).eval()
    shake_norms(model)
    noise = torch.Generator().manual_seed(2)
    states = torch.randn(3, 77, XL_PAINTER["cross_attention_dim"], generator=noise)
    added = {"text_embeds": torch.randn(3, 36, generator=noise), "time_ids": torch.full((3, 6), 64.0)}
    out = model(
        torch.randn(3, 9, 16, 16, generator=noise), torch.tensor([981, 501, 21]), states,
        added_cond_kwargs=added).sample
    scale_output(model.conv_out, out, 1.0)
    return model
