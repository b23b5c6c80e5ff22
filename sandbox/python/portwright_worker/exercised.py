"""Which configurations' modules a forward calls.

A composite is built from several configurations, each of a type of its own. What a module was built from is seen while
it is constructed: many keep no reference to their configuration, so it cannot be read off them later.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Built:
    """For each module, the model types of the configurations that it was given, and of those that it only read the
    fields."""

    def __init__(self) -> None:
        self.given: Any = weakref.WeakKeyDictionary()
        self.read: Any = weakref.WeakKeyDictionary()

    def note_given(self, module: Any, config: Any) -> None:
        if model_type := type(config).model_type:
            self.given.setdefault(module, set()).add(model_type)

    def note_read(self, module: Any, config: Any, field: str) -> None:
        if model_type := type(config).model_type:
            self.read.setdefault(module, {}).setdefault(model_type, set()).add(field)


@contextlib.contextmanager
def construction() -> Iterator[Built]:
    """Notes what every module that is constructed inside is built from."""
    from torch import nn
    from transformers import PreTrainedConfig

    built = Built()
    init, read = nn.Module.__init__, PreTrainedConfig.__getattribute__

    def constructed(module: Any, *args: Any, **kwargs: Any) -> None:
        init(module, *args, **kwargs)
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_name == "__init__" and _self(frame) is module:
            for value in _arguments(frame):
                if isinstance(value, PreTrainedConfig):
                    built.note_given(module, value)
            frame = frame.f_back

    def attribute(config: Any, name: str) -> Any:
        value = read(config, name)
        if not name.startswith("_") and not callable(value):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "__init__" and isinstance(module := _self(frame), nn.Module):
                built.note_read(module, config, name)
        return value

    nn.Module.__init__, PreTrainedConfig.__getattribute__ = constructed, attribute
    try:
        yield built
    finally:
        nn.Module.__init__, PreTrainedConfig.__getattribute__ = init, read


def watch(model: Any, built: Built) -> set[str]:
    """The model types whose modules are called from here on, which fills as they are.

    A module without a configuration belongs to the nearest one around it that has one, so a part that is driven by
    another method than `forward` counts through what it calls. A configuration that no module takes as a whole counts
    through the modules inside the model that read it, and one that is taken whole only by what its reader makes counts
    through the reader too.
    """
    exercised: set[str] = set()
    given = {module: _given(module, built) for module in model.modules()}
    whole = set().union(*given.values())
    takers = {name: [module for module in given if name in given[module]] for name in whole}

    def hook(types: set[str]) -> Any:
        return lambda *_: exercised.update(types)

    owners: dict[str, set[str]] = {}
    for path, module in model.named_modules():
        types = given[module]
        if len(types) > 1:
            # What a module hands on to one inside it is that one's to exercise.
            types = types - set().union(*(given[inner] for inner in module.modules() if inner is not module))
        types = types or owners.get(path.rpartition(".")[0], set())
        owners[path] = types
        read = {name for name in built.read.get(module, ()) if path and _is_read_by(module, name, takers, built)}
        if types or read:
            module.register_forward_pre_hook(hook(types | read))
    return exercised


def _is_read_by(module: Any, name: str, takers: dict[str, list[Any]], built: Built) -> bool:
    """Whether a module is the part of a configuration that it was not given itself.

    The configuration of a part can reach it inside that of the whole: the part then reads most of it and hands it on to
    a detail inside, which may not be called. A whole that makes a part reads a field or two of it, and is not the part.
    """
    if not takers.get(name):
        return True
    inside = set(module.modules()) - {module}
    if not all(taker in inside for taker in takers[name]):
        return False
    read = set().union(*(fields.get(name, ()) for fields in built.read.values()))
    return 2 * len(built.read[module][name]) > len(read)


def _given(module: Any, built: Built) -> set[str]:
    """A copied module was never constructed, but may hold its configuration."""
    held = getattr(getattr(module, "config", None), "model_type", None)
    return built.given.get(module, set()) | ({held} if held else set())


def _self(frame: FrameType) -> Any:
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _arguments(frame: FrameType) -> Iterator[Any]:
    code = frame.f_code
    for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]:
        if name in frame.f_locals:
            yield frame.f_locals[name]
