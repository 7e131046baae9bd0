"""What every golden script shares: a quiet, deterministic torch, model folders
put together from parts, and the second way of computing the same numbers.

A golden model is kept in parts, so that nothing is committed twice: an expert
is a `unet/` alone, all the rest is the base's. `PARTS` says which folders make
up which model; a later folder's components replace an earlier one's.
"""

import contextlib
import json
import os
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
# Never used here, and a torchvision that does not match torch fails at import.
sys.modules["torchvision"] = None
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import torch
from safetensors.torch import save_file

torch.set_num_threads(2)
# segmoe calls it, CPU or not.
torch.cuda.empty_cache = lambda: None

import diffusers
import transformers

diffusers.logging.set_verbosity_error()
diffusers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

from diffusers import DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor

PARTS = {
    "base": ["model/base"],
    "expert-a": ["model/base", "model/expert-a"],
    "expert-b": ["model/base", "model/expert-b"],
    "wide": ["model/base", "model/wide"],
    "all-3x2": ["model/base", "merges/all-3x2"],
    "ff-2x1": ["model/base", "merges/ff-2x1"],
    "attn-3x1": ["model/base", "merges/attn-3x1"],
}

SCHEDULERS = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}

COMPONENTS = {
    "unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler", "model_index.json",
}


def write_json(path, value):
    """One line an entry where the value is a list, so that differences can be read."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        if isinstance(value, list):
            file.write("[\n" + ",\n".join(json.dumps(entry) for entry in value) + "\n]\n")
        else:
            json.dump(value, file, indent=2)
            file.write("\n")


def read_json(path):
    with open(path) as file:
        return json.load(file)


def save_tensors(path, tensors):
    """Contiguous copies, sorted by name."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    kept = {name: tensors[name].detach().contiguous().clone() for name in sorted(tensors)}
    save_file(kept, path, metadata={"format": "pt"})


def assemble(root, name, folder):
    """Makes `folder`/`name`, a whole model folder, of links into the parts under `root`."""
    whole = os.path.join(folder, name)
    os.makedirs(whole, exist_ok=True)
    for part in PARTS[name]:
        for component in sorted(os.listdir(os.path.join(root, part))):
            if component not in COMPONENTS:
                continue
            link = os.path.join(whole, component)
            if os.path.lexists(link):
                os.remove(link)
            os.symlink(os.path.abspath(os.path.join(root, part, component)), link)
    return whole


def is_merged(folder):
    return "segmoe_config" in read_json(os.path.join(folder, "unet/config.json"))


def load_folder(folder):
    """The genuine loader: segmoe for what segmoe merged, diffusers for a plain model."""
    if is_merged(folder):
        from segmoe import SegMoEPipeline

        pipe = SegMoEPipeline(folder, device="cpu", torch_dtype=torch.float32, variant=None).pipe
    else:
        pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_model(root, name):
    with tempfile.TemporaryDirectory() as folder:
        return load_folder(assemble(root, name, folder))


@contextlib.contextmanager
def second_way(pipe):
    """The same mathematics by other code: no oneDNN, plain attention instead of
    the fused one, one thread. Where the two ways differ is the noise of f32."""
    fused = pipe.unet.attn_processors, pipe.vae.attn_processors
    threads = torch.get_num_threads()
    pipe.unet.set_attn_processor(AttnProcessor())
    pipe.vae.set_attn_processor(AttnProcessor())
    encoders = [pipe.text_encoder, getattr(pipe, "text_encoder_2", None)]
    encoders = [encoder for encoder in encoders if encoder is not None]
    for encoder in encoders:
        encoder.set_attn_implementation("eager")
    torch.set_num_threads(1)
    try:
        with torch.backends.mkldnn.flags(enabled=False):
            yield
    finally:
        torch.set_num_threads(threads)
        for encoder in encoders:
            encoder.set_attn_implementation("sdpa")
        pipe.unet.set_attn_processor(fused[0])
        pipe.vae.set_attn_processor(fused[1])


def render(pipe, setting):
    """A picture as uint8 [height, width, 3], by the pipeline's own call."""
    own = pipe.scheduler
    if setting["scheduler"] is not None:
        pipe.scheduler = SCHEDULERS[setting["scheduler"]].from_config(own.config)
    try:
        with torch.no_grad():
            image = pipe(
                setting["prompt"],
                negative_prompt=setting["negative_prompt"],
                width=setting["width"],
                height=setting["height"],
                num_inference_steps=setting["steps"],
                guidance_scale=setting["guidance"],
                generator=torch.Generator("cpu").manual_seed(setting["seed"]),
            ).images[0]
    finally:
        pipe.scheduler = own
    return np.array(image)


def levels(a, b):
    """Mean and maximum difference of two pictures, in 8-bit levels."""
    difference = np.abs(a.astype(int) - b.astype(int))
    return {"mean": round(float(difference.mean()), 6), "max": int(difference.max())}


def relative_error(a, b):
    """Largest difference, as a share of the largest value."""
    return float((a - b).abs().max() / b.abs().max())
