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
    "single_files",
    "single_kinds",
    "config_keys",
    "tiny_vae",
    "merge_xl",
    "image_inputs",
