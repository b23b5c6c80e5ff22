"""Where a conversion keeps one side of a branch, or one value: what a tracer warns of, and what `torch.export` guards.

A tracer that is asked for the truth or the number of a tensor warns, and goes on with the one it has. `torch.export`
notes a guard where the code compares a size, and drops it on the way to another format. Both go unheard in a build. The
places are told, and the judge asks whether its input sets took both sides there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from torch.fx.experimental import symbolic_shapes

from .branches_watch import SITE, TORCH, is_model, shown

MOST = 100
LONGEST = 160
#: Torch's way from a comparison in Python to the guard.
ASKS = (os.path.join(TORCH, "__init__.py"), os.path.join(TORCH, "fx", "experimental") + os.sep)

#: The library's own way to the exporters is no model.
EXPORTERS = tuple(os.path.join(site, "transformers", "exporters") + os.sep for site in SITE)


class Kept:
    """The places, each with what was first said of it.

    `written` is the folder of generated code. What stands in for a function of the model's is called by the model, and
    the line that calls it is the place: a person knows no other.
    """

    def __init__(self, written: str) -> None:
        self.written = os.path.join(os.path.normpath(written), "")
        self.places: dict[tuple[str, int], str] = {}

    def note(self, file: str, line: int, why: str, frame: FrameType | None) -> None:
        while file.startswith(self.written) and frame is not None:
            code = frame.f_code.co_filename
            if is_model(code) and not code.startswith(self.written):
                file, line = code, frame.f_lineno
            frame = frame.f_back
        # What torch does within itself has no place in the model; sets of other sizes are compared for it.
        if is_model(file) and not file.startswith(EXPORTERS) and len(self.places) < MOST:
            text = " ".join(why.split())
            text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
            self.places.setdefault((shown(file), line), text)

    def told(self) -> list[dict]:
        return [{"file": file, "line": line, "why": why} for (file, line), why in sorted(self.places.items())]


@contextlib.contextmanager
def noted(written: str) -> Iterator[Kept]:
    """Notes what the conversions inside keep; `written` is the folder of the skillset that converts."""
    kept = Kept(written)
    show, log = warnings.showwarning, symbolic_shapes.ShapeEnv._log_guard

    def showed(message: Any, category: type, filename: str, lineno: int, *rest: Any) -> None:
        if issubclass(category, torch.jit.TracerWarning):
            kept.note(filename, lineno, str(message).partition(". ")[0], sys._getframe(1))
        show(message, category, filename, lineno, *rest)

    def logged(env: Any, prefix: str, guard: Any, *args: Any, **kwargs: Any) -> Any:
        frame, asked = _model(sys._getframe(1))
        if frame is not None and prefix == "eval" and (asked or _is_fixed(guard)):
            kept.note(frame.f_code.co_filename, frame.f_lineno, f"the export holds for `{guard}`", frame.f_back)
        return log(env, prefix, guard, *args, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("always", torch.jit.TracerWarning)
        warnings.showwarning, symbolic_shapes.ShapeEnv._log_guard = showed, logged
        try:
            yield kept
        finally:
            symbolic_shapes.ShapeEnv._log_guard = log


def _model(frame: FrameType | None) -> tuple[FrameType | None, bool]:
    """The code outside of torch that led to a guard, and whether it compared a size itself."""
    asked = True
    # Torch makes some of its operators on sizes of text.
    while frame is not None and frame.f_code.co_filename.startswith((TORCH, "<")):
        asked = asked and frame.f_code.co_filename.startswith((*ASKS, "<"))
        frame = frame.f_back
    return frame, asked


def _is_fixed(guard: Any) -> bool:
    """Whether a guard says that a size is one number."""
    import sympy

    return isinstance(guard, sympy.Eq) and any(side.is_number for side in guard.args)
