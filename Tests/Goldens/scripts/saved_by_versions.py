"""What old and new diffusers and transformers write when they save a model: `saved/VERSION.json`.

    python saved_by_versions.py FOLDER [VERSION…]

makes a virtual environment in FOLDER for each version below (the first run asks the package index), loads the tiny models
with it and saves them again: every supported class of network, scheduler, tokenizer and pipeline that the version has.
It prints the keys that no earlier version wrote.

A file `saved/VERSION.json` holds `files` (by the golden component's path, as saved), `index` (`model_index.json` by class
of pipeline), `schedulers` (by class) and `tensors` (names that differ from the golden component's, with shapes).

It is no stage of `make_goldens.py`, since it needs the index. torch, numpy and what else has no part in this come from
the environment that runs it.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

# Each with the transformers and the hub's client of its time.
VERSIONS = {
    "0.6.0": ["transformers==4.19.4", "huggingface_hub==0.10.1"],
    "0.14.0": ["transformers==4.26.1", "huggingface_hub==0.12.1", "tokenizers==0.13.3"],
    "0.21.4": ["transformers==4.33.3", "huggingface_hub==0.17.3", "tokenizers==0.13.3"],
    "0.30.3": ["transformers==4.44.2", "huggingface_hub==0.25.2", "tokenizers==0.19.1"],
    "0.36.0": ["transformers==4.57.1", "huggingface_hub==0.36.0", "tokenizers==0.22.1", "httpx==0.28.1",
               "httpcore==1.0.9", "h11==0.16.0", "anyio==4.11.0", "sniffio==1.3.1"],
    # The versions of the environment itself.
    "0.42.1": [],
}  # fmt: skip

# Packages of the environment that old versions would stumble over, and that change nothing in what is saved.
HIDDEN = ["torchvision", "torchaudio", "peft", "accelerate", "xformers", "k_diffusion", "jax", "flax", "onnxruntime"]

# Each with the first version of those above that has what it needs.
MODELS = {
    "base": "0.6.0", "wide": "0.6.0", "sd2": "0.14.0", "painter": "0.14.0", "no-middle": "0.21.4", "xl": "0.21.4",
    "xl-turbo": "0.21.4", "lcm": "0.30.3", "xl-distilled": "0.30.3",
}  # fmt: skip

SCHEDULERS = [
    "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "HeunDiscreteScheduler",
    "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler", "LCMScheduler",
]  # fmt: skip

PIPELINES = {
    "base": ["StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionPAGPipeline",
             "StableDiffusionSAGPipeline", "StableDiffusionPanoramaPipeline",
             "StableDiffusionAttendAndExcitePipeline", "StableDiffusionPAGInpaintPipeline",
             "StableDiffusionInpaintPipelineLegacy"],
    "painter": ["StableDiffusionInpaintPipeline"],
    "lcm": ["LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline"],
    "xl": ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline",
           "StableDiffusionXLPAGPipeline", "StableDiffusionXLPAGImg2ImgPipeline"],
}  # fmt: skip


# MARK: - In an environment


class Saver:
    """Loads golden models' parts with the packages at hand, and saves them again."""

    def __init__(self):
        import diffusers
        import transformers

        self.done = set()
        self.parts = {}
        self.packages = {"diffusers": diffusers, "transformers": transformers}
        self.result = {
            "diffusers": diffusers.__version__, "transformers": transformers.__version__,
            "files": {}, "index": {}, "schedulers": {}, "tensors": {},
        }  # fmt: skip

    def found(self, library, name):
        try:
            return getattr(self.packages[library], name)
        except (AttributeError, ImportError, RuntimeError):
            return None

    def read(self, folder):
        """Every JSON file in it that is no vocabulary."""
        files = {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".json") and name not in ("vocab.json", "tokenizer.json") and ".index." not in name:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    # Some note where they were loaded from.
                    files[name] = json.loads(file.read().replace(ROOT + "/", ""))
        return files

    def make(self, kind, source):
        """A part like that in a folder; its weights need not be the same."""
        if kind.startswith("CLIPTokenizer"):
            return self.found("transformers", "CLIPTokenizer").from_pretrained(source)
        if kind.startswith("CLIP"):
            with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
                config = json.load(file)
            return self.found("transformers", kind)(self.found("transformers", "CLIPTextConfig").from_dict(config))
        known = self.found("diffusers", kind)
        try:
            config = known.load_config(source)
        except AttributeError:
            # The oldest take the folder itself.
            return known.from_config(source)
        return known.from_config(config)

    def save(self, part, key, source):
        if "tokenizer" in key and sys.modules.get("tokenizers", self) is None:
            # Without its package of that time, what the oldest transformers writes means nothing.
            return
        with tempfile.TemporaryDirectory() as folder:
            if hasattr(part, "save_pretrained"):
                part.save_pretrained(folder)
            else:
                part.save_config(folder)
            if hasattr(part, "state_dict"):
                self.compare(part, key, source, folder)
            for name, value in self.read(folder).items():
                self.result["files"][f"{key}/{name}"] = value

    def shapes(self, folder):
        from safetensors import safe_open

        held = {}
        for name in os.listdir(folder):
            if name.endswith(".safetensors"):
                with safe_open(os.path.join(folder, name), "pt") as file:
                    held |= {key: list(file.get_slice(key).get_shape()) for key in file.keys()}
        return held

    def compare(self, part, key, source, folder):
        held = self.shapes(source)
        # Old versions save pickles.
        saved = self.shapes(folder) or {name: list(tensor.shape) for name, tensor in part.state_dict().items()}
        if any(saved[name] != shape for name, shape in held.items() if name in saved):
            raise ValueError("another network")
        if saved != held:
            self.result["tensors"][key] = {
                "added": {k: v for k, v in sorted(saved.items()) if k not in held},
                "missing": sorted(set(held) - set(saved)),
            }

    def model(self, name, folder):
        with open(os.path.join(folder, "model_index.json"), encoding="utf-8") as file:
            index = json.load(file)
        parts = {}
        for component, pair in sorted(index.items()):
            if not isinstance(pair, list) or pair[1] is None:
                continue
            source = os.path.realpath(os.path.join(folder, component))
            key = os.path.relpath(source, ROOT)
            try:
                parts[component] = self.make(pair[1], source)
                if key not in self.done:
                    self.save(parts[component], key, source)
                self.done.add(key)
            except Exception as error:  # noqa: BLE001  (a version without the class or the setting)
                print(f"  {key}: not in this version ({type(error).__name__}: {str(error)[:90]})")
        if "scheduler" in parts and name == "base":
            self.schedulers(parts["scheduler"])
        self.parts[name] = parts

    def pipelines(self):
        for name, kinds in PIPELINES.items():
            # The oldest versions cannot make every network of the base.
            parts = self.parts["wide"] | self.parts.get(name, {"unet": None})
            if parts["unet"] is not None:
                for kind in kinds:
                    self.pipeline(kind, parts)

    def schedulers(self, own):
        for name in SCHEDULERS:
            known = self.found("diffusers", name)
            if known is None or type(known).__name__ == "DummyObject":
                continue
            settings = {k: v for k, v in own.config.items() if not k.startswith("_")}
            works = hasattr(own, "load_config")
            for key, part in [("new", lambda: known()), ("from", lambda: known.from_config(settings))]:
                if key == "from" and not works:
                    continue
                try:
                    part = part()
                except Exception as error:  # noqa: BLE001
                    print(f"  {name} {key}: not in this version ({type(error).__name__}: {str(error)[:90]})")
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    part.save_config(folder)
                    self.result["schedulers"][f"{name} {key}"] = self.read(folder)["scheduler_config.json"]

    def pipeline(self, kind, parts):
        import inspect

        known = self.found("diffusers", kind)
        if known is None or type(known).__name__ == "DummyObject":
            return
        wanted = inspect.signature(known.__init__).parameters
        given = {key: parts.get(key) for key in wanted if key in parts or wanted[key].default is inspect._empty}
        given = {k: v for k, v in given.items() if k not in ("self", "args", "kwargs")}
        if "requires_safety_checker" in wanted:
            given["requires_safety_checker"] = False
        try:
            pipe = known(**given)
            with tempfile.TemporaryDirectory() as folder:
                pipe.save_config(folder)
                self.result["index"][kind] = self.read(folder)["model_index.json"]
        except Exception as error:  # noqa: BLE001
            print(f"  {kind}: not in this version ({type(error).__name__}: {str(error)[:90]})")


