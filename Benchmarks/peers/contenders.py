"""One contender, one subject: loads, warms up, measures, prints {"seconds": [...], ...} as JSON.

Each runs in a process of its own, so that no library's threads or memory disturb another's. A SegMoE mixture is
loaded by the reference, the `segmoe` package. `convert` measures nothing: it makes the file that OpenVINO reads and
prints {"networks": paths}, in its own process, so that torch and the conversion do not count as OpenVINO's memory.
A picture is its networks one after another, without the little that lies between them: text encoder, UNet of one row
(guidance 1) for each of a few steps, TAESD.
"""

import argparse
import functools
import hashlib
import importlib.metadata
import json
import os
import resource
import sys
import tempfile
import time

sys.modules["torchvision"] = None  # diffusers and transformers import it if it is there; nobody needs it


def measure(call, repeat):
    call()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def is_mixture(model):
    with open(f"{model}/unet/config.json", encoding="utf-8") as file:
        return "segmoe_config" in json.load(file)


def denoiser(model, dtype):
    """The UNet of a folder; that of a mixture as the reference builds it."""
    import torch
    from diffusers import UNet2DConditionModel

    if not is_mixture(model):
        return UNet2DConditionModel.from_pretrained(model, subfolder="unet", torch_dtype=dtype)
    torch.cuda.empty_cache = lambda: None
    from segmoe import SegMoEPipeline

    return SegMoEPipeline(model, device="cpu", torch_dtype=dtype, variant=None).pipe.unet


# The networks of a picture, and how often each is called in one of four steps.
PICTURE = {"text_encoder": 1, "unet_of_one_row": 4, "tiny_vae": 1}


def networks_of(subject):
    """The networks that a subject is made of, and their calls."""
    return PICTURE if subject == "picture" else {subject: 1}


def network(subject, model, dtype):
    """The torch network, its inputs and its named inputs: a call of the UNet, or one decode, or one text."""
    import torch
    from diffusers import AutoencoderKL, AutoencoderTiny

    torch.manual_seed(0)
    named = {}
    if subject in ("unet", "unet_of_one_row"):
        net = denoiser(model, dtype)
        latents, rows = SIZE // 8, 2 if subject == "unet" else 1
        inputs = (
            torch.randn(rows, net.config.in_channels, latents, latents, dtype=dtype),
            torch.tensor(500),
            torch.randn(rows, 77, net.config.cross_attention_dim, dtype=dtype),
        )
        named["return_dict"] = False
        if net.config.addition_embed_type == "text_time":
            pooled = net.config.projection_class_embeddings_input_dim - 6 * net.config.addition_time_embed_dim
            sizes = torch.tensor([[SIZE, SIZE, 0, 0, SIZE, SIZE]] * rows, dtype=dtype)
            named["added_cond_kwargs"] = {"text_embeds": torch.randn(rows, pooled, dtype=dtype), "time_ids": sizes}
    elif subject == "text_encoder":
        from transformers import CLIPTextModel

        net = CLIPTextModel.from_pretrained(model, subfolder="text_encoder", torch_dtype=dtype)
        inputs, named["return_dict"] = (torch.ones(1, 77, dtype=torch.int64),), False
    else:
        if subject == "tiny_vae":
            # Its speed does not depend on its weights.
            vae = AutoencoderTiny().to(dtype)
        else:
            vae = AutoencoderKL.from_pretrained(model, subfolder="vae", torch_dtype=dtype)

        class Decoder(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.vae = vae

            def forward(self, latents):
                return self.vae.decode(latents, return_dict=False)[0]

        net = Decoder()
        latents = SIZE // 8
        inputs = (torch.randn(1, vae.config.latent_channels, latents, latents, dtype=dtype),)
    return net.eval(), inputs, named


def calibration(_):
    import torch

    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    call = lambda: torch.mm(a, b)
    call()
    return measure(call, 5)


def by_torch(options):
    import torch

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    parts = []
    for subject, calls in networks_of(options.subject).items():
        net, inputs, named = network(subject, options.model, dtype)
        net = net.to(memory_format=torch.channels_last)
        parts += [functools.partial(net, *inputs, **named)] * calls
    with torch.inference_mode():
        return measure(lambda: [part() for part in parts], options.repeat)


def by_openvino(options):
    parts = []
    for path, calls in zip(options.networks, networks_of(options.subject).values()):
        parts += [compiled(path, options)] * calls
    return measure(lambda: [part() for part in parts], options.repeat)


def compiled(path, options):
    """A network of OpenVINO's with inputs, to be called."""
    import numpy as np
    import openvino as ov

    core = ov.Core()
    hint = "f32" if options.precision == "f32" else "bf16"
    model = core.compile_model(
        path,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
        },
    )
    random = np.random.default_rng(0)
    inputs = []
    for port in model.inputs:
        shape = list(port.get_shape())
        if len(shape) == 0 or port.get_element_type() == ov.Type.i64:
            inputs.append(np.full(shape, 500, dtype=np.int64))
        else:
            inputs.append(random.standard_normal(shape, dtype=np.float32))
    request = model.create_infer_request()
    return lambda: request.infer(inputs)


