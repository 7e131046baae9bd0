"""Renders under several memory budgets, in turn; see `run` beside this."""

import argparse
import hashlib
import os
import re
import statistics
import subprocess
import tempfile


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("segmoe")
    parser.add_argument("model")
    parser.add_argument("size", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("budgets", nargs="+")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--precision", default="bf16")
    return parser.parse_args()


def render(options, budget, path):
    """Seconds from prompt to file, peak bytes, digest, and what the program says of the cache."""
    command = [options.segmoe, "render", options.model, "--prompt", "a lighthouse in a storm", "--force", "--output", path]
    command += ["--width", str(options.size), "--height", str(options.size), "--steps", str(options.steps)]
    command += ["--precision", options.precision, "--scheduler", "ddim"]
    if budget != "none":
        command += ["--memory-budget", budget]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    text = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = re.search(r" ([0-9.]+) s$", text, re.MULTILINE)
    if status != 0 or not took:
        raise SystemExit(f"{' '.join(command)}: {text}")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    said = text[text.rindex("weights:") :].strip()
    return float(took.group(1)), usage.ru_maxrss * 1024, digest, said


def main():
    options = arguments()
    runs = {budget: [] for budget in options.budgets}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for budget in options.budgets:
                runs[budget].append(render(options, budget, folder + "/picture.png"))
    seconds = {budget: statistics.median(run[0] for run in of) for budget, of in runs.items()}
    base = options.budgets[0]
    print(f"| budget | peak MiB | seconds | over {base} | file | cache |\n|---|---|---|---|---|---|")
    for budget, of in runs.items():
        peak = max(run[1] for run in of) / 2**20
        same = "the same" if of[0][2] == runs[base][0][2] else "another"
        ratio = seconds[budget] / seconds[base]
        print(f"| {budget} | {peak:.0f} | {seconds[budget]:.1f} | {ratio:.3f} | {same} | {of[-1][3]} |")


main()
