"""Numbers that remember where they come from: the sizes and values of tensors that reach Python.

A marked number computes as the number that it is. Its arithmetic gives marked numbers, and each comparison, each truth
and each look-up of one is told to the watch with the place in the code that asked. A mark holds the reads that a number
was made from, and how it was made, so that the sizes can be found with which a comparison ends otherwise.

Marks are lost where Python knows of no number: in a text, in NumPy, in `float * size`. `int`, `float` and `len` give
plain numbers whatever they are given, so modelling code is lent others of the same names.
"""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch

#: A number that was made in more steps keeps its reads and forgets how it was made.
MOST_STEPS = 24
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
ARITHMETIC = ("add", "sub", "mul", "floordiv", "mod", "truediv", "pow", "lshift", "rshift", "and", "or", "xor")
UNARY = ("neg", "pos", "abs", "invert", "floor", "ceil", "trunc")


class Read:
    """A place at which a size or a value was read, and what was read in each input set."""

    def __init__(self, is_value: bool) -> None:
        self.is_value = is_value
        #: The input that a value was read from, and what inputs were compared with on the way to it.
        self.input: str | None = None
        self.told: tuple[tuple[str, int], ...] = ()
        #: In their order; how often each was read says nothing.
        self.sets: list[dict[float, None]] = []

    def varies(self) -> bool:
        return differ(self.sets)


def differ(sets: list[dict[float, None]]) -> bool:
    return any(values.keys() != sets[0].keys() for values in sets[1:])


class Seen:
    """One number of a read: a place in code that many modules share reads many."""

    __slots__ = ("read", "number", "mark")

    def __init__(self, read: Read, number: float) -> None:
        self.read = read
        self.number = number
        self.mark = Mark(frozenset((self,)), self)


class Mark:
    __slots__ = ("reads", "how", "steps")

    def __init__(self, reads: frozenset[Seen], how: Any, steps: int = 1) -> None:
        self.reads = reads
        self.how = how if steps <= MOST_STEPS else None
        self.steps = steps


class Watcher:
    """What the marked numbers tell; does nothing until somebody watches."""

    def compared(self, frame: Any, name: str, outcome: bool, left: Any, right: Any) -> None: ...

    def looked_up(self, frame: Any, number: Any) -> None: ...


watcher = Watcher()


@contextlib.contextmanager
def told_to(new: Watcher) -> Iterator[None]:
    global watcher
    before, watcher = watcher, new
    try:
        yield
    finally:
        watcher = before


def of(value: Any) -> Mark | None:
    return value.mark if isinstance(value, Whole | Real) else None


def how(value: Any) -> Any:
    """The way to a number: itself, a read, or an operation on such ways; None where it is not known."""
    mark = of(value)
    return mark.how if mark is not None else value if isinstance(value, int | float) else None


def marked(value: Any, mark: Mark) -> Any:
    """The number with a mark; what is no number as it is."""
    kind = type(value)
    if kind is int or kind is Whole:
        number = int.__new__(Whole, value)
    elif kind is float or kind is Real:
        number = float.__new__(Real, value)
    else:
        return value
    number.mark = mark
    return number


def _made(value: Any, name: str, *parts: Any) -> Any:
    reads: frozenset[Seen] = frozenset()
    steps = 1
    ways = []
    for part in parts:
        if (mark := of(part)) is not None:
            reads |= mark.reads
            steps += mark.steps
        ways.append(how(part))
    return marked(value, Mark(reads, None if None in ways else (name, *ways), steps))


def is_linear(way: Any) -> bool:
    """Whether a number is a sum of reads and numbers, each with a factor."""
    if not isinstance(way, tuple):
        return way is not None
    name, *parts = way
    linear = all(map(is_linear, parts))
    return linear and (name in ("add", "sub", "neg", "pos") or (name == "mul" and not all(map(_has_read, parts))))


def _has_read(way: Any) -> bool:
    return isinstance(way, Seen) or (isinstance(way, tuple) and any(map(_has_read, way[1:])))


def evaluate(way: Any, reads: dict[Read, float]) -> Any:
    """The number that a way gives where its reads have other values; raises what the arithmetic raises."""
    if isinstance(way, Seen):
        return reads[way.read]
    if not isinstance(way, tuple):
        return way
    name, *parts = way
    return OPERATIONS[name](*(evaluate(part, reads) for part in parts))