def identity(options, subject):
    """A short hash of the folder that a network is of, its files' sizes and times, and what converts it."""
    folder = os.path.realpath(os.path.join(options.model, {"unet_of_one_row": "unet"}.get(subject, subject)))
    names = [] if subject == "tiny_vae" else sorted(os.listdir(folder))
    stats = [(name, os.stat(os.path.join(folder, name))) for name in names]
    parts = [folder, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    parts += [version(package) for package in ("torch", "diffusers", "openvino", "nncf")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def convert(options, subject):
    """The path of OpenVINO's network, which is made if it is not there."""
    weights = "int8" if options.precision == "int8" and subject != "text_encoder" else "f16"
    stem = f"{options.work}/openvino-{subject}-{SIZE}-{weights}-{identity(options, subject)}"
    if not (os.path.exists(stem + ".bin") and os.path.exists(stem + ".xml")):
        os.makedirs(options.work, exist_ok=True)
        # Made aside and renamed, the .xml last: where that is, both files are whole.
        with tempfile.TemporaryDirectory(prefix="convert-", dir=options.work) as aside:
            write_network(options, subject, weights, f"{aside}/network.xml")
            os.replace(f"{aside}/network.bin", stem + ".bin")
            os.replace(f"{aside}/network.xml", stem + ".xml")
    return stem + ".xml"


def write_network(options, subject, weights, path):
    import openvino as ov
    import torch

    net, inputs, named = network(subject, options.model, torch.float32)
    with torch.inference_mode():
        net.forward = functools.partial(net.forward, **named)
        model = ov.convert_model(net, example_input=inputs, input=[list(i.shape) for i in inputs])
    if weights == "int8":
        import nncf

        names = [port.get_any_name() for port in model.inputs]
        samples = [dict(zip(names, [i.numpy() for i in inputs])) for _ in range(2)]
        model = nncf.quantize(
            model,
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=2,
            fast_bias_correction=False,
        )
    # Weights as f16 in the file, as OpenVINO writes them by default.
    ov.save_model(model, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", choices=["calibration", "convert", "torch", "openvino"])
    parser.add_argument("--subject", default="unet")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--model")
    parser.add_argument("--work", help="the folder of converted networks")
    parser.add_argument("--networks", nargs="+", help="what `convert` printed, for openvino")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    global SIZE
    SIZE = options.size
    if options.contender == "convert":
        print(json.dumps({"networks": [convert(options, subject) for subject in networks_of(options.subject)]}))
        return
    if options.contender != "openvino":
        import torch

        torch.set_num_threads(options.threads)
    run = {"calibration": calibration, "torch": by_torch, "openvino": by_openvino}[options.contender]
    seconds = run(options)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_rss_bytes": memory}))


if __name__ == "__main__":
    main()
