"""Lists the model types of the installed library with the classes that its auto classes map to them."""

from __future__ import annotations


def auto_mappings() -> dict[str, dict]:
    """Each auto class of a model, e.g. `AutoModelForCausalLM`, with its mapping from type to class names."""
    from transformers.models.auto import modeling_auto

    found = {}
    for name, cls in vars(modeling_auto).items():
        mapping = getattr(cls, "_model_mapping", None)
        names = getattr(mapping, "_model_mapping", None)
        if name.startswith("Auto") and isinstance(cls, type) and names is not None:
            found[name] = names
    # The base class first: it is what a port of a type means unless it says otherwise.
    return dict(sorted(found.items(), key=lambda item: item[0] != "AutoModel"))


def names(entry: str | tuple | list) -> list[str]:
    """A mapping's entry is a class name or several."""
    return [entry] if isinstance(entry, str) else list(entry)


def run(job: dict, work: str) -> dict:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    mappings = auto_mappings()
    types = [
        {
            "model_type": model_type,
            "config_class": config,
            "auto_classes": {auto: names(types[model_type]) for auto, types in mappings.items() if model_type in types},
        }
        for model_type, config in CONFIG_MAPPING_NAMES.items()
    ]
    return {"library_version": transformers.__version__, "types": types}
