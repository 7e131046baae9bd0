"""Models of the other families, tiny, and whole renders of them: `families/`.

`xl` (SDXL), `xl-turbo` (its weights, few steps, trailing timesteps), `xl-distilled` (depths by layer, one
residual block in the middle, as SSD-1B), `sd2` (OpenCLIP's text half, v-prediction, linear projections),
`no-middle` (as tiny-sd), `lcm` (a consistency model that takes the guidance scale as an input). And `base`
with every scheduler that `pictures.py` leaves out, and with a LoRA.

SDXL reads text states that no norm holds back: an initializer factor of 8, right for the others, would
saturate its attention. Every picture is made twice, as in `pictures.py`.
"""

import os
import shutil
import tempfile

import common
import diffusers
import numpy as np
import torch
from clip_tokens import CUT_VOCABULARY, load_tokenizer, padded_ids
from common import assemble, levels, read_json, save_tensors, second_way, write_json
from diffusers import AutoencoderKL, UNet2DConditionModel
from pictures import BAD, CAFE, FOX, SAILOR
from PIL import Image
from scheduler_traces import MORE, NEW
from tiny_models import (
    BASE_SCHEDULER, BASE_TEXT, BASE_UNET, BASE_VAE, MODEL_INDEX, VERSION, save_weights, scale_output, shake_norms,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

WEIGHTS = "diffusion_pytorch_model.safetensors"
PARTS = {
    "xl": ["model/base", "families/xl"],
    "xl-turbo": ["model/base", "families/xl", "families/xl-turbo"],
    "xl-distilled": ["model/base", "families/xl", "families/xl-distilled"],
    "sd2": ["model/base", "families/sd2"],
    "no-middle": ["model/base", "families/no-middle"],
    "lcm": ["model/base", "families/lcm"],
}

SMALL = BASE_UNET | {"block_out_channels": [8, 16, 24], "norm_num_groups": 4, "attention_head_dim": [1, 2, 3]}
XL_UNET = SMALL | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "cross_attention_dim": 64,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "layers_per_block": 2,
    "projection_class_embeddings_input_dim": 36 + 6 * 8,
    "transformer_layers_per_block": [1, 1, 3],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}
DISTILLED_UNET = XL_UNET | {
    "mid_block_type": "UNetMidBlock2D",
    "reverse_transformer_layers_per_block": [[2, 1, 3], [1, 2, 1], 1],
    "transformer_layers_per_block": [1, [2, 1], [1, 2]],
}
SD2_UNET = SMALL | {"cross_attention_dim": 48, "use_linear_projection": True, "upcast_attention": True}
NO_MIDDLE_UNET = SMALL | {"layers_per_block": [1, 2, 1], "mid_block_type": None}
LCM_UNET = SMALL | {"time_cond_proj_dim": 10}
XL_VAE = BASE_VAE | {
    "block_out_channels": [8, 8, 16, 16],
    "force_upcast": True,
    "latents_mean": [-0.3, 0.2, 0.1, -0.15],
    "latents_std": [1.2, 0.9, 1.1, 0.8],
    "norm_num_groups": 4,
    "scaling_factor": 0.5,
}

