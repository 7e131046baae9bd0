"""The CLIP tokenizer's goldens: the real vocabulary, a cut one, hard strings.

The vocabulary needs no vocab.json: it follows from the merges (256 byte
symbols in CLIP's order, the same with `</w>`, the merges joined, two special
tokens). The Swift tests derive it; `derive` here is that rule, and what it
gives is what the genuine tokenizer is loaded with.
"""

import gzip
import importlib.util
import json
import os
import tempfile

import tokens_by_rule
from common import write_json
from hard_strings import CUT_STRINGS, HARD_STRINGS, PLAIN_STRINGS
from transformers import CLIPTokenizer

CUT_MERGES = 1000
CUT_VOCABULARY = 512 + CUT_MERGES + 2
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def real_merges():
    """The 48,894 merges that open_clip ships: lines 1 to 48894 of its file."""
    package = os.path.dirname(importlib.util.find_spec("open_clip").origin)
    with gzip.open(os.path.join(package, "bpe_simple_vocab_16e6.txt.gz")) as file:
        lines = file.read().decode("utf-8").split("\n")
    return lines[1 : 49152 - 256 - 2 + 1]


def byte_symbols():
    """CLIP's (and GPT-2's) printable stand-in for each byte, in CLIP's order:
    the printable bytes first, as themselves, then the others as U+0100 and on."""
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in order]
    return symbols + [chr(256 + i) for i in range(256 - len(order))]


def derive(merges):
    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges] + [BOS, EOS]
    assert len(tokens) == len(set(tokens))
    return {token: i for i, token in enumerate(tokens)}


def added(content):
    return {
        "__type": "AddedToken",
        "content": content,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    }


# tokenizer/tokenizer_config.json and special_tokens_map.json of the hub's SD1.5.
HUB_CONFIG = {
    "add_prefix_space": False,
    "bos_token": added(BOS),
    "do_lower_case": True,
    "eos_token": added(EOS),
    "errors": "replace",
    "model_max_length": 77,
    "name_or_path": "openai/clip-vit-large-patch14",
    "pad_token": EOS,
    "special_tokens_map_file": "./special_tokens_map.json",
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": added(EOS),
}
HUB_SPECIALS = {
    "bos_token": {k: v for k, v in added(BOS).items() if k != "__type"},
    "eos_token": {k: v for k, v in added(EOS).items() if k != "__type"},
    "pad_token": EOS,
    "unk_token": {k: v for k, v in added(EOS).items() if k != "__type"},
}
# One that names its special tokens plainly, as some folders do.
PLAIN_CONFIG = {
    "bos_token": BOS,
    "eos_token": EOS,
    "model_max_length": 77,
    "pad_token": EOS,
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": EOS,
}


def write_layout(folder, merges, config, specials=None, vocab=True):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    write_json(os.path.join(folder, "tokenizer_config.json"), config)
    if specials:
        write_json(os.path.join(folder, "special_tokens_map.json"), specials)
    if vocab:
        with open(os.path.join(folder, "vocab.json"), "w") as file:
            json.dump(derive(merges), file)


def load_tokenizer(folder):
    return CLIPTokenizer.from_pretrained(folder)


def padded_ids(tokenizer, text):
    """As StableDiffusionPipeline.encode_prompt calls it."""
    return tokenizer(
        text, padding="max_length", max_length=tokenizer.model_max_length, truncation=True
    ).input_ids


def record(path, tokenizer, strings, merges, start_is_normalized=True):
    cases = [{"text": text, "ids": padded_ids(tokenizer, text)} for text in strings]
    vocabulary = derive(merges)
    for case in cases:
        rule = tokens_by_rule.ids(case["text"], merges, vocabulary, start_is_normalized)
        assert case["ids"] == rule, (case, rule)
    write_json(path, cases)


def white_space(tokenizer):
    """The code points that the normalizer's `\\s+` takes for white space."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000 and normalizer.normalize_str(chr(p)) == " "]
    return [f"U+{p:04X}" for p in points]


def make(root):
    tokens = os.path.join(root, "tokens")
    merges = real_merges()
    assert len(merges) == 48894
    write_layout(os.path.join(tokens, "clip"), merges, HUB_CONFIG, HUB_SPECIALS, vocab=False)
    with tempfile.TemporaryDirectory() as folder:
        write_layout(folder, merges, HUB_CONFIG, HUB_SPECIALS)
        tokenizer = load_tokenizer(folder)
        record(os.path.join(tokens, "tokens.json"), tokenizer, HARD_STRINGS, merges)
        pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
        del pipeline["model"]["vocab"], pipeline["model"]["merges"]
        pipeline["white_space"] = white_space(tokenizer)
        write_json(os.path.join(tokens, "tokenizer-without-vocabulary.json"), pipeline)
    with tempfile.TemporaryDirectory() as folder:
        write_layout(folder, merges, PLAIN_CONFIG)
        plain = os.path.join(tokens, "tokens-plain-specials.json")
        record(plain, load_tokenizer(folder), PLAIN_STRINGS, merges, start_is_normalized=False)

    # The cut vocabulary in both layouts; they must agree on every string.
    base = os.path.join(root, "model/base/tokenizer")
    write_layout(base, merges[:CUT_MERGES], HUB_CONFIG, HUB_SPECIALS)
    cut = load_tokenizer(base)
    record(os.path.join(tokens, "tokens-cut.json"), cut, CUT_STRINGS, merges[:CUT_MERGES])
    wide = os.path.join(root, "model/wide/tokenizer")
    cut.save_pretrained(wide)
    again = load_tokenizer(wide)
    assert os.path.exists(os.path.join(wide, "tokenizer.json"))
    for text in CUT_STRINGS:
        assert padded_ids(cut, text) == padded_ids(again, text), text
