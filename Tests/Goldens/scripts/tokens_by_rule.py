"""tokens/README.md as a program: CLIP's tokens from the stated rules alone.

It shows that the README says what the genuine tokenizer does; `clip_tokens`
compares the two on every golden string. A Swift engine can follow it line by line.
"""

import unicodedata

import regex

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SPLIT = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^" + WHITE + r"\p{L}\p{N}]+"
)
AGAIN = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^" + WHITE + r"\p{L}\p{N}]+")


def normalize(text):
    text = regex.sub(f"[{WHITE}]+", " ", unicodedata.normalize("NFC", text))
    return "".join(character.lower() for character in text)  # one by one: no final sigma


def byte_pairs(piece, symbol_of, ranks):
    parts = [symbol_of[byte] for byte in piece.encode("utf-8")]
    parts[-1] += "</w>"
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
        if rank == len(ranks):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def plain_tokens(text, ranks, symbol_of):
    for piece in SPLIT.findall(text):
        for part in AGAIN.findall(piece):
            yield from byte_pairs(part, symbol_of, ranks)


def cut(text, special):
    """The text between occurrences of a special token, and the token itself between those."""
    for i, piece in enumerate(text.split(special)):
        if i:
            yield special, True
        yield piece, False


def ids(text, merges, vocabulary, start_is_normalized=True, length=77):
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order += [byte for byte in range(256) if byte not in order]
    symbol_of = dict(zip(order, vocabulary))  # the first 256 tokens, in this order
    ranks = {tuple(merge.split(" ")): i for i, merge in enumerate(merges)}
    found = []
    for raw, is_end in cut(text, EOS):
        if is_end:
            found.append(EOS)
            continue
        pieces = cut(normalize(raw), BOS) if start_is_normalized else (
            (piece if special else normalize(piece), special) for piece, special in cut(raw, BOS)
        )
        for piece, is_start in pieces:
            found += [BOS] if is_start else plain_tokens(piece, ranks, symbol_of)
    kept = [BOS, *found[: length - 2], EOS]
    return [vocabulary[token] for token in kept] + [vocabulary[EOS]] * (length - len(kept))