def inside(path):
    for name in HIDDEN + os.environ.get("HIDDEN_PACKAGES", "").split():
        sys.modules[name] = None
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    saver = Saver()
    parts = golden_parts()
    version = list(VERSIONS).index(saver.result["diffusers"])
    for name, first in MODELS.items():
        if list(VERSIONS).index(first) > version:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for part in parts[name]:
                for component in os.listdir(os.path.join(ROOT, part)):
                    link = os.path.join(folder, component)
                    if os.path.lexists(link):
                        os.remove(link)
                    os.symlink(os.path.join(ROOT, part, component), link)
            saver.model(name, folder)
    saver.pipelines()
    tiny = os.path.join(ROOT, "vae/tiny")
    if saver.found("diffusers", "AutoencoderTiny"):
        saver.save(saver.make("AutoencoderTiny", tiny), "vae/tiny", tiny)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(saver.result, file)


def golden_parts():
    """As `Golden.parts` of the tests."""
    base, xl = "model/base", "families/xl"
    return {
        "base": [base], "wide": [base, "model/wide"], "sd2": [base, "families/sd2"],
        "no-middle": [base, "families/no-middle"], "lcm": [base, "families/lcm"], "painter": [base, "images/painter"],
        "xl": [base, xl], "xl-turbo": [base, xl, "families/xl-turbo"], "xl-distilled": [base, xl, "families/xl-distilled"],
    }  # fmt: skip


