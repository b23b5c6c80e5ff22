"""Tensors in and out: safetensors files, and the flat names of a nested model output."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

OUTPUTS = "outputs"
#: Where the reference's outputs lie that were computed with less rounding.
PRECISE = "precise"


def leaves(output: Any) -> dict[str, torch.Tensor]:
    """Every tensor of a model's output by its dotted path, e.g. `past_key_values.layers.0.keys`."""
    try:
        from transformers.exporters.utils import get_leaf_tensors
    except ImportError:
        return dict(_walk(output, ""))
    return get_leaf_tensors(output)


def _walk(value: Any, path: str):
    if isinstance(value, torch.Tensor):
        yield path or "output", value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}.{index}" if path else str(index))
    elif hasattr(value, "__dict__") and not isinstance(value, torch.nn.Module | type):
        yield from _walk(vars(value), path)


def not_tensors(output: Any) -> list[str]:
    """The places of what an output holds that is no tensor and says something: numbers, strings and the like."""
    return sorted(place for place, _ in _others(output, "", set()))


def _others(value: Any, path: str, seen: set[int]):
    if value is None or isinstance(value, torch.Tensor | np.ndarray) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _others(item, f"{path}.{key}" if path else str(key), seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _others(item, f"{path}.{index}" if path else str(index), seen)
    elif isinstance(value, bool | int | float | complex | str | bytes):
        yield path or "output", value
    # What an object keeps for itself, such as a cache its settings, is no output.


def read(path: str) -> dict[str, torch.Tensor]:
    return load_file(path)


def read_arrays(path: str) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in load_file(path).items()}


def set_name(input_file: str) -> str:
    """The name of the input set in a file."""
    return os.path.splitext(os.path.basename(input_file))[0]


def write(work: str, input_file: str, tensors: Mapping[str, torch.Tensor | np.ndarray], folder: str = OUTPUTS) -> str:
    """Writes outputs under the input file's name below a folder; returns the path relative to the work folder."""
    relative = os.path.join(folder, os.path.basename(input_file))
    os.makedirs(os.path.join(work, folder), exist_ok=True)
    save_file({name: _plain(tensor) for name, tensor in tensors.items()}, os.path.join(work, relative))
    return relative


def _plain(tensor: torch.Tensor | np.ndarray) -> torch.Tensor:
    """A dense copy that shares memory with no other; the 16-bit floats and float64 keep their values as float32."""
    if not isinstance(tensor, torch.Tensor):
        tensor = torch.from_numpy(np.array(tensor, copy=True))
    tensor = tensor.detach().to("cpu")
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    return tensor.clone(memory_format=torch.contiguous_format)
