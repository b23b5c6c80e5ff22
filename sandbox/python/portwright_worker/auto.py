"""What the library's auto classes map: from a model type to the names of its classes."""

from __future__ import annotations


def mappings() -> dict[str, dict]:
    """Each auto class of a model, e.g. `AutoModelForCausalLM`, with its mapping from type to class names."""
    from transformers.models.auto import modeling_auto

    found = {}
    for name, cls in vars(modeling_auto).items():
        mapping = getattr(cls, "_model_mapping", None)
        types = getattr(mapping, "_model_mapping", None)
        if name.startswith("Auto") and isinstance(cls, type) and types is not None:
            found[name] = types
    # The base class first: it is what a port of a type means unless it says otherwise.
    return dict(sorted(found.items(), key=lambda item: item[0] != "AutoModel"))


def names(entry: str | tuple | list) -> list[str]:
    """A mapping's entry is a class name or several."""
    return [entry] if isinstance(entry, str) else list(entry)
