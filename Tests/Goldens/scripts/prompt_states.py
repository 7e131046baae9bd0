"""Prompts with weights, long ones, learned words and clip skip: `prompts/`.

- `weighted`: what `prompt_rule.py` reads out of hard prompts, and the text states
  by that rule with the genuine text encoder.
- `plain`: diffusers' own `encode_prompt`, with `clip_skip` and with learned words
  from `load_textual_inversion`.
- `pictures`: whole renders of the genuine pipeline, from states of either kind.
"""

import os

import numpy as np
import torch
from common import levels, load_model, relative_error, save_tensors, second_way, write_json
from PIL import Image
from prompt_rule import BREAK, chunks, encode, read

LONG = ", ".join(f"a {word} fox number {i}" for i, word in enumerate("red old happy small great new first".split()))

# Reading alone; no states.
HARD = [
    "",
    "()",
    "[]",
    "a (b) c",
    "(a:1.0) b",
    "(unbalanced",
    "[unbalanced",
    "unbalanced) here]",
    "(a [b) c]",
    "((a))",
    "[[a]]",
    "((a:1.3)) [on] a (hill:0.5), sun, (((sky))).",
    r"\(literal\) \[too\] \\ and \x lone",
    "\\",
    "(a\\)b)",
    "(a:1.2",
    "a:1.2)",
    "(a: 1.2 )",
    "(a\u00a0:\u20031.2\u3000)",
    "(a:-0.5)(b:+.5)(c:5.)",
    "(a:1.2.3)",
    "(a:.)",
    "(a:\u0661.\u0662)",
    "(a:b:1.5)",
    "[a:b:0.5] [c|d]",
    "a BREAK b",
    "BREAK",
    "BREAK BREAK  a\n BREAK",
    "xBREAK BREAKx _BREAK BREAK1 BREAK_ break BREAK\u00e9 BREAK.",
    "(a BREAK b:1.2)",
    "(BREAK)",
    "caf\u00e9 (\U0001f431:1.4)s (r)ed",
    "(a\\:2)b",
    "(((((a:2):2):2):2):0.0625)",
    "one two three " * 30,
    ("(" * 20) + "a" + (")" * 20),
]

WEIGHTED = [
    ["a (red:1.4) fox in the [snow], ((best))", "blurry, (low quality:1.3)"],
    ["a (red:0) fox (cat:-0.7)", ""],
    [LONG, "bad"],
    ["a red fox BREAK the (old:1.5) sea BREAK night", LONG],
    ["(" + LONG + ":1.2), [night]", "day"],
]

FILES = {
    # AUTOMATIC1111's layout, three vectors; the token is given.
    "fox-style": ("emb_params", 3),
    # diffusers' layout: the tensor is named as the token, a single vector.
    "toy": ("<Toy>", None),
}
# diffusers finds tokens in any case, but gives all of several vectors only to one that is written as it was named;
# in another case it takes the first vector alone. Here every spelling gets all.
PLAIN = [
    {"prompt": "a (red:1.4) fox", "negative": "blurry", "clip_skip": None, "words": []},
    {"prompt": LONG, "negative": "", "clip_skip": None, "words": []},
    {"prompt": "a red fox in the snow", "negative": "blurry", "clip_skip": 1, "words": []},
    {"prompt": "a red fox in the snow", "negative": "blurry", "clip_skip": 2, "words": []},
    {"prompt": "a <toy> by fox-style, old", "negative": "fox-style <TOY>", "clip_skip": None, "words": ["fox-style", "toy"]},
    {"prompt": "a <toy>s fox-style", "negative": "", "clip_skip": 1, "words": ["toy", "fox-style"]},
]
LEARNED = [["a (<toy>:1.3) by [fox-style], " + LONG, "fox-style " * 25, ["fox-style", "toy"]]]

PICTURES = [
    ("weighted", WEIGHTED[0], []),
    ("long", WEIGHTED[3], []),
    ("learned", LEARNED[0][:2], LEARNED[0][2]),
    ("clip-skip", PLAIN[2], []),
    ("plain-learned", PLAIN[4], PLAIN[4]["words"]),
]


