"""The same as `prompt_states` for SDXL's two text encoders: `prompts/xl.*`.

Weighted: each encoder's penultimate states by AUTOMATIC1111's rule, side by side;
pooled: the second encoder's for the first chunk. Plain: diffusers' `encode_prompt`.
A learned word has vectors for both encoders, as `clip_l` and `clip_g`.
"""

import os

import common
import families
import torch
from common import save_tensors, write_json
from prompt_rule import chunks, encode, framed
from prompt_states import LONG, WEIGHTED

CASES = [
    {"prompt": WEIGHTED[0][0], "negative": WEIGHTED[0][1], "plain": False, "words": False, "clip_skip": None},
    {"prompt": WEIGHTED[3][0], "negative": "", "plain": False, "words": False, "clip_skip": None},
    {"prompt": "a (<both>:1.3) fox, " + LONG, "negative": "<both>", "plain": False, "words": True, "clip_skip": None},
    {"prompt": LONG + " (x:2)", "negative": "blurry", "plain": True, "words": False, "clip_skip": None},
    {"prompt": "a red fox", "negative": "blurry", "plain": True, "words": False, "clip_skip": 1},
    {"prompt": "a <both> fox", "negative": "by <both>", "plain": True, "words": True, "clip_skip": None},
]


def load(root, words):
    pipe, vectors = families.load(root, "xl"), [{}, {}]
    if words:
        file = os.path.join(root, "prompts/both.safetensors")
        from safetensors.torch import load_file

        tables = load_file(file)
        halves = [("clip_l", pipe.tokenizer, pipe.text_encoder), ("clip_g", pipe.tokenizer_2, pipe.text_encoder_2)]
        for place, (name, tokenizer, encoder) in enumerate(halves):
            first = len(tokenizer)
            vectors[place] = {first: [first, first + 1]}
            pipe.load_textual_inversion(tables[name], token="<both>", tokenizer=tokenizer, text_encoder=encoder)
    return pipe, vectors


def weighted(pipe, case, vectors):
    prompts = [case["prompt"], case["negative"]]
    sides, halves = [], [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
    for place, (tokenizer, encoder) in enumerate(halves):
        sides.append(
            encode(tokenizer, lambda ids: encoder(ids, output_hidden_states=True).hidden_states[-2], prompts, vectors[place])
        )
    pooled = []
    for prompt in prompts:
        ids = chunks(pipe.tokenizer_2, prompt, vectors[1])[0][0]
        pooled.append(pipe.text_encoder_2(torch.tensor([framed(pipe.tokenizer_2, ids)])).text_embeds)
    return [torch.cat(pair, dim=-1) for pair in zip(*sides)] + pooled


def plain(pipe, case):
    positive, negative, pooled, negative_pooled = pipe.encode_prompt(
        case["prompt"], device="cpu", negative_prompt=case["negative"], clip_skip=case["clip_skip"]
    )
    return [positive, negative, pooled, negative_pooled]


@torch.no_grad()
def make(root):
    common.PARTS.update(families.PARTS)
    noise = torch.Generator().manual_seed(18)
    both = {"clip_l": torch.randn(2, 24, generator=noise), "clip_g": torch.randn(2, 40, generator=noise)}
    save_tensors(os.path.join(root, "prompts/both.safetensors"), both)
    tensors = {}
    for number, case in enumerate(CASES):
        pipe, vectors = load(root, case["words"])
        states = plain(pipe, case) if case["plain"] else weighted(pipe, case, vectors)
        for name, value in zip(("positive", "negative", "pooled", "negative_pooled"), states):
            tensors[f"{number}.{name}"] = value
    save_tensors(os.path.join(root, "prompts/xl.safetensors"), tensors)
    write_json(os.path.join(root, "prompts/xl.json"), CASES)