XL_SCHEDULER = BASE_SCHEDULER | {
    "_class_name": "EulerDiscreteScheduler", "interpolation_type": "linear", "prediction_type": "epsilon",
    "sample_max_value": 1.0, "timestep_spacing": "leading", "use_karras_sigmas": False,
}
TURBO_SCHEDULER = {
    "_class_name": "EulerAncestralDiscreteScheduler", "_diffusers_version": VERSION, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "steps_offset": 1, "timestep_spacing": "trailing",
}
SD2_SCHEDULER = BASE_SCHEDULER | {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
LCM_SCHEDULER = {
    "_class_name": "LCMScheduler", "_diffusers_version": VERSION, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000,
    "original_inference_steps": 50, "prediction_type": "epsilon", "set_alpha_to_one": True,
    "timestep_spacing": "leading",
}

FRAMING = {"original_size": [96, 200], "crops_coords_top_left": [8, 24], "target_size": [128, 64]}
KEYS = "model prompt negative_prompt width height steps guidance scheduler seed framing lora".split()
ROWS = [
    ("xl", FOX, None, 128, 64, 5, 5.0, None, 7, None, None),
    ("xl", FOX, BAD, 64, 128, 6, 7.5, "euler", 8, FRAMING, None),
    ("xl", SAILOR, "", 72, 72, 5, 3.0, "dpmpp_2m_karras", 9, None, None),
    ("xl", CAFE, None, 64, 64, 5, 3.0, "ddim", 2, None, None),
    ("xl-turbo", FOX, None, 64, 64, 2, 0.0, None, 3, None, None),
    ("xl-turbo", CAFE, None, 64, 64, 1, 1.0, None, 4, None, None),
    ("xl-turbo", FOX, None, 64, 72, 4, 2.0, "lcm", 5, None, None),
    ("xl-distilled", CAFE, BAD, 72, 136, 5, 5.0, None, 5, None, None),
    ("sd2", FOX, BAD, 96, 128, 6, 7.5, None, 6, None, None),
    ("sd2", SAILOR, None, 64, 64, 5, 3.0, "unipc", 1, None, None),
    ("no-middle", SAILOR, None, 64, 128, 5, 3.0, "pndm", 2, None, None),
    ("lcm", FOX, None, 128, 64, 4, 8.0, None, 2, None, None),
    ("lcm", SAILOR, None, 64, 64, 2, 1.0, None, 3, None, None),
    *[("base", FOX, BAD, 64, 64, 7, 5.0, name, 20 + i, None, None)
      for i, name in enumerate(NEW)],
    ("base", FOX, BAD, 64, 64, 5, 5.0, "ddim", 40, None, 0.8),
]


@torch.no_grad()
def text_encoder(seed, factor, width, layers, heads, activation, projection=None):
    torch.manual_seed(seed)
    keys = {k: v for k, v in BASE_TEXT.items() if k not in ("architectures", "model_type")}
    keys |= {
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "hidden_act": activation,
        "initializer_factor": factor, "intermediate_size": 3 * width, "vocab_size": CUT_VOCABULARY,
    }
    if projection is not None:
        keys["projection_dim"] = projection
    kind = CLIPTextModel if projection is None else CLIPTextModelWithProjection
    model = kind(CLIPTextConfig(**keys)).eval()
    shake_norms(model)
    config = keys | {"architectures": [kind.__name__], "model_type": "clip_text_model"}
    return model, config


def save_text(folder, model, config):
    write_json(os.path.join(folder, "config.json"), config)
    tensors = {
        k if k.startswith("text_") else "text_model." + k: v.half() for k, v in model.state_dict().items()
    }
    save_tensors(os.path.join(folder, "model.safetensors"), tensors)


def save_padded_tokenizer(root, folder):
    """The base's tokenizer, padding with "!" as OpenCLIP's does."""
    source = os.path.join(root, "model/base/tokenizer")
    os.makedirs(folder, exist_ok=True)
    for name in ("merges.txt", "vocab.json"):
        shutil.copy(os.path.join(source, name), folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        write_json(os.path.join(folder, name), read_json(os.path.join(source, name)) | {"pad_token": "!"})


@torch.no_grad()
def build_unet(config, seed):
    torch.manual_seed(seed)
    model = UNet2DConditionModel.from_config(config).eval()
    shake_norms(model)
    noise = torch.Generator().manual_seed(1)
    states = torch.randn(3, 77, config["cross_attention_dim"], generator=noise)
    more = {}
    if config.get("addition_embed_type"):
        pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        ids = torch.tensor([[128.0, 64, 0, 0, 128, 64]]).expand(3, -1)
        more["added_cond_kwargs"] = {"text_embeds": torch.randn(3, pooled, generator=noise), "time_ids": ids}
    if config.get("time_cond_proj_dim"):
        more["timestep_cond"] = torch.randn(3, config["time_cond_proj_dim"], generator=noise)
    latents = torch.randn(3, 4, 16, 16, generator=noise)
    out = model(latents, torch.tensor([981, 501, 21]), states, **more).sample
    scale_output(model.conv_out, out, 1.0)
    return model


@torch.no_grad()
def build_vae(config, seed):
    torch.manual_seed(seed)
    model = AutoencoderKL.from_config(config).eval()
    shake_norms(model)
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    latents = noise * torch.tensor(config["latents_std"]).view(1, 4, 1, 1) / config["scaling_factor"]
    latents = latents + torch.tensor(config["latents_mean"]).view(1, 4, 1, 1)
    scale_output(model.decoder.conv_out, model.decode(latents).sample, 0.6)
    return model


def save_unet(root, name, config, seed):
    folder = os.path.join(root, "families", name, "unet")
    save_weights(folder, config, WEIGHTS, build_unet(config, seed), torch.float16)


def save_lora(root):
    """A LoRA as peft and diffusers save it, for the UNet and the text encoder."""
    noise = torch.Generator().manual_seed(77)
    tensors = {}

    def add(name, inputs, outputs, rank):
        tensors[f"{name}.lora_A.weight"] = 0.3 * torch.randn(rank, inputs, generator=noise)
        tensors[f"{name}.lora_B.weight"] = 0.3 * torch.randn(outputs, rank, generator=noise)

    for block, width in (("down_blocks.0", 16), ("up_blocks.2", 16), ("down_blocks.1", 24)):
        inside = f"unet.{block}.attentions.0.transformer_blocks.0"
        add(f"{inside}.attn1.to_q", width, width, 3)
        add(f"{inside}.attn2.to_k", 32, width, 2)
        add(f"{inside}.attn1.to_out.0", width, width, 3)
        add(f"{inside}.ff.net.2", 4 * width, width, 4)
    for layer in range(3):
        add(f"text_encoder.text_model.encoder.layers.{layer}.self_attn.q_proj", 32, 32, 4)
    save_tensors(os.path.join(root, "families/lora.safetensors"), {k: v.half() for k, v in tensors.items()})


def build(root):
    def place(*parts):
        return os.path.join(root, "families", *parts)

    xl_index = {k: v for k, v in MODEL_INDEX.items() if "safety" not in k} | {
        "_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True,
        "image_encoder": [None, None], "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }
    write_json(place("xl/model_index.json"), xl_index)
    write_json(place("xl/scheduler/scheduler_config.json"), XL_SCHEDULER)
    save_text(place("xl/text_encoder"), *text_encoder(51, 1.2, 24, 3, 3, "quick_gelu"))
    save_text(place("xl/text_encoder_2"), *text_encoder(52, 1.2, 40, 4, 5, "gelu", projection=36))
    save_padded_tokenizer(root, place("xl/tokenizer_2"))
    save_unet(root, "xl", XL_UNET, 53)
    save_weights(place("xl/vae"), XL_VAE, WEIGHTS, build_vae(XL_VAE, 54), torch.float16)

    turbo = {"scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"], "force_zeros_for_empty_prompt": False}
    write_json(place("xl-turbo/model_index.json"), xl_index | turbo)
    write_json(place("xl-turbo/scheduler/scheduler_config.json"), TURBO_SCHEDULER)
    save_unet(root, "xl-distilled", DISTILLED_UNET, 55)

    write_json(place("sd2/model_index.json"), MODEL_INDEX | {"scheduler": ["diffusers", "DDIMScheduler"]})
    write_json(place("sd2/scheduler/scheduler_config.json"), SD2_SCHEDULER)
    save_text(place("sd2/text_encoder"), *text_encoder(56, 8.0, 48, 2, 3, "gelu"))
    save_padded_tokenizer(root, place("sd2/tokenizer"))
    save_unet(root, "sd2", SD2_UNET, 57)

    save_unet(root, "no-middle", NO_MIDDLE_UNET, 58)
    lcm = {"_class_name": "LatentConsistencyModelPipeline", "scheduler": ["diffusers", "LCMScheduler"]}
    write_json(place("lcm/model_index.json"), MODEL_INDEX | lcm)
    write_json(place("lcm/scheduler/scheduler_config.json"), LCM_SCHEDULER)
    save_unet(root, "lcm", LCM_UNET, 59)
    save_lora(root)


def load(root, name):
    with tempfile.TemporaryDirectory() as folder:
        path = assemble(root, name, folder)
        more = {"add_watermarker": False} if name.startswith("xl") else {}
        pipe = diffusers.DiffusionPipeline.from_pretrained(path, torch_dtype=torch.float32, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, setting):
    own = pipe.scheduler
    if setting["scheduler"] is not None:
        kind, changes = MORE[setting["scheduler"]]
        pipe.scheduler = kind.from_config(own.config, **changes)
    more = {}
    if type(pipe).__name__ != "LatentConsistencyModelPipeline":
        more["negative_prompt"] = setting["negative_prompt"]
    if setting["framing"]:
        more |= {key: tuple(value) for key, value in setting["framing"].items()}
    try:
        with torch.no_grad():
            image = pipe(
                setting["prompt"], width=setting["width"], height=setting["height"],
                num_inference_steps=setting["steps"], guidance_scale=setting["guidance"],
                generator=torch.Generator("cpu").manual_seed(setting["seed"]), **more,
            ).images[0]
    finally:
        pipe.scheduler = own
    return np.array(image)


def make_one(root, pipe, setting, number):
    if setting["lora"]:
        pipe.load_lora_weights(os.path.join(root, "families/lora.safetensors"), adapter_name="golden")
        pipe.set_adapters(["golden"], [setting["lora"]])
    picture = draw(pipe, setting)
    assert picture.std() > 15, (setting, picture.std())
    with second_way(pipe):
        difference = levels(draw(pipe, setting), picture)
    assert difference["max"] <= 1, (setting, difference)
    other = draw(pipe, setting | {"prompt": "a green tree"})
    method = setting["scheduler"] or "own"
    file = f"{number:02d}-{setting['model']}-{method}-{setting['width']}x{setting['height']}.png"
    Image.fromarray(picture).save(os.path.join(root, "families", file), optimize=True)
    about = {"file": file} | setting | {"seed": str(setting["seed"]), "second_way": difference}
    about["other_prompt"] = levels(other, picture)["mean"]
    about["deviation"] = round(float(picture.std()), 2)
    return about


@torch.no_grad()
def make(root):
    common.PARTS.update(PARTS)
    build(root)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        entries.append(make_one(root, load(root, setting["model"]), setting, number))
        print(entries[-1], flush=True)
    write_json(os.path.join(root, "families/renders.json"), entries)
