"""Loads a checkpoint whole, or refuses it by name: no number is left to chance.

The library loads what a checkpoint holds and fills in the rest: weights that are
missing are drawn at random, and memory that its own code does not know of stays as it
was found, such as a buffer that foreign modelling code makes in `__init__` and does not
save. Here what is missing or has another shape is an error, memory that nobody wrote is
told by a mark that lay in it before, and what only a constructor gives is taken from
one.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

#: How many names an error shows.
SHOWN = 5


def config_of(config_class: Any, checkpoint: Any, model_type: str) -> Any:
    """The configuration of a checkpoint of this type that is not quantised."""
    values, _ = config_class.get_config_dict(checkpoint, local_files_only=True)
    parts = [values, *(part for part in values.values() if isinstance(part, dict))]
    found = [part["model_type"] for part in parts if part.get("model_type")]
    known = {model_type, config_class.model_type}
    if found and all(known) and not known & set(found):
        raise ValueError(
            f"the checkpoint is of the type {found[0]!r}, not {model_type!r}; "
            f"give one of {model_type!r}"
        )
    for part in parts:
        if quantised := part.get("quantization_config"):
            how = quantised.get("quant_method", "a method of its own")
            raise ValueError(
                f"the checkpoint is quantised ({how}), and its weights are loaded in "
                "float32; give the checkpoint from which it was made"
            )
    return config_class.from_pretrained(checkpoint, local_files_only=True)


def load_whole(model_class: Any, config: Any, checkpoint: Any, attention: str) -> Any:
    """The model in float32, with every parameter and buffer as the checkpoint has it
    or its constructor makes it.

    Raises:
        ValueError: The checkpoint does not fit the class; the names of what does not.
    """
    before = torch.get_rng_state()
    model = _read(model_class, config, checkpoint, attention)
    if not torch.equal(before, torch.get_rng_state()):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch.initial_seed() + 1)
            other = _read(model_class, config, checkpoint, attention)
        drawn = _different(dict(_tensors(model)), dict(_tensors(other)))
        if drawn:
            raise ValueError(
                f"{_named(drawn)} of {model_class.__name__} would be random: the "
                "checkpoint does not hold them"
            )
    return model


def _read(model_class: Any, config: Any, checkpoint: Any, attention: str) -> Any:
    with marked():
        model, report = model_class.from_pretrained(
            checkpoint,
            config=config,
            attn_implementation=attention,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            # Refused below, where the names can be told.
            ignore_mismatched_sizes=True,
        )
    name = model_class.__name__
    if missing := sorted(report["missing_keys"]):
        other = sorted(report["unexpected_keys"])
        aside = (
            f"; it holds {_named(other)} that the class does not have" if other else ""
        )
        raise ValueError(
            f"the checkpoint lacks {len(missing)} weights of {name}, which would be "
            f"random: {_named(missing)}{aside}"
        )
    if mismatched := sorted(report["mismatched_keys"]):
        shapes = [
            f"{key} is {tuple(it)}, not {tuple(of)}" for key, it, of in mismatched
        ]
        raise ValueError(
            f"the checkpoint's weights do not fit {name} and its own configuration: "
            f"{'; '.join(shapes[:SHOWN])}"
        )
    _complete(model, model_class, config, attention)
    return model.eval()


def _complete(model: Any, model_class: Any, config: Any, attention: str) -> None:
    """Gives what nobody wrote the values that the constructor gives it."""
    saved = model.state_dict(keep_vars=True)
    if held := [name for name, tensor in saved.items() if _has_no_number(tensor)]:
        raise ValueError(
            f"{_named(held)} of {model_class.__name__} hold values that are no "
            "numbers, or that nobody wrote"
        )
    unwritten = [
        name
        for name, tensor in _tensors(model)
        if name not in saved and is_unwritten(tensor)
    ]
    if not unwritten:
        return

    def made(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        built = model_class._from_config(
            copy.deepcopy(config), attn_implementation=attention, dtype=torch.float32
        )
        return dict(_tensors(built))

    with torch.random.fork_rng(devices=[]):
        with marked():
            first = made(0)
        second = made(1)
    values = {name: first[name] for name in unwritten if name in first}
    nobody = [name for name in unwritten if name not in values]
    # A number that looks like the mark is there without the mark as well.
    nobody += _different(values, second)
    nobody += [name for name, value in values.items() if value.is_meta]
    if nobody:
        raise ValueError(
            f"{_named(sorted(set(nobody)))} of {model_class.__name__} are neither in "
            "the checkpoint nor always made the same by the constructor: they would "
            "hold chance numbers, or whatever the memory held before"
        )
    for name, value in values.items():
        path, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(path), leaf, value)


@contextlib.contextmanager
def marked() -> Iterator[None]:
    """Has new memory hold a mark until it is written: no number, or the largest one."""
    fills = torch.utils.deterministic
    strict = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = fills.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    fills.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=only_warns)
        fills.fill_uninitialized_memory = filled


def is_unwritten(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds the mark, or something that cannot be told from it."""
    if tensor.is_meta:
        return True
    if tensor.numel() == 0 or tensor.is_sparse or tensor.is_quantized:
        return False
    if tensor.is_floating_point() or tensor.is_complex():
        return _has_no_number(tensor)
    if tensor.dtype == torch.bool:
        return bool(tensor.all())
    return bool((tensor == torch.iinfo(tensor.dtype).max).any())


def _has_no_number(tensor: Any) -> bool:
    if not isinstance(tensor, torch.Tensor) or tensor.is_meta:
        return False
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    # A sum shows it without a copy as large as the tensor, which values beyond measure
    # can be behind as well.
    return bool(tensor.sum().isnan()) and bool(tensor.isnan().any())


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters, buffers, and tensors that are plain attributes, by their path."""
    for path, module in model.named_modules():
        held = {**vars(module), **module._parameters, **module._buffers}
        for leaf, tensor in held.items():
            if isinstance(tensor, torch.Tensor):
                yield f"{path}.{leaf}" if path else leaf, tensor


def _different(some: dict[str, Any], others: dict[str, Any]) -> list[str]:
    """The names under which two models hold different values."""

    def same(one: torch.Tensor, other: torch.Tensor | None) -> bool:
        if other is None or one.is_meta or other.is_meta:
            return one.is_meta and other is not None and other.is_meta
        return torch.equal(one, other)

    return [name for name, tensor in some.items() if not same(tensor, others.get(name))]


def _named(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