# MARK: - From outside


def environment(folder, version):
    """The interpreter of a version's environment, made if it is not there."""
    if not VERSIONS[version]:
        return sys.executable
    place = os.path.join(folder, version)
    python = os.path.join(place, "bin/python")
    if not os.path.exists(os.path.join(place, "complete")):
        venv.create(place, with_pip=True, clear=True)
        packages = [f"diffusers=={version}"] + VERSIONS[version]
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *packages], check=True)
        own = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        here = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["numpy"].__file__)))
        with open(os.path.join(own, "zz-rest.pth"), "w", encoding="utf-8") as file:
            file.write(here + "\n")
        open(os.path.join(place, "complete"), "w", encoding="utf-8").close()
    return python


def keys(result):
    """What was written: "CLASS.KEY"."""
    found = set()
    for name, values in list(result["files"].items()) + list(result["schedulers"].items()):
        kind = values.get("_class_name") or (values.get("architectures") or [os.path.basename(name)])[0]
        found |= {f"{kind}.{key}" for key in values}
    for kind, values in result["index"].items():
        found |= {f"{kind}.{key}" for key in values}
    return found


def main(folder, versions):
    import numpy  # noqa: F401  (tells where the environment's packages are)

    known = set()
    for version in versions:
        print(version, flush=True)
        python = environment(folder, version)
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            # The oldest transformers would refuse today's tokenizers.
            hidden = "tokenizers" if not any(p.startswith("tokenizers") for p in VERSIONS[version]) else ""
            settings = {"HIDDEN_PACKAGES": hidden if VERSIONS[version] else "", "HF_HUB_OFFLINE": "1"}
            subprocess.run(
                [python, "-W", "ignore", os.path.abspath(__file__), "--inside", file.name],
                check=True, env=os.environ | settings,
            )  # fmt: skip
            with open(file.name, encoding="utf-8") as saved:
                result = json.load(saved)
        os.makedirs(os.path.join(ROOT, "saved"), exist_ok=True)
        with open(os.path.join(ROOT, f"saved/{version}.json"), "w", encoding="utf-8") as file:
            json.dump(result, file, sort_keys=True, separators=(",", ":"))
            file.write("\n")
        found = keys(result)
        print(f"  {len(found)} keys; new: " + " ".join(sorted(found - known)))
        known |= found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2])
    elif len(sys.argv) < 2:
        sys.exit(__doc__)
    else:
        main(sys.argv[1], sys.argv[2:] or list(VERSIONS))
