"""Train one LoRA per group from the final base. Finished ones in --work/experts are kept, so it resumes.

Only the layers that SegMoE replaces are adapted: the transformer blocks of down_blocks and up_blocks
(never the middle block), to_q, to_k, to_v and the feed-forward. lora_alpha = rank, so the scale is 1.
"""
import argparse
import os
import time

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextModel

import data
import models
from train_unet import noised, prepare

TARGETS = r"(down_blocks|up_blocks)\..*\.(to_q|to_k|to_v|ff\.net\.0\.proj|ff\.net\.2)"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", default="work")
    p.add_argument("--base", default="../base")
    p.add_argument("--minutes", type=float, default=4, help="for each expert")
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--own", type=float, default=0.5, help="share of the expert's own group in a batch")
    a = p.parse_args()
    torch.set_num_threads(2)
    os.makedirs(f"{a.work}/experts", exist_ok=True)

    latents, ids, rows = prepare(a.work, f"{a.base}/tokenizer")
    text = CLIPTextModel.from_pretrained(f"{a.base}/text_encoder", dtype=torch.float32).eval()
    with torch.no_grad():
        states = torch.cat([text(part).last_hidden_state for part in ids.split(64)])
    alphas = models.alphas_cumprod()

    def measure(unet, pick):
        """The loss over these pictures, always with the same noise."""
        g = torch.Generator().manual_seed(0)
        total = 0.0
        with torch.no_grad():
            for part in pick.repeat(-(-256 // len(pick)))[:256].split(64):
                noise, t, x, weight = noised(latents[part], alphas, g)
                total += (weight * (unet(x, t, states[part]).sample - noise).square()).mean().item() / 4
        return total

    for name in data.GROUPS.values():
        path = f"{a.work}/experts/{name}.safetensors"
        if os.path.exists(path):
            continue
        torch.manual_seed(3)
        unet = UNet2DConditionModel.from_pretrained(f"{a.base}/unet", torch_dtype=torch.float32)
        own = torch.tensor([i for i, row in enumerate(rows) if row[1] == name])
        other = torch.tensor([i for i, row in enumerate(rows) if row[1] != name])
        other_sample = other[torch.randperm(len(other))[:256]]
        before = measure(unet, own), measure(unet, other_sample)
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=a.rank, lora_alpha=a.rank, init_lora_weights="gaussian", target_modules=TARGETS))
        unet = unet.to(memory_format=torch.channels_last)
        parameters = [q for q in unet.parameters() if q.requires_grad]
        opt = torch.optim.AdamW(parameters, lr=a.lr, betas=(0.9, 0.99), weight_decay=0.0)
        ema = [q.detach().clone() for q in parameters]
        n_own, start, step, mean = round(a.batch * a.own), time.time(), 0, 0.0
        while (done := (time.time() - start) / (a.minutes * 60)) < 1:
            for g in opt.param_groups:
                g["lr"] = a.lr * min(1, (step + 1) / 30) * min(1, 0.02 + 1.5 * (1 - done))
            pick = torch.cat([own[torch.randint(len(own), (n_own,))], other[torch.randint(len(other), (a.batch - n_own,))]])
            noise, t, x, weight = noised(latents[pick], alphas)
            given = states[torch.where(torch.rand(a.batch) < 0.1, len(latents), pick)]
            out = unet(x.contiguous(memory_format=torch.channels_last), t, given).sample
            loss = (weight * (out - noise).square()).mean()
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            opt.step()
            step += 1
            mean += (loss.item() - mean) * max(0.02, 1 / step)
            with torch.no_grad():
                torch._foreach_lerp_(ema, parameters, 1 - min(0.99, (1 + step) / (10 + step)))
            if step % 50 == 0:
                print(f"{name} step {step} {(time.time() - start)/60:.1f} min loss {mean:.4f}", flush=True)
        with torch.no_grad():
            for q, v in zip(parameters, ema):
                q.copy_(v)
        after = measure(unet, own), measure(unet, other_sample)
        lora = {f"unet.{k}": v.half().contiguous() for k, v in get_peft_model_state_dict(unet).items()}
        save_file(lora, path + ".new", metadata={"format": "pt"})
        os.chmod(path + ".new", 0o644)
        os.replace(path + ".new", path)
        print(f"{name}: {step} steps, {sum(v.numel() for v in lora.values()):,} parameters; loss own group "
              f"{before[0]:.4f} -> {after[0]:.4f}, others {before[1]:.4f} -> {after[1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
