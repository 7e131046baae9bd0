"""Makes every golden again: `python make_goldens.py [OUTPUT]`.

Without OUTPUT it writes into the folder above this one. The same packages
(requirements.txt) on the same kind of machine give the same files; elsewhere
the last bit of a float may differ, which the tests' tolerances cover.
"""

import importlib
import os
import sys
import time

STAGES = [
    "clip_tokens",
    "tiny_models",
    "merge_models",
    "torch_noise",
    "scheduler_traces",
    "network_numbers",
    "pictures",
    "prompt_states",
    "families",
    "guidance_rescale",
    "variation_seeds",
    "config_keys",
    "tiny_vae",
    "merge_xl",
    "lora_files",
    "adapter_families",
    "file_formats",
    "gguf_files",
    "image_inputs",
    "samplers",
    "guidance_interval",
    "fewer_operations",
    "single_files",
    "single_kinds",
    "prompt_states_xl",
    "prompt_templates",
    "sensitivity",
]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.dirname(here)
    # GOLDEN_STAGES="pictures sensitivity" makes only those, from what is there.
    for stage in os.environ.get("GOLDEN_STAGES", " ".join(STAGES)).split():
        start = time.time()
        importlib.import_module(stage).make(root)
        print(f"{stage}: {time.time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
