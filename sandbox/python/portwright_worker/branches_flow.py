"""Where the values of tensors come from, as far as a branch on them asks.

Every call of torch is followed, from memory to memory: what follows from weights alone, what is filled with one value
whatever its size, what holds the values of an input, and what inputs were compared with on the way to a tensor. A
tensor of which nothing is known counts as one that the inputs decide.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch

from . import branches_marks as marks
from . import branches_wishes as wishes

MOST_CONSTANTS = 16
#: A tensor of so many values keeps what was compared on the way to it, whatever its type.
FEW = 64
#: A longer list of arguments is not looked into.
MOST_LISTED = 4_096
COMPARES = {*marks.COMPARISONS, *(f"__{name}__" for name in marks.COMPARISONS), "isin", "not_equal"}
#: What gives a tensor of one value, and what makes another such of it.
FILLS = {f"{how}{name}{like}" for how in ("", "new_") for name in ("ones", "zeros", "full") for like in ("", "_like")}
STAYS_FILLED = {
    *("expand", "view", "reshape", "flatten", "unsqueeze", "squeeze", "transpose", "permute", "repeat", "__getitem__"),
    *("to", "bool", "long", "int", "float", "clone", "contiguous", "all", "any", "eq", "ne", "__eq__", "__ne__"),
    *("logical_not", "__invert__", "bitwise_not", "__and__", "__or__", "bitwise_and", "bitwise_or"),
}
#: What gives the values of an input in another form.
SAME_VALUES = {
    *("to", "long", "int", "clone", "contiguous", "detach", "reshape", "flatten", "index_select", "__getitem__"),
    *("max", "min", "amax", "amin"),
}


class Flow:
    """What is known of the tensors of one forward."""

    def __init__(self, model: Any, inputs: dict) -> None:
        # Memory by its address, kept so that no other tensor is given the same one.
        self.constant: dict[int, Any] = dict(memory_of(tensor) for tensor in (*model.parameters(), *model.buffers()))
        self.filled: dict[int, Any] = {}
        self.inputs: dict[int, tuple[Any, str]] = {}
        self.compared_with: dict[int, tuple[Any, dict[tuple[str, int], None]]] = {}
        for name, tensor in inputs.items():
            if not tensor.is_floating_point():
                address, memory = memory_of(tensor)
                self.inputs[address] = (memory, name)

    def input_of(self, tensor: torch.Tensor) -> str | None:
        """The input whose values a tensor holds."""
        held = self.inputs.get(memory_of(tensor)[0])
        return held[1] if held is not None else None

    def follow(self, name: str, args: tuple, kwargs: dict, result: Any) -> None:
        """Keeps what follows from weights alone, and what holds values of inputs."""
        given = flat((*args, *kwargs.values()))
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        numbers = any(marks.of(value) is not None for value in given)
        constant = not numbers and all(map(self.is_constant, tensors))
        fills = name in FILLS and marks.of(args[-1]) is None
        stays = name in STAYS_FILLED and not (numbers and name in COMPARES) and all(map(self.is_fixed, tensors))
        writes = name == "__setitem__" or "out" in kwargs or name.startswith("__i") or (name[-1:] == "_" != name[:1])
        if writes and not constant and tensors:
            for tensor in (tensors[0], *flat((kwargs.get("out"),))):
                if isinstance(tensor, torch.Tensor):
                    self.constant.pop(memory_of(tensor)[0], None)
                    self.filled.pop(memory_of(tensor)[0], None)
        made = [tensor for tensor in flat((result,)) if isinstance(tensor, torch.Tensor)]
        if constant or fills or stays:
            (self.constant if constant else self.filled).update(map(memory_of, made))
            return
        told = self._compares(name, given) if name in COMPARES else {}
        for tensor in tensors if self.compared_with or told else ():
            told |= self.constants(tensor)
        name_of = self.inputs.get(memory_of(tensors[0])[0]) if tensors and name in SAME_VALUES else None
        for tensor in made:
            address, memory = memory_of(tensor)
            if told and (not tensor.is_floating_point() or tensor.numel() <= FEW):
                kept = self.compared_with.get(address, (memory, {}))[1] | told
                self.compared_with[address] = (memory, dict(islice(kept.items(), MOST_CONSTANTS)))
            if name_of is not None and not tensor.is_floating_point():
                self.inputs.setdefault(address, (memory, name_of[1]))

    def _compares(self, name: str, given: list) -> dict[tuple[str, int], None]:
        """The constants that values of an input are compared with."""
        names = []
        constants: list[int] = []
        for value in given:
            if isinstance(value, torch.Tensor):
                held = self.inputs.get(memory_of(value)[0])
                if held is not None:
                    names.append(held[1])
                elif self.is_constant(value) and value.numel() <= MOST_CONSTANTS and not value.is_floating_point():
                    constants += map(int, value.flatten().tolist())
            elif type(value) is int:
                constants.append(value)
        wanted = [near for constant in constants for near in wishes.near(name, constant)]
        return {(held, constant): None for held in names for constant in wanted}

    def constants(self, tensor: torch.Tensor) -> dict[tuple[str, int], None]:
        return self.compared_with.get(memory_of(tensor)[0], (None, {}))[1]

    def is_constant(self, tensor: Any) -> bool:
        return not isinstance(tensor, torch.Tensor) or memory_of(tensor)[0] in self.constant

    def is_fixed(self, tensor: torch.Tensor) -> bool:
        return self.is_constant(tensor) or memory_of(tensor)[0] in self.filled


def memory_of(tensor: torch.Tensor) -> tuple[int, Any]:
    try:
        storage = tensor.untyped_storage()
    except NotImplementedError:
        # A sparse tensor, or one inside `vmap`, has no memory of its own to be known by.
        return id(tensor), tensor
    return storage._cdata, storage


def flat(values: Any) -> list:
    """The values of a call, those in lists and tuples among them."""
    found = []
    for value in values:
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            found += flat(value) if len(value) <= MOST_LISTED else []
        elif isinstance(value, torch.Size):
            found += value
        else:
            found.append(value)
    return found
