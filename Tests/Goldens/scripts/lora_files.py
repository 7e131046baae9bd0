"""LoRA files in the styles of trainers, and what genuine diffusers and peft make of them: `loras/`.

`kohya`, `compvis` and `bare` are LoRAs for the tiny SDXL model (`families/xl`): UNet layers by diffusers' names with
underscores, and by CompVis' numbers (as kohya's scripts write them for SDXL); both text encoders; convolutions;
with alphas and without. `fused.safetensors` holds, under `FILE/COMPONENT/LAYER`, the weights as they
are after `load_lora_weights` and `fuse_lora`. `lycoris` is LoHa and LoKr for `families/xl`'s UNet under
LyCORIS' names: diffusers reads no such files, so peft's own LoHa and LoKr layers say what each changes.

Each text encoder has an `out_proj`: by it diffusers tells kohya's style, and without one it leaves attention
layers out, silently.
"""

import os
import tempfile

import common
import torch
from common import assemble, save_tensors
from families import PARTS
from peft import LoHaConfig, LoKrConfig
from peft.tuners.loha.layer import Conv2d as LoHaConv2d
from peft.tuners.loha.layer import Linear as LoHaLinear
from peft.tuners.lokr.layer import Conv2d as LoKrConv2d
from peft.tuners.lokr.layer import Linear as LoKrLinear

SCALE = 0.7
# kohya's name, alpha (None: not in the file), rank. In one file all alphas of attention are alike, as trainers
# write them: of different ones, or of some without, diffusers takes the most common for all.
KOHYA = [
    ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", 2.0, 4),
    ("lora_unet_down_blocks_2_attentions_1_transformer_blocks_2_attn2_to_v", 2.0, 3),
    ("lora_unet_up_blocks_0_attentions_2_transformer_blocks_1_attn1_to_out_0", 2.0, 2),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj", 2.0, 2),
    ("lora_unet_up_blocks_1_attentions_0_proj_in", 2.0, 4),
    ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 2.0, 4),
    ("lora_te1_text_model_encoder_layers_2_self_attn_out_proj", 2.0, 3),
    ("lora_te2_text_model_encoder_layers_3_self_attn_v_proj", 2.0, 3),
    ("lora_te2_text_model_encoder_layers_2_self_attn_out_proj", 2.0, 2),
    ("lora_te2_text_model_encoder_layers_1_mlp_fc1", 2.0, 2),
]
COMPVIS = [
    ("lora_unet_input_blocks_0_0", 3.0, 2),
    ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_k", 1.0, 4),
    ("lora_unet_input_blocks_5_0_in_layers_2", 3.0, 2),
    ("lora_unet_input_blocks_3_0_op", 3.0, 2),
    ("lora_unet_input_blocks_7_0_emb_layers_1", 1.0, 2),
    ("lora_unet_input_blocks_8_1_transformer_blocks_2_ff_net_2", 1.0, 3),
    ("lora_unet_middle_block_1_transformer_blocks_0_attn2_to_q", 1.0, 2),
    ("lora_unet_middle_block_2_out_layers_3", 3.0, 2),
    ("lora_unet_output_blocks_2_1_proj_out", 1.0, 2),
    ("lora_unet_output_blocks_5_1_transformer_blocks_0_attn1_to_out_0", 1.0, 2),
    ("lora_unet_output_blocks_6_0_skip_connection", 3.0, 2),
    ("lora_te1_text_model_encoder_layers_1_mlp_fc2", 1.0, 2),
    ("lora_te1_text_model_encoder_layers_1_self_attn_out_proj", 1.0, 2),
    ("lora_te2_text_model_encoder_layers_0_self_attn_k_proj", 1.0, 2),
    ("lora_te2_text_model_encoder_layers_0_self_attn_out_proj", 1.0, 4),
]
BARE = [
    ("lora_unet_down_blocks_2_attentions_0_transformer_blocks_1_attn1_to_v", None, 3),
    ("lora_unet_up_blocks_1_attentions_2_transformer_blocks_0_ff_net_2", None, 2),
    ("lora_te1_text_model_encoder_layers_2_self_attn_k_proj", None, 2),
    ("lora_te1_text_model_encoder_layers_2_self_attn_out_proj", None, 2),
]
# The layer (flat), the adapter, its settings.
LYCORIS = [
    ("down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", LoHaLinear, LoHaConfig(r=3, alpha=2)),
    ("down_blocks_1_resnets_1_conv1", LoHaConv2d, LoHaConfig(r=2, alpha=1)),
    ("up_blocks_0_resnets_0_conv2", LoHaConv2d, LoHaConfig(r=2, alpha=3, use_effective_conv2d=True)),
    ("mid_block_attentions_0_transformer_blocks_0_ff_net_2", LoKrLinear, LoKrConfig(r=2, alpha=1, decompose_factor=4)),
    ("down_blocks_2_attentions_0_transformer_blocks_1_attn2_to_k", LoKrLinear,
     LoKrConfig(r=2, alpha=3, decompose_both=True, decompose_factor=8)),
    ("up_blocks_1_resnets_1_conv1", LoKrConv2d, LoKrConfig(r=2, alpha=1, decompose_factor=4)),
    ("down_blocks_2_resnets_0_conv2", LoKrConv2d,
     LoKrConfig(r=2, alpha=1, decompose_factor=4, use_effective_conv2d=True)),
]  # fmt: skip


