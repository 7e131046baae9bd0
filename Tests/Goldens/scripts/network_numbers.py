"""Single calls of each network, and what is inside them: `numbers/*.safetensors`.

Tensors are in torch's order (batch, channel, height, width). The inner values
(`stage.…`) are there to find where an engine goes wrong; the tests may use them.
"""

import os

import torch
from clip_tokens import load_tokenizer, padded_ids
from common import PARTS, load_model, relative_error, save_tensors, second_way, write_json

PROMPTS = [
    "",
    "a red fox in the snow",
    "blurry, low quality",
    "Caf\u00e9 \U0001f431 it's 42!",
    "one two three " * 40,
    "a <|endoftext|> b",
]


def stages(module_of, call):
    """The outputs of some modules during `call`, by name."""
    seen, hooks = {}, []
    for name, module in module_of.items():
        def hook(_module, _inputs, output, name=name):
            seen["stage." + name] = output[0] if isinstance(output, tuple) else output
        hooks.append(module.register_forward_hook(hook))
    try:
        result = call()
    finally:
        for hook in hooks:
            hook.remove()
    return result, seen


def text_ids(pipe, prompts):
    return torch.tensor([padded_ids(pipe.tokenizer, prompt) for prompt in prompts])


def text_numbers(root, pipe):
    ids = text_ids(pipe, PROMPTS)
    inner = pipe.text_encoder
    out = inner(ids, output_hidden_states=True)
    tensors = {"states": out.last_hidden_state}
    # Before the final norm; row 1 alone.
    for i, hidden in enumerate(out.hidden_states):
        tensors[f"stage.hidden.{i}"] = hidden[1:2]
    with second_way(pipe):
        error = relative_error(inner(ids).last_hidden_state, tensors["states"])
    save_tensors(os.path.join(root, "numbers/text-base.safetensors"), tensors)
    return {"file": "text-base.safetensors", "prompts": PROMPTS, "ids": ids.tolist(), "second_way": error}


def unet_stages(unet):
    named = {"conv_in": unet.conv_in, "time_embedding": unet.time_embedding, "mid_block": unet.mid_block}
    named |= {f"down_blocks.{i}": block for i, block in enumerate(unet.down_blocks)}
    return named | {f"up_blocks.{i}": block for i, block in enumerate(unet.up_blocks)}


def sparse_layers(unet):
    return {n: m for n, m in unet.named_modules() if type(m).__name__ == "SparseMoeBlock"}


class Routing:
    """What each sparse layer decided during a `with` block, call by call."""

    def __init__(self, unet):
        self.layers, self.calls, self.hooks = sparse_layers(unet), [], []

    def __enter__(self):
        for name, layer in self.layers.items():
            def hook(_module, _inputs, output, name=name, top=layer.top_k):
                sums = output.sum(dim=0)
                order = sums.topk(top).indices.tolist()
                ranked = sums.sort(descending=True).values
                gap = (ranked[top - 1] - ranked[top]) / output.shape[0] if top < len(ranked) else None
                self.calls.append((name, [round(x, 3) for x in sums.tolist()], order, None if gap is None else float(gap)))
            self.hooks.append(layer.gate.register_forward_hook(hook))
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()

    def margin(self):
        """The narrowest decision: gap between the last chosen and the first
        rejected expert, as a mean over the rows; logits are of the order of 1."""
        gaps = [gap for *_, gap in self.calls if gap is not None]
        return min(gaps) if gaps else None

    def decisions(self):
        return [order for _, _, order, _ in self.calls]


def unet_numbers(root, name, pipe):
    unet, noise = pipe.unet, torch.Generator().manual_seed(5)
    pair = pipe.text_encoder(text_ids(pipe, [PROMPTS[2], PROMPTS[1]])).last_hidden_state
    calls = {
        "square": (torch.randn(2, 4, 16, 16, generator=noise), torch.tensor(501), pair),
        "odd": (torch.randn(2, 4, 9, 17, generator=noise), torch.tensor(21), pair),
        "single": (torch.randn(1, 4, 8, 24, generator=noise), torch.tensor(249.75), pair[1:]),
    }
    tensors, entry = {"states": pair}, {"file": f"unet-{name}.safetensors", "calls": {}}
    for label, (sample, time, states) in calls.items():
        def call():
            return unet(sample, time, states).sample

        with Routing(unet) as routing:
            out, seen = stages(unet_stages(unet), call)
        tensors |= {f"{label}.sample": sample, f"{label}.output": out}
        if label == "single" and name in ("base", "wide", "all-3x2"):
            tensors |= {f"{label}.{stage}": value for stage, value in seen.items()}
        with second_way(pipe):
            error = relative_error(call(), out)
        about = {"timestep": float(time), "rows": len(sample), "second_way": error}
        if routing.calls:
            about["routing_margin"] = routing.margin()
            about["routing"] = {layer: {"sums": sums, "chosen": order} for layer, sums, order, _ in routing.calls}
        entry["calls"][label] = about
    save_tensors(os.path.join(root, "numbers", entry["file"]), tensors)
    return entry


def vae_numbers(root, name, pipe):
    vae, noise = pipe.vae, torch.Generator().manual_seed(6)
    # As the pipeline hands them over: divided by the scaling factor already.
    latents = torch.randn(1, 4, 6, 9, generator=noise) / vae.config.scaling_factor
    picture = torch.rand(1, 3, 48, 72, generator=noise) * 2 - 1
    blocks = {f"up_blocks.{i}": block for i, block in enumerate(vae.decoder.up_blocks)}
    named = {"conv_in": vae.decoder.conv_in, "mid_block": vae.decoder.mid_block} | blocks
    image, seen = stages(named, lambda: vae.decode(latents).sample)
    # Mean and log variance, eight channels; not needed before img2img.
    moments = vae.encode(picture).latent_dist.parameters
    with second_way(pipe):
        errors = [relative_error(vae.decode(latents).sample, image)]
        errors.append(relative_error(vae.encode(picture).latent_dist.parameters, moments))
    tensors = {"latents": latents, "image": image, "picture": picture, "moments": moments}
    tensors["stage.mid_block"] = seen["stage.mid_block"]
    tensors["stage.up_blocks.0"] = seen["stage.up_blocks.0"]
    save_tensors(os.path.join(root, f"numbers/vae-{name}.safetensors"), tensors)
    return {"file": f"vae-{name}.safetensors", "scaling_factor": vae.config.scaling_factor, "second_way": errors}


@torch.no_grad()
def make(root):
    index = {"text": {}, "unet": {}, "vae": {}}
    for name in PARTS:
        if name.startswith("expert"):
            continue
        pipe = load_model(root, name)
        if name == "base":
            index["text"][name] = text_numbers(root, pipe)
        if name in ("base", "wide"):
            index["vae"][name] = vae_numbers(root, name, pipe)
        index["unet"][name] = unet_numbers(root, name, pipe)
    write_json(os.path.join(root, "numbers/networks.json"), index)
