"""Write a CLIPTokenizer over a cut vocabulary: vocab.json + merges.txt and tokenizer.json."""
import argparse
import gzip
import json
import os


def byte_symbols():
    """CLIP's (GPT-2's) printable stand-ins for the 256 bytes, in CLIP's order."""
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(c) for c in codes]
    return symbols + [chr(256 + n) for n in range(256 - len(codes))]


def write(bpe_gz, folder, merges=3580):
    with gzip.open(bpe_gz, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : 1 + merges]
    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(line.split()) for line in lines]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == len(tokens)
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as file:
        json.dump({t: i for i, t in enumerate(tokens)}, file, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(["#version: 0.2", *lines]) + "\n")
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": end}
    config = dict(special, tokenizer_class="CLIPTokenizer", model_max_length=77, do_lower_case=True,
                  add_prefix_space=False, errors="replace")
    with open(f"{folder}/tokenizer_config.json", "w") as file:
        json.dump(config, file, indent=2)
    with open(f"{folder}/special_tokens_map.json", "w") as file:
        json.dump(special, file, indent=2)
    return len(tokens)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bpe", help="bpe_simple_vocab_16e6.txt.gz; default: open_clip's")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    if not args.bpe:
        import importlib.util
        folder = importlib.util.find_spec("open_clip").submodule_search_locations[0]
        args.bpe = f"{folder}/bpe_simple_vocab_16e6.txt.gz"
    print(write(args.bpe, args.output), "tokens")
