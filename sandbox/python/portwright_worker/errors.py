"""Turns an exception into the `JobError` that travels to Rust, and knows what the job was doing when it was raised."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

MAX_FRAMES = 60
MAX_MESSAGE = 8_000
#: Of so many frames, innermost last, the shapes of local tensors are told, and of so many tensors in each.
MAX_SEEN = 8
MAX_TENSORS = 24

_doing = ""


def now(step: str) -> None:
    """Names what the job does from here on, e.g. `load` or `forward`; an error carries the latest name."""
    global _doing
    _doing = step


def describe(error: BaseException) -> dict:
    """The error as `core::job::JobError`: class, message, the innermost frames, causes and the step it was met in."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    seen = _tensors(error.__traceback__)[-MAX_FRAMES:]
    return {
        "exception": type(error).__name__,
        "message": _text(error),
        "frames": [
            {
                "file": frame.filename,
                "line": frame.lineno or 0,
                "function": frame.name,
                "code": frame.line or "",
                "tensors": tensors,
            }
            for frame, tensors in zip(frames, seen, strict=True)
        ],
        "causes": _causes(error),
        "doing": _doing,
    }


def _tensors(trace: TracebackType | None) -> list[dict[str, list[int]]]:
    """For each frame the shapes of the tensors among its local variables: what a message counts, they say in full."""
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    torch = sys.modules.get("torch")
    if torch is None:
        return [{} for _ in frames]
    told: list[dict[str, list[int]]] = [{} for _ in frames[:-MAX_SEEN]]
    for frame in frames[-MAX_SEEN:]:
        shapes = {}
        for name, value in frame.f_locals.items():
            if isinstance(value, torch.Tensor) and len(shapes) < MAX_TENSORS:
                # While a model is traced a size may be a symbol.
                shape = list(value.shape)
                if all(type(size) is int for size in shape):
                    shapes[name] = shape
        told.append(shapes)
    return told


def _causes(error: BaseException) -> list[str]:
    causes, seen = [], {id(error)}
    while True:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or id(error) in seen:
            return causes
        seen.add(id(error))
        causes.append(f"{type(error).__name__}: {_text(error)}")


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        text = f"<its message cannot be read: {type(broken).__name__}>"
    # Lone surrogates cannot be written as UTF-8.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"
