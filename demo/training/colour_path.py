"""Give a VAE, trained for a while, a straight way for colour, from the picture through the latents and back.

An autoencoder with group norms learns brightness first and stays brown for very long (measured: after 1,500
steps the latents hardly knew red from green). Here four channels of every stage are set to carry +rg, -rg,
+yb, -yb (rg = r - g, yb = (r + g) / 2 - b) unchanged through the residual stream; silu(x) - silu(-x) = x lets
the last layer of the encoder write them to two latents, and that of the decoder add them to the picture.
Training then goes on from --work/vae.pt as usual, nothing is frozen.
"""
import argparse

import torch
import torch.nn.functional as F

import data
import models


def chroma(x):
    r, g, b = x.unbind(1)
    return torch.stack([r - g, (r + g) / 2 - b], 1)


OWN = [-7, -5, -3, -1]  # the channels, at every stage; at the widest pictures each in a group with another


def silence(convolution):
    """It neither reads nor writes the four channels."""
    convolution.weight[:, OWN] = 0
    convolution.weight[OWN] = 0
    convolution.bias[OWN] = 0


def keep(convolution, kernel):
    silence(convolution)
    for i in OWN:
        convolution.weight[i, i] = kernel


def resnet(block):
    block.conv1.weight[:, OWN] = 0
    block.conv2.weight[OWN] = 0
    block.conv2.bias[OWN] = 0
    if block.conv_shortcut is not None:
        keep(block.conv_shortcut, 1)


def middle(mid):
    for block in mid.resnets:
        resnet(block)
    for attention in mid.attentions:
        attention.to_out[0].weight[OWN] = 0
        attention.to_out[0].bias[OWN] = 0


@torch.no_grad()
def open_encoder(vae, images):
    e = vae.encoder
    rg, yb = torch.tensor([1.0, -1.0, 0.0]), torch.tensor([0.5, 0.5, -1.0])
    e.conv_in.weight[OWN] = 0
    e.conv_in.weight[OWN, :, 1, 1] = 2 * torch.stack([rg, -rg, yb, -yb])
    e.conv_in.bias[OWN] = 0
    box = torch.tensor([1.0, 1.0, 0.0]) / 2
    for down in e.down_blocks:
        for block in down.resnets:
            resnet(block)
        for sampler in down.downsamplers or []:
            keep(sampler.conv, box[:, None] * box[None])
    middle(e.mid_block)
    z = torch.cat([vae.encode(x).latent_dist.mean for x in images[::4].split(32)])
    least = z.std((0, 2, 3)).argsort()[:2].tolist()
    e.conv_norm_out.weight[OWN] = 1
    e.conv_norm_out.bias[OWN] = 0
    q, n = vae.quant_conv, z.shape[1]
    for i, latent in enumerate(least):  # the two latents that say least become rg and yb
        e.conv_out.weight[:, OWN[2 * i : 2 * i + 2]] = 0
    for i, latent in enumerate(least):
        e.conv_out.weight[latent] = 0
        e.conv_out.bias[latent] = 0
        e.conv_out.weight[latent, OWN[2 * i : 2 * i + 2], 1, 1] = torch.tensor([1.0, -1.0])
        for row in (latent, latent + n):
            q.weight[row] = 0
            q.bias[row] = 0
        q.weight[:, latent] = 0
        q.weight[latent, latent] = 1
        q.bias[latent + n] = -4
    new = torch.cat([vae.encode(x).latent_dist.mean for x in images[::4].split(32)]).std((0, 2, 3))
    for latent in least:
        q.weight[latent] *= 2 / new[latent]


@torch.no_grad()
def open_decoder(vae, images):
    z = torch.cat([vae.post_quant_conv(vae.encode(x).latent_dist.mean) for x in images.split(32)])
    inputs = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    wanted = chroma(F.avg_pool2d(images, 16)).permute(0, 2, 3, 1).reshape(-1, 2)
    read = torch.linalg.lstsq(inputs, wanted).solution.T  # [2, 17]
    print("colour that the latents tell, R2:", (1 - (wanted - inputs @ read.T).var(0) / wanted.var(0)).tolist())
    read = 2 * torch.stack([read[0], -read[0], read[1], -read[1]])
    d = vae.decoder
    d.conv_in.weight[OWN] = 0
    d.conv_in.weight[OWN, :, 1, 1] = read[:, :-1]
    d.conv_in.bias[OWN] = read[:, -1]
    middle(d.mid_block)
    smooth = torch.tensor([1.0, 2.0, 1.0]) / 4
    for up in d.up_blocks:
        for block in up.resnets:
            resnet(block)
        for sampler in up.upsamplers or []:
            keep(sampler.conv, smooth[:, None] * smooth[None])
    # The gain of the last norm: as much colour as the pictures have, on average.
    d.conv_norm_out.weight[OWN] = 1
    d.conv_norm_out.bias[OWN] = 0
    seen = {}
    hook = d.conv_norm_out.register_forward_hook(lambda m, i, o: seen.update(out=o[:, OWN]))
    part = images[::10]
    vae.decode(vae.encode(part).latent_dist.mean)
    hook.remove()
    got = (seen["out"][:, ::2] - seen["out"][:, 1::2]).square().mean((0, 2, 3)).sqrt() / 2
    d.conv_norm_out.weight[OWN] = (chroma(part).square().mean((0, 2, 3)).sqrt() / got).repeat_interleave(2)
    rg, yb = torch.tensor([0.5, -0.5, 0.0]), torch.tensor([1 / 3, 1 / 3, -2 / 3]) * 0.3  # yellow is mostly learnt
    d.conv_out.weight[:, OWN] = 0
    d.conv_out.weight[:, OWN, 1, 1] = torch.stack([rg, -rg, yb, -yb], 1)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    a = p.parse_args()
    torch.set_num_threads(1)
    _, pictures = data.load()
    c = torch.load(f"{a.work}/vae.pt")
    vae = models.vae()
    vae.load_state_dict(c["ema"])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    open_encoder(vae, images)
    open_decoder(vae, images)
    state = vae.state_dict()
    models.save(f"{a.work}/vae.pt", model=state, ema={k: v.clone() for k, v in state.items()}, colour=c["colour"],
                opt=None, step=c["step"], spent=c["spent"])
