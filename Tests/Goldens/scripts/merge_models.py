"""Merges made by the genuine segmoe package, and their gates.

The reference leaves the noise of its gate runs unseeded. Here the pipeline's
call is wrapped, so that torch's default generator is seeded with the gate seed
before each expert's run; nothing of the package itself is changed.

What is kept: the recipe, all gates (F32), the scheduler that the reference
saved, and its merged UNet, every tensor in the narrowest of F16, BF16 and F32
that holds its values exactly (the reference wrote them all as F32).
"""

import contextlib
import os
import shutil
import tempfile

import torch
import yaml
from common import PARTS, StableDiffusionPipeline, assemble, read_json, save_tensors, write_json
from safetensors.torch import load_file
from segmoe import SegMoEPipeline

GATE_SEED = 0
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"

PROMPTS = {
    "base": ("a photo of a quiet mountain lake at dawn", "blurry, low quality"),
    "expert-a": ("a red fox in the snow, oil painting", "photo, text"),
    "expert-b": ("portrait of an old sailor, black ink", "colour, bad hands"),
}


def expert(name):
    positive, negative = PROMPTS[name]
    return {"source_model": name, "positive_prompt": positive, "negative_prompt": negative}


RECIPES = {
    "all-3x2": {
        "base_model": "base",
        "num_experts": 3,
        "moe_layers": "all",
        "num_experts_per_tok": 2,
        "type": "sd",
        "experts": [expert("base"), expert("expert-a"), expert("expert-b")],
    },
    "ff-2x1": {
        "base_model": "base",
        "num_experts": 2,
        "moe_layers": "ff",
        "num_experts_per_tok": 1,
        "type": "sd",
        "init": "hidden",
        "experts": [expert("expert-b"), expert("expert-a")],
    },
    # Leaves out what has a default: moe_layers is `attn`, num_experts_per_tok 1.
    # The base of the merge is no expert of it.
    "attn-3x1": {
        "base_model": "expert-a",
        "num_experts": 3,
        "type": "sd",
        "experts": [expert("base"), expert("expert-b"), expert("expert-a")],
    },
}


@contextlib.contextmanager
def seeded_runs(seed=GATE_SEED):
    """Seeds torch's default generator before every pipeline run. segmoe passes no
    generator, so first latents and DDPM's step noise all come from there, in order."""
    genuine = StableDiffusionPipeline.__call__

    def call(self, *arguments, **keywords):
        torch.manual_seed(seed)
        self.set_progress_bar_config(disable=True)
        return genuine(self, *arguments, **keywords)

    StableDiffusionPipeline.__call__ = call
    try:
        yield
    finally:
        StableDiffusionPipeline.__call__ = genuine


@contextlib.contextmanager
def working_in(folder):
    """Recipes name their models relative to the working directory, as upstream."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def merge(recipe_path, out, seed=GATE_SEED):
    with seeded_runs(seed):
        pipeline = SegMoEPipeline(recipe_path, device="cpu", torch_dtype=torch.float32, variant=None)
    pipeline.save_pretrained(out)


def narrowed(tensor):
    for dtype in (torch.float16, torch.bfloat16):
        if torch.equal(tensor.to(dtype).float(), tensor):
            return tensor.to(dtype)
    return tensor


def check_against_experts(root, name, tensors):
    """The experts' weights must have come through untouched, each in its place."""
    recipe = RECIPES[name]
    stored = {}
    for model in {entry["source_model"] for entry in recipe["experts"]} | {recipe["base_model"]}:
        folder = PARTS[model][-1]
        stored[model] = load_file(os.path.join(root, folder, WEIGHTS))
    for key, value in tensors.items():
        if ".gate." in key:
            continue
        source, plain = recipe["base_model"], key
        if ".experts." in key:
            head, tail = key.split(".experts.")
            index, tail = tail.split(".", 1)
            source, plain = recipe["experts"][int(index)]["source_model"], f"{head}.{tail}"
        assert torch.equal(stored[source][plain].float(), value), key


def make(root):
    for name, recipe in RECIPES.items():
        target = os.path.join(root, "merges", name)
        os.makedirs(target, exist_ok=True)
        with open(os.path.join(target, "recipe.yaml"), "w") as file:
            yaml.safe_dump(recipe, file, sort_keys=False)
        with tempfile.TemporaryDirectory() as folder, working_in(folder):
            for model in ("base", "expert-a", "expert-b"):
                assemble(root, model, folder)
            merge(os.path.join(target, "recipe.yaml"), "merged")
            tensors = load_file(os.path.join("merged", WEIGHTS))
            check_against_experts(root, name, tensors)
            config = read_json("merged/unet/config.json")
            config.pop("_name_or_path", None)
            write_json(os.path.join(target, "unet/config.json"), config)
            save_tensors(os.path.join(target, WEIGHTS), {k: narrowed(v) for k, v in tensors.items()})
            gates = {k: v for k, v in tensors.items() if k.endswith(".gate.weight")}
            save_tensors(os.path.join(target, "gates.safetensors"), gates)
            shutil.copytree("merged/scheduler", os.path.join(target, "scheduler"), dirs_exist_ok=True)
            index = read_json("merged/model_index.json")
            index.pop("_name_or_path", None)
            write_json(os.path.join(target, "model_index.json"), index)
            listing = sorted(os.path.relpath(os.path.join(d, f), "merged") for d, _, fs in os.walk("merged") for f in fs)
            write_json(os.path.join(target, "files-saved.json"), listing)