class Whole(int):
    """A marked whole number."""

    mark: Mark

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __round__(self, digits: Any = None) -> Any:
        return self if digits is None else int.__round__(self, digits)

    # No copy and no pickle takes the mark along.
    def __reduce_ex__(self, protocol: Any) -> Any:
        return int, (int(self),)


class Real(float):
    """A marked real number."""

    mark: Mark

    def __round__(self, digits: Any = None) -> Any:
        return _made(float.__round__(self), "round", self) if digits is None else float.__round__(self, digits)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return float, (float(self),)


OPERATIONS: dict[str, Any] = {"round": round, "int": int, "float": float, "bool": bool}


def _define() -> None:
    import math

    for cls, base in ((Whole, int), (Real, float)):
        for name in COMPARISONS:
            OPERATIONS[name] = getattr(operator, name)
            setattr(cls, f"__{name}__", _comparison(base, name))
        for name in ARITHMETIC:
            OPERATIONS[name] = getattr(operator, f"{name}_" if name in ("and", "or") else name)
            for method, swapped in ((f"__{name}__", False), (f"__r{name}__", True)):
                if hasattr(base, method):
                    setattr(cls, method, _arithmetic(base, method, name, swapped))
        for name in UNARY:
            OPERATIONS[name] = getattr(math, name, None) or getattr(operator, name)
            if hasattr(base, f"__{name}__"):
                setattr(cls, f"__{name}__", _unary(base, f"__{name}__", name))
        cls.__bool__ = _truth(base)
        cls.__hash__ = _hash(base)


def _comparison(base: type, name: str) -> Any:
    method = getattr(base, f"__{name}__")

    def compare(self: Any, other: Any) -> Any:
        result = method(self, other)
        if result is NotImplemented and isinstance(other, float):
            result = getattr(float(self), f"__{name}__")(other)
        if result is not NotImplemented:
            watcher.compared(sys._getframe(1), name, result, self, other)
        return result

    return compare


def _arithmetic(base: type, method: str, name: str, swapped: bool) -> Any:
    plain = getattr(base, method)

    def compute(self: Any, other: Any) -> Any:
        result = plain(self, other)
        if result is NotImplemented and isinstance(other, float):
            result = getattr(float(self), method)(other)
        if result is NotImplemented:
            return result
        return _made(result, name, other, self) if swapped else _made(result, name, self, other)

    return compute


def _unary(base: type, method: str, name: str) -> Any:
    plain = getattr(base, method)
    return lambda self: _made(plain(self), name, self)


def _truth(base: type) -> Any:
    plain = base.__bool__

    def truth(self: Any) -> bool:
        result = plain(self)
        watcher.compared(sys._getframe(1), "bool", result, self, None)
        return result

    return truth


def _hash(base: type) -> Any:
    plain = base.__hash__

    def hashed(self: Any) -> int:
        watcher.looked_up(sys._getframe(1), self)
        return plain(self)

    return hashed


_define()


class Listed(list):
    """The values of a tensor as a list that remembers the size it was read from."""

    length: Any = None


class _Lent(type):
    """The type of what modelling code is lent in the place of `int` or `float`: the same but for what a call gives."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls.plain)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls.plain)

    def __eq__(cls, other: object) -> bool:
        return other in (cls.plain, cls.number) or other is cls

    def __hash__(cls) -> int:
        return hash(cls.plain)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.plain, name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            value = args[0]
            if isinstance(value, torch.Tensor):
                value = value.item()
            if (mark := of(value)) is not None:
                made = cls.plain(value)
                return marked(made, mark) if type(made) is type(value).__bases__[0] else _made(made, cls.name, value)
        return cls.plain(*args, **kwargs)


def lent(length: Any) -> dict[str, Any]:
    """What is lent: `length` is asked for the length of what may hold tensors."""
    kinds = {
        name: _Lent(name, (), {"plain": plain, "number": number, "name": name})
        for name, plain, number in (("int", int, Whole), ("float", float, Real))
    }
    return {**kinds, "len": length}


@contextlib.contextmanager
def lending(modules: list[ModuleType], names: dict[str, Any]) -> Iterator[None]:
    """Lends the names to the modules that have none of their own."""
    changed = [(vars(module), name) for module in modules for name in names if name not in vars(module)]
    for space, name in changed:
        space[name] = names[name]
    try:
        yield
    finally:
        for space, name in changed:
            space.pop(name, None)
