"""Reads one type's classes and defaults by importing them.

A class that does not import, or a configuration without defaults, is noted in `problems` and costs that entry only.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from portwright_worker import auto, errors, models, sessions
from portwright_worker.jobs import processors
from portwright_worker.plain import plain


def run(job: dict, work: str) -> dict:
    import transformers

    model_type, source = job["model_type"], job["source"]
    problems: list[str] = []
    processed: dict[str, dict] = {}
    whole: type | None = None
    errors.now("import configuration")
    if source["from"] == "folder":
        config = models.folder_config(source["path"])
        cls = type(config)
        found = folder_classes(source["path"], config, problems)
        processor_defaults = {}
    else:
        cls = library_config_class(model_type)
        errors.now("import classes")
        found = library_classes(model_type, cls, problems)
        if not found:
            found, whole = classes_of_whole(cls, problems)
        cls = whole or cls
        config = default(cls, problems)
        errors.now("run processors")
        processor_defaults = processors.defaults(whole.model_type if whole else model_type, processed, problems)
    errors.now("describe")
    return {
        "model_type": model_type,
        "whole": whole.model_type if whole else None,
        "library_version": transformers.__version__,
        "config_class": where(cls, source.get("path")),
        "defaults": config_values(cls, config),
        "attribute_map": dict(getattr(cls, "attribute_map", None) or {}),
        "sub_configs": sub_configs(cls, config, problems),
        "inherited": inherited(config, problems),
        "classes": list(described(found, cls, source.get("path"), problems)),
        "processors": processor_defaults,
        "processed": processed,
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
    for leading, types in auto.mappings().items():
        for name in auto.names(types.get(model_type, ())):
            try:
                found.setdefault(_class(package, name), []).append(leading)
            except Exception as error:
                problems.append(f"{name} ({leading}): {type(error).__name__}: {error}")
    modules = modelling_modules(package, config, found, problems)
    for cls in (cls for module in modules for cls in public_models(module)):
        if _belongs(cls, config):
            found.setdefault(cls, [])
    # An auto class may lead to a class that takes a part's configuration and not the composite's.
    suited = {cls: autos for cls, autos in found.items() if _belongs(cls, config)}
    return suited or found or annotated_classes(modules, config) or documented_classes(config)


def annotated_classes(modules: list[Any], config: type) -> dict[type, list[str]]:
    """The classes whose own body says that they hold this configuration, though their constructor names the whole's."""
    models = (cls for module in modules for cls in public_models(module))
    return {cls: [] for cls in models if _annotated_config(cls, cls) is config}


def classes_of_whole(config: type, problems: list[str]) -> tuple[dict[type, list[str]], type | None]:
    """A part that no class takes by itself is made by the classes of a type beside it that nests its configuration."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    for holder in vars(importlib.import_module(config.__module__)).values():
        nested = (getattr(holder, "sub_configs", None) or {}) if isinstance(holder, type) else {}
        if config in nested.values() and holder.model_type in CONFIG_MAPPING_NAMES:
            if found := library_classes(holder.model_type, holder, problems):
                return found, holder
    return {}, None


def documented_classes(config: type) -> dict[type, list[str]]:
    """A configuration without a class of its own, e.g. of weights for another type's classes, names in the example of
    its documentation the class that takes it."""
    import transformers

    names = re.findall(r">>> \w+ = ([A-Z]\w+)\((?:config=)?config\w*\)", config.__doc__ or "")
    classes = (getattr(transformers, name, None) for name in names)
    return {cls: [] for cls in classes if isinstance(cls, type) and hasattr(cls, "forward")}


def modelling_modules(package: str, config: type, found: dict[type, list[str]], problems: list[str]) -> list[Any]:
    names = dict.fromkeys(cls.__module__ for cls in found)
    names[f"{package}.modeling_{package.rpartition('.')[2]}"] = None
    # A part may be configured in another type's package, and a package may have several modelling files.
    folder = os.path.dirname(inspect.getfile(config))
    for file in sorted(os.listdir(folder)):
        if file.startswith("modeling_") and file.endswith(".py"):
            names[f"{config.__module__.rpartition('.')[0]}.{file[:-3]}"] = None
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
    for leading, reference in (getattr(config, "auto_map", None) or {}).items():
        if not leading.startswith("AutoModel"):
            continue
        try:
            found.setdefault(models.folder_class(path, reference), []).append(leading)
        except Exception as error:
            problems.append(f"{reference} ({leading}): {type(error).__name__}: {error}")
    if not found:
        raise LookupError(
            f"`auto_map` in config.json names no model class that imports: {'; '.join(problems) or 'it is empty'}"
        )
    return dict(sorted(found.items(), key=lambda item: "AutoModel" not in item[1]))


def _belongs(cls: type, config: type) -> bool:
    """A file can hold the classes of several types, e.g. of a composite and its parts; each says which is its own.

    What the constructor takes says more than `config_class`, which a part can inherit from the composite's base.
    """
    if taken := _taken_configs(cls):
        return issubclass(config, tuple(taken))
    declared = getattr(cls, "config_class", None)
    return declared is None or declared is config


def _taken_configs(cls: type) -> set[type]:
    """The configuration classes that the annotations of the constructor name."""
    from transformers import PreTrainedConfig

    try:
        hints = typing.get_type_hints(cls.__init__)
    except Exception:
        # An annotation that names what is not imported.
        return set()
    named = (part for hint in hints.values() for part in (typing.get_args(hint) or (hint,)))
    return {
        part
        for part in named
        if isinstance(part, type) and issubclass(part, PreTrainedConfig) and part is not PreTrainedConfig
    }


def constructor_config(cls: type) -> type | None:
    """The configuration class that the annotation of a class's own constructor names."""
    return _annotated_config(cls, vars(cls).get("__init__"))


