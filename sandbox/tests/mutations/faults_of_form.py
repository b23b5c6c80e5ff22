"""The planted faults that change the form of what is answered, the files or the loads, and what is right."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from .model import HIDDEN, VOCABULARY
from .planted import (
    FILES,
    TORCH,
    at_first,
    fault,
    is_place,
    noise,
    output,
    weight,
)

# Types.


def recast(name: str, to: int) -> dict:
    """An output of the file has another type."""

    def change(model):
        for node in model.graph.node:
            for at, made in enumerate(node.output):
                if made == name:
                    node.output[at] = f"{name}.before"
            for at, used in enumerate(node.input):
                if used == name:
                    node.input[at] = f"{name}.before"
        model.graph.node.append(helper.make_node("Cast", [f"{name}.before"], [name], to=to))
        found = next(it for it in model.graph.output if it.name == name)
        found.type.tensor_type.elem_type = to
        return model

    return {"onnx": change}


# OpenVINO leaves out a cast to a shorter type and back, so that nothing is wrong there.
KEEPS_CASTS = ("module", "onnx")

fault("type", "state-through-float16", output("hidden", lambda x, c: x.half().float()), formats=KEEPS_CASTS, short=True)
fault("type", "logits-through-bfloat16", {"logits": lambda x, c: x.bfloat16().float()}, formats=KEEPS_CASTS)
fault("type", "features-through-float16", {"features": lambda x, c: x.half().float()}, formats=KEEPS_CASTS)
fault("type", "count-is-floating", output("count", lambda x, c: x.float()))
fault("type", "logits-are-whole", output("logits", lambda x, c: x.long()))
fault(
    "type",
    "labels-are-int32",
    output("labels", lambda x, c: x.int()),
    expected="stated",
    limit=["other-type", "`labels`"],
)
fault(
    "type",
    "booleans-are-int64",
    output("kept", lambda x, c: x.long()),
    expected="stated",
    limit=["other-type", "`kept`"],
)
fault("type", "whole-is-boolean", output("cells", lambda x, c: x.bool()))
fault("type", "file-gives-float16", recast("logits", TensorProto.FLOAT16), formats=FILES)
fault(
    "type",
    "file-gives-int32",
    recast("count", TensorProto.INT32),
    formats=FILES,
    expected="stated",
    limit=["other-type", "`count`"],
)
fault(
    "type",
    # OpenVINO gives float32 for it, in which it computes.
    "file-gives-float64",
    recast("hidden", TensorProto.DOUBLE),
    formats=("onnx",),
    expected="stated",
    limit=["other-type", "`hidden`"],
)

# Whole numbers and booleans.


def second(c):
    """The second best label where it is hardly worse."""
    two = c.logits.topk(2, -1)
    return torch.where(two.values[..., 0] - two.values[..., 1] < 0.02, two.indices[..., 1], two.indices[..., 0])


fault("whole output", "one-label-moved", output("labels", lambda x, c: x + at_first(x.float(), 1.0).long()), short=True)
fault("whole output", "second-best-where-near", output("labels", lambda x, c: second(c)))


fault("whole output", "rounded-down-at-ties", output("cells", lambda x, c: ((c.boxes * 4).ceil() - 1).long()))
fault("whole output", "inverted", output("kept", lambda x, c: ~x))
fault("whole output", "threshold-moved", {"outputs": lambda o, c: {**o, "kept": o["ranks"] > 5.1}})
fault(
    "whole output",
    "threshold-moved-a-little",
    {"outputs": lambda o, c: {**o, "kept": o["ranks"] > 5.0004}},
    expected="missed",
    why="no score lies between the two thresholds",
)
fault(
    "whole output",
    "kept-without-mask",
    {"outputs": lambda o, c: {**o, "kept": o["biased"] + (c.mask == 0) * 10000.0 > 5.0}},
)
fault("whole output", "count-is-the-examples", output("count", lambda x, c: x * 0 + 7))
fault("whole output", "count-is-the-length", output("count", lambda x, c: x * 0 + c.length))
fault(
    "whole output",
    "labels-without-special-ids",
    {"outputs": lambda o, c: {**o, "labels": o["logits"][..., 5:].argmax(-1) + 5}},
    expected="missed",
    why="no set has one of these labels",
)
fault("whole output", "cells-saturate", output("cells", lambda x, c: x.clamp(max=3)))
fault(
    "whole output",
    "alarms-never-raised",
    output("alarms", lambda x, c: torch.zeros_like(x)),
    expected="stated",
    limit=["constant-output", "alarms"],
    short=True,
)
fault(
    "whole output",
    "alarms-at-another-level",
    output("alarms", lambda x, c: (c.features > 100).any(-1)),
    expected="stated",
    limit=["constant-output", "alarms"],
)

fault(
    "whole output",
    "a-number-that-is-no-tensor",
    {"outputs": lambda o, c: {**o, "scale": 1.0}},
    expected="stated",
    limit=["not-ported-output", "scale"],
)

# Fillers.

LEAST = torch.finfo(torch.float32).min

fault("filler", "another", output("ranks", lambda x, c: torch.where(x < -1e30, -1e9, x)), short=True)
fault("filler", "half-as-large", output("ranks", lambda x, c: torch.where(x < -1e30, LEAST / 2, x)))
fault("filler", "nearly-as-large", output("ranks", lambda x, c: torch.where(x < -1e30, -3.4e38, x)))
fault("filler", "of-the-other-sign", output("ranks", lambda x, c: torch.where(x < -1e30, -LEAST, x)))
fault("filler", "infinite", output("ranks", lambda x, c: torch.where(x < -1e30, -math.inf, x)))
fault("filler", "one-place-late", output("ranks", lambda x, c: torch.cat((x[:, -1:], x[:, :-1]), 1)))
fault("filler", "where-a-value-belongs", output("ranks", lambda x, c: torch.where(is_place(c, 0), LEAST, x)))
fault(
    "filler",
    "value-where-it-belongs",
    {"outputs": lambda o, c: {**o, "ranks": torch.where(c.mask == 0, 0.0, o["ranks"])}},
)
fault("filler", "added-one-less", output("biased", lambda x, c: torch.where(x < -5000.0, x + 1.0, x)))
fault("filler", "values-beside-it-moved", output("biased", lambda x, c: x + at_first(x, 6e-4)))
fault("filler", "values-beside-it-scaled", output("biased", lambda x, c: torch.where(x > -5000.0, x * 1.002, x)))
fault(
    "filler",
    "gone-where-nothing-else",
    {"outputs": lambda o, c: {**o, "ranks": torch.where((c.mask.sum(1) == 1)[:, None], o["biased"], o["ranks"])}},
)

# What is computed.


class Exact(nn.Module):
    """A layer norm whose parts are computed by hand."""

    def __init__(self, norm: nn.LayerNorm, eps: float, centred: bool) -> None:
        super().__init__()
        self.norm, self.eps, self.centred = norm, eps, centred

    def forward(self, x):
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        x = x * ((x * x).mean(-1, keepdim=True) + self.eps).rsqrt()
        return x * self.norm.weight + self.norm.bias


def norms(change: Callable) -> dict:
    def apply(model):
        model.norm = change(model.norm)
        for layer in model.layers:
            layer.first, layer.second = change(layer.first), change(layer.second)

    return weight(apply)


fault(
    "computation", "gelu-by-tanh", {"bend": lambda f, c: lambda x: functional.gelu(x, approximate="tanh")}, short=True
)
fault("computation", "relu-for-gelu", {"bend": lambda f, c: functional.relu})
fault("computation", "another-epsilon", norms(lambda norm: Exact(norm, 1e-5, True)))
fault("computation", "norm-not-centred", norms(lambda norm: Exact(norm, 1e-12, False)))
fault("computation", "first-norm-dropped", weight(lambda m: setattr(m, "norm", nn.Identity())))
fault("computation", "residual-dropped", {"residual1": lambda x, c: x * 0})
fault("computation", "residual-halved", {"residual0": lambda x, c: x * 0.5})
fault("computation", "last-layer-dropped", {"state": lambda x, c: c.first})
fault("computation", "dropout-left-on", {"down": noise})
fault("computation", "scores-not-scaled", {"scores": lambda x, c: x * 8**0.5})
fault("computation", "causal", {"closed": lambda x, c: x | (c.places[:, None, None] > c.places[:, None, :, None])})
fault("computation", "mean-over-padding", {"mean": lambda x, c: c.last.mean(1)})
fault("computation", "uniform-attention", {"probabilities1": lambda x, c: x * 0 + 1 / c.length})
fault("computation", "softmax-by-a-series", {"probabilities": lambda x, c: (x * 4096).round() / 4096})

# Constants in the place of what was computed.

fault("constant", "one-vector", output("pooled", lambda x, c: x * 0 + torch.linspace(-0.5, 0.5, HIDDEN)), short=True)
fault("constant", "an-input-folded", {"boxes": lambda x, c: x * 0 + 0.5})
fault("constant", "a-mask-folded", {"mask": lambda x, c: torch.ones_like(x)})
fault("constant", "outputs-cut-to-the-traced-length", output("hidden", lambda x, c: x[:, :8]))
fault("constant", "outputs-cut-to-the-traced-batch", output("pooled", lambda x, c: x[:2]))
fault("constant", "half-an-input-folded", {"features": lambda x, c: x * torch.tensor([1.0, 1.0, 0.0])})
fault("constant", "output-left-out", {"outputs": lambda o, c: {name: o[name] for name in o if name != "count"}})
fault("constant", "output-invented", {"outputs": lambda o, c: {**o, "more": o["hidden"]}})

# Branches of the right model, of which one side alone is kept, as a tracer does. Those on ids and sizes are aimed at.


def never(x, c):
    return torch.zeros_like(x) if isinstance(x, torch.Tensor) else False


fault("branch", "on-values", {"on values": never}, short=True)
fault("branch", "on-sizes", {"on sizes": never})
fault("branch", "on-floats", {"on floats": never}, expected="stated", limit=["branch", "loud"], short=True)

# The file itself.


def edited(change: Callable) -> dict:
    """The graph of the file is another."""
    return {"onnx": lambda model: change(model) or model}


def initializer(model, shape: tuple[int, ...]):
    return next(it for it in model.graph.initializer if tuple(it.dims) == shape)


def scale_row(model):
    table = initializer(model, (VOCABULARY, HIDDEN))
    values = numpy_helper.to_array(table).copy()
    values[20:30] *= 1.01
    table.CopyFrom(numpy_helper.from_array(values, table.name))


def rename(model):
    names = {"hidden": "last_hidden_state", "last_hidden_state": "hidden"}
    for found in model.graph.output:
        found.name = names.get(found.name, found.name)
    for node in model.graph.node:
        for side in (node.input, node.output):
            for at, name in enumerate(side):
                side[at] = names.get(name, name)


def before(name: str, *nodes: Callable) -> Callable:
    """Nodes before an output, each a function of the names of what it takes and gives."""

    def change(model):
        for node in model.graph.node:
            for side in (node.input, node.output):
                for at, it in enumerate(side):
                    if it == name:
                        side[at] = f"{name}.0"
        for n, node in enumerate(nodes):
            last = n + 1 == len(nodes)
            model.graph.node.append(node(f"{name}.{n}", name if last else f"{name}.{n + 1}"))

    return change


def constants(model, **values):
    for name, value in values.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def refusing_one(model):
    """Takes every length but one: the second place of the ids is looked at, and there is none."""
    constants(model, second=np.int64(1), nothing=np.int64(0))
    model.graph.node.append(helper.make_node("Gather", ["input_ids", "second"], ["looked"], axis=1))
    model.graph.node.append(helper.make_node("ReduceSum", ["looked"], ["looked.sum"], keepdims=0))
    before("labels", lambda a, b: helper.make_node("Add", [a, "looked.nothing"], [b]))(model)
    model.graph.node.insert(-1, helper.make_node("Mul", ["looked.sum", "nothing"], ["looked.nothing"]))


def fixing_batch(model):
    constants(model, fixed=np.array([2, -1, HIDDEN]))
    before("hidden", lambda a, b: helper.make_node("Reshape", [a, "fixed"], [b]))(model)


def stale(path: str):
    """The weights lie beside the graph, and are those of an earlier build."""
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=1024)
    beside = path.replace("model.onnx", "weights.bin")
    (np.fromfile(beside, np.float32) * np.float32(1.002)).tofile(beside)


fault("file", "a-few-rows-of-a-table", edited(scale_row), formats=FILES, short=True)
fault("file", "outputs-renamed", edited(rename), formats=FILES)
fault("file", "stale-weights-beside-the-graph", {"file": stale}, formats=FILES)
fault("file", "batch-fixed", edited(fixing_batch), formats=FILES)
fault(
    "file",
    "length-of-one-refused",
    edited(refusing_one),
    formats=("onnx",),
    expected="stated",
    limit=["sizes", "sequence=1"],
    short=True,
)
fault("file", "no-file", {"file": lambda path: open(path, "w").close()}, formats=("onnx",))

# Loads and calls.


def in_run(condition: Callable, change: Callable = lambda x: x * 1.01) -> dict:
    def apply(found, loads, calls):
        if condition(loads, calls):
            return {**found, "last_hidden_state": change(found["last_hidden_state"])}
        return found

    return {"run": apply}


fault("second load", "second-call-on", in_run(lambda loads, calls: calls > 1), formats=TORCH, short=True)
fault("second load", "every-other-call", in_run(lambda loads, calls: calls % 2 == 0), formats=TORCH)
fault(
    "second load",
    "drifts",
    {"run": lambda o, loads, calls: {**o, "pooled": o["pooled"] + 1e-4 * calls}},
    formats=TORCH,
)
fault("second load", "loaded-again", in_run(lambda loads, calls: loads > 1), formats=TORCH, short=True)
fault(
    "second load",
    "not-a-number-when-loaded-again",
    in_run(lambda loads, calls: loads > 1, lambda x: x * math.nan),
    formats=TORCH,
)
fault("second load", "after-twenty-calls", in_run(lambda loads, calls: calls > 20), formats=TORCH)

# What is right, computed in another way.


class Halves(nn.Module):
    """A product in two halves, which are added up at the end."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x):
        half = self.weight.shape[1] // 2
        return x[..., half:] @ self.weight[:, half:].t() + (x[..., :half] @ self.weight[:, :half].t() + self.bias)


def halved(model):
    for layer in model.layers:
        for name in ("query", "key", "value", "out", "up", "down"):
            setattr(layer, name, Halves(getattr(layer, name)))


def by_hand(x, c):
    x = (x - x.amax(-1, keepdim=True)).exp()
    return x * (1 / x.sum(-1, keepdim=True))


fault("right", "as-it-is", {}, expected="right", short=True)
fault("right", "products-in-halves", weight(halved), expected="right", short=True)
fault("right", "norms-by-hand", norms(lambda norm: Exact(norm, 1e-12, True)), expected="right")
fault(
    "right",
    "gelu-by-hand",
    {"bend": lambda f, c: lambda x: 0.5 * x * (1 + torch.erf(x * 0.7071067811865476))},
    expected="right",
)
fault("right", "scaled-in-two-steps", {"scores": lambda x, c: x * 3.0 / 3.0}, expected="right")
fault(
    "right",
    "tiny-numbers-flushed",
    {"outputs": lambda o, c: {**o, "attention": torch.where(o["attention"] < 1e-30, 0.0, o["attention"])}},
    expected="right",
)
