"""Single-file checkpoints: how the tensors of model folders are named in CompVis' layout.

For the tiny models: `single/NAME.json`, a recipe a tensor: its name in the single file, the component
and name in the folder, and what is done to it. The file itself is put together by the tests, so nothing
is committed twice. Here it is put together as well and given to diffusers' `from_single_file` (with the
folder's own configurations): every tensor of every component must come back equal, or nothing is written.

For the real models: `single/real-KIND.json`, all names and shapes of the checkpoint that Stability
published, and the SHA-256 of the names and shapes that diffusers makes of them. No weights: the networks
are built on torch's meta device.

The names are worked out here from the modules' order, not from diffusers' own tables.
"""

import hashlib
import json
import os
import sys
import tempfile

import torch
from common import PARTS, assemble
from image_inputs import PARTS as MODELS
from safetensors.torch import load_file, save_file

RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ONCE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def head(key, count):
    parts = key.split(".")
    return ".".join(parts[:count]), ".".join(parts[count:])


def unet_modules(keys):
    """diffusers' module prefix to CompVis', by walking the network in the order it runs."""
    modules = dict(ONCE)
    has = lambda prefix: any(k.startswith(prefix + ".") for k in keys)
    number = 1
    level = 0
    while has(f"down_blocks.{level}"):
        layer = 0
        while has(f"down_blocks.{level}.resnets.{layer}"):
            modules[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{number}.0"
            modules[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{number}.1"
            layer, number = layer + 1, number + 1
        if has(f"down_blocks.{level}.downsamplers"):
            modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
        level += 1
    modules |= {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    modules["mid_block.resnets.1"] = "middle_block.2"
    number = 0
    level = 0
    while has(f"up_blocks.{level}"):
        layer = 0
        while has(f"up_blocks.{level}.resnets.{layer}"):
            modules[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{number}.0"
            modules[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{number}.1"
            layer, number = layer + 1, number + 1
        if has(f"up_blocks.{level}.upsamplers"):
            place = 2 if has(f"up_blocks.{level}.attentions") else 1
            modules[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{place}.conv"
        level += 1
    return modules


def unet_names(keys):
    modules = unet_modules(keys)
    for key in keys:
        for count in range(1, key.count(".") + 1):
            prefix, rest = head(key, count)
            if prefix in modules:
                if ".resnets." in prefix:
                    inner, last = rest.rsplit(".", 1)
                    rest = f"{RESIDUAL[inner]}.{last}"
                yield "model.diffusion_model." + modules[prefix] + "." + rest, key, ""
                break
        else:
            raise ValueError(key)


def vae_names(keys):
    levels = 1 + max(int(k.split(".")[2]) for k in keys if k.startswith("decoder.up_blocks."))
    attention = {
        "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
        "query": "q", "key": "k", "value": "v", "proj_attn": "proj_out",
    }  # fmt: skip
    for key in keys:
        name, what = key, ""
        side, _, rest = key.partition(".")
        if side in ("encoder", "decoder"):
            parts = rest.split(".")
            if parts[0] == "mid_block" and parts[1] == "resnets":
                name = f"{side}.mid.block_{int(parts[2]) + 1}." + ".".join(parts[3:])
            elif parts[0] == "mid_block":
                inner, last = ".".join(parts[3:]).rsplit(".", 1)
                name = f"{side}.mid.attn_1.{attention[inner]}.{last}"
                what = "pointwise" if last == "weight" and inner != "group_norm" else ""
            elif parts[0] in ("down_blocks", "up_blocks"):
                way = parts[0].split("_")[0]
                level = int(parts[1]) if way == "down" else levels - 1 - int(parts[1])
                if parts[2] == "resnets":
                    name = f"{side}.{way}.{level}.block." + ".".join(parts[3:])
                else:
                    name = f"{side}.{way}.{level}.{way}sample." + ".".join(parts[4:])
            elif parts[0] == "conv_norm_out":
                name = f"{side}.norm_out.{parts[1]}"
            name = name.replace("conv_shortcut", "nin_shortcut")
        yield "first_stage_model." + name, key, what


def wrapped(key):
    return key if key.startswith(("text_model.", "text_projection.")) else "text_model." + key


def clip_names(keys, prefix):
    for key in keys:
        yield prefix + wrapped(key), key, ""


def openclip_names(keys, prefix):
    once = {
        "text_model.embeddings.token_embedding.weight": ("token_embedding.weight", ""),
        "text_model.embeddings.position_embedding.weight": ("positional_embedding", ""),
        "text_model.final_layer_norm.weight": ("ln_final.weight", ""),
        "text_model.final_layer_norm.bias": ("ln_final.bias", ""),
        "text_projection.weight": ("text_projection", "transposed"),
    }
    inner = {
        "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
    }  # fmt: skip
    for key in keys:
        whole = wrapped(key)
        if whole in once:
            yield prefix + once[whole][0], key, once[whole][1]
            continue
        if whole.endswith("position_ids"):
            continue
        layer, rest = whole.removeprefix("text_model.encoder.layers.").split(".", 1)
        module, last = rest.rsplit(".", 1)
        place = f"{prefix}transformer.resblocks.{layer}."
        if module in inner:
            yield place + inner[module] + "." + last, key, ""
        elif module == "self_attn.q_proj":
            yield place + "attn.in_proj_" + last, key, "fused"


TEXT = {
    "sd1": [("text_encoder", clip_names, "cond_stage_model.transformer.")],
    "sd2": [("text_encoder", openclip_names, "cond_stage_model.model.")],
    "sdxl": [
        ("text_encoder", clip_names, "conditioner.embedders.0.transformer."),
        ("text_encoder_2", openclip_names, "conditioner.embedders.1.model."),
    ],
}


def rows(kind, keys):
    """[name in the file, component, name in the folder, what]; `keys`: component to its tensors' names."""
    found = [(n, "unet", k, w) for n, k, w in unet_names(keys["unet"])]
    found += [(n, "vae", k, w) for n, k, w in vae_names(keys["vae"])]
    for component, names, prefix in TEXT[kind]:
        found += [(n, component, k, w) for n, k, w in names(keys[component], prefix)]
    return sorted(list(row) for row in found)


def value(row, tensors):
    _, component, key, what = row
    tensor = tensors[component][key]
    if what == "fused":
        tensor = torch.cat([tensors[component][key.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj")])
    elif what == "transposed":
        tensor = tensor.T
    elif what == "pointwise":
        tensor = tensor[:, :, None, None]
    return tensor.contiguous()


def folder_tensors(folder, kind):
    tensors = {}
    for component in ["unet", "vae"] + [entry[0] for entry in TEXT[kind]]:
        place = os.path.join(folder, component)
        tensors[component] = {}
        for file in sorted(os.listdir(place)):
            if file.endswith(".safetensors"):
                tensors[component] |= load_file(os.path.join(place, file))
    return tensors


def pipeline_class(kind):
    import diffusers

    return diffusers.StableDiffusionXLPipeline if kind == "sdxl" else diffusers.StableDiffusionPipeline


def check(path, folder, kind):
    """diffusers must read the file as the folder."""
    cls = pipeline_class(kind)
    single = cls.from_single_file(path, config=folder, local_files_only=True, torch_dtype=torch.float32)
    whole = cls.from_pretrained(folder, torch_dtype=torch.float32)
    for component in ["unet", "vae"] + [entry[0] for entry in TEXT[kind]]:
        a, b = (getattr(pipe, component).state_dict() for pipe in (single, whole))
        assert a.keys() == b.keys(), (component, a.keys() ^ b.keys())
        for key in a:
            assert torch.equal(a[key], b[key]), (component, key)


def make_tiny(root, name, kind, folder):
    tensors = folder_tensors(folder, kind)
    recipe = rows(kind, {component: list(found) for component, found in tensors.items()})
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "model.safetensors")
        save_file({row[0]: value(row, tensors) for row in recipe}, path, metadata={"format": "pt"})
        check(path, folder, kind)
    write_rows(os.path.join(root, "single", name + ".json"), recipe)


def write_rows(path, found):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in found) + "\n]\n")


# What the hub's configurations say of the real networks' shapes.
REAL = {
    "sd1": {
        "unet": dict(cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280)),
        "text_encoder": dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12),
    },
    "sd2": {
        "unet": dict(
            cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True,
            block_out_channels=(320, 640, 1280, 1280),
        ),
        # 24 in the file; the last one is not used.
        "text_encoder": dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24),
    },
    "sdxl": {
        "unet": dict(
            cross_attention_dim=2048, attention_head_dim=(5, 10, 20), use_linear_projection=True,
            block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10),
            addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        "text_encoder": dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12),
        "text_encoder_2": dict(
            hidden_size=1280, intermediate_size=5120, num_attention_heads=20, num_hidden_layers=32,
            projection_dim=1280,
        ),
    },
}  # fmt: skip


def make_real(root, kind):
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        nets = {
            "unet": UNet2DConditionModel(**REAL[kind]["unet"]),
            "vae": AutoencoderKL(
                block_out_channels=(128, 256, 512, 512), layers_per_block=2,
                down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            ),
        }  # fmt: skip
        for component, _, _ in TEXT[kind]:
            cls = CLIPTextModelWithProjection if component == "text_encoder_2" else CLIPTextModel
            nets[component] = cls(CLIPTextConfig(vocab_size=49408, **REAL[kind][component]))
    tensors = {component: dict(net.state_dict()) for component, net in nets.items()}
    found = [(row, value(row, tensors)) for row in rows(kind, {c: list(t) for c, t in tensors.items()})]
    # diffusers' own converters must name them as its networks do.
    single = {row[0]: tensor for row, tensor in found}
    unet = convert_ldm_unet_checkpoint(dict(single), dict(nets["unet"].config))
    vae = convert_ldm_vae_checkpoint(dict(single), dict(nets["vae"].config))
    for component, converted in (("unet", unet), ("vae", vae)):
        wanted = {k: tuple(v.shape) for k, v in tensors[component].items()}
        given = {k: tuple(v.shape) for k, v in converted.items()}
        if component == "vae":
            given = {k: s[:2] if ".attentions." in k and len(s) == 4 else s for k, s in given.items()}
        assert given == wanted, (component, set(given.items()) ^ set(wanted.items()))
    lines = []
    for component, net in tensors.items():
        for key, tensor in net.items():
            if kind == "sd2" and ".layers.23." in key:
                continue
            key = wrapped(key) if component.startswith("text") else key
            lines.append(f"{component} {key} {list(tensor.shape)}\n")
    digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    names = [[row[0], *tensor.shape] for row, tensor in found]
    write_rows(os.path.join(root, "single", f"real-{kind}.json"), [["sha256", digest]] + names)


TINY = {"base": "sd1", "wide": "sd1", "xl": "sdxl", "sd2": "sd2", "painter": "sd1"}


def make(root):
    PARTS.update(MODELS)
    with tempfile.TemporaryDirectory() as scratch:
        for name, kind in TINY.items():
            make_tiny(root, name, kind, assemble(root, name, scratch))
    for kind in REAL:
        make_real(root, kind)


if __name__ == "__main__":
    make(os.path.abspath(sys.argv[1]))
