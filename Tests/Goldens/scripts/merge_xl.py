"""An SDXL merge made by the genuine segmoe package: `merges/xl-2x2`.

The second expert is the first one with the rows of every matrix in its transformers rolled by one, so that
it need not be committed: the tests roll them as well. Kept are the recipe, the gates, what the reference
says of itself, and a picture of the merged model. All else is checked here to be the experts' own.
"""

import os
import sys
import tempfile

import common
import diffusers
import torch
import yaml
from common import assemble, levels, read_json, save_tensors, second_way, write_json
from families import PARTS as FAMILIES
from families import draw
from merge_models import GATE_SEED, WEIGHTS, working_in
from PIL import Image
from pictures import BAD, FOX
from safetensors.torch import load_file, save_file
from segmoe import SegMoEPipeline

RECIPE = {
    "base_model": "xl",
    "num_experts": 2,
    "moe_layers": "all",
    "num_experts_per_tok": 2,
    "type": "sdxl",
    "experts": [
        {"source_model": "xl", "positive_prompt": "a photo of a quiet mountain lake", "negative_prompt": "blurry"},
        {"source_model": "xl-rolled", "positive_prompt": "portrait of an old sailor", "negative_prompt": "text"},
    ],
}
SETTING = {
    "file": "xl-2x2-128x72.png", "model": "xl-2x2", "prompt": FOX, "negative_prompt": BAD, "width": 128,
    "height": 72, "steps": 5, "guidance": 5.0, "scheduler": None, "seed": 9, "framing": None, "lora": None,
}  # fmt: skip


def is_rolled(name, tensor):
    return ".transformer_blocks." in name and tensor.dim() == 2


def roll(folder):
    """The model folder as a second expert: `xl-rolled` beside it."""
    rolled = folder + "-rolled"
    os.makedirs(rolled)
    for component in os.listdir(folder):
        if component != "unet":
            os.symlink(os.path.realpath(os.path.join(folder, component)), os.path.join(rolled, component))
    tensors = load_file(os.path.join(folder, WEIGHTS))
    tensors = {k: torch.roll(v, 1, 0).contiguous() if is_rolled(k, v) else v for k, v in tensors.items()}
    os.makedirs(os.path.join(rolled, "unet"))
    save_file(tensors, os.path.join(rolled, WEIGHTS), metadata={"format": "pt"})
    write_json(os.path.join(rolled, "unet/config.json"), read_json(os.path.join(folder, "unet/config.json")))


def seeded(cls, seed):
    """The pipeline's call with torch's default generator seeded before; gives back how to undo it."""
    genuine = cls.__call__

    def call(self, *arguments, **keywords):
        torch.manual_seed(seed)
        self.set_progress_bar_config(disable=True)
        return genuine(self, *arguments, **keywords)

    cls.__call__ = call
    return lambda: setattr(cls, "__call__", genuine)


def check_experts(folder, tensors):
    stored = [load_file(os.path.join(folder, name, WEIGHTS)) for name in ("xl", "xl-rolled")]
    for key, value in tensors.items():
        if ".gate." in key:
            continue
        source, plain = 0, key
        if ".experts." in key:
            head, tail = key.split(".experts.")
            source, tail = int(tail.split(".")[0]), tail.split(".", 1)[1]
            plain = f"{head}.{tail}"
        assert torch.equal(stored[source][plain].float(), value.float()), key


@torch.no_grad()
def make(root):
    common.PARTS.update(FAMILIES)
    target = os.path.join(root, "merges/xl-2x2")
    os.makedirs(target, exist_ok=True)
    recipe = os.path.join(target, "recipe.yaml")
    with open(recipe, "w") as file:
        yaml.safe_dump(RECIPE, file, sort_keys=False)
    with tempfile.TemporaryDirectory() as folder, working_in(folder):
        assemble(root, "xl", folder)
        roll(os.path.join(folder, "xl"))
        undo = seeded(diffusers.StableDiffusionXLPipeline, GATE_SEED)
        try:
            made = SegMoEPipeline(recipe, device="cpu", torch_dtype=torch.float32, variant=None)
        finally:
            undo()
        made.save_pretrained("merged")
        tensors = load_file(os.path.join("merged", WEIGHTS))
        check_experts(folder, tensors)
        gates = {k: v for k, v in tensors.items() if k.endswith(".gate.weight")}
        save_tensors(os.path.join(target, "gates.safetensors"), gates)
        config = read_json("merged/unet/config.json")
        config.pop("_name_or_path", None)
        write_json(os.path.join(target, "unet/config.json"), config)
        write_json(
            os.path.join(target, "scheduler/scheduler_config.json"),
            read_json("merged/scheduler/scheduler_config.json"),
        )
        write_json(os.path.join(target, "names.json"), sorted(tensors))
        pipe = SegMoEPipeline("merged", device="cpu", torch_dtype=torch.float32, variant=None).pipe
        pipe.set_progress_bar_config(disable=True)
        picture = draw(pipe, SETTING)
        with second_way(pipe):
            difference = levels(draw(pipe, SETTING), picture)
        assert difference["max"] <= 1 and picture.std() > 15, (difference, picture.std())
        even = {k: v * 0 for k, v in gates.items()}
        pipe.unet.load_state_dict(even, strict=False)
        planted = levels(draw(pipe, SETTING), picture)
    Image.fromarray(picture).save(os.path.join(target, SETTING["file"]), optimize=True)
    about = SETTING | {"seed": str(SETTING["seed"]), "second_way": difference, "even_weights": planted["mean"]}
    write_json(os.path.join(target, "renders.json"), [about])
    print(about)


if __name__ == "__main__":
    make(os.path.abspath(sys.argv[1]))
