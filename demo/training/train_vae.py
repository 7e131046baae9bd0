"""Train the VAE: 128x128 pictures <-> 8x8x16 latents. Resumes from --work/vae.pt."""
import argparse
import math
import os
import time

import torch
import torch.nn.functional as F

import data
import models


def loss_of(y, x):
    d = y - x
    edges = (d.diff(dim=3)).abs().mean() + (d.diff(dim=2)).abs().mean()
    # True colours: on 32x32 means, red against green and yellow against blue weigh most. Without this,
    # colour is the last thing that is learnt: reds and greens stay brown for a long time.
    r, g, b = F.avg_pool2d(d, 4).unbind(1)
    colour = 1.5 * (r - g).abs().mean() + ((r + g) / 2 - b).abs().mean()
    low = (r.abs().mean() + g.abs().mean() + b.abs().mean()) / 3
    return d.abs().mean() + d.square().mean() + 0.5 * edges + low + 3 * colour


@torch.no_grad()
def normalise(vae, images):
    """Fold each latent channel's mean and deviation into the 1x1 convolutions on both sides,
    so that latents times the scaling factor have mean 0 and deviation 1 in every channel."""
    z = torch.cat([vae.encode(x).latent_dist.mean for x in images.split(32)])
    mean = z.mean((0, 2, 3))
    gain = 1 / (z.std((0, 2, 3)) * vae.config.scaling_factor)
    print("latents' deviation per channel", [round(v, 2) for v in z.std((0, 2, 3)).tolist()])
    n = len(mean)
    before, after = vae.quant_conv, vae.post_quant_conv
    before.weight[:n] *= gain.view(-1, 1, 1, 1)
    before.bias[:n] = (before.bias[:n] - mean) * gain
    before.bias[n:] += 2 * gain.log()
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight /= gain.view(1, -1, 1, 1)


def train(rank, a):
    torch.manual_seed(0)
    _, pictures = data.load()
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    vae = models.vae().to(memory_format=torch.channels_last)
    if rank == 0:
        print(f"{len(images)} pictures,", models.count(vae), flush=True)
    colour_of = torch.nn.Conv2d(16, 3, 1)  # only for training: the latents have to tell the mean colour at once
    parameters = [*vae.parameters(), *colour_of.parameters()]
    opt = torch.optim.AdamW(parameters, lr=a.lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    ema = {k: v.clone() for k, v in vae.state_dict().items()}
    step, spent, path = 0, 0.0, f"{a.work}/vae.pt"
    if os.path.exists(path):
        c = torch.load(path)
        vae.load_state_dict(c["model"]); colour_of.load_state_dict(c["colour"])
        if c["opt"]:  # colour_path.py starts the optimiser anew
            opt.load_state_dict(c["opt"])
        ema, step, spent = c["ema"], c["step"], c["spent"]

    def save():
        models.save(path, model=vae.state_dict(), colour=colour_of.state_dict(), opt=opt.state_dict(), ema=ema, step=step, spent=spent)

    torch.manual_seed(1000 * step + rank)
    last = saved = time.time()
    mean = 0.0
    while spent < a.minutes * 60:
        t = spent / (a.minutes * 60)  # the schedule follows the clock
        lr = a.lr * min(1, (step + 1) / 100) * min(1, 0.02 + 0.98 * (1 - t) / 0.4)
        for g in opt.param_groups:
            g["lr"] = lr
        x = images[torch.randint(len(images), (a.batch // a.processes,))].contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(x).latent_dist
        z = posterior.sample()
        kl = posterior.kl().mean() / (16 * 8 * 8)
        loss = loss_of(vae.decode(z).sample, x) + (colour_of(z) - F.avg_pool2d(x, 16)).abs().mean()
        opt.zero_grad(set_to_none=True)
        (loss + 3e-4 * kl).backward()
        now = time.time()
        shared_loss, seconds = models.average(parameters, loss.item(), now - last)
        last = now
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        step += 1
        decay = min(0.99, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in vae.state_dict().items():
                ema[k].lerp_(v, 1 - decay)
        spent += seconds
        mean += (shared_loss - mean) * (0.02 if mean else 1)
        if rank == 0:
            if step % 50 == 0:
                print(f"step {step} {spent/60:.1f} min loss {mean:.4f} kl {kl.item():.2f} lr {lr:.1e}", flush=True)
            if now - saved > 120:
                save()
                saved = now
    if rank == 0:
        save()
        vae.load_state_dict(ema)
        normalise(vae, images)
        vae.save_pretrained(f"{a.work}/vae")
        print("done", step, "steps", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    p.add_argument("--minutes", type=float, default=40, help="training time, resumed time included")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--processes", type=int, default=2)
    p.add_argument("--lr", type=float, default=1.5e-3)
    models.run(train, p.parse_args())


if __name__ == "__main__":
    main()
