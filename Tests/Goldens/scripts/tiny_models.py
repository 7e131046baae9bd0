"""The tiny SD1.5-kind models: `base`, two experts of the same shape, and `wide`.

Odd on purpose: heads of different number in each block, widths that are no
multiple of 16 or 32, weights in F16, BF16 and F32, hub-style files next to
the ones that today's packages save. Every golden number is computed with the
weights as stored, that is after rounding.

Random nets give grey pictures that hide errors. So the norms get real weights
and biases, the text encoder an initializer factor of 8, and the last
convolutions are scaled until the UNet's output has a deviation of 1 and the
decoder's one of 0.6.
"""

import os

import torch
from clip_tokens import CUT_VOCABULARY, load_tokenizer, padded_ids
from common import save_tensors, write_json
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

STATES = 32
VERSION = "0.42.1"

# The keys that the hub's SD1.5 has, no more: the rest is the reader's defaults.
BASE_UNET = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": VERSION,
    "act_fn": "silu",
    "attention_head_dim": [2, 3, 4],
    "block_out_channels": [16, 24, 24],
    "center_input_sample": False,
    "cross_attention_dim": STATES,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 8,
    "out_channels": 4,
    "sample_size": 16,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}

# Four levels, a first block without attention, two layers, four heads everywhere;
# saved with every key there is, as today's diffusers does.
WIDE_UNET = BASE_UNET | {
    "attention_head_dim": 4,
    "block_out_channels": [8, 16, 16, 24],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": False,
}

BASE_VAE = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": VERSION,
    "act_fn": "silu",
    "block_out_channels": [8, 16, 16, 24],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "out_channels": 3,
    "sample_size": 128,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}

WIDE_VAE = BASE_VAE | {
    "block_out_channels": [8, 8, 16, 16],
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "scaling_factor": 0.2,
}

BASE_TEXT = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": STATES,
    "initializer_factor": 8.0,
    "initializer_range": 0.02,
    "intermediate_size": 128,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "pad_token_id": 1,
    "projection_dim": 32,
}

# As on the hub: no `prediction_type`, no `timestep_spacing`. Which scheduler
# replaces it decides what those become (see README, "Schedulers").
BASE_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}

# A careless one: the pipeline must force `clip_sample` and `steps_offset`.
WIDE_SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": VERSION,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "trailing",
}

MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": VERSION,
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

HUB_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def shake_norms(model):
    """Norms start as ones and zeros, under which a forgotten weight goes unseen."""
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.data += 0.2 * torch.randn_like(parameter)
        elif name.endswith("bias"):
            parameter.data += 0.05 * torch.randn_like(parameter)


def scale_output(layer, output, deviation):
    factor = deviation / output.std()
    layer.weight.data *= factor
    layer.bias.data *= factor


@torch.no_grad()
def build_text(seed):
    torch.manual_seed(seed)
    keys = {k: v for k, v in BASE_TEXT.items() if k not in ("architectures", "model_type")}
    model = CLIPTextModel(CLIPTextConfig(vocab_size=CUT_VOCABULARY, **keys)).eval()
    shake_norms(model)
    return model


@torch.no_grad()
def build_unet(config, states, seed):
    torch.manual_seed(seed)
    model = UNet2DConditionModel.from_config(config).eval()
    shake_norms(model)
    noise = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    times = torch.tensor([981, 501, 21])
    scale_output(model.conv_out, model(noise, times, states.expand(3, -1, -1)).sample, 1.0)
    return model


@torch.no_grad()
def build_vae(config, seed):
    torch.manual_seed(seed)
    model = AutoencoderKL.from_config(config).eval()
    shake_norms(model)
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    latents = noise / model.config.scaling_factor
    scale_output(model.decoder.conv_out, model.decode(latents).sample, 0.6)
    return model


def save_weights(folder, config, name, model, dtype, keys=lambda key: key):
    write_json(os.path.join(folder, "config.json"), config)
    tensors = {keys(key): value.to(dtype) for key, value in model.state_dict().items()}
    save_tensors(os.path.join(folder, name), tensors)


def hub_vae_keys(key):
    """The hub's SD1.5 autoencoder still has the old names of its attention."""
    if ".attentions." in key:
        for new, old in HUB_ATTENTION.items():
            key = key.replace(f".{new}.", f".{old}.")
    return key


def full_config(model):
    return {"_class_name": type(model).__name__, "_diffusers_version": VERSION} | {
        key: value for key, value in sorted(model.config.items()) if not key.startswith("_")
    }


def make(root):
    """Writes `model/`. The tokenizers under `model/` must be there already."""
    base, weights = os.path.join(root, "model/base"), "diffusion_pytorch_model.safetensors"
    text = build_text(11)
    tokenizer = load_tokenizer(os.path.join(base, "tokenizer"))
    ids = torch.tensor([padded_ids(tokenizer, "a red fox in the snow")])
    with torch.no_grad():
        states = text(ids).last_hidden_state

    folder = os.path.join(base, "text_encoder")
    write_json(os.path.join(folder, "config.json"), BASE_TEXT | {"vocab_size": CUT_VOCABULARY})
    # As on the hub: every name below `text_model.`, and the positions as a tensor of I64.
    tensors = {("" if k.startswith("text_model.") else "text_model.") + k: v for k, v in text.state_dict().items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_tensors(os.path.join(folder, "model.safetensors"), tensors)

    write_json(os.path.join(base, "model_index.json"), MODEL_INDEX)
    write_json(os.path.join(base, "scheduler/scheduler_config.json"), BASE_SCHEDULER)
    save_weights(os.path.join(base, "unet"), BASE_UNET, weights, build_unet(BASE_UNET, states, 21), torch.float16)
    save_weights(os.path.join(base, "vae"), BASE_VAE, weights, build_vae(BASE_VAE, 31), torch.float16, hub_vae_keys)

    for name, seed, dtype in (("expert-a", 22, torch.bfloat16), ("expert-b", 23, torch.float16)):
        unet = build_unet(BASE_UNET, states, seed)
        save_weights(os.path.join(root, "model", name, "unet"), BASE_UNET, weights, unet, dtype)

    wide = os.path.join(root, "model/wide")
    write_json(os.path.join(wide, "model_index.json"), MODEL_INDEX | {"scheduler": ["diffusers", "DDIMScheduler"]})
    write_json(os.path.join(wide, "scheduler/scheduler_config.json"), WIDE_SCHEDULER)
    unet = build_unet(WIDE_UNET, states, 24)
    save_weights(os.path.join(wide, "unet"), full_config(unet), weights, unet, torch.bfloat16)
    vae = build_vae(WIDE_VAE, 32)
    save_weights(os.path.join(wide, "vae"), full_config(vae), weights, vae, torch.bfloat16)
