"""Runs segmoe, torch and OpenVINO on one model in turn, round by round, and prints ratios of medians.

With --plain, segmoe on that model too: what a mixture costs over one of its experts.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys

import contenders

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmoe", required=True, help="the engine; `run` gives this and the next two")
    parser.add_argument("--model", required=True, help="a diffusers folder")
    parser.add_argument("--work", required=True, help="where OpenVINO's networks are kept")
    parser.add_argument("--subjects", nargs="+", default=["unet", "vae"], choices=["unet", "vae", "picture"])
    parser.add_argument("--precisions", nargs="+", default=["f32"], choices=["f32", "bf16", "int8"])
    parser.add_argument("--peers", nargs="*", default=["openvino", "torch"], choices=["openvino", "torch"])
    parser.add_argument("--plain", help="a model without experts, of the same size otherwise")
    parser.add_argument("--taesd", help="a TAESD for pictures, as `segmoed` takes it")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=2, help="measured runs per round and contender")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write the report here")
    return parser.parse_args()


def packages(options):
    """What the calibration and the peers run on."""
    names = ["torch"]
    if "openvino" in options.peers:
        names.append("openvino")
    if options.peers:
        names.append("diffusers")
    if "openvino" in options.peers and "int8" in options.precisions:
        names.append("nncf")
    return names


def check(options):
    """Ends with one line if the run cannot succeed, before anything that takes long."""
    for name in ("rounds", "repeat", "threads"):
        if getattr(options, name) < 1:
            sys.exit(f"peers: --{name} must be at least 1")
    if options.size < 8 or options.size % 8 != 0:
        sys.exit("peers: --size must be a multiple of 8")
    if "picture" in options.subjects and not options.taesd:
        sys.exit("peers: a picture needs --taesd")
    for path in filter(None, (options.segmoe, options.model, options.plain, options.taesd)):
        if not os.path.exists(path):
            sys.exit(f"peers: {path} is not there")
    needed = packages(options)
    if options.peers:
        for subject in options.subjects:
            folder = "unet" if subject == "picture" else subject
            if not os.path.exists(os.path.join(options.model, folder, "config.json")):
                sys.exit(f"peers: {options.model} is not a diffusers folder with a {folder}")
        if {"unet", "picture"} & {*options.subjects} and contenders.is_mixture(options.model):
            needed = [*needed, "segmoe"]
    for name in needed:
        if importlib.util.find_spec(name) is None:
            sys.exit(f"peers: {sys.executable} has no {name}")


def output(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"peers: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def ours(options, model, subject, precision):
    if subject == "picture":
        return picture(options, model, precision)
    result = output(
        [options.segmoe, "bench", subject, model, "--precision", precision, "--width", str(options.size),
         "--height", str(options.size), "--repeat", str(options.repeat), "--threads", str(options.threads), "--json"],
        options.threads,
    )
    return {"seconds": result["seconds"]["all"], "peak_rss_bytes": result["peak_rss_bytes"]}


def picture(options, model, precision):
    """Pictures of a daemon that has the model: jobs after its first one."""
    environment = dict(
        os.environ, JSON="1", RUNS="1", JOBS=str(options.repeat + 1), VAE=options.taesd, PRECISION=precision,
        SIZE=str(options.size), THREADS=str(options.threads), BIN=os.path.dirname(options.segmoe))
    done = subprocess.run([os.path.join(HERE, "..", "first-picture"), model], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"peers: first-picture failed:\n{done.stderr[-2000:]}")
    return {"seconds": json.loads(done.stdout)["later"], "peak_rss_bytes": 0}


def peer(options, name, subject="unet", precision="f32", more=()):
    return output(
        [sys.executable, os.path.join(HERE, "contenders.py"), name, "--subject", subject, "--precision", precision,
         "--model", options.model, "--work", options.work, "--size", str(options.size),
         "--threads", str(options.threads), "--repeat", str(options.repeat), *more],
        options.threads,
    )


def main():
    options = arguments()
    check(options)
    names = ["segmoe", *(["plain"] if options.plain else []), *options.peers]
    cases = [(s, p) for s in options.subjects for p in options.precisions]
    networks = {}
    if "openvino" in options.peers:
        networks = {(s, p): peer(options, "convert", s, p)["networks"] for s, p in cases}
    times, memory, calibrations = {}, {}, []
    for round_ in range(options.rounds):
        for subject, precision in cases:
            calibrations.append(2 * 2048**3 / min(peer(options, "calibration")["seconds"]) / 1e9)
            for name in names:
                if name == "torch" and precision == "int8":
                    continue
                if name == "segmoe" or name == "plain":
                    model = options.model if name == "segmoe" else options.plain
                    run = ours(options, model, subject, precision)
                else:
                    more = ["--networks", *networks[subject, precision]] if name == "openvino" else []
                    run = peer(options, name, subject, precision, more)
                key = (subject, precision, name)
                times.setdefault(key, []).extend(run["seconds"])
                memory[key] = max(memory.get(key, 0), run["peak_rss_bytes"])
                print(f"round {round_ + 1}: {subject} {precision} {name}: "
                      + ", ".join(f"{s:.2f}" for s in run["seconds"]) + " s", file=sys.stderr)
    versions = {name: contenders.version(name) for name in packages(options)}
    report = {
        "versions": versions,
        "calibration_gflops": {"min": min(calibrations), "max": max(calibrations), "all": calibrations},
        "threads": options.threads, "size": options.size, "rounds": options.rounds, "results": [],
    }
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"calibration: {min(calibrations):.0f} to {max(calibrations):.0f} GFLOP/s (2048³, f32, torch)")
    print(f"{'work':18} {'contender':10} {'median s':>9} {'min s':>8} {'MiB':>7} {'segmoe over it':>15}")
    for subject, precision in cases:
        mine = statistics.median(times[subject, precision, "segmoe"])
        for name in names:
            key = (subject, precision, name)
            if key not in times:
                continue
            median = statistics.median(times[key])
            ratio = mine / median
            report["results"].append({
                "work": subject, "precision": precision, "contender": name, "median": median,
                "all": times[key], "peak_rss_bytes": memory[key], "ratio": ratio,
            })
            print(f"{subject + ' ' + precision:18} {name:10} {median:9.3f} {min(times[key]):8.3f} "
                  f"{memory[key] >> 20:7} {ratio:15.3f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
