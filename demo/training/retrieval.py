"""Is each rendered picture nearer to its own emoji than to every other?

Renders N captions drawn with --seed (or reads a folder of pictures), averages 4x4 pixels (128 -> 32),
and compares squared RGB distances to all emoji of captions.tsv.

  retrieval.py --images DIR                     PNGs named CODEPOINT.png (2764.png), or N PNGs in order
  retrieval.py --segmoe BINARY --model DIR      renders with the Swift engine first
  retrieval.py --diffusers DIR [--lora FILE]    renders with diffusers first
  retrieval.py --reconstructions DIR            encodes and decodes with the VAE only
  retrieval.py --list                           prints the captions, one a line
"""
import argparse
import os
import random
import subprocess
import tempfile

import numpy as np
from PIL import Image

import data

HERE = os.path.dirname(os.path.abspath(__file__))


def small(pictures):
    """[N, 128, 128, 3] -> [N, 32*32*3], box filter."""
    x = np.asarray(pictures, np.float64)
    return x.reshape(len(x), 32, 4, 32, 4, 3).mean((2, 4)).reshape(len(x), -1)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def render_segmoe(a, rows, folder):
    for i, (point, _, caption) in enumerate(rows):
        subprocess.run(
            [a.segmoe, "render", a.model, "--prompt", caption, "--width", "128", "--height", "128",
             "--steps", str(a.steps), "--guidance", f"{a.guidance:g}", "--scheduler", "ddim",
             "--precision", a.precision,
             "--seed", str(a.seed + i), "--output", f"{folder}/{point:04X}.png"],
            check=True, stdout=subprocess.DEVNULL)


def render_diffusers(a, rows, folder):
    import torch
    from diffusers import StableDiffusionPipeline

    torch.set_num_threads(2)
    pipe = StableDiffusionPipeline.from_pretrained(a.diffusers, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if a.lora:
        pipe.load_lora_weights(os.path.dirname(os.path.abspath(a.lora)), weight_name=os.path.basename(a.lora))
    for start in range(0, len(rows), 16):
        part = rows[start : start + 16]
        seeds = [torch.Generator().manual_seed(a.seed + start + i) for i in range(len(part))]
        images = pipe([caption for _, _, caption in part], width=128, height=128, num_inference_steps=a.steps,
                      guidance_scale=a.guidance, generator=seeds).images
        for (point, _, _), image in zip(part, images):
            image.save(f"{folder}/{point:04X}.png")


def reconstruct(a, rows, pictures, folder):
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(a.reconstructions, torch_dtype=torch.float32)
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
    y = ((y / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    for (point, _, _), image in zip(rows, y):
        Image.fromarray(image).save(f"{folder}/{point:04X}.png")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--captions", default=f"{HERE}/../captions.tsv")
    p.add_argument("--count", type=int, default=64)
    p.add_argument("--seed", type=int, default=0, help="of the drawing of captions, and of the first picture")
    p.add_argument("--group", help="draw from this group only: " + ", ".join(data.GROUPS.values()))
    p.add_argument("--images")
    p.add_argument("--segmoe"), p.add_argument("--model")
    p.add_argument("--precision", default="f32", help="of --segmoe: f32, bf16 or int8")
    p.add_argument("--diffusers"), p.add_argument("--lora")
    p.add_argument("--reconstructions")
    p.add_argument("--list", action="store_true")
    p.add_argument("--steps", type=int, default=25)
    p.add_argument("--guidance", type=float, default=3)
    p.add_argument("--keep", help="folder for the renderings")
    p.add_argument("--sheet", help="write a contact sheet: each emoji, and its rendering under it")
    a = p.parse_args()

    captions = data.read_captions(a.captions)
    pool = [row for row in captions if a.group in (None, row[1])]
    rows = random.Random(a.seed).sample(pool, min(a.count, len(pool)))
    if a.list:
        print("\n".join(caption for _, _, caption in rows))
        return

    known, pictures = data.load()
    index = {point: i for i, (point, _, _) in enumerate(known)}
    own = [index[point] for point, _, _ in rows]
    with tempfile.TemporaryDirectory() as temporary:
        folder = a.images or a.keep or temporary
        os.makedirs(folder, exist_ok=True)
        if a.segmoe:
            render_segmoe(a, rows, folder)
        elif a.diffusers:
            render_diffusers(a, rows, folder)
        elif a.reconstructions:
            reconstruct(a, rows, [pictures[i] for i in own], folder)
        names = [f"{point:04X}.png" for point, _, _ in rows]
        if not all(os.path.exists(f"{folder}/{name}") for name in names):
            names = sorted(name for name in os.listdir(folder) if name.endswith(".png"))
            if len(names) != len(rows):
                p.error(f"{folder} holds {len(names)} PNGs, expected {len(rows)}")
        rendered = [read(f"{folder}/{name}") for name in names]

    distance = ((small(rendered)[:, None] - small(pictures)[None]) ** 2).sum(-1)
    nearest = distance.argmin(1)
    for i, n in enumerate(nearest):
        if n != own[i]:
            print(f"miss: {rows[i][2]} -> {known[n][2]}")
    hits = int((nearest == own).sum())
    error = np.sqrt(distance[range(len(own)), own] / (32 * 32 * 3)).mean()
    print(f"retrieval {hits} of {len(rows)} ({100 * hits / len(rows):.1f}%), distance to its own {error:.1f} levels")
    if a.sheet:
        columns = 16
        lines = -(-len(rows) // columns)
        sheet = np.full((lines * 264, columns * 132, 3), 255, np.uint8)
        for i in range(len(rows)):
            y, x = i // columns * 264, i % columns * 132
            sheet[y : y + 128, x : x + 128] = pictures[own[i]]
            sheet[y + 128 : y + 256, x : x + 128] = rendered[i]
        Image.fromarray(sheet).save(a.sheet)


if __name__ == "__main__":
    main()
