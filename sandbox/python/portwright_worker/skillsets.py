"""Imports a generated skillset from its folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType

from . import errors

#: The package that skillsets lie in for a person too: `from skillsets.bert import load`.
PARENT = "skillsets"


def load(folder: str) -> ModuleType:
    """The skillset's package, under `skillsets` and named by its folder: its relative imports work, and nothing is put
    on the path. A type may be called like a library, one that is imported already or one that is optional and absent:
    under its bare name it would be taken for that library."""
    errors.now("import skillset")
    folder = os.path.normpath(folder)
    if PARENT not in sys.modules:
        parent = ModuleType(PARENT)
        parent.__path__ = []
        sys.modules[PARENT] = parent
    name = f"{PARENT}.{os.path.basename(folder)}"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
