"""The defaults of a type's image and video processors and feature extractors, which hold the sizes of its inputs."""

from __future__ import annotations

import importlib
from typing import Any

from portwright_worker import models
from portwright_worker.plain import plain

MAPPINGS = ("IMAGE_PROCESSOR_MAPPING_NAMES", "FEATURE_EXTRACTOR_MAPPING_NAMES", "VIDEO_PROCESSOR_MAPPING_NAMES")


def defaults(model_type: str, problems: list[str]) -> dict[str, Any]:
    """What each processor class of the type says of itself when it is made without arguments, by class name."""
    found = {}
    for name in class_names(model_type):
        try:
            module = importlib.import_module(models.package_of(model_type))
            cls = getattr(module, name, None) or getattr(importlib.import_module("transformers"), name)
            found[name] = plain(cls().to_dict())
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return found


def class_names(model_type: str) -> list[str]:
    from transformers.models.auto import auto_mappings, feature_extraction_auto, image_processing_auto

    names = []
    for mapping in MAPPINGS:
        for module in (auto_mappings, image_processing_auto, feature_extraction_auto):
            if types := getattr(module, mapping, None):
                names += _flat(types.get(model_type))
                break
    return list(dict.fromkeys(names))


def _flat(entry: Any) -> list[str]:
    """An entry is a name, or several by the library that implements them, of which the first suffices."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, list | tuple):
        entry = next((name for name in entry if name), None)
    return [entry] if entry else []
