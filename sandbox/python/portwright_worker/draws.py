"""Where a forward draws random numbers: the lines of code, which name what scales them."""

from __future__ import annotations

import linecache
import os
import sys
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Lines shown of a call: its own, and those around it over which a call is often written.
AROUND = 1
MOST = 2


class Places(TorchFunctionMode):
    """Notes the innermost lines outside of torch at which the state of the generator changes."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[tuple[str, int], None] = {}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        before = torch.get_rng_state()
        result = func(*args, **(kwargs or {}))
        if not torch.equal(before, torch.get_rng_state()) and (place := _caller()) is not None:
            self.places.setdefault(place)
        return result

    def told(self) -> str:
        """The lines in words, or nothing where none was seen."""
        lines = []
        for file, line in list(self.places)[:MOST]:
            code = (linecache.getline(file, at).strip() for at in range(line - AROUND, line + AROUND + 1))
            lines.append(f"; line {line} draws: {' '.join(code)}")
        return "".join(lines)


def _caller() -> tuple[str, int] | None:
    root = os.path.dirname(torch.__file__)
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(root):
            return file, frame.f_lineno
        frame = frame.f_back
    return None
