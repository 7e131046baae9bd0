"""What diffusers takes single files for: `single/kinds.json`.

Names and shapes of Stability's checkpoints (`single/real-KIND.json`) without data, changed in what tells the
kinds apart, and VAEs alone. For each: the model on the hub whose configurations `from_single_file` takes, the
kind of prediction by its rule for files without configurations (`_legacy_load_scheduler`), and, for a VAE
alone, the scaling factor that it gets: the default of `AutoencoderKL`, since that model's file has none.
"""

import inspect
import os

import torch
from common import read_json, write_json
from diffusers import AutoencoderKL, DDIMScheduler
from diffusers.loaders.single_file_utils import _legacy_load_scheduler, fetch_diffusers_config

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
VAE = "first_stage_model."


def checkpoint(root, kind):
    rows = read_json(os.path.join(root, "single", f"real-{kind}.json"))[1:]
    return {row[0]: torch.empty(row[1:], device="meta") for row in rows}


def cases(root):
    inpainting = {FIRST: torch.empty(320, 9, 3, 3, device="meta")}
    for kind in ("sd1", "sd2", "sdxl"):
        whole = checkpoint(root, kind)
        yield kind, kind, [], whole
        yield f"{kind}-inpainting", kind, ["inpainting"], whole | inpainting
        alone = {name.removeprefix(VAE): tensor for name, tensor in whole.items() if name.startswith(VAE)}
        yield f"{kind}-vae", kind, ["vae"], alone
    for step in (875000, 140000, 470000):
        yield f"sd2-step-{step}", "sd2", ["step", step], checkpoint(root, "sd2") | {"global_step": torch.tensor(step)}


def make(root):
    default = inspect.signature(AutoencoderKL.__init__).parameters["scaling_factor"].default
    found = []
    for name, kind, changes, tensors in cases(root):
        scheduler = _legacy_load_scheduler(DDIMScheduler, tensors, "scheduler")
        entry = {
            "name": name,
            "kind": kind,
            "changes": changes,
            "model": fetch_diffusers_config(tensors)["pretrained_model_name_or_path"],
            "prediction": scheduler.config.prediction_type,
        }
        if changes == ["vae"]:
            assert entry["model"] == "stable-diffusion-v1-5/stable-diffusion-v1-5", entry
            entry["scaling_factor"] = default
        found.append(entry)
        print(entry)
    write_json(os.path.join(root, "single/kinds.json"), found)
