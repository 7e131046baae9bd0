"""How far the pictures move when an engine is wrong in a plausible way:
`sensitivity.json`, in mean and maximum levels. A golden is worth something
only if these are far above its tolerance (mean 0.05, maximum 2).
"""

import contextlib
import os

import numpy as np
import torch
import torch.nn.functional as F
from common import levels, load_model, read_json, render, write_json
from PIL import Image
from segmoe.main import SparseMoeBlock


def chosen_of(self, logits):
    return logits.sum(dim=0).topk(self.top_k).indices


def mixed(self, rows, chosen, weights):
    return sum(weights[:, i : i + 1] * self.experts[e](rows) for i, e in enumerate(chosen.tolist()))


def genuine(self, rows, _shape):
    """As the reference; must give the golden itself."""
    logits = self.gate(rows)
    chosen = chosen_of(self, logits)
    return mixed(self, rows, chosen, F.softmax(logits[:, chosen], dim=1))


def uniform_weights(self, rows, _shape):
    chosen = chosen_of(self, self.gate(rows))
    return mixed(self, rows, chosen, torch.full((len(rows), self.top_k), 1 / self.top_k))


def wrong_experts(self, rows, _shape):
    """The least wanted experts instead of the most wanted."""
    logits = self.gate(rows)
    chosen = chosen_of(self, -logits)
    return mixed(self, rows, chosen, F.softmax(logits[:, chosen], dim=1))


def softmax_over_all(self, rows, _shape):
    """Weights from all experts' logits, not brought back to a sum of 1."""
    logits = self.gate(rows)
    chosen = chosen_of(self, logits)
    return mixed(self, rows, chosen, F.softmax(logits, dim=1)[:, chosen])


def routing_per_token(self, rows, _shape):
    """What most mixtures do: every row picks its own experts."""
    logits = self.gate(rows)
    kept = torch.full_like(logits, -torch.inf)
    top = logits.topk(self.top_k, dim=1)
    kept.scatter_(1, top.indices, top.values)
    return mixed(self, rows, torch.arange(self.num_experts), F.softmax(kept, dim=1))


def routing_by_conditional_row(self, rows, shape):
    """Sums the logits of the last batch row alone."""
    logits = self.gate(rows)
    chosen = chosen_of(self, logits[-shape[1] :])
    return mixed(self, rows, chosen, F.softmax(logits[:, chosen], dim=1))


def first_expert_only(self, rows, _shape):
    return self.experts[0](rows)


WRONGS = [uniform_weights, wrong_experts, softmax_over_all, routing_per_token, routing_by_conditional_row, first_expert_only]


@contextlib.contextmanager
def layer_does(rule):
    before = SparseMoeBlock.forward

    def forward(self, hidden_states, *_):
        shape = hidden_states.shape
        return rule(self, hidden_states.reshape(-1, shape[-1]), shape).reshape(*shape[:2], -1)

    SparseMoeBlock.forward = forward
    try:
        yield
    finally:
        SparseMoeBlock.forward = before


def experts_per_call(pipe):
    return next(m.top_k for m in pipe.unet.modules() if isinstance(m, SparseMoeBlock))


def one(root, pipe, entry):
    golden = np.array(Image.open(os.path.join(root, "pictures", entry["file"])))
    setting = entry | {"seed": int(entry["seed"])}

    def moved(**changes):
        return levels(render(pipe, setting | changes), golden)

    result = {"file": entry["file"]}
    if "routing_margin" in entry:
        with layer_does(genuine):
            result["genuine_again"] = moved()
            assert result["genuine_again"]["max"] <= 1
        for rule in WRONGS:
            if rule is uniform_weights and experts_per_call(pipe) == 1:
                continue  # no mistake: one expert's weight is 1
            with layer_does(rule):
                result[rule.__name__] = moved()
    result["another_prompt"] = moved(prompt="a blue car")
    if setting["guidance"] > 1:
        result["guidance_less_by_half"] = moved(guidance=setting["guidance"] - 0.5)
        if setting["negative_prompt"]:
            result["no_negative_prompt"] = moved(negative_prompt=None)
    result["seed_plus_one"] = moved(seed=setting["seed"] - 1 if setting["seed"] > 2**62 else setting["seed"] + 1)
    return result


@torch.no_grad()
def make(root):
    entries = read_json(os.path.join(root, "pictures/renders.json"))
    # The first picture of each model, and every one of the merged models.
    models, results = [], []
    for entry in entries:
        if "routing_margin" in entry or entry["model"] not in models:
            if entry["model"] not in models:
                models.append(entry["model"])
                pipe = load_model(root, entry["model"])
            results.append(one(root, pipe, entry))
            print(results[-1], flush=True)
    write_json(os.path.join(root, "sensitivity.json"), results)
