"""Reads every model type of the installed library: its classes, its defaults, what it nests, its source.

It imports every modelling file. What does not import is noted in the `problems` of its type and costs that type only.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from portwright_worker import auto, errors, models
from portwright_worker.jobs import introspect

# How deep a default may hide a nested configuration in lists and dictionaries.
MAX_DEPTH = 4


def run(job: dict, work: str) -> dict:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    # The library warns about its own defaults, some hundred times.
    transformers.logging.set_verbosity_error()
    mappings = auto.mappings()
    types = []
    for model_type, config_class in CONFIG_MAPPING_NAMES.items():
        errors.now(f"read {model_type}")
        leads = {name: auto.names(found[model_type]) for name, found in mappings.items() if model_type in found}
        types.append(entry(model_type, config_class, leads))
    return {"library_version": transformers.__version__, "types": types}


def entry(model_type: str, config_class: str, auto_classes: dict[str, list[str]]) -> dict:
    """What the catalogue needs of one type."""
    problems: list[str] = []
    package = models.package_of(model_type)
    read = {
        "model_type": model_type,
        "config_class": config_class,
        "package": package,
        "auto_classes": auto_classes,
        "deprecated": "deprecated" in package.split("."),
        "problems": problems,
    }
    try:
        cls = introspect.library_config_class(model_type)
        config = introspect.default(cls, problems)
        found = introspect.library_classes(model_type, cls, problems)
        read["defaults"] = introspect.config_values(cls, config)
        read["classes"] = list(introspect.described(found, cls, None, problems))
        # A configuration may hold one of its own kind, and several types may share one.
        itself = (model_type, cls.model_type)
        read["nested"] = list(dict.fromkeys(name for name in nested(cls, config) if name not in itself))
        read["generative"] = any(generates(model) for model in found)
        read["sources"] = sources([inspect.getfile(cls), *(described["file"] for described in read["classes"])])
    except Exception as error:
        problems.append(f"{config_class}: {type(error).__name__}: {error}")
    return read


def nested(cls: type, config: Any, above: frozenset[type] = frozenset()) -> Iterator[str]:
    """The model types whose configurations this one holds: those that it declares, and those in its defaults.

    A nested configuration that is no model type itself is looked into.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    held = {type(value): value for value in _configurations(vars(config) if config is not None else {})}
    declared = (getattr(cls, "sub_configs", None) or {}).values()
    for inner in dict.fromkeys([*declared, *held]):
        name = getattr(inner, "model_type", None)
        if name in CONFIG_MAPPING_NAMES:
            yield name
        elif name is not None and inner not in above:
            value = held[inner] if inner in held else introspect.default(inner, [])
            yield from nested(inner, value, above | {inner})


def _configurations(value: Any, depth: int = 0) -> Iterator[Any]:
    from transformers import PreTrainedConfig

    if isinstance(value, PreTrainedConfig):
        yield value
    elif isinstance(value, dict | list | tuple) and depth < MAX_DEPTH:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _configurations(item, depth + 1)


def generates(cls: type) -> bool:
    from transformers import GenerationMixin

    return issubclass(cls, GenerationMixin) and bool(cls.can_generate())


def sources(files: list[str]) -> dict[str, str]:
    """The SHA-256 of each file, by its path below the library."""
    import transformers

    root = os.path.dirname(transformers.__file__)
    return {os.path.relpath(file, root): _sha256(file) for file in sorted(set(files))}


@cache
def _sha256(file: str) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
