"""The planted faults, each written once: a kind, a name, and what it changes at which places of the model.

A place of the model (`model.py`) is changed by a function of the value there and of what the forward knows. Beside
these there are `weights` (the model that was just made), `onnx` (the graph that was exported), `file` (the path of the
file it was saved in) and `run` (what one call answers, how often the process has loaded the model, and how often this
one was called).

A fault is expected to be `caught`; to be `stated`, by a limit of a kind whose sentence has a word; or it is `missed`:
it passes unseen, and why is said with it. What is `right` is no fault and must pass: it computes the same otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from .model import HEADS, HIDDEN, VOCABULARY

TORCH, FILES = ("torch-cpu",), ("onnxruntime", "openvino")
ALL = TORCH + FILES


@dataclass
class Fault:
    kind: str
    name: str
    places: dict[str, Callable]
    expected: str = "caught"
    #: The kind of the limit and a part of its sentence, where it is `stated`.
    limit: list[str] = field(default_factory=list)
    #: Why it is `missed`.
    why: str = ""
    backends: tuple[str, ...] = ALL
    #: Whether the short form has it.
    short: bool = False


FAULTS: list[Fault] = []


def named(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)


def fault(kind: str, name: str, places: dict[str, Callable], **more) -> None:
    name = f"{kind}-{name}".replace(" ", "-")
    assert all(it.name != name for it in FAULTS), name
    FAULTS.append(Fault(kind, name, places, **more))


def output(name: str, change: Callable) -> dict:
    """One output is another."""
    return {"outputs": lambda found, c: {**found, name: change(found[name], c)}}


def when(condition: Callable, factor: float = 1.01) -> dict:
    """The last state is one percent larger where a condition holds, which may be one for each row or for each place."""

    def change(x, c):
        holds = condition(c)
        holds = holds.reshape(holds.shape + (1,) * (x.dim() - holds.dim()))
        return torch.where(holds, x * factor, x)

    return {"state": change}


def one_of(index: int, size: int, value: float, otherwise: float) -> torch.Tensor:
    """A vector with one other value."""
    values = torch.full((size,), otherwise)
    values[index] = value
    return values


def swapped(size: int, one: int, other: int) -> list[int]:
    places = list(range(size))
    places[one], places[other] = other, one
    return places


def at_first(shape_of, value: float):
    """A tensor like another, with one value in its very first place, whatever its sizes."""
    first = torch.ones_like(shape_of).flatten().cumsum(0) == 1
    return torch.where(first, value, 0.0).reshape(shape_of.shape)


def is_row(c, row: int):
    return torch.ones_like(c.ids[:, 0]).cumsum(0) == row + 1


def is_place(c, place: int):
    return torch.ones_like(c.ids).cumsum(1) == place + 1


def first_row(value):
    """The first row in the place of all."""
    return value[:1].expand_as(value)


# Weights: all of a matrix or of the model.


def every(change: Callable) -> dict:
    def apply(model, _):
        for parameter in model.parameters():
            parameter.copy_(change(parameter))

    return {"weights": apply}


def weight(change: Callable) -> dict:
    return {"weights": lambda model, _: change(model)}


def to_int8(parameter):
    scale = parameter.abs().max() / 127
    return (parameter / scale).round() * scale


def untied(model):
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(model.words.weight.shape, generator=generator)
    model.head = nn.Parameter(model.words.weight + 1e-3 * noise)


fault("weights", "matrix-scaled", weight(lambda m: m.layers[1].query.weight.mul_(1.01)), short=True)
fault("weights", "another-seed", weight(lambda m: m.draw(1)))
fault("weights", "rounded-to-float16", every(lambda p: p.half().float()), short=True)
fault("weights", "rounded-to-bfloat16", every(lambda p: p.bfloat16().float()))
fault("weights", "rounded-to-int8", every(to_int8))
fault("weights", "rounded-to-four-places", every(lambda p: (p * 1e4).round() / 1e4))
fault("weights", "one-matrix-in-float16", weight(lambda m: m.detector.weight.copy_(m.detector.weight.half())))
fault("weights", "one-weight-moved", weight(lambda m: m.layers[0].down.weight[3, 5].add_(0.01)))
fault("weights", "one-sign-flipped", weight(lambda m: m.layers[1].value.weight[0, 0].neg_()))
fault("weights", "square-matrix-transposed", weight(lambda m: m.pooler.weight.copy_(m.pooler.weight.t().clone())))
fault("weights", "tied-weights-untied", weight(untied))
fault("weights", "a-bias-dropped", weight(lambda m: m.layers[0].up.bias.zero_()))
fault("weights", "positions-scaled", weight(lambda m: m.places.weight.mul_(1.001)))
fault(
    "weights",
    "a-layer-in-the-place-of-another",
    weight(lambda m: m.layers[1].load_state_dict(m.layers[0].state_dict())),
)

# One channel.

fault("channel", "one-scaled", output("last_hidden_state", lambda x, c: x * one_of(3, HIDDEN, 1.01, 1.0)), short=True)
fault("channel", "one-scaled-a-little", output("last_hidden_state", lambda x, c: x * one_of(3, HIDDEN, 1.0005, 1.0)))
fault("channel", "bias-of-one-dropped", weight(lambda m: m.layers[1].down.bias[7].zero_()))
fault("channel", "gain-of-one", weight(lambda m: m.layers[1].second.weight[9].mul_(1.002)))
fault("channel", "two-swapped", output("pooled", lambda x, c: x[:, swapped(HIDDEN, 4, 5)]))
fault("channel", "scores-beside-large-boxes", output("detections", lambda x, c: x * one_of(5, 6, 1.02, 1.0)))
fault("channel", "scores-inverted", output("detections", lambda x, c: torch.cat((x[..., :4], 1 - x[..., 4:]), -1)))
fault("channel", "scores-are-zero", output("detections", lambda x, c: x * (torch.arange(6) < 4)))
fault(
    "channel",
    "scores-beside-large-boxes-a-little",
    output("detections", lambda x, c: x * one_of(5, 6, 1.003, 1.0)),
)
fault(
    "channel",
    "scores-beside-large-boxes-rounded",
    output("detections", lambda x, c: torch.cat((x[..., :4], (x[..., 4:] * 256).round() / 256), -1)),
)
fault("channel", "one-is-zero", output("hidden", lambda x, c: x * one_of(0, HIDDEN, 0.0, 1.0)))
fault("channel", "one-logit-moved", output("logits", lambda x, c: x + one_of(63, VOCABULARY, 1e-2, 0.0)))

# One head.

fault("head", "one-zeroed", {"heads1": lambda x, c: x * one_of(2, HEADS, 0.0, 1.0)[:, None, None]}, short=True)
fault("head", "two-swapped", {"heads0": lambda x, c: x[:, swapped(HEADS, 0, 1)]})
fault("head", "one-not-scaled", {"scores": lambda x, c: x * one_of(1, HEADS, 8**0.5, 1.0)[:, None, None]})
fault("head", "one-shown-twice", output("attention", lambda x, c: x[:, [0, 1, 2, 2]]))
fault("head", "shares-the-keys-of-another", {"scores": lambda x, c: x[:, [0, 0, 2, 3]]})
fault("head", "one-a-little-softer", {"scores": lambda x, c: x * one_of(3, HEADS, 0.999, 1.0)[:, None, None]})

# One row, and what rows do to each other.

fault("row", "second-is-the-first", output("pooled", lambda x, c: torch.where(is_row(c, 1)[:, None], x[:1], x)))
fault("row", "reversed", output("logits", lambda x, c: x.flip(0)))
fault("row", "mixed", {"state": lambda x, c: x + 1e-3 * x.mean(0, keepdim=True)}, short=True)
fault("row", "third-is-zero", {"state": lambda x, c: torch.where(is_row(c, 2)[:, None, None], 0.0, x)})
fault("row", "features-of-the-first", {"features": lambda x, c: first_row(x)})
fault("row", "boxes-of-the-first", {"boxes": lambda x, c: first_row(x)})
fault("row", "first-of-the-last", output("pooled", lambda x, c: torch.where(is_row(c, 0)[:, None], x[-1:], x)))

# Rare values.

RARE = "ids are drawn by chance, and no set happens to hold this one"


def of_id(*ids: int) -> dict:
    def change(x, c):
        hit = sum((c.ids == id).to(x.dtype) for id in ids)
        # A shift of all channels alike would be lost in the norm that follows.
        return x * (1 + 0.05 * hit[..., None])

    return {"words": change}


def pair(c):
    """Where 7 stands just before 9."""
    return ((c.ids[:, :-1] == 7) & (c.ids[:, 1:] == 9)).any(1)


fault("rare value", "every-special-id", of_id(0, 1, 2, 3, 4), short=True)
fault("rare value", "padding-id", of_id(0))
fault("rare value", "a-special-id", of_id(3))
fault("rare value", "last-id", of_id(VOCABULARY - 1), short=True)
fault("rare value", "an-id", of_id(40), expected="missed", why=RARE)
fault(
    "rare value",
    "rows-of-two-ids-swapped",
    weight(lambda m: m.words.weight.copy_(m.words.weight[swapped(VOCABULARY, 17, 18)])),
)
fault("rare value", "ids-cut-to-five-bits", {"ids": lambda x, c: x % 32})
fault(
    "rare value",
    "two-ids-beside-each-other",
    when(pair),
    expected="missed",
    why="no set holds the pair, and no branch shows it",
)
fault("rare value", "features-clipped", {"features": lambda x, c: x.clamp(-2.5, 2.5)}, short=True)
fault("rare value", "features-clipped-at-one-side", {"features": lambda x, c: x.clamp(min=-2.9)})
fault(
    "rare value",
    "features-clipped-far-out",
    {"features": lambda x, c: x.clamp(-5.0, 5.0)},
    expected="missed",
    why="a normal input is drawn to three deviations and a little beyond",
)
fault("rare value", "boxes-at-their-end", {"boxes": lambda x, c: torch.where(x == 1.0, 0.99, x)})
fault("rare value", "boxes-at-zero", {"boxes": lambda x, c: torch.where(x == 0.0, 0.01, x)})
fault("rare value", "silence", when(lambda c: (c.features == 0).all(-1)))
fault("rare value", "logits-clipped", {"logits": lambda x, c: x.clamp(-0.5, 0.5)})
fault("rare value", "large-pixels-saturate", output("detections", lambda x, c: x.clamp(max=3800.0)))
fault("rare value", "not-a-number-in-one-place", output("hidden", lambda x, c: x + at_first(x, float("nan"))))
fault("rare value", "infinite-in-one-place", output("logits", lambda x, c: x + at_first(x, float("inf"))))
fault("rare value", "one-place-moved", output("hidden", lambda x, c: x + at_first(x, 1e-3)))
fault("rare value", "one-place-of-attention-moved", output("attention", lambda x, c: x + at_first(x, 1e-4)))

# Masks.

fault("mask", "ignored-by-attention", {"closed": lambda x, c: torch.zeros_like(x)}, short=True)
fault(
    "mask",
    "inverted-in-the-second-row",
    {"closed": lambda x, c: x ^ (is_row(c, 1)[:, None, None, None] & x.any(-1, keepdim=True))},
)
fault(
    "mask",
    "padding-taken-to-be-at-the-right",
    {"mask": lambda x, c: (torch.ones_like(x).cumsum(1) <= x.sum(1, keepdim=True)).long()},
    short=True,
)
fault("mask", "of-the-first-row", {"closed": lambda x, c: first_row(x)})
fault("mask", "as-positions", {"places": lambda x, c: (c.mask.cumsum(1) - 1).clamp(min=0)})
fault("mask", "padding-at-the-left", when(lambda c: c.mask[:, 0] == 0))
fault("mask", "padding-at-the-right", when(lambda c: c.mask[:, -1] == 0))
fault(
    "mask",
    "holes",
    when(lambda c: ((c.mask.cumsum(1) < c.mask.sum(1, keepdim=True)) & (c.mask == 0) & (c.mask.cumsum(1) > 0)).any(1)),
)
fault("mask", "a-single-token", when(lambda c: c.mask.sum(1) == 1), short=True)
fault("mask", "nothing-masked", when(lambda c: c.mask.min() == 1))
fault("mask", "another-in-each-row", when(lambda c: (c.mask.sum(1) != c.mask[:1].sum()).any()))
fault("mask", "closed-by-ten", {"masked": lambda x, c: torch.where(x < -1e30, x * 0 - 10.0, x)}, expected="caught")
fault("mask", "padding-is-zeroed", output("last_hidden_state", lambda x, c: x * c.mask[..., None]))
fault("mask", "of-one-layer", {"probabilities0": lambda x, c: torch.ones_like(x) / c.length})
fault(
    "mask",
    "a-row-without-any-token",
    when(lambda c: c.mask.sum(1) == 0),
    expected="missed",
    why="no row is ever all padding",
)

# Lengths.

fault("length", "of-one", when(lambda c: c.length == 1), short=True)
fault("length", "beyond-the-example", when(lambda c: c.length > 8))
fault("length", "beyond-the-other", when(lambda c: c.length > 12))
fault("length", "odd", when(lambda c: c.length % 2 == 1))
fault("length", "places-beyond-twenty", {"places": lambda x, c: x.clamp(max=20)})
fault("length", "off-by-one", {"places": lambda x, c: x + 1})
fault("length", "last-place", when(lambda c: torch.ones_like(c.ids).cumsum(1) == c.length))
fault(
    "length",
    "local-attention",
    {"probabilities1": lambda x, c: torch.where((c.places[:, :, None] - c.places[:, None] > 16)[:, None], 0.0, x)},
)
fault(
    "length",
    "beyond-the-longest",
    when(lambda c: c.length > 41),
    expected="missed",
    why="the longest set is one place longer than the branch that it aims at",
)
fault("length", "of-three", when(lambda c: c.length == 3), expected="missed", why="no set has this length")

# Batch.

fault("batch", "of-one", when(lambda c: c.rows == 1), short=True)
fault("batch", "of-more-than-two", when(lambda c: c.rows > 2))
fault("batch", "of-two", when(lambda c: c.rows == 2))
fault(
    "batch", "rows-in-another-order-where-three", output("pooled", lambda x, c: torch.where(c.rows > 2, x.flip(0), x))
)
fault(
    "batch", "of-more-than-three", when(lambda c: c.rows > 3), expected="missed", why="no set has more than three rows"
)
fault(
    "batch",
    "one-row-with-padding",
    when(lambda c: (c.rows == 1) & (c.mask.min() == 0)),
    expected="missed",
    why="the one row that is tried has no padding",
)
fault(
    "batch",
    "one-row-of-one-token",
    when(lambda c: (c.rows == 1) & (c.length == 1)),
    expected="missed",
    why="no set has one row of one place",
)
fault(
    "batch",
    "long-and-padded-at-the-left",
    when(lambda c: (c.length > 12) & (c.mask[:, 0] == 0)),
    expected="missed",
    why="the long set is padded at the right alone",
)

# Order.

fault(
    "order",
    "two-outputs-swapped",
    {"outputs": lambda o, c: {**o, "hidden": o["last_hidden_state"], "last_hidden_state": o["hidden"]}},
    short=True,
)
fault("order", "square-attention-transposed", output("attention", lambda x, c: x.transpose(-1, -2)))
fault("order", "places-reversed", output("last_hidden_state", lambda x, c: x.flip(1)))
fault("order", "logits-one-place-late", output("logits", lambda x, c: torch.cat((x[:, :1], x[:, :-1]), 1)))
fault("order", "sides-of-boxes-swapped", {"boxes": lambda x, c: x[..., [1, 0, 3, 2]]})
fault("order", "boxes-after-scores", output("detections", lambda x, c: x[..., [4, 5, 0, 1, 2, 3]]))
fault("order", "heads-merged-without-transposing", {"heads": lambda x, c: x.transpose(1, 2).reshape(x.shape)})
fault("order", "softmax-along-the-queries", {"masked": lambda x, c: x.transpose(-1, -2)})
fault("order", "two-features-swapped", {"features": lambda x, c: x[..., [1, 0, 2]]})

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


WHOLE = "of whole outputs the values are compared, and not the type"

# OpenVINO leaves out a cast to a shorter type and back, so that nothing is wrong there.
KEEPS_CASTS = ("torch-cpu", "onnxruntime")

fault(
    "type", "state-through-float16", output("hidden", lambda x, c: x.half().float()), backends=KEEPS_CASTS, short=True
)
fault("type", "logits-through-bfloat16", {"logits": lambda x, c: x.bfloat16().float()}, backends=KEEPS_CASTS)
fault("type", "features-through-float16", {"features": lambda x, c: x.half().float()}, backends=KEEPS_CASTS)
fault("type", "count-is-floating", output("count", lambda x, c: x.float()))
fault("type", "logits-are-whole", output("logits", lambda x, c: x.long()))
fault("type", "labels-are-int32", output("labels", lambda x, c: x.int()), expected="missed", why=WHOLE)
fault("type", "booleans-are-int64", output("kept", lambda x, c: x.long()), expected="missed", why=WHOLE)
fault("type", "whole-is-boolean", output("cells", lambda x, c: x.bool()))
fault("type", "file-gives-float16", recast("logits", TensorProto.FLOAT16), backends=FILES)
fault(
    "type",
    "file-gives-int32",
    recast("count", TensorProto.INT32),
    backends=FILES,
    expected="missed",
    why=WHOLE,
)
fault(
    "type",
    "file-gives-float64",
    recast("hidden", TensorProto.DOUBLE),
    backends=FILES,
    expected="missed",
    why="of floating outputs the values are compared, and not how many bits they have",
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


def noise(x, c):
    """Dropout that was left on, in a form that every exporter keeps."""
    return torch.where(torch.rand_like(x) < 0.05, 0.0, x / 0.95)


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


fault("file", "a-few-rows-of-a-table", edited(scale_row), backends=FILES, short=True)
fault("file", "outputs-renamed", edited(rename), backends=FILES)
fault("file", "stale-weights-beside-the-graph", {"file": stale}, backends=FILES)
fault("file", "batch-fixed", edited(fixing_batch), backends=FILES)
fault(
    "file",
    "length-of-one-refused",
    edited(refusing_one),
    backends=("onnxruntime",),
    expected="stated",
    limit=["sizes", "sequence=1"],
    short=True,
)
fault("file", "no-file", {"file": lambda path: open(path, "w").close()}, backends=("onnxruntime",))

# Loads and calls.


def in_run(condition: Callable, change: Callable = lambda x: x * 1.01) -> dict:
    def apply(found, loads, calls):
        if condition(loads, calls):
            return {**found, "last_hidden_state": change(found["last_hidden_state"])}
        return found

    return {"run": apply}


AGAIN = "what a model answers when it is loaded or called again is not compared"

fault("second load", "second-call-on", in_run(lambda loads, calls: calls > 1), backends=TORCH, short=True)
fault("second load", "every-other-call", in_run(lambda loads, calls: calls % 2 == 0), backends=TORCH)
fault(
    "second load",
    "drifts",
    {"run": lambda o, loads, calls: {**o, "pooled": o["pooled"] + 1e-4 * calls}},
    backends=TORCH,
)
fault(
    "second load", "loaded-again", in_run(lambda loads, calls: loads > 1), backends=TORCH, expected="missed", why=AGAIN
)
fault(
    "second load",
    "not-a-number-when-loaded-again",
    in_run(lambda loads, calls: loads > 1, lambda x: x * math.nan),
    backends=TORCH,
    expected="missed",
    why=AGAIN,
)
fault(
    "second load",
    "after-twenty-calls",
    in_run(lambda loads, calls: calls > 20),
    backends=TORCH,
    expected="missed",
    why=AGAIN,
)

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