def make_files(root):
    generator = torch.Generator().manual_seed(17)
    for name, (tensor, vectors) in FILES.items():
        shape = (vectors, 32) if vectors else (32,)
        save_tensors(os.path.join(root, f"prompts/{name}.safetensors"), {tensor: torch.randn(shape, generator=generator)})


def load(root, words):
    """A pipeline that knows some words; the ids of their vectors, by the id of their token."""
    pipe = load_model(root, "base")
    # diffusers looks below `text_model`, which today's transformers has no more.
    if not hasattr(pipe.text_encoder, "text_model"):
        object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    vectors = {}
    for word in words:
        tensor, count = FILES[word]
        token = word if tensor == "emb_params" else None
        first = len(pipe.tokenizer)
        pipe.load_textual_inversion(os.path.join(root, f"prompts/{word}.safetensors"), token=token)
        vectors[first] = list(range(first, first + (count or 1)))
    return pipe, vectors


def weighted_states(pipe, prompts, vectors):
    return encode(pipe.tokenizer, lambda ids: pipe.text_encoder(ids)[0], prompts, vectors)


def plain_states(pipe, case):
    return pipe.encode_prompt(
        case["prompt"], "cpu", 1, True, negative_prompt=case["negative"], clip_skip=case["clip_skip"]
    )


def picture(pipe, states):
    """64×64, 5 steps of the model's own scheduler, guidance 5."""
    image = pipe(
        prompt_embeds=states[0], negative_prompt_embeds=states[1], width=64, height=64, num_inference_steps=5,
        guidance_scale=5.0, generator=torch.Generator("cpu").manual_seed(3),
    )
    return np.array(image.images[0])


def record(tensors, name, pipe, compute):
    """Positive and negative states; how far a second way of computing them is off."""
    states = compute()
    tensors[f"{name}.positive"], tensors[f"{name}.negative"] = states[0], states[1]
    with second_way(pipe):
        return max(relative_error(b, a) for a, b in zip(states, compute()))


@torch.no_grad()
def make(root):
    make_files(root)
    pipe, _ = load(root, [])
    tensors, index = {}, {"reading": [], "weighted": [], "plain": [], "pictures": []}
    for prompt in HARD + [prompt for pair in WEIGHTED for prompt in pair]:
        index["reading"].append(
            {
                "prompt": prompt,
                "parts": [{"text": None if text is BREAK else text, "weight": weight} for text, weight in read(prompt)],
                "chunks": [{"ids": ids, "weights": weights} for ids, weights in chunks(pipe.tokenizer, prompt)],
            }
        )
    for number, (positive, negative, words) in enumerate([[*pair, []] for pair in WEIGHTED] + LEARNED):
        known, vectors = load(root, words)
        name = f"weighted.{number}"
        error = record(tensors, name, known, lambda: weighted_states(known, [positive, negative], vectors))
        index["weighted"].append(
            {"name": name, "prompt": positive, "negative": negative, "words": words, "second_way": error}
        )
    for number, case in enumerate(PLAIN):
        known, _ = load(root, case["words"])
        name = f"plain.{number}"
        error = record(tensors, name, known, lambda: plain_states(known, case))
        index["plain"].append({"name": name} | case | {"second_way": error})
    for name, case, words in PICTURES:
        known, vectors = load(root, words)
        is_plain = isinstance(case, dict)
        states = plain_states(known, case) if is_plain else weighted_states(known, case, vectors)
        image = picture(known, states)
        with second_way(known):
            again = plain_states(known, case) if is_plain else weighted_states(known, case, vectors)
            difference = levels(picture(known, again), image)
        Image.fromarray(image).save(os.path.join(root, f"prompts/{name}.png"), optimize=True)
        case = case if is_plain else {"prompt": case[0], "negative": case[1], "clip_skip": None, "words": words}
        index["pictures"].append({"file": f"{name}.png", "plain": is_plain} | case | {"second_way": difference})
    save_tensors(os.path.join(root, "prompts/states.safetensors"), tensors)
    write_json(os.path.join(root, "prompts/prompts.json"), index)
    for kind in ("weighted", "plain", "pictures"):
        print(kind, [entry["second_way"] for entry in index[kind]])
