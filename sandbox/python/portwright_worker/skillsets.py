"""Imports a generated skillset from its folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType

from . import errors


def load(folder: str) -> ModuleType:
    """The skillset's package, named by its folder: its relative imports work, and nothing is put on the path."""
    errors.now("import skillset")
    folder = os.path.normpath(folder)
    name = os.path.basename(folder)
    if name in sys.modules:
        # A type may be called like a library that is imported already, e.g. `timm`.
        name = f"skillset_{name}"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
