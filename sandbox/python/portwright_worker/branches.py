"""Which branches on sizes and values of the inputs no input set takes.

A model of its own runs on every input set, and the sizes and values of its tensors reach Python as marked numbers
(`branches_marks`). So each comparison in modelling code is seen with the place that it stands at and how it ended. A
place that ended in one way only is a branch of which a side was never taken. It counts where the inputs can decide it:

- a size counts where it differs between the input sets: one that is the same in all follows from the configuration and
  from axes that the artefact holds fixed, and no input of the artefact can change it;
- a value counts unless it follows from weights alone;
- a side that ends in an error, or only tells somebody something, is no way of the model (`branches_source`).

For an untaken side there is a wish where one can be worked out: a size of a dimension, or values of an input, with
which the comparison ends otherwise (`branches_wishes`). What cannot be followed, such as values that NumPy reads, is
told.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from types import CodeType, ModuleType
from typing import Any

import torch

from . import branches_marks as marks
from . import branches_source as source
from . import branches_wishes as wishes
from .branches_watch import Place, Watch, shown

#: So many are told of untaken sides and of unfollowed places, and so many lines as settled.
MOST_TOLD = 30
MOST_LINES = 4_000
CACHE = dis.opmap["CACHE"]


def look(load: Callable[[], Any], plan: dict, sets: Iterable[Callable[[], dict]]) -> dict:
    """Runs the model that `load` gives on every set, and says what no set took."""
    why = ""
    # Where the names that modelling code is lent break it, it is asked without.
    for lends in (True, False):
        watch = Watch(plan)
        try:
            model = load()
            modules = _modules(model) if lends else []
            with torch.no_grad(), marks.told_to(watch), marks.lending(modules, marks.lent(watch.length)):
                for read in sets:
                    inputs = read()
                    torch.manual_seed(plan["weights"]["seed"])
                    watch.begin(model, inputs)
                    with watch:
                        model(**inputs, **plan.get("call", {}))
            return _told(watch)
        except Exception as error:
            why = why or f"{type(error).__name__}: {str(error)[:200]}"
    return {"checked": False, "why": why, "untaken": [], "more": 0, "settled": [], "unfollowed": []}


def _told(watch: Watch) -> dict:
    untaken, settled, left = [], set(), set()
    for (code, at), place in watch.places.items():
        span, line = _span(code, _asked(code, at)), _line(code, at)
        condition = source.condition(code.co_filename, span)
        # What an iterator asks on its way is no condition of the model.
        side = None if dis.opname[code.co_code[at]] == "FOR_ITER" else _untaken(watch, place, condition)
        if side is None:
            settled.add(line)
            continue
        left.add(line)
        untaken.append(
            {
                "file": line[0],
                "line": span[0],
                "column": span[1],
                "function": code.co_qualname,
                "condition": condition.text if condition is not None else source.line(code.co_filename, span[0]),
                "side": side,
                "wish": wishes.wish(place, condition, watch.sizes),
            }
        )
    for (code, at, _), read in watch.reads.items():
        (left if read.is_value and not read.varies() else settled).add(_line(code, at))
    left.update(_line(code, at) for code, at in watch.unfollowed)
    untaken.sort(key=lambda entry: (entry["file"], entry["line"], entry["column"]))
    return {
        "checked": True,
        "why": "",
        "untaken": untaken[:MOST_TOLD],
        "more": max(0, len(untaken) - MOST_TOLD),
        "settled": [{"file": file, "line": line} for file, line in sorted(settled - left)[:MOST_LINES]],
        "unfollowed": [
            {**dict(zip(("file", "line"), _line(code, at), strict=True)), "function": code.co_qualname, "how": how}
            for (code, at), how in islice(watch.unfollowed.items(), MOST_TOLD)
        ],
    }


def _untaken(watch: Watch, place: Place, condition: source.Condition | None) -> bool | None:
    """The side that was never taken, where the inputs can decide it and something comes of it."""
    if not place.counts(len(watch.sizes)) or wishes.holds_always(place, watch.sizes):
        return None
    if condition is None:
        sides = {outcome for _, outcome in place.ended}
    else:
        sides = {condition.side(name, outcome) for name, outcome in place.ended}
        if place.looked_up and not condition.is_look_up():
            return None
        if place.looked_up:
            # What is found by its hash is asked for equality too.
            sides.add(condition.side("eq", False))
    if len(sides) != 1:
        return None
    untaken = not sides.pop()
    return untaken if condition is None or condition.computes(untaken) else None


def _span(code: CodeType, at: int) -> tuple[int, int, int, int]:
    line, end_line, column, end_column = next(islice(code.co_positions(), at // 2, None), (None,) * 4)
    line = line or code.co_firstlineno
    return line, column or 0, end_line or line, end_column or 0


def _asked(code: CodeType, at: int) -> int:
    """The instruction that made what is asked: the jump that asks for its truth may stand at another place."""
    code_units = code.co_code
    if "JUMP" in dis.opname[code_units[at]]:
        at -= 2
        while at > 0 and code_units[at] == CACHE:
            at -= 2
    return at


def _line(code: CodeType, at: int) -> tuple[str, int]:
    return shown(code.co_filename), _span(code, at)[0]


def _modules(model: Any) -> list[ModuleType]:
    """The modules that hold the model's code."""
    roots = {type(module).__module__.partition(".")[0] for module in model.modules()}
    roots = {"transformers", "transformers_modules", *roots} - {"torch", "builtins"}
    found = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in roots]
    return [module for module in found if isinstance(module, ModuleType)]
