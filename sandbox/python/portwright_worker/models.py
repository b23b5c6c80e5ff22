"""Finds a type's classes and builds its configuration and model, from the installed library or a local folder."""

from __future__ import annotations

import importlib
import inspect
import json
import os
from typing import Any

from . import errors, sessions


def package_of(model_type: str) -> str:
    """The package of a type's modules, e.g. `transformers.models.bert`."""
    from transformers.models.auto.configuration_auto import model_type_to_module_name

    return f"transformers.models.{model_type_to_module_name(model_type)}"


def config_class(plan: dict, source: dict) -> type:
    """The configuration class that a plan names."""
    name = plan["config_class"]
    if source["from"] == "folder":
        return type(folder_config(source["path"]))
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if module := plan.get("config_module"):
        return getattr(importlib.import_module(module), name)
    owner = importlib.import_module(plan["module"].rpartition(".")[0])
    if found := getattr(owner, name, None):
        return found
    if plan["model_type"] in CONFIG_MAPPING and CONFIG_MAPPING[plan["model_type"]].__name__ == name:
        return CONFIG_MAPPING[plan["model_type"]]
    return getattr(transformers, name)


def model_class(plan: dict, source: dict) -> type:
    """The model class that a plan names."""
    if source["from"] == "folder":
        cls = folder_class(source["path"], f"{plan['module']}.{plan['class']}")
    else:
        cls = getattr(importlib.import_module(plan["module"]), plan["class"])
    if plan.get("methods"):
        return with_methods(cls, plan)
    return with_session(cls, plan) if plan.get("session") else cls


def with_methods(cls: type, plan: dict) -> type:
    """A class that has no `forward`, with one that calls the plan's methods and gives what each of them returns."""

    def forward(self: Any, **inputs: Any) -> dict:
        outputs = {}
        for method in plan["methods"]:
            given = {name: inputs[name] for name in method["parameters"] if name in inputs}
            outputs[method["name"]] = getattr(self, method["name"])(**given)
        return outputs

    return _with_forward(cls, plan, forward)


def with_session(cls: type, plan: dict) -> type:
    """A class whose `forward` takes a session, with one that takes what a session is made from."""

    def forward(self: Any, **inputs: Any) -> Any:
        return sessions.call(self, cls.forward, plan["session"], inputs)

    return _with_forward(cls, plan, forward)


def _with_forward(cls: type, plan: dict, forward: Any) -> type:
    """The class with a `forward` that takes the plan's inputs by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = ["self", *(entry["name"] for entry in plan["inputs"])]
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    return type(cls.__name__, (cls,), {"forward": forward, "__module__": cls.__module__})


def folder_config(path: str) -> Any:
    """The configuration of a local folder with its own modelling code."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(path, trust_remote_code=True)


def folder_class(path: str, reference: str) -> type:
    """A class of a local folder, by `file_stem.Class`."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    return get_class_from_dynamic_module(reference, path)


def build_config(plan: dict, source: dict) -> Any:
    """The small configuration: the class's defaults, or the folder's values, with the plan's overrides."""
    errors.now("configure")
    cls = config_class(plan, source)
    overrides = dict(plan.get("config", {}))
    if source["from"] == "folder":
        with open(os.path.join(source["path"], "config.json"), encoding="utf-8") as file:
            values = json.load(file)
        values.pop("architectures", None)
        return cls(**_merge(values, overrides))
    return cls(**_named(cls, overrides))


def _named(cls: type, overrides: dict) -> dict:
    """The overrides, with the `model_type` of each nested configuration that they change."""
    nested = getattr(cls, "sub_configs", None) or {}
    changed = [key for key in nested if isinstance(overrides.get(key), dict)]
    if not changed:
        return overrides
    defaults = cls()
    values = dict(overrides)
    for key in changed:
        default = getattr(defaults, key, None)
        inner = type(default) if default is not None else nested[key]
        values[key] = _named(inner, overrides[key])
        if model_type := getattr(inner, "model_type", ""):
            values[key] = {"model_type": model_type, **values[key]}
    return values


def _merge(values: dict, overrides: dict) -> dict:
    merged = dict(values)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def load(plan: dict, source: dict, checkpoint: str, attention: str = "eager") -> Any:
    """The pristine library's model with a checkpoint's weights, all of them: float32, ready to run."""
    from .shared import whole

    errors.now("load")
    cls = model_class(plan, source)
    config = whole.config_of(config_class(plan, source), checkpoint, plan["model_type"])
    return whole.load_whole(cls, config, checkpoint, attention)
