"""Puts traces of the cache (`segmoe render … --trace FILE`) into traces.json, which RecordedTraceTests replays.

  cache_traces.py NAME=FILE…        adds them, or puts them in the place of those of the same name

Paths of parts become numbers: what counts is which uses are of the same part, which parts are experts of one layer,
how many bytes they take, and where a step begins. How those that are there were recorded (bf16):

  sd-4x2-fox        segmoe synth segmoe-sd-4x2; "a fox in the snow", 6 steps
  sdxl-4x2-fox      segmoe synth segmoe-sdxl-4x2; "a fox in the snow", 6 steps
  emoji-4x2-*       the demo's merge (`make demo`); its prompts, 12 to 25 steps
"""
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parent.parent / "traces.json"


def packed(lines):
    layers, places, parts, phases = {}, {}, [], []
    for use in map(json.loads, lines):
        # MODEL/PRECISION/COMPONENT:PATH; components may have paths in common.
        home, path = use["part"].split(":", 1)
        layer, _, expert = path.partition(".experts.")
        number = layers.setdefault((home, layer), len(layers))
        part = f"{number}.experts.{expert.split('.')[0]}" if expert else str(number)
        if part not in places:
            places[part] = len(parts)
            parts.append((part, use["bytes"]))
        step = use.get("step") or 0
        if not phases or phases[-1]["step"] != step:
            phases.append({"step": step, "uses": []})
        phases[-1]["uses"].append(places[part])
    return {"parts": [part for part, _ in parts], "bytes": [size for _, size in parts], "phases": phases}


def main():
    traces = json.loads(FILE.read_text()) if FILE.exists() else {}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        with open(path) as lines:
            traces[name] = packed(lines)
    rows = (json.dumps(name) + ": " + json.dumps(trace, separators=(",", ":")) for name, trace in traces.items())
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
