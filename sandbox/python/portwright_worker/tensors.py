"""Tensors in and out: safetensors files, and the flat names of a nested model output."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

OUTPUTS = "outputs"


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


def read(path: str) -> dict[str, torch.Tensor]:
    return load_file(path)


def read_arrays(path: str) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in load_file(path).items()}


def write(work: str, input_file: str, tensors: Mapping[str, torch.Tensor | np.ndarray]) -> str:
    """Writes outputs under the input file's name below `outputs/`; returns the path relative to the work folder."""
    relative = os.path.join(OUTPUTS, os.path.basename(input_file))
    os.makedirs(os.path.join(work, OUTPUTS), exist_ok=True)
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
