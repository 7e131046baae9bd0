"""Schedulers alone: `numbers/schedulers.{json,safetensors}`, step by step on a
model output that a test can compute exactly, and `scheduler-choices.json`: what
a scheduler's settings become when a pipeline loads its file and another one
is chosen by name.

`numbers/schedulers-more.{json,safetensors}`: the methods and settings that came later.

A trace: latents are drawn by the generator and scaled by `init_noise_sigma`;
then for each timestep `output = 0.5 * scale_model_input(sample, t) + fixed`,
and `sample = step(output, t, sample, generator)`.
"""

import contextlib
import os
import tempfile

import torch
from common import SCHEDULERS, StableDiffusionPipeline, assemble, diffusers
from common import load_model, read_json, save_tensors, write_json
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


# By our names: the class, and what a name adds to the model's own settings.
MORE = {
    "ddpm": (diffusers.DDPMScheduler, {}),
    "ddim": (diffusers.DDIMScheduler, {}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "pndm": (diffusers.PNDMScheduler, {}),
    "lms": (diffusers.LMSDiscreteScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "dpmpp_2m_sde_karras": (
        diffusers.DPMSolverMultistepScheduler,
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"},
    ),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
}
NEW = [name for name in MORE if name not in SCHEDULERS]
SPACINGS = ("leading", "linspace", "trailing")


def more_cases():
    """(name, what differs from SD's usual settings, steps); a change to None takes a key away"""
    for number, name in enumerate(NEW):
        skip = {"skip_prk_steps": True} if name == "pndm" else {}
        predictions = ["epsilon", "v_prediction"] + ([] if name in ("pndm", "euler_a") else ["sample"])
        for spacing in SPACINGS:
            base = skip | {"timestep_spacing": spacing, "steps_offset": 1}
            for prediction in predictions:
                yield name, base | {"prediction_type": prediction}, 5
            for steps in (1, 2, 7):
                yield name, base, steps
        yield name, skip | {"timestep_spacing": SPACINGS[number % 3], "steps_offset": 1}, 50
        # Class defaults for all, and for the betas.
        yield name, {key: None for key in SD} | skip, 6
        yield name, skip | {"beta_schedule": "squaredcos_cap_v2"}, 6
        yield name, skip | {"timestep_spacing": "leading", "num_train_timesteps": 500}, 5
        zero = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
        for spacing in ("leading", "trailing"):
            yield name, skip | zero | {"timestep_spacing": spacing}, 5
    for spacing in SPACINGS:
        for prediction in ("epsilon", "v_prediction"):
            changes = {"timestep_spacing": spacing, "prediction_type": prediction, "skip_prk_steps": False}
            yield "pndm", changes, 6
    yield "pndm", {"skip_prk_steps": False, "steps_offset": 1}, 4
    for one in (True, False):
        for skip in (True, False):
            yield "pndm", {"set_alpha_to_one": one, "skip_prk_steps": skip}, 5
    shapes = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    for name in ("euler", "lms", "heun", "dpmpp_2m", "unipc"):
        for shape in shapes:
            for steps in (1, 6):
                yield name, {shape: True}, steps
            yield name, {shape: True, "timestep_spacing": "leading", "steps_offset": 1}, 6
            yield name, {shape: True, "sigma_min": 0.1, "sigma_max": 10.0}, 6
        yield name, {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2"}, 6
    yield "euler", {"timestep_type": "continuous", "prediction_type": "v_prediction", "use_karras_sigmas": True}, 4
    yield "heun", {"clip_sample": True, "clip_sample_range": 0.8}, 5
    yield "heun", {"beta_schedule": "exp"}, 5
    for name in ("ddpm", "ddim", "dpmpp_2m", "dpmpp_2m_sde_karras", "unipc", "lcm"):
        yield name, {"thresholding": True}, 5
        yield name, {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}, 5
    for name in ("dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde_karras"):
        for order in (1, 2, 3):
            for kind in ("midpoint", "heun"):
                for final in ("zero", "sigma_min"):
                    yield name, {"solver_order": order, "solver_type": kind, "final_sigmas_type": final}, 6
            if name == "dpmpp_2m":
                yield name, {"solver_order": order}, 16
            yield name, {"solver_order": order, "lower_order_final": False}, 6
        yield name, {"solver_order": 3, "euler_at_final": True, "final_sigmas_type": "sigma_min"}, 15
    for algorithm in ("dpmsolver", "sde-dpmsolver", "sde-dpmsolver++"):
        for order in (1, 2, 3):
            if (algorithm, order) == ("sde-dpmsolver", 3):
                continue  # The reference has no such update.
            for kind in ("midpoint", "heun"):
                solver = {"algorithm_type": algorithm, "solver_order": order, "solver_type": kind}
                yield "dpmpp_2m", solver | {"final_sigmas_type": "sigma_min"}, 6
        for prediction in ("v_prediction", "sample"):
            changes = {"algorithm_type": algorithm, "prediction_type": prediction, "final_sigmas_type": "sigma_min"}
            yield "dpmpp_2m", changes, 5
    yield "dpmpp_2m", {"algorithm_type": "dpmsolver", "thresholding": True, "final_sigmas_type": "sigma_min"}, 5
    yield "dpmpp_2m", {"algorithm_type": "deis", "solver_type": "logrho", "final_sigmas_type": "sigma_min"}, 5
    yield "dpmpp_2m", {"use_lu_lambdas": True}, 6
    for spacing in SPACINGS:
        clipped = {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2", "timestep_spacing": spacing}
        yield "dpmpp_2m", clipped, 6
    for order in (1, 2, 3, 4):
        for kind in ("bh1", "bh2"):
            changes = {"solver_order": order, "solver_type": kind, "final_sigmas_type": "sigma_min"}
            yield "unipc", changes, 7
            yield "unipc", changes | {"lower_order_final": False}, 7
            yield "unipc", changes | {"predict_x0": False}, 7
        yield "unipc", {"solver_order": order, "solver_type": "midpoint"}, 7
    yield "unipc", {"disable_corrector": [0, 2], "solver_order": 3}, 6
    for prediction in ("v_prediction", "sample"):
        yield "unipc", {"predict_x0": False, "final_sigmas_type": "sigma_min", "prediction_type": prediction}, 5
    for shape in shapes:
        yield "unipc", {shape: True, "final_sigmas_type": "sigma_min"}, 5
    yield "lcm", {"original_inference_steps": 100, "timestep_scaling": 5.0}, 8
    yield "lcm", {"clip_sample": True, "clip_sample_range": 0.9}, 4
    # Ties at one half, where the rounded stride decides.
    yield "ddim", {"timestep_spacing": "trailing"}, 48


@contextlib.contextmanager
def same_noise(kind):
    """Noise is drawn in 32 bits whatever the type of the samples: in 64 torch draws others."""
    import importlib

    module = importlib.import_module(kind.__module__)
    genuine = getattr(module, "randn_tensor", None)
    if genuine:
        module.randn_tensor = lambda shape, generator=None, device=None, dtype=None: torch.randn(
            shape, generator=generator
        ).to(dtype)
    try:
        yield
    finally:
        if genuine:
            module.randn_tensor = genuine


def more_trace(name, changes, steps, fixed):
    """One trace; with samples in 64 bits if `fixed` is."""
    kind, added = MORE[name]
    config = {key: value for key, value in (SD | changes).items() if value is not None}
    scheduler = kind.from_config(config | added)
    scheduler.set_timesteps(steps)
    # Without it the reference looks for the first timestep, takes the second place where rounding
    # made two alike, and runs out of sigmas (cosine betas with Karras's sigmas).
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator("cpu").manual_seed(SEED)
    sample = (torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma).to(fixed.dtype)
    draws = {"generator": generator} if "generator" in kind.step.__code__.co_varnames else {}
    samples = []
    with same_noise(kind):
        for time in scheduler.timesteps:
            output = 0.5 * scheduler.scale_model_input(sample, time) + fixed
            sample = scheduler.step(output, time, sample, **draws).prev_sample.to(fixed.dtype)
            samples.append(sample)
    entry = {
        "scheduler": name,
        "config": config,
        "steps": steps,
        "seed": SEED,
        "timesteps": [round(float(t), 4) for t in scheduler.timesteps],
        "init_noise_sigma": float(scheduler.init_noise_sigma),
    }
    return entry, torch.stack(samples)


def make_more_traces(root):
    fixed = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    index, tensors = [], {"fixed": fixed}
    for name, changes, steps in more_cases():
        entry, samples = more_trace(name, changes, steps, fixed)
        assert torch.isfinite(samples).all(), (name, changes, steps)
        again = more_trace(name, changes, steps, fixed.double())[1]
        errors = [float((a - b).norm() / b.norm()) for a, b in zip(samples.double(), again)]
        key = f"{len(index):03d}"
        index.append({"name": key} | entry | {"second_way": float(f"{max(errors):.1e}")})
        tensors[key] = samples
    write_json(os.path.join(root, "numbers/schedulers-more.json"), index)
    save_tensors(os.path.join(root, "numbers/schedulers-more.safetensors"), tensors)


def make(root):
    make_traces(root)
    make_more_traces(root)
    make_choices(root)