def load(root):
    import diffusers

    with tempfile.TemporaryDirectory() as folder:
        path = assemble(root, "xl", folder)
        return diffusers.StableDiffusionXLPipeline.from_pretrained(
            path, torch_dtype=torch.float32, add_watermarker=False
        )


def networks(pipe):
    return {"unet": pipe.unet, "text_encoder": pipe.text_encoder, "text_encoder_2": pipe.text_encoder_2}


def weights(pipe):
    return {
        f"{component}/{name}": value.detach().clone()
        for component, network in networks(pipe).items()
        for name, value in network.state_dict().items()
        if name.endswith(".weight")
    }


def layers_by_name(pipe, single):
    """kohya's name to the module, both ways of naming."""
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    found = {}
    for component, network in networks(pipe).items():
        for name, module in network.named_modules():
            if component != "unet" and not name.startswith("text_model."):
                name = "text_model." + name
            found[prefixes[component] + name.replace(".", "_")] = module
    for known, other in single.items():
        found["lora_unet_" + other.replace(".", "_")] = dict(pipe.unet.named_modules()).get(known)
    return found


def compvis_names(pipe):
    """diffusers' layer to CompVis' name, by walking the network (as `single_files.py`, which proves it)."""
    from single_files import unet_names

    keys = [key for key in pipe.unet.state_dict() if key.endswith(".weight")]
    return {
        key.removesuffix(".weight"): name.removeprefix("model.diffusion_model.").removesuffix(".weight")
        for name, key, _ in unet_names(keys)
    }


def random_pair(module, rank, noise):
    out, inputs, *kernel = module.weight.shape
    down = 0.3 * torch.randn(rank, inputs, *kernel, generator=noise)
    up = 0.3 * torch.randn(out, rank, *(1 for _ in kernel), generator=noise)
    return down, up


def make_plain(root, name, rows, seed):
    pipe = load(root)
    found = layers_by_name(pipe, compvis_names(pipe))
    noise = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer, alpha, rank in rows:
        down, up = random_pair(found[layer], rank, noise)
        tensors |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up}
        if alpha is not None:
            tensors[f"{layer}.alpha"] = torch.tensor(alpha)
    path = os.path.join(root, "loras", f"{name}.safetensors")
    save_tensors(path, tensors)
    before = weights(pipe)
    pipe.load_lora_weights(path)
    pipe.fuse_lora(components=["unet", "text_encoder", "text_encoder_2"], lora_scale=SCALE)
    pipe.unload_lora_weights()
    after = weights(pipe)
    assert before.keys() == after.keys(), before.keys() ^ after.keys()
    changed = {f"{name}/{k}": v for k, v in after.items() if not torch.equal(v, before[k])}
    assert len(changed) == len(rows), (name, len(changed), len(rows), sorted(changed))
    return changed


def make_lycoris(root):
    pipe = load(root)
    found = {name.replace(".", "_"): (name, module) for name, module in pipe.unet.named_modules()}
    torch.manual_seed(83)
    tensors, changed = {}, {}
    for flat, kind, config in LYCORIS:
        name, module = found[flat]
        config.init_weights = False
        layer = kind(module, "a", config=config, r=config.r, alpha=config.alpha)
        factors = {k: getattr(layer, k)["a"] for k in layer.adapter_layer_names if "a" in getattr(layer, k)}
        for factor in factors.values():
            # What a fresh layer starts with changes next to nothing.
            factor.data.normal_(std=0.5)
        if "lokr_w1" in factors and "lokr_w2" in factors:
            raise ValueError(f"{flat}: two whole factors, where LyCORIS ignores alpha")
        tensors |= {f"lora_unet_{flat}.{k}": v.detach() for k, v in factors.items()}
        tensors[f"lora_unet_{flat}.alpha"] = torch.tensor(float(config.alpha))
        with torch.no_grad():
            delta = layer.get_delta_weight("a")
            assert delta.abs().max() > 0.01, flat
            changed[f"lycoris/unet/{name}.weight"] = module.weight + SCALE * delta
    save_tensors(os.path.join(root, "loras/lycoris.safetensors"), tensors)
    return changed


def make(root):
    common.PARTS.update(PARTS)
    fused = make_plain(root, "kohya", KOHYA, 81) | make_plain(root, "compvis", COMPVIS, 82)
    fused |= make_plain(root, "bare", BARE, 84) | make_lycoris(root)
    save_tensors(os.path.join(root, "loras/fused.safetensors"), fused)
    print({k: tuple(v.shape) for k, v in fused.items()})
