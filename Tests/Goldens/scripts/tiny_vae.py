"""A tiny autoencoder (TAESD's kind): `vae/tiny`, its numbers, a picture decoded by it, and a preview of latents that
were made smaller first.

Like the others it is a random net whose output is scaled; its stages differ in their number of blocks.
"""

import os

import torch
from common import levels, load_model, relative_error, render, save_tensors, second_way, write_json
from diffusers import AutoencoderTiny
from PIL import Image
from pictures import BAD, FOX
from tiny_models import VERSION, scale_output

CONFIG = {
    "_class_name": "AutoencoderTiny",
    "_diffusers_version": VERSION,
    "act_fn": "relu",
    "decoder_block_out_channels": [12, 12, 12, 12],
    "encoder_block_out_channels": [8, 8, 8, 8],
    "force_upcast": False,
    "in_channels": 3,
    "latent_channels": 4,
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "num_decoder_blocks": [2, 1, 3, 1],
    "num_encoder_blocks": [1, 1, 2, 1],
    "out_channels": 3,
    "scaling_factor": 1.0,
    "upsampling_scaling_factor": 2,
}
SETTING = {
    "file": "tiny-vae-128x72.png", "model": "base", "prompt": FOX, "negative_prompt": BAD, "width": 128,
    "height": 72, "steps": 5, "guidance": 7.5, "scheduler": "ddim", "seed": 8,
}  # fmt: skip


@torch.no_grad()
def make(root):
    torch.manual_seed(41)
    vae = AutoencoderTiny.from_config(CONFIG).eval()
    for name, parameter in vae.named_parameters():
        parameter.data += (0.05 if name.endswith("bias") else 0.02) * torch.randn_like(parameter)
    # Some latents lie beyond the soft bound of 3.
    latents = 2 * torch.randn(2, 4, 9, 16, generator=torch.Generator().manual_seed(1))
    last = vae.decoder.layers[-1]
    scale_output(last, vae.decode(latents).sample, 0.9)
    last.bias.data += 0.5
    vae = vae.half().float()
    folder = os.path.join(root, "vae/tiny")
    write_json(os.path.join(folder, "config.json"), CONFIG)
    tensors = {k: v.half() for k, v in vae.state_dict().items()}
    save_tensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"), tensors)

    pixels = vae.decode(latents).sample
    with torch.backends.mkldnn.flags(enabled=False):
        print("tiny VAE, second way:", relative_error(vae.decode(latents).sample, pixels))
    save_tensors(os.path.join(root, "vae/tiny.safetensors"), {"latents": latents, "pixels": pixels})

    preview(root, vae)

    pipe = load_model(root, "base")
    pipe.vae = vae
    picture = render(pipe, SETTING)
    pipe.vae.set_attn_processor = lambda processor: None
    type(vae).attn_processors = {}
    with second_way(pipe):
        difference = levels(render(pipe, SETTING), picture)
    assert difference["max"] <= 1 and picture.std() > 15, (difference, picture.std())
    Image.fromarray(picture).save(os.path.join(root, "pictures", SETTING["file"]), optimize=True)
    about = SETTING | {"seed": str(SETTING["seed"]), "second_way": difference, "deviation": float(picture.std())}
    write_json(os.path.join(root, "vae/renders.json"), [about])
    print(about)


@torch.no_grad()
def preview(root, vae):
    """Latents of 37×8, averaged down to 16×3, and what the decoder makes of them."""
    # Some are still beyond the soft bound of 3 when they are averages.
    latents = 6 * torch.randn(1, 4, 37, 8, generator=torch.Generator().manual_seed(3))
    pooled = torch.nn.functional.adaptive_avg_pool2d(latents, (16, 3))
    pixels = vae.decode(pooled).sample
    with torch.backends.mkldnn.flags(enabled=False):
        print("preview, second way:", relative_error(vae.decode(pooled).sample, pixels))
    assert pooled.abs().max() > 4 and pixels.shape[2:] == (128, 24), (pooled.abs().max(), pixels.shape)
    save_tensors(os.path.join(root, "vae/preview.safetensors"), {"latents": latents, "pooled": pooled, "pixels": pixels})


if __name__ == "__main__":
    import sys

    make(os.path.abspath(sys.argv[1]))
