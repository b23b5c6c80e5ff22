"""Reads one type's classes and defaults by importing them.

A class that does not import, or a configuration without defaults, is noted in `problems` and costs that entry only.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator
from typing import Any

from portwright_worker import errors, models
from portwright_worker.jobs import catalogue, processors
from portwright_worker.plain import plain


def run(job: dict, work: str) -> dict:
    import transformers

    model_type, source = job["model_type"], job["source"]
    problems: list[str] = []
    errors.now("import configuration")
    if source["from"] == "folder":
        config = models.folder_config(source["path"])
        cls = type(config)
        found = folder_classes(source["path"], config, problems)
        processor_defaults = {}
    else:
        cls = library_config_class(model_type)
        config = _default(cls, problems)
        errors.now("import classes")
        found = library_classes(model_type, cls, problems)
        processor_defaults = processors.defaults(model_type, problems)
    errors.now("describe")
    return {
        "model_type": model_type,
        "library_version": transformers.__version__,
        "config_class": where(cls, source.get("path")),
        "defaults": config_values(cls, config),
        "attribute_map": dict(getattr(cls, "attribute_map", None) or {}),
        "sub_configs": sub_configs(cls, config, problems),
        "classes": list(_described(found, source.get("path"), problems)),
        "processors": processor_defaults,
        "problems": problems,
    }


def library_config_class(model_type: str) -> type:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if model_type not in CONFIG_MAPPING:
        raise LookupError(f"the installed Transformers has no model type `{model_type}`")
    return CONFIG_MAPPING[model_type]


def library_classes(model_type: str, config: type, problems: list[str]) -> dict[type, list[str]]:
    """The type's model classes with the auto classes that map to each; those without one come last."""
    package = models.package_of(model_type)
    found: dict[type, list[str]] = {}
    for auto, types in catalogue.auto_mappings().items():
        for name in catalogue.names(types.get(model_type, ())):
            try:
                found.setdefault(_class(package, name), []).append(auto)
            except Exception as error:
                problems.append(f"{name} ({auto}): {type(error).__name__}: {error}")
    for module in modelling_modules(package, found, problems):
        for cls in public_models(module):
            if _belongs(cls, config):
                found.setdefault(cls, [])
    return found


def modelling_modules(package: str, found: dict[type, list[str]], problems: list[str]) -> list[Any]:
    names = dict.fromkeys(cls.__module__ for cls in found)
    names[f"{package}.modeling_{package.rpartition('.')[2]}"] = None
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name != name:
                problems.append(f"{name}: {error}")
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return modules


def public_models(module: Any) -> Iterator[type]:
    """The model classes that a module defines and that can run: abstract bases have no `forward`."""
    from torch import nn
    from transformers import PreTrainedModel

    for name, cls in vars(module).items():
        if (
            isinstance(cls, type)
            and issubclass(cls, PreTrainedModel)
            and cls.__module__ == module.__name__
            and not name.startswith("_")
            and cls.forward is not nn.Module.forward
        ):
            yield cls


def folder_classes(path: str, config: Any, problems: list[str]) -> dict[type, list[str]]:
    """The classes that a folder's `auto_map` names."""
    found: dict[type, list[str]] = {}
    for auto, reference in (getattr(config, "auto_map", None) or {}).items():
        if not auto.startswith("AutoModel"):
            continue
        try:
            found.setdefault(models.folder_class(path, reference), []).append(auto)
        except Exception as error:
            problems.append(f"{reference} ({auto}): {type(error).__name__}: {error}")
    if not found:
        raise LookupError(
            f"`auto_map` in config.json names no model class that imports: {'; '.join(problems) or 'it is empty'}"
        )
    return dict(sorted(found.items(), key=lambda item: "AutoModel" not in item[1]))


def _belongs(cls: type, config: type) -> bool:
    """A file can hold the classes of several types, e.g. of a composite and its parts; each says which is its own."""
    declared = getattr(cls, "config_class", None)
    return declared is None or declared is config


def _class(package: str, name: str) -> type:
    import transformers

    module = importlib.import_module(package)
    return getattr(module, name, None) or getattr(transformers, name)


def _described(found: dict[type, list[str]], folder: str | None, problems: list[str]) -> Iterator[dict]:
    for cls, autos in found.items():
        try:
            yield {
                **where(cls, folder),
                "auto_classes": autos,
                "main_input": main_input(cls),
                "parameters": parameters(cls),
                "modalities": modalities(cls),
                "generates": generates(cls),
            }
        except Exception as error:
            problems.append(f"{cls.__name__}: {type(error).__name__}: {error}")


def where(cls: type, folder: str | None = None) -> dict:
    """A class's place. The library imports a folder's code from a copy: the place is that of the user's own file."""
    if folder is None:
        return {"name": cls.__name__, "module": cls.__module__, "file": inspect.getfile(cls)}
    stem = cls.__module__.rpartition(".")[2]
    return {"name": cls.__name__, "module": stem, "file": os.path.join(folder, f"{stem}.py")}


def parameters(cls: type) -> list[dict]:
    listed = []
    for name, parameter in list(inspect.signature(cls.forward).parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        required = parameter.default is parameter.empty
        listed.append({"name": name, "required": required, "default": None if required else repr(parameter.default)})
    return listed


def generates(cls: type) -> bool:
    from transformers import GenerationMixin

    return issubclass(cls, GenerationMixin)


def main_input(cls: type) -> str:
    """Some classes name several; the first leads."""
    named = cls.main_input_name
    return named if isinstance(named, str) else named[0]


def modalities(cls: type) -> list[str]:
    """`input_modalities` where the class or a base of its own declares it; the library's default says nothing."""
    from transformers import PreTrainedModel

    for base in cls.__mro__:
        if base is PreTrainedModel:
            break
        declared = vars(base).get("input_modalities")
        if declared is not None:
            return [declared] if isinstance(declared, str) else list(declared)
    return []


def config_values(cls: type, config: Any) -> dict:
    """The configuration's fields; of a class that has no default instance, the defaults in its signature."""
    if config is not None:
        return plain(config.to_dict())
    return {
        name: plain(parameter.default)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is not parameter.empty
    }


def sub_configs(cls: type, config: Any, problems: list[str]) -> dict[str, dict]:
    nested = {}
    for key, declared in (getattr(cls, "sub_configs", None) or {}).items():
        value = getattr(config, key, None)
        inner = type(value) if hasattr(value, "to_dict") else declared
        if value is None and hasattr(inner, "attribute_map"):
            value = _default(inner, problems)
        nested[key] = {
            "class": inner.__name__,
            "defaults": plain(value.to_dict()) if hasattr(value, "to_dict") else {},
            "attribute_map": dict(getattr(inner, "attribute_map", None) or {}),
        }
    return nested


def _default(cls: type, problems: list[str]) -> Any:
    try:
        return cls()
    except Exception as error:
        problems.append(f"{cls.__name__}(): {type(error).__name__}: {error}")
        return None
