"""What a planted fault is, and what faults are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

#: The formats of artefacts; the first is the module itself.
TORCH, FILES = ("module",), ("onnx", "openvino-ir")
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
    #: In which it is planted, for every backend that reads them.
    formats: tuple[str, ...] = ALL
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


def weight(change: Callable) -> dict:
    return {"weights": lambda model, _: change(model)}


def noise(x, c):
    """Dropout that was left on, in a form that every exporter keeps."""
    return torch.where(torch.rand_like(x) < 0.05, 0.0, x / 0.95)
