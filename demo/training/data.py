"""Emoji pictures and captions: Noto Color Emoji's bitmaps, Unicode's names.

Debian packages: fonts-noto-color-emoji (OFL), unicode-data (Unicode licence).
Run this file to write captions.tsv: code point, group, caption.
"""
import argparse
import io
import re

import numpy as np

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
NAMES = "/usr/share/unicode/emoji/emoji-test.txt"
GROUPS = {  # Unicode's group -> the expert's name
    "Animals & Nature": "animals",
    "Food & Drink": "food",
    "Smileys & Emotion": "faces",
    "Travel & Places": "travel",
}
SIZE = 128


def emoji_list(names=NAMES):
    """[(code point, group, caption)] of single code points (VS16 allowed), without clock faces."""
    rows, seen, group = [], set(), None
    for line in open(names, encoding="utf-8"):
        if line.startswith("# group:"):
            group = GROUPS.get(line.split(":", 1)[1].strip())
        match = re.match(r"([0-9A-F ]+?)\s*;\s*fully-qualified\s*# \S+ E\d+\.\d+ (.+)", line)
        if not group or not match:
            continue
        points = [int(p, 16) for p in match[1].split() if p != "FE0F"]
        if len(points) != 1 or points[0] in seen or 0x1F550 <= points[0] <= 0x1F567:
            continue
        seen.add(points[0])
        rows.append((points[0], group, match[2].strip().lower()))
    return rows


def load(font=FONT, names=NAMES):
    """Rows that have a bitmap, and their pictures: uint8 [N, 128, 128, 3] on white."""
    from fontTools.ttLib import TTFont
    from PIL import Image

    ttf = TTFont(font)
    cmap, strike = ttf.getBestCmap(), ttf["CBDT"].strikeData[0]
    rows, pictures = [], []
    for row in emoji_list(names):
        glyph = strike.get(cmap.get(row[0]))
        if glyph is None:
            continue
        bitmap = Image.open(io.BytesIO(glyph.imageData)).convert("RGBA")
        white = Image.new("RGBA", (SIZE, SIZE), "white")
        # 136 wide: the outer 4 columns on each side are empty or nearly so.
        offset = ((SIZE - bitmap.width) // 2, (SIZE - bitmap.height) // 2)
        layer = Image.new("RGBA", (SIZE, SIZE), (255, 255, 255, 0))
        layer.paste(bitmap, offset)
        pictures.append(np.asarray(Image.alpha_composite(white, layer).convert("RGB")))
        rows.append(row)
    return rows, np.stack(pictures)


def read_captions(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    return [(int(point, 16), group, caption) for point, group, caption in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="captions.tsv")
    args = parser.parse_args()
    rows, _ = load()
    with open(args.output, "w", encoding="utf-8") as file:
        for point, group, caption in rows:
            file.write(f"{point:04X}\t{group}\t{caption}\n")
    print(len(rows), "emoji")
