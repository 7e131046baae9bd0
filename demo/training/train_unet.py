"""Train the UNet and the text encoder on cached latents. Resumes from --work/unet.pt."""
import argparse
import os
import time

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

import data
import models


def prepare(work, tokenizer):
    """Unit-variance latents [N, 16, 8, 8], token ids [N + 1, 77] (the last one: the empty caption), rows."""
    rows, pictures = data.load()
    ids = CLIPTokenizer.from_pretrained(tokenizer)(
        [caption for _, _, caption in rows] + [""], padding="max_length", max_length=77, truncation=True,
        return_tensors="pt").input_ids
    vae = AutoencoderKL.from_pretrained(f"{work}/vae").eval()
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = torch.cat([vae.encode(x).latent_dist.mean for x in images.split(32)]) * vae.config.scaling_factor
    return latents, ids, rows


def noised(x, alphas, generator=None):
    """Noise, time steps (stratified over the batch), the noised x, and the min-SNR-5 weights."""
    n = len(x)
    t = ((torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) * (1000 / n)).long().clamp(max=999)
    a = alphas[t].view(-1, 1, 1, 1)
    noise = torch.randn(x.shape, generator=generator)
    snr = a / (1 - a)
    return noise, t, a.sqrt() * x + (1 - a).sqrt() * noise, snr.clamp(max=5) / snr


def train(rank, a):
    torch.manual_seed(1)
    latents, ids, _ = prepare(a.work, a.tokenizer)
    unet = models.unet().to(memory_format=torch.channels_last)
    text = models.text_encoder()
    if rank == 0:
        print(f"{len(latents)} latents, deviation {latents.std():.3f}", flush=True)
        print("unet", models.count(unet), "text", models.count(text), flush=True)
    parameters = [*unet.parameters(), *text.parameters()]
    opt = torch.optim.AdamW(parameters, lr=a.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    ema = [q.detach().clone() for q in parameters]
    step, spent, path = 0, 0.0, f"{a.work}/unet.pt"
    if os.path.exists(path):
        c = torch.load(path)
        unet.load_state_dict(c["unet"]); text.load_state_dict(c["text"]); opt.load_state_dict(c["opt"])
        ema, step, spent = c["ema"], c["step"], c["spent"]

    def save():
        models.save(path, unet=unet.state_dict(), text=text.state_dict(), opt=opt.state_dict(), ema=ema,
                    step=step, spent=spent, samples=step * a.batch)

    alphas = models.alphas_cumprod()
    shared = torch.Generator().manual_seed(step)  # the same order of pictures in every process
    torch.manual_seed(1000 * step + rank)
    order = torch.empty(0, dtype=torch.long)
    each = a.batch // 2  # captions in a step; every one is seen with two noises, to spare the text encoder
    mine = slice(rank * each // a.processes, (rank + 1) * each // a.processes)
    last = saved = time.time()
    mean = 0.0
    while spent < a.minutes * 60:
        done = spent / (a.minutes * 60)  # the schedule follows the clock
        lr = a.lr * min(1, (step + 1) / 150) * min(1, 0.01 + 0.99 * (1 - done) / 0.6)
        for g in opt.param_groups:
            g["lr"] = lr
        if len(order) < each:
            order = torch.cat([order, torch.randperm(len(latents), generator=shared)])
        pick, order = order[:each][mine], order[each:]
        n = len(pick)
        states = text(ids[torch.cat([pick, torch.tensor([len(latents)])])]).last_hidden_state
        noise, t, x, weight = noised(latents[pick.repeat(2)], alphas)
        states = states[torch.where(torch.rand(2 * n) < 0.1, n, torch.arange(n).repeat(2))]
        out = unet(x.contiguous(memory_format=torch.channels_last), t, states).sample
        loss = (weight * (out - noise).square()).mean()
        opt.zero_grad(set_to_none=True)
        loss.backward()
        now = time.time()
        shared_loss, seconds = models.average(parameters, loss.item(), now - last)
        last = now
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(ema, parameters, 1 - min(0.999, (1 + step) / (10 + step)))
        spent += seconds
        mean += (shared_loss - mean) * (0.01 if mean else 1)
        if rank == 0:
            if step % 50 == 0:
                print(f"step {step} {spent/60:.1f} min loss {mean:.4f} lr {lr:.1e}", flush=True)
            if now - saved > 120:
                save()
                saved = now
    if rank == 0:
        save()
        print("done", step, "steps", step * a.batch, "samples", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    p.add_argument("--tokenizer", default="../base/tokenizer")
    p.add_argument("--minutes", type=float, default=60, help="training time, resumed time included")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--processes", type=int, default=2)
    p.add_argument("--lr", type=float, default=1e-3)
    models.run(train, p.parse_args())


if __name__ == "__main__":
    main()
