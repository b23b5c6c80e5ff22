"""Draws the weights of a small model so that signals survive from its inputs to its outputs.

Each tensor is drawn from a generator seeded by its own name, so the values do not depend on the order in which the
library builds the model. Tied parameters are one tensor and stay tied.
"""

from __future__ import annotations

import math
import zlib

import torch
from torch import nn

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@torch.no_grad()
def draw(model: nn.Module, seed: int, gain: float) -> None:
    """Redraws every parameter that the library draws or leaves constant; structured ones (decays, slopes) stay."""
    drawn = set()
    for prefix, module in model.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            # What needs no gradient is computed by the library, such as sinusoidal positions.
            if (
                parameter.is_floating_point()
                and parameter.requires_grad
                and parameter.numel()
                and id(parameter) not in drawn
            ):
                _draw_parameter(module, parameter, _generator(f"{prefix}.{leaf}", seed), gain)
                drawn.add(id(parameter))
        for leaf, buffer in module.named_buffers(recurse=False):
            # Codebooks that training would fill: the same code everywhere is no signal.
            kept = leaf not in module._non_persistent_buffers_set
            if kept and buffer.is_floating_point() and buffer.dim() >= 2 and not buffer.any():
                buffer.copy_(_normal(buffer, _generator(f"{prefix}.{leaf}", seed)) * gain)
        if isinstance(getattr(module, "running_var", None), torch.Tensor):
            generator = _generator(f"{prefix}.running", seed)
            module.running_mean.copy_(0.1 * _normal(module.running_mean, generator))
            module.running_var.copy_(1 + 0.1 * torch.rand(module.running_var.shape, generator=generator))


def _draw_parameter(module: nn.Module, parameter: torch.Tensor, generator: torch.Generator, gain: float) -> None:
    shape = [size for size in parameter.shape if size > 1]
    mean, spread = parameter.mean().item(), parameter.std(unbiased=False).item()
    if not math.isfinite(spread):
        # Memory that the library allocates and never fills holds whatever was there: it is drawn as if it were zero.
        mean = spread = 0.0
    layer = isinstance(module, (nn.Linear, nn.Embedding, *CONVOLUTIONS)) or type(module).__name__ == "Conv1D"
    directions = _directions(module, parameter)
    if directions is not None:
        # The values of the product are as large as those of a matrix that is not normalised.
        size = gain * math.sqrt(len(directions) / parameter.numel())
        parameter.copy_(size * (1 + 0.1 * _normal(parameter, generator)))
    elif isinstance(module, NORMS) and parameter is module.weight:
        # Some libraries draw these around zero, which would silence what they scale.
        parameter.copy_(1 + 0.1 * _normal(parameter, generator))
    elif parameter.dim() >= 2 and layer:
        parameter.copy_(_normal(parameter, generator) * _deviation(module, parameter, gain))
        if getattr(module, "padding_idx", None) is not None:
            # Training leaves the padding's row at zero, and the library sets it to zero when it loads some models.
            parameter[module.padding_idx].zero_()
    elif (layer and parameter.abs().max().item() <= 1) or (spread == 0 and mean == 0 and len(shape) < 2):
        # A bias. One that a library set beyond what torch ever draws, such as a time step's, is structured.
        parameter.copy_(0.1 * _normal(parameter, generator))
    elif spread == 0 and (mean == 1 or 0 < abs(mean) < 0.1) and parameter.dim() > 0:
        # Norm scales, and layer scales that start so small that their block would be silent.
        parameter.copy_(1 + 0.1 * _normal(parameter, generator))
    elif len(shape) >= 2 and abs(mean) <= spread:
        parameter.copy_(_normal(parameter, generator) * gain / math.prod(shape[-2:]) ** 0.25)


def _directions(module: nn.Module, parameter: torch.Tensor) -> torch.Tensor | None:
    """What a weight normalisation keeps beside its magnitudes; nothing for a parameter that holds no magnitudes."""
    for magnitudes, directions in (("original0", "original1"), ("weight_g", "weight_v")):
        if parameter is getattr(module, magnitudes, None):
            return getattr(module, directions, None)
    return None


def _deviation(module: nn.Module, parameter: torch.Tensor, gain: float) -> float:
    if isinstance(module, nn.Embedding):
        return gain
    # The Conv1D of the GPT-2 line keeps its matrix the other way round.
    fan_in = parameter.shape[0] if type(module).__name__ == "Conv1D" else math.prod(parameter.shape[1:])
    return gain / math.sqrt(fan_in)


def _generator(name: str, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed((zlib.crc32(name.encode()) + 0x9E3779B97F4A7C15 * seed) % (1 << 63))


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator)
