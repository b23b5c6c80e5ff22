"""What inputs would take the other side of a branch: a size of a dimension, or values of an input."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

from . import branches_marks as marks

MOST_VALUES = 16
LARGEST_SIZE = 2_048
#: Sizes that nobody draws; a comparison that ends otherwise with them is a branch all the same.
BEYOND = (10_007, 1_000_003)


def sizes(plan: dict, inputs: dict) -> dict[str, int]:
    """The size of each named dimension in an input set."""
    found: dict[str, int] = {}
    for spec in plan["inputs"]:
        tensor = inputs.get(spec["name"])
        for axis, size in zip(spec["shape"], tensor.shape if tensor is not None else (), strict=False):
            if isinstance(axis, str):
                factor, _, name = axis.rpartition("*")
                found[name] = size // int(factor or 1)
    return found


def near(comparison: str, constant: int) -> tuple[int, ...]:
    """The values that a comparison with a constant tells apart."""
    ordered = comparison.strip("_") in ("lt", "le", "gt", "ge")
    return (constant - 1, constant, constant + 1) if ordered else (constant,)


def wish(place: Any, condition: Any, sets: list[dict[str, int]]) -> dict | None:
    """The wish for the side of a place that was not taken."""
    if place.constants:
        values: dict[str, dict[int, None]] = {}
        for name, constant in place.constants:
            values.setdefault(name, {})[constant] = None
        if len(values) == 1 and condition is not None:
            # Those that are asked for only after this comparison are written beside it.
            values[next(iter(values))].update(dict.fromkeys(condition.constants()))
        return {"ids": {name: list(wanted)[:MOST_VALUES] for name, wanted in values.items()}}
    found = next(filter(None, _others(place, sets)), None)
    return {"sizes": dict([found])} if found is not None and found[1] <= LARGEST_SIZE else None


def holds_always(place: Any, sets: list[dict[str, int]]) -> bool:
    """Whether a comparison of sizes ends the same whatever the dimensions: without a cache, keys are as many as tokens.

    So it is where no size of a dimension ends it otherwise, and where what it compares lies equally far apart in all
    sets although it is made of sizes that differ, and of their sums alone.
    """
    if not place.ended or place.valued or any(read.is_value for read in place.reads):
        return False
    differs = any(len(set(chain(*here.values()))) > 1 for here in place.reads.values())
    if differs and len(place.apart) == 1 and all(map(marks.is_linear, chain(*place.ended.values()))):
        return True
    return all(found == () for found in _others(place, sets))


def _others(place: Any, sets: list[dict[str, int]]) -> Iterator[tuple[str, int] | tuple[()] | None]:
    """For each way in which a place ended, the dimension and its size with which it ends otherwise; an empty tuple
    where there is none, and None where that cannot be worked out."""
    for (name, outcome), parts in place.ended.items():
        lines = {read: None if read.is_value else _line(place.sets(read, len(sets)), sets) for read in place.reads}
        known = None not in parts and None not in lines.values()
        yield _other((name, *parts), outcome, lines, sets) if known else None


def _other(way: Any, outcome: bool, lines: dict, sets: list[dict[str, int]]) -> tuple[str, int] | tuple[()]:
    near = {int(number) + step for number in _constants(way) for step in (-1, 0, 1)}
    candidates = {*range(1, 129), *(size for size in near if size > 0), LARGEST_SIZE, *BEYOND}
    for dim in sorted({name for name, _, _ in lines.values() if name}):
        here = sets[0][dim]
        for size in sorted(candidates, key=lambda size: (abs(size - here), size)):
            given = {
                read: factor * (size if name == dim else sets[0].get(name, 0)) + rest
                for read, (name, factor, rest) in lines.items()
            }
            if any(number.denominator != 1 for number in given.values()):
                continue
            try:
                ended = marks.evaluate(way, {read: int(number) for read, number in given.items()})
            except (ArithmeticError, ValueError, TypeError):
                continue
            if bool(ended) != outcome:
                return dim, size
    return ()


def _constants(way: Any) -> list[float]:
    if isinstance(way, tuple):
        return [number for part in way[1:] for number in _constants(part)]
    return [way] if isinstance(way, int | float) else []


def _line(values: list[dict[float, None]], sets: list[dict[str, int]]) -> tuple[str, Fraction, Fraction] | None:
    """How what was read follows from the size of a dimension: its name, a factor and a rest; no name where it never
    changes."""
    if any(len(numbers) > 1 for numbers in values):
        return None
    seen = [(given, number) for given, numbers in zip(sets, values, strict=False) for number in numbers]
    if len({number for _, number in seen}) == 1:
        if len(seen) == len(sets):
            return "", Fraction(0), Fraction(seen[0][1])
        # Few sets come here: it may well be the dimension that it is as large as.
        alike = [dim for dim in sets[0] if all(given.get(dim) == number for given, number in seen)]
        return (alike[0], Fraction(1), Fraction(0)) if alike else None
    lines = []
    for dim in sets[0]:
        points = sorted({(given.get(dim, 0), number) for given, number in seen})
        if len({size for size, _ in points}) < 2 or len({size for size, _ in points}) < len(points):
            continue
        (first, low), (last, high) = points[0], points[-1]
        factor = Fraction(high - low, last - first)
        rest = low - factor * first
        if all(factor * size + rest == number for size, number in points):
            lines.append((rest != 0 or factor != 1, dim, factor, rest))
    # That a size is the dimension itself is likelier than that it follows from another one.
    return min(lines)[1:] if lines else None