def _annotated_config(cls: type, holder: Any) -> type | None:
    """The configuration class that the annotation of `config` in a class or in its constructor names."""
    from transformers import PreTrainedConfig

    annotation = inspect.get_annotations(holder).get("config") if holder is not None else None
    if isinstance(annotation, str):
        annotation = getattr(importlib.import_module(cls.__module__), annotation, None)
    is_config = isinstance(annotation, type) and issubclass(annotation, PreTrainedConfig)
    return annotation if is_config and annotation is not PreTrainedConfig else None


def _class(package: str, name: str) -> type:
    import transformers

    module = importlib.import_module(package)
    return getattr(module, name, None) or getattr(transformers, name)


def described(found: dict[type, list[str]], config: type, folder: str | None, problems: list[str]) -> Iterator[dict]:
    for cls, autos in found.items():
        try:
            yield {
                **where(cls, folder),
                "auto_classes": autos,
                "main_input": main_input(cls),
                **called(cls),
                "modalities": modalities(cls),
                "generates": generates(cls),
                "ignores_config": not hasattr(sys.modules[cls.__module__], config.__name__),
            }
        except Exception as error:
            problems.append(f"{cls.__name__}: {type(error).__name__}: {error}")


def where(cls: type, folder: str | None = None) -> dict:
    """A class's place. The library imports a folder's code from a copy: the place is that of the user's own file."""
    if folder is None:
        return {"name": cls.__name__, "module": cls.__module__, "file": inspect.getfile(cls)}
    stem = cls.__module__.rpartition(".")[2]
    return {"name": cls.__name__, "module": stem, "file": os.path.join(folder, f"{stem}.py")}


def called(cls: type) -> dict:
    """What is called of a class: its `forward`, which may take a session, or else its own methods one by one."""
    from torch import nn

    if cls.forward is not nn.Module.forward:
        if session := sessions.found(cls):
            listed = [{"name": name, "required": True, "default": None} for name in sessions.inputs(session)]
            return {"parameters": listed, "methods": [], "session": session}
        return {"parameters": parameters(cls.forward), "methods": []}
    # One that takes a name which another has is given the same tensor.
    taken: dict[str, dict] = {}
    methods = []
    for name, method in own_methods(cls):
        listed = parameters(method)
        for parameter in listed:
            taken.setdefault(parameter["name"], parameter)
        methods.append({"name": name, "parameters": [parameter["name"] for parameter in listed]})
    return {"parameters": list(taken.values()), "methods": methods}


def own_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods that a class and its own bases add to the library's models, and that make something of what
    they are given."""
    from transformers import GenerationMixin, PreTrainedModel

    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is PreTrainedModel:
            break
        found = {name: value for name, value in vars(base).items() if inspect.isfunction(value)} | found
    for name, method in found.items():
        inherited = hasattr(PreTrainedModel, name) or hasattr(GenerationMixin, name)
        needs = any(parameter["required"] for parameter in parameters(method))
        if not name.startswith("_") and not inherited and needs and _gives(method):
            yield name, method


def _gives(method: Any) -> bool:
    """Whether a function of its own returns a value."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError):
        return False
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(tree))


def parameters(function: Any) -> list[dict]:
    listed = []
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
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
        if value is None:
            value = optional(cls, key, inner, problems)
            inner = type(value) if value is not None else inner
        nested[key] = {
            "class": inner.__name__,
            "defaults": plain(value.to_dict()) if hasattr(value, "to_dict") else {},
            "attribute_map": dict(getattr(inner, "attribute_map", None) or {}),
        }
    return nested


def optional(cls: type, key: str, inner: type, problems: list[str]) -> Any:
    """The nested configuration that the class would make when asked for it: a model takes in all that it can."""
    spec = (getattr(cls, "sub_configs_defaults", None) or {}).get(key)
    if spec is not None and spec.model_type:
        try:
            return spec.default_config
        except Exception as error:
            problems.append(f"{cls.__name__}.{key}: {type(error).__name__}: {error}")
    return default(inner, problems) if hasattr(inner, "attribute_map") else None


def inherited(config: Any, problems: list[str], prefix: str = "") -> list[str]:
    """Fields of nested configurations, by dotted path, whose values are the parent's choice and not their class's."""
    found: list[str] = []
    for key in getattr(type(config), "sub_configs", None) or {}:
        value = getattr(config, key, None)
        if not hasattr(value, "to_dict") or (own := default(type(value), problems)) is None:
            continue
        path, usual = f"{prefix}{key}", plain(own.to_dict())
        nested = getattr(type(value), "sub_configs", None) or {}
        for name, chosen in plain(value.to_dict()).items():
            if name not in nested and usual.get(name) != chosen:
                found.append(f"{path}.{name}")
        found += inherited(value, problems, f"{path}.")
    return found


def default(cls: type, problems: list[str]) -> Any:
    try:
        return cls()
    except Exception as error:
        problems.append(f"{cls.__name__}(): {type(error).__name__}: {error}")
        return None
