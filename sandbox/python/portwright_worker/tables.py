"""How large the tables are that the ids of an input look up: how far ids may reach in the judged configuration.

What a plan says of its ids was found for a small model. A checkpoint has a vocabulary of its own, and what goes wrong
for large ids alone, such as a product that leaves 32 bits, is seen by nobody who draws small ones.
"""

from __future__ import annotations

from typing import Any

import torch

#: The share of the values of an input that a lookup must have for the input to be what is looked up: placeholders may
#: have been replaced in it.
LIKE = 0.5


class Lookups:
    """Watches the tables of a model; `sizes` holds the smallest that an input's values looked up, by its name."""

    def __init__(self, model: Any) -> None:
        self.sizes: dict[str, int] = {}
        self.inputs: dict[str, torch.Tensor] = {}
        self.hooks = [
            module.register_forward_pre_hook(self._looked_up)
            for module in model.modules()
            if isinstance(module, torch.nn.Embedding)
        ]

    def watch(self, inputs: dict[str, torch.Tensor]) -> None:
        """The inputs of the next forward."""
        self.inputs = {
            name: tensor
            for name, tensor in inputs.items()
            if not tensor.is_floating_point() and tensor.dtype != torch.bool and tensor.numel()
        }

    def end(self) -> dict[str, int]:
        for hook in self.hooks:
            hook.remove()
        return self.sizes

    def _looked_up(self, module: Any, args: tuple) -> None:
        if not args or not isinstance(args[0], torch.Tensor):
            return
        ids = args[0]
        for name, tensor in self.inputs.items():
            if ids.numel() == tensor.numel() and _is_like(ids.reshape(-1), tensor.reshape(-1)):
                known = self.sizes.get(name, module.num_embeddings)
                self.sizes[name] = min(known, module.num_embeddings)


def _is_like(ids: torch.Tensor, given: torch.Tensor) -> bool:
    return (ids == given).float().mean().item() > LIKE
