"""Adapters of every family that is fused, by genuine LyCORIS and PEFT, and what they make of a small network:
`loras/families/`.

`base.safetensors` is the network. For each adapter `NAME.safetensors`, or for PEFT a folder `NAME` as `save_pretrained`
writes it; `fused.safetensors` holds every weight and bias that it changes, as `NAME/WEIGHT`; `families.json` says how
strongly it was fused. What the packages cannot fuse at another strength (PEFT's OFT, BOFT and IA3) is fused at 1.
"""

import contextlib
import json
import os
import shutil

import torch
from common import save_tensors, write_json
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from lycoris.utils import extract_diff
from peft import (
    BOFTConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    get_peft_model,
)
from peft.tuners.boft import layer as boft_layer
from torch import nn

STRENGTH = 0.7
SETS = ("target_modules", "feedforward_modules", "modules_to_save")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q = nn.Linear(12, 16)
        self.to_k = nn.Linear(12, 16, bias=False)
        self.ff = nn.Linear(16, 8)
        self.conv = nn.Conv2d(4, 8, 3, padding=1)
        self.proj_in = nn.Conv2d(8, 8, 1)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        return x


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = {"model_type": "custom"}
        self.down_blocks = nn.ModuleList([Block(), Block()])

    def forward(self, x):
        return x


def network():
    torch.manual_seed(301)
    net = Network()
    for value in net.parameters():
        value.data = torch.randn(value.shape) * 0.5
    return net


def shake(module, seed, mean=0.0, std=0.4):
    """What a fresh adapter starts with changes next to nothing."""
    noise = torch.Generator().manual_seed(seed)
    for value in module.parameters():
        value.data = mean + std * torch.randn(value.shape, generator=noise)


def lycoris(name, kind, layers, strength=STRENGTH, std=0.4, **settings):
    """LyCORIS' own modules, one a layer, saved as kohya's trainer names them."""
    net, tensors, fused = network(), {}, {}
    modules = dict(net.named_modules())
    for number, layer in enumerate(layers):
        base = modules[layer]
        lora = "lora_unet_" + layer.replace(".", "_")
        made = (NormModule if isinstance(base, nn.GroupNorm) else kind)(lora, base, **settings)
        shake(made, 310 + number, std=std)
        if hasattr(made, "dora_scale"):
            made.dora_scale.data = 0.5 + made.dora_scale.data.abs() * 4
        if hasattr(made, "rescale"):
            made.rescale.data = 1 + 0.5 * made.rescale.data
        with torch.no_grad():
            weight, bias = made.get_merged_weight(strength, base.weight.shape)
        fused[f"{layer}.weight"] = weight
        if bias is not None:
            fused[f"{layer}.bias"] = bias
        state = made.state_dict()
        if kind is FullModule and not isinstance(base, nn.GroupNorm):
            # What the module holds is the difference until it takes the layer's place.
            state = {"diff": made.weight.data} | ({} if made.bias is None else {"diff_b": made.bias.data})
        tensors |= {f"{lora}.{key}": value for key, value in state.items()}
    return name, tensors, None, fused, strength


def extracted(name):
    """What LyCORIS extracts from two networks: products, the largest numbers of the rest, and whole differences.

    It has no merge of its own for the rest. AUTOMATIC1111 adds it to the product.
    """
    base, tuned = network(), network()
    noise = torch.Generator().manual_seed(320)
    for key, value in tuned.named_parameters():
        if "down_blocks.0" in key or "norm" in key:
            value.data += 0.3 * torch.randn(value.shape, generator=noise)
    tensors = extract_diff(
        [], [], base, tuned, linear_mode_param=3, conv_mode_param=2, use_bias=True, sparsity=0.8)
    kept, fused = dict(base.state_dict()), {}
    for layer, module in base.named_modules():
        lora = "lora_unet_" + layer.replace(".", "_")
        if f"{lora}.lora_up.weight" in tensors:
            up, down = (tensors[f"{lora}.lora_{part}.weight"].float() for part in ("up", "down"))
            rest = torch.sparse_coo_tensor(
                tensors[f"{lora}.bias_indices"].long(), tensors[f"{lora}.bias_values"].float(),
                tuple(tensors[f"{lora}.bias_size"].tolist())).to_dense()
            if f"{lora}.lora_mid.weight" in tensors:
                mid = tensors[f"{lora}.lora_mid.weight"].float()
                delta = torch.einsum("ijkl,jr,pi->prkl", mid, down.flatten(1), up.flatten(1))
            else:
                delta = up.flatten(1) @ down.flatten(1)
            delta = delta.reshape(len(up), -1) + rest
            fused[f"{layer}.weight"] = kept[f"{layer}.weight"] + STRENGTH * delta.reshape(module.weight.shape)
        for key, whole in (("diff", "weight"), ("diff_b", "bias"), ("w_norm", "weight"), ("b_norm", "bias")):
            if f"{lora}.{key}" in tensors:
                fused[f"{layer}.{whole}"] = kept[f"{layer}.{whole}"] + STRENGTH * tensors[f"{lora}.{key}"].float()
    assert any("bias_values" in key for key in tensors) and any("lora_mid" in key for key in tensors)
    return name, tensors, None, fused, STRENGTH


