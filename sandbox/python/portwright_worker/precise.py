"""The reference once more with less rounding: what the judge measures the rounding of eager PyTorch by.

A copy of the model computes in float64. Libraries ask for float32 by name in places, such as a norm that is computed
with more precision than the 16-bit model around it, so every operation that is asked for a shorter float is given
float64 instead. Where that cannot be done, the model computes in float32 with every weight moved by at most its last
bit: how far its outputs move tells how far rounding goes in it.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from portwright_worker import tensors

DOUBLE, PERTURBED = "float64", "perturbed"
SHORT = {torch.float32, torch.float16, torch.bfloat16}
WIDER = {dtype: torch.float64 for dtype in SHORT} | {torch.complex64: torch.complex128}
#: The distance of two neighbouring float32 numbers in proportion to them.
LAST_BIT = 2.0**-23


def run(
    twin: Any, make: Callable[[], Any], paths: list[str], plan: dict, example: dict[str, torch.Tensor], work: str
) -> str | None:
    """Writes the outputs on each input file; answers how they were computed, or nothing where neither way works.

    `twin` is a model that has not run yet, and `make` makes another one. `example` is what the model returns in float32
    on the first of the files: the other way of computing must return the same outputs.
    """
    ways = ((DOUBLE, lambda: twin.double(), _Doubled()), (PERTURBED, lambda: _perturbed(make()), torch.no_grad()))
    for way, prepare, inside in ways:
        try:
            model = prepare()
            for path in paths:
                # Files are read and written as they are: inside, float32 is not what it says.
                inputs = tensors.read(path)
                with inside, torch.no_grad():
                    found = _computed(model, inputs, plan, way)
                if path == paths[0] and found.keys() != example.keys():
                    raise ValueError("other outputs than in float32")
                tensors.write(work, path, found, tensors.PRECISE)
        except Exception as error:  # noqa: BLE001 - whatever a model cannot do in one way, it may do in the other
            # On the job's log: a defect of ours would look the same.
            print(f"not computed with less rounding ({way}): {type(error).__name__}: {error}", file=sys.stderr)
            continue
        return way
    return None


def copied(model: Any, make: Callable[[], Any]) -> Any:
    """A copy of a model, or another one where it holds what cannot be copied, such as a tensor with a history."""
    try:
        return copy.deepcopy(model)
    except Exception:  # noqa: BLE001 - a copy fails in whatever way the model's own parts fail
        return make()


def _computed(model: Any, inputs: dict, plan: dict, way: str) -> dict[str, torch.Tensor]:
    if way == DOUBLE:
        inputs = {name: it.double() if it.dtype in SHORT else it for name, it in inputs.items()}
    torch.manual_seed(plan["weights"]["seed"])
    return tensors.leaves(model(**inputs, **plan.get("call", {})))


def _perturbed(twin: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.is_floating_point():
                step = torch.randint(-1, 2, parameter.shape, generator=generator)
                parameter.mul_(1 + LAST_BIT * step)
    return twin


class _Doubled(TorchDispatchMode):
    """Gives float64 to every operation that asks for, or is given, a shorter float."""

    def __enter__(self) -> Any:
        self.default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        return super().__enter__()

    def __exit__(self, *failure: Any) -> Any:
        torch.set_default_dtype(self.default)
        return super().__exit__(*failure)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        # What is written into keeps its type: the operation could not write a wider one.
        widen = _widened if not func._schema.is_mutable else _asked
        given = {name: widen(value) for name, value in (kwargs or {}).items()}
        return func(*map(widen, args), **given)


def _asked(value: Any) -> Any:
    return WIDER.get(value, value) if isinstance(value, torch.dtype) else value


def _widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(WIDER[value.dtype]) if value.dtype in WIDER else value
    if isinstance(value, list | tuple):
        return type(value)(map(_widened, value)) if any(isinstance(it, torch.Tensor) for it in value) else value
    return _asked(value)
