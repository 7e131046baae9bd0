"""Is a folder merged by `segmoe merge` what the reference would have made?

    python check_merge.py MERGED_FOLDER GOLDEN_DIR

MERGED_FOLDER is our engine's output for GOLDEN_DIR/recipe.yaml (say
`../merges/all-3x2`), made with the default gate seed, steps and size. It is
loaded by the genuine segmoe package; its gates are compared with the golden
ones (cosine of each row at least 0.9999), every other tensor must be equal,
`segmoe_config` must say the same, and the golden pictures of that merge are
rendered from it by diffusers (mean at most 0.05 levels, maximum at most 2).
Of `xl-2x2` only gates, names and a picture are golden; `merge_xl.py` has
checked the rest against the experts, and so do the tests.

Exit code 0 if all holds, 1 if not. Runs outside the tests: it needs Python.
"""

import os
import sys

import numpy as np
import torch
from common import levels, load_folder, read_json, render
from families import draw
from merge_models import WEIGHTS
from PIL import Image
from safetensors.torch import load_file

MEAN, MAXIMUM, COSINE = 0.05, 2, 0.9999
SETTINGS = "num_experts num_experts_per_tok moe_layers type up_idx_start up_idx_end down_idx_start down_idx_end".split()


def complain_tensors(merged, golden):
    if merged.keys() != golden.keys():
        yield f"tensors: missing {sorted(golden.keys() - merged.keys())}, too many {sorted(merged.keys() - golden.keys())}"
        return
    worst = 1.0
    for key, wanted in golden.items():
        found = merged[key]
        if found.shape != wanted.shape:
            yield f"{key}: shape {tuple(found.shape)}, expected {tuple(wanted.shape)}"
        elif key.endswith(".gate.weight"):
            cosine = torch.cosine_similarity(found.double(), wanted.double(), dim=1)
            worst = min(worst, float(cosine.min()))
            if cosine.min() < COSINE:
                yield f"{key}: cosine {cosine.tolist()}"
            if ((found.double().norm(dim=1) - 1).abs() > 1e-3).any():
                yield f"{key}: rows are not of length 1"
        elif not torch.equal(found.float(), wanted.float()):
            yield f"{key}: differs by up to {(found.float() - wanted.float()).abs().max():.3g}"
    print(f"worst gate cosine: {worst:.9f}")


def complain_gates(merged, golden, names):
    """Where the golden holds the gates alone."""
    if sorted(merged) != names:
        yield f"tensors: {sorted(set(merged) ^ set(names))}"
        return
    yield from complain_tensors({key: merged[key] for key in golden}, golden)


def complain_config(merged, golden):
    for key in SETTINGS:
        found, wanted = merged["segmoe_config"].get(key), golden["segmoe_config"].get(key)
        if found != wanted:
            yield f"segmoe_config.{key}: {found!r}, expected {wanted!r}"


def complain_pictures(folder, root, name):
    pipe = load_folder(folder)
    own = os.path.join(root, "merges", name, "renders.json")
    place, call = (os.path.dirname(own), draw) if os.path.exists(own) else (os.path.join(root, "pictures"), render)
    for entry in read_json(os.path.join(place, "renders.json")):
        if entry["model"] != name:
            continue
        golden = np.array(Image.open(os.path.join(place, entry["file"])))
        with torch.no_grad():
            found = levels(call(pipe, entry | {"seed": int(entry["seed"])}), golden)
        print(f"{entry['file']}: {found}")
        if found["mean"] > MEAN or found["max"] > MAXIMUM:
            yield f"{entry['file']}: {found}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, golden = map(os.path.abspath, sys.argv[1:])
    root, name = os.path.dirname(os.path.dirname(golden)), os.path.basename(golden)
    merged = load_file(os.path.join(folder, WEIGHTS))
    if os.path.exists(os.path.join(golden, WEIGHTS)):
        complaints = list(complain_tensors(merged, load_file(os.path.join(golden, WEIGHTS))))
    else:
        gates = load_file(os.path.join(golden, "gates.safetensors"))
        complaints = list(complain_gates(merged, gates, read_json(os.path.join(golden, "names.json"))))
    configs = [read_json(os.path.join(place, "unet/config.json")) for place in (folder, golden)]
    complaints += complain_config(*configs)
    if not complaints:
        complaints += complain_pictures(folder, root, name)
    for complaint in complaints:
        print("WRONG:", complaint)
    print("differs" if complaints else "the same")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