def peft(root, name, config, strength=1.0, mean=0.0, std=0.3):
    net = network()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    model = get_peft_model(net, config)
    noise = torch.Generator().manual_seed(400)
    for key, value in model.named_parameters():
        if value.requires_grad:
            if "magnitude" in key:
                value.data = value.data * (0.5 + torch.rand(value.shape, generator=noise))
            else:
                value.data = mean + std * torch.randn(value.shape, generator=noise)
    folder = os.path.join(root, "loras/families", name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    path = os.path.join(folder, "adapter_config.json")
    with open(path) as file:
        kept = json.load(file)
    # Sets are written in any order.
    kept = {key: sorted(value) if key in SETS and value else value for key, value in kept.items()}
    # Where the script is run from makes no difference.
    kept["auto_mapping"]["parent_library"] = "__main__"
    write_json(path, kept)
    if strength != 1:
        for module in model.modules():
            if hasattr(module, "scale_layer") and hasattr(module, "base_layer"):
                module.scale_layer(strength)
    merged = model.merge_and_unload()
    after = merged.state_dict()
    return name, None, folder, {k: v for k, v in after.items() if not torch.equal(v, before[k])}, strength


@contextlib.contextmanager
def butterfly_without_cuda():
    """Lets PEFT make several butterfly factors: its kernel puts blocks on a diagonal, as torch does it here."""
    kept = boft_layer.FastBlockDiag, boft_layer.get_fbd_cuda

    class Diagonal:
        @staticmethod
        def apply(blocks):
            return torch.stack([torch.block_diag(*torch.unbind(time)) for time in blocks])

    boft_layer.FastBlockDiag, boft_layer.get_fbd_cuda = Diagonal, lambda: True
    try:
        yield
    finally:
        boft_layer.FastBlockDiag, boft_layer.get_fbd_cuda = kept


PLAIN = ["down_blocks.0.to_q", "down_blocks.0.to_k", "down_blocks.0.conv", "down_blocks.1.proj_in"]
TARGETS = ["to_q", "to_k", "ff", "conv", "proj_in"]


def adapters(root):
    yield lycoris("dora-of-outputs", LoConModule, PLAIN, lora_dim=3, alpha=2, weight_decompose=True)
    yield lycoris("dora-of-inputs", LoConModule, PLAIN, lora_dim=3, alpha=2, weight_decompose=True, wd_on_out=False)
    yield lycoris("dora-of-loha", LohaModule, PLAIN, lora_dim=2, alpha=2, weight_decompose=True)
    yield lycoris("dora-of-lokr", LokrModule, PLAIN, lora_dim=1, alpha=1, factor=4, weight_decompose=True)
    yield lycoris("tucker", LoConModule, PLAIN, lora_dim=3, alpha=2, use_tucker=True)
    # LyCORIS' merge of LoHa and LoKr counts alpha / rank twice, which its training does not: here it is 1.
    yield lycoris("loha-tucker", LohaModule, PLAIN, lora_dim=2, alpha=2, use_tucker=True)
    yield lycoris("lokr-tucker", LokrModule, PLAIN, lora_dim=1, alpha=1, factor=2, use_tucker=True)
    yield lycoris("lokr-both", LokrModule, PLAIN, lora_dim=1, alpha=1, factor=4, decompose_both=True)
    yield lycoris("lokr-unbalanced", LokrModule, PLAIN, lora_dim=1, alpha=1, unbalanced_factorization=True)
    yield lycoris("lokr-whole", LokrModule, PLAIN, lora_dim=2, alpha=1, full_matrix=True)
    yield lycoris("lokr-by-inputs", LokrModule, PLAIN, lora_dim=1, alpha=1, weight_decompose=True, wd_on_out=False)
    yield lycoris("glora-tucker", GLoRAModule, PLAIN, lora_dim=2, alpha=1, use_tucker=True)
    yield extracted("extracted")
    yield lycoris("rank-stabilized", LoConModule, PLAIN, lora_dim=4, alpha=2, rs_lora=True)
    yield lycoris("full", FullModule, PLAIN + ["down_blocks.0.norm"])
    yield lycoris("oft", DiagOFTModule, PLAIN, lora_dim=4, constraint=0)
    yield lycoris("oft-constrained", DiagOFTModule, PLAIN, std=0.5, lora_dim=4, constraint=0.05, rescaled=True)
    yield lycoris("boft", ButterflyOFTModule, PLAIN, lora_dim=4, constraint=0)
    yield lycoris("boft-constrained", ButterflyOFTModule, PLAIN, lora_dim=2, constraint=0.1, rescaled=True)
    yield lycoris("glora", GLoRAModule, PLAIN, lora_dim=2, alpha=1)
    yield lycoris("ia3", IA3Module, PLAIN)
    yield lycoris("ia3-of-inputs", IA3Module, PLAIN, train_on_input=True)
    patterns = {r"down_blocks\.[0-4]\.to_[qk]": 6, "to_q": 1, "(conv|proj_in)": 9, "down_blocks.1.ff": 3}
    ranks = {r".*1\.to_(q|k)": 2, "conv": 3}
    yield peft(root, "peft-patterns", LoraConfig(
        r=4, lora_alpha=8, target_modules=TARGETS, alpha_pattern=patterns, rank_pattern=ranks), STRENGTH)
    yield peft(root, "peft-rank-stabilized", LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, use_rslora=True))
    yield peft(root, "peft-dora", LoraConfig(r=3, lora_alpha=4, target_modules=TARGETS, use_dora=True), STRENGTH)
    yield peft(root, "peft-biases", LoraConfig(
        r=3, lora_alpha=4, target_modules=["to_q", "ff"], lora_bias=True), STRENGTH)
    yield peft(root, "peft-whole-biases", LoraConfig(r=3, lora_alpha=4, target_modules=["to_q", "ff"], bias="all"))
    yield peft(root, "peft-whole-layers", LoraConfig(
        r=3, lora_alpha=4, target_modules=["to_q"], modules_to_save=["conv", "norm"]))
    yield peft(root, "peft-norms", LNTuningConfig(target_modules=["norm"]))
    yield peft(root, "peft-loha", LoHaConfig(r=3, alpha=4, target_modules=TARGETS), STRENGTH)
    yield peft(root, "peft-lokr", LoKrConfig(r=2, alpha=3, decompose_factor=4, target_modules=TARGETS), STRENGTH)
    yield peft(root, "peft-lokr-whole", LoKrConfig(r=32, alpha=24, decompose_factor=4, target_modules=["to_q"]))
    yield peft(root, "peft-oft", OFTConfig(oft_block_size=4, target_modules=TARGETS), std=0.1)
    yield peft(root, "peft-oft-exact", OFTConfig(
        oft_block_size=4, use_cayley_neumann=False, target_modules=TARGETS))
    yield peft(root, "peft-oft-shared", OFTConfig(
        oft_block_size=4, block_share=True, coft=True, eps=0.3, use_cayley_neumann=False,
        target_modules=["to_q", "to_k"]))
    yield peft(root, "peft-boft", BOFTConfig(boft_block_size=4, target_modules=TARGETS))
    with butterfly_without_cuda():
        yield peft(root, "peft-boft-butterfly", BOFTConfig(
            boft_block_size=4, boft_n_butterfly_factor=3, target_modules=["ff"]))
    yield peft(root, "peft-ia3", IA3Config(
        target_modules=TARGETS, feedforward_modules=["ff", "conv"]), mean=1.0)


def make(root):
    fused, strengths = {}, {}
    save_tensors(os.path.join(root, "loras/families/base.safetensors"), network().state_dict())
    for name, tensors, folder, changed, strength in adapters(root):
        if tensors is not None:
            save_tensors(os.path.join(root, f"loras/families/{name}.safetensors"), tensors)
        assert changed, name
        fused |= {f"{name}/{key}": value for key, value in changed.items()}
        strengths[name] = {"strength": strength, "folder": folder is not None, "changed": len(changed)}
    save_tensors(os.path.join(root, "loras/families/fused.safetensors"), fused)
    write_json(os.path.join(root, "loras/families/families.json"), strengths)


if __name__ == "__main__":
    make(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
