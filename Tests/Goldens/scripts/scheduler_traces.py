"""Schedulers alone: `numbers/schedulers.{json,safetensors}`, step by step on a
model output that a test can compute exactly, and `scheduler-choices.json`: what
a scheduler's settings become when a pipeline loads its file and another one
is chosen by name.

A trace: latents are drawn by the generator and scaled by `init_noise_sigma`;
then for each timestep `output = 0.5 * scale_model_input(sample, t) + fixed`,
and `sample = step(output, t, sample, generator)`.
"""

import os
import tempfile

import torch
from common import SCHEDULERS, StableDiffusionPipeline, assemble, load_model, read_json, save_tensors, write_json
from tiny_models import BASE_SCHEDULER, WIDE_SCHEDULER

SHAPE = (1, 4, 2, 4)
SEED = 7
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def cases():
    """(scheduler, what differs from SD's usual settings, steps)"""
    for name in SCHEDULERS:
        for spacing in ("leading", "linspace", "trailing"):
            for prediction in ("epsilon", "v_prediction", "sample"):
                yield name, {"timestep_spacing": spacing, "prediction_type": prediction, "steps_offset": 1}, 5
            for steps in (1, 2, 7, 50):
                yield name, {"timestep_spacing": spacing, "steps_offset": 1}, steps
        for betas in ("linear", "squaredcos_cap_v2"):
            yield name, {"beta_schedule": betas, "beta_start": 0.0001, "beta_end": 0.02}, 6
        for spacing in ("leading", "trailing"):
            changes = {"timestep_spacing": spacing, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
            yield name, changes, 5
        yield name, {"timestep_spacing": "leading", "steps_offset": 0}, 5
        yield name, {"num_train_timesteps": 500}, 5
    for name in ("ddpm", "ddim"):
        for prediction in ("epsilon", "v_prediction"):
            yield name, {"clip_sample": True, "prediction_type": prediction}, 6
        yield name, {"clip_sample": True, "clip_sample_range": 0.5}, 6
    for one in (True, False):
        for offset in (0, 1):
            yield "ddim", {"set_alpha_to_one": one, "steps_offset": offset}, 4
    # Not `fixed_large_log`: diffusers takes the root of its negative logarithm, NaN.
    for variance in ("fixed_small", "fixed_small_log", "fixed_large"):
        yield "ddpm", {"variance_type": variance}, 4
    for final in ("zero", "sigma_min"):
        yield "euler", {"final_sigmas_type": final}, 4
    yield "euler", {"interpolation_type": "log_linear"}, 4
    yield "euler", {"use_karras_sigmas": True}, 6


def trace(name, changes, steps, fixed):
    kind = SCHEDULERS[name]
    config = SD | changes
    if name == "euler":
        config.pop("clip_sample")
    scheduler = kind(**config)
    scheduler.set_timesteps(steps)
    generator = torch.Generator("cpu").manual_seed(SEED)
    sample = torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma
    # DDIM's step takes a generator too, but draws nothing from it at eta 0.
    initial, samples = sample, []
    for time in scheduler.timesteps:
        output = 0.5 * scheduler.scale_model_input(sample, time) + fixed
        sample = scheduler.step(output, time, sample, generator=generator).prev_sample
        samples.append(sample)
    entry = {
        "scheduler": name,
        "config": config,
        "steps": steps,
        "seed": SEED,
        "timesteps": [float(t) for t in scheduler.timesteps],
        "init_noise_sigma": float(scheduler.init_noise_sigma),
    }
    tensors = {"initial": initial, "samples": torch.stack(samples)}
    if hasattr(scheduler, "sigmas"):
        tensors["sigmas"] = scheduler.sigmas
    return entry, tensors


def make_traces(root):
    fixed = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    index, tensors = [], {"fixed": fixed}
    for name, changes, steps in cases():
        entry, values = trace(name, changes, steps, fixed)
        assert all(torch.isfinite(value).all() for value in values.values()), (name, changes)
        key = f"{len(index):03d}"
        index.append({"name": key} | entry)
        tensors |= {f"{key}.{part}": value for part, value in values.items()}
    write_json(os.path.join(root, "numbers/schedulers.json"), index)
    save_tensors(os.path.join(root, "numbers/schedulers.safetensors"), tensors)


# Scheduler files as found: the hub's SD1.5, a careless one, and ones that leave
# out what a class then fills in.
FILES = {
    "hub-pndm": BASE_SCHEDULER,
    "careless-ddim": WIDE_SCHEDULER,
    "bare-ddim": {k: WIDE_SCHEDULER[k] for k in ("_class_name", "beta_end", "beta_schedule", "beta_start")},
    "bare-ddpm": {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear"},
    "bare-euler": {"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear"},
    "empty-pndm": {"_class_name": "PNDMScheduler"},
    "merged-ddpm": None,  # what segmoe saves over "hub-pndm"
    "trained-betas": BASE_SCHEDULER | {"trained_betas": [0.001 + 0.00001 * i for i in range(1000)]},
    "v-trailing-pndm": BASE_SCHEDULER | {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
}
SHOWN = (
    "beta_start beta_end beta_schedule num_train_timesteps prediction_type timestep_spacing steps_offset clip_sample "
    "clip_sample_range set_alpha_to_one rescale_betas_zero_snr variance_type final_sigmas_type interpolation_type"
).split()


def shown(scheduler):
    scheduler.set_timesteps(5)
    return {
        "class": type(scheduler).__name__,
        "config": {key: scheduler.config[key] for key in SHOWN if key in scheduler._get_init_keys(type(scheduler))},
        "timesteps_of_5": [float(t) for t in scheduler.timesteps],
        "last_alpha_cumprod": float(scheduler.alphas_cumprod[-1]),
    }


def make_choices(root):
    import diffusers

    parts = load_model(root, "base").components
    choices = []
    for label, file in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            if file is None:
                folder = os.path.join(assemble(root, "all-3x2", folder), "scheduler")
            else:
                write_json(os.path.join(folder, "scheduler_config.json"), file)
            kind = read_json(os.path.join(folder, "scheduler_config.json"))["_class_name"]
            own = getattr(diffusers, kind).from_pretrained(folder)
            pipe = StableDiffusionPipeline(**parts | {"scheduler": own}, requires_safety_checker=False)
        entry = {"label": label, "file": dict(file) if file else "merges/all-3x2/scheduler"}
        if kind in ("DDIMScheduler", "DDPMScheduler", "EulerDiscreteScheduler"):
            entry["own"] = shown(pipe.scheduler)
        for name, other in SCHEDULERS.items():
            entry[name] = shown(other.from_config(pipe.scheduler.config))
        choices.append(entry)
    write_json(os.path.join(root, "numbers/scheduler-choices.json"), choices)


def make(root):
    make_traces(root)
    make_choices(root)
