"""Polish the VAE's decoder: the latents stay as they are, slightly noised as a UNet's are.

May run after the UNet, or before. Resumes from --work/decoder.pt; updates --work/vae.
"""
import argparse
import os
import time

import torch
from diffusers import AutoencoderKL

import data
import models
from train_vae import loss_of


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    p.add_argument("--minutes", type=float, default=10, help="training time, resumed time included")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=6e-4)
    p.add_argument("--noise", type=float, default=0.1, help="at most this much, in units of the latents' deviation")
    a = p.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(2)

    _, pictures = data.load()
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    vae = AutoencoderKL.from_pretrained(f"{a.work}/vae").to(memory_format=torch.channels_last)
    with torch.no_grad():
        latents = torch.cat([vae.encode(x).latent_dist.mean for x in images.split(32)])
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    opt = torch.optim.AdamW(parameters, lr=a.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    ema = [q.detach().clone() for q in parameters]
    step, spent, path = 0, 0.0, f"{a.work}/decoder.pt"
    if os.path.exists(path):
        c = torch.load(path)
        opt.load_state_dict(c["opt"])
        ema, step, spent = c["ema"], c["step"], c["spent"]
        with torch.no_grad():
            for q, v in zip(parameters, c["model"]):
                q.copy_(v)

    def save():
        models.save(path, model=[q.detach() for q in parameters], opt=opt.state_dict(), ema=ema, step=step, spent=spent)

    last = saved = time.time()
    mean = 0.0
    while spent < a.minutes * 60:
        done = spent / (a.minutes * 60)
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 - done))
        pick = torch.randint(len(images), (a.batch,))
        x = images[pick].contiguous(memory_format=torch.channels_last)
        z = latents[pick]
        z = z + torch.randn_like(z) * torch.rand(len(z), 1, 1, 1) * a.noise / vae.config.scaling_factor
        loss = loss_of(vae.decode(z.contiguous(memory_format=torch.channels_last)).sample, x)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(ema, parameters, 1 - min(0.995, (1 + step) / (10 + step)))
        now = time.time()
        spent += now - last
        last = now
        mean += (loss.item() - mean) * max(0.02, 1 / step)
        if step % 50 == 0:
            print(f"step {step} {spent/60:.1f} min loss {mean:.4f}", flush=True)
        if now - saved > 120:
            save()
            saved = now
    save()
    with torch.no_grad():
        for q, v in zip(parameters, ema):
            q.copy_(v)
    vae.save_pretrained(f"{a.work}/vae")
    print("done", step, "steps", flush=True)


if __name__ == "__main__":
    main()
