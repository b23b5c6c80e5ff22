"""The object that a tracker's `forward` takes in place of tensors: it holds the frames of a video and the prompts that
say which object to follow."""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Iterator
from typing import Any

#: What the library's sessions call the place of an object, and the objects whose prompts are new.
INDEX, NEW = "obj_id_to_idx", "obj_with_new_inputs"
#: One object is prompted, on the first frame.
OBJECT, FRAME = 1, 0


def found(cls: type) -> dict | None:
    """The session that a class's `forward` takes; `None` where it takes none that frames and prompts are given to."""
    for name, hint in _hints(cls.forward).items():
        if not (isinstance(hint, type) and hint.__module__ == cls.__module__ and hasattr(hint, INDEX)):
            continue
        frames = [key for key, hint in _hints(hint.__init__).items() if "Tensor" in str(hint)]
        for method in _adders(hint):
            prompts = list(_keys(cls.__module__, method.removeprefix("add_")))
            if frames and prompts:
                entry = {"parameter": name, "class": hint.__name__, "frames": frames[0]}
                return {**entry, "method": method, "prompts": prompts}
    return None


def inputs(session: dict) -> list[str]:
    """The names of what a session is made from."""
    return [session["frames"], *session["prompts"]]


def call(model: Any, forward: Any, session: dict, given: dict) -> Any:
    """Calls a `forward` with a new session of what is given, on the frame that is prompted."""
    frames = given[session["frames"]]
    held = getattr(sys.modules[forward.__module__], session["class"])
    made = held(**{session["frames"]: frames, "dtype": frames.dtype})
    prompts = {name: given[name] for name in session["prompts"]}
    getattr(made, session["method"])(getattr(made, INDEX)(OBJECT), FRAME, prompts)
    setattr(made, NEW, [OBJECT])
    rest = {name: value for name, value in given.items() if name not in inputs(session)}
    return forward(model, **{session["parameter"]: made}, frame_idx=FRAME, **rest)


def _hints(function: Any) -> dict:
    try:
        return typing.get_type_hints(function)
    except Exception:
        # An annotation that names what is not imported.
        return {}


def _adders(held: type) -> Iterator[str]:
    """The methods that add a table of prompts for an object on a frame."""
    for name, method in vars(held).items():
        if name.startswith("add_") and inspect.isfunction(method):
            if list(_hints(method).values())[:3] == [int, int, dict]:
                yield name


def _keys(module: str, name: str) -> Iterator[str]:
    """The keys that a module reads from a table of this name, each once."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    keys = [
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]
    yield from dict.fromkeys(keys)
