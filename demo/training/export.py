"""Write the trained model in diffusers' layout, f16: --work's checkpoints -> --output (the base)."""
import argparse
import json
import os

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import load_file, save_file

import models


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    p.add_argument("--output", default="../base", help="its tokenizer/ is written by cut_vocabulary.py")
    a = p.parse_args()

    AutoencoderKL.from_pretrained(f"{a.work}/vae").half().save_pretrained(f"{a.output}/vae")

    c = torch.load(f"{a.work}/unet.pt")
    unet, text = models.unet(), models.text_encoder()
    with torch.no_grad():
        for parameter, mean in zip([*unet.parameters(), *text.parameters()], c["ema"]):
            parameter.copy_(mean)
    unet.half().save_pretrained(f"{a.output}/unet")
    text.half().save_pretrained(f"{a.output}/text_encoder")
    # transformers 5 may leave the prefix away that every published SD1.5 model has.
    weights = f"{a.output}/text_encoder/model.safetensors"
    tensors = load_file(weights)
    tensors = {k if k.startswith("text_model.") else "text_model." + k: v for k, v in tensors.items() if "position_ids" not in k}
    save_file(tensors, weights, metadata={"format": "pt"})

    DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
        prediction_type="epsilon",
    ).save_pretrained(f"{a.output}/scheduler")

    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None], "image_encoder": [None, None],
        "requires_safety_checker": False, "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    with open(f"{a.output}/model_index.json", "w") as file:
        json.dump(index, file, indent=2)
        file.write("\n")
    for folder, _, names in os.walk(a.output):
        for name in names:
            os.chmod(f"{folder}/{name}", 0o644)
    for part in ("vae", "unet", "text_encoder"):  # no path of this machine in the files
        path = f"{a.output}/{part}/config.json"
        config = {k: v for k, v in json.load(open(path)).items() if k != "_name_or_path"}
        with open(path, "w") as file:
            json.dump(config, file, indent=2)
            file.write("\n")
    print("step", c["step"], "samples", c["samples"], f"{c['spent'] / 60:.1f} minutes")


if __name__ == "__main__":
    main()
