"""A small model of every part that a port gets wrong, with the places at which a fault changes it.

Two layers of attention over ids, boxes and features, under a mask. Its outputs are of every kind that the judge
compares: states, square attention, boxes in pixels beside scores, a vector for each row, scores with fillers, whole
numbers, booleans.

`at` is a place by its name: what a fault has under that name changes the value there. The right model has nothing
anywhere.
"""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, HIDDEN, HEADS, LONGEST = 64, 32, 4, 48
#: Boxes are in the pixels of a large image, beside scores from 0 to 1.
PIXELS = 4000.0
INPUTS = ("input_ids", "attention_mask", "boxes", "features")


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.up, self.down = nn.Linear(HIDDEN, 2 * HIDDEN), nn.Linear(2 * HIDDEN, HIDDEN)
        self.first, self.second = (nn.LayerNorm(HIDDEN, eps=1e-12) for _ in range(2))


class Model(nn.Module):
    def __init__(self, fault: dict | None = None, seed: int = 0) -> None:
        super().__init__()
        self.fault = fault or {}
        self.words, self.places = nn.Embedding(VOCABULARY, HIDDEN), nn.Embedding(LONGEST, HIDDEN)
        self.layout, self.feature = nn.Linear(4, HIDDEN), nn.Linear(3, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.pooler, self.detector, self.ranker = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 6), nn.Linear(HIDDEN, 1)
        # The words' own matrix, unless a fault puts another here.
        self.head = self.words.weight
        self.draw(seed)
        with torch.no_grad():
            self.at("weights", self, None)

    @torch.no_grad()
    def draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight") or ".first." in name or ".second." in name:
                parameter.copy_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
            else:
                # The parts that are added up before the first norm are small, as in a model of the library.
                small = name in ("words.weight", "places.weight", "layout.weight", "feature.weight")
                std = 0.05 if small else 1.5 * parameter.shape[1] ** -0.5
                parameter.copy_(std * torch.randn(parameter.shape, generator=generator))

    def at(self, place, value, c):
        return self.fault[place](value, c) if place in self.fault else value

    def attend(self, n, x, c):
        layer, d = self.layers[n], HIDDEN // HEADS

        def heads(x):
            return self.at("split", x.unflatten(-1, (HEADS, d)).transpose(1, 2), c)

        query, key, value = heads(layer.query(x)), heads(layer.key(x)), heads(layer.value(x))
        scores = self.at("scores", query @ key.transpose(-1, -2) * d**-0.5, c)
        closed = self.at("closed", (c.mask == 0)[:, None, None, :], c)
        scores = self.at("masked", scores.masked_fill(closed, torch.finfo(scores.dtype).min), c)
        probabilities = self.at(f"probabilities{n}", self.at("probabilities", scores.softmax(-1), c), c)
        found = self.at("heads", self.at(f"heads{n}", probabilities @ value, c), c)
        return layer.out(found.transpose(1, 2).flatten(2)), probabilities

    def layer(self, n, x, c):
        layer = self.layers[n]
        attended, probabilities = self.attend(n, x, c)
        x = layer.first(self.at(f"residual{n}", x, c) + attended)
        bent = self.at("bend", functional.gelu, c)(layer.up(x))
        return layer.second(x + self.at("down", layer.down(bent), c)), probabilities

    def branch(self, x, length, c):
        """Three ways that hardly any input takes: a pair of ids, a length, and loud features."""
        pair = self.at("on values", ((c.ids[:, :-1] == 6) & (c.ids[:, 1:] == 8)).any(), c)
        loud = self.at("on floats", (c.features > 50).any(), c)
        if torch.jit.is_tracing():
            # As an honest repair writes it: a tracer would keep one side alone.
            for taken, factor in ((pair, 1.5), (loud, 0.8), (self.at("on sizes", c.length > 40, c), 0.5)):
                x = torch.where(taken, x * factor, x)
            return x
        if pair:
            x = x * 1.5
        if loud:
            x = x * 0.8
        if self.at("on sizes", length > 40, c):
            x = x * 0.5
        return x

    def forward(self, input_ids, attention_mask, boxes, features):
        c = SimpleNamespace(model=self, ids=input_ids, mask=attention_mask, boxes=boxes, features=features)
        # As tensors, so that an exporter keeps what follows from them.
        c.rows = torch.ones_like(input_ids[:, 0]).sum()
        c.length = torch.ones_like(input_ids[0]).sum()
        for name in ("ids", "mask", "boxes", "features"):
            setattr(c, name, self.at(name, getattr(c, name), c))
        c.places = self.at("places", torch.ones_like(input_ids).cumsum(1) - 1, c)
        words = self.at("words", self.words(c.ids), c)
        x = words + self.places(c.places) + self.layout(c.boxes) + self.feature(c.features)
        x = self.at("embedded", self.norm(x), c)
        x = self.branch(x, input_ids.shape[1], c)
        c.first, _ = self.layer(0, x, c)
        c.last, attention = self.layer(1, c.first, c)
        c.last = self.at("state", c.last, c)
        return self.at("outputs", self.outputs(c.first, c.last, attention, c), c)

    def outputs(self, hidden, x, attention, c):
        counts = c.mask[..., None].to(x.dtype)
        mean = self.at("mean", (x * counts).sum(1) / counts.sum(1).clamp(min=1), c)
        c.logits = logits = self.at("logits", x @ self.head.t(), c)
        found = self.detector(x).sigmoid()
        rank = self.ranker(x)[..., 0]
        padded = c.mask == 0
        return {
            "hidden": hidden,
            "last_hidden_state": x,
            "attention": attention,
            "logits": logits,
            "pooled": self.pooler(mean).tanh(),
            # Four sides of a box, and two scores.
            "detections": torch.cat((found[..., :4] * PIXELS, found[..., 4:]), -1),
            "ranks": rank.masked_fill(padded, torch.finfo(rank.dtype).min),
            "biased": rank + padded.to(rank.dtype) * -10000.0,
            "labels": logits.argmax(-1),
            "cells": (c.boxes * 4).floor().long(),
            "kept": (rank > 5.0) & ~padded,
            "count": c.mask.sum(1),
            # No features are ever so large.
            "alarms": (c.features > 1000).any(-1),
            # No tensor: a port of tensors leaves it out.
            "scale": PIXELS,
        }
