"""The shapes of the demo model's networks, and the noise schedule."""
import os

import torch
import torch.distributed as dist
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

VOCABULARY = 4094  # 256 bytes, 256 bytes with </w>, 3,580 merges, start, end
SCALING_FACTOR = 0.18215  # SD1.5's; the latents' deviation is folded into the VAE to fit it


def vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=16, sample_size=128,
        block_out_channels=(16, 24, 48, 96, 96), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 5, up_block_types=("UpDecoderBlock2D",) * 5,
        scaling_factor=SCALING_FACTOR,
    )


def unet():
    return UNet2DConditionModel(
        sample_size=8, in_channels=16, out_channels=16, layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(96, 128, 128), cross_attention_dim=128,
        attention_head_dim=4,  # as in SD1.5's files, the number of heads
        norm_num_groups=32,
    )


def text_encoder():
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=512, projection_dim=128,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=77, hidden_act="quick_gelu",
        bos_token_id=VOCABULARY - 2, eos_token_id=VOCABULARY - 1, pad_token_id=VOCABULARY - 1,
    ))


def alphas_cumprod():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return torch.cumprod(1 - betas, 0)


def save(path, **state):
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def count(model):
    return f"{sum(p.numel() for p in model.parameters()):,} parameters"


def run(function, a):
    """Run function(rank, a) in a.processes processes, a core each. They share every step's gradients: on a
    busy machine that wastes far less than threads do, which wait for each other in every layer."""
    os.makedirs(a.work, exist_ok=True)
    if os.path.exists(f"{a.work}/rendezvous"):
        os.remove(f"{a.work}/rendezvous")
    torch.multiprocessing.spawn(_start, (function, a), nprocs=a.processes)


def _start(rank, function, a):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{os.path.abspath(a.work)}/rendezvous", rank=rank, world_size=a.processes)
    function(rank, a)


def average(parameters, *numbers):
    """Replace the gradients, and return the numbers, by their means over the processes."""
    grads = [q.grad for q in parameters]
    flat = torch.cat([torch.tensor(numbers, dtype=torch.float32)] + [g.reshape(-1) for g in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = len(numbers)
    for g in grads:
        g.copy_(flat[at : at + g.numel()].view(g.shape))
        at += g.numel()
    return flat[: len(numbers)].tolist()
