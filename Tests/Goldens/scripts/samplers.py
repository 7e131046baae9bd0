"""The samplers that came last, and schedules as settings: `numbers/samplers.*`, `numbers/schedules.*`,
`numbers/brownian.*` and whole pictures in `samplers/`.

Traces are as in `scheduler_traces.py`, but only the sample in the middle and the last one are kept. Each is computed
a second time with samples in 64 bits. `settings` are what a request asks for besides the method: `sigmas`, `eta`,
`timesteps`, `sigma_list`.
"""

import os

import common
import diffusers
import numpy as np
import torch
import torchsde
from common import levels, save_tensors, second_way, write_json
from diffusers.schedulers import AysSchedules
from families import PARTS, load
from image_inputs import PARTS as IMAGE_PARTS
from image_inputs import draw as draw_from_picture
from image_inputs import load as load_from_picture
from PIL import Image
from pictures import BAD, FOX, SAILOR
from scheduler_traces import MORE, SD, SEED, SHAPE, SPACINGS, same_noise

# By our names, as in `scheduler_traces.MORE`.
LATEST = {
    "dpmpp_2m_sde": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2s": (diffusers.DPMSolverSinglestepScheduler, {}),
    "dpmpp_sde": (diffusers.DPMSolverSDEScheduler, {}),
    "deis": (diffusers.DEISMultistepScheduler, {}),
    "kdpm2": (diffusers.KDPM2DiscreteScheduler, {}),
    "kdpm2_a": (diffusers.KDPM2AncestralDiscreteScheduler, {}),
    "sa_solver": (diffusers.SASolverScheduler, {}),
    "edm_euler": (diffusers.EDMEulerScheduler, {}),
    "edm_dpmpp_2m": (diffusers.EDMDPMSolverMultistepScheduler, {}),
    "ipndm": (diffusers.IPNDMScheduler, {}),
    "tcd": (diffusers.TCDScheduler, {}),
}
ALL = MORE | LATEST
# Values of another solver, which DEIS's class replaces.
DEIS = {"solver_type": "heun", "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
TWO = ("epsilon", "v_prediction")
THREE = TWO + ("sample",)
SHAPES = {
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
}
# Methods of log-SNR or sigma, with the kinds of prediction that their classes know.
SHAPED = {
    "deis": THREE, "sa_solver": THREE, "dpmpp_2s": THREE, "kdpm2": TWO, "kdpm2_a": TWO, "dpmpp_sde": TWO,
    "dpmpp_2m_sde": THREE,
}  # fmt: skip
OLDER = {"euler": THREE, "lms": THREE, "heun": THREE, "dpmpp_2m": THREE, "unipc": THREE}


def method_cases():
    """(name, what differs from SD's usual settings, steps); a change to None takes a key away"""
    for name, predictions in (SHAPED | OLDER).items():
        spacings = ("linspace",) if name == "dpmpp_2s" else SPACINGS
        shapes = [{}] * (name in SHAPED) + list(SHAPES.values())
        for number, spacing in enumerate(spacings):
            for prediction in predictions:
                for shape in shapes:
                    changes = {"timestep_spacing": spacing, "prediction_type": prediction, "steps_offset": 1}
                    yield name, changes | shape, 4 + number % 2
    for name in SHAPED:
        for steps in (1, 2, 3, 7, 18):
            yield name, {"timestep_spacing": "leading", "steps_offset": 1}, steps
        yield name, {key: None for key in SD}, 6
        if name != "kdpm2_a":  # The reference ends in NaN: from so much noise the way down is rounded to 0.
            yield name, {"beta_schedule": "squaredcos_cap_v2"}, 6
        yield name, {"timestep_spacing": "trailing", "num_train_timesteps": 500}, 5
        for shape in SHAPES.values():
            yield name, shape | {"sigma_min": 0.1, "sigma_max": 10.0}, 5
    for name in ("deis", "sa_solver", "dpmpp_2s"):
        yield name, {"thresholding": True}, 5
        yield name, {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}, 5
    for order in (1, 2, 3):
        for lower in (True, False):
            yield "deis", {"solver_order": order, "lower_order_final": lower}, 7
        yield "deis", {"solver_order": order, "algorithm_type": "dpmsolver++", "solver_type": "bh2"}, 16
        for final in ("zero", "sigma_min"):
            for kind in ("midpoint", "heun"):
                for steps in (6, 7, 8):
                    solver = {"solver_order": order, "solver_type": kind, "final_sigmas_type": final}
                    yield "dpmpp_2s", solver | {"lower_order_final": steps == 7}, steps
        for algorithm in ("dpmsolver", "sde-dpmsolver++"):
            for kind in ("midpoint", "heun"):
                solver = {"solver_order": order, "solver_type": kind, "final_sigmas_type": "sigma_min"}
                yield "dpmpp_2s", solver | {"algorithm_type": algorithm}, 6
    for prediction in ("v_prediction", "sample"):
        changes = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "prediction_type": prediction}
        yield "dpmpp_2s", changes, 6
    for clipped in ("dpmpp_2s", "sa_solver"):
        yield clipped, {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2"}, 6
    for predictor in (1, 2, 3, 4):
        for corrector in (1, 2, 3, 4):
            orders = {"predictor_order": predictor, "corrector_order": corrector}
            yield "sa_solver", orders, 8
            yield "sa_solver", orders | {"algorithm_type": "noise_prediction"}, 8
        yield "sa_solver", {"predictor_order": predictor, "lower_order_final": False}, 7
    for prediction in ("v_prediction", "sample"):
        yield "sa_solver", {"algorithm_type": "noise_prediction", "prediction_type": prediction}, 5
    for prediction in TWO:
        for schedule in ("karras", "exponential"):
            for final in ("zero", "sigma_min"):
                for steps in (1, 5):
                    changes = {"prediction_type": prediction, "sigma_schedule": schedule, "final_sigmas_type": final}
                    yield "edm_euler", changes, steps
                    yield "edm_dpmpp_2m", changes, steps
    for name in ("edm_euler", "edm_dpmpp_2m"):
        yield name, {"sigma_min": 0.01, "sigma_max": 30.0, "sigma_data": 0.8, "rho": 5.0}, 6
    for order in (1, 2, 3):
        for kind in ("midpoint", "heun"):
            yield "edm_dpmpp_2m", {"solver_order": order, "solver_type": kind}, 16
            yield "edm_dpmpp_2m", {"solver_order": order, "solver_type": kind, "lower_order_final": False}, 6
            if order < 3:
                yield "edm_dpmpp_2m", {"solver_order": order, "solver_type": kind, "algorithm_type": "sde-dpmsolver++"}, 6
        yield "edm_dpmpp_2m", {"solver_order": order, "euler_at_final": True, "thresholding": True}, 6
    for prediction in THREE:
        yield "tcd", {"prediction_type": prediction}, 4
    for steps in (1, 2, 7, 50):
        yield "tcd", {}, steps
    yield "tcd", {"original_inference_steps": 100, "set_alpha_to_one": False}, 8
    yield "tcd", {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}, 4
    yield "tcd", {key: None for key in SD}, 4
    for steps in (2, 5, 9):
        yield "ipndm", {}, steps


def setting_cases():
    """(name, changes of the file, what the request asks for, steps)"""
    for name in ("lms", "heun", "euler", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "deis", "kdpm2", "kdpm2_a", "dpmpp_sde",
                 "sa_solver", "dpmpp_2s"):  # fmt: skip
        for sigmas in SHAPES:
            # A file's own shape gives way.
            yield name, {"use_karras_sigmas": True} if sigmas == "beta" else {}, {"sigmas": sigmas}, 5
    for name in ("ddpm", "ddim", "pndm", "lms", "heun", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_sde", "unipc",
                 "deis", "kdpm2", "kdpm2_a", "dpmpp_sde", "sa_solver"):  # fmt: skip
        skip = {"skip_prk_steps": True} if name == "pndm" else {}
        for sigmas in ("uniform", "sgm_uniform"):
            yield name, skip | {"timestep_spacing": "leading", "steps_offset": 1}, {"sigmas": sigmas}, 5
    for name in ("edm_euler", "edm_dpmpp_2m"):
        for sigmas in ("karras", "exponential"):
            yield name, {"sigma_schedule": "exponential"}, {"sigmas": sigmas}, 5
    listed = ("ddpm", "heun", "euler", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "lcm", "tcd")
    for name in listed:
        yield name, {}, {"sigmas": "ays"}, 10
        for times in ([999, 700, 400, 250, 100], [800, 3], [500], [980, 600, 120, 0]):
            yield name, {}, {"timesteps": times}, len(times)
    for sigmas in ([14.6, 5.0, 2.5, 1.0, 0.3, 0.0], [3.0, 0.5], [20.0, 0.02, 0.0]):
        for prediction in THREE:
            yield "euler", {"prediction_type": prediction}, {"sigma_list": sigmas}, len(sigmas) - 1
    for eta in (0.0, 0.3, 1.0):
        for prediction in THREE:
            yield "ddim", {"prediction_type": prediction}, {"eta": eta}, 5
            yield "tcd", {"prediction_type": prediction}, {"eta": eta}, 4
        yield "ddim", {"set_alpha_to_one": False, "timestep_spacing": "trailing"}, {"eta": eta}, 6
    # Limits in another class's file stay, whether or not the method's own class has such keys.
    for kind in ("EulerDiscreteScheduler", "UniPCMultistepScheduler", "EDMEulerScheduler"):
        limits = {"_class_name": kind, "sigma_min": 0.1, "sigma_max": 10.0}
        for name in ("dpmpp_2m_karras", "deis", "heun", "kdpm2", "unipc"):
            yield name, limits, {"sigmas": "karras"}, 5
        yield "lms", limits, {"sigmas": "beta"}, 5
    # A class puts its own default in the place of another solver's value before a method is chosen by name.
    for name, kind, changes in (
        ("unipc", "DPMSolverMultistepScheduler", {"solver_type": "bh1"}),
        ("unipc", "DEISMultistepScheduler", {"solver_type": "bh1"}),
        ("unipc", "UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}),
        ("unipc", "EDMDPMSolverMultistepScheduler", {"solver_type": "bh1"}),
        ("dpmpp_2m", "UniPCMultistepScheduler", {"solver_type": "heun"}),
        ("dpmpp_2m", "DEISMultistepScheduler", DEIS),
        ("dpmpp_2s", "DEISMultistepScheduler", DEIS),
    ):
        yield name, {"_class_name": kind} | changes, {}, 6


def configured(name, config, settings, **more):
    """A scheduler as `from_config` makes it, with its steps not yet set; and what `set_timesteps` gets."""
    kind, added = ALL[name]
    changes, given = added | more, {}
    sigmas = settings.get("sigmas")
    if sigmas is not None:
        changes |= {key: False for shape in SHAPES.values() for key in shape if config.get(key)}
        if name.startswith("edm"):
            changes["sigma_schedule"] = sigmas
        elif sigmas in SHAPES:
            changes |= SHAPES[sigmas]
        elif sigmas == "ays":
            given["timesteps"] = AysSchedules["StableDiffusionTimesteps"]
        elif name != "dpmpp_2s":
            changes["timestep_spacing"] = {"uniform": "linspace", "sgm_uniform": "trailing"}[sigmas]
    if "timesteps" in settings:
        given["timesteps"] = settings["timesteps"]
    if "sigma_list" in settings:
        given["sigmas"] = settings["sigma_list"]
    return kind.from_config(config, **changes), given


def trace(name, changes, settings, steps, fixed):
    """One trace; with samples in 64 bits if `fixed` is."""
    config = {key: value for key, value in (SD | changes).items() if value is not None}
    if name == "dpmpp_sde":
        config["noise_sampler_seed"] = SEED
    # As in a pipeline: the file's own class reads it first.
    kind = config.get("_class_name")
    read = getattr(diffusers, kind).from_config(config).config if kind else config
    scheduler, given = configured(name, read, settings)
    scheduler.set_timesteps(**(given or {"num_inference_steps": steps}))
    # As the pipelines of pictures to start from do: without it the reference looks for the first timestep.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator("cpu").manual_seed(SEED)
    sample = (torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma).to(fixed.dtype)
    names = type(scheduler).step.__code__.co_varnames
    more = {"generator": generator} if "generator" in names else {}
    if "eta" in names:
        # The pipelines' default, whatever the class's is.
        more["eta"] = settings.get("eta", 0.0)
    samples = []
    with same_noise(type(scheduler)), same_motion():
        for time in scheduler.timesteps:
            output = 0.5 * scheduler.scale_model_input(sample, time) + fixed
            sample = scheduler.step(output, time, sample, **more).prev_sample.to(fixed.dtype)
            samples.append(sample)
    entry = {
        "scheduler": name, "config": config, "settings": settings, "steps": steps, "seed": SEED,
        "timesteps": [round(float(t), 4) for t in scheduler.timesteps],
        "init_noise_sigma": float(scheduler.init_noise_sigma),
    }  # fmt: skip
    return entry, torch.stack([samples[len(samples) // 2], samples[-1]])


class same_motion:
    """torchsde draws in 32 bits whatever the type of the samples: in 64 torch draws others."""

    def __enter__(self):
        self.module = torchsde._brownian.brownian_interval
        self.genuine = self.module._randn
        self.module._randn = lambda size, dtype, device, seed: self.genuine(size, torch.float32, device, seed).to(dtype)

    def __exit__(self, *_):
        self.module._randn = self.genuine


def make_traces(root, file, cases):
    fixed = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    index, tensors = [], {"fixed": fixed}
    for case in cases:
        name, changes, settings, steps = case
        entry, samples = trace(name, changes, settings, steps, fixed)
        assert torch.isfinite(samples).all(), case
        again = trace(name, changes, settings, steps, fixed.double())[1]
        errors = [float((a - b).norm() / b.norm()) for a, b in zip(samples.double(), again)]
        key = f"{len(index):03d}"
        index.append({"name": key} | entry | {"second_way": float(f"{max(errors):.1e}")})
        tensors[key] = samples
    write_json(os.path.join(root, f"numbers/{file}.json"), index)
    save_tensors(os.path.join(root, f"numbers/{file}.safetensors"), tensors)
    worst = sorted(index, key=lambda entry: -entry["second_way"])[:5]
    print(file, len(index), [(e["scheduler"], e["second_way"], e["config"]) for e in worst], flush=True)


MOTIONS = [
    (0, 0.03, 14.6, [(14.6, 7.0), (7.0, 1.25), (1.25, 0.03), (14.6, 0.03), (3.0, 2.999999)]),
    (7, 0.0291675, 14.614643, [(14.614643, 8.1), (8.1, 4.5000001), (4.5, 0.0291675), (0.03, 0.029168), (20.0, 0.01)]),
    (2**32 + 5, 0.5, 1.5, [(1.5, 1.0), (1.25, 1.0), (0.75, 0.5), (1.0000016, 1.0000004)]),
    (2**64 - 1, 1e-5, 160.0, [(160.0, 80.0), (80.0, 1.0), (1.0, 1e-5)]),
]


def make_motions(root):
    index, tensors = [], {}
    for seed, start, end, queries in MOTIONS:
        tree = torchsde.BrownianInterval(
            t0=start, t1=end, size=SHAPE, dtype=torch.float32, device="cpu", entropy=seed, tol=1e-6, pool_size=24,
            halfway_tree=True,
        )
        for high, low in queries:
            key = f"{len(index):02d}"
            index.append({"name": key, "seed": str(seed), "start": start, "end": end, "from": low, "to": high})
            tensors[key] = tree(low, high)
    write_json(os.path.join(root, "numbers/brownian.json"), index)
    save_tensors(os.path.join(root, "numbers/brownian.safetensors"), tensors)


KEYS = "model prompt negative_prompt width height steps guidance scheduler seed settings strength masked".split()
ROWS = [
    *[("base", FOX, BAD, 64, 64, 7, 5.0, name, 60 + number, {}, None, False) for number, name in enumerate(LATEST)],
    ("xl", FOX, None, 64, 64, 5, 5.0, "dpmpp_sde", 80, {}, None, False),
    ("xl", SAILOR, "", 64, 72, 5, 3.0, "deis", 81, {}, None, False),
    ("sd2", FOX, None, 64, 64, 5, 5.0, "kdpm2_a", 82, {}, None, False),
    ("sd2", FOX, None, 64, 64, 5, 5.0, "sa_solver", 83, {}, None, False),
    ("base", FOX, BAD, 64, 64, 6, 5.0, "euler", 84, {"sigmas": "exponential"}, None, False),
    ("base", FOX, BAD, 64, 64, 6, 5.0, "unipc", 85, {"sigmas": "beta"}, None, False),
    ("base", FOX, BAD, 64, 64, 5, 5.0, "heun", 86, {"sigmas": "karras"}, None, False),
    ("base", FOX, BAD, 64, 64, 6, 5.0, "euler_a", 87, {"sigmas": "sgm_uniform"}, None, False),
    ("base", FOX, BAD, 64, 64, 6, 5.0, "ddim", 88, {"sigmas": "uniform", "eta": 0.5}, None, False),
    ("base", FOX, BAD, 64, 64, 10, 5.0, "dpmpp_2m_sde", 89, {"sigmas": "ays"}, None, False),
    ("xl", FOX, None, 64, 64, 10, 5.0, "dpmpp_2m", 90, {"sigmas": "ays"}, None, False),
    ("base", FOX, BAD, 64, 64, 5, 5.0, "dpmpp_2s", 91, {"timesteps": [999, 760, 480, 210, 40]}, None, False),
    ("base", FOX, BAD, 64, 64, 4, 5.0, "euler", 92, {"sigma_list": [14.6, 6.0, 2.2, 0.7, 0.0]}, None, False),
    ("base", FOX, BAD, 64, 64, 4, 1.0, "tcd", 93, {"eta": 0.3}, None, False),
    *[("base", FOX, None, 64, 64, 6, 3.0, name, 94 + number, {}, 0.7, number % 3 == 1)
      for number, name in enumerate(LATEST) if name != "ipndm"],
]


def draw(root, pipe, setting):
    own = pipe.scheduler
    more = {"noise_sampler_seed": setting["seed"]} if setting["scheduler"] == "dpmpp_sde" else {}
    pipe.scheduler, given = configured(setting["scheduler"], own.config, setting["settings"], **more)
    if setting["settings"].get("sigmas") == "ays" and setting["model"] == "xl":
        given = {"timesteps": AysSchedules["StableDiffusionXLTimesteps"]}
    try:
        if setting["strength"]:
            folder = os.path.join(root, "images")
            picture, mask = (Image.open(os.path.join(folder, f"{name}.png")) for name in ("picture", "mask"))
            return draw_from_picture(pipe, setting | {"scheduler": None}, picture, mask)
        with torch.no_grad():
            image = pipe(
                setting["prompt"], negative_prompt=setting["negative_prompt"], width=setting["width"],
                height=setting["height"], num_inference_steps=setting["steps"], guidance_scale=setting["guidance"],
                generator=torch.Generator("cpu").manual_seed(setting["seed"]),
                eta=setting["settings"].get("eta", 0.0), **given,
            ).images[0]
        return np.array(image)
    finally:
        pipe.scheduler = own


def make_pictures(root):
    common.PARTS.update(PARTS | IMAGE_PARTS)
    os.makedirs(os.path.join(root, "samplers"), exist_ok=True)
    entries = []
    for number, row in enumerate(ROWS):
        setting = dict(zip(KEYS, row))
        pipe = load_from_picture(root, setting) if setting["strength"] else load(root, setting["model"])
        picture = draw(root, pipe, setting)
        assert picture.std() > 10, (setting, picture.std())
        with second_way(pipe):
            difference = levels(draw(root, pipe, setting), picture)
        assert difference["max"] <= 1, (setting, difference)
        plain = levels(draw(root, pipe, setting | {"settings": {}}), picture) if setting["settings"] else None
        assert plain is None or plain["mean"] > 0.5, (setting, plain)
        what = "-".join([setting["scheduler"], *setting["settings"]]) + ("-picture" if setting["strength"] else "")
        file = f"{number:02d}-{setting['model']}-{what}.png"
        Image.fromarray(picture).save(os.path.join(root, "samplers", file), optimize=True)
        entries.append(
            {"file": file} | setting
            | {"seed": str(setting["seed"]), "second_way": difference, "without": plain and plain["mean"]})
        print(entries[-1], flush=True)
    write_json(os.path.join(root, "samplers/renders.json"), entries)


def make(root):
    make_motions(root)
    make_traces(root, "samplers", [(name, changes, {}, steps) for name, changes, steps in method_cases()])
    make_traces(root, "schedules", setting_cases())
    make_pictures(root)
