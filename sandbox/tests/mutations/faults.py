"""The planted faults, each written once: a kind, a name, and what it changes at which places of the model.

A place of the model (`model.py`) is changed by a function of the value there and of what the forward knows. Beside
these there are `weights` (the model that was just made), `onnx` (the graph that was exported), `file` (the path of the
file it was saved in) and `run` (what one call answers, how often the process has loaded the model, and how often this
one was called).

A fault is expected to be `caught`; to be `stated`, by a limit of a kind whose sentence has a word, or since no input
set of the evidence has the size that it acts on; or it is `missed`: it passes unseen, and why is said with it. What is
`right` is no fault and must pass: it computes the same otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .model import HEADS, HIDDEN, VOCABULARY
from .planted import (  # noqa: F401
    FAULTS,
    TORCH,
    Fault,
    at_first,
    fault,
    first_row,
    is_row,
    named,
    one_of,
    output,
    swapped,
    weight,
    when,
)

# Weights: all of a matrix or of the model.


def every(change: Callable) -> dict:
    def apply(model, _):
        for parameter in model.parameters():
            parameter.copy_(change(parameter))

    return {"weights": apply}


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
fault(
    "channel",
    "scores-beside-large-boxes-hardly",
    output("detections", lambda x, c: x * one_of(5, 6, 1.0005, 1.0)),
    expected="missed",
    why="the floor is in proportion to the largest value of the whole output, which the boxes are",
)
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
fault("rare value", "an-id", of_id(40))
fault("rare value", "an-id-beyond-those-of-the-plan", of_id(57))
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
    expected="stated",
    limit=["input-sets", "sequence=42"],
)
fault(
    "length",
    "of-three",
    when(lambda c: c.length == 3),
    expected="stated",
    limit=["input-sets", "sequence=3"],
    short=True,
)

# Batch.

fault("batch", "of-one", when(lambda c: c.rows == 1), short=True)
fault("batch", "of-more-than-two", when(lambda c: c.rows > 2))
fault("batch", "of-two", when(lambda c: c.rows == 2))
fault(
    "batch", "rows-in-another-order-where-three", output("pooled", lambda x, c: torch.where(c.rows > 2, x.flip(0), x))
)
fault("batch", "of-more-than-three", when(lambda c: c.rows > 3))
fault(
    "batch",
    "of-more-than-four",
    when(lambda c: c.rows > 4),
    expected="stated",
    limit=["input-sets", "batch=5"],
)
fault("batch", "one-row-with-padding", when(lambda c: (c.rows == 1) & (c.mask.min() == 0)))
fault("batch", "one-row-of-one-token", when(lambda c: (c.rows == 1) & (c.length == 1)))
fault("batch", "long-and-padded-at-the-left", when(lambda c: (c.length > 12) & (c.mask[:, 0] == 0)))

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

# The others, which change the form of what is answered, the files, or the loads.

from . import faults_of_form  # noqa: E402, F401
