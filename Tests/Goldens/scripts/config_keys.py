"""Every key that genuine diffusers' classes know, with its default: `numbers/config-keys.json`.

The engine must read each, refuse other values, or say why they are no matter (`ConfigurationKeyTests`).
"""

import inspect
import json
import os

import diffusers
from common import write_json

CLASSES = [
    "UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny", "DDPMScheduler", "DDIMScheduler", "PNDMScheduler",
    "LMSDiscreteScheduler", "HeunDiscreteScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "LCMScheduler", "DEISMultistepScheduler",
    "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler", "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "TCDScheduler",
    "SASolverScheduler", "IPNDMScheduler",
]  # fmt: skip


def plain(value):
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return list(value) if isinstance(value, tuple) else value


def make(root):
    found = {}
    for name in CLASSES:
        parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
        found[name] = {k: plain(p.default) for k, p in parameters.items() if k not in ("self", "kwargs")}
    write_json(os.path.join(root, "numbers/config-keys.json"), found)
    print(json.dumps(found, indent=1)[:400])
