"""Which outputs of a forward no value of its inputs reaches.

Such an output follows from the sizes of the inputs and the weights alone, like the table of places that a vision model
hands on. That it stays the same when the inputs are drawn anew says nothing against the model, and nothing but the flow
of the values tells it from an output that should move and does not. So every operation is followed, and in doubt a
value counts as reached.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# These take the sizes and the type of a tensor, and none of its values.
SIZES_ONLY = {
    f"aten::{name}"
    for name in (
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "new_zeros",
        "new_ones",
        "new_empty",
        "new_full",
        "new_empty_strided",
    )
}
# Ways from a tensor to Python that no operation shows.
READS = {"tolist", "numpy", "__array__", "__iter__", "data_ptr", "__dlpack__"}
DEPENDENT = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


def untouched(model: Any, inputs: dict, call: dict, leaves: Any) -> list[str]:
    """The names of the outputs that no value of an input reaches; none where a value has reached Python, whose choices
    cannot be followed."""
    flow = _Flow(tensor for tensor in tree_leaves(inputs) if isinstance(tensor, torch.Tensor))
    with torch.no_grad(), _Reads(flow), flow:
        output = model(**inputs, **call)
    if flow.escaped:
        return []
    return sorted(name for name, tensor in leaves(output).items() if not flow.has(tensor))


class _Flow(TorchDispatchMode):
    """Follows values from memory to memory: a view shares what it views, and what is written into is reached."""

    def __init__(self, tensors: Any) -> None:
        super().__init__()
        self.escaped = False
        # The memory itself is kept, so that no other tensor is ever given a place that is listed here.
        self.reached: dict[int, Any] = {}
        for tensor in tensors:
            self.add(tensor)

    def add(self, tensor: torch.Tensor) -> None:
        if tensor.layout != torch.strided:
            # A sparse tensor has no memory of its own kind to follow.
            self.escaped = True
            return
        storage = tensor.untyped_storage()
        self.reached[storage._cdata] = storage

    def has(self, tensor: torch.Tensor) -> bool:
        return tensor.layout != torch.strided or tensor.untyped_storage()._cdata in self.reached

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        fed = any(map(self.has, given))
        result = func(*args, **kwargs)
        if fed and func._schema.name not in SIZES_ONLY:
            made = _tensors(result)
            self.escaped = self.escaped or not made or not DEPENDENT.isdisjoint(func.tags)
            for tensor in (*made, *_written(func, args, kwargs)):
                self.add(tensor)
        return result


class _Reads(TorchFunctionMode):
    """Notices a reached tensor that is read from Python."""

    def __init__(self, flow: _Flow) -> None:
        super().__init__()
        self.flow = flow

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") in READS and any(map(self.flow.has, _tensors(args))):
            self.flow.escaped = True
        return func(*args, **(kwargs or {}))


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _written(func: Any, args: tuple, kwargs: dict) -> list[torch.Tensor]:
    """The arguments that an operation writes into."""
    written: list[torch.Tensor] = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            written += _tensors(value)
    return written
