"""The defaults of a type's image and video processors and feature extractors, which hold the sizes of its inputs."""

from __future__ import annotations

import importlib
from typing import Any

from portwright_worker import models
from portwright_worker.jobs import samples
from portwright_worker.plain import plain

MAPPINGS = {
    "IMAGE_PROCESSOR_MAPPING_NAMES": "image",
    "FEATURE_EXTRACTOR_MAPPING_NAMES": "audio",
    "VIDEO_PROCESSOR_MAPPING_NAMES": "video",
}


def defaults(model_type: str, processed: dict[str, dict], problems: list[str]) -> dict[str, Any]:
    """What each processor class of the type says of itself when it is made without arguments, by class name; what it
    makes of a synthetic sample joins `processed`."""
    found = {}
    for name, modality in class_names(model_type).items():
        try:
            module = importlib.import_module(models.package_of(model_type))
            cls = getattr(module, name, None) or getattr(importlib.import_module("transformers"), name)
            processor = cls()
            found[name] = plain(processor.to_dict())
            for tensor, seen in samples.processed(processor, modality).items():
                processed.setdefault(tensor, seen)
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return found


def class_names(model_type: str) -> dict[str, str]:
    """The type's processor classes with what each of them processes."""
    from transformers.models.auto import auto_mappings, feature_extraction_auto, image_processing_auto

    names: dict[str, str] = {}
    for mapping, modality in MAPPINGS.items():
        for module in (auto_mappings, image_processing_auto, feature_extraction_auto):
            if types := getattr(module, mapping, None):
                for name in _flat(types.get(model_type)):
                    names.setdefault(name, modality)
                break
    return names


def _flat(entry: Any) -> list[str]:
    """An entry is a name, or several by the library that implements them, of which the first suffices."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, list | tuple):
        entry = next((name for name in entry if name), None)
    return [entry] if entry else []
