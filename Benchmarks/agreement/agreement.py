"""One UNet call in torch, and how far another engine's result of the same call is from it.

    agreement.py torch MODEL CALL [--size 512]    writes CALL.input.safetensors and CALL.torch.safetensors
    agreement.py compare NAME CALL                reads CALL.torch.safetensors and CALL.ours.safetensors

Inputs are seeded noise: a negative and a positive row, timestep 981; for SDXL pooled text and the sizes of an
undistorted picture. The relative error is the root of Σ(a−b)² / Σb², b being torch's.
"""

import argparse
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
# Not used here, and one that does not match torch fails at import.
sys.modules["torchvision"] = None

try:
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as error:
    sys.exit(f"agreement: {sys.executable}: {error}")

BOUND = 1e-4


def inputs(config, size):
    noise = torch.Generator().manual_seed(20)
    call = {
        "latents": torch.randn(2, config.in_channels, size // 8, size // 8, generator=noise),
        "states": torch.randn(2, 77, config.cross_attention_dim, generator=noise),
        "timestep": torch.tensor([981.0]),
    }
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        call["pooled"] = torch.randn(2, pooled, generator=noise)
        call["sizes"] = torch.tensor([size, size, 0, 0, size, size], dtype=torch.float32)
    return call


@torch.no_grad()
def run_torch(options):
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(os.path.join(options.model, "unet"), torch_dtype=torch.float32).eval()
    call = inputs(unet.config, options.size)
    save_file(call, options.call + ".input.safetensors")
    more = {}
    if "pooled" in call:
        more["added_cond_kwargs"] = {"text_embeds": call["pooled"], "time_ids": call["sizes"].expand(2, -1)}
    begun = time.time()
    noise = unet(call["latents"], call["timestep"][0], call["states"], **more).sample
    print(f"torch {torch.__version__}: {time.time() - begun:.1f} s, {sum(p.numel() for p in unet.parameters()):,} parameters")
    save_file({"noise": noise.contiguous()}, options.call + ".torch.safetensors")


def compare(options):
    ours, theirs = (load_file(f"{options.call}.{name}.safetensors")["noise"].double() for name in ("ours", "torch"))
    if ours.shape != theirs.shape:
        sys.exit(f"{options.name}: shape {tuple(ours.shape)}, torch has {tuple(theirs.shape)}")
    error = float((ours - theirs).norm() / theirs.norm())
    worst = float((ours - theirs).abs().max())
    deviation = float(theirs.std())
    good = error <= BOUND and deviation > 0
    print(
        f"{options.name}, {tuple(ours.shape)}: relative error {error:.2e} (bound {BOUND:.0e}), largest difference "
        f"{worst:.2e}, deviation of the result {deviation:.3g}: {'agrees' if good else 'DIFFERS'}"
    )
    sys.exit(0 if good else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("torch")
    one.add_argument("model")
    one.add_argument("call")
    one.add_argument("--size", type=int, default=512)
    one.set_defaults(run=run_torch)
    two = commands.add_parser("compare")
    two.add_argument("name")
    two.add_argument("call")
    two.set_defaults(run=compare)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
