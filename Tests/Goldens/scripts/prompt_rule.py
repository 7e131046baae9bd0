"""How AUTOMATIC1111 1.10 reads a prompt, as a program: weights, chunks, states.

Written from its behaviour (`modules/prompt_parser.py`, `sd_hijack_clip.py`,
`sd_emphasis.py`), none of it pasted. `python prompt_rule.py SD_EMBED_FOLDER`
holds the reading of weights against sd_embed's `parse_prompt_attention`, which
is AUTOMATIC1111's own function, on random prompts. Two wilful differences:

- BREAK inside brackets ends a chunk. There it turns into the word BREAK with a
  negative weight.
- `:1.2.3)` is text. There it is a ValueError.
"""

import random
import re
import sys

import torch

TOKEN = re.compile(
    r"(?P<escape>\\[()\[\]\\]?)|(?P<open>[(\[])|:\s*(?P<weight>[+-]?[.\d]+)\s*\)|(?P<close>[)\]])|(?P<text>[^\\()\[\]:]+|:)"
)
BREAK = object()


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def read(prompt):
    """[(text or BREAK, weight)], neighbours of one weight joined."""
    parts, stacks, place = [], {"(": [], "[": []}, 0

    def close(kind, factor):
        for part in parts[stacks[kind].pop() :]:
            part[1] *= factor

    while place < len(prompt):
        match = TOKEN.match(prompt, place)
        if match["weight"] and number(match["weight"]) is None:
            match = re.compile(":").match(prompt, place)
            parts.append([":", 1.0])
            place += 1
            continue
        place = match.end()
        if match["escape"]:
            parts.append([match["escape"][1:], 1.0])
        elif match["open"]:
            stacks[match["open"]].append(len(parts))
        elif match["weight"] and stacks["("]:
            close("(", float(match["weight"]))
        elif match["close"] == ")" and stacks["("]:
            close("(", 1.1)
        elif match["close"] == "]" and stacks["["]:
            close("[", 1 / 1.1)
        else:
            pieces = re.split(r"\s*\bBREAK\b\s*", match[0])
            for i, piece in enumerate(pieces):
                if i:
                    parts.append([BREAK, 1.0])
                parts.append([piece, 1.0])
    for kind, factor in (("(", 1.1), ("[", 1 / 1.1)):
        for start in stacks[kind]:
            for part in parts[start:]:
                part[1] *= factor
    joined = []
    for text, weight in parts or [["", 1.0]]:
        if joined and text is not BREAK and joined[-1][0] is not BREAK and joined[-1][1] == weight:
            joined[-1][0] += text
        else:
            joined.append([text, weight])
    return joined


def chunks(tokenizer, prompt, vectors=None, size=75):
    """[(ids, weights)] without start, end and padding. `vectors`: the ids of a
    learned word's vectors, by the id of its token; they stay in one chunk."""
    done, ids, weights = [], [], []
    for text, weight in read(prompt):
        if text is BREAK:
            done.append((ids, weights))
            ids, weights = [], []
            continue
        for token in tokenizer(text, add_special_tokens=False, truncation=False).input_ids:
            piece = (vectors or {}).get(token, [token])
            if len(ids) + len(piece) > size:
                done.append((ids, weights))
                ids, weights = [], []
            ids = ids + piece
            weights = weights + [weight] * len(piece)
    return done + [(ids, weights)] if ids or not done else done


def framed(tokenizer, ids, size=75):
    padding = [tokenizer.pad_token_id] * (size - len(ids))
    return [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *padding]


def weigh(states, weights):
    """Emphasis "Original": states [1, 77, width] times weights, back to their old mean."""
    factors = torch.tensor([1.0, *weights] + [1.0] * (states.shape[1] - len(weights) - 1))
    scaled = states * factors[None, :, None]
    return scaled * (states.mean() / scaled.mean())


def encode(tokenizer, call, prompts, vectors=None):
    """One [1, chunks · 77, width] a prompt; `call` gives a chunk's states. The shorter is filled
    with empty chunks."""
    read_chunks = [chunks(tokenizer, prompt, vectors) for prompt in prompts]
    count = max(map(len, read_chunks))
    results = []
    for own in read_chunks:
        own = own + [([], [])] * (count - len(own))
        states = [weigh(call(torch.tensor([framed(tokenizer, ids)])), weights) for ids, weights in own]
        results.append(torch.cat(states, dim=1))
    return results


def check(folder):
    sys.path.insert(0, folder + "/src/sd_embed")
    sys.modules.setdefault("lark", type(sys)("lark"))
    sys.modules["lark"].Lark = lambda *_: None
    import prompt_parser as theirs

    # That copy is older: white space around a weight came later.
    theirs.re_attention = re.compile(theirs.re_attention.pattern.replace(r":([+-]?[.\d]+)\)", r":\s*([+-]?[.\d]+)\s*\)"), re.X)
    signs = ["(", ")", "[", "]", "\\", ":", ":1.2)", ": 0.5 )", ":-2)", ":+.5)", " ", "a", "b", "é", "BREAK", "_", "9", "."]
    generator, compared = random.Random(0), 0
    while compared < 200_000:
        prompt = "".join(generator.choices(signs, k=generator.randint(0, 14)))
        try:
            expected = theirs.parse_prompt_attention(prompt)
        except ValueError:
            continue
        if "BREAK" in prompt and re.search(r"[(\[]", prompt):
            continue
        found = [["BREAK", -1] if text is BREAK else [text, weight] for text, weight in read(prompt)]
        assert found == expected, (prompt, found, expected)
        compared += 1
    print(f"{compared} prompts read alike")


if __name__ == "__main__":
    check(sys.argv[1])
