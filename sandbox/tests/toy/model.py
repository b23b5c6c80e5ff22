"""A toy model that can be wrong on purpose, and the skillset around it."""

import os

import numpy as np
import torch

FIRST = torch.linspace(-1.0, 1.0, 8)
BIAS = torch.linspace(0.3, -0.2, 8)
SECOND = torch.sin(torch.arange(32.0)).reshape(8, 4)
# What the variants do beside the right thing.
VARIANTS = ("right", "wrong-weights", "ignores-mask", "constant", "zeros", "traced-shape")


class Toy(torch.nn.Module):
    """`state` of each position, `total` of each row, and the whole number of positions that count."""

    def __init__(self, variant: str = "right") -> None:
        super().__init__()
        self.variant = variant
        self.first = torch.nn.Parameter(FIRST)
        self.bias = torch.nn.Parameter(BIAS)
        self.second = torch.nn.Parameter(SECOND * 1.05 if variant == "wrong-weights" else SECOND)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        masked = x if self.variant == "ignores-mask" else x * mask.to(x.dtype)
        state = torch.tanh(masked[..., None] * self.first + self.bias) @ self.second
        total = state.sum(dim=1)
        if self.variant == "constant":
            total = total * 0.0 + 1.5
        if self.variant == "zeros":
            state, total = state * 0.0, total * 0.0
        if self.variant == "traced-shape":
            state = state[:2, :8]
        return {"state": state, "total": total, "length": mask.sum(dim=1, dtype=mask.dtype)}


class Skillset:
    def __init__(self, variant: str) -> None:
        self.module = Toy(variant).eval()

    def infer(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            outputs = self.module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def unload(self) -> None:
        self.module = None


def load(backend: str = "torch-cpu", device: str = "cpu", checkpoint: str | None = None) -> Skillset:
    with open(os.path.join(os.path.dirname(__file__), "variant.txt"), encoding="utf-8") as file:
        return Skillset(file.read())
