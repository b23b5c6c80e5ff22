"""Marks the sizes and values of tensors that reach modelling code, and notes every comparison of them."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from . import branches_flow as flow
from . import branches_marks as marks
from . import branches_wishes as wishes

#: So many values of a read are kept for each input set.
MOST_KEPT = 64

TORCH = os.path.dirname(torch.__file__) + os.sep
#: Torch's own Python through which the methods of a tensor come.
ON_THE_WAY = {
    *(os.path.join(TORCH, name) for name in ("overrides.py", "_tensor.py", "functional.py")),
    *(__file__, marks.__file__),
}
SITE = tuple({sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib")})
NOT_MODELS = (
    TORCH,
    os.path.dirname(os.path.abspath(__file__)) + os.sep,
    *(os.path.join(site, "numpy") + os.sep for site in SITE),
)
STANDARD = os.path.dirname(os.__file__) + os.sep

SHAPE = torch.Tensor.shape.__get__
TRUTHS = {"__bool__", "is_nonzero", "equal", "allclose", "__contains__"}
VALUES = {"item", "__int__", "__float__", "__index__"}
SIZES = {"size", "stride", "numel", "nelement", "storage_offset"}
ESCAPES = {"numpy", "__array__", "__dlpack__"}
MAKES = {"tensor", "as_tensor"}


class Parts(tuple):
    """The parts of a tensor, which remember that their number was a size."""

    length: Any = None


class Place:
    """A comparison in the code, and how it ended."""

    def __init__(self) -> None:
        #: By the name of the comparison and its outcome, the ways to what was compared.
        self.ended: dict[tuple[str, bool], tuple] = {}
        #: How far apart the compared numbers were; more than two figures say no more than two.
        self.apart: set[float] = set()
        #: What was read for it, in each input set in which it was come to.
        self.reads: dict[marks.Read, dict[int, dict[float, None]]] = {}
        #: Whether a value of a tensor was asked itself.
        self.valued = False
        self.looked_up = False
        #: The constants that values of inputs were compared with on the way, in their order.
        self.constants: dict[tuple[str, int], None] = {}

    def note(self, mark: marks.Mark, at: int) -> None:
        for seen in mark.reads:
            self.reads.setdefault(seen.read, {}).setdefault(at, {})[seen.number] = None

    def sets(self, read: marks.Read, count: int) -> list[dict[float, None]]:
        """What was read for it in each set; of a place that some sets do not come to, what was read for all places."""
        here = self.reads[read]
        return [here[at] for at in sorted(here)] if len(here) == count else read.sets

    def counts(self, count: int) -> bool:
        return self.valued or any(read.is_value or marks.differ(self.sets(read, count)) for read in self.reads)


class Watch(TorchFunctionMode, marks.Watcher):
    """Marks what reaches Python, and notes every comparison of it."""

    def __init__(self, plan: dict) -> None:
        super().__init__()
        self.plan = plan
        self.sizes: list[dict[str, int]] = []
        self.places: dict[tuple[CodeType, int], Place] = {}
        self.reads: dict[tuple[CodeType, int, Any], marks.Read] = {}
        self.unfollowed: dict[tuple[CodeType, int], str] = {}
        self.flow: Any = None

    def begin(self, model: Any, inputs: dict) -> None:
        """Turns to the next input set."""
        self.sizes.append(wishes.sizes(self.plan, inputs))
        self.flow = flow.Flow(model, inputs)

    # What the numbers tell.

    def compared(self, frame: FrameType, name: str, outcome: bool, left: Any, right: Any) -> None:
        if (place := self._place(frame)) is None:
            return
        place.ended[name, bool(outcome)] = (marks.how(left), *(() if right is None else (marks.how(right),)))
        if len(place.apart) < 2:
            place.apart.add(float(left) - float(right or 0))
        for number, other in ((left, right), (right, left)):
            if (mark := marks.of(number)) is None:
                continue
            place.note(mark, len(self.sizes))
            for read in (seen.read for seen in mark.reads if seen.read.is_value):
                place.constants.update(dict.fromkeys(read.told))
                if read.input and type(other) is int:
                    place.constants.update(dict.fromkeys((read.input, near) for near in wishes.near(name, other)))

    def looked_up(self, frame: FrameType, number: Any) -> None:
        if (place := self._place(frame)) is not None:
            place.looked_up = True
            place.note(number.mark, len(self.sizes))

    def length(self, value: Any) -> Any:
        """What `len` gives in modelling code."""
        size = len(value)
        if isinstance(value, marks.Listed | Parts) and value.length is not None:
            return marks.marked(size, value.length)
        if isinstance(value, torch.Tensor) or (
            isinstance(value, list | tuple) and size and isinstance(value[0], torch.Tensor)
        ):
            return self._marked(size, sys._getframe(1), "len")
        return size

    # What torch is asked.

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return self._sizes(args, result) if func == SHAPE else result
        if name in SIZES:
            return self._sizes(args, result)
        if name in TRUTHS:
            return self._truth(args, result)
        if name in VALUES:
            return self._value(name, args, result)
        if name == "tolist":
            return self._listed(args, result)
        if name in ESCAPES:
            self._escapes(f"`{name}`", args)
        elif name in MAKES:
            self._makes(args, result)
        elif name == "__getitem__":
            self._cuts(*args)
        elif name == "unbind" and sys._getframe(1).f_code.co_filename in ON_THE_WAY:
            if (frame := _caller()) is not None:
                self._marked(len(result), frame, "iteration")
        self.flow.follow(name, args, kwargs, result)
        return self._parts(args, result) if name == "split" and isinstance(result, tuple) else result

    def _sizes(self, args: tuple, result: Any) -> Any:
        if isinstance(args[0], torch.nn.Parameter) or (frame := _caller()) is None:
            return result
        if not isinstance(result, tuple):
            return self._marked(result, frame, args[1] if len(args) > 1 else "size")
        return type(result)([self._marked(size, frame, axis) for axis, size in enumerate(result)])

    def _truth(self, args: tuple, result: bool) -> bool:
        given = [tensor for tensor in args if isinstance(tensor, torch.Tensor)]
        if all(map(self.flow.is_fixed, given)) or (frame := _caller()) is None:
            return result
        if (place := self._place(frame)) is not None:
            place.valued = True
            place.ended["bool", bool(result)] = (None,)
            for tensor in given:
                place.constants.update(self.flow.constants(tensor))
        return result

    def _value(self, name: str, args: tuple, result: Any) -> Any:
        if self.flow.is_constant(args[0]) or (frame := _caller()) is None:
            return result
        if isinstance(result, bool):
            return self._truth(args, result)
        number = self._marked(result, frame, "value", args[0])
        if name == "item":
            return number
        if name != "__index__":
            self._escapes(f"`{name}`", args)
        # Python takes nothing but a plain number from these.
        return result

    def _listed(self, args: tuple, result: Any) -> Any:
        tensor = args[0]
        if self.flow.is_constant(tensor) or (frame := _caller()) is None:
            return result
        if tensor.numel() > flow.MOST_LISTED or tensor.dtype == torch.bool:
            self._escapes("`tolist`", args)
            return result

        def listed(values: Any, depth: int) -> Any:
            if not isinstance(values, list):
                return self._marked(values, frame, "value", tensor)
            found = marks.Listed(listed(value, depth + 1) for value in values)
            found.length = marks.of(self._marked(len(values), frame, ("len", depth)))
            return found

        return listed(result, 0)

    def _makes(self, args: tuple, result: Any) -> None:
        """A tensor of numbers: a tracer makes a constant of it."""
        found = [mark.reads for mark in map(marks.of, flow.flat(args)) if mark is not None]
        reads = {seen.read for seen in set().union(*found)}
        if reads and (frame := _caller()) is not None and result.numel() <= flow.FEW:
            read = self._read(frame, "made", any(read.is_value for read in reads), None)
            read.sets[-1].update(dict.fromkeys(result.flatten().tolist()))

    def _parts(self, args: tuple, parts: Any) -> Any:
        """How many parts a tensor falls into follows from its size."""
        if self.flow.is_constant(args[0]) or (frame := _caller()) is None:
            return parts
        found = Parts(parts)
        found.length = marks.Seen(self._read(frame, "parts", True, None), len(parts)).mark
        return found

    def _cuts(self, tensor: torch.Tensor, index: Any) -> None:
        """A slice that ends at a number takes all of what is shorter, which is a branch on the size."""
        parts = index if isinstance(index, tuple) else (index,)
        parts = [part for part in parts if part is not None]
        ends = [part.stop if isinstance(part, slice) else None for part in parts]
        if not any(type(end) is int and end > 1 for end in ends):
            return
        if self.flow.is_constant(tensor) or (frame := _caller()) is None:
            return
        at = next((place for place, part in enumerate(parts) if part is Ellipsis), len(parts))
        for place, end in enumerate(ends):
            axis = place if place < at else place - len(parts)
            if type(end) is int and end > 1 and -tensor.dim() <= axis < tensor.dim():
                size = self._marked(tensor.shape[axis], frame, ("cut", axis))
                self.compared(frame, "ge", int(size) >= end, size, end)

    def _escapes(self, how: str, args: tuple) -> None:
        if not self.flow.is_constant(args[0]) and (frame := _caller()) is not None:
            self.unfollowed.setdefault((frame.f_code, frame.f_lasti), how)

    def _place(self, frame: FrameType) -> Place | None:
        if not is_model(frame.f_code.co_filename):
            return None
        key = (frame.f_code, frame.f_lasti)
        return self.places.get(key) or self.places.setdefault(key, Place())

    def _read(self, frame: FrameType, axis: Any, is_value: bool, tensor: Any) -> marks.Read:
        key = (frame.f_code, frame.f_lasti, axis)
        if (read := self.reads.get(key)) is None:
            read = self.reads[key] = marks.Read(is_value)
        if tensor is not None:
            read.input = self.flow.input_of(tensor)
            read.told = tuple(self.flow.constants(tensor))
        while len(read.sets) < len(self.sizes):
            read.sets.append({})
        return read

    def _marked(self, number: Any, frame: FrameType, axis: Any, tensor: Any = None) -> Any:
        if not is_model(frame.f_code.co_filename):
            return number
        read = self._read(frame, axis, tensor is not None, tensor)
        if len(read.sets[-1]) < MOST_KEPT:
            read.sets[-1][number] = None
        return marks.marked(number, marks.Seen(read, number).mark)


def _caller() -> FrameType | None:
    """The modelling code that asks torch, unless torch's own code does."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in ON_THE_WAY:
        frame = frame.f_back
    return frame if frame is not None and is_model(frame.f_code.co_filename) else None


_known: dict[str, bool] = {}


def is_model(file: str) -> bool:
    """Whether a file holds modelling code: the library's, a package's that a model is made of, or a user's."""
    known = _known.get(file)
    if known is None:
        known = not file.startswith((*NOT_MODELS, "<frozen"))
        known = known and (file.startswith(SITE) or not file.startswith(STANDARD))
        _known[file] = known
    return known


def shown(file: str) -> str:
    """A file as people know it, without the folders of this machine."""
    for site in SITE:
        if file.startswith(site):
            return file.removeprefix(site)
    return os.path.basename(file)
